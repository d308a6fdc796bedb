/* SPDX-License-Identifier: Apache-2.0 */
/* cell.c - the only door: an event in, effects out
 *
 * A step ends what is overdue, then takes the event, then writes the rows that
 * changed, then frees what ended.
 */
#include "sched/core/core.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)

void cell_conf_default(struct cell_conf *c)
{
    *c = (struct cell_conf){
        .cell_name = "cell",
        .cell_party = 1,
        .epoch = 1,
        .window_new = 20,
        .window_tasks = 50,
        .new_equal_items = 128,
        .draw_items = 8,
        .mu_ppm = 1500000,
        .detect_ppm = 569533,
        .gang_ppm = 200000,
        .q_min_ppm = 10000,
        .referee_ppm = 200000,
        .one_customer_ppm = 200000,
        .strict_tasks = 50,
        .check_fee_above_ppm = 300000,
        .speed_cap_ppm = 1250000,
        .referee_after_us = 3600 * SECOND,
        .referee_batch = 256,
        .window_max_us = 24 * 3600 * SECOND,
        .forget_us = 300 * SECOND,
        .lease_min_us = 10 * SECOND,
        .lease_unmeasured_us = 600 * SECOND,
        .lease_max_us = 3600 * SECOND,
        .lease_factor = 3,
        .grace_us = 5 * SECOND,
        .fence_us = 15 * SECOND,
        .ahead = 2,
        .max_attempts = 5,
        .batch_max = 64,
    };
}

/* ---- memory ------------------------------------------------------------ */

void core_oom(struct cell *c)
{
    longjmp(*c->oom, 1);
}

void *core_alloc(struct cell *c, size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        core_oom(c);
    return p;
}

void *core_grow(struct cell *c, void *v, size_t size, size_t *cap, size_t n)
{
    size_t more = *cap ? *cap * 2 : 16;

    if (n < *cap)
        return v;
    v = realloc(v, more * size);
    if (!v)
        core_oom(c);
    *cap = more;
    return v;
}

void core_bury(struct cell *c, void *obj)
{
    c->grave =
        core_grow(c, c->grave, sizeof(*c->grave), &c->cap_grave, c->n_grave);
    c->grave[c->n_grave++] = obj;
}

void core_map(struct cell *c, struct map *m, uint64_t key, void *obj)
{
    if (map_put(m, key, obj) < 0)
        core_oom(c);
}

static bool sooner(const void *pa, const void *pb)
{
    const struct live *a = pa, *b = pb;

    return a->deadline_us < b->deadline_us;
}

struct cell *cell_create(const struct cell_conf *conf)
{
    struct cell *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->conf = *conf;
    list_init(&c->groups);
    list_init(&c->referee);
    list_init(&c->drawn);
    list_init(&c->ages);
    list_init(&c->ended);
    c->deadlines.place = offsetof(struct live, place);
    c->deadlines.before = sooner;
    c->next = (struct rec_counter){1, 1, 1, 1, 1, 1, 1};
    if (conf->cell_party >= c->next.next_party)
        c->next.next_party = conf->cell_party + 1;
    c->next_lease = 1;
    return c;
}

static void free_all(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free(map_at(m, i));
    map_free(m);
}

void cell_destroy(struct cell *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->signatures.cap; i++) {
        struct group *g = map_at(&c->signatures, i);

        while (g) {
            struct group *next = g->same_key;

            heap_free(&g->ready);
            free(g);
            g = next;
        }
    }
    map_free(&c->signatures);
    for (size_t i = 0; i < c->parties.cap; i++) {
        struct party *p = map_at(&c->parties, i);

        if (p)
            free(p->bals);
    }
    for (size_t i = 0; i < c->benefs.cap; i++) {
        struct benef *b = map_at(&c->benefs, i);

        if (b)
            free(b->dues);
    }
    for (size_t i = 0; i < c->windows.cap; i++) {
        struct window *w = map_at(&c->windows, i);

        if (w)
            free(w->v);
    }
    for (size_t i = 0; i < c->jobs.cap; i++) {
        struct job *j = map_at(&c->jobs, i);

        if (j)
            job_free(c, j);
    }
    for (size_t i = 0; i < c->n_grave; i++)
        free(c->grave[i]);
    map_free(&c->jobs);
    map_free(&c->submissions);
    free_all(&c->parties);
    free_all(&c->benefs);
    free_all(&c->workers);
    free_all(&c->windows);
    free_all(&c->checks);
    free_all(&c->leases);
    free_all(&c->tariffs);
    heap_free(&c->deadlines);
    free(c->dirty);
    free(c->grave);
    free(c->rows);
    free(c);
}

/* ---- the step ---------------------------------------------------------- */

static void end_fence(struct cell *c)
{
    if (!c->fence_us || c->now_us < c->fence_us)
        return;
    c->fence_us = 0;
    for (size_t i = 0; i < c->jobs.cap; i++) {
        struct job *j = map_at(&c->jobs, i);

        if (j && j->fenced) {
            j->fenced = false;
            queue_ready(c, j);
        }
    }
}

static void forget(struct cell *c)
{
    struct job *j;

    list_each(j, it, &c->ended, struct job, in_ended)
    {
        if (j->r.ended_us + c->conf.forget_us > c->now_us)
            break;
        if (j->n_checks == 0 && !j->dirty)
            job_forget(c, j);
    }
}

static void end_back_off(struct cell *c)
{
    if (c->backoff_us && c->now_us >= c->backoff_us) {
        c->backoff_us = 0;
        wake(c, true);
    }
}

static void overdue(struct cell *c)
{
    lease_lapse(c);
    end_fence(c);
    end_back_off(c);
    verify_overdue(c);
    window_age(c);
}

static void by(int64_t *next, int64_t at)
{
    if (!*next || at < *next)
        *next = at;
}

static int64_t next_tick(const struct cell *c)
{
    const struct live *l = heap_top(&c->deadlines);
    int64_t next = 0;

    if (l)
        by(&next, l->deadline_us + c->conf.grace_us + 1);
    if (c->fence_us)
        by(&next, c->fence_us);
    if (c->backoff_us)
        by(&next, c->backoff_us);
    if (!list_empty(&c->drawn))
        by(&next, list_of(c->drawn.next, struct check, in_age)->r.drawn_us +
                      c->conf.referee_after_us);
    if (!list_empty(&c->ages))
        by(&next, list_of(c->ages.next, struct window, in_age)->r.opened_us +
                      c->conf.window_max_us);
    if (!list_empty(&c->ended))
        by(&next, list_of(c->ended.next, struct job, in_ended)->r.ended_us +
                      c->conf.forget_us);
    /* what waits for somebody else is looked at once a second */
    if (next && next <= c->now_us)
        next = c->now_us + SECOND;
    return next;
}

static void dispatch(struct cell *c, const struct event *ev)
{
    switch (ev->type) {
    case EV_PARTY: party_step(c, ev); break;
    case EV_TARIFF: tariff_step(c, ev); break;
    case EV_FUND: fund_step(c, ev); break;
    case EV_ENROL: enrol_step(c, ev); break;
    case EV_SUBMIT:
    case EV_QUOTE: job_submit(c, ev); break;
    case EV_CANCEL: job_cancel(c, ev); break;
    case EV_HOLD: job_hold(c, ev); break;
    case EV_LEASE: lease_step(c, ev); break;
    case EV_RESULT: result_step(c, ev); break;
    case EV_RENEW: lease_renew(c, ev); break;
    case EV_HANDBACK: lease_handback(c, ev); break;
    case EV_TICK:
        forget(c);
        if (ev->req)
            answer_add(c, ev->req);
        break;
    }
}

int cell_step(struct cell *c, const struct event *ev, int64_t now_us,
              struct rng *rng, struct effects *out)
{
    size_t before = out->n_answers;
    jmp_buf oom;

    if (setjmp(oom))
        return -1; /* errno is malloc's ENOMEM */
    c->oom = &oom;
    c->now_us = now_us;
    c->rng = rng;
    c->out = out;
    overdue(c);
    dispatch(c, ev);
    if (ev->req == 0) /* nobody waits for it */
        out->n_answers = before;
    dirty_flush(c);
    for (size_t i = 0; i < c->n_grave; i++)
        free(c->grave[i]);
    c->n_grave = 0;
    out->next_tick_us = next_tick(c);
    c->out = NULL;
    c->oom = NULL;
    return 0;
}
