/* SPDX-License-Identifier: Apache-2.0 */
/* dump.c - every row of a cell as it stands */
#include "sched/core/core.h"

#include <stdlib.h>
#include <string.h>

struct rows {
    struct record *v;
    size_t n, cap;
    bool oom;
};

static struct record *row(struct rows *rows, enum record_type type)
{
    static struct record nowhere; /* written, never read */
    struct record *r;

    if (rows->n == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : 64;
        struct record *v = realloc(rows->v, cap * sizeof(*v));

        if (!v) {
            rows->oom = true;
            return &nowhere;
        }
        rows->v = v;
        rows->cap = cap;
    }
    r = &rows->v[rows->n++];
    memset(r, 0, sizeof(*r));
    r->type = type;
    return r;
}

static uint8_t stored(uint8_t state)
{
    switch (state) {
    case T_DONE: return TASK_DONE;
    case T_FAILED: return TASK_FAILED;
    case T_CANCELLED: return TASK_CANCELLED;
    default: return TASK_QUEUED;
    }
}

static void tasks(struct rows *rows, const struct job *j)
{
    for (uint32_t t = 0; t < j->r.tasks && !j->done; t++) {
        const struct task *task = &j->tasks[t];
        struct record *r;

        if (stored(task->state) == TASK_QUEUED && task->attempt == 0)
            continue;
        r = row(rows, REC_TASK);
        r->task.job_id = j->r.job_id;
        r->task.task = t;
        r->task.state = stored(task->state);
        r->task.attempt = task->attempt;
        if (task->state == T_DONE)
            r->task.worker_id = task->worker_id;
    }
}

static void balances(struct rows *rows, const struct party *p)
{
    for (uint32_t i = 0; i < p->n_bals; i++)
        if (p->bals[i].amount != 0) {
            struct rec_balance *b = &row(rows, REC_BALANCE)->balance;

            b->party_id = p->r.party_id;
            b->purpose = p->bals[i].purpose;
            memcpy(b->unit, p->bals[i].unit, sizeof(b->unit));
            b->amount = p->bals[i].amount;
        }
}

static void gather(struct rows *rows, const struct cell *c)
{
    for (size_t i = 0; i < c->parties.cap; i++)
        if (map_at(&c->parties, i)) {
            const struct party *p = map_at(&c->parties, i);

            row(rows, REC_PARTY)->party = p->r;
            balances(rows, p);
        }
    for (size_t i = 0; i < c->workers.cap; i++)
        if (map_at(&c->workers, i))
            row(rows, REC_WORKER)->worker =
                ((struct worker *)map_at(&c->workers, i))->r;
    for (size_t i = 0; i < c->jobs.cap; i++)
        if (map_at(&c->jobs, i)) {
            const struct job *j = map_at(&c->jobs, i);
            struct rec_job *r = &row(rows, REC_JOB)->job;

            *r = j->r;
            r->blobs = NULL;
            r->task_units = NULL;
            tasks(rows, j);
        }
    for (size_t i = 0; i < c->windows.cap; i++)
        if (map_at(&c->windows, i))
            row(rows, REC_WINDOW)->window =
                ((struct window *)map_at(&c->windows, i))->r;
    for (size_t i = 0; i < c->checks.cap; i++)
        if (map_at(&c->checks, i))
            row(rows, REC_CHECK)->check =
                ((struct check *)map_at(&c->checks, i))->r;
}

/* First and second part of a row's key. */
static void key(const struct record *r, int64_t k[2])
{
    k[1] = 0;
    switch (r->type) {
    case REC_PARTY: k[0] = r->party.party_id; break;
    case REC_WORKER: k[0] = r->worker.worker_id; break;
    case REC_JOB: k[0] = r->job.job_id; break;
    case REC_TASK:
        k[0] = r->task.job_id;
        k[1] = r->task.task;
        break;
    case REC_WINDOW: k[0] = r->window.window_id; break;
    case REC_CHECK: k[0] = r->check.check_id; break;
    case REC_BALANCE:
        k[0] = r->balance.party_id;
        k[1] = r->balance.purpose;
        break;
    default: k[0] = 0; break;
    }
}

static int in_order(const void *pa, const void *pb)
{
    const struct record *a = pa, *b = pb;
    int64_t ka[2], kb[2];

    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    key(a, ka);
    key(b, kb);
    for (int i = 0; i < 2; i++)
        if (ka[i] != kb[i])
            return ka[i] < kb[i] ? -1 : 1;
    return a->type == REC_BALANCE ? strcmp(a->balance.unit, b->balance.unit)
                                  : 0;
}

int cell_dump(const struct cell *c,
              void (*fn)(void *arg, const struct record *r), void *arg)
{
    struct rows rows = {NULL, 0, 0, false};

    gather(&rows, c);
    if (!rows.oom && rows.n > 0) {
        qsort(rows.v, rows.n, sizeof(*rows.v), in_order);
        for (size_t i = 0; i < rows.n; i++)
            fn(arg, &rows.v[i]);
    }
    free(rows.v);
    return rows.oom ? -1 : 0;
}
