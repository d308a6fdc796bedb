/* SPDX-License-Identifier: Apache-2.0 */
/* result.c - a committed result: accepted once, or told why not
 *
 * The caller has parsed the result and recomputed its root.  Claimed units
 * above the quote make it invalid; they are never paid.  What is accepted is
 * held until its window verifies.
 */
#include "sched/core/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/bytes.h"

#define MAP_LEN 12

__attribute__((format(printf, 3, 4))) static void fate(struct answer_result *r,
                                                       enum result_fate f,
                                                       const char *fmt, ...)
{
    va_list ap;

    r->fate = f;
    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
    va_end(ap);
}

/* Why no lease in force answers to this token. */
static void stale(struct cell *c, const struct worker *w,
                  const struct result_in *in, struct answer_result *r)
{
    const struct lease *l = in->lease;
    const struct job *j = l->job_id ? job_get(c, l->job_id) : NULL;
    const struct task *t =
        j && l->task < j->r.tasks ? &j->tasks[l->task] : NULL;

    if (t && t->state == T_DONE && t->worker_id == w->r.worker_id &&
        t->attempt == l->attempt)
        fate(r, FATE_DUPLICATE, "accepted before");
    else if (l->worker_id != w->r.worker_id)
        fate(r, FATE_INVALID, "the lease belongs to worker %" PRId64,
             l->worker_id);
    else if (t && t->state == T_CANCELLED)
        fate(r, FATE_STALE, "the task was cancelled");
    else
        fate(r, FATE_STALE, "the lease has ended");
}

static void failed(struct cell *c, struct live *l, uint32_t code)
{
    struct worker *w = l->worker;
    struct job *j = l->job;
    uint32_t patience;
    struct task *t;

    offer_back_off(c, w);
    if (!j) {
        lease_end(c, l);
        return;
    }
    t = &j->tasks[l->task];
    t->fails = task_weigh(t, w, t->fails);
    /* where other tasks succeed, spite is likelier than a bad job */
    patience = j->r.tasks_done > 0 ? 4 : 1;
    if (t->fails < c->conf.max_attempts * NEW_MACHINE * patience &&
        t->fails < UINT8_MAX) {
        lease_requeue(c, l);
        return;
    }
    snprintf(j->r.reason, sizeof(j->r.reason),
             "task %" PRIu32 " failed too often, last status %" PRIu32, l->task,
             code);
    lease_revoke(c, l, T_FAILED);
    job_settle(c, j);
}

/* Sum of primary units; false when it exceeds what was quoted. */
static bool count_units(const struct job *j, const struct result_in *in,
                        uint64_t *units)
{
    uint64_t most = (uint64_t)job_task_units(j, in->lease->task);

    *units = 0;
    for (uint32_t i = 0; i < in->lease->n_items; i++) {
        if (in->lease->items[i].check_id)
            continue;
        if (in->items[i].units > most)
            return false;
        if (!j->r.task_units &&
            in->items[i].units > (uint64_t)j->r.units_per_item)
            return false;
        *units += in->items[i].units;
        if (*units > most)
            return false;
    }
    return true;
}

static uint32_t first_code(const struct result_in *in)
{
    for (uint32_t i = 0; i < in->lease->n_items; i++)
        if (!in->lease->items[i].check_id && in->items[i].code)
            return in->items[i].code;
    return 0;
}

static void emit_result(struct cell *c, const struct live *l,
                        const struct window *w, const struct result_in *in,
                        int64_t units)
{
    const struct lease *t = in->lease;
    uint8_t *map = arena_alloc(c, (size_t)t->n_items * MAP_LEN);
    struct rec_result *r = &emit(c, REC_RESULT)->result;

    for (uint32_t i = 0; i < t->n_items; i++) {
        put_u64be(map + (size_t)i * MAP_LEN, (uint64_t)t->items[i].check_id);
        put_u32be(map + (size_t)i * MAP_LEN + 8, t->items[i].item);
    }
    r->job_id = l->job->r.job_id;
    r->task = l->task;
    r->epoch = l->epoch;
    r->attempt = l->attempt;
    r->worker_id = l->worker->r.worker_id;
    r->window_id = w->r.window_id;
    r->root = in->root;
    r->n_items = t->n_items;
    r->units = units;
    r->blob = in->blob;
    r->bytes = in->bytes;
    r->len = in->len;
    r->map = map;
    r->map_len = t->n_items * MAP_LEN;
    r->received_us = c->now_us;
}

static void answer_salts(struct cell *c, struct window *w, struct live *l,
                         const struct result_in *in)
{
    for (uint32_t i = 0; i < in->lease->n_items; i++) {
        int64_t id = in->lease->items[i].check_id;
        struct check *k = id ? check_get(c, id) : NULL;

        if (k && k->queue == Q_RIDING && k->rider == l)
            verify_salt(c, w, k, l, i, &in->items[i]);
    }
}

static void accept(struct cell *c, struct live *l, const struct result_in *in,
                   int64_t units)
{
    struct job *j = l->job;
    struct task *t = &j->tasks[l->task];
    struct window *w = window_of(c, l->worker, j);
    uint32_t most = w->r.newcomer ? c->conf.window_new : c->conf.window_tasks;

    t->state = T_DONE;
    t->worker_id = l->worker->r.worker_id;
    t->attempt = l->attempt;
    t->fails = t->lapses = 0;
    l->worker->streak = 0;
    j->r.tasks_done++;
    window_add(c, w, l->task, job_task_items(j, l->task), units);
    w->r.busy_us += in->busy_us;
    emit_result(c, l, w, in, units);
    emit_task(c, j, l->task, w->r.window_id, units, first_code(in),
              l->granted_us);
    answer_salts(c, w, l, in);
    lease_end(c, l);
    verify_draw(c, w, l, in);
    dirty_job(c, j);
    if (w->r.state == WINDOW_OPEN && w->r.tasks >= most)
        window_close(c, w);
    job_settle(c, j);
}

static void referee_result(struct cell *c, struct live *l,
                           const struct result_in *in)
{
    for (uint32_t i = 0; i < in->lease->n_items; i++) {
        struct check *k = check_get(c, in->lease->items[i].check_id);

        if (k && k->queue == Q_RIDING && k->rider == l)
            verify_referee(c, l->worker, k, &in->items[i]);
    }
    lease_end(c, l);
}

static void one(struct cell *c, struct worker *w, const struct result_in *in,
                struct answer_result *r)
{
    struct live *l = lease_find(c, w, in->lease);
    uint64_t units;

    if (!l) {
        stale(c, w, in, r);
    } else if (in->status) {
        fate(r, FATE_RETRIED, "runner status %" PRIu32, in->status);
        failed(c, l, in->status);
    } else if (!l->job) {
        fate(r, FATE_ACCEPTED, "compared");
        referee_result(c, l, in);
    } else if (!count_units(l->job, in, &units)) {
        fate(r, FATE_INVALID, "more units than the task was quoted at");
        failed(c, l, EINVAL);
    } else if (!offer_spend(c, w, l->job, (int64_t)units)) {
        fate(r, FATE_INVALID, "more units than the measured speed allows");
        failed(c, l, EINVAL);
    } else {
        fate(r, FATE_ACCEPTED, "held until the window verifies");
        accept(c, l, in, (int64_t)units);
    }
}

void result_step(struct cell *c, const struct event *ev)
{
    const struct ev_result *e = &ev->result;
    struct answer *a = answer_add(c, ev->req);
    struct worker *w = worker_get(c, e->worker_id);

    if (!w) {
        a->code = ENOENT;
        error_set(&a->err, ENOENT, "there is no worker %" PRId64, e->worker_id);
        return;
    }
    w->seen_us = c->now_us;
    if (e->ask.offer.n_kernels > 0)
        offer_update(c, w, &e->ask.offer);
    a->n_results = e->n;
    a->results = arena_alloc(c, e->n * sizeof(*a->results));
    for (uint32_t i = 0; i < e->n; i++)
        one(c, w, &e->results[i], &a->results[i]);
    if (w->r.state == WORKER_ACTIVE)
        lease_ask(c, w, &e->ask, a);
}
