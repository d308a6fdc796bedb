/* SPDX-License-Identifier: Apache-2.0 */
/* restore.c - the state the last COMMIT left, from its rows
 *
 * Leases are soft and come back with the workers that hold their tokens; until
 * the fence is over no task that may be leased is leased again.
 */
#include "sched/core/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int orphan(struct error *err, const char *what, int64_t id,
                  const char *of, int64_t of_id)
{
    return error_set(err, EBADMSG,
                     "%s %" PRId64 " names %s %" PRId64 ", which is not there",
                     what, id, of, of_id);
}

static int restore_job(struct cell *c, const struct rec_job *r,
                       struct error *err)
{
    struct job *j;

    if (!party_get(c, r->party_id))
        return orphan(err, "job", r->job_id, "party", r->party_id);
    if (r->tariff_id && !map_get(&c->tariffs, (uint64_t)r->tariff_id))
        return orphan(err, "job", r->job_id, "tariff", r->tariff_id);
    if (job_get(c, r->job_id))
        return error_set(err, EBADMSG, "job %" PRId64 " is there twice",
                         r->job_id);
    j = job_put(c, r);
    j->cancelled = !strcmp(r->reason, "cancelled");
    j->done = r->state == JOB_COMPLETED || r->state == JOB_CANCELLED ||
              r->state == JOB_FAILED;
    if (j->done) {
        j->queued = 0;
        list_del(&j->in_party);
        list_add(&c->ended, &j->in_ended);
    }
    return 0;
}

static int restore_task(struct cell *c, const struct rec_task *r,
                        struct error *err)
{
    static const uint8_t now[] = {
        [TASK_QUEUED] = T_QUEUED,
        [TASK_DONE] = T_DONE,
        [TASK_FAILED] = T_FAILED,
        [TASK_CANCELLED] = T_CANCELLED,
    };
    struct job *j = job_get(c, r->job_id);
    struct task *t;

    if (!j)
        return orphan(err, "task", r->task, "job", r->job_id);
    if (r->task >= j->r.tasks || r->state < TASK_QUEUED ||
        r->state > TASK_CANCELLED)
        return error_set(err, EBADMSG,
                         "task %" PRIu32 " of job %" PRId64 " is out of bounds",
                         r->task, r->job_id);
    t = &j->tasks[r->task];
    t->attempt = r->attempt;
    t->worker_id = r->worker_id;
    t->state = now[r->state];
    if (t->state != T_QUEUED && !j->done)
        j->queued--;
    if (t->state == T_DONE && r->window_id && !j->done) {
        c->rows =
            core_grow(c, c->rows, sizeof(*c->rows), &c->cap_rows, c->n_rows);
        c->rows[c->n_rows++] =
            (struct wtask_row){r->window_id, r->job_id, r->units, r->task};
    }
    return 0;
}

static int restore_window(struct cell *c, const struct rec_window *r,
                          struct error *err)
{
    struct window *w;

    if (r->window_id >= c->next.next_window)
        c->next.next_window = r->window_id + 1;
    if (r->state == WINDOW_VERIFIED)
        return 0;
    if (!job_get(c, r->job_id))
        return r->state == WINDOW_REJECTED
                   ? 0
                   : orphan(err, "window", r->window_id, "job", r->job_id);
    if (!worker_get(c, r->worker_id))
        return orphan(err, "window", r->window_id, "worker", r->worker_id);
    w = window_put(c, r);
    if (r->state <= WINDOW_CHECKING && r->tasks > 0) {
        w->cap_v = r->tasks;
        w->v = core_alloc(c, r->tasks * sizeof(*w->v));
    }
    if (w->priced && r->amount > 0)
        due_add(c, w, r->amount);
    return 0;
}

static void restore_check(struct cell *c, const struct rec_check *r)
{
    struct window *w = map_get(&c->windows, (uint64_t)r->window_id);

    if (r->check_id >= c->next.next_check)
        c->next.next_check = r->check_id + 1;
    if ((r->state == CHECK_PENDING || r->state == CHECK_DISPUTED) && w)
        check_put(c, r);
}

static int restore_balance(struct cell *c, const struct rec_balance *r,
                           struct error *err)
{
    struct party *p = party_get(c, r->party_id);

    if (!p)
        return orphan(err, "account", r->purpose, "party", r->party_id);
    bal_get(c, p, r->purpose, r->unit)->amount = r->amount;
    return 0;
}

static void raise(int64_t *at, int64_t to)
{
    if (to > *at)
        *at = to;
}

static void restore_counter(struct cell *c, const struct rec_counter *r)
{
    raise(&c->next.next_job, r->next_job);
    raise(&c->next.next_window, r->next_window);
    raise(&c->next.next_check, r->next_check);
    raise(&c->next.next_verdict, r->next_verdict);
    raise(&c->next.next_billing, r->next_billing);
    raise(&c->next.next_party, r->next_party);
    raise(&c->next.next_worker, r->next_worker);
}

static int restore_one(struct cell *c, const struct record *r,
                       struct error *err)
{
    switch (r->type) {
    case REC_PARTY: party_put(c, &r->party); return 0;
    case REC_TARIFF: tariff_put(c, &r->tariff); return 0;
    case REC_WORKER:
        if (!party_get(c, r->worker.party_id))
            return orphan(err, "worker", r->worker.worker_id, "party",
                          r->worker.party_id);
        worker_put(c, &r->worker);
        return 0;
    case REC_JOB: return restore_job(c, &r->job, err);
    case REC_TASK: return restore_task(c, &r->task, err);
    case REC_WINDOW: return restore_window(c, &r->window, err);
    case REC_CHECK: restore_check(c, &r->check); return 0;
    case REC_BALANCE: return restore_balance(c, &r->balance, err);
    case REC_COUNTER: restore_counter(c, &r->counter); return 0;
    case REC_RESULT:
    case REC_VERDICT:
    case REC_BILLING:
    case REC_TRANSFER:
    case REC_SEQ:
    case REC_TOKEN:
    case REC_BLOB:
    case REC_TYPES: break; /* nothing a decision needs */
    }
    return 0;
}

int cell_restore(struct cell *c, const struct record *r, struct error *err)
{
    jmp_buf oom;
    int rc;

    if (setjmp(oom))
        return error_set(err, ENOMEM, "out of memory");
    c->oom = &oom;
    rc = restore_one(c, r, err);
    c->oom = NULL;
    return rc;
}

/* ---- when all rows are there -------------------------------------------- */

static int fill_windows(struct cell *c, struct error *err)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct wtask_row *r = &c->rows[i];
        struct window *w = map_get(&c->windows, (uint64_t)r->window_id);

        if (!w || w->r.state > WINDOW_CHECKING)
            continue;
        if (w->filled == w->r.tasks || w->r.job_id != r->job_id)
            return error_set(err, EBADMSG,
                             "window %" PRId64 " of %" PRIu32
                             " tasks is claimed by one more",
                             w->r.window_id, w->r.tasks);
        w->v[w->filled++] =
            (struct wtask){r->task, job_task_items(w->job, r->task), r->units};
    }
    free(c->rows);
    c->rows = NULL;
    c->n_rows = c->cap_rows = 0;
    for (size_t i = 0; i < c->windows.cap; i++) {
        const struct window *w = map_at(&c->windows, i);

        if (w && w->r.state <= WINDOW_CHECKING && w->filled != w->r.tasks)
            return error_set(err, EBADMSG,
                             "window %" PRId64 " counts %" PRIu32
                             " tasks but %" PRIu32 " are there",
                             w->r.window_id, w->r.tasks, w->filled);
    }
    return 0;
}

static int count_tasks(struct cell *c, struct job *j, struct error *err)
{
    uint32_t ended = j->r.tasks_done + j->r.tasks_failed;

    for (uint32_t t = 0; j->cancelled && t < j->r.tasks; t++)
        if (j->tasks[t].state == T_QUEUED) { /* the job's row says so */
            j->tasks[t].state = T_CANCELLED;
            j->queued--;
        }
    if (j->queued != j->r.tasks - ended - j->r.tasks_cancelled)
        return error_set(err, EBADMSG,
                         "job %" PRId64 " has %" PRIu32
                         " tasks left, its row says otherwise",
                         j->r.job_id, j->queued);
    j->fenced = j->r.started_us > 0 && j->queued > 0 && c->conf.fence_us > 0;
    return 0;
}

static int ready_jobs(struct cell *c, int64_t now_us, struct error *err)
{
    for (size_t i = 0; i < c->jobs.cap; i++) {
        struct job *j = map_at(&c->jobs, i);

        if (!j)
            continue;
        if (!j->done && count_tasks(c, j, err) < 0)
            return -1;
        if (j->fenced)
            c->fence_us = now_us + c->conf.fence_us;
        if (!j->done) {
            queue_join(c, j);
            queue_ready(c, j);
        }
        if (j->queued == 0)
            check_salt_to_referee(c, j);
    }
    return 0;
}

static void drop_idle_windows(struct cell *c)
{
    size_t n = 0;
    struct window **v =
        core_alloc(c, (c->windows.n + 1) * sizeof(struct window *));

    for (size_t i = 0; i < c->windows.cap; i++)
        if (map_at(&c->windows, i))
            v[n++] = map_at(&c->windows, i);
    for (size_t i = 0; i < n; i++)
        window_release(c, v[i]);
    free(v);
    for (size_t i = 0; i < c->n_grave; i++)
        free(c->grave[i]);
    c->n_grave = 0;
}

int cell_restored(struct cell *c, int64_t now_us, struct error *err)
{
    jmp_buf oom;

    if (setjmp(oom))
        return error_set(err, ENOMEM, "out of memory");
    c->oom = &oom;
    c->now_us = now_us;
    if (fill_windows(c, err) < 0 || ready_jobs(c, now_us, err) < 0)
        return -1;
    drop_idle_windows(c);
    c->oom = NULL;
    return cell_check(c, false, err);
}
