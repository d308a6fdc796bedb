/* SPDX-License-Identifier: Apache-2.0 */
/* trust.c - parties, workers, standing, and how often to check (doc/9)
 *
 * Standing is earned by tasks in verified, priced windows and by nothing else.
 * Only owners with standing check others; a new identity is checked at q = 1.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PPM 1000000

struct party *party_get(const struct cell *c, int64_t id)
{
    return map_get(&c->parties, (uint64_t)id);
}

struct party *cell_self(const struct cell *c)
{
    return party_get(c, c->conf.cell_party);
}

struct worker *worker_get(const struct cell *c, int64_t id)
{
    return map_get(&c->workers, (uint64_t)id);
}

bool connected(const struct party *a, const struct party *b)
{
    return a->benef == b->benef;
}

/* May members of b check others now?  Keeps cell.standing in step. */
void standing_changed(struct cell *c, struct benef *b)
{
    bool locked = false, able = false, now;
    struct party *p;

    b->standing = 0;
    list_each(p, it, &b->parties, struct party, in_benef)
    {
        b->standing += p->r.accepted_tasks;
        locked |= p->r.locked;
        able |= p->r.accepted_tasks > 0 && !list_empty(&p->workers);
    }
    now = able && !locked;
    c->standing += (now ? 1u : 0u) - (b->counted ? 1u : 0u);
    b->counted = now;
}

bool checker_exists(const struct cell *c, const struct party *committer)
{
    return c->standing > (committer->benef->counted ? 1u : 0u);
}

static struct benef *benef_get(struct cell *c, int64_t id)
{
    struct benef *b = map_get(&c->benefs, (uint64_t)id);

    if (!b) {
        b = core_alloc(c, sizeof(*b));
        b->id = id;
        list_init(&b->parties);
        core_map(c, &c->benefs, (uint64_t)id, b);
    }
    return b;
}

static struct party *party_new(struct cell *c, int64_t id)
{
    struct party *p = core_alloc(c, sizeof(*p));

    list_init(&p->workers);
    list_init(&p->windows);
    list_init(&p->jobs);
    core_map(c, &c->parties, (uint64_t)id, p);
    return p;
}

struct party *party_put(struct cell *c, const struct rec_party *r)
{
    struct party *p = party_get(c, r->party_id);
    struct benef *old;

    if (!p)
        p = party_new(c, r->party_id);
    old = p->benef;
    p->r = *r;
    if (p->r.beneficial_owner == 0)
        p->r.beneficial_owner = r->party_id;
    if (!old || old->id != p->r.beneficial_owner) {
        list_del(&p->in_benef);
        p->benef = benef_get(c, p->r.beneficial_owner);
        list_add(&p->benef->parties, &p->in_benef);
        if (old) {
            standing_changed(c, old);
            due_recount(c);
        }
    }
    standing_changed(c, p->benef);
    if (r->party_id >= c->next.next_party)
        c->next.next_party = r->party_id + 1;
    return p;
}

struct worker *worker_put(struct cell *c, const struct rec_worker *r)
{
    struct worker *w = worker_get(c, r->worker_id);
    struct party *p = party_get(c, r->party_id);

    if (!w) {
        w = core_alloc(c, sizeof(*w));
        list_init(&w->leases);
        list_init(&w->windows);
        core_map(c, &c->workers, (uint64_t)r->worker_id, w);
        list_add(&p->workers, &w->in_party);
        w->party = p;
    }
    w->r = *r;
    w->seen_us = r->last_seen_us;
    if (r->worker_id >= c->next.next_worker)
        c->next.next_worker = r->worker_id + 1;
    standing_changed(c, p->benef);
    return w;
}

/* What the owner would really lose: open escrow from customers at arm's
 * length, at most one_customer_ppm of the total from any one person.
 */
int64_t exposure(const struct cell *c, const struct benef *owner)
{
    int64_t total = 0, sum = 0, most;

    for (uint32_t i = 0; i < owner->n_dues; i++)
        if (owner->dues[i].customer != owner)
            total += owner->dues[i].amount;
    most = (int64_t)((__int128)total * c->conf.one_customer_ppm / PPM);
    for (uint32_t i = 0; i < owner->n_dues; i++) {
        int64_t one = owner->dues[i].amount;

        if (owner->dues[i].customer != owner)
            sum += one < most ? one : most;
    }
    return sum;
}

uint32_t check_rate(const struct cell_conf *conf, int64_t pay, int64_t at_risk)
{
    __int128 num, den;
    uint64_t q;

    assert(pay >= 0 && at_risk >= 0);
    if (pay == 0)
        pay = 1; /* unpriced here means too small to price */
    num = (__int128)conf->mu_ppm * pay * PPM * PPM;
    den = (__int128)conf->detect_ppm * (PPM - conf->gang_ppm) *
          ((__int128)pay + at_risk);
    if (den <= 0 || num / den >= PPM)
        return PPM;
    q = (uint64_t)(num / den);
    return q < conf->q_min_ppm ? conf->q_min_ppm : (uint32_t)q;
}

static int refuse(struct answer *a, int code)
{
    a->code = code;
    return -1;
}

static int check_party(struct cell *c, const struct rec_party *r,
                       struct answer *a)
{
    const struct party *old = party_get(c, r->party_id);

    if (r->party_id && !old && r->party_id != c->conf.cell_party)
        return error_set(&a->err, ENOENT, "there is no party %" PRId64,
                         r->party_id),
               refuse(a, ENOENT);
    if (!r->name[0])
        return error_set(&a->err, EINVAL, "a party needs a name"),
               refuse(a, EINVAL);
    if (r->beneficial_owner && r->beneficial_owner != r->party_id &&
        !party_get(c, r->beneficial_owner))
        return error_set(&a->err, ENOENT,
                         "there is no party %" PRId64 " to be the beneficial "
                         "owner of \"%s\"",
                         r->beneficial_owner, r->name),
               refuse(a, ENOENT);
    return 0;
}

void party_step(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct rec_party r = ev->party;
    struct party *old;

    if (check_party(c, &r, a) < 0)
        return;
    if (r.party_id == 0)
        r.party_id = c->next.next_party++;
    old = party_get(c, r.party_id);
    if (old) { /* what the core keeps is not administration's to change */
        r.accepted_tasks = old->r.accepted_tasks;
        r.strict_tasks = old->r.strict_tasks;
        r.fund_serial = old->r.fund_serial;
        r.created_us = old->r.created_us;
    } else {
        r.accepted_tasks = 0;
        r.strict_tasks = 0;
        r.fund_serial = 0;
        r.created_us = c->now_us;
    }
    dirty_party(c, party_put(c, &r));
    a->id = r.party_id;
}

void enrol_step(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct rec_worker r = ev->enrol;
    const struct worker *old = worker_get(c, r.worker_id);
    const struct party *p = party_get(c, r.party_id);

    if (!p || (r.worker_id && !old)) {
        a->code = ENOENT;
        error_set(&a->err, ENOENT,
                  p ? "there is no worker %" PRId64
                    : "there is no party %" PRId64,
                  p ? r.worker_id : r.party_id);
        return;
    }
    if (p->r.locked) {
        a->code = EPERM;
        error_set(&a->err, EPERM, "party \"%s\" is locked out", p->r.name);
        return;
    }
    if (old && old->r.party_id != r.party_id) {
        a->code = EINVAL;
        error_set(&a->err, EINVAL,
                  "worker %" PRId64 " belongs to party %" PRId64, r.worker_id,
                  old->r.party_id);
        return;
    }
    if (!r.worker_id)
        r.worker_id = c->next.next_worker++;
    if (!r.state)
        r.state = WORKER_ACTIVE;
    r.enrolled_us = old ? old->r.enrolled_us : c->now_us;
    r.last_seen_us = c->now_us;
    dirty_worker(c, worker_put(c, &r));
    a->id = r.worker_id;
}

void fund_step(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct party *p = party_get(c, ev->fund.party_id), *self = cell_self(c);
    int64_t serial = ev->fund.serial;

    if (!p || !self) {
        a->code = ENOENT;
        error_set(&a->err, ENOENT, "there is no party %" PRId64,
                  p ? c->conf.cell_party : ev->fund.party_id);
        return;
    }
    if (ev->fund.amount <= 0 || ev->fund.amount > MICRO_MAX ||
        strnlen(ev->fund.unit, sizeof(ev->fund.unit)) < 3 ||
        bal_amount(p, ACC_PREPAID, ev->fund.unit) >
            MICRO_MAX - ev->fund.amount) {
        a->code = EINVAL;
        error_set(&a->err, EINVAL,
                  "cannot fund party \"%s\" with %" PRId64 " micro-units",
                  p->r.name, ev->fund.amount);
        return;
    }
    a->id = p->r.party_id;
    if (serial == 0)
        serial = p->r.fund_serial + 1;
    if (serial <= p->r.fund_serial)
        return; /* a repeat */
    p->r.fund_serial = serial;
    dirty_party(c, p);
    post(c, TR_FUND, (struct leg){self, ACC_BANK}, (struct leg){p, ACC_PREPAID},
         ev->fund.unit, ev->fund.amount, p->r.party_id, 0, (uint64_t)serial);
}

void tariff_put(struct cell *c, const struct rec_tariff *r)
{
    struct rec_tariff *t = map_get(&c->tariffs, (uint64_t)r->tariff_id);

    if (t)
        return; /* append only */
    t = core_alloc(c, sizeof(*t));
    *t = *r;
    core_map(c, &c->tariffs, (uint64_t)t->tariff_id, t);
}

void tariff_step(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    const struct rec_tariff *r = &ev->tariff;
    struct price one;

    a->id = r->tariff_id;
    if (r->tariff_id <= 0 || !r->kernel[0] || !r->unit[0] ||
        tariff_price(r, 0, &one, &a->err) < 0) {
        a->code = EINVAL;
        error_set(&a->err, EINVAL,
                  "tariff %" PRId64 " needs an id, a kernel, a unit and rates "
                  "that are not negative",
                  r->tariff_id);
        return;
    }
    if (map_get(&c->tariffs, (uint64_t)r->tariff_id)) {
        a->code = EEXIST;
        error_set(&a->err, EEXIST, "tariff %" PRId64 " exists already",
                  r->tariff_id);
        return;
    }
    tariff_put(c, r);
    emit(c, REC_TARIFF)->tariff = *r;
}

void owner_lock(struct cell *c, struct benef *b)
{
    struct party *p;
    struct worker *w;
    struct live *l;

    list_each(p, it, &b->parties, struct party, in_benef)
    {
        if (p == cell_self(c))
            continue;
        p->r.locked = true;
        dirty_party(c, p);
        list_each(w, jt, &p->workers, struct worker, in_party)
        {
            w->r.state = WORKER_LOCKED;
            dirty_worker(c, w);
            list_each(l, kt, &w->leases, struct live, in_worker)
                lease_requeue(c, l);
        }
    }
    standing_changed(c, b);
}
