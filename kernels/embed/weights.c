/* SPDX-License-Identifier: Apache-2.0 */
/* weights.c - an encoder's parameters, quantised */
#include "kernels/embed/weights.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exact.h"

#define VALUE_MAX_BITS 0x477fe000u /* 65504.0f */
#define WEIGHT_LEVELS 63.0f

/* Find a tensor by its name without prefix and check dtype and shape; rows 0
 * means one dimension.
 */
__attribute__((format(printf, 5, 6))) static const struct st_tensor *want(
    const struct st_file *file, uint32_t rows, uint32_t cols, struct fault *f,
    const char *fmt, ...)
{
    char name[160] = "bert.";
    const struct st_tensor *t;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name + 5, sizeof(name) - 5, fmt, ap);
    va_end(ap);
    t = st_find(file, name + 5);
    if (!t)
        t = st_find(file, name);
    if (!t) {
        fault_set(f, EBADMSG, "tensor \"%s\" is missing", name + 5);
    } else if (t->dtype == ST_OTHER) {
        fault_set(f, ENOTSUP,
                  "tensor \"%s\": dtype is %.20s, supported are F32, F16, BF16",
                  t->name, t->dtype_name);
        t = NULL;
    } else if (t->ndim != (rows ? 2u : 1u) || t->shape[t->ndim - 1] != cols ||
               (rows && t->shape[0] != rows)) {
        fault_set(f, EBADMSG, "tensor \"%s\": shape is not [%u%s%u]", t->name,
                  rows ? rows : cols, rows ? ", " : "", rows ? cols : 0);
        t = NULL;
    }
    return t;
}

/* The values of t, all finite and of sane magnitude. */
static int check_values(const struct st_tensor *t, const float *v, uint64_t n,
                        struct fault *f)
{
    uint32_t bad = 0;

    for (uint64_t i = 0; i < n; i++)
        bad |= (exact_bits(v[i]) & 0x7fffffffu) > VALUE_MAX_BITS;
    for (uint64_t i = 0; bad && i < n; i++)
        if ((exact_bits(v[i]) & 0x7fffffffu) > VALUE_MAX_BITS)
            return fault_set(f, EBADMSG,
                             "tensor \"%.100s\": a value is %g, supported is a "
                             "magnitude up to 65504",
                             t->name, (double)v[i]);
    return 0;
}

/* Values of a vector of n; where to is NULL memory is allocated to *own. */
static int take_vector(const struct st_tensor *t, uint32_t n, float *to,
                       struct fault *f)
{
    if (!t)
        return -1;
    st_to_float(t, 0, n, to);
    return check_values(t, to, n, f);
}

static void quantise_row(const float *row, uint32_t k, int8_t *q, float *scale,
                         float *offset)
{
    float most = 1e-20f, inv;
    int32_t sum = 0;

    for (uint32_t i = 0; i < k; i++)
        most = exact_max(most, exact_abs(row[i]));
    inv = WEIGHT_LEVELS / most;
    for (uint32_t i = 0; i < k; i++) {
        int32_t v = exact_round(row[i] * inv);

        q[i] = (int8_t)v;
        sum += v;
    }
    *scale = most / WEIGHT_LEVELS;
    *offset = *scale * (float)sum;
}

/* Rows first … first + rows - 1 of l from one weight and one bias tensor. */
static int take_rows(struct embed_linear *l, uint32_t first, uint32_t rows,
                     const struct st_tensor *w, const struct st_tensor *b,
                     struct fault *f)
{
    float *row = malloc(l->k * sizeof(*row));
    int rc = 0;

    if (!row)
        return fault_set(f, ENOMEM, "could not allocate a row");
    for (uint32_t i = 0; rc == 0 && i < rows; i++) {
        uint32_t o = first + i;

        st_to_float(w, (uint64_t)i * l->k, l->k, row);
        rc = check_values(w, row, l->k, f);
        if (rc == 0)
            quantise_row(row, l->k, l->w + (size_t)o * l->k, &l->scale[o],
                         &l->offset[o]);
    }
    free(row);
    return rc < 0 ? -1 : take_vector(b, rows, l->bias + first, f);
}

static int linear_alloc(struct embed_linear *l, uint32_t k, uint32_t n,
                        struct fault *f)
{
    l->k = k;
    l->n = n;
    l->w = malloc((size_t)k * n);
    l->scale = malloc(n * sizeof(float));
    l->offset = malloc(n * sizeof(float));
    l->bias = malloc(n * sizeof(float));
    if (!l->w || !l->scale || !l->offset || !l->bias)
        return fault_set(f, ENOMEM, "could not allocate %u x %u weights", n, k);
    return 0;
}

static void linear_free(struct embed_linear *l)
{
    free(l->w);
    free(l->scale);
    free(l->offset);
    free(l->bias);
}

static int take_linear(const struct st_file *file, struct embed_linear *l,
                       uint32_t first, uint32_t rows, uint32_t layer,
                       const char *what, struct fault *f)
{
    const struct st_tensor *w, *b;

    w = want(file, rows, l->k, f, "encoder.layer.%u.%s.weight", layer, what);
    if (!w)
        return -1;
    b = want(file, 0, rows, f, "encoder.layer.%u.%s.bias", layer, what);
    if (!b)
        return -1;
    return take_rows(l, first, rows, w, b, f);
}

static int take_norm(const struct st_file *file, struct embed_norm *norm,
                     uint32_t h, const char *what, struct fault *f)
{
    norm->gamma = malloc(h * sizeof(float));
    norm->beta = malloc(h * sizeof(float));
    if (!norm->gamma || !norm->beta)
        return fault_set(f, ENOMEM, "could not allocate a norm");
    if (take_vector(want(file, 0, h, f, "%s.weight", what), h, norm->gamma, f) <
        0)
        return -1;
    return take_vector(want(file, 0, h, f, "%s.bias", what), h, norm->beta, f);
}

static void norm_free(struct embed_norm *norm)
{
    free(norm->gamma);
    free(norm->beta);
}

static int take_layer(const struct st_file *file, const struct embed_config *c,
                      uint32_t i, struct embed_layer *l, struct fault *f)
{
    uint32_t h = c->hidden;
    char name[80];

    if (linear_alloc(&l->qkv, h, 3 * h, f) < 0 ||
        linear_alloc(&l->out, h, h, f) < 0 ||
        linear_alloc(&l->up, h, c->ffn, f) < 0 ||
        linear_alloc(&l->down, c->ffn, h, f) < 0 ||
        take_linear(file, &l->qkv, 0, h, i, "attention.self.query", f) < 0 ||
        take_linear(file, &l->qkv, h, h, i, "attention.self.key", f) < 0 ||
        take_linear(file, &l->qkv, 2 * h, h, i, "attention.self.value", f) <
            0 ||
        take_linear(file, &l->out, 0, h, i, "attention.output.dense", f) < 0 ||
        take_linear(file, &l->up, 0, c->ffn, i, "intermediate.dense", f) < 0 ||
        take_linear(file, &l->down, 0, h, i, "output.dense", f) < 0)
        return -1;
    memset(l->qkv.bias + h, 0, h * sizeof(float));
    snprintf(name, sizeof(name), "encoder.layer.%u.attention.output.LayerNorm",
             i);
    if (take_norm(file, &l->after_attention, h, name, f) < 0)
        return -1;
    snprintf(name, sizeof(name), "encoder.layer.%u.output.LayerNorm", i);
    return take_norm(file, &l->after_ffn, h, name, f);
}

/* The whole word table is checked once, a block of rows at a time. */
static int check_words(const struct st_tensor *t, struct fault *f)
{
    uint64_t n = t->shape[0] * t->shape[1];
    float block[4096];

    for (uint64_t i = 0; i < n; i += 4096) {
        uint64_t k = n - i < 4096 ? n - i : 4096;

        st_to_float(t, i, k, block);
        if (check_values(t, block, k, f) < 0)
            return -1;
    }
    return 0;
}

static int take_embeddings(struct embed_weights *w, struct fault *f)
{
    const struct embed_config *c = &w->config;
    size_t n = (size_t)c->max_positions * c->hidden;
    const struct st_tensor *pos, *type;
    float row[4096];

    w->word = want(w->file, c->vocab, c->hidden, f,
                   "embeddings.word_embeddings.weight");
    if (!w->word || check_words(w->word, f) < 0)
        return -1;
    pos = want(w->file, c->max_positions, c->hidden, f,
               "embeddings.position_embeddings.weight");
    if (!pos)
        return -1;
    type = want(w->file, c->types, c->hidden, f,
                "embeddings.token_type_embeddings.weight");
    if (!type)
        return -1;
    w->position = malloc(n * sizeof(float));
    if (!w->position)
        return fault_set(f, ENOMEM, "could not allocate the positions");
    st_to_float(pos, 0, n, w->position);
    st_to_float(type, 0, c->hidden, row);
    if (check_values(pos, w->position, n, f) < 0 ||
        check_values(type, row, c->hidden, f) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        w->position[i] = w->position[i] + row[i % c->hidden];
    return take_norm(w->file, &w->norm, c->hidden, "embeddings.LayerNorm", f);
}

struct embed_weights *embed_weights_from(const struct embed_config *c,
                                         struct st_file *file, struct fault *f)
{
    struct embed_weights *w = calloc(1, sizeof(*w));
    unsigned csr = exact_enter();

    if (!w) {
        st_destroy(file);
        fault_set(f, ENOMEM, "could not allocate a model");
        goto error;
    }
    w->config = *c;
    w->file = file;
    w->layers = calloc(c->layers, sizeof(*w->layers));
    if (!w->layers) {
        fault_set(f, ENOMEM, "could not allocate %u layers", c->layers);
        goto error;
    }
    if (take_embeddings(w, f) < 0)
        goto error;
    for (uint32_t i = 0; i < c->layers; i++)
        if (take_layer(file, c, i, &w->layers[i], f) < 0)
            goto error;
    exact_leave(csr);
    return w;
error:
    exact_leave(csr);
    embed_weights_destroy(w);
    return NULL;
}

struct embed_weights *embed_weights_create(const char *dir, struct fault *f)
{
    struct embed_weights *w;
    struct embed_config c;
    struct st_file *file;
    struct fault inner = {""};

    if (embed_config_read(dir, &c, f) < 0)
        return NULL;
    file = st_create(dir, "model.safetensors", f);
    if (!file)
        return NULL;
    w = embed_weights_from(&c, file, &inner);
    if (!w)
        fault_set(f, errno, "%.120s/model.safetensors: %.250s", dir,
                  inner.text);
    return w;
}

void embed_weights_destroy(struct embed_weights *w)
{
    int saved_errno = errno;

    if (!w)
        return;
    for (uint32_t i = 0; w->layers && i < w->config.layers; i++) {
        struct embed_layer *l = &w->layers[i];

        linear_free(&l->qkv);
        linear_free(&l->out);
        linear_free(&l->up);
        linear_free(&l->down);
        norm_free(&l->after_attention);
        norm_free(&l->after_ffn);
    }
    free(w->layers);
    norm_free(&w->norm);
    free(w->position);
    st_destroy(w->file);
    free(w);
    errno = saved_errno;
}

static int check_layer(const struct st_file *s, const struct embed_config *c,
                       uint32_t i, struct fault *f)
{
    const struct {
        const char *name;
        uint32_t rows, cols;
    } want_of[] = {
        {"attention.self.query", c->hidden, c->hidden},
        {"attention.self.key", c->hidden, c->hidden},
        {"attention.self.value", c->hidden, c->hidden},
        {"attention.output.dense", c->hidden, c->hidden},
        {"intermediate.dense", c->ffn, c->hidden},
        {"output.dense", c->hidden, c->ffn},
        {"attention.output.LayerNorm", 0, c->hidden},
        {"output.LayerNorm", 0, c->hidden},
    };

    for (size_t k = 0; k < sizeof(want_of) / sizeof(*want_of); k++) {
        uint32_t out = want_of[k].rows ? want_of[k].rows : want_of[k].cols;

        if (!want(s, want_of[k].rows, want_of[k].cols, f,
                  "encoder.layer.%u.%s.weight", i, want_of[k].name) ||
            !want(s, 0, out, f, "encoder.layer.%u.%s.bias", i, want_of[k].name))
            return -1;
    }
    return 0;
}

int embed_weights_check(const char *dir, const struct embed_config *c,
                        struct fault *f)
{
    struct st_file *s = st_create(dir, "model.safetensors", f);
    uint32_t h = c->hidden;
    struct fault inner = {""};
    int rc = 0;

    if (!s)
        return -1;
    if (!want(s, c->vocab, h, &inner, "embeddings.word_embeddings.weight") ||
        !want(s, c->max_positions, h, &inner,
              "embeddings.position_embeddings.weight") ||
        !want(s, c->types, h, &inner,
              "embeddings.token_type_embeddings.weight") ||
        !want(s, 0, h, &inner, "embeddings.LayerNorm.weight") ||
        !want(s, 0, h, &inner, "embeddings.LayerNorm.bias"))
        rc = -1;
    for (uint32_t i = 0; rc == 0 && i < c->layers; i++)
        rc = check_layer(s, c, i, &inner);
    if (rc < 0)
        fault_set(f, errno, "%.120s/model.safetensors: %.250s", dir,
                  inner.text);
    st_destroy(s);
    return rc;
}

uint64_t embed_weights_bytes(const struct embed_config *c)
{
    uint64_t h = c->hidden;
    uint64_t layer = 4 * h * h + 2 * h * c->ffn + 12 * (9 * h + c->ffn);

    return c->layers * layer + 4 * h * ((uint64_t)c->vocab + c->max_positions);
}
