/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c - workers: honest, forgetful, unlucky and dishonest */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "t/fleet/fleet.h"

#define POLL_TIMEOUT_US (70 * SEC)
#define RESULT_TIMEOUT_US (8 * SEC)
#define BUILD_TASKS 25

static void poll(struct sim *s, struct agent *a);
static void renew(struct sim *s, void *arg, int64_t gen);
static void work(struct sim *s, struct agent *a);

const char *strategy_name(int strategy)
{
    static const char *const names[STRATEGIES] = {
        [HONEST] = "honest",       [ALWAYS] = "always", [BUILD] = "build",
        [LITTLE] = "little",       [SELF] = "self",     [INFLATE] = "inflate",
        [OVERQUOTE] = "overquote", [ZOMBIE] = "zombie", [REPLAY] = "replay",
    };

    return strategy >= 0 && strategy < STRATEGIES ? names[strategy] : "?";
}

/* ---- requests -------------------------------------------------------------
 */

static struct req *req_new(struct sim *s, struct agent *a, enum req_type type)
{
    struct req *r = must_alloc(sizeof(*r));

    r->refs = 1;
    r->type = type;
    r->agent = a->index;
    r->gen = a->gen;
    r->sent_us = s->now;
    r->holds = must_alloc((a->n_holds + 1) * sizeof(struct hold *));
    return r;
}

static void req_hold(struct req *r, struct hold *h)
{
    h->refs++;
    r->holds[r->n++] = h;
}

static uint32_t room(const struct sim *s, const struct agent *a)
{
    uint32_t most = a->cores * s->ctl.conf.ahead, n = 0;

    for (uint32_t i = 0; i < a->n_holds; i++)
        n += !a->holds[i]->finished;
    return n < most ? most - n : 0;
}

static void poll_timeout(struct sim *s, void *arg, int64_t gen)
{
    struct agent *a = arg;

    if (a->gen != gen || a->turned)
        return;
    a->polling = false;
    poll(s, a);
    work(s, a); /* in case results were lost */
}

static void poll(struct sim *s, struct agent *a)
{
    struct req *r;

    if (a->polling || a->off || a->turned || room(s, a) == 0)
        return;
    r = req_new(s, a, R_LEASE);
    r->want = room(s, a);
    r->park = a->n_holds == 0;
    for (uint32_t i = 0; i < a->n_holds; i++)
        if (!a->holds[i]->finished)
            req_hold(r, a->holds[i]);
    a->polling = true;
    send_req(s, r);
    req_unref(r);
    sim_at(s, s->now + POLL_TIMEOUT_US, poll_timeout, a, a->gen);
}

static void resend(struct sim *s, void *arg, int64_t gen);

static void send_results(struct sim *s, struct agent *a)
{
    struct req *r = req_new(s, a, R_RESULT);

    for (uint32_t i = 0; i < a->n_holds && r->n < 16; i++)
        if (a->holds[i]->finished)
            req_hold(r, a->holds[i]);
    r->want = a->off ? 0 : room(s, a);
    if (r->n > 0) {
        send_req(s, r);
        sim_at(s, s->now + RESULT_TIMEOUT_US, resend, a, a->gen);
    }
    req_unref(r);
}

static void resend(struct sim *s, void *arg, int64_t gen)
{
    struct agent *a = arg;
    bool any = false;

    if (a->gen != gen || a->turned)
        return;
    for (uint32_t i = 0; i < a->n_holds; i++)
        any |= a->holds[i]->finished &&
               a->holds[i]->at_us + RESULT_TIMEOUT_US <= s->now;
    if (any)
        send_results(s, a);
}

/* A21, A22: something from long ago is presented once more. */
static void present_old(struct sim *s, struct agent *a)
{
    struct req *r;

    if (a->n_old == 0 || !chance(s, 300000))
        return;
    r = req_new(s, a, R_RESULT);
    req_hold(r, a->old[rng_below(&s->rng, a->n_old)]);
    r->answered = true; /* the receipt interests nobody */
    send_req(s, r);
    req_unref(r);
}

static void remember(struct sim *s, struct agent *a, struct hold *h)
{
    unsigned at = a->n_old;

    if ((a->strategy != ZOMBIE && a->strategy != REPLAY) || !h->items)
        return;
    if (a->n_old == 4) {
        at = (unsigned)rng_below(&s->rng, 4);
        hold_unref(a->old[at]);
    } else {
        a->n_old++;
    }
    h->refs++;
    a->old[at] = h;
}

/* ---- computing --------------------------------------------------------------
 */

static bool builds(const struct sim *s, const struct agent *a)
{
    return s->store.parties[a->party_id].accepted_tasks < BUILD_TASKS;
}

static bool from_puppet(const struct sim *s, const struct agent *a,
                        int64_t job_id)
{
    return s->store.jobs[job_id].r.party_id == s->puppet[a->party_id];
}

/* Whether the agent makes this item up. */
static bool lies(struct sim *s, const struct agent *a,
                 const struct lease_item *it)
{
    switch (a->strategy) {
    case ALWAYS: return true;
    case BUILD: return !builds(s, a);
    case LITTLE: return chance(s, s->plan.lie_ppm);
    case SELF: return !from_puppet(s, a, it->job_id) && !builds(s, a);
    default: return false;
    }
}

static int64_t claimed(struct sim *s, const struct agent *a,
                       const struct lease_item *it)
{
    int64_t units = truth_units(it->job_id, it->task, it->item);

    if (a->strategy == OVERQUOTE)
        return units + 5;
    if (a->strategy == INFLATE && units < 10)
        return units + 1;
    (void)s;
    return units;
}

/* Compute what the hold asks for; returns the time it takes on one core. */
static int64_t compute(struct sim *s, struct agent *a, struct hold *h)
{
    uint32_t n = h->l.n_items;
    int64_t units = 0;

    h->items = must_alloc(n * sizeof(*h->items));
    h->bytes = must_alloc((size_t)n * 8);
    for (uint32_t i = 0; i < n; i++) {
        const struct lease_item *it = &h->l.items[i];
        uint64_t value = truth(it->job_id, it->task, it->item);
        int64_t real = truth_units(it->job_id, it->task, it->item);
        int64_t said = claimed(s, a, it);
        bool lie = lies(s, a, it);

        if (lie)
            value ^= rng_next(&s->rng) | 1;
        else if (a->strategy != SELF || !from_puppet(s, a, it->job_id))
            units += real;
        if ((lie || said != real) && it->check_id == 0)
            h->wrong++;
        put_u64be(h->bytes + (size_t)i * 8, value);
        h->items[i] = (struct item_result){0, (uint64_t)said,
                                           h->bytes + (size_t)i * 8, 8};
        h->root.units += (uint64_t)said;
        h->root.bytes += 8;
    }
    digest_of(h->bytes, (size_t)n * 8, &h->root.hash);
    return units * SEC / a->speed;
}

static void drop_hold(struct agent *a, struct hold *h)
{
    for (uint32_t i = 0; i < a->n_holds; i++)
        if (a->holds[i] == h) {
            a->holds[i] = a->holds[--a->n_holds];
            if (h->running)
                a->busy--;
            h->running = false;
            hold_unref(h);
            return;
        }
}

struct finish { /* arg of finished(): the hold may be dropped meanwhile */
    struct agent *a;
    struct hold *h;
};

static void come_back(struct sim *s, void *arg, int64_t gen)
{
    struct agent *a = arg;

    if (a->gen != gen)
        return;
    a->off = false;
    poll(s, a);
    send_results(s, a);
    sim_at(s, s->now + 30 * SEC, renew, a, a->gen);
}

/* The machine dies; half of the time a journal keeps what was finished. */
static void die(struct sim *s, struct agent *a)
{
    bool journal = chance(s, 500000);

    a->gen++;
    a->polling = false;
    a->off = true;
    a->busy = 0;
    for (uint32_t i = 0; i < a->n_holds;) {
        struct hold *h = a->holds[i];

        if (journal && h->finished) {
            i++;
            continue;
        }
        h->running = false;
        remember(s, a, h);
        drop_hold(a, h);
    }
    sim_at(s, s->now + SEC + (int64_t)rng_below(&s->rng, 120 * SEC), come_back,
           a, a->gen);
}

/* The owner takes the machine back. */
static void hand_back(struct sim *s, struct agent *a)
{
    struct req *r = req_new(s, a, R_HANDBACK);

    a->off = true;
    for (uint32_t i = 0; i < a->n_holds;) {
        struct hold *h = a->holds[i];

        if (h->finished) {
            i++;
            continue;
        }
        req_hold(r, h);
        if (a->strategy == ZOMBIE && !h->items)
            compute(s, a, h);
        remember(s, a, h);
        drop_hold(a, h);
    }
    if (r->n > 0)
        send_req(s, r);
    req_unref(r);
    sim_at(s, s->now + SEC + (int64_t)rng_below(&s->rng, 60 * SEC), come_back,
           a, a->gen);
}

static void finished(struct sim *s, void *arg, int64_t gen)
{
    struct finish *f = arg;
    struct agent *a = f->a;
    struct hold *h = f->h;

    free(f);
    if (a->gen == gen && h->running && !a->turned) {
        h->running = false;
        h->finished = true;
        h->at_us = s->now;
        a->busy--;
        a->tasks_done++;
        if (faulty(s) && chance(s, s->plan.status_ppm))
            h->status = 1;
        send_results(s, a);
        present_old(s, a);
        if (faulty(s) && chance(s, s->plan.crash_ppm))
            die(s, a);
        else if (faulty(s) && !a->referee && chance(s, s->plan.back_ppm))
            hand_back(s, a);
        else
            work(s, a);
    }
    hold_unref(h);
}

static void work(struct sim *s, struct agent *a)
{
    for (uint32_t i = 0; i < a->n_holds && a->busy < a->cores && !a->off; i++) {
        struct hold *h = a->holds[i];
        struct finish *f;
        int64_t us;

        if (h->running || h->finished)
            continue;
        us = h->items ? SEC : compute(s, a, h);
        a->busy_us += us;
        f = must_alloc(sizeof(*f));
        *f = (struct finish){a, h};
        h->refs++;
        h->running = true;
        a->busy++;
        sim_at(s, s->now + us + 1000, finished, f, a->gen);
    }
}

/* ---- replies
 * ------------------------------------------------------------------ */

static void renew(struct sim *s, void *arg, int64_t gen)
{
    struct agent *a = arg;
    struct req *r;

    if (a->gen != gen || a->turned)
        return;
    r = req_new(s, a, R_RENEW);
    for (uint32_t i = 0; i < a->n_holds; i++)
        if (!a->holds[i]->finished)
            req_hold(r, a->holds[i]);
    if (r->n > 0)
        send_req(s, r);
    req_unref(r);
    sim_at(s, s->now + 30 * SEC, renew, a, gen);
}

static void take_leases(struct agent *a, const struct reply *p)
{
    for (uint32_t i = 0; i < p->n_leases; i++) {
        if (a->n_holds == a->cap_holds) {
            a->cap_holds = a->cap_holds ? a->cap_holds * 2 : 8;
            a->holds = realloc(a->holds, a->cap_holds * sizeof(*a->holds));
            if (!a->holds)
                abort();
        }
        a->holds[a->n_holds++] = hold_new(&p->leases[i]);
    }
}

static void take_fates(struct sim *s, struct agent *a, const struct reply *p)
{
    for (uint32_t i = 0; i < p->n_results; i++) {
        struct hold *h = p->req->holds[i];

        s->out.stale += p->fates[i] == FATE_STALE;
        s->out.duplicate += p->fates[i] == FATE_DUPLICATE;
        s->out.invalid += p->fates[i] == FATE_INVALID;
        s->out.retried += p->fates[i] == FATE_RETRIED;
        if (p->fates[i] < FATE_ACCEPTED || p->fates[i] > FATE_RETRIED)
            sim_fail(s, "a result got fate %u", p->fates[i]);
        remember(s, a, h);
        drop_hold(a, h);
    }
}

static void turn_away(struct agent *a)
{
    a->turned = true;
    a->gen++;
    while (a->n_holds > 0)
        drop_hold(a, a->holds[0]);
}

static void poll_again(struct sim *s, void *arg, int64_t gen)
{
    struct agent *a = arg;

    if (a->gen == gen)
        poll(s, a);
}

void agent_reply(struct sim *s, void *arg, int64_t n)
{
    struct reply *p = arg;
    struct agent *a = &s->agents[p->req->agent];

    (void)n;
    if (p->req->gen == a->gen && !p->req->answered && !a->turned) {
        p->req->answered = true;
        if (p->req->type == R_LEASE)
            a->polling = false;
        if (p->code == EPERM) {
            turn_away(a);
        } else {
            take_leases(a, p);
            take_fates(s, a, p);
            for (uint32_t i = 0; i < p->n_gone; i++)
                if (p->gone[i])
                    drop_hold(a, p->req->holds[i]);
            work(s, a);
            if (p->n_leases > 0)
                poll(s, a);
            else
                sim_at(s,
                       s->now + 4 * SEC + (int64_t)rng_below(&s->rng, 2 * SEC),
                       poll_again, a, a->gen);
        }
    }
    reply_unref(p);
}

void agent_start(struct sim *s, void *arg, int64_t n)
{
    struct agent *a = arg;

    (void)n;
    poll(s, a);
    sim_at(s, s->now + 30 * SEC, renew, a, a->gen);
}
