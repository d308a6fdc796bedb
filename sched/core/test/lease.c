/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c - leases end once; old tokens, restarts, matching */
#include "sched/core/test/story.h"

struct cast {
    struct story s;
    int64_t customer, worker, other, referee;
};

static void begin(struct cast *c)
{
    memset(c, 0, sizeof(*c));
    story_begin(&c->s);
    c->customer = new_party(&c->s, "customer", 0);
    fund(&c->s, c->customer, 100000 * SEC);
    c->referee = new_worker(&c->s, 1, true);
    c->worker = new_worker(&c->s, new_party(&c->s, "owner", 0), false);
    c->other = new_worker(&c->s, new_party(&c->s, "other", 0), false);
}

static struct answer *send(struct cast *c, enum event_type type, int64_t worker,
                           const struct lease *l)
{
    struct event ev = {.type = type};

    ev.leases.worker_id = worker;
    ev.leases.leases = l;
    ev.leases.n = 1;
    return step(&c->s, ev);
}

static struct answer *tick(struct cast *c)
{
    return step(&c->s, (struct event){.type = EV_TICK});
}

static uint32_t fate_of(struct cast *c, int64_t worker, const struct lease *l)
{
    return commit(&c->s, worker, l)->results[0].fate;
}

static void lapses(void)
{
    struct cast c;
    struct lease old, new;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    old = keep(ask(&c.s, c.worker, 1, 1)->leases);
    is_int(old.deadline_us - c.s.now, 10 * SEC, "a short task gets 10 s");
    ok(ask(&c.s, c.other, 1, 1)->code == EAGAIN, "nobody else gets it");
    c.s.now = old.deadline_us + 5 * SEC;
    is_int(send(&c, EV_RENEW, c.worker, &old)->gone[0], 0,
           "it is in force until deadline and grace");
    c.s.now++;
    tick(&c);
    is_int(rows(&c.s, REC_TASK), 1, "its lapse is stored");
    is_int(c.s.out.records[0].task.attempt, 1, "as the next attempt");
    is_int(send(&c, EV_RENEW, c.worker, &old)->gone[0], 1, "then it is gone");
    is_int(fate_of(&c, c.worker, &old), FATE_STALE,
           "and its result is too late");
    new = keep(ask(&c.s, c.other, 1, 1)->leases);
    is_int(new.attempt, 1, "another worker tries again");
    is_int(fate_of(&c, c.worker, &old), FATE_STALE, "the old token stays old");
    is_int(fate_of(&c, c.other, &new), FATE_ACCEPTED, "the new one is taken");
    is_int(fate_of(&c, c.other, &new), FATE_DUPLICATE, "once");
    is_int(fate_of(&c, c.worker, &new), FATE_INVALID, "and from nobody else");
    free(old.items);
    free(new.items);
    story_end(&c.s);
}

static void hands_back(void)
{
    struct cast c;
    struct lease l;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    l = keep(ask(&c.s, c.worker, 1, 1)->leases);
    send(&c, EV_HANDBACK, c.worker, &l);
    ok(c.s.out.wake && c.s.out.wake_tasks, "what comes back wakes others");
    is_int(fate_of(&c, c.worker, &l), FATE_STALE,
           "a result after the hand-back is refused");
    is_int(ask(&c.s, c.other, 1, 1)->n_leases, 1, "another gets it at once");
    free(l.items);
    story_end(&c.s);
}

/* ---- restart ---------------------------------------------------------------
 */

static struct cell *twin;

static void give(void *arg, const struct record *r)
{
    struct error err;

    (void)arg;
    if (cell_restore(twin, r, &err) < 0)
        ok(false, "restore: %s", err.text);
}

/* The cell as its rows make it, one epoch later. */
static void restart(struct cast *c)
{
    struct record tariff = {.type = REC_TARIFF};
    struct error err;

    c->s.conf.epoch++;
    twin = cell_create(&c->s.conf);
    tariff.tariff = story_tariff;
    give(NULL, &tariff);
    cell_dump(c->s.cell, give, NULL);
    if (cell_restored(twin, c->s.now, &err) < 0)
        ok(false, "restored: %s", err.text);
    cell_destroy(c->s.cell);
    c->s.cell = twin;
}

static void survives(void)
{
    struct cast c;
    struct lease l, back, third;
    struct event ev = {.type = EV_LEASE};

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 3, 8));
    l = keep(ask(&c.s, c.worker, 1, 1)->leases);
    back = keep(ask(&c.s, c.worker, 1, 1)->leases);
    third = keep(ask(&c.s, c.other, 1, 1)->leases);
    send(&c, EV_HANDBACK, c.worker, &back);
    restart(&c);
    ok(ask(&c.s, c.other, 1, 1)->code == EAGAIN,
       "after a start nothing is leased that may be leased");
    is_int(fate_of(&c, c.worker, &back), FATE_STALE,
           "a token handed back before the crash stays dead");
    is_int(fate_of(&c, c.worker, &l), FATE_ACCEPTED,
           "a result of the epoch before is accepted from its token");
    is_int(fate_of(&c, c.worker, &l), FATE_DUPLICATE, "once");
    ev.lease.worker_id = c.other;
    ev.lease.offer = offer_of(1);
    ev.lease.held = &third;
    ev.lease.n_held = 1;
    ev.lease.want = 1;
    is_int(step(&c.s, ev)->n_leases, 0, "a held lease is presented");
    c.s.now += 15 * SEC;
    tick(&c);
    ok(c.s.out.wake_tasks, "the fence ends");
    is_int(ask(&c.s, c.worker, 1, 4)->n_leases, 1,
           "and only what nobody holds is leased again");
    is_int(fate_of(&c, c.other, &third), FATE_ACCEPTED,
           "the adopted lease still counts");
    free(l.items);
    free(back.items);
    free(third.items);
    story_end(&c.s);
}

static void fails(void)
{
    struct cast c;
    struct rec_job job;
    struct lease l;
    int n = 0;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    for (; n < 40; n++) {
        struct answer *a = ask(&c.s, n % 2 ? c.worker : c.other, 1, 1);

        if (a->n_leases == 0) {
            cell_job(c.s.cell, 1, &job);
            if (job.ended_us)
                break;
            c.s.now += 4000 * SEC; /* backing off */
            continue;
        }
        l = keep(a->leases);
        is_int(
            commit_as(&c.s, l.worker_id, &l, -1, false, 7, 0)->results[0].fate,
            FATE_RETRIED, "a crash of the runner is tried again");
        free(l.items);
    }
    is_int(job.state, JOB_FAILED, "until two machines failed five times");
    like(job.reason, "task 0 failed too often, last status 7", "and says so");
    is_int(c.s.moved[TR_RELEASE], c.s.moved[TR_RESERVE], "nothing was paid");
    story_end(&c.s);
}

/* One machine that fails whatever it takes is a nuisance, not the end. */
static void one_bad_machine(void)
{
    struct cast c;
    struct rec_job job;
    struct lease l;
    char text[256];

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    for (int i = 0; i < 6; i++) {
        l = keep(ask(&c.s, c.worker, 1, 1)->leases);
        commit_as(&c.s, c.worker, &l, -1, false, 7, 0);
        free(l.items);
        if (i == 1)
            is_int(ask(&c.s, c.worker, 1, 1)->n_leases, 0,
                   "after two failures in a row it waits");
        c.s.now += 60 * SEC;
    }
    cell_explain(c.s.cell, 1, c.worker, text, sizeof(text));
    like(text, "failed or lapsed; it waits a while", "which is explained");
    tick(&c);
    cell_explain(c.s.cell, 1, c.worker, text, sizeof(text));
    like(text, "nothing stands in the way", "and ends");
    cell_job(c.s.cell, 1, &job);
    is_int(job.ended_us, 0, "its failures alone do not fail the job");
    is_int(work(&c.s, c.other), 1, "another does the task");
    story_end(&c.s);
}

static void overstates(void)
{
    struct cast c;
    struct lease l;
    struct answer *a;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    l = keep(ask(&c.s, c.worker, 1, 1)->leases);
    a = commit_as(&c.s, c.worker, &l, -1, false, 0, 1);
    is_int(a->results[0].fate, FATE_INVALID, "units above the quote are void");
    like(a->results[0].reason, "more units than", "and it says why");
    is_int(c.s.moved[TR_ESCROW], 0, "nothing goes to escrow");
    is_int(ask(&c.s, c.other, 1, 1)->n_leases, 1, "another tries");
    free(l.items);
    story_end(&c.s);
}

/* ---- matching
 * ----------------------------------------------------------------- */

static const char *why(struct cast *c, void (*change)(struct offer *o))
{
    static char text[256];
    struct event ev = {.type = EV_LEASE};

    ev.lease.worker_id = c->worker;
    ev.lease.offer = offer_of(1);
    change(&ev.lease.offer);
    step(&c->s, ev); /* want 0: an offer only */
    cell_explain(c->s.cell, 1, c->worker, text, sizeof(text));
    return text;
}

static void same(struct offer *o)
{
    (void)o;
}
static void other_kernel(struct offer *o)
{
    memcpy(o->kernels[0].name, "embed", 6);
}
static void other_digest(struct offer *o)
{
    o->kernels[0].spec.b[31] = 1;
}
static void own_zone(struct offer *o)
{
    memcpy(o->zone, "own", 4);
}
static void no_zone(struct offer *o)
{
    memcpy(o->zone, "moon", 5);
}
static void high_floor(struct offer *o)
{
    o->floor_micro = 1000001;
}
static void just_floor(struct offer *o)
{
    o->floor_micro = 1000000;
}
static void no_minutes(struct offer *o)
{
    o->kernels[0].units_per_s = 1;
    o->seconds = 7;
}
static void unknown_speed(struct offer *o)
{
    o->kernels[0].units_per_s = 0;
}

static const struct {
    void (*change)(struct offer *o);
    const char *text;
} rules[] = {
    {same, "nothing stands in the way"},
    {other_kernel, "does not offer this kernel"},
    {other_digest, "does not offer this kernel"},
    {own_zone, "zones of the job and of the worker do not meet"},
    {no_zone, "zones of the job and of the worker do not meet"},
    {high_floor, "below the worker's floor price"},
    {just_floor, "nothing stands in the way"},
    {no_minutes, "cannot end inside the time"},
    {unknown_speed, "nothing stands in the way"},
};

static void matches(void)
{
    struct cast c;
    char text[256];

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        like(why(&c, rules[i].change), rules[i].text, "rule %zu: %s", i,
             rules[i].text);
    cell_explain(c.s.cell, 1, c.referee, text, sizeof(text));
    like(text, "the referee only checks", "the referee gets no tasks");
    cell_explain(c.s.cell, 1, c.other, text, sizeof(text));
    like(text, "has offered nothing", "nor does who offered nothing");
    story_end(&c.s);
}

static void order(void)
{
    struct cast c;
    struct event ev;

    begin(&c);
    ev = job_of(c.customer, 1, 1, 1);
    step(&c.s, ev);
    ev = job_of(c.customer, 2, 1, 1);
    ev.submit.job.nice = -10;
    step(&c.s, ev);
    ev = job_of(c.customer, 3, 1, 1);
    ev.submit.job.params.b[0] = 9;
    ev.submit.job.nice = -20;
    step(&c.s, ev);
    is_int(ask(&c.s, c.worker, 4, 1)->leases[0].job_id, 3,
           "the nicest number first, whatever its parameters");
    is_int(ask(&c.s, c.worker, 4, 1)->leases[0].job_id, 2, "then the next");
    is_int(ask(&c.s, c.worker, 4, 1)->leases[0].job_id, 1, "then the oldest");
    story_end(&c.s);
}

static void ahead(void)
{
    struct cast c;
    struct event ev = {.type = EV_LEASE};

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 200, 100)); /* a second each */
    is_int(ask(&c.s, c.worker, 2, 64)->n_leases, 4,
           "two leases ahead of each core");
    is_int(ask(&c.s, c.worker, 2, 64)->n_leases, 0, "and no more");
    ev.lease.worker_id = c.other;
    ev.lease.offer = offer_of(1);
    ev.lease.offer.kernels[0].units_per_s = 100000; /* a millisecond each */
    ev.lease.want = 100;
    is_int(step(&c.s, ev)->n_leases, 64, "tiny tasks come by the batch");
    story_end(&c.s);
}

int main(void)
{
    lapses();
    hands_back();
    survives();
    fails();
    one_bad_machine();
    overstates();
    matches();
    order();
    ahead();
    done_testing();
    return exit_status();
}
