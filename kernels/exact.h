/* SPDX-License-Identifier: Apache-2.0 */
/* exact.h - strict float: the same bits from every compiler and device
 *
 * Only + - * / sqrtf, comparisons and integer operations, one rounding each:
 * compile with -ffp-contract=off, never with -ffast-math, and run with MXCSR
 * 0x1f80 (exact_enter).  There is no libm here; expf and erf are polynomials
 * whose coefficients are part of a kernel's spec.  A sum over n values (n a
 * multiple of 32) goes through 32 strided lanes and a fixed tree.  Inputs are
 * finite; a float becomes an integer only inside ± 2^22, by adding 1.5 × 2^23.
 * doc/5-exactness.md says why each rule is there.
 *
 * What breaks this, each tried once: a fused multiply-add (another rounding);
 * expf or sinf of a libm (another version, other bits); summing in the order a
 * compiler likes; a library that flushes denormals to zero for the whole
 * process; fminf on zeros of both signs; a cast of a float that does not fit;
 * two draws of random numbers in one statement; the payload of a NaN.
 *
 * Callers write out every operation they mean, in the order they mean it, with
 * parentheses; (a * b) * c and a * (b * c) are two different results.
 */
#ifndef FALLOW_KERNELS_EXACT_H
#define FALLOW_KERNELS_EXACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Partial sums of a reduction, below. */
#define EXACT_LANES 32

/* Adding 1.5 × 2^23 to |x| < 2^22 rounds x to the nearest integer, ties to
 * even, and leaves that integer in the low bits; the same on every device, and
 * no conversion that could be out of range.
 */
#define EXACT_MAGIC 12582912.0f
#define EXACT_MAGIC_BITS 0x4B400000u

/* Rounding to nearest, denormals kept, no traps: to be called once in every
 * thread that computes, since a linked library may have set another mode.
 * Returns the mode before, for exact_leave.
 */
static inline unsigned exact_enter(void)
{
#if defined(__x86_64__)
    unsigned old = _mm_getcsr();

    _mm_setcsr(0x1f80);
    return old;
#else
    return 0;
#endif
}

/* Give a caller its mode back. */
static inline void exact_leave(unsigned old)
{
#if defined(__x86_64__)
    _mm_setcsr(old);
#else
    (void)old;
#endif
}

/* A float's bits, sign first. */
static inline uint32_t exact_bits(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof(u));
    return u;
}

/* The float of these bits. */
static inline float exact_float(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof(x));
    return x;
}

/* The magnitude; clears the sign of zero, too. */
static inline float exact_abs(float x)
{
    return exact_float(exact_bits(x) & 0x7fffffffu);
}

/* The smaller; of two equal ones (+0 and -0) the second.  fminf is not
 * defined there, and the x86 instruction is like this.
 */
static inline float exact_min(float a, float b)
{
    return a < b ? a : b;
}

/* The larger; of two equal ones the second. */
static inline float exact_max(float a, float b)
{
    return a > b ? a : b;
}

/* The nearest integer, ties to even, of |x| < 2^22.  Never a cast: what an
 * out-of-range cast gives differs between devices.
 */
static inline int32_t exact_round(float x)
{
    return (int32_t)(exact_bits(x + EXACT_MAGIC) - EXACT_MAGIC_BITS);
}

/* Reductions.  Lane i of 32 takes elements i, i + 32, i + 64 …, in that order;
 * then lanes are combined l[i] with l[i + 16], l[i + 8], … l[i + 1], the lower
 * one as first operand.  This is two 512-bit registers, four of 256 bits, or
 * one warp, so every device can follow it at full speed.  n is a positive
 * multiple of 32 everywhere below.
 */

/* Combine 32 lanes by addition; l is overwritten. */
static inline float exact_tree_add(float l[EXACT_LANES])
{
    for (int o = EXACT_LANES / 2; o; o >>= 1)
        for (int i = 0; i < o; i++)
            l[i] = l[i] + l[i + o];
    return l[0];
}

/* Combine 32 lanes by exact_min; l is overwritten. */
static inline float exact_tree_min(float l[EXACT_LANES])
{
    for (int o = EXACT_LANES / 2; o; o >>= 1)
        for (int i = 0; i < o; i++)
            l[i] = exact_min(l[i], l[i + o]);
    return l[0];
}

/* Combine 32 lanes by exact_max; l is overwritten. */
static inline float exact_tree_max(float l[EXACT_LANES])
{
    for (int o = EXACT_LANES / 2; o; o >>= 1)
        for (int i = 0; i < o; i++)
            l[i] = exact_max(l[i], l[i + o]);
    return l[0];
}

#endif
