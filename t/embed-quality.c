/* SPDX-License-Identifier: Apache-2.0 */
/* embed-quality.c - how near vectors are to those of float32
 *
 * embed-quality VECTORS.npy GOLDEN: compares float32 [n, width] with s8 rows of
 * contrib/embed-goldens and prints, one a line,
 *
 *     embed_cosine_mean embed_cosine_p1 embed_cosine_least embed_top10_overlap
 *
 * where the overlap is of the ten nearest rows of every row, by the one and by
 * the other.  Exit status 1 when a bar is missed: 0.99, 0.97, 0.85.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define NPY_HEADER 128
#define NEAREST 10

/* Rows of unit length. */
struct rows {
    size_t n, width;
    float *v;
};

static void normalise(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        float *v = r->v + i * r->width;
        double sum = 0;

        for (size_t j = 0; j < r->width; j++)
            sum += (double)v[j] * (double)v[j];
        for (size_t j = 0; j < r->width; j++)
            v[j] = (float)((double)v[j] / sqrt(sum));
    }
}

static int read_vectors(const char *path, struct rows *r, struct error *err)
{
    unsigned long n, width;
    const char *shape;
    size_t len;
    void *buf;

    if (file_read(path, (size_t)1 << 30, &buf, &len, err) < 0)
        return -1;
    shape = len > NPY_HEADER ? memmem(buf, NPY_HEADER, "'shape': (", 10) : NULL;
    if (!shape || sscanf(shape + 10, "%lu, %lu", &n, &width) != 2 ||
        len != NPY_HEADER + 4 * n * width) {
        free(buf);
        return error_set(err, 0, "%s is not a float32 matrix", path);
    }
    r->n = n;
    r->width = width;
    r->v = (float *)buf;
    memmove(r->v, (char *)buf + NPY_HEADER, 4 * n * width);
    normalise(r);
    return 0;
}

static int read_golden(const char *path, size_t width, struct rows *r,
                       struct error *err)
{
    size_t len;
    void *buf;

    if (file_read(path, (size_t)1 << 30, &buf, &len, err) < 0)
        return -1;
    r->n = len / width;
    r->width = width;
    r->v = malloc(len * sizeof(float));
    for (size_t i = 0; r->v && i < len; i++)
        r->v[i] = ((int8_t *)buf)[i];
    free(buf);
    if (!r->v || len % width)
        return error_set(err, 0, "%s has no rows of %zu", path, width);
    normalise(r);
    return 0;
}

static float dot(const struct rows *a, size_t i, const struct rows *b, size_t j)
{
    const float *x = a->v + i * a->width, *y = b->v + j * b->width;
    float sum[16] = {0}, all = 0;

    for (size_t k = 0; k + 16 <= a->width; k += 16)
        for (size_t l = 0; l < 16; l++)
            sum[l] += x[k + l] * y[k + l];
    for (size_t l = 0; l < 16; l++)
        all += sum[l];
    return all;
}

/* The rows nearest to row i, itself left out. */
static void nearest(const struct rows *r, size_t i, size_t best[NEAREST])
{
    float value[NEAREST];
    size_t n = 0;

    for (size_t j = 0; j < r->n; j++) {
        float d = j == i ? -2 : dot(r, i, r, j);
        size_t at = n < NEAREST ? n++ : NEAREST - 1;

        if (n == NEAREST && at == NEAREST - 1 && j >= NEAREST && d <= value[at])
            continue;
        for (; at > 0 && value[at - 1] < d; at--) {
            value[at] = value[at - 1];
            best[at] = best[at - 1];
        }
        value[at] = d;
        best[at] = j;
    }
}

static double overlap(const struct rows *a, const struct rows *b)
{
    size_t x[NEAREST], y[NEAREST], same = 0;

    for (size_t i = 0; i < a->n; i++) {
        nearest(a, i, x);
        nearest(b, i, y);
        for (size_t k = 0; k < NEAREST; k++)
            for (size_t l = 0; l < NEAREST; l++)
                same += x[k] == y[l];
    }
    return (double)same / (double)(a->n * NEAREST);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int judge(const struct rows *got, const struct rows *want)
{
    double *c = calloc(got->n, sizeof(*c)), mean = 0, p1, top;

    if (!c)
        return 1;
    for (size_t i = 0; i < got->n; i++) {
        c[i] = (double)dot(got, i, want, i);
        mean += c[i] / (double)got->n;
    }
    qsort(c, got->n, sizeof(*c), ascending);
    p1 = c[got->n / 100];
    top = overlap(got, want);
    printf("embed_cosine_mean %.5f cosine\n", mean);
    printf("embed_cosine_p1 %.5f cosine\n", p1);
    printf("embed_cosine_least %.5f cosine\n", c[0]);
    printf("embed_top10_overlap %.4f fraction\n", top);
    free(c);
    return mean >= 0.99 && p1 >= 0.97 && top >= 0.85 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct rows got = {0}, want = {0};
    struct error err = {""};
    int rc = 1;

    if (argc != 3)
        return 2;
    if (read_vectors(argv[1], &got, &err) < 0 ||
        read_golden(argv[2], got.width, &want, &err) < 0)
        fprintf(stderr, "embed-quality: %s\n", err.text);
    else if (got.n != want.n || got.n < 100)
        fprintf(stderr, "embed-quality: %zu rows against %zu\n", got.n, want.n);
    else
        rc = judge(&got, &want);
    free(got.v);
    free(want.v);
    return rc;
}
