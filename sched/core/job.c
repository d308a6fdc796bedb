/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - a submission from its quote to its end (doc/10-states.md)
 *
 * submitted = queued + leased + done + failed + cancelled, always.  A job is
 * delivered when nothing is queued or leased, and ends when all its windows
 * are closed; what is left of its reserve goes back at that moment.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASKS_MAX (1u << 24)

struct job *job_get(const struct cell *c, int64_t id)
{
    return map_get(&c->jobs, (uint64_t)id);
}

uint32_t job_task_items(const struct job *j, uint32_t task)
{
    uint64_t before = (uint64_t)task * j->r.items_per_task;
    uint64_t rest = j->r.items - before;

    return rest < j->r.items_per_task ? (uint32_t)rest : j->r.items_per_task;
}

int64_t job_task_units(const struct job *j, uint32_t task)
{
    if (j->r.task_units)
        return j->r.task_units[task];
    return j->r.units_per_item * job_task_items(j, task);
}

bool job_delivered(const struct job *j)
{
    return j->queued == 0 && j->leased == 0;
}

static uint64_t submission_key(int64_t party, const uint8_t id[16])
{
    uint64_t a, b;

    memcpy(&a, id, 8);
    memcpy(&b, id + 8, 8);
    return a ^ b * 3 ^ (uint64_t)party * UINT64_C(0x9e3779b97f4a7c15);
}

static struct job *job_same(const struct cell *c, const struct rec_job *r)
{
    uint64_t key = submission_key(r->party_id, r->submission_id);
    struct job *j = map_get(&c->submissions, key);

    while (j && (j->r.party_id != r->party_id ||
                 memcmp(j->r.submission_id, r->submission_id, 16) != 0))
        j = j->same_key;
    return j;
}

static void *copy(struct cell *c, const void *from, size_t size)
{
    void *p;

    if (!from)
        return NULL;
    p = core_alloc(c, size ? size : 1);
    memcpy(p, from, size);
    return p;
}

struct job *job_put(struct cell *c, const struct rec_job *r)
{
    uint64_t key = submission_key(r->party_id, r->submission_id);
    struct job *j = core_alloc(c, sizeof(*j));

    j->r = *r;
    j->r.blobs = copy(c, r->blobs, r->tasks * sizeof(*r->blobs));
    j->r.task_units = copy(c, r->task_units, r->tasks * sizeof(int64_t));
    j->customer = party_get(c, r->party_id);
    j->tariff = map_get(&c->tariffs, (uint64_t)r->tariff_id);
    j->tasks = core_alloc(c, r->tasks * sizeof(*j->tasks));
    j->queued = r->tasks;
    list_init(&j->leases);
    list_init(&j->windows);
    list_init(&j->salt);
    list_init(&j->referee);
    core_map(c, &c->jobs, (uint64_t)r->job_id, j);
    j->same_key = map_get(&c->submissions, key);
    core_map(c, &c->submissions, key, j);
    list_add(&j->customer->jobs, &j->in_party);
    if (r->job_id >= c->next.next_job)
        c->next.next_job = r->job_id + 1;
    return j;
}

void job_free(struct cell *c, struct job *j)
{
    (void)c;
    free((void *)(uintptr_t)j->r.blobs);
    free((void *)(uintptr_t)j->r.task_units);
    free(j->tasks);
    free(j->retry);
    free(j);
}

void job_forget(struct cell *c, struct job *j)
{
    uint64_t key = submission_key(j->r.party_id, j->r.submission_id);
    struct job *head = map_get(&c->submissions, key), *k;

    if (head == j && !j->same_key) {
        map_del(&c->submissions, key);
    } else if (head == j) {
        core_map(c, &c->submissions, key, j->same_key);
    } else {
        for (k = head; k->same_key != j; k = k->same_key)
            ;
        k->same_key = j->same_key;
    }
    map_del(&c->jobs, (uint64_t)j->r.job_id);
    list_del(&j->in_ended);
    job_free(c, j);
}

/* ---- submission ------------------------------------------------------ */

static int bad(struct answer *a, int code)
{
    a->code = code;
    return -1;
}

static int check_shape(struct rec_job *r, struct answer *a)
{
    __int128 units = 0;

    if (r->tasks == 0 || r->tasks > TASKS_MAX || r->items_per_task == 0 ||
        r->items == 0 || (r->items - 1) / r->items_per_task + 1 != r->tasks)
        return error_set(&a->err, EINVAL,
                         "%" PRIu64 " items do not fill %" PRIu32
                         " tasks of %" PRIu32 " items",
                         r->items, r->tasks, r->items_per_task),
               bad(a, EINVAL);
    if ((r->input != INPUT_INDEX && r->input != INPUT_BLOBS) ||
        (r->input == INPUT_BLOBS) != (r->blobs != NULL))
        return error_set(&a->err, EINVAL, "input of the job is not described"),
               bad(a, EINVAL);
    if (!r->kernel[0] || zone_rank(r->zone) < 0)
        return error_set(&a->err, EINVAL,
                         r->kernel[0] ? "there is no zone \"%s\": use own, "
                                        "site, cell or public"
                                      : "a job needs a kernel%s",
                         r->kernel[0] ? r->zone : ""),
               bad(a, EINVAL);
    for (uint32_t t = 0; r->task_units && t < r->tasks; t++) {
        if (r->task_units[t] < 0)
            return error_set(&a->err, EINVAL,
                             "task %" PRIu32 " has negative units", t),
                   bad(a, EINVAL);
        units += r->task_units[t];
    }
    if (!r->task_units)
        units = (__int128)r->units_per_item * (int64_t)r->items;
    if (units < 0 || units > INT64_MAX / 2 || r->items > INT64_MAX / 2)
        return error_set(&a->err, EINVAL, "units of the job do not fit"),
               bad(a, EINVAL);
    r->units = (int64_t)units;
    return 0;
}

static const struct rec_tariff *tariff_for(const struct cell *c,
                                           const struct rec_job *r)
{
    const struct rec_tariff *best = NULL;

    for (size_t i = 0; i < c->tariffs.cap; i++) {
        const struct rec_tariff *t = map_at(&c->tariffs, i);

        if (t && !strcmp(t->kernel, r->kernel) &&
            (!t->zone[0] || !strcmp(t->zone, r->zone)) &&
            t->valid_from_us <= c->now_us &&
            (!t->valid_to_us || c->now_us < t->valid_to_us) &&
            (!best || t->tariff_id > best->tariff_id))
            best = t;
    }
    return best;
}

static int quote(struct cell *c, struct rec_job *r, struct answer *a)
{
    const struct rec_tariff *t = tariff_for(c, r);
    struct price price;

    r->tariff_id = 0;
    r->quote_amount = r->quote_fee = 0;
    if (zone_rank(r->zone) == ZONE_OWN)
        return 0;
    if (!t)
        return error_set(&a->err, ENOENT,
                         "there is no tariff for kernel \"%s\" in zone \"%s\"",
                         r->kernel, r->zone),
               bad(a, ENOENT);
    if (tariff_price(t, r->units, &price, &a->err) < 0)
        return bad(a, EINVAL);
    r->tariff_id = t->tariff_id;
    r->quote_amount = price.amount;
    r->quote_fee = price.fee;
    return 0;
}

static int afford(struct cell *c, const struct ev_submit *s,
                  const struct rec_job *r, struct answer *a)
{
    const struct rec_tariff *t = map_get(&c->tariffs, (uint64_t)r->tariff_id);
    int64_t sum = r->quote_amount + r->quote_fee, have;
    struct party *p = party_get(c, r->party_id);
    char want_s[32], have_s[32];

    if (!t)
        return 0;
    have = bal_amount(p, ACC_PREPAID, t->unit);
    micro_format(sum, want_s, sizeof(want_s));
    if (s->max_amount > 0 && sum > s->max_amount) {
        micro_format(s->max_amount, have_s, sizeof(have_s));
        return error_set(&a->err, EDQUOT,
                         "quote %s %s exceeds the limit %s %s given with the "
                         "job",
                         want_s, t->unit, have_s, t->unit),
               bad(a, EDQUOT);
    }
    if (sum > have) {
        micro_format(have, have_s, sizeof(have_s));
        return error_set(&a->err, EDQUOT,
                         "quote %s %s exceeds prepaid %s %s; fund party "
                         "\"%s\" or make the job smaller",
                         want_s, t->unit, have_s, t->unit, p->r.name),
               bad(a, EDQUOT);
    }
    return 0;
}

static void reset(struct cell *c, struct rec_job *r)
{
    r->job_id = 0;
    r->state = r->state == JOB_HELD ? JOB_HELD : JOB_PENDING;
    memset(r->reason, 0, sizeof(r->reason));
    r->submitted_us = c->now_us;
    r->started_us = r->ended_us = 0;
    r->tasks_done = r->tasks_failed = r->tasks_cancelled = 0;
    r->reserved = r->spent_amount = r->spent_fee = 0;
    r->checked_items = r->caught_items = 0;
    if (!r->zone[0])
        memcpy(r->zone, "cell", 5);
}

static void admit(struct cell *c, struct rec_job *r, struct answer *a)
{
    struct party *p = party_get(c, r->party_id);
    struct job *j;

    r->job_id = c->next.next_job;
    r->reserved = r->quote_amount + r->quote_fee;
    j = job_put(c, r);
    emit(c, REC_JOB)->job = j->r;
    if (j->tariff)
        post(c, TR_RESERVE, (struct leg){p, ACC_PREPAID},
             (struct leg){p, ACC_RESERVE}, j->tariff->unit, r->reserved,
             r->job_id, 0, 0);
    queue_join(c, j);
    queue_ready(c, j);
    a->id = r->job_id;
    a->quote = j->r;
}

/* What the customer has prepaid in the unit of a quote. */
static int64_t prepaid(struct cell *c, const struct rec_job *r)
{
    const struct rec_tariff *t = map_get(&c->tariffs, (uint64_t)r->tariff_id);

    return t ? bal_amount(party_get(c, r->party_id), ACC_PREPAID, t->unit) : 0;
}

void job_submit(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct rec_job r = ev->submit.job;
    const struct party *p = party_get(c, r.party_id);
    const struct job *j = ev->type == EV_SUBMIT ? job_same(c, &r) : NULL;

    if (j) { /* sent twice */
        a->id = j->r.job_id;
        a->quote = j->r;
        a->prepaid = prepaid(c, &j->r);
        return;
    }
    if (!p || p->r.locked) {
        a->code = p ? EPERM : ENOENT;
        error_set(&a->err, a->code,
                  p ? "party %" PRId64 " is locked out"
                    : "there is no party %" PRId64,
                  r.party_id);
        return;
    }
    reset(c, &r);
    if (check_shape(&r, a) < 0 || quote(c, &r, a) < 0)
        return;
    a->quote = r;
    if (ev->type == EV_SUBMIT && afford(c, &ev->submit, &r, a) == 0)
        admit(c, &r, a);
    a->prepaid = prepaid(c, &r);
}

/* ---- cancel, hold ---------------------------------------------------- */

static struct job *asked_job(struct cell *c, const struct event *ev,
                             struct answer *a)
{
    struct job *j = job_get(c, ev->job.job_id);

    if (!j || (j->r.party_id != ev->job.party_id &&
               ev->job.party_id != c->conf.cell_party)) {
        a->code = j ? EPERM : ENOENT;
        error_set(&a->err, a->code,
                  j ? "job %" PRId64 " belongs to somebody else"
                    : "there is no job %" PRId64,
                  ev->job.job_id);
        return NULL;
    }
    a->id = j->r.job_id;
    if (ev->job.task >= (int64_t)j->r.tasks) {
        a->code = EINVAL;
        error_set(&a->err, EINVAL, "job %" PRId64 " has no task %" PRId64,
                  j->r.job_id, ev->job.task);
        return NULL;
    }
    return j;
}

static void cancel_all(struct cell *c, struct job *j)
{
    struct live *l;

    j->cancelled = true;
    snprintf(j->r.reason, sizeof(j->r.reason), "cancelled");
    list_each(l, it, &j->leases, struct live, in_job)
        lease_revoke(c, l, T_CANCELLED);
    for (uint32_t t = 0; t < j->r.tasks; t++)
        if (j->tasks[t].state == T_QUEUED) { /* the job's row says so */
            j->tasks[t].state = T_CANCELLED;
            j->queued--;
            j->r.tasks_cancelled++;
        }
}

static void cancel_one(struct cell *c, struct job *j, uint32_t task)
{
    struct live *l;

    if (j->tasks[task].state == T_LEASED) {
        list_each(l, it, &j->leases, struct live, in_job)
        {
            if (l->task == task)
                lease_revoke(c, l, T_CANCELLED);
        }
    } else if (j->tasks[task].state == T_QUEUED) {
        j->tasks[task].state = T_CANCELLED;
        j->tasks[task].attempt++;
        j->queued--;
        j->r.tasks_cancelled++;
        emit_task(c, j, task, 0, 0, 0, 0);
    }
}

void job_cancel(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct job *j = asked_job(c, ev, a);

    if (!j || j->done)
        return;
    if (ev->job.task < 0)
        cancel_all(c, j);
    else
        cancel_one(c, j, (uint32_t)ev->job.task);
    queue_ready(c, j);
    dirty_job(c, j);
    job_settle(c, j);
}

void job_hold(struct cell *c, const struct event *ev)
{
    struct answer *a = answer_add(c, ev->req);
    struct job *j = asked_job(c, ev, a);

    if (!j || j->done || j->r.state == JOB_COMPLETING)
        return;
    if (ev->job.hold && j->r.state != JOB_HELD) {
        j->r.state = JOB_HELD;
        snprintf(j->r.reason, sizeof(j->r.reason), "held");
    } else if (!ev->job.hold && j->r.state == JOB_HELD) {
        j->r.state = j->r.started_us ? JOB_RUNNING : JOB_PENDING;
        memset(j->r.reason, 0, sizeof(j->r.reason));
    } else {
        return;
    }
    dirty_job(c, j);
    queue_ready(c, j);
}

/* ---- the end --------------------------------------------------------- */

static void finish(struct cell *c, struct job *j)
{
    struct leg reserve = {j->customer, ACC_RESERVE};
    struct leg prepaid = {j->customer, ACC_PREPAID};

    if (j->r.tasks_failed)
        j->r.state = JOB_FAILED;
    else if (j->cancelled || j->r.tasks_done == 0)
        j->r.state = JOB_CANCELLED;
    else
        j->r.state = JOB_COMPLETED;
    if (j->tariff)
        post(c, TR_RELEASE, reserve, prepaid, j->tariff->unit, j->r.reserved,
             j->r.job_id, 0, 0);
    j->r.reserved = 0;
    j->r.ended_us = c->now_us;
    j->done = true;
    queue_leave(c, j);
    list_del(&j->in_party);
    list_add(&c->ended, &j->in_ended);
    dirty_job(c, j);
}

void job_settle(struct cell *c, struct job *j)
{
    struct window *w;

    if (j->done || j->settling || !job_delivered(j))
        return;
    j->settling = true; /* a window that verifies comes back here */
    if (j->r.state != JOB_COMPLETING) {
        j->r.state = JOB_COMPLETING;
        dirty_job(c, j);
        check_salt_to_referee(c, j);
    }
    list_each(w, it, &j->windows, struct window, in_job)
    {
        if (w->r.state == WINDOW_OPEN)
            window_close(c, w);
    }
    j->settling = false;
    if (list_empty(&j->windows))
        finish(c, j);
}
