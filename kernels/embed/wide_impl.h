/* SPDX-License-Identifier: Apache-2.0 */
/* wide_impl.h - vectors as wide as the level this object is compiled for
 *
 * vf, vi and vu have WIDTH floats, signed or unsigned integers; the 32
 * canonical lanes are LANES of them.
 */
#ifndef FALLOW_KERNELS_EMBED_WIDE_IMPL_H
#define FALLOW_KERNELS_EMBED_WIDE_IMPL_H

#include <immintrin.h>
#include <string.h>

#include "kernels/embed/functions.h"

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX2__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
#define LANES (EXACT_LANES / WIDTH) /* vectors */

typedef float vf __attribute__((vector_size(4 * WIDTH)));
typedef int32_t vi __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t vu __attribute__((vector_size(4 * WIDTH)));
typedef float vf_any
    __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t vi_any
    __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

static inline vf load(const float *p)
{
    return *(const vf_any *)p;
}

static inline vi load_int(const int32_t *p)
{
    return *(const vi_any *)p;
}

static inline void store(float *p, vf v)
{
    *(vf_any *)p = v;
}

/* The low byte of each lane; spelt out, since compilers take the generic
 * conversion apart.
 */
static inline void store_bytes(void *p, vi v)
{
#if WIDTH == 16
    _mm_storeu_si128(p, _mm512_cvtepi32_epi8((__m512i)v));
#elif WIDTH == 8
    const __m256i low = _mm256_set1_epi32(0x0c080400);
    __m256i b = _mm256_shuffle_epi8((__m256i)v, low);

    _mm_storel_epi64(p, _mm_unpacklo_epi32(_mm256_castsi256_si128(b),
                                           _mm256_extracti128_si256(b, 1)));
#else
    const __m128i low = _mm_set1_epi32(0x0c080400);
    int32_t bytes = _mm_cvtsi128_si32(_mm_shuffle_epi8((__m128i)v, low));

    memcpy(p, &bytes, sizeof(bytes));
#endif
}

static inline vf splat(float x)
{
#if WIDTH == 16
    return (vf)_mm512_set1_ps(x);
#elif WIDTH == 8
    return (vf)_mm256_set1_ps(x);
#else
    return (vf)_mm_set1_ps(x);
#endif
}

static inline vi splat_int(int32_t x)
{
#if WIDTH == 16
    return (vi)_mm512_set1_epi32(x);
#elif WIDTH == 8
    return (vi)_mm256_set1_epi32(x);
#else
    return (vi)_mm_set1_epi32(x);
#endif
}

/* a < b ? a : b, which is what minps does, zeros included. */
static inline vf least(vf a, vf b)
{
#if WIDTH == 16
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif WIDTH == 8
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#endif
}

static inline vf most(vf a, vf b)
{
#if WIDTH == 16
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif WIDTH == 8
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#endif
}

static inline vf plus(vf a, vf b)
{
    return a + b;
}

static inline vi most_int(vi a, vi b)
{
#if WIDTH == 16
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif WIDTH == 8
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    return (vi)_mm_max_epi32((__m128i)a, (__m128i)b);
#endif
}

static inline vf magnitude(vf a)
{
    return (vf)((vi)a & splat_int(0x7fffffff));
}

static inline vf to_float(vi a)
{
    return __builtin_convertvector(a, vf);
}

/* Lane i becomes lane i + n of the first WIDTH: one step of the tree. */
#if WIDTH == 16
#define DOWN(v, n)                                                             \
    __builtin_shufflevector(v, v, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, \
                            n + 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif WIDTH == 8
#define DOWN(v, n)                                                             \
    __builtin_shufflevector(v, v, n, n + 1, n + 2, n + 3, 4, 5, 6, 7)
#else
#define DOWN(v, n) __builtin_shufflevector(v, v, n, n + 1, 2, 3)
#endif

/* The canonical tree over LANES vectors of lanes. */
#define TREE(name, type, scalar, op)                                           \
    static inline scalar name(type l[LANES])                                   \
    {                                                                          \
        for (int o = LANES / 2; o; o >>= 1)                                    \
            for (int i = 0; i < o; i++)                                        \
                l[i] = op(l[i], l[i + o]);                                     \
        return name##_one(l[0]);                                               \
    }
#if WIDTH == 16
#define TREE_ONE(name, type, scalar, op)                                       \
    static inline scalar name##_one(type v)                                    \
    {                                                                          \
        v = op(v, DOWN(v, 8));                                                 \
        v = op(v, DOWN(v, 4));                                                 \
        v = op(v, DOWN(v, 2));                                                 \
        v = op(v, DOWN(v, 1));                                                 \
        return v[0];                                                           \
    }
#elif WIDTH == 8
#define TREE_ONE(name, type, scalar, op)                                       \
    static inline scalar name##_one(type v)                                    \
    {                                                                          \
        v = op(v, DOWN(v, 4));                                                 \
        v = op(v, DOWN(v, 2));                                                 \
        v = op(v, DOWN(v, 1));                                                 \
        return v[0];                                                           \
    }
#else
#define TREE_ONE(name, type, scalar, op)                                       \
    static inline scalar name##_one(type v)                                    \
    {                                                                          \
        v = op(v, DOWN(v, 2));                                                 \
        v = op(v, DOWN(v, 1));                                                 \
        return v[0];                                                           \
    }
#endif

static inline vu plus_int(vu a, vu b)
{
    return a + b;
}

TREE_ONE(tree_add, vf, float, plus)
TREE_ONE(tree_least, vf, float, least)
TREE_ONE(tree_most, vf, float, most)
TREE_ONE(sum_int, vu, uint32_t, plus_int)
TREE_ONE(max_int, vi, int32_t, most_int)
TREE(tree_add, vf, float, plus)
TREE(tree_least, vf, float, least)
TREE(tree_most, vf, float, most)

/* x rounded to even, in each lane's low bits below EXACT_MAGIC_BITS, whose own
 * low byte is 0: a byte needs no subtraction, a sum of n needs one of n times
 * the bits.
 */
static inline vi rounded(vf x)
{
    return (vi)(x + splat(EXACT_MAGIC));
}

static inline int32_t without_magic(uint32_t sum, int n)
{
    return (int32_t)(sum - (uint32_t)n * EXACT_MAGIC_BITS);
}

static inline vf exp2_255_wide(vf x)
{
    vf t = x + splat(EXACT_MAGIC);
    vf f = x - (t - splat(EXACT_MAGIC));
    vf p = splat(0x1.e6653cp+5f);

    p = p * f + splat(0x1.66c23ap+7f);
    p = p * f + splat(0x1.fe39dcp+7f);
    return (vf)((vu)p + ((vu)t << 23));
}

static inline vf gelu_wide(vf x)
{
    vf w = most(least(x, splat(EMBED_GELU_END)), splat(-EMBED_GELU_END));
    vf v = w * w;
    vf p = splat(-0x1.09a254p-21f);

    p = p * v + splat(0x1.c6264ep-16f);
    p = p * v + splat(-0x1.450e66p-11f);
    p = p * v + splat(0x1.01b0acp-7f);
    p = p * v + splat(-0x1.00868p-4f);
    p = p * v + splat(0x1.96066ap-2f);
    return x * (p * w + splat(0.5f));
}

#endif
