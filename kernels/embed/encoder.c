/* SPDX-License-Identifier: Apache-2.0 */
/* encoder.c - token ids in, exact vectors out
 *
 * Items are packed without padding into batches of rows (one row a token): the
 * linear layers see rows, attention sees one item at a time.  Every operation
 * reads one row or one item only, so neither batch nor neighbours can change a
 * bit.  Threads take batches from a shared counter.
 */
#include "kernels/embed/encoder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/embed/workspace.h"
#include "kernels/exact.h"

/* Rows that share one reading of the weights. */
#define EMBED_BATCH 512

struct packed_layer {
    void *qkv, *out, *up, *down;
};

struct embed_encoder {
    struct embed_weights *w;
    const struct embed_engine *engine;
    const struct embed_rows *rows;
    struct packed_layer *layers;
    char *room; /* behind the packed weights */
};

/* One call of embed_encode, shared by its threads. */
struct job {
    const struct embed_encoder *e;
    const struct embed_input *in;
    struct embed_output *out;
    const struct embed_control *ctl;
    const size_t *order; /* valid items, longest first */
    const size_t *batch; /* batch b is order[batch[b]] … order[batch[b+1]-1] */
    size_t batches;
    int rows_max;
    atomic_size_t next;
    atomic_size_t done;
    atomic_int failed; /* errno of the first failure */
    struct fault *fault;
    pthread_mutex_t lock;
};

const struct embed_config *embed_encoder_config(const struct embed_encoder *e)
{
    return &e->w->config;
}

uint32_t embed_tokens(const struct embed_config *c, const uint8_t *bytes,
                      uint32_t len, uint32_t *code)
{
    uint32_t t = len / 2;

    *code = EMBED_OK;
    if (len == 0 || len % 2)
        *code = EMBED_ODD_LENGTH;
    else if (t > c->max_positions)
        *code = EMBED_TOO_LONG;
    for (uint32_t i = 0; !*code && i < t; i++)
        if ((uint32_t)(bytes[2 * i] | bytes[2 * i + 1] << 8) >= c->vocab)
            *code = EMBED_BAD_ID;
    return *code ? 0 : t;
}

static size_t room_of(const struct embed_engine *engine,
                      const struct embed_linear *l)
{
    return (engine->pack_bytes(l) + 63) / 64 * 64;
}

/* One piece of memory for all packed weights, in huge pages if possible. */
static char *make_room(const struct embed_encoder *e)
{
    size_t n = 0;
    char *room;

    for (uint32_t i = 0; i < e->w->config.layers; i++) {
        const struct embed_layer *l = &e->w->layers[i];

        n += room_of(e->engine, &l->qkv) + room_of(e->engine, &l->out) +
             room_of(e->engine, &l->up) + room_of(e->engine, &l->down);
    }
    n = (n + EMBED_HUGE) / EMBED_HUGE * EMBED_HUGE;
    room = aligned_alloc(EMBED_HUGE, n);
    if (room)
        madvise(room, n, MADV_HUGEPAGE);
    return room;
}

static void *take(struct embed_encoder *e, const struct embed_linear *l,
                  size_t *used, struct fault *f)
{
    void *packed = e->engine->pack(l, e->room + *used, f);

    *used += room_of(e->engine, l);
    return packed;
}

static int pack_layers(struct embed_encoder *e, struct fault *f)
{
    size_t used = 0;

    e->room = make_room(e);
    if (!e->room)
        return fault_set(f, ENOMEM, "could not allocate packed weights");
    for (uint32_t i = 0; i < e->w->config.layers; i++) {
        const struct embed_layer *l = &e->w->layers[i];
        struct packed_layer *p = &e->layers[i];

        p->qkv = take(e, &l->qkv, &used, f);
        p->out = p->qkv ? take(e, &l->out, &used, f) : NULL;
        p->up = p->out ? take(e, &l->up, &used, f) : NULL;
        p->down = p->up ? take(e, &l->down, &used, f) : NULL;
        if (!p->down)
            return -1;
    }
    return 0;
}

struct embed_encoder *embed_encoder_of(struct embed_weights *w,
                                       const struct embed_engine *engine,
                                       const struct embed_rows *rows,
                                       struct fault *f)
{
    struct embed_encoder *e = calloc(1, sizeof(*e));

    if (!e || !(e->layers = calloc(w->config.layers, sizeof(*e->layers)))) {
        fault_set(f, ENOMEM, "could not allocate an encoder");
        embed_weights_destroy(w);
        free(e);
        return NULL;
    }
    e->w = w;
    e->engine = engine;
    e->rows = rows;
    if (pack_layers(e, f) < 0) {
        embed_encoder_destroy(e);
        return NULL;
    }
    return e;
}

struct embed_encoder *embed_encoder_create(const char *dir,
                                           const struct embed_engine *engine,
                                           const struct embed_rows *rows,
                                           struct fault *f)
{
    struct embed_weights *w = embed_weights_create(dir, f);

    return w ? embed_encoder_of(w, engine, rows, f) : NULL;
}

void embed_encoder_destroy(struct embed_encoder *e)
{
    if (e) {
        int saved_errno = errno;

        for (uint32_t i = 0; i < e->w->config.layers; i++) {
            struct packed_layer *p = &e->layers[i];

            if (p->qkv)
                e->engine->unpack(p->qkv);
            if (p->out)
                e->engine->unpack(p->out);
            if (p->up)
                e->engine->unpack(p->up);
            if (p->down)
                e->engine->unpack(p->down);
        }
        free(e->layers);
        free(e->room);
        embed_weights_destroy(e->w);
        free(e);
        errno = saved_errno;
    }
}

static int round16(int n)
{
    return (n + 15) / 16 * 16;
}

static bool stopped(const struct job *j)
{
    return (j->ctl && j->ctl->stop && *j->ctl->stop) ||
           atomic_load_explicit(&j->failed, memory_order_relaxed);
}

static int check_stop(const struct job *j, struct fault *f)
{
    return stopped(j) ? fault_set(f, ECANCELED, "stopped") : 0;
}

/* Row r of the batch: word + position, normalised and quantised. */
static void embed_item(const struct embed_encoder *e,
                       const struct embed_input *in, struct workspace *ws,
                       int first)
{
    const struct embed_weights *w = e->w;
    size_t n = w->config.hidden;

    for (size_t i = 0; i < in->len / 2; i++) {
        size_t r = (size_t)first + i;
        uint64_t id = (uint64_t)(in->bytes[2 * i] | in->bytes[2 * i + 1] << 8);
        float row[4096];

        st_to_float(w->word, id * n, n, row);
        for (size_t j = 0; j < n; j++)
            row[j] = row[j] + w->position[i * n + j];
        e->rows->norm(row, &w->norm, w->config.eps, (int)n, ws->h + r * n,
                      ws->x + r * n, &ws->step[r]);
    }
}

/* Attention of one item of t rows from `first` on; acc are its own. */
static int attend(const struct job *j, struct workspace *ws,
                  const struct embed_linear *qkv, int32_t *acc, int first,
                  int t, struct fault *f)
{
    const struct embed_encoder *e = j->e;
    const struct embed_config *c = &e->w->config;
    struct embed_attention *a = &ws->a;
    size_t h = c->hidden, at = (size_t)first;
    int group;

    a->t = t;
    a->tp = round16(t);
    e->rows->split(acc, qkv, ws->step + at, a);
    group = workspace_heads(a->heads, a->tp);
    for (int head = 0; head < a->heads; head += group) {
        int heads = a->heads - head < group ? a->heads - head : group;
        size_t off = (size_t)head * (size_t)a->tp * (size_t)a->d;

        if (check_stop(j, f) < 0 ||
            e->engine->scores(ws->state, heads, a->tp, a->d, a->q + off,
                              a->k + off, ws->scores, f) < 0)
            return -1;
        for (int i = 0; i < heads; i++) {
            size_t k = (size_t)i * (size_t)a->tp * (size_t)a->tp;

            e->rows->softmax(ws->scores + k, head + i, a, ws->p + k);
        }
        if (e->engine->mix(ws->state, heads, a->tp, a->d, ws->p, a->v + off,
                           ws->mixed + off, f) < 0)
            return -1;
    }
    e->rows->context(ws->mixed, a, ws->x + at * h, ws->step + at);
    return 0;
}

/* Query, key, value and attention for items of at most EMBED_BLOCK rows
 * together, or one longer: what they share stays in the cache.
 */
static int attend_items(const struct job *j, struct workspace *ws,
                        uint32_t layer, const size_t *items, size_t n,
                        int first, struct fault *f)
{
    const struct embed_encoder *e = j->e;
    size_t h = e->w->config.hidden;
    int rows = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        rows += (int)(j->in[items[i]].len / 2);
    for (int r = 0; r < rows; r += EMBED_BLOCK) {
        int k = rows - r < EMBED_BLOCK ? rows - r : EMBED_BLOCK;

        if (check_stop(j, f) < 0 ||
            e->engine->linear(ws->state, e->layers[layer].qkv,
                              ws->x + (size_t)(first + r) * h, round16(k),
                              ws->acc + (size_t)r * 3 * h, f) < 0)
            return -1;
    }
    for (size_t i = 0; i < n; i++) {
        int t = (int)(j->in[items[i]].len / 2);

        if (attend(j, ws, &e->w->layers[layer].qkv,
                   ws->acc + (size_t)at * 3 * h, first + at, t, f) < 0)
            return -1;
        at += t;
    }
    return 0;
}

static int attend_batch(const struct job *j, struct workspace *ws,
                        uint32_t layer, const size_t *items, size_t n,
                        struct fault *f)
{
    size_t from = 0;
    int first = 0, rows = 0;

    for (size_t i = 0; i < n; i++) {
        int t = (int)(j->in[items[i]].len / 2);

        if (i > from && rows + t > EMBED_BLOCK) {
            if (attend_items(j, ws, layer, items + from, i - from, first, f) <
                0)
                return -1;
            first += rows;
            rows = 0;
            from = i;
        }
        rows += t;
    }
    return attend_items(j, ws, layer, items + from, n - from, first, f);
}

/* One linear layer of a block of rows and what follows it. */
enum step { STEP_OUT, STEP_UP, STEP_DOWN };

static int run_step(const struct job *j, struct workspace *ws, uint32_t layer,
                    enum step step, int first, int rows, struct fault *f)
{
    const struct embed_encoder *e = j->e;
    const struct embed_layer *l = &e->w->layers[layer];
    const struct packed_layer *p = &e->layers[layer];
    const struct embed_config *c = &e->w->config;
    size_t at = (size_t)first * c->hidden, wide = (size_t)first * c->ffn;
    struct embed_step *s = ws->step + first;
    void *packed = step == STEP_OUT  ? p->out
                   : step == STEP_UP ? p->up
                                     : p->down;
    const uint8_t *x = step == STEP_DOWN ? ws->xf + wide : ws->x + at;

    if (check_stop(j, f) < 0 ||
        e->engine->linear(ws->state, packed, x, round16(rows), ws->acc, f) < 0)
        return -1;
    if (step == STEP_OUT)
        e->rows->residual(ws->acc, &l->out, &l->after_attention, c->eps, rows,
                          ws->h + at, ws->x + at, s);
    else if (step == STEP_UP)
        e->rows->gelu(ws->acc, &l->up, rows, ws->xf + wide, s);
    else
        e->rows->residual(ws->acc, &l->down, &l->after_ffn, c->eps, rows,
                          ws->h + at, ws->x + at, s);
    return 0;
}

/* One weight matrix after another meets all rows, so that it is read from far
 * memory once a batch.
 */
static int run_layer(const struct job *j, struct workspace *ws, uint32_t layer,
                     const size_t *items, size_t n, int rows, struct fault *f)
{
    if (attend_batch(j, ws, layer, items, n, f) < 0)
        return -1;
    for (enum step step = STEP_OUT; step <= STEP_DOWN; step++)
        for (int r = 0; r < rows; r += EMBED_BLOCK) {
            int k = rows - r < EMBED_BLOCK ? rows - r : EMBED_BLOCK;

            if (run_step(j, ws, layer, step, r, k, f) < 0)
                return -1;
        }
    return 0;
}

/* The vector of one item, into its output. */
static int finish_item(const struct job *j, const struct workspace *ws,
                       size_t item, int first, int t, struct fault *f)
{
    const struct embed_config *c = &j->e->w->config;
    struct embed_output *o = &j->out[item];
    uint32_t bits;
    float scale;

    o->len = c->hidden + 4;
    o->bytes = malloc(o->len);
    if (!o->bytes)
        return fault_set(f, ENOMEM, "could not allocate a vector");
    j->e->rows->pool(ws->h + (size_t)first * c->hidden, t, c,
                     (int8_t *)o->bytes, &scale);
    bits = exact_bits(scale);
    for (int i = 0; i < 4; i++)
        o->bytes[c->hidden + (uint32_t)i] = (uint8_t)(bits >> (8 * i));
    o->units = embed_units(c, (uint32_t)t);
    return 0;
}

static int run_batch(const struct job *j, struct workspace *ws, size_t b,
                     struct fault *f)
{
    const size_t *items = j->order + j->batch[b];
    size_t n = j->batch[b + 1] - j->batch[b];
    int rows = 0;

    for (size_t i = 0; i < n; i++) {
        embed_item(j->e, &j->in[items[i]], ws, rows);
        rows += (int)(j->in[items[i]].len / 2);
    }
    for (uint32_t l = 0; l < j->e->w->config.layers; l++)
        if (run_layer(j, ws, l, items, n, rows, f) < 0)
            return -1;
    rows = 0;
    for (size_t i = 0; i < n; i++) {
        int t = (int)(j->in[items[i]].len / 2);

        if (finish_item(j, ws, items[i], rows, t, f) < 0)
            return -1;
        rows += t;
    }
    return 0;
}

static void fail(struct job *j, const struct fault *f, int code)
{
    pthread_mutex_lock(&j->lock);
    if (!atomic_load(&j->failed)) {
        if (j->fault)
            *j->fault = *f;
        atomic_store(&j->failed, code);
    }
    pthread_mutex_unlock(&j->lock);
}

/* Take batches until none is left; main_thread also reports progress. */
static void work(struct job *j, bool main_thread)
{
    const struct embed_engine *engine = j->e->engine;
    struct fault f = {""};
    struct workspace *ws;
    unsigned csr = exact_enter();
    size_t b;

    ws = workspace_create(&j->e->w->config, engine, j->rows_max, &f);
    if (!ws)
        fail(j, &f, errno);
    while (ws && (b = atomic_fetch_add(&j->next, 1)) < j->batches) {
        size_t n = j->batch[b + 1] - j->batch[b];

        if (run_batch(j, ws, b, &f) < 0) {
            fail(j, &f, errno);
            break;
        }
        n += atomic_fetch_add(&j->done, n);
        if (main_thread && j->ctl && j->ctl->progress)
            j->ctl->progress(j->ctl->arg, n);
    }
    workspace_destroy(ws, engine);
    exact_leave(csr);
}

static void *work_thread(void *arg)
{
    work(arg, false);
    return NULL;
}

static void run_threads(struct job *j, int threads)
{
    pthread_t *t = calloc((size_t)threads, sizeof(*t));
    int started = 0;

    /* A thread that cannot start costs speed only. */
    while (t && started < threads - 1 && (size_t)started + 1 < j->batches &&
           pthread_create(&t[started], NULL, work_thread, j) == 0)
        started++;
    work(j, true);
    while (started > 0)
        pthread_join(t[--started], NULL);
    free(t);
}

/* An item with its length, for sorting. */
struct sized {
    size_t item;
    uint32_t t;
};

static int longest_first(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;

    if (x->t != y->t)
        return x->t > y->t ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Rows of a batch: EMBED_BATCH, fewer where threads would stay idle. */
static uint32_t batch_rows(const struct sized *v, size_t n, int threads)
{
    uint64_t rows = 0, share;

    for (size_t i = 0; i < n; i++)
        rows += v[i].t;
    share = (rows + (uint64_t)threads - 1) / (uint64_t)threads;
    share = (share + EMBED_BLOCK - 1) / EMBED_BLOCK * EMBED_BLOCK;
    return share < EMBED_BATCH ? (uint32_t)share : EMBED_BATCH;
}

/* Fill order and batch: items of like length together, as many as fit the
 * rows of a batch, at least one.
 */
static size_t plan_batches(struct sized *v, size_t n, int threads,
                           size_t *order, size_t *batch, int *rows_max)
{
    uint32_t rows = 0, limit = batch_rows(v, n, threads);
    size_t batches = 0;

    qsort(v, n, sizeof(*v), longest_first);
    *rows_max = EMBED_BLOCK;
    for (size_t i = 0; i < n; i++) {
        order[i] = v[i].item;
        if (i == 0 || rows + v[i].t > limit) {
            batch[batches++] = i;
            rows = 0;
        }
        rows += v[i].t;
        if ((int)rows > *rows_max)
            *rows_max = (int)rows;
    }
    batch[batches] = n;
    return batches;
}

static void drop_outputs(struct embed_output *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(out[i].bytes);
    memset(out, 0, n * sizeof(*out));
}

int embed_encode(struct embed_encoder *e, const struct embed_input *in,
                 size_t n, struct embed_output *out, int threads,
                 const struct embed_control *ctl, struct fault *f)
{
    struct job j = {.e = e, .in = in, .out = out, .ctl = ctl, .fault = f};
    struct sized *v = calloc(n + 1, sizeof(*v));
    size_t *order = calloc(2 * n + 2, sizeof(*order));
    size_t valid = 0;
    int code;

    memset(out, 0, n * sizeof(*out));
    if (!v || !order) {
        free(v);
        free(order);
        return fault_set(f, ENOMEM, "could not allocate %zu items", n);
    }
    for (size_t i = 0; i < n; i++) {
        v[valid].item = i;
        v[valid].t =
            embed_tokens(&e->w->config, in[i].bytes, in[i].len, &out[i].code);
        valid += v[valid].t > 0;
    }
    j.order = order;
    j.batch = order + n + 1;
    j.batches =
        plan_batches(v, valid, threads, order, order + n + 1, &j.rows_max);
    atomic_init(&j.done, n - valid);
    pthread_mutex_init(&j.lock, NULL);
    run_threads(&j, threads);
    pthread_mutex_destroy(&j.lock);
    free(v);
    free(order);
    code = atomic_load(&j.failed);
    if (code) {
        drop_outputs(out, n);
        errno = code;
        return -1;
    }
    return 0;
}

uint64_t embed_encoder_ram(const struct embed_encoder *e, uint32_t longest,
                           int threads)
{
    const struct embed_config *c = &e->w->config;
    int rows = (int)longest > EMBED_BATCH ? (int)longest : EMBED_BATCH;

    return 2 * embed_weights_bytes(c) +
           (uint64_t)threads * workspace_bytes(c, rows) + ((uint64_t)16 << 20);
}
