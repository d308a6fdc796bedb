/* SPDX-License-Identifier: Apache-2.0 */
/* rows_wide.c - rows_ref.c with wide vectors, compiled once for each x86 level
 *
 * Every statement is the same IEEE operation as in the definition, on WIDTH
 * values at a time; the 32 canonical lanes are 32 / WIDTH vectors.  The
 * compiler is told the level on the command line, with ROWS_NAME the table's
 * name; nothing here may run on a lower CPU, so nothing here is called but
 * through the table.
 */
#include "kernels/embed/rows.h"

#include <float.h>
#include <string.h>

#include "kernels/embed/functions.h"
#include "kernels/embed/wide_impl.h"

#define LOG2_E 1.44269504088896341f
#define ROW_MAX 16384
#define NO_KEY (1 << 28) /* kzero behind the last token: never a largest */

/* WIDTH outputs of a linear layer from column n on. */
static inline vf dequantise(const int32_t *acc, const struct embed_linear *l,
                            int n, vf step, vf lo)
{
    return to_float(load_int(acc + n)) * (step * load(l->scale + n)) +
           (lo * load(l->offset + n) + load(l->bias + n));
}

/* Running least and largest of a row, in the canonical lanes. */
struct extremes {
    vf lo[LANES], hi[LANES];
};

static inline void extremes_start(struct extremes *e)
{
    for (int i = 0; i < LANES; i++) {
        e->lo[i] = splat(FLT_MAX);
        e->hi[i] = splat(-FLT_MAX);
    }
}

static inline void extremes_take(struct extremes *e, int i, vf v)
{
    e->lo[i] = least(e->lo[i], v);
    e->hi[i] = most(e->hi[i], v);
}

/* The second half of quantisation, extremes known. */
static inline void quantise(const float *v, int n, struct extremes *e,
                            uint8_t *x, struct embed_step *s)
{
    float lo = tree_least(e->lo);
    float range = exact_max(tree_most(e->hi) - lo, EMBED_RANGE_MIN);
    vf inv = splat(255.0f / range), base = splat(lo);

    for (int j = 0; j < n; j += WIDTH)
        store_bytes(x + j, rounded((load(v + j) - base) * inv));
    s->step = range * (1.0f / 255.0f);
    s->lo = lo;
}

/* Sums of a row in the canonical lanes. */
static inline float sum_row(const float *row, int n)
{
    vf sum[LANES];

    for (int i = 0; i < LANES; i++)
        sum[i] = splat(0.0f);
    for (int j = 0; j < n; j += EXACT_LANES)
        for (int i = 0; i < LANES; i++)
            sum[i] = sum[i] + load(row + j + i * WIDTH);
    return tree_add(sum);
}

static inline float squares_row(const float *row, float mean, int n)
{
    vf sq[LANES], m = splat(mean);

    for (int i = 0; i < LANES; i++)
        sq[i] = splat(0.0f);
    for (int j = 0; j < n; j += EXACT_LANES)
        for (int i = 0; i < LANES; i++) {
            vf d = load(row + j + i * WIDTH) - m;

            sq[i] = sq[i] + d * d;
        }
    return tree_add(sq);
}

/* h = ((row - mean) × r) × gamma + beta, with its extremes. */
static inline void scale_row(const float *row, float mean, float r,
                             const struct embed_norm *norm, int n, float *h,
                             struct extremes *e)
{
    vf m = splat(mean), rr = splat(r);

    extremes_start(e);
    for (int j = 0; j < n; j += EXACT_LANES)
        for (int i = 0; i < LANES; i++) {
            int k = j + i * WIDTH;
            vf y = ((load(row + k) - m) * rr) * load(norm->gamma + k) +
                   load(norm->beta + k);

            store(h + k, y);
            extremes_take(e, i, y);
        }
}

/* LayerNorm and quantisation of k <= TOGETHER rows, one step for all rows
 * after another: the steps of different rows overlap in the processor, those
 * of one row cannot.
 */
#define TOGETHER 4
static inline void norm_rows(const float *rows, int k,
                             const struct embed_norm *norm, float eps, int n,
                             float *h, uint8_t *x, struct embed_step *s)
{
    float inv = 1.0f / (float)n, mean[TOGETHER], r[TOGETHER];
    struct extremes e[TOGETHER];

    for (int i = 0; i < k; i++)
        mean[i] = sum_row(rows + i * n, n) * inv;
    for (int i = 0; i < k; i++)
        r[i] = squares_row(rows + i * n, mean[i], n) * inv;
    for (int i = 0; i < k; i++)
        r[i] = 1.0f / sqrtf(r[i] + eps);
    for (int i = 0; i < k; i++)
        scale_row(rows + i * n, mean[i], r[i], norm, n, h + i * n, &e[i]);
    for (int i = 0; i < k; i++)
        quantise(h + i * n, n, &e[i], x + i * n, &s[i]);
}

static void norm_wide(const float *in, const struct embed_norm *norm, float eps,
                      int n, float *h, uint8_t *x, struct embed_step *s)
{
    norm_rows(in, 1, norm, eps, n, h, x, s);
}

static void residual_wide(const int32_t *acc, const struct embed_linear *l,
                          const struct embed_norm *norm, float eps, int rows,
                          float *h, uint8_t *x, struct embed_step *s)
{
    int n = (int)l->n;
    float row[TOGETHER * (ROW_MAX / 4)] __attribute__((aligned(64)));

    for (int r = 0; r < rows; r += TOGETHER) {
        int k = rows - r < TOGETHER ? rows - r : TOGETHER;

        for (int i = 0; i < k; i++) {
            vf step = splat(s[r + i].step), lo = splat(s[r + i].lo);

            for (int j = 0; j < n; j += WIDTH)
                store(row + i * n + j,
                      load(h + i * n + j) +
                          dequantise(acc + i * n, l, j, step, lo));
        }
        norm_rows(row, k, norm, eps, n, h, x, s + r);
        acc += TOGETHER * n;
        h += TOGETHER * n;
        x += TOGETHER * n;
    }
}

static void gelu_rows(const int32_t *acc, const struct embed_linear *l,
                      int rows, uint8_t *x, struct embed_step *s)
{
    int n = (int)l->n;
    float row[ROW_MAX] __attribute__((aligned(64)));

    for (int r = 0; r < rows; r++) {
        vf step = splat(s[r].step), lo = splat(s[r].lo), inv, zero;
        vf hi[LANES];
        struct embed_gelu_step g;

        for (int i = 0; i < LANES; i++)
            hi[i] = splat(0.0f);
        for (int j = 0; j < n; j += EXACT_LANES)
            for (int i = 0; i < LANES; i++) {
                int k = j + i * WIDTH;
                vf y = gelu_wide(dequantise(acc, l, k, step, lo));

                store(row + k, y);
                hi[i] = most(hi[i], y);
            }
        g = embed_gelu_step(tree_most(hi));
        inv = splat(g.inv);
        zero = splat(EXACT_MAGIC + g.zero);
        for (int j = 0; j < n; j += WIDTH)
            store_bytes(x + j, (vi)(load(row + j) * inv + zero));
        s[r].step = g.step;
        s[r].lo = -(g.zero * g.step);
        acc += n;
        x += n;
    }
}

/* Query of one row: every head has a step of its own. */
static inline void split_query(const float *y, int row,
                               struct embed_attention *a)
{
    for (int head = 0; head < a->heads; head++) {
        const float *q = y + head * a->d;
        int at = head * a->tp + row;
        vf m = splat(1e-8f), inv;
        float big;

        for (int j = 0; j < a->d; j += WIDTH)
            m = most(m, magnitude(load(q + j)));
        big = tree_most_one(m);
        inv = splat(127.0f / big);
        for (int j = 0; j < a->d; j += WIDTH)
            store_bytes(a->q + at * a->d + j, rounded(load(q + j) * inv) +
                                                  splat_int(EMBED_QUERY_ZERO));
        a->qstep[at] = big * (1.0f / 127.0f);
    }
}

/* The largest magnitude of a head's columns becomes its step. */
static inline float head_step(const float *big, int d, float *step)
{
    vf m = splat(1e-8f);
    float b;

    for (int j = 0; j < d; j += WIDTH)
        m = most(m, load(big + j));
    b = tree_most_one(m);
    *step = b * (1.0f / 63.0f);
    return 63.0f / b;
}

/* Key and value of one head, from the float rows. */
static inline void split_head(const float *y, const float *big, int head,
                              struct embed_attention *a)
{
    int h = a->heads * a->d;
    const float *k = y + h + head * a->d, *v = k + h;
    vf kinv = splat(head_step(big + head * a->d, a->d, &a->kstep[head]));
    vf vinv = splat(head_step(big + h + head * a->d, a->d, &a->vstep[head]));
    size_t pad = (size_t)(a->tp - a->t) * (size_t)a->d;
    int at = head * a->tp;

    for (int i = 0; i < a->t; i++, at++) {
        vu sum = (vu)splat_int(0);

        for (int j = 0; j < a->d; j += WIDTH) {
            vi kq = rounded(load(k + j) * kinv);

            sum = sum + (vu)kq;
            store_bytes(a->k + at * a->d + j, kq);
            store_bytes(a->v + at * a->d + j, rounded(load(v + j) * vinv));
        }
        a->kzero[at] = EMBED_QUERY_ZERO * without_magic(sum_int_one(sum), a->d);
        k += 3 * h;
        v += 3 * h;
    }
    memset(a->q + at * a->d, 0, pad);
    memset(a->k + at * a->d, 0, pad);
    memset(a->v + at * a->d, 0, pad);
    for (int i = a->t; i < a->tp; i++)
        a->kzero[at++] = NO_KEY;
}

static void split_wide(int32_t *acc, const struct embed_linear *l,
                       const struct embed_step *s, struct embed_attention *a)
{
    int h = a->heads * a->d;
    float big[2 * ROW_MAX / 4] __attribute__((aligned(64)));
    float *y = (float *)(void *)acc;

    for (int j = 0; j < 2 * h; j += WIDTH)
        store(big + j, splat(0.0f));
    for (int i = 0; i < a->t; i++) {
        vf step = splat(s[i].step), lo = splat(s[i].lo);
        int32_t *from = acc + i * 3 * h;
        float *to = y + i * 3 * h;

        for (int j = 0; j < h; j += WIDTH)
            store(to + j, dequantise(from, l, j, step, lo));
        split_query(to, i, a);
        for (int j = 0; j < 2 * h; j += WIDTH) {
            vf v = dequantise(from, l, h + j, step, lo);

            store(to + h + j, v);
            store(big + j, most(load(big + j), magnitude(v)));
        }
    }
    for (int head = 0; head < a->heads; head++)
        split_head(y, big, head, a);
}

static void softmax_wide(const int32_t *scores, int head,
                         struct embed_attention *a, uint8_t *p)
{
    const int32_t *kzero = a->kzero + head * a->tp;
    float f = (a->kstep[head] * LOG2_E) / sqrtf((float)a->d);

    for (int i = 0; i < a->t; i++) {
        vf fi = splat(a->qstep[head * a->tp + i] * f);
        vi big = load_int(scores) - load_int(kzero);
        vu sum = (vu)splat_int(0);

        for (int j = WIDTH; j < a->tp; j += WIDTH)
            big = most_int(big, load_int(scores + j) - load_int(kzero + j));
        big = splat_int(max_int_one(big));
        for (int j = 0; j < a->tp; j += WIDTH) {
            vi d = load_int(scores + j) - load_int(kzero + j) - big;
            vf y = most(to_float(d) * fi, splat(EMBED_EXPONENT_MIN));
            vi q = rounded(exp2_255_wide(y));

            sum = sum + (vu)q;
            store_bytes(p + j, q);
        }
        a->psum[head * a->tp + i] = without_magic(sum_int_one(sum), a->tp);
        scores += a->tp;
        p += a->tp;
    }
}

static void context_wide(const int32_t *acc, const struct embed_attention *a,
                         uint8_t *x, struct embed_step *s)
{
    int n = a->heads * a->d;
    float row[ROW_MAX / 4] __attribute__((aligned(64)));

    for (int i = 0; i < a->t; i++) {
        struct extremes e;

        extremes_start(&e);
        for (int head = 0; head < a->heads; head++) {
            int at = head * a->tp + i;
            vf f = splat(a->vstep[head] / (float)a->psum[at]);

            for (int j = 0; j < a->d; j += WIDTH)
                store(row + head * a->d + j,
                      to_float(load_int(acc + at * a->d + j)) * f);
        }
        for (int j = 0; j < n; j += EXACT_LANES)
            for (int k = 0; k < LANES; k++)
                extremes_take(&e, k, load(row + j + k * WIDTH));
        quantise(row, n, &e, x + i * n, &s[i]);
    }
}

static void pool_wide(const float *h, int t, const struct embed_config *c,
                      int8_t *out, float *scale)
{
    int n = (int)c->hidden;
    float v[ROW_MAX / 4] __attribute__((aligned(64)));
    vf big = splat(EMBED_RANGE_MIN), inv;
    float m;

    memcpy(v, h, (size_t)n * sizeof(*v));
    if (c->pooling == EMBED_POOL_MEAN) {
        for (int i = 1; i < t; i++)
            for (int j = 0; j < n; j += WIDTH)
                store(v + j, load(v + j) + load(h + i * n + j));
        for (int j = 0; j < n; j += WIDTH)
            store(v + j, load(v + j) / splat((float)t));
    }
    if (c->normalize) {
        float norm = sqrtf(exact_sum_squares(v, 0.0f, n));

        norm = exact_max(norm, EMBED_RANGE_MIN);
        for (int j = 0; j < n; j += WIDTH)
            store(v + j, load(v + j) / splat(norm));
    }
    for (int j = 0; j < n; j += WIDTH)
        big = most(big, magnitude(load(v + j)));
    m = tree_most_one(big);
    inv = splat(127.0f / m);
    for (int j = 0; j < n; j += WIDTH)
        store_bytes(out + j, rounded(load(v + j) * inv));
    *scale = m * (1.0f / 127.0f);
}

extern const struct embed_rows ROWS_NAME;
const struct embed_rows ROWS_NAME = {
    .level = ROWS_LEVEL,
    .norm = norm_wide,
    .split = split_wide,
    .softmax = softmax_wide,
    .context = context_wide,
    .residual = residual_wide,
    .gelu = gelu_rows,
    .pool = pool_wide,
};
