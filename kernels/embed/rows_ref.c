/* SPDX-License-Identifier: Apache-2.0 */
/* rows_ref.c - everything between two integer matrix products: the definition
 *
 * Written to be read, one value at a time; rows_wide.c must give the same
 * bits.
 */
#include "kernels/embed/rows.h"

#include <string.h>

#include "kernels/embed/functions.h"

#define LOG2_E 1.44269504088896341f
#define ROW_MAX 16384

static void quantise(const float *v, int n, uint8_t *x, struct embed_step *s)
{
    float lo = exact_least(v, n);
    float range = exact_max(exact_most(v, n) - lo, EMBED_RANGE_MIN);
    float inv = 255.0f / range;

    for (int i = 0; i < n; i++)
        x[i] = (uint8_t)exact_round((v[i] - lo) * inv);
    s->step = range * (1.0f / 255.0f);
    s->lo = lo;
}

static float dequantise(int32_t acc, const struct embed_linear *l, int n,
                        const struct embed_step *s)
{
    return (float)acc * (s->step * l->scale[n]) +
           (s->lo * l->offset[n] + l->bias[n]);
}

static void layer_norm(const float *in, const struct embed_norm *norm,
                       float eps, int n, float *h)
{
    float inv = 1.0f / (float)n;
    float mean = exact_sum(in, n) * inv;
    float var = exact_sum_squares(in, mean, n) * inv;
    float r = 1.0f / sqrtf(var + eps);

    for (int i = 0; i < n; i++)
        h[i] = ((in[i] - mean) * r) * norm->gamma[i] + norm->beta[i];
}

static void norm_ref(const float *in, const struct embed_norm *norm, float eps,
                     int n, float *h, uint8_t *x, struct embed_step *s)
{
    layer_norm(in, norm, eps, n, h);
    quantise(h, n, x, s);
}

/* Largest magnitude of d columns over rows of stride `stride`. */
static float magnitude(const float *y, int rows, int stride, int d)
{
    float most = 1e-8f;

    for (int i = 0; i < rows; i++)
        for (int j = 0; j < d; j++)
            most = exact_max(most, exact_abs(y[i * stride + j]));
    return most;
}

static void split_head(const float *y, int head, struct embed_attention *a)
{
    int h = a->heads * a->d, base = head * a->tp;
    const float *q = y + head * a->d, *k = q + h, *v = k + h;
    float kmost = magnitude(k, a->t, 3 * h, a->d);
    float vmost = magnitude(v, a->t, 3 * h, a->d);
    float kinv = 63.0f / kmost, vinv = 63.0f / vmost;

    a->kstep[head] = kmost * (1.0f / 63.0f);
    a->vstep[head] = vmost * (1.0f / 63.0f);
    for (int i = 0; i < a->t; i++) {
        float qmost = magnitude(q + i * 3 * h, 1, 3 * h, a->d);
        float qinv = 127.0f / qmost;
        int at = (base + i) * a->d;
        int32_t sum = 0;

        for (int j = 0; j < a->d; j++) {
            int32_t kq = exact_round(k[i * 3 * h + j] * kinv);

            a->q[at + j] = (uint8_t)(exact_round(q[i * 3 * h + j] * qinv) +
                                     EMBED_QUERY_ZERO);
            a->k[at + j] = (int8_t)kq;
            a->v[at + j] = (int8_t)exact_round(v[i * 3 * h + j] * vinv);
            sum += kq;
        }
        a->qstep[base + i] = qmost * (1.0f / 127.0f);
        a->kzero[base + i] = EMBED_QUERY_ZERO * sum;
    }
}

static void split_ref(int32_t *acc, const struct embed_linear *l,
                      const struct embed_step *s, struct embed_attention *a)
{
    int n = 3 * a->heads * a->d;
    size_t pad = (size_t)(a->tp - a->t) * (size_t)a->d;
    float *y = (float *)acc;

    for (int i = 0; i < a->t; i++)
        for (int j = 0; j < n; j++) {
            float v = dequantise(acc[i * n + j], l, j, &s[i]);

            memcpy(&y[i * n + j], &v, sizeof(v));
        }
    for (int head = 0; head < a->heads; head++) {
        size_t end =
            ((size_t)head * (size_t)a->tp + (size_t)a->t) * (size_t)a->d;

        split_head(y, head, a);
        memset(a->q + end, 0, pad);
        memset(a->k + end, 0, pad);
        memset(a->v + end, 0, pad);
    }
}

static void softmax_ref(const int32_t *scores, int head,
                        struct embed_attention *a, uint8_t *p)
{
    const int32_t *kzero = a->kzero + head * a->tp;
    float f = (a->kstep[head] * LOG2_E) / sqrtf((float)a->d);

    memset(p, 0, (size_t)a->tp * (size_t)a->tp);
    for (int i = 0; i < a->t; i++) {
        const int32_t *row = scores + i * a->tp;
        float fi = a->qstep[head * a->tp + i] * f;
        int32_t most = row[0] - kzero[0], sum = 0;

        for (int j = 1; j < a->t; j++)
            if (row[j] - kzero[j] > most)
                most = row[j] - kzero[j];
        for (int j = 0; j < a->t; j++) {
            float y = (float)(row[j] - kzero[j] - most) * fi;
            float e = exact_exp2_255(exact_max(y, EMBED_EXPONENT_MIN));
            int32_t q = exact_round(e);

            p[i * a->tp + j] = (uint8_t)q;
            sum += q;
        }
        a->psum[head * a->tp + i] = sum;
    }
}

static void context_ref(const int32_t *acc, const struct embed_attention *a,
                        uint8_t *x, struct embed_step *s)
{
    int n = a->heads * a->d;
    float row[ROW_MAX];

    for (int i = 0; i < a->t; i++) {
        for (int j = 0; j < n; j++) {
            int at = j / a->d * a->tp + i;

            row[j] = (float)acc[at * a->d + j % a->d] *
                     (a->vstep[j / a->d] / (float)a->psum[at]);
        }
        quantise(row, n, x + i * n, &s[i]);
    }
}

static void residual_ref(const int32_t *acc, const struct embed_linear *l,
                         const struct embed_norm *norm, float eps, int rows,
                         float *h, uint8_t *x, struct embed_step *s)
{
    int n = (int)l->n;
    float row[ROW_MAX];

    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < n; j++)
            row[j] = h[i * n + j] + dequantise(acc[i * n + j], l, j, &s[i]);
        norm_ref(row, norm, eps, n, h + i * n, x + i * n, &s[i]);
    }
}

static void gelu_ref(const int32_t *acc, const struct embed_linear *l, int rows,
                     uint8_t *x, struct embed_step *s)
{
    int n = (int)l->n;
    float row[ROW_MAX];

    for (int i = 0; i < rows; i++) {
        struct embed_gelu_step g;

        for (int j = 0; j < n; j++)
            row[j] = exact_gelu(dequantise(acc[i * n + j], l, j, &s[i]));
        g = embed_gelu_step(exact_max(exact_most(row, n), 0.0f));
        for (int j = 0; j < n; j++)
            x[i * n + j] =
                (uint8_t)exact_bits(row[j] * g.inv + (EXACT_MAGIC + g.zero));
        s[i].step = g.step;
        s[i].lo = -(g.zero * g.step);
    }
}

static void pool_ref(const float *h, int t, const struct embed_config *c,
                     int8_t *out, float *scale)
{
    int n = (int)c->hidden;
    float v[ROW_MAX / 4], most, inv;

    memcpy(v, h, (size_t)n * sizeof(*v));
    if (c->pooling == EMBED_POOL_MEAN) {
        for (int i = 1; i < t; i++)
            for (int j = 0; j < n; j++)
                v[j] = v[j] + h[i * n + j];
        for (int j = 0; j < n; j++)
            v[j] = v[j] / (float)t;
    }
    if (c->normalize) {
        float norm = sqrtf(exact_sum_squares(v, 0.0f, n));

        norm = exact_max(norm, EMBED_RANGE_MIN);
        for (int j = 0; j < n; j++)
            v[j] = v[j] / norm;
    }
    most = exact_max(magnitude(v, 1, n, n), EMBED_RANGE_MIN);
    inv = 127.0f / most;
    for (int j = 0; j < n; j++)
        out[j] = (int8_t)exact_round(v[j] * inv);
    *scale = most * (1.0f / 127.0f);
}

const struct embed_rows embed_rows_ref = {
    .level = "ref",
    .norm = norm_ref,
    .split = split_ref,
    .softmax = softmax_ref,
    .context = context_ref,
    .residual = residual_ref,
    .gelu = gelu_ref,
    .pool = pool_ref,
};
