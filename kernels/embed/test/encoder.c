/* SPDX-License-Identifier: Apache-2.0 */
/* encoder.c - one digest whatever computes it, and near the float model
 */
#include "kernels/embed/encoder.h"

#include <math.h>
#include <openssl/evp.h>

#include "kernels/embed/spec.h"
#include "kernels/embed/tiny.h"
#include "kernels/embed/functions.h"
#include "t/tap.h"

static uint8_t bytes[TINY_ITEMS * 128];
static struct embed_input items[TINY_ITEMS];

/* Digest of all vectors, encoded `batch` items a call. */
static void digest(const struct embed_engine *engine,
                   const struct embed_rows *rows, int threads, size_t batch,
                   char hex[65])
{
    struct fault f = {""};
    struct embed_encoder *e = tiny_encoder(engine, rows, &f);
    struct embed_output out[TINY_ITEMS];
    uint8_t md[32];
    EVP_MD_CTX *sum = EVP_MD_CTX_new();

    hex[0] = 0;
    EVP_DigestInit_ex(sum, EVP_sha256(), NULL);
    for (size_t i = 0; e && i < TINY_ITEMS; i += batch) {
        size_t n = TINY_ITEMS - i < batch ? TINY_ITEMS - i : batch;

        if (embed_encode(e, items + i, n, out, threads, NULL, &f) < 0)
            break;
        for (size_t k = 0; k < n; k++) {
            EVP_DigestUpdate(sum, out[k].bytes, out[k].len);
            free(out[k].bytes);
        }
    }
    EVP_DigestFinal_ex(sum, md, NULL);
    EVP_MD_CTX_free(sum);
    for (int i = 0; e && i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", md[i]);
    embed_encoder_destroy(e);
}

static void test_digests(void)
{
    static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    char hex[65];

    digest(&embed_engine_ref, &embed_rows_ref, 1, TINY_ITEMS, hex);
    is_str(hex, EMBED_KNOWN_ANSWER, "ref gives the known answer");
    digest(&embed_engine_ref, &embed_rows_ref, 2, 5, hex);
    is_str(hex, EMBED_KNOWN_ANSWER, "in batches of 5 by 2 threads, too");
    for (int i = 0; i < 3; i++) {
        const struct embed_rows *rows;

        setenv("FALLOW_CPU_LEVEL", levels[i], 1);
        rows = embed_rows_best();
        digest(&embed_engine_ref, rows, 1, 1, hex);
        is_str(hex, EMBED_KNOWN_ANSWER, "rows of %s one by one (asked for %s)",
               rows->level, levels[i]);
        digest(&embed_engine_ref, rows, 3, 16, hex);
        is_str(hex, EMBED_KNOWN_ANSWER, "and 16 at once by 3 threads");
    }
    unsetenv("FALLOW_CPU_LEVEL");
    if (embed_engine_amx.usable()) {
        digest(&embed_engine_amx, embed_rows_best(), 2, 7, hex);
        is_str(hex, EMBED_KNOWN_ANSWER, "AMX tiles, 7 at once by 2 threads");
    }
}

static void test_codes(void)
{
    static const uint8_t far[] = {0, 1}, odd[] = {1}, fine[] = {1, 0};
    static uint8_t lots[130];
    const struct embed_input in[] = {
        {far, 2}, {odd, 1}, {NULL, 0}, {lots, 130}, {fine, 2}};
    static const uint32_t want[] = {EMBED_BAD_ID, EMBED_ODD_LENGTH,
                                    EMBED_ODD_LENGTH, EMBED_TOO_LONG, EMBED_OK};
    struct fault f = {""};
    struct embed_encoder *e =
        tiny_encoder(&embed_engine_ref, embed_rows_best(), &f);
    struct embed_output out[5];

    is_int(embed_encode(e, in, 5, out, 1, NULL, &f), 0,
           "bad items are results, no errors");
    for (int i = 0; i < 5; i++)
        is_int(out[i].code, want[i], "item %d has its code", i);
    ok(out[0].units == 0 && !out[0].bytes, "a failed item has no units");
    is_int(out[4].units, embed_units(embed_encoder_config(e), 1),
           "a good one has its units");
    free(out[4].bytes);
    embed_encoder_destroy(e);
}

static void test_stop(void)
{
    volatile sig_atomic_t stop = 1;
    const struct embed_control ctl = {&stop, NULL, NULL};
    struct fault f = {""};
    struct embed_encoder *e =
        tiny_encoder(&embed_engine_ref, embed_rows_best(), &f);
    struct embed_output out[TINY_ITEMS];

    errno = 0;
    ok(embed_encode(e, items, TINY_ITEMS, out, 2, &ctl, &f) < 0 &&
           errno == ECANCELED,
       "a stop ends the run");
    ok(!out[0].bytes, "and leaves no vector");
    embed_encoder_destroy(e);
}

/* The same model in double precision, from the unquantised file. */
struct model {
    struct st_file *file;
    int h, f, heads;
};

static const float *tensor(const struct model *m, const char *fmt, int layer,
                           const char *what)
{
    char name[128];

    snprintf(name, sizeof(name), fmt, layer, what);
    return (const float *)(const void *)st_find(m->file, name)->data;
}

static void affine(const struct model *m, int layer, const char *what,
                   const double *x, int k, int n, double *y)
{
    const float *w = tensor(m, "encoder.layer.%d.%s.weight", layer, what);
    const float *b = tensor(m, "encoder.layer.%d.%s.bias", layer, what);

    for (int j = 0; j < n; j++) {
        y[j] = (double)b[j];
        for (int i = 0; i < k; i++)
            y[j] += (double)w[j * k + i] * x[i];
    }
}

static void normalise(const float *g, const float *b, int n, double *x)
{
    double mean = 0, var = 0;

    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / n;
    for (int i = 0; i < n; i++)
        x[i] = (x[i] - mean) / sqrt(var + 1e-12) * (double)g[i] + (double)b[i];
}

static void attention(const struct model *m, int t, double (*q)[32],
                      double (*k)[32], double (*v)[32], double (*c)[32])
{
    int d = m->h / m->heads;

    for (int head = 0; head < m->heads; head++)
        for (int i = 0; i < t; i++) {
            double e[64], sum = 0, *o = c[i] + head * d;

            for (int j = 0; j < t; j++) {
                double z = 0;

                for (int x = head * d; x < head * d + d; x++)
                    z += q[i][x] * k[j][x];
                sum += e[j] = exp(z / sqrt(d));
            }
            for (int x = 0; x < d; x++) {
                o[x] = 0;
                for (int j = 0; j < t; j++)
                    o[x] += e[j] / sum * v[j][head * d + x];
            }
        }
}

static void layer(const struct model *m, int l, int t, double (*x)[32])
{
    static double q[64][32], k[64][32], v[64][32], c[64][32];
    static const char norm1[] = "attention.output.LayerNorm";

    for (int i = 0; i < t; i++) {
        affine(m, l, "attention.self.query", x[i], 32, 32, q[i]);
        affine(m, l, "attention.self.key", x[i], 32, 32, k[i]);
        affine(m, l, "attention.self.value", x[i], 32, 32, v[i]);
    }
    attention(m, t, q, k, v, c);
    for (int i = 0; i < t; i++) {
        double y[32], z[64];

        affine(m, l, "attention.output.dense", c[i], 32, 32, y);
        for (int j = 0; j < 32; j++)
            x[i][j] += y[j];
        normalise(tensor(m, "encoder.layer.%d.%s.weight", l, norm1),
                  tensor(m, "encoder.layer.%d.%s.bias", l, norm1), 32, x[i]);
        affine(m, l, "intermediate.dense", x[i], 32, 64, z);
        for (int j = 0; j < 64; j++)
            z[j] = z[j] * 0.5 * (1 + erf(z[j] / sqrt(2)));
        affine(m, l, "output.dense", z, 64, 32, y);
        for (int j = 0; j < 32; j++)
            x[i][j] += y[j];
        normalise(
            tensor(m, "encoder.layer.%d.%s.weight", l, "output.LayerNorm"),
            tensor(m, "encoder.layer.%d.%s.bias", l, "output.LayerNorm"), 32,
            x[i]);
    }
}

/* The mean vector of one item in double precision. */
static void encode_double(const struct model *m, const struct embed_input *in,
                          double out[32])
{
    static double x[64][32];
    int t = (int)in->len / 2;

    for (int i = 0; i < t; i++) {
        int id = in->bytes[2 * i] | in->bytes[2 * i + 1] << 8;

        for (int j = 0; j < 32; j++)
            x[i][j] =
                (double)tensor(m, "embeddings.word_embeddings.weight", 0,
                               "")[id * 32 + j] +
                (double)tensor(m, "embeddings.position_embeddings.weight", 0,
                               "")[i * 32 + j] +
                (double)tensor(m, "embeddings.token_type_embeddings.weight", 0,
                               "")[j];
        normalise(tensor(m, "embeddings.LayerNorm.weight", 0, ""),
                  tensor(m, "embeddings.LayerNorm.bias", 0, ""), 32, x[i]);
    }
    for (int l = 0; l < 2; l++)
        layer(m, l, t, x);
    for (int j = 0; j < 32; j++) {
        out[j] = 0;
        for (int i = 0; i < t; i++)
            out[j] += x[i][j] / t;
    }
}

static void test_quality(void)
{
    struct fault f = {""};
    struct embed_encoder *e =
        tiny_encoder(&embed_engine_ref, embed_rows_best(), &f);
    struct embed_output out[TINY_ITEMS];
    struct model m = {NULL, 32, 64, 2};
    double worst = 1, mean = 0, longest = 0;
    size_t len;
    void *buf = tiny_safetensors(TINY_VOCAB, &len);

    m.file = st_parse(buf, len, &f);
    is_int(embed_encode(e, items, TINY_ITEMS, out, 1, NULL, &f), 0,
           "all items are encoded");
    for (int i = 0; i < TINY_ITEMS; i++) {
        const int8_t *q = (const int8_t *)out[i].bytes;
        double want[32], dot = 0, a = 0, b = 0, c;
        float scale;

        memcpy(&scale, q + 32, sizeof(scale));
        encode_double(&m, &items[i], want);
        for (int j = 0; j < 32; j++) {
            dot += want[j] * q[j] * (double)scale;
            a += want[j] * want[j];
            b += q[j] * q[j] * (double)scale * (double)scale;
        }
        c = dot / sqrt(a * b);
        mean += c / TINY_ITEMS;
        worst = c < worst ? c : worst;
        c = fabs(sqrt(b / a) - 1);
        longest = c > longest ? c : longest;
        free(out[i].bytes);
    }
    ok(mean >= 0.99, "mean cosine to double precision is %.5f", mean);
    ok(worst >= 0.97, "the worst is %.5f", worst);
    ok(longest <= 0.05, "no length is off by more than %.3f", longest);
    st_destroy(m.file);
    free(buf);
    embed_encoder_destroy(e);
}

/* The polynomials are what spec.h promises. */
static void test_functions(void)
{
    double gelu = 0, exp2_error = 0, least = 0;

    for (int i = -80000; i <= 80000; i++) {
        float x = (float)i * 1e-4f;
        double g = (double)x * 0.5 * (1 + erf((double)x / sqrt(2)));

        gelu = fmax(gelu, fabs((double)exact_gelu(x) - g));
        least = fmin(least, (double)exact_gelu(x));
    }
    for (int i = 0; i <= 300000; i++) {
        float x = (float)-i * 1e-4f;

        exp2_error =
            fmax(exp2_error,
                 fabs((double)exact_exp2_255(x) / 255 / exp2((double)x) - 1));
    }
    ok(gelu < 5e-4, "gelu is off by %.2g at most", gelu);
    ok(exp2_error < 2e-3, "2^x is off by a factor of %.2g at most", exp2_error);
    ok(least > (double)EMBED_GELU_LEAST + 1e-3, "its least value is %.5f",
       least);
    ok(exact_gelu(0.0f) == 0.0f && exact_round(exact_exp2_255(0.0f)) == 255,
       "gelu(0) is 0 and the largest probability is 255");
}

int main(void)
{
    tiny_items(bytes, items);
    test_functions();
    test_digests();
    test_codes();
    test_stop();
    test_quality();
    done_testing();
    return exit_status();
}
