/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - everything between two integer matrix products
 *
 * One operation for each gap, in strict float (kernels/exact.h); their text in
 * rows_ref.c is the definition, rows_wide.c computes the same bits with wide
 * vectors and is compiled once for each x86 level.
 *
 * A quantised row is u8 q with value = lo + step × q, where lo is its least
 * and lo + 255 step its largest value.  With s7 weights of scale c, offset o
 * (= c × sum of the weights) and bias b a product becomes
 *
 *     y[n] = (float)acc × (step × c[n]) + (lo × o[n] + b[n])
 *
 * t is an item's length in tokens, tp the same rounded up to 16; arrays of an
 * attention head are [heads][tp][d] and zero behind row t.
 */
#ifndef FALLOW_KERNELS_EMBED_ROWS_H
#define FALLOW_KERNELS_EMBED_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/embed/weights.h"

#define EMBED_RANGE_MIN 1e-12f /* a row's range is taken as at least this */
#define EMBED_EXPONENT_MIN (-30.0f) /* 255 × 2^-30 is no probability */
#define EMBED_QUERY_ZERO 128        /* u8 of a query's 0.0 */

struct embed_step {
    float step, lo;
};

/* One item's attention operands. */
struct embed_attention {
    int t, tp, heads, d;
    uint8_t *q;     /* round(x / qstep) + 128 */
    int8_t *k, *v;  /* s7, one step a head */
    float *qstep;   /* [heads][tp] */
    float *kstep;   /* [heads] */
    float *vstep;   /* [heads] */
    int32_t *kzero; /* [heads][tp]: 128 × sum of the key's integers */
    int32_t *psum;  /* [heads][tp]: sum of a row of probabilities */
};

struct embed_rows {
    const char *level; /* "ref", "x86-64-v2" … */

    /* h = LayerNorm(in), x = quantised h, one row of n. */
    void (*norm)(const float *in, const struct embed_norm *norm, float eps,
                 int n, float *h, uint8_t *x, struct embed_step *s);

    /* An item's t rows of 3 hidden accumulators (overwritten) become
     * q, k and v.
     */
    void (*split)(int32_t *acc, const struct embed_linear *l,
                  const struct embed_step *s, struct embed_attention *a);

    /* Scores of head `head`, [tp][tp], become u8 probabilities p, [tp][tp]:
     * round(255 × 2^y), y = (score - kzero - the row's largest such) × f,
     * f = qstep × (kstep × log2(e) / sqrt(d)); zero behind column t.  Their
     * sum goes to psum.  Rows behind t are whatever, and defined.
     */
    void (*softmax)(const int32_t *scores, int head, struct embed_attention *a,
                    uint8_t *p);

    /* Products of p and v, [heads][tp][d], become t quantised rows: values
     * acc × (vstep / psum).
     */
    void (*context)(const int32_t *acc, const struct embed_attention *a,
                    uint8_t *x, struct embed_step *s);

    /* rows of accumulators: h = LayerNorm(h + y), x = quantised h; s is the
     * product's input on entry, x's on return.
     */
    void (*residual)(const int32_t *acc, const struct embed_linear *l,
                     const struct embed_norm *norm, float eps, int rows,
                     float *h, uint8_t *x, struct embed_step *s);

    /* rows of accumulators: x = quantised gelu(y); s as above. */
    void (*gelu)(const int32_t *acc, const struct embed_linear *l, int rows,
                 uint8_t *x, struct embed_step *s);

    /* t rows of h become one vector: s8 out = round(v × 127 / max|v|), scale =
     * max|v| / 127 (tiny where all are 0).
     */
    void (*pool)(const float *h, int t, const struct embed_config *c,
                 int8_t *out, float *scale);
};

/* The definition. */
extern const struct embed_rows embed_rows_ref;

/* The widest compiled-in level this CPU has; the environment variable
 * FALLOW_CPU_LEVEL (x86-64-v2, -v3 or -v4) caps it.  An unknown value counts
 * as the lowest.
 */
const struct embed_rows *embed_rows_best(void);

#endif
