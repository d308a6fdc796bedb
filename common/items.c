/* SPDX-License-Identifier: Apache-2.0 */
/* items.c - the two containers every kernel reads and writes */
#include "common/items.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* Bytes in front of each item's length field. */
enum { ITEM_HEAD = 4, RESULT_HEAD = 16 };

static int header(const uint8_t *p, size_t len, const char *magic, size_t head,
                  uint64_t *count, struct error *err)
{
    if (len < ITEMS_HEADER_LEN || memcmp(p, magic, 4) != 0)
        return error_set(err, EBADMSG, "not a %s file", magic);
    if (get_u32be(p + 4) != 1)
        return error_set(err, EBADMSG, "%s version %u is unknown", magic,
                         get_u32be(p + 4));
    *count = get_u64be(p + 8);
    if (*count > (len - ITEMS_HEADER_LEN) / head)
        return error_set(err, EBADMSG, "%s file of %zu bytes claims %ju items",
                         magic, len, (uintmax_t)*count);
    return 0;
}

/* The body that starts at offset off; *next is where the following item is. */
static int body(size_t off, uint32_t n, size_t len, size_t *next,
                struct error *err)
{
    if (n > ITEM_BYTES_MAX || n > len - off)
        return error_set(err, EBADMSG, "item of %u bytes at offset %zu", n,
                         off);
    *next = off + n;
    return 0;
}

static int no_more(size_t off, size_t len, struct error *err)
{
    if (off != len)
        return error_set(err, EBADMSG, "%zu bytes after the last item",
                         len - off);
    return 0;
}

int items_parse(const void *buf, size_t len, struct item **out, size_t *n,
                struct error *err)
{
    const uint8_t *p = buf;
    size_t off = ITEMS_HEADER_LEN;
    uint64_t count;
    struct item *v;

    if (header(p, len, "FITM", ITEM_HEAD, &count, err) < 0)
        return -1;
    v = calloc(count ? count : 1, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "out of memory");
    for (uint64_t i = 0; i < count; i++) {
        if (len - off < ITEM_HEAD) {
            error_set(err, EBADMSG, "cut off at offset %zu", off);
            goto error;
        }
        v[i].len = get_u32be(p + off);
        off += ITEM_HEAD;
        v[i].bytes = p + off;
        if (body(off, v[i].len, len, &off, err) < 0)
            goto error;
    }
    if (no_more(off, len, err) < 0)
        goto error;
    *out = v;
    *n = count;
    return 0;
error:
    free(v);
    errno = EBADMSG;
    return -1;
}

int results_parse(const void *buf, size_t len, struct item_result **out,
                  size_t *n, struct error *err)
{
    const uint8_t *p = buf;
    size_t off = ITEMS_HEADER_LEN;
    uint64_t count;
    struct item_result *v;

    if (header(p, len, "FRES", RESULT_HEAD, &count, err) < 0)
        return -1;
    v = calloc(count ? count : 1, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "out of memory");
    for (uint64_t i = 0; i < count; i++) {
        if (len - off < RESULT_HEAD) {
            error_set(err, EBADMSG, "cut off at offset %zu", off);
            goto error;
        }
        v[i].code = get_u32be(p + off);
        v[i].units = get_u64be(p + off + 4);
        v[i].len = get_u32be(p + off + 12);
        off += RESULT_HEAD;
        v[i].bytes = p + off;
        if (body(off, v[i].len, len, &off, err) < 0)
            goto error;
    }
    if (no_more(off, len, err) < 0)
        goto error;
    *out = v;
    *n = count;
    return 0;
error:
    free(v);
    errno = EBADMSG;
    return -1;
}

static uint8_t *begin(const char *magic, size_t n, size_t total)
{
    uint8_t *p = malloc(total);

    if (p) {
        memcpy(p, magic, 4);
        put_u32be(p + 4, 1);
        put_u64be(p + 8, n);
    }
    return p;
}

int items_format(const struct item *items, size_t n, void **buf, size_t *len,
                 struct error *err)
{
    size_t total = ITEMS_HEADER_LEN;
    uint8_t *p, *w;

    for (size_t i = 0; i < n; i++)
        total += ITEM_HEAD + (size_t)items[i].len;
    p = begin("FITM", n, total);
    if (!p)
        return error_set(err, ENOMEM, "out of memory");
    w = p + ITEMS_HEADER_LEN;
    for (size_t i = 0; i < n; i++) {
        put_u32be(w, items[i].len);
        if (items[i].len)
            memcpy(w + ITEM_HEAD, items[i].bytes, items[i].len);
        w += ITEM_HEAD + items[i].len;
    }
    *buf = p;
    *len = total;
    return 0;
}

int results_format(const struct item_result *items, size_t n, void **buf,
                   size_t *len, struct error *err)
{
    size_t total = ITEMS_HEADER_LEN;
    uint8_t *p, *w;

    for (size_t i = 0; i < n; i++)
        total += RESULT_HEAD + (size_t)items[i].len;
    p = begin("FRES", n, total);
    if (!p)
        return error_set(err, ENOMEM, "out of memory");
    w = p + ITEMS_HEADER_LEN;
    for (size_t i = 0; i < n; i++) {
        put_u32be(w, items[i].code);
        put_u64be(w + 4, items[i].units);
        put_u32be(w + 12, items[i].len);
        if (items[i].len)
            memcpy(w + RESULT_HEAD, items[i].bytes, items[i].len);
        w += RESULT_HEAD + items[i].len;
    }
    *buf = p;
    *len = total;
    return 0;
}

int results_root(const struct item_result *items, size_t n,
                 const struct digest *kernel, const struct digest *params,
                 struct merkle_sum *out, struct error *err)
{
    struct merkle_sum *leaves = calloc(n ? n : 1, sizeof(*leaves));
    int rc;

    if (!leaves)
        return error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        merkle_leaf(kernel, params, i, items[i].code, items[i].units,
                    items[i].bytes, items[i].len, &leaves[i]);
    rc = merkle_root(leaves, n, out);
    free(leaves);
    if (rc < 0)
        return error_set(err, errno, "cannot make a root over %zu items", n);
    return 0;
}
