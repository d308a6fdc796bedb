/* SPDX-License-Identifier: Apache-2.0 */
/* engine_amx.c - the integer matrix products by AMX tiles
 *
 * One product in the middle: u8 rows times s8 columns packed in tiles of 64 ×
 * 16, k in quads as the instruction wants them, zero behind the matrix.  A
 * source tile may therefore read up to 63 bytes behind a row, which a workspace
 * always has; they meet zeros.  Four tiles of the result stay in registers.
 */
#include "kernels/embed/engine.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TILE 1024 /* bytes of a packed tile */
#define AHEAD 512 /* bytes fetched ahead in a step */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

struct packed {
    const struct embed_linear *l;
    int8_t *tiles; /* [n / 16][k / 64][16][64] */
};

struct thread {
    int8_t *tiles; /* keys or values of one head */
    size_t len;
};

static size_t tiles_bytes(int k, int n)
{
    return (size_t)((k + 63) / 64) * (size_t)((n + 15) / 16) * TILE;
}

static void configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t colsb[16];
        uint8_t rows[16];
    } __attribute__((packed, aligned(64))) c = {.palette = 1};

    for (int i = 0; i < 8; i++) {
        c.colsb[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

/* 32 × 32 of the result; fetches 8 lines a step from `ahead`, which the next
 * columns will need from far.
 */
static inline void block_2x2(const uint8_t *a, size_t lda, const int8_t *b,
                             int kb, const int8_t *ahead, int32_t *c,
                             size_t ldc)
{
    size_t next = (size_t)kb * TILE;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < kb; k++) {
        _tile_loadd(4, a + 64 * k, lda);
        _tile_loadd(6, b + TILE * k, 64);
        _tile_loadd(7, b + next + TILE * k, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, a + 16 * lda + 64 * k, lda);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
        for (int i = 0; i < 8; i++)
            _mm_prefetch(ahead + AHEAD * k + 64 * i, _MM_HINT_T1);
    }
    _tile_stored(0, c, ldc * 4);
    _tile_stored(1, c + 16, ldc * 4);
    _tile_stored(2, c + 16 * ldc, ldc * 4);
    _tile_stored(3, c + 16 * ldc + 16, ldc * 4);
}

/* 16 × 16 of the result. */
static inline void block_1x1(const uint8_t *a, size_t lda, const int8_t *b,
                             int kb, int32_t *c, size_t ldc)
{
    _tile_zero(0);
    for (int k = 0; k < kb; k++) {
        _tile_loadd(4, a + 64 * k, lda);
        _tile_loadd(6, b + TILE * k, 64);
        _tile_dpbusd(0, 4, 6);
    }
    _tile_stored(0, c, ldc * 4);
}

/* Rows i … of the result, columns j … j + width. */
static inline void columns(const uint8_t *a, int m, int i, size_t lda,
                           const int8_t *b, int kb, const int8_t *ahead,
                           int width, int32_t *c, size_t ldc)
{
    size_t panel = (size_t)kb * TILE;
    int rows = m - i < 32 ? m - i : 32;

    if (width == 32 && rows == 32) {
        block_2x2(a + (size_t)i * lda, lda, b, kb,
                  ahead + (size_t)(i / 32 % 4 * kb) * AHEAD,
                  c + (size_t)i * ldc, ldc);
        return;
    }
    for (int r = i; r < i + rows; r += 16)
        for (int s = 0; s < width; s += 16)
            block_1x1(a + (size_t)r * lda, lda, b + (size_t)(s / 16) * panel,
                      kb, c + (size_t)r * ldc + s, ldc);
}

/* c[m][n] = a[m][k] × tiles; m and n are multiples of 16, rows of a lda bytes
 * apart.  A group of columns stays near while all rows pass, and a block of
 * rows while the group's columns pass.
 */
static void product(const uint8_t *a, int m, int k, size_t lda,
                    const int8_t *tiles, int n, int32_t *c)
{
    int kb = (k + 63) / 64, group = kb > 8 ? 32 : 64;
    size_t panel = (size_t)kb * TILE;

    for (int g = 0; g < n; g += group)
        for (int i = 0; i < m; i += 32)
            for (int j = g; j < g + group && j < n; j += 32) {
                const int8_t *b = tiles + (size_t)(j / 16) * panel;

                columns(a, m, i, lda, b, kb, b + (size_t)(group / 16) * panel,
                        n - j < 32 ? n - j : 32, c + j, (size_t)n);
            }
}

/* Pack w[n][k], k contiguous (weights, keys), k a multiple of 4. */
static void pack_rows(const int8_t *w, int n, int k, int8_t *tiles)
{
    int kb = (k + 63) / 64;

    memset(tiles, 0, tiles_bytes(k, n));
    for (int j = 0; j < n; j++) {
        int8_t *to = tiles + (size_t)(j / 16) * (size_t)kb * TILE + j % 16 * 4;
        const int8_t *from = w + (size_t)j * (size_t)k;

        for (int i = 0; i < k; i += 4)
            memcpy(to + 16 * i, from + i, 4);
    }
}

/* Four rows of 16 columns, interleaved to 16 quads. */
static inline void quads(const int8_t *v, size_t ld, int8_t *to)
{
    __m128i r[4], a, b, c, d;

    for (size_t i = 0; i < 4; i++)
        r[i] = _mm_loadu_si128((const __m128i *)(const void *)(v + i * ld));
    a = _mm_unpacklo_epi8(r[0], r[1]);
    b = _mm_unpacklo_epi8(r[2], r[3]);
    c = _mm_unpackhi_epi8(r[0], r[1]);
    d = _mm_unpackhi_epi8(r[2], r[3]);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_unpacklo_epi16(a, b));
    _mm_storeu_si128((__m128i *)(void *)(to + 16), _mm_unpackhi_epi16(a, b));
    _mm_storeu_si128((__m128i *)(void *)(to + 32), _mm_unpacklo_epi16(c, d));
    _mm_storeu_si128((__m128i *)(void *)(to + 48), _mm_unpackhi_epi16(c, d));
}

/* Pack v[k][n], n contiguous (values); both multiples of 16. */
static void pack_columns(const int8_t *v, int k, int n, int8_t *tiles)
{
    int kb = (k + 63) / 64, left = kb * 64 - k;

    for (int j = 0; j < n; j += 16) {
        int8_t *to = tiles + (size_t)(j / 16) * (size_t)kb * TILE;

        for (int i = 0; i < k; i += 4)
            quads(v + (size_t)i * (size_t)n + j, (size_t)n, to + 16 * i);
        memset(to + 16 * k, 0, (size_t)left * 16);
    }
}

static size_t pack_bytes(const struct embed_linear *l)
{
    return tiles_bytes((int)l->k, (int)l->n);
}

static void unpack(void *packed)
{
    free(packed);
}

static void *pack(const struct embed_linear *l, void *room, struct fault *f)
{
    struct packed *w = calloc(1, sizeof(*w));

    if (!w) {
        fault_set(f, ENOMEM, "could not allocate weights");
        return NULL;
    }
    w->l = l;
    w->tiles = room;
    pack_rows(l->w, (int)l->n, (int)l->k, w->tiles);
    return w;
}

static void *thread_create(struct fault *f)
{
    struct thread *t = calloc(1, sizeof(*t));

    if (!t)
        fault_set(f, ENOMEM, "could not allocate a thread's state");
    return t;
}

static void thread_destroy(void *state)
{
    struct thread *t = state;

    free(t->tiles);
    free(t);
}

static int reserve(struct thread *t, size_t n, struct fault *f)
{
    int8_t *more;

    if (n <= t->len)
        return 0;
    more = aligned_alloc(64, n);
    if (!more)
        return fault_set(f, ENOMEM, "could not allocate %zu bytes", n);
    free(t->tiles);
    t->tiles = more;
    t->len = n;
    return 0;
}

static int linear(void *state, void *packed, const uint8_t *x, int rows,
                  int32_t *acc, struct fault *f)
{
    const struct packed *w = packed;

    (void)state;
    (void)f;
    configure();
    product(x, rows, (int)w->l->k, w->l->k, w->tiles, (int)w->l->n, acc);
    _tile_release();
    return 0;
}

static int scores(void *state, int heads, int tp, int d, const uint8_t *q,
                  const int8_t *k, int32_t *s, struct fault *f)
{
    size_t each = (size_t)tp * (size_t)d, out = (size_t)tp * (size_t)tp;
    struct thread *t = state;

    if (reserve(t, tiles_bytes(d, tp), f) < 0)
        return -1;
    configure();
    for (size_t h = 0; h < (size_t)heads; h++) {
        pack_rows(k + h * each, tp, d, t->tiles);
        product(q + h * each, tp, d, (size_t)d, t->tiles, tp, s + h * out);
    }
    _tile_release();
    return 0;
}

static int mix(void *state, int heads, int tp, int d, const uint8_t *p,
               const int8_t *v, int32_t *o, struct fault *f)
{
    size_t each = (size_t)tp * (size_t)d, in = (size_t)tp * (size_t)tp;
    struct thread *t = state;

    if (reserve(t, tiles_bytes(tp, d), f) < 0)
        return -1;
    configure();
    for (size_t h = 0; h < (size_t)heads; h++) {
        pack_columns(v + h * each, tp, d, t->tiles);
        product(p + h * in, tp, tp, (size_t)tp, t->tiles, d, o + h * each);
    }
    _tile_release();
    return 0;
}

/* AVX-512 level 4, AMX, its state enabled by the kernel and granted to us. */
static bool usable(void)
{
    unsigned a, b, c, d, lo, hi;
    const char *cap = getenv("FALLOW_CPU_LEVEL");

    if (cap && *cap)
        return false;
    if (!__builtin_cpu_supports("avx512bw") ||
        !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 24) ||
        !(d & 1u << 25))
        return false;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    if ((lo & 3u << 17) != 3u << 17)
        return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) ==
           0;
}

static const char *level(void)
{
    return "amx";
}

const struct embed_engine embed_engine_amx = {
    .abi = EMBED_ENGINE_ABI,
    .name = "embed-amx",
    .variant = "amx",
    .usable = usable,
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
