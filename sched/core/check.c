/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the invariants of a cell, recounted from the ground
 *
 * cheap looks at counters of live jobs only; the full recount walks every
 * task, window, lease, check and balance.
 */
#include "sched/core/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int bug(struct error *err, const char *what, int64_t id, int64_t got,
               int64_t want)
{
    return error_set(err, EINVAL,
                     "%s of %" PRId64 ": counted %" PRId64
                     " but recorded %" PRId64,
                     what, id, got, want);
}

#define SAME(what, id, got, want)                                              \
    do {                                                                       \
        if ((int64_t)(got) != (int64_t)(want))                                 \
            return bug(err, what, id, (int64_t)(got), (int64_t)(want));        \
    } while (0)

static int64_t length(const struct node *head)
{
    int64_t n = 0;

    for (const struct node *i = head->next; i != head; i = i->next)
        n++;
    return n;
}

static int check_sum(const struct job *j, struct error *err)
{
    if (j->done)
        return 0;
    SAME("tasks of job", j->r.job_id,
         (int64_t)j->queued + j->leased + j->r.tasks_done + j->r.tasks_failed +
             j->r.tasks_cancelled,
         j->r.tasks);
    if (j->r.reserved < 0)
        return bug(err, "reserve of job", j->r.job_id, j->r.reserved, 0);
    return 0;
}

static int check_tasks(const struct job *j, struct error *err)
{
    int64_t n[T_CANCELLED + 1] = {0}, id = j->r.job_id;

    if (j->done)
        return 0;
    for (uint32_t t = 0; t < j->r.tasks; t++)
        n[j->tasks[t].state]++;
    SAME("queued tasks of job", id, n[T_QUEUED], j->queued);
    SAME("leased tasks of job", id, n[T_LEASED], j->leased);
    SAME("done tasks of job", id, n[T_DONE], j->r.tasks_done);
    SAME("failed tasks of job", id, n[T_FAILED], j->r.tasks_failed);
    SAME("cancelled tasks of job", id, n[T_CANCELLED], j->r.tasks_cancelled);
    SAME("leases of job", id, length(&j->leases), j->leased);
    return 0;
}

static int check_ready(const struct job *j, struct error *err)
{
    bool want = j->queued > 0 && !j->fenced && !j->done && !j->cancelled &&
                j->r.state != JOB_HELD;
    int64_t waiting = 0;

    if (j->done)
        return 0;
    SAME("readiness of job", j->r.job_id, heap_has(&j->group->ready, j), want);
    for (uint32_t i = j->fresh; i < j->r.tasks; i++)
        waiting += j->tasks[i].state == T_QUEUED;
    for (uint32_t i = 0; i < j->n_retry; i++) {
        bool again = false; /* listed twice, counted once */

        for (uint32_t k = 0; k < i && !again; k++)
            again = j->retry[k] == j->retry[i];
        waiting += !again && j->retry[i] < j->fresh &&
                   j->tasks[j->retry[i]].state == T_QUEUED;
    }
    SAME("reachable tasks of job", j->r.job_id, waiting, j->queued);
    return 0;
}

static int check_money(const struct job *j, struct error *err)
{
    const struct window *w;
    int64_t held = 0;

    if (j->done) {
        SAME("reserve of ended job", j->r.job_id, 0, j->r.reserved);
        SAME("windows of ended job", j->r.job_id, length(&j->windows), 0);
        return 0;
    }
    list_each(w, it, &j->windows, struct window, in_job)
    {
        held += w->r.amount;
    }
    if (j->r.reserved + held + j->r.spent_amount + j->r.spent_fee !=
        j->r.quote_amount + j->r.quote_fee)
        return bug(err, "money of job", j->r.job_id,
                   j->r.reserved + held + j->r.spent_amount + j->r.spent_fee,
                   j->r.quote_amount + j->r.quote_fee);
    return 0;
}

static int check_window(const struct window *w, struct error *err)
{
    int64_t id = w->r.window_id, units = 0, items = 0;
    struct price price;

    SAME("checks of window", id, length(&w->checks), w->pending);
    if (w->r.state > WINDOW_CHECKING) {
        SAME("escrow of closed window", id, 0, w->r.amount);
        return 0;
    }
    for (uint32_t i = 0; i < w->r.tasks; i++) {
        units += w->v[i].units;
        items += w->v[i].items;
        if (w->job->tasks[w->v[i].task].state != T_DONE)
            return bug(err, "a task not done in window", id, w->v[i].task, 0);
    }
    SAME("units of window", id, units, w->r.units);
    SAME("items of window", id, items, w->r.items);
    price_of(w->job, units, &price);
    SAME("escrow of window", id, w->priced ? price.amount : 0, w->r.amount);
    if (w->r.newcomer && w->pending + w->r.equal + w->r.wrong != w->r.drawn)
        return bug(err, "draws of window", id,
                   w->pending + w->r.equal + w->r.wrong, w->r.drawn);
    return 0;
}

static int check_checks(const struct cell *c, struct error *err)
{
    for (size_t i = 0; i < c->checks.cap; i++) {
        const struct check *k = map_at(&c->checks, i);

        if (!k)
            continue;
        if (k->queue == Q_NONE || !list_linked(&k->in_queue))
            return bug(err, "queue of check", k->r.check_id, k->queue, Q_SALT);
        if (k->queue == Q_REFEREE && !list_linked(&k->job->in_referee))
            return bug(err, "referee's queue of check", k->r.check_id, 0, 1);
        if ((k->queue == Q_RIDING) != (k->rider != NULL))
            return bug(err, "rider of check", k->r.check_id, 0, 1);
        if (k->rider && k->rider->job &&
            connected(k->rider->worker->party, k->window->party))
            return bug(err, "own checker of check", k->r.check_id, 0, 1);
    }
    return 0;
}

/* Escrow of every owner is what his open windows hold, reserve of every
 * customer what his jobs hold, and all accounts of a unit add up to zero.
 */
static int check_party(const struct party *p, const char *unit,
                       struct error *err)
{
    int64_t escrow = 0, reserve = 0;
    const struct window *w;
    const struct job *j;

    list_each(w, it, &p->windows, struct window, in_party)
    {
        if (w->job->tariff && !strcmp(w->job->tariff->unit, unit))
            escrow += w->r.amount;
    }
    list_each(j, jt, &p->jobs, struct job, in_party)
    {
        if (j->tariff && !strcmp(j->tariff->unit, unit))
            reserve += j->r.reserved;
    }
    SAME("escrow of party", p->r.party_id, bal_amount(p, ACC_ESCROW, unit),
         escrow);
    SAME("reserve of party", p->r.party_id, bal_amount(p, ACC_RESERVE, unit),
         reserve);
    return 0;
}

static int check_unit(const struct cell *c, const char *unit, struct error *err)
{
    int64_t sum = 0;

    for (size_t i = 0; i < c->parties.cap; i++) {
        const struct party *p = map_at(&c->parties, i);

        if (!p)
            continue;
        for (uint32_t k = 0; k < p->n_bals; k++) {
            const struct bal *b = &p->bals[k];

            if (strcmp(b->unit, unit) != 0)
                continue;
            if (purpose_has_floor(b->purpose) && b->amount < 0)
                return bug(err, "floor of party", p->r.party_id, b->amount, 0);
            sum += purpose_is_debit(b->purpose) ? b->amount : -b->amount;
        }
        if (check_party(p, unit, err) < 0)
            return -1;
    }
    SAME("sum of all accounts", 0, sum, 0);
    return 0;
}

static int check_ledger(const struct cell *c, struct error *err)
{
    for (size_t i = 0; i < c->tariffs.cap; i++) {
        const struct rec_tariff *t = map_at(&c->tariffs, i);

        if (t && (check_unit(c, t->unit, err) < 0 ||
                  check_unit(c, t->credit_unit, err) < 0))
            return -1;
    }
    return 0;
}

static int check_workers(const struct cell *c, struct error *err)
{
    for (size_t i = 0; i < c->workers.cap; i++) {
        const struct worker *w = map_at(&c->workers, i);

        if (w)
            SAME("leases of worker", w->r.worker_id, length(&w->leases),
                 w->n_leases);
    }
    for (size_t i = 0; i < c->leases.cap; i++) {
        const struct live *l = map_at(&c->leases, i);

        if (l && c->now_us > l->deadline_us + c->conf.grace_us)
            return bug(err, "overdue lease", l->lease_id, c->now_us,
                       l->deadline_us);
        if (l && !heap_has(&c->deadlines, l))
            return bug(err, "deadline of lease", l->lease_id, 0, 1);
    }
    return 0;
}

int cell_check(const struct cell *c, bool cheap, struct error *err)
{
    for (size_t i = 0; i < c->jobs.cap; i++) {
        const struct job *j = map_at(&c->jobs, i);

        if (!j)
            continue;
        if (check_sum(j, err) < 0)
            return -1;
        if (!cheap && (check_tasks(j, err) < 0 || check_ready(j, err) < 0 ||
                       check_money(j, err) < 0))
            return -1;
    }
    if (cheap)
        return 0;
    for (size_t i = 0; i < c->windows.cap; i++) {
        const struct window *w = map_at(&c->windows, i);

        if (w && check_window(w, err) < 0)
            return -1;
    }
    if (check_checks(c, err) < 0 || check_workers(c, err) < 0)
        return -1;
    return check_ledger(c, err);
}
