/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors.c - a strict reader of model.safetensors */
#include "kernels/embed/safetensors.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

struct st_file {
    struct st_tensor *tensors; /* sorted by offset */
    size_t n;
    json_t *header; /* owns the dtype names */
    void *map;      /* NULL when the caller owns the bytes */
    size_t map_len;
    void *owned; /* or to be freed */
};

static const struct {
    const char *name;
    enum st_dtype dtype;
    unsigned size;
} dtypes[] = {
    {"F32", ST_F32, 4},    {"F16", ST_F16, 2},   {"BF16", ST_BF16, 2},
    {"F64", ST_OTHER, 8},  {"I64", ST_OTHER, 8}, {"U64", ST_OTHER, 8},
    {"I32", ST_OTHER, 4},  {"U32", ST_OTHER, 4}, {"I16", ST_OTHER, 2},
    {"U16", ST_OTHER, 2},  {"I8", ST_OTHER, 1},  {"U8", ST_OTHER, 1},
    {"BOOL", ST_OTHER, 1},
};

/* Sets dtype; returns the size of an element, 0 when unknown. */
static unsigned take_dtype(const json_t *j, struct st_tensor *t)
{
    t->dtype_name = json_string_value(json_object_get(j, "dtype"));
    for (size_t i = 0; t->dtype_name && i < sizeof(dtypes) / sizeof(*dtypes);
         i++)
        if (strcmp(dtypes[i].name, t->dtype_name) == 0) {
            t->dtype = dtypes[i].dtype;
            return dtypes[i].size;
        }
    return 0;
}

/* Sets the shape; *size becomes the bytes of the whole tensor. */
static int take_shape(const json_t *j, struct st_tensor *t, uint64_t *size,
                      struct fault *f)
{
    const json_t *shape = json_object_get(j, "shape");
    size_t n = json_array_size(shape);

    if (!json_is_array(shape) || n > ST_DIMS_MAX)
        return fault_set(f, EBADMSG,
                         "tensor \"%.100s\": shape is not a list of at most "
                         "%d numbers",
                         t->name, ST_DIMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(shape, i);
        json_int_t d = json_integer_value(v);

        if (!json_is_integer(v) || d < 0 ||
            __builtin_mul_overflow(*size, (uint64_t)d, size))
            return fault_set(f, EBADMSG,
                             "tensor \"%.100s\": dimension %zu is %jd", t->name,
                             i, (intmax_t)d);
        t->shape[i] = (uint64_t)d;
    }
    t->ndim = (unsigned)n;
    return 0;
}

static int take_tensor(const json_t *j, const uint8_t *data, uint64_t data_len,
                       struct st_tensor *t, struct fault *f)
{
    const json_t *offsets = json_object_get(j, "data_offsets");
    const json_t *b = json_array_get(offsets, 0);
    const json_t *e = json_array_get(offsets, 1);
    json_int_t begin = json_integer_value(b), end = json_integer_value(e);
    uint64_t size = take_dtype(j, t);

    if (!size)
        return fault_set(f, EBADMSG,
                         "tensor \"%.100s\": unknown dtype \"%.20s\"", t->name,
                         t->dtype_name ? t->dtype_name : "");
    if (take_shape(j, t, &size, f) < 0)
        return -1;
    if (json_array_size(offsets) != 2 || !json_is_integer(b) ||
        !json_is_integer(e))
        return fault_set(f, EBADMSG,
                         "tensor \"%.100s\": data_offsets are not two numbers",
                         t->name);
    if (begin < 0 || end < begin || (uint64_t)end > data_len)
        return fault_set(f, EBADMSG,
                         "tensor \"%.100s\": data_offsets [%jd, %jd] leave the "
                         "%ju bytes of data",
                         t->name, (intmax_t)begin, (intmax_t)end,
                         (uintmax_t)data_len);
    if ((uint64_t)(end - begin) != size)
        return fault_set(f, EBADMSG,
                         "tensor \"%.100s\": its shape takes %ju bytes, its "
                         "data_offsets %jd",
                         t->name, (uintmax_t)size, (intmax_t)(end - begin));
    t->data = data + begin;
    t->len = size;
    return 0;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->len < y->len ? -1 : x->len > y->len;
}

/* No hole, no overlap, nothing behind. */
static int check_cover(const struct st_file *s, const uint8_t *data,
                       uint64_t data_len, struct fault *f)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < s->n; i++) {
        if (s->tensors[i].data != at)
            return fault_set(f, EBADMSG,
                             "tensor \"%.100s\" begins at %td, the one before "
                             "ends at %td",
                             s->tensors[i].name, s->tensors[i].data - data,
                             at - data);
        at += s->tensors[i].len;
    }
    if (at != data + data_len)
        return fault_set(f, EBADMSG,
                         "the tensors end at %td of %ju bytes of data",
                         at - data, (uintmax_t)data_len);
    return 0;
}

static int take_header(struct st_file *s, const uint8_t *data,
                       uint64_t data_len, struct fault *f)
{
    const char *key;
    json_t *j;

    s->tensors = calloc(json_object_size(s->header) + 1, sizeof(*s->tensors));
    if (!s->tensors)
        return fault_set(f, ENOMEM, "could not allocate the tensor list");
    json_object_foreach(s->header, key, j)
    {
        struct st_tensor *t = &s->tensors[s->n];

        if (strcmp(key, "__metadata__") == 0)
            continue;
        t->name = strdup(key);
        if (!t->name)
            return fault_set(f, ENOMEM, "could not allocate a name");
        s->n++;
        if (take_tensor(j, data, data_len, t, f) < 0)
            return -1;
    }
    qsort(s->tensors, s->n, sizeof(*s->tensors), compare_offsets);
    return check_cover(s, data, data_len, f);
}

struct st_file *st_parse(const void *buf, size_t len, struct fault *f)
{
    const uint8_t *p = buf;
    uint64_t header_len = 0;
    struct st_file *s;
    json_error_t e;

    if (len < 8) {
        fault_set(f, EBADMSG, "%zu bytes are too short for a length", len);
        return NULL;
    }
    for (int i = 7; i >= 0; i--)
        header_len = header_len << 8 | p[i];
    if (header_len > len - 8 || header_len > ST_HEADER_MAX) {
        fault_set(f, EBADMSG,
                  "the header's length is %ju, the file has %zu bytes",
                  (uintmax_t)header_len, len);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        fault_set(f, ENOMEM, "could not allocate a reader");
        return NULL;
    }
    s->header = json_loadb((const char *)p + 8, (size_t)header_len,
                           JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(s->header)) {
        fault_set(f, EBADMSG, "the header is not a JSON object: %.150s",
                  s->header ? "another value" : e.text);
        st_destroy(s);
        return NULL;
    }
    if (take_header(s, p + 8 + header_len, len - 8 - header_len, f) < 0) {
        st_destroy(s);
        return NULL;
    }
    return s;
}

static void *map_file(const char *path, size_t *len, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    void *map = MAP_FAILED;
    struct stat st;

    if (fd < 0) {
        fault_set(f, errno, "could not open %.300s: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        fault_set(f, EINVAL, "%.300s is not a regular file", path);
    } else if (st.st_size < 8) {
        fault_set(f, EBADMSG, "%.300s has %jd bytes, too short for a length",
                  path, (intmax_t)st.st_size);
    } else {
        *len = (size_t)st.st_size;
        map = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            fault_set(f, errno, "could not map %.300s: %s", path,
                      strerror(errno));
    }
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

struct st_file *st_create(const char *dir, const char *name, struct fault *f)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    struct fault inner = {""};
    struct st_file *s;
    size_t len = 0;
    void *map;

    if (n < 0 || (size_t)n >= sizeof(path)) {
        fault_set(f, ENAMETOOLONG, "the path %.80s… is too long", dir);
        return NULL;
    }
    map = map_file(path, &len, f);
    if (!map)
        return NULL;
    s = st_parse(map, len, &inner);
    if (!s) {
        int code = errno;

        munmap(map, len);
        fault_set(f, code, "%.120s: %.250s", path, inner.text);
        return NULL;
    }
    s->map = map;
    s->map_len = len;
    return s;
}

void st_adopt(struct st_file *s, void *buf)
{
    s->owned = buf;
}

void st_destroy(struct st_file *s)
{
    if (s) {
        int saved_errno = errno;

        for (size_t i = 0; i < s->n; i++)
            free(s->tensors[i].name);
        free(s->tensors);
        json_decref(s->header);
        if (s->map)
            munmap(s->map, s->map_len);
        free(s->owned);
        free(s);
        errno = saved_errno;
    }
}

const struct st_tensor *st_find(const struct st_file *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

/* IEEE half to single: exact, subnormals included. */
static float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exp = h >> 10 & 31, man = h & 1023u, bits;
    float v;

    if (exp == 0) {
        v = (float)man * 0x1p-24f;
        return sign ? -v : v;
    }
    bits = sign | (exp == 31 ? 0x7f800000u : (exp + 112) << 23) | man << 13;
    memcpy(&v, &bits, 4);
    return v;
}

void st_to_float(const struct st_tensor *t, uint64_t first, uint64_t n,
                 float *out)
{
    const uint8_t *p = t->data + first * (t->dtype == ST_F32 ? 4 : 2);

    if (t->dtype == ST_F32) {
        memcpy(out, p, n * 4);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h = (uint16_t)(p[2 * i] | p[2 * i + 1] << 8);

        if (t->dtype == ST_F16) {
            out[i] = half_to_float(h);
        } else {
            uint32_t bits = (uint32_t)h << 16;

            memcpy(&out[i], &bits, 4);
        }
    }
}
