/* SPDX-License-Identifier: Apache-2.0 */
/* exactness-embed.c - one row of `make exactness`: who computed which digest
 *
 * exactness-embed VARIANT THREADS BATCH [MODEL]: encodes the items of the
 * known answer with the tiny model, or seeded ids of 1 to 128 tokens with the
 * model in a folder, BATCH items a call, and prints
 *
 *     embed COMPILER LEVEL THREADS RANKS DEVICE DIGEST
 *
 * LEVEL is the engine's effective level and that of the row operations.  Exit
 * status 3: the variant is not usable here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "kernels/embed/encoder.h"
#include "kernels/embed/tiny.h"
#include "plugins/work/embed_engines.h"

#define REAL_ITEMS 48

#if defined(__clang__)
#define COMPILER "clang-" __clang_version__
#else
#define COMPILER "gcc-" __VERSION__
#endif

static uint8_t bytes[REAL_ITEMS * 256];
static struct embed_input items[REAL_ITEMS];

/* Seeded ids below vocab, lengths from 1 to 128 but no more than fit. */
static size_t seeded_items(const struct embed_config *c)
{
    uint64_t s = 42;

    for (size_t i = 0; i < REAL_ITEMS; i++) {
        uint32_t longest = c->max_positions < 128 ? c->max_positions : 128;
        uint32_t t;

        s = s * 6364136223846793005u + 1442695040888963407u;
        t = i == 0 ? longest : 1 + (uint32_t)(s >> 33) % longest;
        items[i].bytes = bytes + 256 * i;
        items[i].len = 2 * t;
        for (uint32_t j = 0; j < t; j++) {
            uint32_t id;

            s = s * 6364136223846793005u + 1442695040888963407u;
            id = (uint32_t)(s >> 33) % c->vocab;
            bytes[256 * i + 2 * j] = (uint8_t)id;
            bytes[256 * i + 2 * j + 1] = (uint8_t)(id >> 8);
        }
    }
    return REAL_ITEMS;
}

static int encode(struct embed_encoder *e, size_t n, int threads, size_t batch,
                  struct sha256 *sum, struct fault *f)
{
    struct embed_output out[REAL_ITEMS];

    for (size_t i = 0; i < n; i += batch) {
        size_t k = n - i < batch ? n - i : batch;

        if (embed_encode(e, items + i, k, out, threads, NULL, f) < 0)
            return -1;
        for (size_t o = 0; o < k; o++) {
            sha256_update(sum, out[o].bytes, out[o].len);
            free(out[o].bytes);
        }
    }
    return 0;
}

static void print_row(const struct embed_variant *v, int threads,
                      struct sha256 *sum)
{
    char compiler[] = COMPILER, hex[DIGEST_HEX_LEN + 1];
    struct digest d;

    compiler[strcspn(compiler, " ")] = 0;
    sha256_final(sum, &d);
    digest_to_hex(&d, hex);
    printf("embed %s %s/%s %d 1 cpu %s\n", compiler, v->engine->level(),
           v->rows->level, threads, hex);
}

int main(int argc, char **argv)
{
    struct sha256 *sum = sha256_create();
    struct embed_encoder *e;
    struct embed_variant v;
    struct fault f = {""};
    struct error err = {""};
    int threads, batch, rc;

    if (argc < 4 || argc > 5 || !sum)
        return 2;
    threads = (int)strtol(argv[2], NULL, 10);
    batch = (int)strtol(argv[3], NULL, 10);
    if (threads < 1 || batch < 1)
        return 2;
    if (embed_variant_find(argv[1], &v, &err) < 0) {
        fprintf(stderr, "exactness-embed: %s\n", err.text);
        return 3;
    }
    e = argc > 4 ? embed_encoder_create(argv[4], v.engine, v.rows, &f)
                 : tiny_encoder(v.engine, v.rows, &f);
    if (!e) {
        fprintf(stderr, "exactness-embed: %s\n", f.text);
        return 1;
    }
    if (argc == 4)
        tiny_items(bytes, items);
    rc =
        encode(e, argc > 4 ? seeded_items(embed_encoder_config(e)) : TINY_ITEMS,
               threads, (size_t)batch, sum, &f);
    if (rc == 0)
        print_row(&v, threads, sum);
    else
        fprintf(stderr, "exactness-embed: %s\n", f.text);
    embed_encoder_destroy(e);
    sha256_destroy(sum);
    return rc < 0 ? 1 : 0;
}
