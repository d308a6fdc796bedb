/* SPDX-License-Identifier: Apache-2.0 */
/* effects.c - rows, answers and the memory they live in
 *
 * Rows of parties, workers, jobs and windows are written once per step however
 * often they changed; the escrow of a window follows its units at that moment,
 * so one request makes one posting per window.
 */
#include "sched/core/core.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 65536

struct arena { /* one chunk; the newest first */
    struct arena *next;
    size_t used, cap;
    max_align_t bytes[];
};

void effects_init(struct effects *e)
{
    memset(e, 0, sizeof(*e));
}

void effects_clear(struct effects *e)
{
    struct arena *a = e->arena;

    while (a && a->next) { /* the oldest is an ordinary chunk: keep it */
        struct arena *next = a->next;

        free(a);
        a = next;
    }
    if (a)
        a->used = 0;
    e->arena = a;
    e->n_records = e->n_answers = 0;
    e->wake = e->wake_tasks = false;
    e->next_tick_us = 0;
}

void effects_free(struct effects *e)
{
    effects_clear(e);
    free(e->arena);
    free(e->records);
    free(e->answers);
    memset(e, 0, sizeof(*e));
}

void *arena_alloc(struct cell *c, size_t size)
{
    struct arena *a = c->out->arena;
    void *p;

    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    if (!a || a->cap - a->used < size) {
        size_t cap = size > CHUNK && a ? size : CHUNK;

        if (size > cap) { /* the oldest chunk is always an ordinary one */
            arena_alloc(c, 1);
            return arena_alloc(c, size);
        }
        a = malloc(sizeof(*a) + cap);
        if (!a)
            core_oom(c);
        *a = (struct arena){c->out->arena, 0, cap};
        c->out->arena = a;
    }
    p = (char *)a->bytes + a->used;
    a->used += size;
    return memset(p, 0, size);
}

struct record *emit(struct cell *c, enum record_type type)
{
    struct effects *e = c->out;
    struct record *r;

    e->records = core_grow(c, e->records, sizeof(*e->records), &e->cap_records,
                           e->n_records);
    r = &e->records[e->n_records++];
    memset(r, 0, sizeof(*r));
    r->type = type;
    return r;
}

struct answer *answer_add(struct cell *c, uint64_t req)
{
    struct effects *e = c->out;
    struct answer *a;

    e->answers = core_grow(c, e->answers, sizeof(*e->answers), &e->cap_answers,
                           e->n_answers);
    a = &e->answers[e->n_answers++];
    memset(a, 0, sizeof(*a));
    a->req = req;
    return a;
}

void wake(struct cell *c, bool tasks)
{
    if (!c->out)
        return; /* restoring */
    c->out->wake = true;
    c->out->wake_tasks |= tasks;
}

static void dirty_add(struct cell *c, enum dirty_kind kind, void *obj)
{
    c->dirty =
        core_grow(c, c->dirty, sizeof(*c->dirty), &c->cap_dirty, c->n_dirty);
    c->dirty[c->n_dirty++] = (struct dirty){kind, obj};
}

void dirty_party(struct cell *c, struct party *p)
{
    if (!p->dirty)
        dirty_add(c, DIRTY_PARTY, p);
    p->dirty = true;
}

void dirty_worker(struct cell *c, struct worker *w)
{
    if (!w->dirty)
        dirty_add(c, DIRTY_WORKER, w);
    w->dirty = true;
}

void dirty_job(struct cell *c, struct job *j)
{
    if (!j->dirty)
        dirty_add(c, DIRTY_JOB, j);
    j->dirty = true;
}

void dirty_window(struct cell *c, struct window *w)
{
    if (!w->dirty)
        dirty_add(c, DIRTY_WINDOW, w);
    w->dirty = true;
}

static void write_dirty(struct cell *c, const struct dirty *d)
{
    struct party *p = d->obj;
    struct worker *w = d->obj;
    struct job *j = d->obj;
    struct window *win = d->obj;

    switch ((enum dirty_kind)d->kind) {
    case DIRTY_PARTY:
        p->dirty = false;
        emit(c, REC_PARTY)->party = p->r;
        break;
    case DIRTY_WORKER:
        w->dirty = false;
        w->r.last_seen_us = w->seen_us;
        emit(c, REC_WORKER)->worker = w->r;
        break;
    case DIRTY_JOB: {
        struct rec_job *r = &emit(c, REC_JOB)->job;

        j->dirty = false;
        *r = j->r;
        r->blobs = NULL;
        r->task_units = NULL;
        break;
    }
    case DIRTY_WINDOW:
        win->dirty = false;
        emit(c, REC_WINDOW)->window = win->r;
        break;
    }
}

void dirty_flush(struct cell *c)
{
    /* escrow first: it changes the rows of windows and jobs */
    for (size_t i = 0; i < c->n_dirty; i++)
        if (c->dirty[i].kind == DIRTY_WINDOW)
            window_escrow(c, c->dirty[i].obj);
    for (size_t i = 0; i < c->n_dirty; i++)
        write_dirty(c, &c->dirty[i]);
    c->n_dirty = 0;
}

static uint8_t stored_state(uint8_t now)
{
    static const uint8_t states[] = {
        [T_QUEUED] = TASK_QUEUED,       [T_LEASED] = TASK_QUEUED,
        [T_DONE] = TASK_DONE,           [T_FAILED] = TASK_FAILED,
        [T_CANCELLED] = TASK_CANCELLED,
    };

    return states[now];
}

void emit_task(struct cell *c, struct job *j, uint32_t task, int64_t window_id,
               int64_t units, uint32_t code, int64_t started_us)
{
    const struct task *t = &j->tasks[task];
    struct rec_task *r = &emit(c, REC_TASK)->task;

    r->job_id = j->r.job_id;
    r->task = task;
    r->state = stored_state(t->state);
    r->attempt = t->attempt;
    r->worker_id = t->worker_id;
    r->window_id = window_id;
    r->units = units;
    r->code = code;
    r->started_us = started_us;
    r->ended_us = t->state <= T_LEASED ? 0 : c->now_us;
}

void emit_check(struct cell *c, const struct check *k)
{
    emit(c, REC_CHECK)->check = k->r;
}
