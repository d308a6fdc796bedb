/* SPDX-License-Identifier: Apache-2.0 */
/* engine_onednn.c - the integer matrix products by oneDNN
 *
 * A loadable object of its own, plugins/work/embed-onednn.so.  Only plain
 * matmuls u8 × s8 -> s32 are called, without attributes that compute: sources
 * are u8 by construction (an s8 source is wrong on some processors for one
 * column), weights s7.  A primitive belongs to the thread that made it; the
 * library's own cache shares the generated code.
 */
#include "kernels/embed/engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#define ROW_STEP 32 /* linear calls are made for 32, 64, 96 or 128 rows */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static dnnl_engine_t cpu; /* NULL: the library does not work here */
static bool exact;

/* What one primitive computes: batch × (m × k) × (k × n). */
struct shape {
    int batch, m, k, n;
    bool transposed; /* the weights are [batch][n][k] */
    bool packed;     /* the weights are in the library's layout */
};

struct product {
    struct shape shape;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst, scratch;
    struct product *next;
};

struct thread {
    dnnl_stream_t stream;
    struct product *products;
    void *scratch;
    size_t scratch_len;
};

struct packed {
    const struct embed_linear *l;
    dnnl_memory_t weights;
};

static int refuse(struct fault *f, const char *what, dnnl_status_t s)
{
    return fault_set(f, s == dnnl_out_of_memory ? ENOMEM : EIO,
                     "oneDNN could not %s (status %d)", what, (int)s);
}

/* A linear layer: rows × packed weights, in the layout oneDNN likes best. */
static dnnl_status_t describe_packed(const struct shape *s,
                                     dnnl_memory_desc_t md[3])
{
    dnnl_dims_t a = {s->m, s->k}, b = {s->k, s->n}, c = {s->m, s->n};
    dnnl_status_t rc =
        dnnl_memory_desc_init_by_tag(&md[0], 2, a, dnnl_u8, dnnl_ab);

    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&md[1], 2, b, dnnl_s8,
                                          dnnl_format_tag_any);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&md[2], 2, c, dnnl_s32, dnnl_ab);
    return rc;
}

/* Memory descriptors of source, weights and result. */
static dnnl_status_t describe(const struct shape *s, dnnl_memory_desc_t md[3])
{
    dnnl_dims_t a = {s->batch, s->m, s->k}, b = {s->batch, s->k, s->n};
    dnnl_dims_t c = {s->batch, s->m, s->n};
    dnnl_dims_t along = {(dnnl_dim_t)s->n * s->k, s->n, 1};
    dnnl_dims_t across = {(dnnl_dim_t)s->n * s->k, 1, s->k};
    dnnl_status_t rc;

    if (s->packed)
        return describe_packed(s, md);
    rc = dnnl_memory_desc_init_by_tag(&md[0], 3, a, dnnl_u8, dnnl_abc);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_strides(&md[1], 3, b, dnnl_s8,
                                              s->transposed ? across : along);
    if (rc == dnnl_success)
        rc = dnnl_memory_desc_init_by_tag(&md[2], 3, c, dnnl_s32, dnnl_abc);
    return rc;
}

static dnnl_status_t make_desc(const dnnl_memory_desc_t md[3],
                               dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_attr_t attr;
    dnnl_matmul_desc_t d;
    dnnl_status_t rc = dnnl_matmul_desc_init(&d, &md[0], &md[1], NULL, &md[2]);

    if (rc != dnnl_success)
        return rc;
    rc = dnnl_primitive_attr_create(&attr);
    if (rc != dnnl_success)
        return rc;
    rc = dnnl_primitive_attr_set_scratchpad_mode(attr,
                                                 dnnl_scratchpad_mode_user);
    if (rc == dnnl_success)
        rc = dnnl_primitive_desc_create(pd, &d, attr, cpu, NULL);
    dnnl_primitive_attr_destroy(attr);
    return rc;
}

static void product_destroy(struct product *p)
{
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->src)
        dnnl_memory_destroy(p->src);
    if (p->weights)
        dnnl_memory_destroy(p->weights);
    if (p->dst)
        dnnl_memory_destroy(p->dst);
    if (p->scratch)
        dnnl_memory_destroy(p->scratch);
    free(p);
}

/* Room for a product's scratchpad in the thread's shared one. */
static int grow_scratch(struct thread *t, size_t n, struct fault *f)
{
    void *more;

    if (n <= t->scratch_len)
        return 0;
    more = aligned_alloc(4096, (n + 4095) / 4096 * 4096);
    if (!more)
        return fault_set(f, ENOMEM, "could not allocate %zu bytes", n);
    free(t->scratch);
    t->scratch = more;
    t->scratch_len = n;
    return 0;
}

static dnnl_status_t fill_product(struct product *p, dnnl_primitive_desc_t pd,
                                  const dnnl_memory_desc_t md[3],
                                  const dnnl_memory_desc_t *weights)
{
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    dnnl_status_t rc = dnnl_primitive_create(&p->primitive, pd);

    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->src, &md[0], cpu, DNNL_MEMORY_NONE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->weights, weights, cpu, DNNL_MEMORY_NONE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->dst, &md[2], cpu, DNNL_MEMORY_NONE);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&p->scratch, scratch, cpu, DNNL_MEMORY_NONE);
    return rc;
}

/* weights is the layout to take, NULL for the shape's own. */
static struct product *product_create(struct thread *t, const struct shape *s,
                                      const dnnl_memory_desc_t *weights,
                                      struct fault *f)
{
    struct product *p = calloc(1, sizeof(*p));
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t md[3];
    dnnl_status_t rc;

    if (!p) {
        fault_set(f, ENOMEM, "could not allocate a product");
        return NULL;
    }
    p->shape = *s;
    rc = describe(s, md);
    if (weights)
        md[1] = *weights;
    if (rc == dnnl_success)
        rc = make_desc(md, &pd);
    if (rc == dnnl_success)
        rc = fill_product(p, pd, md, &md[1]);
    if (rc == dnnl_success &&
        grow_scratch(t,
                     dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(
                         pd, dnnl_query_scratchpad_md, 0)),
                     f) < 0)
        rc = dnnl_out_of_memory;
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (rc != dnnl_success) {
        refuse(f, "make a product", rc);
        product_destroy(p);
        return NULL;
    }
    p->next = t->products;
    t->products = p;
    return p;
}

static struct product *product_find(struct thread *t, const struct shape *s,
                                    const dnnl_memory_desc_t *weights,
                                    struct fault *f)
{
    for (struct product *p = t->products; p; p = p->next)
        if (p->shape.batch == s->batch && p->shape.m == s->m &&
            p->shape.k == s->k && p->shape.n == s->n &&
            p->shape.transposed == s->transposed &&
            p->shape.packed == s->packed)
            return p;
    return product_create(t, s, weights, f);
}

static int execute(struct thread *t, struct product *p, const uint8_t *src,
                   dnnl_memory_t weights, int32_t *dst, struct fault *f)
{
    dnnl_exec_arg_t args[4] = {{DNNL_ARG_SRC, p->src},
                               {DNNL_ARG_WEIGHTS, weights},
                               {DNNL_ARG_DST, p->dst},
                               {DNNL_ARG_SCRATCHPAD, p->scratch}};
    dnnl_status_t rc =
        dnnl_memory_set_data_handle(p->src, (void *)(uintptr_t)src);

    if (rc == dnnl_success)
        rc = dnnl_memory_set_data_handle(p->dst, dst);
    if (rc == dnnl_success)
        rc = dnnl_memory_set_data_handle(p->scratch, t->scratch);
    if (rc == dnnl_success)
        rc = dnnl_primitive_execute(p->primitive, t->stream, 4, args);
    if (rc == dnnl_success)
        rc = dnnl_stream_wait(t->stream);
    return rc == dnnl_success ? 0 : refuse(f, "multiply", rc);
}

static int linear(void *state, void *packed, const uint8_t *x, int rows,
                  int32_t *acc, struct fault *f)
{
    const struct packed *w = packed;
    int m = (rows + ROW_STEP - 1) / ROW_STEP * ROW_STEP;
    struct shape s = {1, m, (int)w->l->k, (int)w->l->n, false, true};
    const dnnl_memory_desc_t *md;
    struct product *p;

    if (dnnl_memory_get_memory_desc(w->weights, &md) != dnnl_success)
        return refuse(f, "describe weights", dnnl_invalid_arguments);
    p = product_find(state, &s, md, f);
    return p ? execute(state, p, x, w->weights, acc, f) : -1;
}

static int multiply(struct thread *t, const struct shape *s, const uint8_t *a,
                    const int8_t *b, int32_t *c, struct fault *f)
{
    struct product *p = product_find(t, s, NULL, f);
    dnnl_status_t rc;

    if (!p)
        return -1;
    rc = dnnl_memory_set_data_handle(p->weights, (void *)(uintptr_t)b);
    if (rc != dnnl_success)
        return refuse(f, "take weights", rc);
    return execute(t, p, a, p->weights, c, f);
}

static int scores(void *state, int heads, int tp, int d, const uint8_t *q,
                  const int8_t *k, int32_t *s, struct fault *f)
{
    struct shape shape = {heads, tp, d, tp, true, false};

    return multiply(state, &shape, q, k, s, f);
}

static int mix(void *state, int heads, int tp, int d, const uint8_t *p,
               const int8_t *v, int32_t *o, struct fault *f)
{
    struct shape shape = {heads, tp, tp, d, false, false};

    return multiply(state, &shape, p, v, o, f);
}

static dnnl_status_t reorder(dnnl_stream_t stream, const struct embed_linear *l,
                             const dnnl_memory_desc_t *to, dnnl_memory_t out)
{
    dnnl_dims_t dims = {l->k, l->n}, strides = {1, l->k};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t r = NULL;
    dnnl_memory_t plain = NULL;
    dnnl_memory_desc_t from;
    dnnl_status_t rc;

    rc = dnnl_memory_desc_init_by_strides(&from, 2, dims, dnnl_s8, strides);
    if (rc == dnnl_success)
        rc = dnnl_memory_create(&plain, &from, cpu, l->w);
    if (rc == dnnl_success)
        rc = dnnl_reorder_primitive_desc_create(&pd, &from, cpu, to, cpu, NULL);
    if (rc == dnnl_success)
        rc = dnnl_primitive_create(&r, pd);
    if (rc == dnnl_success) {
        dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, out}};

        rc = dnnl_primitive_execute(r, stream, 2, args);
    }
    if (rc == dnnl_success)
        rc = dnnl_stream_wait(stream);
    if (r)
        dnnl_primitive_destroy(r);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (plain)
        dnnl_memory_destroy(plain);
    return rc;
}

static void unpack(void *packed)
{
    struct packed *w = packed;

    if (w->weights)
        dnnl_memory_destroy(w->weights);
    free(w);
}

/* The library allocates for itself. */
static size_t pack_bytes(const struct embed_linear *l)
{
    (void)l;
    return 0;
}

static void *pack(const struct embed_linear *l, void *room, struct fault *f)
{
    struct shape s = {1, EMBED_BLOCK, (int)l->k, (int)l->n, false, true};
    struct packed *w = calloc(1, sizeof(*w));
    dnnl_primitive_desc_t pd = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_desc_t md[3];
    dnnl_status_t rc = dnnl_out_of_memory;

    (void)room;
    if (!w || !cpu)
        goto error;
    w->l = l;
    rc = describe(&s, md);
    if (rc == dnnl_success)
        rc = make_desc(md, &pd);
    if (rc == dnnl_success) {
        md[1] = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        rc = dnnl_memory_create(&w->weights, &md[1], cpu, DNNL_MEMORY_ALLOCATE);
    }
    if (rc == dnnl_success)
        rc = dnnl_stream_create(&stream, cpu, dnnl_stream_default_flags);
    if (rc == dnnl_success)
        rc = reorder(stream, l, &md[1], w->weights);
    if (stream)
        dnnl_stream_destroy(stream);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (rc == dnnl_success)
        return w;
error:
    refuse(f, "pack weights", rc);
    if (w)
        unpack(w);
    return NULL;
}

static void thread_destroy(void *state)
{
    struct thread *t = state;

    while (t->products) {
        struct product *p = t->products;

        t->products = p->next;
        product_destroy(p);
    }
    if (t->stream)
        dnnl_stream_destroy(t->stream);
    free(t->scratch);
    free(t);
}

static void *thread_create(struct fault *f)
{
    struct thread *t = calloc(1, sizeof(*t));
    dnnl_status_t rc;

    if (!t) {
        fault_set(f, ENOMEM, "could not allocate a thread's state");
        return NULL;
    }
    rc = dnnl_stream_create(&t->stream, cpu, dnnl_stream_default_flags);
    if (rc == dnnl_success)
        return t;
    refuse(f, "create a stream", rc);
    free(t);
    return NULL;
}

/* Extreme operands: the pairwise sums that saturate where they may. */
static bool canary_scores(struct thread *t)
{
    enum { HEADS = 2, TP = 16, D = 32 };
    static uint8_t q[HEADS * TP * D];
    static int8_t k[HEADS * TP * D];
    static int32_t s[HEADS * TP * TP];

    memset(q, 255, sizeof(q));
    for (size_t i = 0; i < sizeof(k); i++)
        k[i] = i / D % 2 ? 63 : -63;
    if (scores(t, HEADS, TP, D, q, k, s, NULL) < 0)
        return false;
    for (int i = 0; i < HEADS * TP * TP; i++)
        if (s[i] != (i % 2 ? 1 : -1) * 255 * 63 * D)
            return false;
    return true;
}

static bool canary_linear(struct thread *t)
{
    enum { K = 96, N = 48, M = 32 };
    static uint8_t x[M * K];
    static int8_t w[N * K];
    static int32_t acc[M * N];
    struct embed_linear l = {.k = K, .n = N, .w = w};
    void *packed;
    bool good;

    memset(x, 255, sizeof(x));
    for (int i = 0; i < N * K; i++)
        w[i] = i / K % 3 ? -63 : 63;
    packed = pack(&l, NULL, NULL);
    if (!packed)
        return false;
    good = linear(t, packed, x, M, acc, NULL) == 0;
    unpack(packed);
    for (int i = 0; good && i < M * N; i++)
        good = acc[i] == (i % N % 3 ? -1 : 1) * 255 * 63 * K;
    return good;
}

static void start(void)
{
    struct thread *t;

    if (dnnl_engine_create(&cpu, dnnl_cpu, 0) != dnnl_success) {
        cpu = NULL;
        return;
    }
    t = thread_create(NULL);
    if (!t)
        return;
    exact = canary_scores(t) && canary_linear(t);
    thread_destroy(t);
}

static bool usable(void)
{
    pthread_once(&once, start);
    return exact;
}

static const char *level(void)
{
    switch ((int)dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "sse41";
    case dnnl_cpu_isa_avx: return "avx";
    case dnnl_cpu_isa_avx2: return "avx2";
    case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core: return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx: return "avx512_core_amx";
    default: return "other";
    }
}

extern const struct embed_engine embed_engine;
const struct embed_engine embed_engine = {
    .abi = EMBED_ENGINE_ABI,
    .name = "embed-onednn",
    .variant = "onednn",
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
