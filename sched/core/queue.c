/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c - ready tasks, grouped by what they ask for
 *
 * A job's ready tasks are an interval nobody was offered yet (from job.fresh)
 * and a stack of those queued again; popping skips what is no longer queued,
 * so cancelling one task is O(1).  Jobs with ready tasks wait in the heap of
 * their requirement signature; a lease request looks at one job per signature.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool before(const void *pa, const void *pb)
{
    const struct job *a = pa, *b = pb;

    if (a->r.nice != b->r.nice)
        return a->r.nice < b->r.nice;
    return a->r.job_id < b->r.job_id; /* ids rise with age */
}

static bool same(const struct group *g, const struct job *j, int zone,
                 const struct benef *own)
{
    return g->zone == zone && g->own == own && g->tariff_id == j->r.tariff_id &&
           !strcmp(g->kernel, j->r.kernel) &&
           digest_equal(&g->spec, &j->r.spec) &&
           digest_equal(&g->params, &j->r.params);
}

static uint64_t signature(const struct job *j, int zone,
                          const struct benef *own)
{
    uint64_t spec, params;

    memcpy(&spec, j->r.spec.b, sizeof(spec));
    memcpy(&params, j->r.params.b, sizeof(params));
    return spec ^ params * 3 ^ (uint64_t)j->r.tariff_id * 5 ^
           (uint64_t)zone * 7 ^ (own ? (uint64_t)own->id * 11 : 0);
}

void queue_join(struct cell *c, struct job *j)
{
    int zone = zone_rank(j->r.zone);
    struct benef *own = zone <= ZONE_SITE ? j->customer->benef : NULL;
    uint64_t key = signature(j, zone, own);
    struct group *first = map_get(&c->signatures, key), *g = first;

    while (g && !same(g, j, zone, own))
        g = g->same_key;
    if (!g) {
        g = core_alloc(c, sizeof(*g));
        memcpy(g->kernel, j->r.kernel, sizeof(g->kernel));
        g->spec = j->r.spec;
        g->params = j->r.params;
        g->zone = zone;
        g->tariff_id = j->r.tariff_id;
        g->own = own;
        g->key = key;
        g->same_key = first;
        g->ready.place = offsetof(struct job, place);
        g->ready.before = before;
        core_map(c, &c->signatures, key, g);
    }
    g->jobs++;
    j->group = g;
}

/* A signature without ready tasks is out of every lease request's way. */
static void group_link(struct cell *c, struct group *g)
{
    if (!heap_top(&g->ready))
        list_del(&g->in_cell);
    else if (!list_linked(&g->in_cell))
        list_add(&c->groups, &g->in_cell);
}

static void group_free(struct cell *c, struct group *g)
{
    struct group *first = map_get(&c->signatures, g->key), *k = first;

    if (first != g) {
        while (k->same_key != g)
            k = k->same_key;
        k->same_key = g->same_key;
    } else if (g->same_key) {
        core_map(c, &c->signatures, g->key, g->same_key);
    } else {
        map_del(&c->signatures, g->key);
    }
    heap_free(&g->ready);
    free(g);
}

void queue_leave(struct cell *c, struct job *j)
{
    struct group *g = j->group;

    if (!g)
        return;
    heap_del(&g->ready, j);
    group_link(c, g);
    j->group = NULL;
    if (--g->jobs == 0)
        group_free(c, g);
}

void queue_ready(struct cell *c, struct job *j)
{
    bool want = j->queued > 0 && !j->fenced && !j->done && !j->cancelled &&
                j->r.state != JOB_HELD;

    if (!j->group || want == heap_has(&j->group->ready, j))
        return;
    if (!want) {
        heap_del(&j->group->ready, j);
    } else {
        if (heap_put(&j->group->ready, j) < 0)
            core_oom(c);
        wake(c, true);
    }
    group_link(c, j->group);
}

bool queue_pop(struct cell *c, struct job *j, uint32_t *task)
{
    uint32_t t;

    if (j->queued == 0)
        return false;
    for (;;) {
        if (j->n_retry > 0) {
            t = j->retry[--j->n_retry];
        } else {
            assert(j->fresh < j->r.tasks); /* or the counter lies */
            t = j->fresh++;
        }
        if (j->tasks[t].state == T_QUEUED)
            break;
    }
    j->tasks[t].state = T_LEASED;
    j->queued--;
    j->leased++;
    queue_ready(c, j);
    *task = t;
    return true;
}

/* The caller has set the task's attempt; its state was not queued. */
void queue_again(struct cell *c, struct job *j, uint32_t task)
{
    assert(j->tasks[task].state != T_QUEUED);
    j->tasks[task].state = T_QUEUED;
    j->queued++;
    if (task < j->fresh) {
        if (j->n_retry == j->cap_retry) {
            uint32_t cap = j->cap_retry ? j->cap_retry * 2 : 16;
            uint32_t *v = realloc(j->retry, cap * sizeof(*v));

            if (!v)
                core_oom(c);
            j->retry = v;
            j->cap_retry = cap;
        }
        j->retry[j->n_retry++] = task;
    }
    queue_ready(c, j);
}
