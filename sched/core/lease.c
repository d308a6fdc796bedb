/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c - one worker's right to run one task until a deadline
 *
 * A lease is soft state: the sealed token the worker holds says everything, so
 * a restarted cell adopts what is presented to it.  Granted after a match,
 * ended exactly once: by its result, a hand-back, a lapse or a revocation;
 * each of the last three raises the task's attempt, which is stored, and a
 * token below the stored attempt is refused for ever.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define REFEREE_EST_US INT64_C(30000000)
#define SALT_LOOK 24 /* checks looked at for a lease, at most */
#define LAPSES 4     /* so many lapses weigh as one failure */

static uint64_t lease_key(int32_t epoch, int64_t id)
{
    return (uint64_t)epoch << 36 ^ (uint64_t)id;
}

static struct live *live_new(struct cell *c, struct worker *w, struct job *j,
                             int32_t epoch, int64_t id)
{
    struct live *l = core_alloc(c, sizeof(*l));

    l->epoch = epoch;
    l->lease_id = id;
    l->worker = w;
    l->job = j;
    list_init(&l->riding);
    core_map(c, &c->leases, lease_key(epoch, id), l);
    list_add(&w->leases, &l->in_worker);
    w->n_leases++;
    if (j)
        list_add(&j->leases, &l->in_job);
    return l;
}

static void live_arm(struct cell *c, struct live *l)
{
    if (heap_put(&c->deadlines, l) < 0)
        core_oom(c);
}

static void ride(struct cell *c, struct live *l, struct check *k)
{
    check_unqueue(c, k);
    k->queue = Q_RIDING;
    k->rider = l;
    list_add(&l->riding, &k->in_queue);
}

void lease_end(struct cell *c, struct live *l)
{
    struct check *k;

    list_each(k, it, &l->riding, struct check, in_queue)
    {
        check_unqueue(c, k);
        check_enqueue(c, k);
    }
    heap_del(&c->deadlines, l);
    map_del(&c->leases, lease_key(l->epoch, l->lease_id));
    list_del(&l->in_worker);
    l->worker->n_leases--;
    l->worker->queued_us -= l->est_us;
    if (l->job) {
        list_del(&l->in_job);
        l->job->leased--;
    }
    core_bury(c, l);
}

/* A task whose state is leased or done goes back: the next attempt. */
void task_again(struct cell *c, struct job *j, uint32_t task)
{
    struct task *t = &j->tasks[task];

    t->attempt++;
    if (t->state == T_DONE)
        t->worker_id = 0;
    if (j->cancelled) {
        t->state = T_CANCELLED;
        j->r.tasks_cancelled++;
    } else {
        queue_again(c, j, task);
        if (j->r.state == JOB_COMPLETING) {
            j->r.state = JOB_RUNNING;
            dirty_job(c, j);
        }
    }
    emit_task(c, j, task, 0, 0, 0, 0);
}

void lease_requeue(struct cell *c, struct live *l)
{
    struct job *j = l->job;

    lease_end(c, l);
    if (j) {
        task_again(c, j, l->task);
        job_settle(c, j);
    }
}

void lease_revoke(struct cell *c, struct live *l, uint8_t task_state)
{
    struct job *j = l->job;
    struct task *t = &j->tasks[l->task];

    lease_end(c, l);
    t->state = task_state;
    t->attempt++;
    if (task_state == T_CANCELLED)
        j->r.tasks_cancelled++;
    else
        j->r.tasks_failed++;
    emit_task(c, j, l->task, 0, 0, 0, l->granted_us);
    dirty_job(c, j);
}

/* One bad machine fails no job: on the machine that failed last a failure
 * weighs a quarter of one elsewhere.
 */
uint8_t task_weigh(struct task *t, const struct worker *w, uint8_t sum)
{
    int more = t->worker_id == w->r.worker_id ? 1 : NEW_MACHINE;

    t->worker_id = w->r.worker_id;
    return (uint8_t)(sum + more < UINT8_MAX ? sum + more : UINT8_MAX);
}

static void lapse(struct cell *c, struct live *l)
{
    struct job *j = l->job;
    struct task *t;

    if (!j) {
        lease_end(c, l);
        return;
    }
    t = &j->tasks[l->task];
    offer_back_off(c, l->worker);
    t->lapses = task_weigh(t, l->worker, t->lapses);
    if (t->lapses < c->conf.max_attempts * LAPSES * NEW_MACHINE &&
        t->lapses < UINT8_MAX) {
        lease_requeue(c, l);
        return;
    }
    snprintf(j->r.reason, sizeof(j->r.reason),
             "task %" PRIu32 " lapsed too often", l->task);
    lease_revoke(c, l, T_FAILED);
    job_settle(c, j);
}

void lease_lapse(struct cell *c)
{
    struct live *l;

    while ((l = heap_top(&c->deadlines)) &&
           c->now_us > l->deadline_us + c->conf.grace_us)
        lapse(c, l);
}

/* ---- adopting what an older epoch granted ----------------------------- */

static struct live *adopt_checks(struct cell *c, struct worker *w,
                                 const struct lease *t)
{
    struct live *l = NULL;

    for (uint32_t i = 0; i < t->n_items; i++) {
        struct check *k = check_get(c, t->items[i].check_id);

        if (!k || k->queue != Q_REFEREE)
            continue;
        if (!l)
            l = live_new(c, w, NULL, t->epoch, t->lease_id);
        ride(c, l, k);
    }
    return l;
}

static struct live *adopt_task(struct cell *c, struct worker *w,
                               const struct lease *t)
{
    struct job *j = job_get(c, t->job_id);
    struct task *task;
    struct live *l;

    if (!j || j->done || j->cancelled || t->task >= j->r.tasks)
        return NULL;
    task = &j->tasks[t->task];
    if (task->state != T_QUEUED || t->attempt < task->attempt)
        return NULL;
    task->state = T_LEASED;
    task->attempt = t->attempt;
    j->queued--;
    j->leased++;
    l = live_new(c, w, j, t->epoch, t->lease_id);
    l->task = t->task;
    l->attempt = t->attempt;
    for (uint32_t i = 0; i < t->n_items; i++) {
        struct check *k =
            t->items[i].check_id ? check_get(c, t->items[i].check_id) : NULL;

        if (k && k->queue == Q_SALT)
            ride(c, l, k);
    }
    queue_ready(c, j);
    return l;
}

struct live *lease_find(struct cell *c, struct worker *w, const struct lease *t)
{
    struct live *l = map_get(&c->leases, lease_key(t->epoch, t->lease_id));

    if (l)
        return l->worker == w ? l : NULL;
    if (t->worker_id != w->r.worker_id || t->epoch >= c->conf.epoch ||
        w->r.state != WORKER_ACTIVE ||
        c->now_us > t->deadline_us + c->conf.grace_us)
        return NULL;
    if (t->job_id)
        l = adopt_task(c, w, t);
    else if (w->r.referee)
        l = adopt_checks(c, w, t);
    if (!l)
        return NULL;
    l->granted_us = t->granted_us;
    l->deadline_us = t->deadline_us;
    l->n_items = t->n_items;
    live_arm(c, l);
    return l;
}

/* ---- granting --------------------------------------------------------- */

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Deadline of a lease that starts when what the worker holds has ended. */
static void live_time(struct cell *c, struct live *l, int64_t est_us)
{
    struct worker *w = l->worker;
    int64_t wait;

    l->est_us = est_us;
    w->queued_us += est_us;
    wait = w->queued_us / w->offer.cores;
    if (wait < est_us)
        wait = est_us;
    wait = wait > INT64_MAX / 16 / c->conf.lease_factor
               ? INT64_MAX / 16
               : wait * c->conf.lease_factor;
    if (est_us == 0 && wait < c->conf.lease_unmeasured_us)
        wait = c->conf.lease_unmeasured_us;
    l->granted_us = c->now_us;
    l->deadline_us =
        c->now_us + clamp(wait, c->conf.lease_min_us, c->conf.lease_max_us);
    live_arm(c, l);
}

static void describe(struct cell *c, const struct live *l, struct lease *out,
                     uint32_t n_items)
{
    out->epoch = l->epoch;
    out->lease_id = l->lease_id;
    out->worker_id = l->worker->r.worker_id;
    out->job_id = l->job ? l->job->r.job_id : 0;
    out->task = l->task;
    out->attempt = l->attempt;
    out->granted_us = l->granted_us;
    out->deadline_us = l->deadline_us;
    out->n_items = n_items;
    out->items = arena_alloc(c, n_items * sizeof(*out->items));
}

static void put_check(struct lease_item *it, const struct check *k)
{
    it->check_id = k->r.check_id;
    it->job_id = k->r.job_id;
    it->task = k->r.task;
    it->item = k->r.item;
}

/* Drawn items of others that may ride with w in a lease of j. */
static uint32_t pick_salts(struct cell *c, struct live *l, uint32_t items)
{
    struct worker *w = l->worker;
    uint32_t most = items / 8 ? items / 8 : 1, n = 0, looked = 0;
    struct check *k;

    if (most > 32)
        most = 32;
    if (w->party->r.accepted_tasks == 0 ||
        connected(w->party, l->job->customer))
        return 0;
    list_each(k, it, &l->job->salt, struct check, in_queue)
    {
        if (n == most || ++looked > SALT_LOOK + most)
            break;
        if (connected(k->window->party, w->party))
            continue;
        ride(c, l, k);
        n++;
    }
    return n;
}

static void shuffle(struct cell *c, struct lease_item *v, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)rng_below(c->rng, i);
        struct lease_item t = v[k];

        v[k] = v[i - 1];
        v[i - 1] = t;
    }
}

static void grant(struct cell *c, struct worker *w, struct job *j,
                  struct lease *out)
{
    struct live *l = live_new(c, w, j, c->conf.epoch, c->next_lease++);
    uint32_t items, salts, i;
    struct check *k;

    if (!queue_pop(c, j, &l->task))
        assert(!"a ready job has no ready task");
    if (!j->r.started_us) {
        j->r.started_us = c->now_us;
        j->r.state = JOB_RUNNING;
        dirty_job(c, j);
    }
    l->attempt = j->tasks[l->task].attempt;
    items = job_task_items(j, l->task);
    live_time(c, l, offer_estimate(w, j, job_task_units(j, l->task)));
    salts = pick_salts(c, l, items);
    if (j->queued == 0)
        check_salt_to_referee(c, j);
    l->n_items = items + salts;
    describe(c, l, out, l->n_items);
    for (i = 0; i < items; i++)
        out->items[i] = (struct lease_item){0, j->r.job_id, l->task, i};
    list_each(k, it, &l->riding, struct check, in_queue)
        put_check(&out->items[i++], k);
    shuffle(c, out->items, l->n_items);
}

/* Checks of one job for the referee; false when there is nothing for it. */
static bool grant_checks(struct cell *c, struct worker *w, struct lease *out)
{
    struct live *l;
    struct check *k;
    struct job *j;
    int64_t units = 0;
    uint32_t i = 0;

    list_each(j, it, &c->referee, struct job, in_referee)
    {
        if (offer_kernel(&w->offer, j->r.kernel, &j->r.spec))
            goto found;
    }
    return false;
found:
    if (match_room(c, w, 0) != WHY_NOT)
        return false;
    l = live_new(c, w, NULL, c->conf.epoch, c->next_lease++);
    list_each(k, jt, &j->referee, struct check, in_queue)
    {
        if (l->n_items == c->conf.referee_batch ||
            (l->n_items > 0 &&
             offer_estimate(w, j, units + k->r.units) > REFEREE_EST_US))
            break;
        units += k->r.units;
        ride(c, l, k);
        l->n_items++;
    }
    live_time(c, l, offer_estimate(w, j, units));
    describe(c, l, out, l->n_items);
    list_each(k, kt, &l->riding, struct check, in_queue)
        put_check(&out->items[i++], k);
    return true;
}

void lease_ask(struct cell *c, struct worker *w, const struct ev_lease *ask,
               struct answer *a)
{
    uint32_t want = ask->want;
    struct job *j;

    if (want > c->conf.batch_max)
        want = c->conf.batch_max;
    if (want == 0)
        return;
    a->leases = arena_alloc(c, want * sizeof(*a->leases));
    while (w->r.referee && a->n_leases < want &&
           grant_checks(c, w, &a->leases[a->n_leases]))
        a->n_leases++;
    while (!w->r.referee && a->n_leases < want && (j = match_best(c, w))) {
        do /* the best job stays the best while it has tasks */
            grant(c, w, j, &a->leases[a->n_leases++]);
        while (a->n_leases < want && j->queued > 0 &&
               match_room(c, w, offer_estimate(w, j, job_task_units(j, 0))) ==
                   WHY_NOT);
    }
}

/* ---- events ----------------------------------------------------------- */

static struct worker *asking(struct cell *c, int64_t id, struct answer *a)
{
    struct worker *w = worker_get(c, id);

    if (!w) {
        a->code = ENOENT;
        error_set(&a->err, ENOENT, "there is no worker %" PRId64, id);
        return NULL;
    }
    if (w->r.state != WORKER_ACTIVE) {
        a->code = EPERM;
        error_set(&a->err, EPERM, "worker %" PRId64 " is %s", id,
                  w->r.state == WORKER_LOCKED ? "locked out" : "retired");
        return NULL;
    }
    w->seen_us = c->now_us;
    return w;
}

void lease_step(struct cell *c, const struct event *ev)
{
    const struct ev_lease *ask = &ev->lease;
    struct answer *a = answer_add(c, ev->req);
    struct worker *w = asking(c, ask->worker_id, a);

    if (!w)
        return;
    offer_update(c, w, &ask->offer);
    for (uint32_t i = 0; i < ask->n_held; i++)
        lease_find(c, w, &ask->held[i]);
    lease_ask(c, w, ask, a);
    if (a->n_leases == 0) {
        a->code = EAGAIN;
        a->parked = ask->may_park;
    }
}

void lease_renew(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct worker *w = worker_get(c, ev->leases.worker_id);

    if (!w) {
        asking(c, ev->leases.worker_id, a);
        return;
    }
    w->seen_us = c->now_us;
    a->n_gone = ev->leases.n;
    a->gone = arena_alloc(c, a->n_gone);
    for (uint32_t i = 0; i < a->n_gone; i++)
        a->gone[i] = lease_find(c, w, &ev->leases.leases[i]) == NULL;
}

void lease_handback(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct worker *w = worker_get(c, ev->leases.worker_id);

    if (!w) {
        asking(c, ev->leases.worker_id, a);
        return;
    }
    w->seen_us = c->now_us;
    for (uint32_t i = 0; i < ev->leases.n; i++) {
        struct live *l = lease_find(c, w, &ev->leases.leases[i]);

        if (l)
            lease_requeue(c, l);
    }
}
