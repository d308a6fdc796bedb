/* SPDX-License-Identifier: Apache-2.0 */
/* world.c - the clock, its events, and a network that misbehaves */
#include "t/fleet/fleet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct happening {
    size_t place;
    int64_t at_us;
    uint64_t seq;
    sim_fn *fn;
    void *arg;
    int64_t n;
};

void *must_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p)
        abort();
    return p;
}

static bool before(const void *pa, const void *pb)
{
    const struct happening *a = pa, *b = pb;

    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return a->seq < b->seq;
}

void sim_at(struct sim *s, int64_t at_us, sim_fn *fn, void *arg, int64_t n)
{
    struct happening *h = must_alloc(sizeof(*h));

    *h = (struct happening){0, at_us, s->seq++, fn, arg, n};
    if (heap_put(&s->events, h) < 0)
        abort();
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (s->failed)
        return; /* the first contradiction is the one to look at */
    s->failed = true;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, ap);
    va_end(ap);
}

bool chance(struct sim *s, unsigned ppm)
{
    return ppm > 0 && rng_below(&s->rng, 1000000) < ppm;
}

bool faulty(const struct sim *s)
{
    return s->now < s->plan.faults_us;
}

/* ---- objects that several messages share ------------------------------- */

struct hold *hold_new(const struct lease *l)
{
    struct hold *h = must_alloc(sizeof(*h));
    size_t size = l->n_items * sizeof(*l->items);

    h->l = *l;
    h->l.items = must_alloc(size);
    memcpy(h->l.items, l->items, size);
    h->refs = 1;
    return h;
}

void hold_unref(struct hold *h)
{
    if (!h || --h->refs > 0)
        return;
    free(h->l.items);
    free(h->items);
    free(h->bytes);
    free(h);
}

void req_unref(struct req *r)
{
    if (!r || --r->refs > 0)
        return;
    for (uint32_t i = 0; i < r->n; i++)
        hold_unref(r->holds[i]);
    free(r->holds);
    free(r);
}

void reply_unref(struct reply *r)
{
    if (!r || --r->refs > 0)
        return;
    for (uint32_t i = 0; i < r->n_leases; i++)
        free(r->leases[i].items);
    free(r->leases);
    free(r->fates);
    free(r->gone);
    req_unref(r->req);
    free(r);
}

/* ---- the network --------------------------------------------------------- */

static int64_t delay(struct sim *s)
{
    int64_t most = faulty(s) ? s->plan.delay_us : 20000;

    return 500 + (int64_t)rng_below(&s->rng, (uint64_t)most);
}

/* Lost, delivered, or delivered twice; each copy in its own time, so that
 * messages overtake each other.
 */
static unsigned copies(struct sim *s)
{
    if (!faulty(s))
        return 1;
    if (chance(s, s->plan.loss_ppm))
        return 0;
    return chance(s, s->plan.dup_ppm) ? 2 : 1;
}

void send_req(struct sim *s, struct req *r)
{
    for (unsigned n = copies(s); n > 0; n--) {
        r->refs++;
        sim_at(s, s->now + delay(s), ctl_receive, r, 0);
    }
}

void send_reply(struct sim *s, struct reply *r)
{
    for (unsigned n = copies(s); n > 0; n--) {
        r->refs++;
        sim_at(s, s->now + delay(s), agent_reply, r, 0);
    }
    reply_unref(r);
}

/* ---- the truth ----------------------------------------------------------- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t truth(int64_t job_id, uint32_t task, uint32_t item)
{
    return mix(mix((uint64_t)job_id) + ((uint64_t)task << 32 | item));
}

int64_t truth_units(int64_t job_id, uint32_t task, uint32_t item)
{
    if (job_id % 2)
        return 10;
    return 6 + (int64_t)(mix(truth(job_id, task, item)) % 5);
}

/* ---- the run ------------------------------------------------------------- */

static void drain(struct sim *s)
{
    struct happening *h;

    while ((h = heap_top(&s->events))) {
        heap_del(&s->events, h);
        if (h->fn == ctl_receive || h->fn == ctl_park_over)
            req_unref(h->arg);
        else if (h->fn == agent_reply)
            reply_unref(h->arg);
        free(h);
    }
    heap_free(&s->events);
}

static bool all_ended(const struct sim *s)
{
    if (s->n_submitted < s->plan.jobs || !s->ctl.cell)
        return false;
    if (s->ctl.in_flight || s->ctl.open.n > 0)
        return false;
    for (unsigned i = 0; i < s->n_jobs; i++) {
        size_t id = (size_t)s->job_ids[i];
        uint8_t state =
            id < s->store.n_jobs ? s->store.jobs[id].r.state : JOB_PENDING;

        if (state != JOB_COMPLETED && state != JOB_CANCELLED &&
            state != JOB_FAILED)
            return false;
    }
    return true;
}

static void populate(struct sim *s);

bool sim_run(struct sim *s, const struct plan *plan)
{
    struct happening *h;

    memset(s, 0, sizeof(*s));
    s->plan = *plan;
    s->now = 1000 * SEC;
    s->plan.faults_us += s->now;
    rng_seed(&s->rng, plan->seed);
    rng_seed(&s->ctl.rng, ~plan->seed);
    s->events.place = offsetof(struct happening, place);
    s->events.before = before;
    populate(s);
    while (!s->failed && !all_ended(s) && (h = heap_top(&s->events))) {
        heap_del(&s->events, h);
        s->now = h->at_us;
        s->out.events++;
        h->fn(s, h->arg, h->n);
        free(h);
        if (s->now > s->plan.faults_us + s->plan.bound_us) {
            char text[256] = "";

            for (unsigned i = 0; i < s->n_jobs && s->ctl.cell; i++) {
                struct rec_job j;

                if (cell_job(s->ctl.cell, s->job_ids[i], &j) && j.ended_us == 0)
                    cell_explain(s->ctl.cell, j.job_id, 0, text, sizeof(text));
            }
            sim_fail(s, "jobs did not end in time: %s", text);
        }
    }
    if (!s->failed)
        audit_end(s);
    return !s->failed;
}

void sim_free(struct sim *s)
{
    drain(s);
    for (unsigned i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];

        for (uint32_t k = 0; k < a->n_holds; k++)
            hold_unref(a->holds[k]);
        for (unsigned k = 0; k < a->n_old; k++)
            hold_unref(a->old[k]);
        free(a->holds);
    }
    free(s->agents);
    for (size_t i = 0; i < s->ctl.n_parked; i++)
        req_unref(s->ctl.parked[i]);
    for (size_t i = 0; i < s->ctl.n_waiting; i++)
        reply_unref(s->ctl.waiting[i]);
    for (size_t i = 0; i < s->ctl.n_leaving; i++)
        reply_unref(s->ctl.leaving[i]);
    free(s->ctl.parked);
    free(s->ctl.waiting);
    free(s->ctl.leaving);
    batch_clear(&s->ctl.open);
    batch_clear(&s->ctl.flight);
    free(s->ctl.open.v);
    free(s->ctl.flight.v);
    effects_free(&s->ctl.fx);
    cell_destroy(s->ctl.cell);
    store_free(&s->store);
}

/* ---- who is there -------------------------------------------------------- */

static uint64_t below(struct sim *s, uint64_t n)
{
    return rng_below(&s->rng, n);
}

static int64_t add_party(struct sim *s, const char *kind, unsigned i,
                         int64_t person)
{
    struct event ev = {.type = EV_PARTY};
    int64_t id = 0;

    snprintf(ev.party.name, sizeof(ev.party.name), "%s %u", kind, i);
    ev.party.roles = ROLE_OWNER | ROLE_CUSTOMER;
    if (person)
        ev.party.beneficial_owner = s->store.parties[person].beneficial_owner;
    if (ctl_do(s, &ev, &id))
        sim_fail(s, "a party was refused");
    return id;
}

static void add_funds(struct sim *s, int64_t party, int64_t amount)
{
    struct event ev = {.type = EV_FUND};

    ev.fund.party_id = party;
    ev.fund.amount = amount;
    memcpy(ev.fund.unit, "USD", 4);
    if (ctl_do(s, &ev, NULL))
        sim_fail(s, "funds were refused");
}

static int64_t add_worker(struct sim *s, int64_t party, bool referee)
{
    struct event ev = {.type = EV_ENROL};
    int64_t id = 0;

    ev.enrol.party_id = party;
    ev.enrol.referee = referee;
    if (ctl_do(s, &ev, &id))
        sim_fail(s, "a worker was refused");
    return id;
}

static struct event a_job(struct sim *s, int64_t party, int64_t next_id,
                          int64_t **units)
{
    struct event ev = {.type = EV_SUBMIT};
    struct rec_job *r = &ev.submit.job;

    r->party_id = party;
    for (int i = 0; i < 16; i++)
        r->submission_id[i] = (uint8_t)below(s, 256);
    memcpy(r->kernel, "echo", 5);
    memcpy(r->zone, "cell", 5);
    r->spec.b[0] = 1;
    r->params.b[0] = (uint8_t)(1 + below(s, 2));
    r->input = INPUT_INDEX;
    r->items_per_task = 1 + (uint32_t)below(s, s->plan.items_max);
    r->tasks = 1 + (uint32_t)below(s, s->plan.tasks_max);
    r->items =
        (uint64_t)r->tasks * r->items_per_task - below(s, r->items_per_task);
    if (s->plan.exact) {
        r->tasks = s->plan.tasks_max;
        r->items_per_task = s->plan.items_max;
        r->items = (uint64_t)r->tasks * r->items_per_task;
    }
    r->nice = (int32_t)below(s, 3);
    *units = NULL;
    if (next_id % 2) {
        r->units_per_item = 10;
    } else {
        *units = must_alloc(r->tasks * sizeof(**units));
        for (uint32_t t = 0; t < r->tasks; t++)
            (*units)[t] = 10 * (int64_t)r->items_per_task;
        r->task_units = *units;
    }
    return ev;
}

static void cancel(struct sim *s, void *arg, int64_t job)
{
    struct event ev = {.type = EV_CANCEL};
    struct rec_job r;

    (void)arg;
    if (!s->ctl.cell) {
        sim_at(s, s->now + SEC, cancel, NULL, job);
        return;
    }
    if (!cell_job(s->ctl.cell, job, &r))
        return;
    ev.job.party_id = r.party_id;
    ev.job.job_id = job;
    ev.job.task = chance(s, 500000) ? -1 : (int64_t)below(s, r.tasks);
    if (ctl_do(s, &ev, NULL))
        sim_fail(s, "a cancellation was refused");
}

/* n is the customer; the id decides how its items count, so ask first. */
static void submit(struct sim *s, void *arg, int64_t n)
{
    int64_t *units = NULL, id = 0, next = (int64_t)s->store.n_jobs;
    struct event ev;

    (void)arg;
    if (!s->ctl.cell || s->ctl.in_flight || s->ctl.open.n > 0) {
        sim_at(s, s->now + 3000, submit, NULL, n); /* next must be known */
        return;
    }
    ev = a_job(s, n, next > 0 ? next : 1, &units);
    if (ctl_do(s, &ev, &id)) {
        sim_fail(s, "a job was refused");
    } else {
        if (id != (next > 0 ? next : 1))
            sim_fail(s, "job id %jd was expected to be %jd", (intmax_t)id,
                     (intmax_t)next);
        s->job_ids[s->n_jobs++] = id;
        if (s->plan.cancels && chance(s, 150000))
            sim_at(s, s->now + (int64_t)below(s, 600) * SEC, cancel, NULL, id);
    }
    s->n_submitted++;
    free(units);
}

static enum strategy pick_strategy(struct sim *s, unsigned i)
{
    if (s->plan.exact)
        return i * 100 > s->plan.workers * (100 - s->plan.liars_pct)
                   ? (enum strategy)s->plan.only
                   : HONEST;
    if (below(s, 100) >= s->plan.liars_pct)
        return HONEST;
    if (s->plan.only >= 0)
        return (enum strategy)s->plan.only;
    return (enum strategy)(1 + below(s, STRATEGIES - 1));
}

/* An owner of his own; or the last one's second machine; or his cousin, who
 * counts as the same person.
 */
static void add_owner(struct sim *s, struct agent *a)
{
    const struct agent *last = &s->agents[a->index - 1];
    bool again = !s->plan.exact && a->index > 4 && chance(s, 250000);

    if (again)
        a->strategy = last->strategy;
    if (again && chance(s, 600000)) {
        a->party_id = last->party_id;
        return;
    }
    a->party_id = add_party(s, "owner", a->index, again ? last->party_id : 0);
    s->of_party[a->party_id] = a->strategy;
    s->out.n[a->strategy]++;
    if (a->strategy == SELF) {
        s->puppet[a->party_id] = add_party(s, "puppet", a->index, 0);
        add_funds(s, s->puppet[a->party_id], PUPPET_FUNDS);
    }
}

static void add_agent(struct sim *s, unsigned i)
{
    struct agent *a = &s->agents[i];

    a->index = i;
    a->referee = i == 0;
    /* the first three are honest: somebody has to do the work */
    a->strategy = i < 4 ? HONEST : pick_strategy(s, i);
    a->cores = 1 + (uint32_t)below(s, 2);
    a->speed = 20 + (int64_t)below(s, 60);
    if (s->plan.exact) {
        a->cores = 1;
        a->speed = 50;
    }
    a->party_id = 1;
    if (a->referee)
        a->speed = s->plan.exact ? 4000 : 400;
    else
        add_owner(s, a);
    a->worker_id = add_worker(s, a->party_id, a->referee);
    sim_at(s, s->now + (int64_t)below(s, 30) * SEC, agent_start, a, 0);
}

static void populate(struct sim *s)
{
    struct event party = {.type = EV_PARTY}, tariff = {.type = EV_TARIFF};
    int64_t customers[16];

    ctl_start(s);
    party.party.party_id = 1;
    party.party.roles = ROLE_CELL;
    memcpy(party.party.name, "cell", 5);
    tariff.tariff = (struct rec_tariff){.tariff_id = 1,
                                        .kernel = "echo",
                                        .zone = "cell",
                                        .unit = "USD",
                                        .credit_unit = "CPUC",
                                        .price_micro = 310000,
                                        .rate_num = 317000,
                                        .rate_den = 7,
                                        .fee_ppm = 100000};
    if (ctl_do(s, &party, NULL) || ctl_do(s, &tariff, NULL))
        sim_fail(s, "the cell could not be founded");
    for (unsigned i = 0; i < s->plan.customers; i++) {
        customers[i] = add_party(s, "customer", i, 0);
        add_funds(s, customers[i], CUSTOMER_FUNDS);
    }
    s->n_agents = s->plan.workers + 1;
    s->agents = must_alloc(s->n_agents * sizeof(*s->agents));
    for (unsigned i = 0; i < s->n_agents; i++)
        add_agent(s, i);
    for (unsigned i = 0; i < s->plan.jobs; i++) {
        int64_t who = customers[below(s, s->plan.customers)];

        for (unsigned k = 0; k < s->n_agents; k++)
            if (s->agents[k].strategy == SELF && chance(s, 100000))
                who = s->puppet[s->agents[k].party_id];
        sim_at(s, s->now + (int64_t)below(s, 600) * SEC, submit, NULL, who);
    }
    for (unsigned k = 0; k < s->n_agents && s->plan.exact; k++)
        if (s->agents[k].strategy == SELF) { /* each its own customer */
            s->plan.jobs++;
            sim_at(s, s->now + SEC, submit, NULL,
                   s->puppet[s->agents[k].party_id]);
        }
    if (s->plan.restart_us)
        sim_at(s,
               s->now + (int64_t)below(s, (uint64_t)s->plan.restart_us) +
                   10 * SEC,
               ctl_crash, NULL, 0);
}
