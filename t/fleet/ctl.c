/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.c - the controller around the core: group commit, crash, restart
 *
 * Answers leave after the COMMIT of the batch they belong to; a crash loses
 * the open batch, and the one in flight half of the time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "t/fleet/fleet.h"

#define PARK_US (50 * SEC)

static void flush(struct sim *s);

static void *push(void *v, size_t *n, size_t *cap, void *obj)
{
    void **p = v;

    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        p = realloc(p, *cap * sizeof(*p));
        if (!p)
            abort();
    }
    p[(*n)++] = obj;
    return p;
}

static void tick(struct sim *s, void *arg, int64_t gen);

static void arm_tick(struct sim *s)
{
    struct ctl *t = &s->ctl;
    int64_t at = t->fx.next_tick_us;

    if (at && (!t->tick_us || at < t->tick_us)) {
        t->tick_us = at;
        sim_at(s, at, tick, NULL, t->gen);
    }
}

static void run_step(struct sim *s, const struct event *ev)
{
    struct ctl *t = &s->ctl;

    effects_clear(&t->fx);
    if (cell_step(t->cell, ev, s->now, &t->rng, &t->fx) < 0)
        abort();
    s->out.steps++;
    batch_put(&t->open, t->fx.records, t->fx.n_records);
    arm_tick(s);
    audit_step(s);
}

/* ---- answers --------------------------------------------------------------
 */

static struct reply *reply_of(struct req *r, const struct answer *a)
{
    struct reply *p = must_alloc(sizeof(*p));

    p->refs = 1;
    p->req = r;
    r->refs++;
    p->code = a->code;
    p->parked = a->parked;
    p->n_leases = a->n_leases;
    p->leases = must_alloc(a->n_leases * sizeof(*p->leases));
    for (uint32_t i = 0; i < a->n_leases; i++) {
        size_t size = a->leases[i].n_items * sizeof(*a->leases[i].items);

        p->leases[i] = a->leases[i];
        p->leases[i].items = must_alloc(size);
        memcpy(p->leases[i].items, a->leases[i].items, size);
    }
    p->n_results = a->n_results;
    p->fates = must_alloc(a->n_results * sizeof(*p->fates));
    for (uint32_t i = 0; i < a->n_results; i++)
        p->fates[i] = a->results[i].fate;
    p->n_gone = a->n_gone;
    p->gone = must_alloc(a->n_gone);
    if (a->n_gone)
        memcpy(p->gone, a->gone, a->n_gone);
    return p;
}

static void offer_of(const struct agent *a, struct offer *o)
{
    memset(o, 0, sizeof(*o));
    o->cores = a->cores;
    memcpy(o->zone, "cell", 5);
    o->n_kernels = 1;
    memcpy(o->kernels[0].name, "echo", 5);
    o->kernels[0].spec.b[0] = 1;
    o->kernels[0].units_per_s = a->speed;
}

static void ask_of(const struct sim *s, const struct req *r,
                   struct ev_lease *ask)
{
    const struct agent *a = &s->agents[r->agent];

    ask->worker_id = a->worker_id;
    offer_of(a, &ask->offer);
    ask->want = r->want;
    ask->may_park = r->park;
}

/* One long poll a worker: a newer one takes the place of the older. */
static void park(struct ctl *t, struct req *r)
{
    r->refs++;
    for (size_t i = 0; i < t->n_parked; i++)
        if (t->parked[i]->agent == r->agent) {
            req_unref(t->parked[i]);
            t->parked[i] = r;
            return;
        }
    t->parked = push(t->parked, &t->n_parked, &t->cap_parked, r);
}

/* Step the request and put its answer where it belongs. */
static void serve(struct sim *s, struct req *r)
{
    struct ctl *t = &s->ctl;
    struct lease *leases = must_alloc(r->n * sizeof(*leases));
    struct result_in *in = must_alloc(r->n * sizeof(*in));
    uint8_t(*file)[4] = must_alloc(r->n * 4 + 4);
    struct event ev = {.req = ++t->req};
    struct answer *a;

    for (uint32_t i = 0; i < r->n; i++) {
        struct hold *h = r->holds[i];

        leases[i] = h->l;
        file[i][3] = (uint8_t)h->wrong;
        file[i][2] = (uint8_t)(h->wrong >> 8);
        in[i] = (struct result_in){.lease = &leases[i],
                                   .status = h->status,
                                   .root = h->root,
                                   .items = h->status ? NULL : h->items,
                                   .bytes = file[i],
                                   .len = 4};
    }
    switch (r->type) {
    case R_LEASE:
        ev.type = EV_LEASE;
        ask_of(s, r, &ev.lease);
        ev.lease.held = leases;
        ev.lease.n_held = r->n;
        break;
    case R_RESULT:
        ev.type = EV_RESULT;
        ev.result.worker_id = s->agents[r->agent].worker_id;
        ev.result.results = in;
        ev.result.n = r->n;
        ask_of(s, r, &ev.result.ask);
        break;
    case R_RENEW:
    case R_HANDBACK:
        ev.type = r->type == R_RENEW ? EV_RENEW : EV_HANDBACK;
        ev.leases.worker_id = s->agents[r->agent].worker_id;
        ev.leases.leases = leases;
        ev.leases.n = r->n;
        break;
    }
    run_step(s, &ev);
    free(leases);
    free(in);
    free(file);
    if (t->fx.n_answers != 1) {
        sim_fail(s, "an event got %zu answers", t->fx.n_answers);
        return;
    }
    a = &t->fx.answers[0];
    if (a->parked && s->now < r->sent_us + PARK_US) {
        park(t, r);
    } else {
        t->waiting =
            push(t->waiting, &t->n_waiting, &t->cap_waiting, reply_of(r, a));
    }
}

/* tasks: let everybody ask; else only referees. */
static void serve_parked(struct sim *s, bool tasks)
{
    struct ctl *t = &s->ctl;
    struct req **v = t->parked;
    size_t n = t->n_parked;

    t->parked = NULL;
    t->n_parked = t->cap_parked = 0;
    for (size_t i = 0; i < n; i++) {
        if (!tasks && !s->agents[v[i]->agent].referee) {
            t->parked = push(t->parked, &t->n_parked, &t->cap_parked, v[i]);
            continue;
        }
        serve(s, v[i]);
        req_unref(v[i]);
    }
    free(v);
}

/* A long poll has waited long enough: it is answered with nothing. */
void ctl_park_over(struct sim *s, void *arg, int64_t gen)
{
    struct req *r = arg;
    struct ctl *t = &s->ctl;

    for (size_t i = 0; t->cell && t->gen == gen && i < t->n_parked; i++)
        if (t->parked[i] == r) {
            t->parked[i] = t->parked[--t->n_parked];
            serve(s, r);
            req_unref(r);
            flush(s);
            break;
        }
    req_unref(r);
}

static void tick(struct sim *s, void *arg, int64_t gen)
{
    struct ctl *t = &s->ctl;
    struct event ev = {.type = EV_TICK};

    (void)arg;
    if (!t->cell || t->gen != gen)
        return;
    t->tick_us = 0;
    run_step(s, &ev);
    if (t->fx.wake)
        serve_parked(s, t->fx.wake_tasks);
    flush(s);
}

void ctl_receive(struct sim *s, void *arg, int64_t n)
{
    struct req *r = arg;
    struct ctl *t = &s->ctl;

    (void)n;
    if (t->cell) {
        serve(s, r);
        if (r->park) {
            r->refs++;
            sim_at(s, r->sent_us + PARK_US, ctl_park_over, r, t->gen);
        }
        if (t->fx.wake)
            serve_parked(s, t->fx.wake_tasks);
        flush(s);
    }
    req_unref(r);
}

/* ---- group commit ---------------------------------------------------------
 */

static void apply(struct sim *s)
{
    struct ctl *t = &s->ctl;

    store_apply(s, &s->store, &t->flight);
    t->in_flight = false;
    for (size_t i = 0; i < t->n_leaving; i++)
        send_reply(s, t->leaving[i]);
    t->n_leaving = 0;
}

static void committed(struct sim *s, void *arg, int64_t gen)
{
    struct ctl *t = &s->ctl;

    (void)arg;
    if (!t->cell || t->gen != gen || !t->in_flight)
        return;
    apply(s);
    if (t->open.n == 0 && rng_below(&s->rng, 500) == 0)
        audit_restore(s);
    flush(s);
}

static void flush(struct sim *s)
{
    struct ctl *t = &s->ctl;
    struct batch b = t->flight;

    if (t->in_flight || (t->open.n == 0 && t->n_waiting == 0))
        return;
    t->flight = t->open;
    t->open = b;
    free(t->leaving);
    t->leaving = t->waiting;
    t->n_leaving = t->n_waiting;
    t->cap_leaving = t->cap_waiting;
    t->waiting = NULL;
    t->n_waiting = t->cap_waiting = 0;
    t->in_flight = true;
    sim_at(s, s->now + 500 + (int64_t)rng_below(&s->rng, 5000), committed, NULL,
           t->gen);
}

int ctl_do(struct sim *s, struct event *ev, int64_t *id)
{
    struct ctl *t = &s->ctl;
    int code;

    ev->req = ++t->req;
    run_step(s, ev);
    code = t->fx.answers[0].code;
    if (id)
        *id = t->fx.answers[0].id;
    if (t->fx.wake)
        serve_parked(s, t->fx.wake_tasks);
    if (t->in_flight)
        apply(s); /* whoever asked waits for his COMMIT */
    flush(s);
    if (t->in_flight)
        apply(s);
    return code;
}

/* ---- crash and restart ------------------------------------------------------
 */

static void restart(struct sim *s, void *arg, int64_t n)
{
    (void)arg;
    (void)n;
    ctl_start(s);
}

static void drop(struct reply ***v, size_t *n, size_t *cap)
{
    for (size_t i = 0; i < *n; i++)
        reply_unref((*v)[i]);
    free(*v);
    *v = NULL;
    *n = *cap = 0;
}

void ctl_crash(struct sim *s, void *arg, int64_t n)
{
    struct ctl *t = &s->ctl;

    (void)arg;
    (void)n;
    if (!faulty(s) || !t->cell)
        return;
    if (t->in_flight && chance(s, 500000))
        store_apply(s, &s->store, &t->flight); /* but nobody was told */
    batch_clear(&t->flight);
    batch_clear(&t->open);
    t->in_flight = false;
    drop(&t->waiting, &t->n_waiting, &t->cap_waiting);
    drop(&t->leaving, &t->n_leaving, &t->cap_leaving);
    for (size_t i = 0; i < t->n_parked; i++)
        req_unref(t->parked[i]);
    t->n_parked = 0;
    cell_destroy(t->cell);
    t->cell = NULL;
    sim_at(s, s->now + 100000 + (int64_t)rng_below(&s->rng, 20 * SEC), restart,
           NULL, 0);
    s->out.restarts++;
}

void ctl_start(struct sim *s)
{
    struct ctl *t = &s->ctl;
    struct event ev = {.type = EV_TICK};
    int32_t epoch = t->conf.epoch + 1;
    struct error err;

    cell_conf_default(&t->conf);
    t->conf.epoch = epoch;
    t->conf.referee_after_us = 600 * SEC;
    if (!s->plan.exact) { /* the rules hold for other constants too */
        t->conf.referee_ppm = (uint32_t)(s->plan.seed % 4) * 100000;
        t->conf.window_tasks = 5 + 15 * (uint32_t)(s->plan.seed % 5);
        t->conf.ahead = 1 + (uint32_t)(s->plan.seed % 3);
    }
    memcpy(t->conf.day_key, &s->plan.seed, sizeof(s->plan.seed));
    t->gen++;
    t->tick_us = 0;
    t->cell = cell_create(&t->conf);
    if (!t->cell)
        abort();
    if (store_load(&s->store, t->cell, &err) < 0 ||
        cell_restored(t->cell, s->now, &err) < 0) {
        sim_fail(s, "restart %jd: %s", (intmax_t)epoch, err.text);
        return;
    }
    run_step(s, &ev);
    flush(s);
    if (s->plan.restart_us && epoch > 1)
        sim_at(s,
               s->now + (int64_t)rng_below(&s->rng,
                                           2 * (uint64_t)s->plan.restart_us),
               ctl_crash, NULL, 0);
}
