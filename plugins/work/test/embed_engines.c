/* SPDX-License-Identifier: Apache-2.0 */
/* embed_engines.c - every engine multiplies like the plain loops */
#include "plugins/work/embed_engines.h"

#include "t/tap.h"

#define ROOM ((size_t)1 << 20)

static uint8_t a[ROOM + 4096];
static int8_t b[ROOM];
static int32_t want[ROOM], got[ROOM];
static uint64_t state = 7;

static uint32_t draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

/* Random operands; every fourth time the largest there are. */
static void fill(int round)
{
    for (size_t i = 0; i < sizeof(a); i++)
        a[i] = round % 4 == 3 ? 255 : (uint8_t)draw();
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (int8_t)(round % 4 == 3 ? (draw() & 1 ? 63 : -63)
                                       : (int)(draw() % 127) - 63);
    memset(got, 0x55, sizeof(got));
}

static bool same(size_t n)
{
    return memcmp(want, got, n * sizeof(*got)) == 0;
}

static bool linear_agrees(const struct embed_engine *e, void *st, int rows,
                          uint32_t k, uint32_t n)
{
    struct embed_linear l = {.k = k, .n = n, .w = b};
    struct fault f = {""};
    void *room = aligned_alloc(64, e->pack_bytes(&l) / 64 * 64 + 64);
    void *packed = e->pack(&l, room, &f);
    bool good = packed && e->linear(st, packed, a, rows, got, &f) == 0;

    embed_engine_ref.linear(NULL, &l, a, rows, want, NULL);
    if (packed)
        e->unpack(packed);
    free(room);
    return good && same((size_t)rows * n);
}

static void test_linear(const struct embed_engine *e, void *st)
{
    static const uint32_t shapes[][2] = {{32, 32},   {32, 96},   {64, 32},
                                         {96, 160},  {384, 384}, {384, 1152},
                                         {1536, 64}, {160, 3072}};

    for (int i = 0; i < 8; i++)
        for (int rows = 16; rows <= EMBED_BLOCK; rows += 48) {
            fill(i);
            ok(linear_agrees(e, st, rows, shapes[i][0], shapes[i][1]),
               "%s: %d rows of %u to %u", e->variant, rows, shapes[i][0],
               shapes[i][1]);
        }
}

static void test_attention(const struct embed_engine *e, void *st)
{
    static const int shapes[][3] = {{2, 16, 16},  {1, 32, 64},  {3, 48, 32},
                                    {12, 80, 32}, {1, 128, 48}, {2, 256, 96},
                                    {1, 512, 64}, {5, 112, 16}};
    struct fault f;

    for (int i = 0; i < 8; i++) {
        int heads = shapes[i][0], tp = shapes[i][1], d = shapes[i][2];

        fill(i);
        embed_engine_ref.scores(NULL, heads, tp, d, a, b, want, NULL);
        ok(e->scores(st, heads, tp, d, a, b, got, &f) == 0 &&
               same((size_t)(heads * tp * tp)),
           "%s: scores of %d heads, %d tokens, %d wide", e->variant, heads, tp,
           d);
        embed_engine_ref.mix(NULL, heads, tp, d, a, b, want, NULL);
        ok(e->mix(st, heads, tp, d, a, b, got, &f) == 0 &&
               same((size_t)(heads * tp * d)),
           "%s: mixes of %d heads, %d tokens, %d wide", e->variant, heads, tp,
           d);
    }
}

/* The leak checker dies in the thread-local storage of oneDNN, loaded at run
 * time into a program that has used it; everything else stays checked.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int main(void)
{
    const char *top = getenv("builddir");
    struct error err = {""};
    struct embed_variant v;
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/plugins", top ? top : ".");
    setenv("FALLOW_PLUGIN_DIR", dir, 1);
    is_int(embed_variant_find("no-such", &v, &err), -1,
           "an unknown variant is refused");
    is_str(err.text, "embed has no variant \"no-such\"", "by name");
    is_int(embed_variant_find(NULL, &v, &err), 0, "there is a best one");
    for (int i = 0; embed_variants[i]; i++) {
        struct fault f = {""};
        void *st;

        if (embed_variant_find(embed_variants[i], &v, &err) < 0) {
            printf("# %s\n", err.text);
            continue;
        }
        is_str(v.engine->variant, embed_variants[i], "it has its name");
        st = v.engine->thread_create(&f);
        test_linear(v.engine, st);
        test_attention(v.engine, st);
        v.engine->thread_destroy(st);
    }
    done_testing();
    return exit_status();
}
