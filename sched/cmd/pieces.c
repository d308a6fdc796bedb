/* SPDX-License-Identifier: Apache-2.0 */
/* pieces.c - one items file into several, several results files into one */
#include "sched/cmd/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

int pieces_open(struct pieces *p, const char *path, struct error *err)
{
    size_t len;

    memset(p, 0, sizeof(*p));
    if (file_read(path, PIECES_FILE_MAX, &p->buf, &len, err) < 0)
        return -1;
    if (items_parse(p->buf, len, &p->items, &p->n, err) < 0) {
        error_prefix(err, "%s", path);
        pieces_close(p);
        return -1;
    }
    return 0;
}

void pieces_close(struct pieces *p)
{
    int saved_errno = errno;

    free(p->items);
    free(p->buf);
    memset(p, 0, sizeof(*p));
    errno = saved_errno;
}

int pieces_format(const struct pieces *p, size_t first, size_t n, void **buf,
                  size_t *len, struct error *err)
{
    return items_format(p->items + first, n, buf, len, err);
}

struct joiner {
    void **bufs;
    size_t n_bufs;
    struct item_result *results;
    size_t n;
};

struct joiner *joiner_create(struct error *err)
{
    struct joiner *j = calloc(1, sizeof(*j));

    return j ? j : error_null(err, ENOMEM, "could not allocate results");
}

void joiner_destroy(struct joiner *j)
{
    if (j) {
        int saved_errno = errno;

        for (size_t i = 0; i < j->n_bufs; i++)
            free(j->bufs[i]);
        free(j->bufs);
        free(j->results);
        free(j);
        errno = saved_errno;
    }
}

int joiner_add(struct joiner *j, void *buf, size_t len, const char *from,
               struct error *err)
{
    struct item_result *r = NULL, *all;
    size_t n;
    void **bufs;

    if (results_parse(buf, len, &r, &n, err) < 0) {
        error_prefix(err, "%s", from);
        goto error;
    }
    all = reallocarray(j->results, j->n + n + 1, sizeof(*all));
    if (all)
        j->results = all;
    bufs = reallocarray(j->bufs, j->n_bufs + 1, sizeof(*bufs));
    if (bufs)
        j->bufs = bufs;
    if (!all || !bufs) {
        error_set(err, ENOMEM, "could not allocate %zu results", j->n + n);
        goto error;
    }
    if (n)
        memcpy(j->results + j->n, r, n * sizeof(*r));
    j->n += n;
    j->bufs[j->n_bufs++] = buf;
    free(r);
    return 0;
error:
    free(r);
    free(buf);
    return -1;
}

int joiner_add_file(struct joiner *j, const char *path, struct error *err)
{
    void *buf;
    size_t len;

    if (file_read(path, PIECES_FILE_MAX, &buf, &len, err) < 0)
        return -1;
    return joiner_add(j, buf, len, path, err);
}

size_t joiner_count(const struct joiner *j)
{
    return j->n;
}

int joiner_write(const struct joiner *j, const char *path, struct error *err)
{
    void *buf;
    size_t len;
    int rc;

    if (results_format(j->results, j->n, &buf, &len, err) < 0)
        return -1;
    rc = file_write(path, buf, len, false, err);
    free(buf);
    return rc;
}
