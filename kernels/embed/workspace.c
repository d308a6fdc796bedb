/* SPDX-License-Identifier: Apache-2.0 */
/* workspace.c - what one thread needs to encode a batch of rows */
#include "kernels/embed/workspace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN ((size_t)64)

int workspace_heads(int heads, int tp)
{
    size_t one = (size_t)tp * (size_t)tp * sizeof(int32_t);
    size_t fit = EMBED_SCORES_BYTES / one;

    return fit < 1 ? 1 : fit > (size_t)heads ? heads : (int)fit;
}

/* Give *p the next n bytes of the pool; a NULL pool only counts. */
static void carve(char *pool, size_t *used, size_t n, void *p)
{
    if (pool) {
        void *at = pool + *used;

        memcpy(p, &at, sizeof(at));
    }
    *used += (n + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t padded(int rows)
{
    return ((size_t)rows + EMBED_BLOCK - 1) / EMBED_BLOCK * EMBED_BLOCK;
}

/* Lay all buffers out; returns the bytes they take. */
static size_t layout(struct workspace *ws, char *pool,
                     const struct embed_config *c, size_t rows)
{
    size_t h = c->hidden, heads = c->heads, used = 0, f = sizeof(float);
    size_t longest = c->max_positions < rows ? c->max_positions : rows;
    size_t tp = padded((int)longest);
    size_t wide = 3 * h * tp, ffn = (size_t)EMBED_BLOCK * c->ffn;
    size_t one = tp * tp * f, score = EMBED_SCORES_BYTES;

    if (ffn > wide)
        wide = ffn;
    if (one > score)
        score = one;
    carve(pool, &used, rows * h * f, &ws->h);
    carve(pool, &used, rows * h, &ws->x);
    carve(pool, &used, rows * c->ffn, &ws->xf);
    carve(pool, &used, rows * sizeof(*ws->step), &ws->step);
    carve(pool, &used, wide * f, &ws->acc);
    carve(pool, &used, score, &ws->scores);
    carve(pool, &used, score / f, &ws->p);
    carve(pool, &used, tp * h * f, &ws->mixed);
    carve(pool, &used, tp * h, &ws->a.q);
    carve(pool, &used, tp * h, &ws->a.k);
    carve(pool, &used, tp * h, &ws->a.v);
    carve(pool, &used, tp * heads * f, &ws->a.qstep);
    carve(pool, &used, heads * f, &ws->a.kstep);
    carve(pool, &used, heads * f, &ws->a.vstep);
    carve(pool, &used, tp * heads * f, &ws->a.kzero);
    carve(pool, &used, tp * heads * f, &ws->a.psum);
    return used;
}

size_t workspace_bytes(const struct embed_config *c, int rows)
{
    struct workspace ws;

    return layout(&ws, NULL, c, padded(rows));
}

struct workspace *workspace_create(const struct embed_config *c,
                                   const struct embed_engine *engine, int rows,
                                   struct fault *f)
{
    struct workspace *ws = calloc(1, sizeof(*ws));
    size_t n = workspace_bytes(c, rows);

    n = (n + EMBED_HUGE - 1) / EMBED_HUGE * EMBED_HUGE;
    if (!ws || !(ws->pool = aligned_alloc(EMBED_HUGE, n))) {
        fault_set(f, ENOMEM, "could not allocate a workspace of %zu bytes", n);
        goto error;
    }
    madvise(ws->pool, n, MADV_HUGEPAGE);
    memset(ws->pool, 0, n);
    layout(ws, ws->pool, c, padded(rows));
    ws->a.heads = (int)c->heads;
    ws->a.d = (int)(c->hidden / c->heads);
    ws->state = engine->thread_create(f);
    if (!ws->state)
        goto error;
    return ws;
error:
    workspace_destroy(ws, engine);
    return NULL;
}

void workspace_destroy(struct workspace *ws, const struct embed_engine *engine)
{
    if (ws) {
        int saved_errno = errno;

        if (ws->state)
            engine->thread_destroy(ws->state);
        free(ws->pool);
        free(ws);
        errno = saved_errno;
    }
}
