/* SPDX-License-Identifier: Apache-2.0 */
/* embed128.c - items of 128 tokens a second of one core
 *
 * embed128 MODEL [VARIANT]: encodes 128 items of 128 seeded tokens on one
 * thread, as the kernel does in a task, once to warm up and five times; prints
 * the best rate per second of processor time.  VARIANT by default the best.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/embed/encoder.h"
#include "plugins/work/embed_engines.h"

#define ITEMS 128
#define TOKENS 128

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_items(uint32_t vocab, struct embed_input *in)
{
    static uint8_t bytes[ITEMS * TOKENS * 2];
    uint32_t s = 1;

    for (size_t i = 0; i < ITEMS * TOKENS; i++) {
        s = s * 1664525u + 1013904223u;
        bytes[2 * i] = (uint8_t)((s >> 8) % vocab);
        bytes[2 * i + 1] = (uint8_t)((s >> 8) % vocab >> 8);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        in[i].bytes = bytes + i * TOKENS * 2;
        in[i].len = TOKENS * 2;
    }
}

/* The time of one pass, or -1. */
static double pass(struct embed_encoder *e, const struct embed_input *in,
                   struct fault *f)
{
    struct embed_output out[ITEMS];
    double t = seconds();

    if (embed_encode(e, in, ITEMS, out, 1, NULL, f) < 0)
        return -1;
    t = seconds() - t;
    for (size_t i = 0; i < ITEMS; i++)
        free(out[i].bytes);
    return t;
}

int main(int argc, char **argv)
{
    struct embed_input in[ITEMS];
    struct embed_encoder *e;
    struct embed_variant v;
    struct error err = {""};
    struct fault f = {""};
    double best = 1e9;

    if (argc < 2 || argc > 3)
        return 2;
    if (embed_variant_find(argc > 2 ? argv[2] : NULL, &v, &err) < 0) {
        fprintf(stderr, "embed128: %s\n", err.text);
        return 1;
    }
    e = embed_encoder_create(argv[1], v.engine, v.rows, &f);
    if (e)
        make_items(embed_encoder_config(e)->vocab, in);
    for (int i = 0; e && best > 0 && i < 6; i++) {
        double t = pass(e, in, &f);

        if (i > 0 || t < 0)
            best = t < best ? t : best;
    }
    if (!e || best < 0) {
        fprintf(stderr, "embed128: %s\n", f.text);
        return 1;
    }
    embed_encoder_destroy(e);
    printf("%.2f\n", ITEMS / best);
    return 0;
}
