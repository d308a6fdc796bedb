/* SPDX-License-Identifier: Apache-2.0 */
/* functions.h - embed's functions of one value and sums over a row
 *
 * Strict float (kernels/exact.h); the coefficients are part of the kernel's
 * spec (spec.h).
 */
#ifndef FALLOW_KERNELS_EMBED_FUNCTIONS_H
#define FALLOW_KERNELS_EMBED_FUNCTIONS_H

#include "kernels/exact.h"

#define EMBED_GELU_END 3.6875f      /* Φ is 0 or 1 behind it */
#define EMBED_GELU_LEAST -0.171875f /* the least gelu is -0.17045 */

/* 255 × 2^x for -100 <= x <= 0, relative error below 2e-3: half a step of
 * a probability that becomes 8 bits, and cheap.
 */
static inline float exact_exp2_255(float x)
{
    float t = x + EXACT_MAGIC;
    float f = x - (t - EXACT_MAGIC);
    float p = 0x1.e6653cp+5f;

    p = p * f + 0x1.66c23ap+7f;
    p = p * f + 0x1.fe39dcp+7f;
    return exact_float(exact_bits(p) + (exact_bits(t) << 23));
}

/* x Φ(x), absolute error below 5e-4: Φ is 1/2 plus an odd polynomial in x,
 * clamped.  Never below EMBED_GELU_LEAST.
 */
static inline float exact_gelu(float x)
{
    float w = exact_max(exact_min(x, EMBED_GELU_END), -EMBED_GELU_END);
    float v = w * w;
    float p = -0x1.09a254p-21f;

    p = p * v + 0x1.c6264ep-16f;
    p = p * v + -0x1.450e66p-11f;
    p = p * v + 0x1.01b0acp-7f;
    p = p * v + -0x1.00868p-4f;
    p = p * v + 0x1.96066ap-2f;
    return x * (p * w + 0.5f);
}

/* How a row of gelu is quantised: its least value is known, so zero has an
 * integer of its own and q, the low byte of y × inv + (EXACT_MAGIC + zero),
 * stays in 0 … 255.
 */
struct embed_gelu_step {
    float inv, step;
    float zero; /* an integer */
};

/* most is the row's largest value, at least 0. */
static inline struct embed_gelu_step embed_gelu_step(float most)
{
    float range = most - EMBED_GELU_LEAST;
    struct embed_gelu_step g = {.inv = 254.0f / range};

    g.step = range * (1.0f / 254.0f);
    g.zero = (float)exact_round(g.inv * -EMBED_GELU_LEAST + 0.5f);
    return g;
}

/* Sum of n values. */
static inline float exact_sum(const float *x, int n)
{
    float l[EXACT_LANES] = {0};

    for (int j = 0; j < n; j += EXACT_LANES)
        for (int i = 0; i < EXACT_LANES; i++)
            l[i] = l[i] + x[j + i];
    return exact_tree_add(l);
}

/* Sum of (x - m)^2. */
static inline float exact_sum_squares(const float *x, float m, int n)
{
    float l[EXACT_LANES] = {0};

    for (int j = 0; j < n; j += EXACT_LANES)
        for (int i = 0; i < EXACT_LANES; i++) {
            float d = x[j + i] - m;

            l[i] = l[i] + d * d;
        }
    return exact_tree_add(l);
}

/* The least of n values. */
static inline float exact_least(const float *x, int n)
{
    float l[EXACT_LANES];

    memcpy(l, x, sizeof(l));
    for (int j = EXACT_LANES; j < n; j += EXACT_LANES)
        for (int i = 0; i < EXACT_LANES; i++)
            l[i] = exact_min(l[i], x[j + i]);
    return exact_tree_min(l);
}

/* The largest of n values. */
static inline float exact_most(const float *x, int n)
{
    float l[EXACT_LANES];

    memcpy(l, x, sizeof(l));
    for (int j = EXACT_LANES; j < n; j += EXACT_LANES)
        for (int i = 0; i < EXACT_LANES; i++)
            l[i] = exact_max(l[i], x[j + i]);
    return exact_tree_max(l);
}

#endif
