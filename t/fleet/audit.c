/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - what must hold: at every step, after a crash, at the end */
#include <stdlib.h>
#include <string.h>

#include "t/fleet/fleet.h"

#define RECOUNT_STEPS 1000
#define UNCHECKED_TASKS 24

void audit_step(struct sim *s)
{
    bool full = s->out.steps % RECOUNT_STEPS == 0;
    struct error err;

    if (cell_check(s->ctl.cell, !full, &err) < 0)
        sim_fail(s, "after step %ju: %s", (uintmax_t)s->out.steps, err.text);
}

/* ---- a restart changes nothing ------------------------------------------- */

struct dump {
    struct record *v;
    size_t n, cap;
};

static void take(void *arg, const struct record *r)
{
    struct dump *d = arg;

    if (r->type == REC_JOB && r->job.ended_us > 0)
        return; /* a live cell forgets them after a while */
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 256;
        d->v = realloc(d->v, d->cap * sizeof(*d->v));
        if (!d->v)
            abort();
    }
    d->v[d->n++] = *r;
}

static void compare(struct sim *s, const struct dump *a, const struct dump *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (memcmp(&a->v[i], &b->v[i], sizeof(a->v[i])) == 0)
            continue;
        sim_fail(s,
                 "a restart would change row %zu, of type %d (first id %jd, "
                 "after it %d, %jd)",
                 i, (int)a->v[i].type, (intmax_t)a->v[i].job.job_id,
                 (int)b->v[i].type, (intmax_t)b->v[i].job.job_id);
        return;
    }
    if (a->n != b->n)
        sim_fail(s, "a restart would leave %zu of %zu rows", b->n, a->n);
}

void audit_restore(struct sim *s)
{
    struct dump live = {NULL, 0, 0}, twin = {NULL, 0, 0};
    struct cell_conf conf = s->ctl.conf;
    struct cell *c;
    struct error err;

    conf.epoch++;
    c = cell_create(&conf);
    if (!c)
        abort();
    if (store_load(&s->store, c, &err) < 0 ||
        cell_restored(c, s->now, &err) < 0) {
        sim_fail(s, "a restart now would fail: %s", err.text);
    } else {
        cell_dump(s->ctl.cell, take, &live);
        cell_dump(c, take, &twin);
        compare(s, &live, &twin);
        s->out.equal_restores++;
    }
    free(live.v);
    free(twin.v);
    cell_destroy(c);
}

/* ---- the end ---------------------------------------------------------------
 */

static const struct store_result *accepted(const struct store_job *j,
                                           uint32_t task)
{
    const struct rec_task *t = &j->tasks[task];
    const struct store_result *r;

    for (r = j->results[task]; r; r = r->next)
        if (r->attempt == t->attempt && r->worker_id == t->worker_id &&
            r->window_id == t->window_id)
            return r;
    return NULL;
}

/* Every task that is done lies in one verified window, with its result. */
static void audit_tasks(struct sim *s, struct rec_window *seen)
{
    const struct store *st = &s->store;

    for (size_t i = 1; i < st->n_jobs; i++) {
        const struct store_job *j = &st->jobs[i];

        if (j->r.state == JOB_FAILED && s->out.n[OVERQUOTE] < 2)
            sim_fail(s, "job %zu failed: %s", i, j->r.reason);
        for (uint32_t t = 0; j->tasks && t < j->r.tasks; t++) {
            const struct rec_task *task = &j->tasks[t];
            const struct store_result *r;

            if (task->state != TASK_DONE)
                continue;
            r = accepted(j, t);
            if (!r || (size_t)task->window_id >= st->n_windows ||
                st->windows[task->window_id].state != WINDOW_VERIFIED) {
                sim_fail(s, "task %u of job %zu is done but not verified", t,
                         i);
                return;
            }
            seen[task->window_id].tasks++;
            seen[task->window_id].units += task->units;
            s->out.bad_items += r->wrong;
            s->out.done_tasks++;
            s->out.checked_tasks += j->drawn[t];
        }
        s->out.done_items += (uint64_t)j->r.tasks_done * j->r.items_per_task;
        s->out.checked_items += j->r.checked_items;
        s->out.caught_items += j->r.caught_items;
        s->out.spent += j->r.spent_amount + j->r.spent_fee;
    }
}

/* No item is paid twice: a window's lines are its tasks' and nothing else. */
static void audit_windows(struct sim *s)
{
    const struct store *st = &s->store;
    struct rec_window *seen = must_alloc(st->n_windows * sizeof(*seen));

    audit_tasks(s, seen);
    for (size_t i = 1; i < st->n_billings; i++) {
        const struct rec_billing *b = &st->billings[i];

        if (b->purpose != BILL_PRIMARY)
            continue;
        if (seen[b->window_id].items++)
            sim_fail(s, "window %jd is billed twice", (intmax_t)b->window_id);
    }
    for (size_t i = 1; i < st->n_windows; i++) {
        const struct rec_window *w = &st->windows[i];

        if (!w->window_id)
            continue;
        s->out.draws += w->drawn;
        if (w->state == WINDOW_VERIFIED &&
            (w->tasks != seen[i].tasks || w->units != seen[i].units ||
             (seen[i].items != 0) != (w->tasks > 0)))
            sim_fail(s, "window %zu counts %u tasks, but %u name it", i,
                     w->tasks, seen[i].tasks);
        if (w->state != WINDOW_VERIFIED && w->state != WINDOW_REJECTED)
            sim_fail(s, "window %zu is still open", i);
        if (w->amount != 0)
            sim_fail(s, "window %zu is closed with escrow", i);
    }
    free(seen);
}

static void audit_ledger(struct sim *s)
{
    static const char *const units[] = {"USD", "CPUC"};
    const struct store *st = &s->store;

    for (size_t u = 0; u < 2; u++) {
        int64_t sum = 0;

        for (size_t i = 0; i < st->n_balances; i++)
            if (!strcmp(st->balances[i].unit, units[u]))
                sum += purpose_is_debit(st->balances[i].purpose)
                           ? st->balances[i].amount
                           : -st->balances[i].amount;
        if (sum != 0)
            sim_fail(s, "accounts in %s add up to %jd", units[u],
                     (intmax_t)sum);
    }
    for (size_t i = 1; i < st->n_parties; i++) {
        int64_t id = (int64_t)i, pay = 0, credit = 0;

        for (size_t b = 1; b < st->n_billings; b++) {
            const struct rec_billing *l = &st->billings[b];

            if (l->owner != id)
                continue;
            pay += l->purpose == BILL_CHECK_FEE ? -l->amount : l->amount;
            credit += l->credit_micro;
        }
        if (store_balance(st, id, ACC_PAYABLE, "USD") != pay)
            sim_fail(s, "party %jd is owed %jd but its lines say %jd",
                     (intmax_t)id,
                     (intmax_t)store_balance(st, id, ACC_PAYABLE, "USD"),
                     (intmax_t)pay);
        if (store_balance(st, id, ACC_QTY_EARNED, "CPUC") != credit)
            sim_fail(s, "credits of party %jd differ from its lines",
                     (intmax_t)id);
        if (store_balance(st, id, ACC_ESCROW, "USD") != 0 ||
            store_balance(st, id, ACC_RESERVE, "USD") != 0)
            sim_fail(s, "party %jd has escrow or reserve left", (intmax_t)id);
    }
    s->out.verify_cost = store_balance(st, 1, ACC_VERIFY_COST, "USD");
}

static bool plays_fair(enum strategy st)
{
    return st == HONEST || st == ZOMBIE || st == REPLAY;
}

static void audit_verdicts(struct sim *s)
{
    const struct store *st = &s->store;

    for (size_t i = 1; i < st->n_verdicts; i++) {
        const struct rec_verdict *v = &st->verdicts[i];
        bool wrong = v->kind == VERDICT_WRONG;

        s->out.verdicts_error += !wrong;
        s->out.verdicts_wrong += wrong;
        if (!plays_fair(s->of_party[v->party_id]))
            continue;
        s->out.false_verdicts++;
        s->out.false_forfeits += wrong;
        sim_fail(s, "an honest owner, party %jd, was found wrong",
                 (intmax_t)v->party_id);
    }
    for (size_t i = 1; i < st->n_parties; i++)
        if (st->parties[i].locked && plays_fair(s->of_party[i]))
            sim_fail(s, "an honest owner, party %zu, is locked out", i);
}

static void audit_income(struct sim *s)
{
    for (unsigned i = 1; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        int64_t pay = store_balance(&s->store, a->party_id, ACC_PAYABLE, "USD");

        s->out.seconds[a->strategy] += a->busy_us;
        if (i > 1 && s->agents[i - 1].party_id == a->party_id)
            continue;              /* another machine of the same owner */
        if (a->strategy == SELF) { /* what he paid himself is no income */
            int64_t left = store_balance(&s->store, s->puppet[a->party_id],
                                         ACC_PREPAID, "USD");

            pay -= PUPPET_FUNDS - left;
        }
        s->out.income[a->strategy] += pay;
        if ((a->strategy == ALWAYS || a->strategy == OVERQUOTE) && pay != 0)
            sim_fail(s, "party %jd plays \"%s\" and earned %jd",
                     (intmax_t)a->party_id, strategy_name(a->strategy),
                     (intmax_t)pay);
    }
}

void audit_end(struct sim *s)
{
    struct error err;

    if (cell_check(s->ctl.cell, false, &err) < 0)
        sim_fail(s, "at the end: %s", err.text);
    audit_restore(s);
    audit_windows(s);
    audit_ledger(s);
    audit_verdicts(s);
    audit_income(s);
    /* what sampling promises: at q = 0.3, which one customer's escrow buys,
     * 24 tasks in a row stay unchecked once in 5,000 times
     */
    if (s->out.bad_items >
        s->out.done_items / 1000 + UNCHECKED_TASKS * s->plan.items_max)
        sim_fail(s, "%ju of %ju delivered items are bad",
                 (uintmax_t)s->out.bad_items, (uintmax_t)s->out.done_items);
}
