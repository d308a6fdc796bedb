/* SPDX-License-Identifier: Apache-2.0 */
/* match.c - which job a worker may serve, and why not
 *
 * The predicates are ordered; cell_explain() names the first that fails.
 */
#include "sched/core/core.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000)

const char *why_text(enum why why)
{
    static const char *const texts[] = {
        [WHY_NOT] = "nothing stands in the way",
        [WHY_ENDED] = "the job has ended",
        [WHY_HELD] = "the job is held",
        [WHY_NO_TASK] = "every task is leased or done",
        [WHY_FENCED] = "the cell has just started and waits for workers to "
                       "present the leases they hold",
        [WHY_LOCKED] = "the worker is locked out or retired",
        [WHY_NO_OFFER] = "the worker has offered nothing since the cell "
                         "started",
        [WHY_REFEREE] = "the referee only checks",
        [WHY_BACKOFF] =
            "the worker's last leases failed or lapsed; it waits a while",
        [WHY_AHEAD] = "the worker holds as many leases as it may",
        [WHY_KERNEL] = "the worker does not offer this kernel with this digest",
        [WHY_ZONE] = "the zones of the job and of the worker do not meet",
        [WHY_FLOOR] = "the tariff is below the worker's floor price",
        [WHY_MINUTES] = "the task cannot end inside the time the worker offers",
        [WHY_TOO_LONG] = "the task takes longer than the longest lease",
    };

    return texts[why];
}

enum why match_why(const struct cell *c, const struct worker *w,
                   const struct job *j)
{
    bool own = connected(w->party, j->customer);
    int zone = zone_rank(w->offer.zone), need = own ? ZONE_OWN : ZONE_CELL;

    if (w->r.state != WORKER_ACTIVE || w->party->r.locked)
        return WHY_LOCKED;
    if (w->r.referee)
        return WHY_REFEREE;
    if (w->offer.cores == 0)
        return WHY_NO_OFFER;
    if (w->not_before_us > c->now_us)
        return WHY_BACKOFF;
    if (!offer_kernel(&w->offer, j->r.kernel, &j->r.spec))
        return WHY_KERNEL;
    if (need > zone || need > zone_rank(j->r.zone))
        return WHY_ZONE;
    if (!own && j->tariff && j->tariff->price_micro < w->offer.floor_micro)
        return WHY_FLOOR;
    return WHY_NOT;
}

enum why match_room(const struct cell *c, const struct worker *w,
                    int64_t est_us)
{
    int64_t cores = w->offer.cores, after;
    bool tiny = est_us > 0 && w->queued_us + est_us <= cores * SECOND;

    if (w->n_leases >= cores * c->conf.ahead &&
        (!tiny || w->n_leases >= 2 * c->conf.batch_max))
        return WHY_AHEAD;
    after = (w->queued_us + est_us) / cores;
    if (after < est_us)
        after = est_us;
    if (w->offer.seconds > 0 && after > w->offer.seconds * SECOND)
        return WHY_MINUTES;
    if (est_us > c->conf.lease_max_us)
        return WHY_TOO_LONG;
    return WHY_NOT;
}

static bool earlier(const struct job *a, const struct job *b)
{
    if (!b || a->r.nice != b->r.nice)
        return !b || a->r.nice < b->r.nice;
    return a->r.job_id < b->r.job_id;
}

/* Whether the job's next task fits w now: tasks of a job are alike. */
static bool fits(const struct cell *c, const struct worker *w,
                 const struct job *j)
{
    int64_t est = offer_estimate(w, j, job_task_units(j, 0));

    return match_why(c, w, j) == WHY_NOT && match_room(c, w, est) == WHY_NOT;
}

/* A worker that serves its owner alone looks at its owner's jobs. */
static struct job *best_own(const struct cell *c, const struct worker *w)
{
    struct job *best = NULL, *j;
    struct party *p;

    list_each(p, it, &w->party->benef->parties, struct party, in_benef)
    {
        list_each(j, jt, &p->jobs, struct job, in_party)
        {
            if (j->group && heap_has(&j->group->ready, j) && earlier(j, best) &&
                fits(c, w, j))
                best = j;
        }
    }
    return best;
}

struct job *match_best(const struct cell *c, const struct worker *w)
{
    struct job *best = NULL;
    struct group *g;

    if (zone_rank(w->offer.zone) < ZONE_CELL)
        return best_own(c, w);
    list_each(g, it, &c->groups, struct group, in_cell)
    {
        struct job *j = heap_top(&g->ready);

        if (j && (!g->own || g->own == w->party->benef) && earlier(j, best) &&
            fits(c, w, j))
            best = j;
    }
    return best;
}
