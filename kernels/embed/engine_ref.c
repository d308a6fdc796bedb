/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ref.c - the integer matrix products as plain loops */
#include "kernels/embed/engine.h"

#include <stddef.h>

static bool always(void)
{
    return true;
}

static const char *level(void)
{
    return "ref";
}

/* The weights are used as they are; no thread has state of its own. */
static size_t pack_bytes(const struct embed_linear *l)
{
    (void)l;
    return 0;
}

static void *pack(const struct embed_linear *l, void *room, struct fault *f)
{
    (void)room;
    (void)f;
    return (void *)(uintptr_t)l;
}

static void unpack(void *packed)
{
    (void)packed;
}

static void *thread_create(struct fault *f)
{
    static char nothing;

    (void)f;
    return &nothing;
}

static void thread_destroy(void *state)
{
    (void)state;
}

static int32_t dot(const uint8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += (int16_t)a[i] * (int16_t)b[i];
    return sum;
}

static int linear(void *state, void *packed, const uint8_t *x, int rows,
                  int32_t *acc, struct fault *f)
{
    const struct embed_linear *l = packed;
    int k = (int)l->k, n = (int)l->n;

    (void)state;
    (void)f;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < rows; i++)
            acc[i * n + j] = dot(x + i * k, l->w + (size_t)j * l->k, k);
    return 0;
}

static int scores(void *state, int heads, int tp, int d, const uint8_t *q,
                  const int8_t *k, int32_t *s, struct fault *f)
{
    (void)state;
    (void)f;
    for (int head = 0; head < heads; head++)
        for (int i = 0; i < tp; i++)
            for (int j = 0; j < tp; j++)
                *s++ = dot(q + (head * tp + i) * d, k + (head * tp + j) * d, d);
    return 0;
}

static int mix(void *state, int heads, int tp, int d, const uint8_t *p,
               const int8_t *v, int32_t *o, struct fault *f)
{
    (void)state;
    (void)f;
    for (int i = 0; i < heads * tp; i++) {
        const int8_t *vh = v + i / tp * tp * d;

        for (int c = 0; c < d; c++)
            o[i * d + c] = 0;
        for (int j = 0; j < tp; j++)
            for (int c = 0; c < d; c++)
                o[i * d + c] += p[i * tp + j] * vh[j * d + c];
    }
    return 0;
}

const struct embed_engine embed_engine_ref = {
    .abi = EMBED_ENGINE_ABI,
    .name = "embed-ref",
    .variant = "ref",
    .usable = always,
    .level = level,
    .pack_bytes = pack_bytes,
    .pack = pack,
    .unpack = unpack,
    .thread_create = thread_create,
    .thread_destroy = thread_destroy,
    .linear = linear,
    .scores = scores,
    .mix = mix,
};
