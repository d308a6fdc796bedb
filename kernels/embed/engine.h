/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - the integer matrix products of one variant
 *
 * Sources are u8 and the other side s7, so that every x86 integer instruction
 * gives the exact s32 (kernels.md, range contract).  rows and tp are multiples
 * of 16; a linear call may read x and write acc up to EMBED_BLOCK rows.  An
 * engine that lives in a loadable object of its own exports one `const struct
 * embed_engine embed_engine`.
 */
#ifndef FALLOW_KERNELS_EMBED_ENGINE_H
#define FALLOW_KERNELS_EMBED_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/embed/weights.h"

#define EMBED_ENGINE_ABI 2
#define EMBED_ENGINE_SYMBOL "embed_engine"
#define EMBED_HUGE ((size_t)2 << 20) /* big buffers ask for huge pages */
#define EMBED_BLOCK 128              /* rows of one linear call, at most */

struct embed_engine {
    uint32_t abi;
    const char *name;    /* the loadable object's, e.g. embed-onednn */
    const char *variant; /* e.g. onednn */

    /* Whether this CPU can run it; also a canary over extreme operands. */
    bool (*usable)(void);

    /* What the engine really uses, for `make exactness`. */
    const char *(*level)(void);

    /* A weight matrix in the engine's own layout, read by many threads; l
     * outlives it.  room has pack_bytes(l) bytes aligned to 64, which outlive
     * it, too.  NULL with errno and f.
     */
    size_t (*pack_bytes)(const struct embed_linear *l);
    void *(*pack)(const struct embed_linear *l, void *room, struct fault *f);
    void (*unpack)(void *packed);

    /* One thread's state. */
    void *(*thread_create)(struct fault *f);
    void (*thread_destroy)(void *state);

    /* acc[rows][n] = x[rows][k] × W^T, rows <= EMBED_BLOCK.  All three return
     * 0, or -1 with errno and f.
     */
    int (*linear)(void *state, void *packed, const uint8_t *x, int rows,
                  int32_t *acc, struct fault *f);

    /* s[heads][tp][tp] = q × k^T, both [heads][tp][d]. */
    int (*scores)(void *state, int heads, int tp, int d, const uint8_t *q,
                  const int8_t *k, int32_t *s, struct fault *f);

    /* o[heads][tp][d] = p[heads][tp][tp] × v[heads][tp][d]. */
    int (*mix)(void *state, int heads, int tp, int d, const uint8_t *p,
               const int8_t *v, int32_t *o, struct fault *f);
};

/* Plain loops, everywhere usable. */
extern const struct embed_engine embed_engine_ref;

/* AMX tiles; not usable where FALLOW_CPU_LEVEL caps the processor. */
extern const struct embed_engine embed_engine_amx;

#endif
