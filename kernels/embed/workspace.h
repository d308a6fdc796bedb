/* SPDX-License-Identifier: Apache-2.0 */
/* workspace.h - what one thread needs to encode a batch of rows
 *
 * All buffers are allocated once, aligned to 64 bytes and zeroed; rows are
 * rounded up to 16, so that padding is always defined.
 */
#ifndef FALLOW_KERNELS_EMBED_WORKSPACE_H
#define FALLOW_KERNELS_EMBED_WORKSPACE_H

#include "kernels/embed/engine.h"
#include "kernels/embed/rows.h"

/* Score matrices held at once take at most this much, or are of one head. */
#define EMBED_SCORES_BYTES ((size_t)1 << 18)

struct workspace {
    void *state;              /* the engine's */
    float *h;                 /* [rows][hidden] the residual stream */
    uint8_t *x;               /* [rows][hidden] quantised input */
    uint8_t *xf;              /* [rows][ffn] */
    struct embed_step *step;  /* [rows] of x or xf */
    int32_t *acc;             /* accumulators of any linear layer */
    int32_t *scores;          /* [group of heads][tp][tp] */
    uint8_t *p;               /* the same, probabilities */
    int32_t *mixed;           /* [heads][tp][d] */
    struct embed_attention a; /* with its arrays */
    void *pool;               /* the one allocation behind all */
};

/* Returns NULL with errno ENOMEM, or what thread_create set. */
struct workspace *workspace_create(const struct embed_config *c,
                                   const struct embed_engine *engine, int rows,
                                   struct fault *f);
void workspace_destroy(struct workspace *ws, const struct embed_engine *engine);

/* How many heads' score matrices are computed together at a padded length. */
int workspace_heads(int heads, int tp);

/* Bytes one workspace takes. */
size_t workspace_bytes(const struct embed_config *c, int rows);

#endif
