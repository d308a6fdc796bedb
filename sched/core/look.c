/* SPDX-License-Identifier: Apache-2.0 */
/* look.c - looking at a cell, never changing it */
#include "sched/core/core.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool cell_job(const struct cell *c, int64_t job_id, struct rec_job *out)
{
    const struct job *j = job_get(c, job_id);

    if (j)
        *out = j->r;
    return j != NULL;
}

bool cell_worker(const struct cell *c, int64_t worker_id,
                 struct rec_worker *out)
{
    const struct worker *w = worker_get(c, worker_id);

    if (w) {
        *out = w->r;
        out->last_seen_us = w->seen_us;
    }
    return w != NULL;
}

bool cell_party(const struct cell *c, int64_t party_id, struct rec_party *out)
{
    const struct party *p = party_get(c, party_id);

    if (p)
        *out = p->r;
    return p != NULL;
}

/* Running first, then pending by priority, then what has ended. */
static int rank(const struct job *j)
{
    if (j->done)
        return 2;
    return j->r.started_us ? 0 : 1;
}

static int in_order(const void *pa, const void *pb)
{
    const struct job *a = *(struct job *const *)pa;
    const struct job *b = *(struct job *const *)pb;

    if (rank(a) != rank(b))
        return rank(a) < rank(b) ? -1 : 1;
    if (rank(a) == 1 && a->r.nice != b->r.nice)
        return a->r.nice < b->r.nice ? -1 : 1;
    return a->r.job_id < b->r.job_id ? -1 : a->r.job_id > b->r.job_id;
}

void cell_each_job(const struct cell *c,
                   bool (*fn)(void *arg, const struct rec_job *job), void *arg)
{
    struct job **v = malloc((c->jobs.n + 1) * sizeof(*v));
    size_t n = 0;

    if (!v)
        return;
    for (size_t i = 0; i < c->jobs.cap; i++)
        if (map_at(&c->jobs, i))
            v[n++] = map_at(&c->jobs, i);
    qsort(v, n, sizeof(*v), in_order);
    for (size_t i = 0; i < n && fn(arg, &v[i]->r); i++)
        ;
    free(v);
}

void cell_each_lease(const struct cell *c,
                     bool (*fn)(void *arg, const struct lease *lease),
                     void *arg)
{
    for (size_t i = 0; i < c->leases.cap; i++) {
        const struct live *l = map_at(&c->leases, i);
        struct lease out = {0};

        if (!l)
            continue;
        out.epoch = l->epoch;
        out.lease_id = l->lease_id;
        out.worker_id = l->worker->r.worker_id;
        out.job_id = l->job ? l->job->r.job_id : 0;
        out.task = l->task;
        out.attempt = l->attempt;
        out.granted_us = l->granted_us;
        out.deadline_us = l->deadline_us;
        out.n_items = l->n_items;
        if (!fn(arg, &out))
            return;
    }
}

static int by_id(const void *pa, const void *pb)
{
    const struct worker *a = *(struct worker *const *)pa;
    const struct worker *b = *(struct worker *const *)pb;

    return a->r.worker_id < b->r.worker_id ? -1
                                           : a->r.worker_id > b->r.worker_id;
}

void cell_each_worker(const struct cell *c,
                      bool (*fn)(void *arg, const struct worker_view *w),
                      void *arg)
{
    struct worker **v = malloc((c->workers.n + 1) * sizeof(*v));
    bool more = true;
    size_t n = 0;

    if (!v)
        return;
    for (size_t i = 0; i < c->workers.cap; i++)
        if (map_at(&c->workers, i))
            v[n++] = map_at(&c->workers, i);
    qsort(v, n, sizeof(*v), by_id);
    for (size_t i = 0; i < n && more; i++) {
        struct worker_view view = {v[i]->r, v[i]->offer, v[i]->n_leases,
                                   v[i]->seen_us};

        more = fn(arg, &view);
    }
    free(v);
}

/* ---- explain ------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void say(char *out, size_t len,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(out, len, fmt, ap);
    va_end(ap);
}

static enum why job_why(const struct job *j)
{
    if (j->done)
        return WHY_ENDED;
    if (j->r.state == JOB_HELD)
        return WHY_HELD;
    if (j->queued == 0)
        return WHY_NO_TASK;
    return j->fenced ? WHY_FENCED : WHY_NOT;
}

static enum why pair_why(const struct cell *c, const struct worker *w,
                         const struct job *j)
{
    enum why why = job_why(j);

    if (why == WHY_NOT)
        why = match_why(c, w, j);
    if (why == WHY_NOT)
        why = match_room(c, w, offer_estimate(w, j, job_task_units(j, 0)));
    return why;
}

/* A job that ended its work waits for checks: say for whose answer. */
static void explain_checks(const struct cell *c, const struct job *j, char *out,
                           size_t len)
{
    bool referee = false;

    for (size_t i = 0; i < c->workers.cap; i++) {
        const struct worker *w = map_at(&c->workers, i);

        referee |= w && w->r.referee && w->r.state == WORKER_ACTIVE &&
                   w->offer.cores > 0 &&
                   offer_kernel(&w->offer, j->r.kernel, &j->r.spec);
    }
    say(out, len, "job %" PRId64 ": %" PRIu32 " drawn items wait for %s",
        j->r.job_id, j->n_checks,
        referee ? "the referee's answer"
                : "a referee: none offers the job's kernel");
}

static void explain_job(const struct cell *c, const struct job *j, char *out,
                        size_t len)
{
    enum why why = job_why(j), best = WHY_NOT;
    size_t seen = 0;

    if (j->r.state == JOB_COMPLETING && j->n_checks) {
        explain_checks(c, j, out, len);
        return;
    }
    for (size_t i = 0; i < c->workers.cap && why == WHY_NOT; i++) {
        const struct worker *w = map_at(&c->workers, i);
        enum why one;

        if (!w || w->r.referee)
            continue;
        seen++;
        one = pair_why(c, w, j);
        if (seen == 1 || one == WHY_NOT || (best != WHY_NOT && one > best))
            best = one; /* the worker that came closest */
    }
    if (why == WHY_NOT && seen == 0)
        say(out, len, "job %" PRId64 ": no worker has enrolled", j->r.job_id);
    else
        say(out, len, "job %" PRId64 ": %s", j->r.job_id,
            why_text(why == WHY_NOT ? best : why));
}

static void explain_worker(const struct cell *c, const struct worker *w,
                           char *out, size_t len)
{
    enum why best = WHY_NO_TASK;
    bool any = false;

    for (size_t i = 0; i < c->jobs.cap; i++) {
        const struct job *j = map_at(&c->jobs, i);
        enum why one;

        if (!j || j->done || j->queued == 0)
            continue;
        one = pair_why(c, w, j);
        if (!any || one == WHY_NOT || (best != WHY_NOT && one > best))
            best = one;
        any = true;
    }
    if (w->r.state != WORKER_ACTIVE)
        best = WHY_LOCKED;
    say(out, len, "worker %" PRId64 ": %s", w->r.worker_id,
        !any && w->r.state == WORKER_ACTIVE ? "there is no work"
                                            : why_text(best));
}

void cell_explain(const struct cell *c, int64_t job_id, int64_t worker_id,
                  char *out, size_t len)
{
    const struct job *j = job_id ? job_get(c, job_id) : NULL;
    const struct worker *w = worker_id ? worker_get(c, worker_id) : NULL;

    if (job_id && !j)
        say(out, len, "there is no job %" PRId64 " in memory", job_id);
    else if (worker_id && !w)
        say(out, len, "there is no worker %" PRId64, worker_id);
    else if (j && w)
        say(out, len, "job %" PRId64 ", worker %" PRId64 ": %s", job_id,
            worker_id, why_text(pair_why(c, w, j)));
    else if (j)
        explain_job(c, j, out, len);
    else if (w)
        explain_worker(c, w, out, len);
    else
        say(out, len, "name a job or a worker");
}
