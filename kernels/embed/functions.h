/* SPDX-License-Identifier: Apache-2.0 */
/* functions.h - embed's functions of one value and sums over a row
 *
 * Strict float (kernels/exact.h); the coefficients are part of the kernel's
 * spec (spec.h).
 */
#ifndef FALLOW_KERNELS_EMBED_FUNCTIONS_H
#define FALLOW_KERNELS_EMBED_FUNCTIONS_H

#include "kernels/exact.h"

/* 2^x for -100 <= x <= 0, relative error below 8e-5: enough for a probability
 * that becomes 8 bits, and six operations cheaper than better.
 */
static inline float exact_exp2(float x)
{
    float t = x + EXACT_MAGIC;
    float f = x - (t - EXACT_MAGIC);
    float p = 0.05517100915312767f;

    p = p * f + 0.24261119961738586f;
    p = p * f + 0.6932610869407654f;
    p = p * f + 0.9999280571937561f;
    return exact_float(exact_bits(p) + (exact_bits(t) << 23));
}

/* x Φ(x), absolute error below 2e-4: Φ is 1/2 plus an odd polynomial in
 * x / 4, clamped to ± 1.
 */
static inline float exact_gelu(float x)
{
    float w = exact_max(exact_min(x * 0.25f, 1.0f), -1.0f);
    float v = w * w;
    float p = 1.515868902206421f;

    p = p * v + -6.66402387619018555f;
    p = p * v + 12.52101612091064453f;
    p = p * v + -13.30687999725341797f;
    p = p * v + 8.97402000427246094f;
    p = p * v + -4.13148260116577148f;
    p = p * v + 1.59148108959197998f;
    return x * (p * w + 0.5f);
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
