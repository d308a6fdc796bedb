/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.c - items files and manifests of jobs, cached in memory
 *
 * A lease carries its items inline, so the bytes of a task's blob are needed
 * when it is leased, and those of others when salt rides along.  The cache
 * keeps CACHE_BYTES of recently used blobs.
 */
#include "sched/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/blob/blob.h"

#define CACHE_SLOTS 1024 /* power of two */
#define CACHE_BYTES (256u << 20)

struct slot {
    struct digest digest;
    uint8_t *bytes; /* NULL = empty */
    size_t len;
    struct item *items; /* parsed, or NULL for a manifest */
    size_t n;
};

struct inputs {
    struct blobs *blobs;
    size_t total;
    size_t hand; /* next slot to give up when the cache is full */
    struct slot v[CACHE_SLOTS];
};

struct inputs *inputs_create(struct blobs *blobs)
{
    struct inputs *in = calloc(1, sizeof(*in));

    if (in)
        in->blobs = blobs;
    return in;
}

static void slot_clear(struct inputs *in, struct slot *s)
{
    in->total -= s->len;
    free(s->items);
    free(s->bytes);
    memset(s, 0, sizeof(*s));
}

void inputs_destroy(struct inputs *in)
{
    if (in) {
        for (size_t i = 0; i < CACHE_SLOTS; i++)
            slot_clear(in, &in->v[i]);
        free(in);
    }
}

static int read_blob(struct inputs *in, const struct digest *d, struct slot *s,
                     struct error *err)
{
    uint64_t size;
    int fd = blob_dir.get(in->blobs, d, &size, err);

    if (fd < 0)
        return -1;
    if (size > MESSAGE_JSON_MAX) {
        close(fd);
        return error_set(err, EFBIG, "blob of %ju bytes is too large here",
                         (uintmax_t)size);
    }
    s->bytes = malloc(size + 1);
    s->len = size;
    s->digest = *d;
    for (size_t off = 0; s->bytes && off < size;) {
        ssize_t k = read(fd, s->bytes + off, size - off);

        if (k <= 0) {
            free(s->bytes);
            s->bytes = NULL;
            break;
        }
        off += (size_t)k;
    }
    close(fd);
    if (!s->bytes)
        return error_set(err, EIO, "could not read a blob");
    s->bytes[size] = '\0';
    return 0;
}

/* The slot of a blob, read when it is not there. */
static struct slot *obtain(struct inputs *in, const struct digest *d,
                           struct error *err)
{
    size_t home = (size_t)d->b[0] << 8 | d->b[1];
    struct slot *s = &in->v[home & (CACHE_SLOTS - 1)], fresh = {0};

    if (s->bytes && digest_equal(&s->digest, d))
        return s;
    if (read_blob(in, d, &fresh, err) < 0)
        return NULL;
    slot_clear(in, s);
    while (in->total + fresh.len > CACHE_BYTES)
        slot_clear(in, &in->v[in->hand++ & (CACHE_SLOTS - 1)]);
    *s = fresh;
    in->total += fresh.len;
    return s;
}

static struct slot *parsed(struct inputs *in, const struct digest *d,
                           struct error *err)
{
    struct slot *s = obtain(in, d, err);

    if (s && !s->items &&
        items_parse(s->bytes, s->len, &s->items, &s->n, err) < 0)
        return NULL;
    return s;
}

int inputs_item(struct inputs *in, const struct digest *blob, uint32_t i,
                struct item *out, struct error *err)
{
    struct slot *s = parsed(in, blob, err);

    if (!s)
        return -1;
    if (i >= s->n)
        return error_set(err, ERANGE, "item %u of a blob of %zu", i, s->n);
    *out = s->items[i];
    return 0;
}

int inputs_count(struct inputs *in, const struct digest *blob, size_t *n,
                 size_t *size, struct error *err)
{
    struct slot *s = parsed(in, blob, err);

    if (!s)
        return -1;
    *n = s->n;
    *size = s->len;
    return 0;
}

/* One line NAME SIZE SHA256 from p up to its newline. */
static int manifest_line(const char *p, const char *end,
                         int (*fn)(void *arg, const char *name, int len,
                                   const struct digest *d, struct error *err),
                         void *arg, struct error *err)
{
    const char *hex = end - DIGEST_HEX_LEN,
               *name_end = memchr(p, ' ', (size_t)(end - p));
    char text[DIGEST_HEX_LEN + 1];
    struct digest d;

    if (!name_end || name_end == p || name_end - p > 255 || hex <= name_end ||
        hex[-1] != ' ')
        return error_set(err, EINVAL, "not NAME SIZE SHA256");
    memcpy(text, hex, DIGEST_HEX_LEN);
    text[DIGEST_HEX_LEN] = '\0';
    if (digest_from_hex(text, &d) < 0)
        return error_set(err, EINVAL, "not NAME SIZE SHA256");
    return fn(arg, p, (int)(name_end - p), &d, err);
}

int inputs_manifest(struct inputs *in, const struct digest *manifest,
                    int (*fn)(void *arg, const char *name, int len,
                              const struct digest *d, struct error *err),
                    void *arg, struct error *err)
{
    struct slot *s = obtain(in, manifest, err);
    const char *p, *end;
    int line = 0;

    if (!s)
        return -1;
    for (p = (const char *)s->bytes; p < (const char *)s->bytes + s->len;
         p = end + 1) {
        line++;
        end = memchr(p, '\n', s->len - (size_t)(p - (const char *)s->bytes));
        if (!end)
            return error_set(err, EINVAL,
                             "line %d of the manifest of the parameters does "
                             "not end",
                             line);
        if (manifest_line(p, end, fn, arg, err) < 0)
            return errno == ENOENT ? -1
                                   : error_prefix(err,
                                                  "line %d of the manifest of "
                                                  "the parameters",
                                                  line);
    }
    return 0;
}

bool inputs_in_manifest(struct inputs *in, const struct digest *manifest,
                        const struct digest *d)
{
    char hex[DIGEST_HEX_LEN + 2];
    struct error err;
    struct slot *s;

    if (digest_equal(manifest, d))
        return true;
    s = obtain(in, manifest, &err);
    if (!s)
        return false;
    digest_to_hex(d, hex + 1);
    hex[0] = ' ';
    /* lines are NAME SIZE SHA256; a name cannot hold " HEX" at a line's end */
    for (char *p = (char *)s->bytes; (p = strstr(p, hex)); p++)
        if (p[sizeof(hex) - 1] == '\n')
            return true;
    return false;
}
