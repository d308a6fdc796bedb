/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - committed rows, refusing what a database would refuse */
#include "t/fleet/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

void batch_put(struct batch *b, const struct record *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct record *to;

        if (b->n == b->cap) {
            b->cap = b->cap ? b->cap * 2 : 64;
            b->v = realloc(b->v, b->cap * sizeof(*b->v));
            if (!b->v)
                abort();
        }
        to = &b->v[b->n++];
        *to = r[i];
        if (r[i].type == REC_JOB && r[i].job.task_units) {
            size_t size = r[i].job.tasks * sizeof(int64_t);
            int64_t *units = must_alloc(size);

            memcpy(units, r[i].job.task_units, size);
            to->job.task_units = units;
        }
        if (r[i].type == REC_RESULT) { /* the simulated file: lies told */
            to->result.len = r[i].result.len == 4 ? get_u32be(r[i].result.bytes)
                                                  : UINT32_MAX;
            to->result.bytes = NULL;
            to->result.map = NULL;
        }
    }
}

static void free_row(struct record *r)
{
    if (r->type == REC_JOB)
        free((void *)(uintptr_t)r->job.task_units);
}

void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        free_row(&b->v[i]);
    b->n = 0;
}

/* v[id] of *n rows of size bytes each, made when absent. */
static void *at(void *v, size_t *n, size_t size, int64_t id)
{
    char **p = v;
    size_t need = (size_t)id + 1;

    if (need > *n) {
        char *more = realloc(*p, need * size);

        if (!more)
            abort();
        memset(more + *n * size, 0, (need - *n) * size);
        *p = more;
        *n = need;
    }
    return *p + (size_t)id * size;
}

#define AT(list, count, id) at(&(list), &(count), sizeof(*(list)), id)

static void put_job(struct store *st, struct rec_job *r)
{
    struct store_job *j = AT(st->jobs, st->n_jobs, r->job_id);

    if (j->tasks) { /* arrays come with the first row only */
        r->task_units = j->r.task_units;
    } else {
        j->tasks = must_alloc(r->tasks * sizeof(*j->tasks));
        j->results = must_alloc(r->tasks * sizeof(struct store_result *));
        j->drawn = must_alloc(r->tasks * sizeof(*j->drawn));
    }
    j->r = *r;
    r->task_units = NULL; /* now the store's */
}

static void put_result(struct sim *s, struct store *st,
                       const struct rec_result *r)
{
    struct store_job *j = &st->jobs[r->job_id];
    struct store_result *n, *old;

    for (old = j->results[r->task]; old; old = old->next)
        if (old->epoch == r->epoch && old->attempt == r->attempt)
            sim_fail(s, "result of job %jd task %u is stored twice",
                     (intmax_t)r->job_id, r->task);
    n = must_alloc(sizeof(*n));
    *n = (struct store_result){
        r->worker_id, r->window_id, r->epoch, r->attempt,
        r->len,       r->n_items,   r->units, j->results[r->task]};
    j->results[r->task] = n;
}

static struct rec_balance *balance(struct store *st, int64_t party,
                                   uint8_t purpose, const char *unit)
{
    struct rec_balance *b;

    for (size_t i = 0; i < st->n_balances; i++) {
        b = &st->balances[i];
        if (b->party_id == party && b->purpose == purpose &&
            !strcmp(b->unit, unit))
            return b;
    }
    b = AT(st->balances, st->n_balances, (int64_t)st->n_balances);
    b->party_id = party;
    b->purpose = purpose;
    memcpy(b->unit, unit, sizeof(b->unit));
    return b;
}

int64_t store_balance(const struct store *st, int64_t party, uint8_t purpose,
                      const char *unit)
{
    for (size_t i = 0; i < st->n_balances; i++) {
        const struct rec_balance *b = &st->balances[i];

        if (b->party_id == party && b->purpose == purpose &&
            !strcmp(b->unit, unit))
            return b->amount;
    }
    return 0;
}

static void put_transfer(struct sim *s, struct store *st,
                         const struct rec_transfer *t)
{
    uint64_t key = get_u64be(t->transfer_id);
    struct rec_transfer *copy = map_get(&st->transfers, key);
    struct rec_balance *dr, *cr;

    if (copy) {
        sim_fail(s, "transfer of kind %d ref %jd is posted twice", t->kind,
                 (intmax_t)t->ref);
        return;
    }
    if (t->amount <= 0)
        sim_fail(s, "transfer of %jd", (intmax_t)t->amount);
    copy = must_alloc(sizeof(*copy));
    *copy = *t;
    if (map_put(&st->transfers, key, copy) < 0)
        abort();
    dr = balance(st, t->dr_party, t->dr_purpose, t->unit);
    dr->amount += purpose_is_debit(t->dr_purpose) ? t->amount : -t->amount;
    cr = balance(st, t->cr_party, t->cr_purpose, t->unit);
    cr->amount += purpose_is_debit(t->cr_purpose) ? -t->amount : t->amount;
}

static void put_once(struct sim *s, const char *what, int64_t was, int64_t id)
{
    if (was)
        sim_fail(s, "%s %jd is stored twice", what, (intmax_t)id);
}

static void put_other(struct sim *s, struct store *st, struct record *r)
{
    struct rec_billing *b;
    struct rec_verdict *v;

    switch (r->type) {
    case REC_WINDOW:
        *(struct rec_window *)AT(st->windows, st->n_windows,
                                 r->window.window_id) = r->window;
        break;
    case REC_CHECK:
        *(struct rec_check *)AT(st->checks, st->n_checks, r->check.check_id) =
            r->check;
        st->jobs[r->check.job_id].drawn[r->check.task] = true;
        break;
    case REC_BILLING:
        b = AT(st->billings, st->n_billings, r->billing.billing_id);
        put_once(s, "billing", b->billing_id, r->billing.billing_id);
        *b = r->billing;
        break;
    case REC_VERDICT:
        v = AT(st->verdicts, st->n_verdicts, r->verdict.verdict_id);
        put_once(s, "verdict", v->verdict_id, r->verdict.verdict_id);
        *v = r->verdict;
        v->expected = NULL;
        break;
    default: sim_fail(s, "a row of type %d was written", (int)r->type);
    }
}

static void put(struct sim *s, struct store *st, struct record *r)
{
    switch (r->type) {
    case REC_PARTY:
        *(struct rec_party *)AT(st->parties, st->n_parties, r->party.party_id) =
            r->party;
        break;
    case REC_TARIFF: st->tariff = r->tariff; break;
    case REC_WORKER:
        *(struct rec_worker *)AT(st->workers, st->n_workers,
                                 r->worker.worker_id) = r->worker;
        break;
    case REC_JOB: put_job(st, &r->job); break;
    case REC_TASK:
        st->jobs[r->task.job_id].tasks[r->task.task] = r->task;
        break;
    case REC_RESULT: put_result(s, st, &r->result); break;
    case REC_TRANSFER: put_transfer(s, st, &r->transfer); break;
    default: put_other(s, st, r);
    }
}

void store_apply(struct sim *s, struct store *st, struct batch *b)
{
    if (s->plan.tape)
        tape_write(s->plan.tape, b->v, b->n);
    /* jobs before what names them, as the real store's COPY order does */
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].type <= REC_JOB)
            put(s, st, &b->v[i]);
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].type > REC_JOB)
            put(s, st, &b->v[i]);
    for (size_t i = 0; i < st->n_balances; i++)
        if (st->balances[i].amount < 0 &&
            purpose_has_floor(st->balances[i].purpose))
            sim_fail(s, "floor of account %s of party %jd is breached: %jd",
                     purpose_name(st->balances[i].purpose),
                     (intmax_t)st->balances[i].party_id,
                     (intmax_t)st->balances[i].amount);
    batch_clear(b);
}

/* ---- reading back -------------------------------------------------------- */

struct loader {
    struct cell *cell;
    struct error *err;
    int rc;
};

static void give(struct loader *l, const struct record *r)
{
    if (l->rc == 0)
        l->rc = cell_restore(l->cell, r, l->err);
}

static void load_work(const struct store *st, struct loader *l)
{
    struct record r;

    for (size_t i = 1; i < st->n_jobs; i++)
        for (uint32_t t = 0; st->jobs[i].tasks && t < st->jobs[i].r.tasks; t++)
            if (st->jobs[i].tasks[t].state) {
                r.type = REC_TASK;
                r.task = st->jobs[i].tasks[t];
                give(l, &r);
            }
    for (size_t i = 1; i < st->n_windows; i++)
        if (st->windows[i].window_id) {
            r.type = REC_WINDOW;
            r.window = st->windows[i];
            give(l, &r);
        }
    for (size_t i = 1; i < st->n_checks; i++)
        if (st->checks[i].check_id) {
            r.type = REC_CHECK;
            r.check = st->checks[i];
            give(l, &r);
        }
}

int store_load(const struct store *st, struct cell *c, struct error *err)
{
    struct loader l = {c, err, 0};
    struct record r;

    for (size_t i = 1; i < st->n_parties; i++) {
        r.type = REC_PARTY;
        r.party = st->parties[i];
        if (r.party.party_id)
            give(&l, &r);
    }
    r.type = REC_TARIFF;
    r.tariff = st->tariff;
    if (r.tariff.tariff_id)
        give(&l, &r);
    for (size_t i = 1; i < st->n_workers; i++) {
        r.type = REC_WORKER;
        r.worker = st->workers[i];
        give(&l, &r);
    }
    for (size_t i = 1; i < st->n_jobs; i++)
        if (st->jobs[i].tasks) {
            r.type = REC_JOB;
            r.job = st->jobs[i].r;
            give(&l, &r);
        }
    load_work(st, &l);
    for (size_t i = 0; i < st->n_balances; i++) {
        r.type = REC_BALANCE;
        r.balance = st->balances[i];
        give(&l, &r);
    }
    r.type = REC_COUNTER;
    r.counter =
        (struct rec_counter){(int64_t)st->n_jobs,     (int64_t)st->n_windows,
                             (int64_t)st->n_checks,   (int64_t)st->n_verdicts,
                             (int64_t)st->n_billings, (int64_t)st->n_parties,
                             (int64_t)st->n_workers};
    give(&l, &r);
    return l.rc;
}

void store_free(struct store *st)
{
    for (size_t i = 0; i < st->n_jobs; i++) {
        struct store_job *j = &st->jobs[i];

        for (uint32_t t = 0; j->tasks && t < j->r.tasks; t++)
            while (j->results[t]) {
                struct store_result *next = j->results[t]->next;

                free(j->results[t]);
                j->results[t] = next;
            }
        free(j->tasks);
        free(j->results);
        free(j->drawn);
        free((void *)(uintptr_t)j->r.task_units);
    }
    for (size_t i = 0; i < st->transfers.cap; i++)
        free(map_at(&st->transfers, i));
    map_free(&st->transfers);
    free(st->parties);
    free(st->workers);
    free(st->jobs);
    free(st->windows);
    free(st->checks);
    free(st->billings);
    free(st->verdicts);
    free(st->balances);
}
