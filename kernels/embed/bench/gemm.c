/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - how fast this core multiplies integers: the roof over embed
 *
 * One big product u8 × s7 -> s32, 2048 × 2048 × 2048, by oneDNN with packed
 * weights on one thread.  Prints operations (two a multiply-accumulate) per
 * second of processor time, in units of 10^9: the best of nine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <oneapi/dnnl/dnnl.h>

#define N 2048

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct product {
    dnnl_engine_t cpu;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst;
};

static dnnl_status_t prepare(struct product *p)
{
    dnnl_memory_desc_t a, b, c;
    dnnl_dims_t dims = {N, N};
    dnnl_primitive_desc_t pd;
    dnnl_matmul_desc_t d;
    dnnl_status_t rc = dnnl_engine_create(&p->cpu, dnnl_cpu, 0);

    if (rc == dnnl_success)
        rc = dnnl_stream_create(&p->stream, p->cpu, dnnl_stream_default_flags);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&a, 2, dims, dnnl_u8, dnnl_ab);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&b, 2, dims, dnnl_s8,
                                          dnnl_format_tag_any);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&c, 2, dims, dnnl_s32, dnnl_ab);
    if (rc == dnnl_success)
        rc = dnnl_matmul_desc_init(&d, &a, &b, NULL, &c);
    if (rc == dnnl_success)
        rc = dnnl_primitive_desc_create(&pd, &d, NULL, p->cpu, NULL);
    if (rc != dnnl_success)
        return rc;
    b = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    rc = dnnl_primitive_create(&p->primitive, pd);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->src, &a, p->cpu, DNNL_MEMORY_ALLOCATE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->weights, &b, p->cpu, DNNL_MEMORY_ALLOCATE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->dst, &c, p->cpu, DNNL_MEMORY_ALLOCATE);
    return rc;
}

/* The layout does not matter: every byte is a weight, or padding. */
static void fill(dnnl_memory_t m, unsigned mask, int offset)
{
    uint8_t *v = NULL;
    uint32_t s = 1;

    dnnl_memory_get_data_handle(m, (void **)&v);
    for (size_t i = 0; v && i < (size_t)N * N; i++) {
        s = s * 1664525u + 1013904223u;
        v[i] = (uint8_t)((int)(s >> 24 & mask) + offset);
    }
}

int main(void)
{
    struct product p = {0};
    double best = 0;

    if (prepare(&p) != dnnl_success) {
        fputs("gemm: oneDNN could not make the product\n", stderr);
        return 1;
    }
    fill(p.src, 255, 0);
    fill(p.weights, 63, -32);
    for (int i = 0; i < 9; i++) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p.src},
                                  {DNNL_ARG_WEIGHTS, p.weights},
                                  {DNNL_ARG_DST, p.dst}};
        double t = seconds(), rate;

        if (dnnl_primitive_execute(p.primitive, p.stream, 3, args) !=
                dnnl_success ||
            dnnl_stream_wait(p.stream) != dnnl_success)
            return 1;
        rate = 2e-9 * N * (double)N * N / (seconds() - t);
        best = rate > best ? rate : best;
    }
    printf("%.1f\n", best);
    return 0;
}
