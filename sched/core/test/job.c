/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - submissions that are refused, held, cancelled, forgotten */
#include "sched/core/test/story.h"

struct cast {
    struct story s;
    int64_t customer, stranger, worker, referee;
};

static void begin(struct cast *c)
{
    memset(c, 0, sizeof(*c));
    story_begin(&c->s);
    c->customer = new_party(&c->s, "customer", 0);
    c->stranger = new_party(&c->s, "stranger", 0);
    fund(&c->s, c->customer, 1000 * SEC);
    c->referee = new_worker(&c->s, 1, true);
    c->worker = new_worker(&c->s, new_party(&c->s, "owner", 0), false);
}

static struct rec_job job(struct cast *c)
{
    struct rec_job r = {0};

    cell_job(c->s.cell, 1, &r);
    return r;
}

static bool sound(struct cast *c)
{
    struct error err;

    return cell_check(c->s.cell, false, &err) == 0;
}

static void no_kernel(struct ev_submit *s)
{
    s->job.kernel[0] = '\0';
}
static void odd_kernel(struct ev_submit *s)
{
    memcpy(s->job.kernel, "bake", 5);
}
static void odd_zone(struct ev_submit *s)
{
    memcpy(s->job.zone, "mars", 5);
}
static void no_tasks(struct ev_submit *s)
{
    s->job.tasks = 0;
}
static void too_many_items(struct ev_submit *s)
{
    s->job.items++;
}
static void too_few_items(struct ev_submit *s)
{
    s->job.items -= s->job.items_per_task;
}
static void no_blobs(struct ev_submit *s)
{
    s->job.input = INPUT_BLOBS;
}
static void negative(struct ev_submit *s)
{
    s->job.units_per_item = -1;
}
static void huge(struct ev_submit *s)
{
    s->job.units_per_item = INT64_MAX / 8;
}
static void dear(struct ev_submit *s)
{
    s->job.units_per_item = 1000000000;
}
static void capped(struct ev_submit *s)
{
    s->max_amount = 35199999;
}
static void nobody(struct ev_submit *s)
{
    s->job.party_id = 77;
}

static const struct {
    void (*change)(struct ev_submit *s);
    int code;
    const char *text;
} refusals[] = {
    {no_kernel, EINVAL, "a job needs a kernel"},
    {odd_kernel, ENOENT, "no tariff for kernel \"bake\" in zone \"cell\""},
    {odd_zone, EINVAL, "there is no zone \"mars\": use own, site, cell or"},
    {no_tasks, EINVAL, "do not fill 0 tasks"},
    {too_many_items, EINVAL, "33 items do not fill 4 tasks of 8 items"},
    {too_few_items, EINVAL, "24 items do not fill 4 tasks of 8 items"},
    {no_blobs, EINVAL, "input of the job is not described"},
    {negative, EINVAL, "units of the job do not fit"},
    {huge, EINVAL, "units of the job do not fit"},
    {dear, EINVAL, "exceeds what a ledger line can hold"},
    {capped, EDQUOT, "quote 35.2000 USD exceeds the limit 35.199999 USD"},
    {nobody, ENOENT, "there is no party 77"},
};

static void refuses(void)
{
    struct cast c;

    begin(&c);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct event ev = job_of(c.customer, 1, 4, 8);
        struct answer *a;

        refusals[i].change(&ev.submit);
        a = step(&c.s, ev);
        ok(a->code == refusals[i].code && c.s.out.n_records == 0 &&
               strstr(a->err.text, refusals[i].text),
           "refused and nothing written: %s", a->err.text);
    }
    is_int(c.s.moved[TR_RESERVE], 0, "nothing was reserved");
    story_end(&c.s);
}

static void quotes(void)
{
    struct cast c;
    struct event ev;
    struct answer *a;

    begin(&c);
    ev = job_of(c.stranger, 1, 4, 8);
    ev.type = EV_QUOTE;
    a = step(&c.s, ev);
    is_int(a->code, 0, "a quote needs no funds");
    is_int(a->quote.quote_amount, 32 * SEC, "it names the amount");
    is_int(a->quote.quote_fee, 3200000, "and the fee");
    is_int(c.s.out.n_records, 0, "and changes nothing");
    story_end(&c.s);
}

static struct event job_event(enum event_type type, int64_t party, int64_t task)
{
    struct event ev = {.type = type};

    ev.job.party_id = party;
    ev.job.job_id = 1;
    ev.job.task = task;
    ev.job.hold = true;
    return ev;
}

static void cancels(void)
{
    struct cast c;
    struct lease l;
    struct event ev = {.type = EV_RENEW};
    struct answer *a;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 4, 8));
    is_int(step(&c.s, job_event(EV_CANCEL, c.stranger, -1))->code, EPERM,
           "a stranger cannot cancel");
    is_int(step(&c.s, job_event(EV_CANCEL, c.customer, 4))->code, EINVAL,
           "nor can anybody a task that is not there");
    work_as(&c.s, c.worker, -1, false, 1);
    l = keep(ask(&c.s, c.worker, 1, 1)->leases);
    is_int(step(&c.s, job_event(EV_CANCEL, c.customer, -1))->code, 0,
           "its customer cancels it");
    ev.leases.worker_id = c.worker;
    ev.leases.leases = &l;
    ev.leases.n = 1;
    is_int(step(&c.s, ev)->gone[0], 1, "the leased task is told to stop");
    a = commit(&c.s, c.worker, &l);
    is_int(a->results[0].fate, FATE_STALE, "its result comes too late");
    like(a->results[0].reason, "cancelled", "and is told why");
    is_int(job(&c).state, JOB_COMPLETING, "what was committed is checked");
    work(&c.s, c.referee);
    is_int(job(&c).state, JOB_CANCELLED, "then the job is cancelled");
    is_int(job(&c).spent_amount, 8 * SEC, "committed work was paid");
    is_int(c.s.moved[TR_RELEASE], c.s.moved[TR_RESERVE] - 8800000,
           "and the rest of the reserve released");
    ok(sound(&c), "the recount agrees");
    free(l.items);
    story_end(&c.s);
}

static void cancels_one(void)
{
    struct cast c;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 4, 8));
    step(&c.s, job_event(EV_CANCEL, c.customer, 2));
    is_int(work(&c.s, c.worker), 3, "one task of an array is cancelled");
    work(&c.s, c.referee);
    is_int(job(&c).state, JOB_COMPLETED, "the others complete the job");
    is_int(job(&c).tasks_cancelled, 1, "which says so");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void holds(void)
{
    struct cast c;
    struct event ev;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    step(&c.s, job_event(EV_HOLD, c.customer, -1));
    is_int(job(&c).state, JOB_HELD, "a job is held");
    is_int(work(&c.s, c.worker), 0, "nobody gets its task");
    ev = job_event(EV_HOLD, c.customer, -1);
    ev.job.hold = false;
    step(&c.s, ev);
    ok(c.s.out.wake_tasks, "releasing it wakes the workers");
    is_int(work(&c.s, c.worker), 1, "who do it");
    story_end(&c.s);
}

static void forgets(void)
{
    struct cast c;
    struct rec_job r;

    begin(&c);
    step(&c.s, job_of(c.customer, 1, 1, 8));
    work(&c.s, c.worker);
    work(&c.s, c.referee);
    c.s.now += 299 * SEC;
    step(&c.s, (struct event){.type = EV_TICK});
    ok(cell_job(c.s.cell, 1, &r), "an ended job is remembered a while");
    c.s.now += 2 * SEC;
    step(&c.s, (struct event){.type = EV_TICK});
    ok(!cell_job(c.s.cell, 1, &r), "and forgotten after five minutes");
    is_int(step(&c.s, job_of(c.customer, 2, 1, 8))->id, 2,
           "its id is never used again");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void funds(void)
{
    struct cast c;
    struct event ev = {.type = EV_FUND};

    begin(&c);
    ev.fund.party_id = c.stranger;
    ev.fund.amount = 5 * SEC;
    ev.fund.serial = 7;
    memcpy(ev.fund.unit, "USD", 4);
    step(&c.s, ev);
    is_int(rows(&c.s, REC_TRANSFER), 1, "funds are posted");
    is_int(step(&c.s, ev)->code, 0, "the same funding again is no error");
    is_int(c.s.out.n_records, 0, "and posts nothing");
    ev.fund.amount = -1;
    ev.fund.serial = 8;
    is_int(step(&c.s, ev)->code, EINVAL, "negative funds are refused");
    story_end(&c.s);
}

int main(void)
{
    refuses();
    quotes();
    cancels();
    cancels_one();
    holds();
    forgets();
    funds();
    done_testing();
    return exit_status();
}
