/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - errors, wrongs, salts and the referee's last word */
#include "sched/core/test/story.h"

#define TASK_PRICE (8 * SEC) /* eight items at a dollar */

struct cast {
    struct story s;
    int64_t customer, referee;
    int64_t owner[3], worker[3];
    uint8_t sub;
};

static void begin(struct cast *c, const struct cell_conf *conf)
{
    memset(c, 0, sizeof(*c));
    story_begin_conf(&c->s, conf);
    c->customer = new_party(&c->s, "customer", 0);
    fund(&c->s, c->customer, 100000 * SEC);
    c->referee = new_worker(&c->s, 1, true);
    for (int i = 0; i < 3; i++) {
        c->owner[i] = new_party(&c->s, "owner", 0);
        c->worker[i] = new_worker(&c->s, c->owner[i], false);
    }
}

static int64_t submit(struct cast *c, uint32_t tasks)
{
    return step(&c->s, job_of(c->customer, ++c->sub, tasks, 8))->id;
}

static struct rec_job job(struct cast *c, int64_t id)
{
    struct rec_job r = {0};

    cell_job(c->s.cell, id, &r);
    return r;
}

static struct rec_party party(struct cast *c, int64_t id)
{
    struct rec_party r = {0};

    cell_party(c->s.cell, id, &r);
    return r;
}

static bool sound(struct cast *c)
{
    struct error err;

    if (cell_check(c->s.cell, false, &err) == 0)
        return true;
    fprintf(stderr, "# %s\n", err.text);
    return false;
}

/* One honest job done by worker i, so that its owner has standing. */
static void raise_standing(struct cast *c, int i)
{
    submit(c, 2);
    work(&c->s, c->worker[i]);
    work(&c->s, c->referee);
    memset(c->s.moved, 0, sizeof(c->s.moved));
}

static void newcomer_errs(void)
{
    struct cast c;
    int64_t id;

    begin(&c, NULL);
    id = submit(&c, 4);
    work_as(&c.s, c.worker[0], 0, false, 1);
    work(&c.s, c.worker[0]);
    is_int(c.s.moved[TR_ESCROW], 4 * TASK_PRICE, "a newcomer delivers a job");
    work(&c.s, c.referee);
    is_int(c.s.moved[TR_REJECT], 4 * TASK_PRICE,
           "one wrong item rejects his whole window");
    is_int(job(&c, id).state, JOB_RUNNING, "whose tasks are queued again");
    is_int(job(&c, id).caught_items, 1, "one item was caught");
    is_int(party(&c, c.owner[0]).strict_tasks, 50,
           "his next 50 tasks are checked");
    ok(!party(&c, c.owner[0]).locked, "but an error locks nobody out");
    is_int(c.s.moved[TR_VERIFY], 0, "nothing was paid");
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "somebody else completes the job");
    is_int(job(&c, id).spent_amount, 4 * TASK_PRICE, "at the quoted price");
    is_int(party(&c, c.owner[0]).accepted_tasks, 0, "no standing from errors");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void liar_is_locked(void)
{
    struct cast c;
    struct rec_worker w;
    int64_t id;

    begin(&c, NULL);
    id = submit(&c, 3);
    work_as(&c.s, c.worker[0], 0, true, 2);
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    ok(party(&c, c.owner[0]).locked, "two wrong items lock the owner out");
    cell_worker(c.s.cell, c.worker[0], &w);
    is_int(w.state, WORKER_LOCKED, "and his worker");
    is_int(ask(&c.s, c.worker[0], 1, 1)->code, EPERM, "he gets no more leases");
    is_int(step(&c.s, job_of(c.owner[0], 1, 1, 1))->code, EPERM,
           "and submits no more jobs");
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "the job completes without him");
    is_int(c.s.moved[TR_VERIFY], 3 * TASK_PRICE + 3 * TASK_PRICE / 10,
           "only the honest owner is paid, and the fee once");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void established_errs(void)
{
    struct cast c;
    int64_t id;

    begin(&c, NULL);
    raise_standing(&c, 0);
    is_int(party(&c, c.owner[0]).accepted_tasks, 2, "an owner has standing");
    id = submit(&c, 4);
    work_as(&c.s, c.worker[0], 0, false, 1);
    work(&c.s, c.worker[0]);
    work(&c.s, c.referee);
    is_int(c.s.moved[TR_REJECT], TASK_PRICE, "his error costs him one task");
    is_int(job(&c, id).tasks_done, 3, "which alone is done again");
    is_int(party(&c, c.owner[0]).strict_tasks, 50, "and 50 checked tasks");
    work(&c.s, c.worker[0]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "he may mend it himself");
    is_int(party(&c, c.owner[0]).accepted_tasks, 6, "and is trusted on");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

/* Everything unsettled of one person goes, in every job, of every party. */
static void forfeit_reaches(void)
{
    struct cast c;
    int64_t one, two, twin, third;

    begin(&c, NULL);
    twin = new_party(&c.s, "twin", c.owner[0]);
    third = new_worker(&c.s, twin, false);
    one = submit(&c, 3);
    work_as(&c.s, c.worker[0], 0, true, 1);
    work_as(&c.s, third, -1, false, 2);
    two = step(&c.s, job_of(c.customer, 200, 1, 8))->id;
    work_as(&c.s, third, -1, false, 1);
    is_int(c.s.moved[TR_ESCROW], 4 * TASK_PRICE,
           "one of four tasks of twins is a lie");
    work(&c.s, c.referee);
    is_int(c.s.moved[TR_REJECT], 4 * TASK_PRICE, "all four are forfeited");
    ok(party(&c, twin).locked, "the twin is locked out with him");
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    ok(job(&c, one).state == JOB_COMPLETED &&
           job(&c, two).state == JOB_COMPLETED,
       "both jobs are done by others");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

/* Two owners with standing; nothing is drawn for the referee alone. */
static void salted(struct cast *c)
{
    struct cell_conf conf;

    cell_conf_default(&conf);
    conf.referee_ppm = 0;
    begin(c, &conf);
    raise_standing(c, 0);
    raise_standing(c, 1);
}

static void salt_answers(void)
{
    struct cast c;
    struct lease l;
    int64_t id;
    struct answer *a;
    int salts = 0;

    salted(&c);
    id = submit(&c, 3);
    work_as(&c.s, c.worker[0], -1, false, 1);
    a = ask(&c.s, c.worker[0], 1, 1);
    is_int(a->leases[0].n_items, 8, "no salt of his own for the committer");
    l = keep(a->leases);
    a = ask(&c.s, c.worker[2], 1, 1);
    is_int(a->leases[0].n_items, 8, "no salt for an owner without standing");
    free(l.items);
    story_end(&c.s);

    salted(&c);
    id = submit(&c, 3);
    work_as(&c.s, c.worker[0], -1, false, 1);
    a = ask(&c.s, c.worker[1], 1, 1);
    l = keep(a->leases);
    for (uint32_t i = 0; i < l.n_items; i++)
        salts += l.items[i].check_id != 0;
    is_int(salts, 1, "another owner with standing gets salt");
    is_int(l.n_items, 9, "among his own items");
    commit(&c.s, c.worker[1], &l);
    free(l.items);
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "the rest goes to the referee");
    is_int(c.s.moved[TR_QUANTITY], 26 * SEC,
           "two salts are paid like any item");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

/* Position of the salt in a lease. */
static int salt_at(const struct lease *l)
{
    for (uint32_t i = 0; i < l->n_items; i++)
        if (l->items[i].check_id)
            return (int)i;
    return -1;
}

static void checker_lies(void)
{
    struct cast c;
    struct lease l;
    int64_t id;

    salted(&c);
    id = submit(&c, 3);
    work_as(&c.s, c.worker[0], -1, false, 1);
    l = keep(ask(&c.s, c.worker[1], 1, 1)->leases);
    commit_as(&c.s, c.worker[1], &l, salt_at(&l), false, 0, 0);
    free(l.items);
    is_int(rows(&c.s, REC_VERDICT), 0, "a differing answer accuses nobody");
    work(&c.s, c.worker[0]);
    work(&c.s, c.referee);
    is_int(party(&c, c.owner[0]).strict_tasks, 0,
           "the checked is in the right");
    is_int(party(&c, c.owner[1]).strict_tasks, 50, "the checker erred");
    is_int(c.s.moved[TR_REJECT], TASK_PRICE,
           "and loses the task that held his answer");
    work(&c.s, c.worker[0]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "the job completes");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void checker_catches(void)
{
    struct cast c;
    struct lease l;
    int64_t id;

    salted(&c);
    id = submit(&c, 3);
    work_as(&c.s, c.worker[0], 0, true, 1);
    l = keep(ask(&c.s, c.worker[1], 1, 1)->leases);
    commit(&c.s, c.worker[1], &l);
    free(l.items);
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    ok(party(&c, c.owner[0]).locked, "a liar caught by salt is locked out");
    is_int(party(&c, c.owner[1]).strict_tasks, 0, "his checker is not accused");
    work(&c.s, c.worker[1]);
    work(&c.s, c.referee);
    is_int(job(&c, id).state, JOB_COMPLETED, "the job completes");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

static void own_work(void)
{
    struct cast c;
    struct event ev;
    int64_t id;

    begin(&c, NULL);
    fund(&c.s, c.owner[0], 1000 * SEC);
    ev = job_of(c.owner[0], 1, 3, 8);
    id = step(&c.s, ev)->id;
    work(&c.s, c.worker[0]);
    is_int(job(&c, id).state, JOB_COMPLETED, "own work needs no check");
    is_int(c.s.moved[TR_ESCROW] + c.s.moved[TR_VERIFY] + c.s.moved[TR_QUANTITY],
           0, "and moves no money and no credit");
    is_int(c.s.moved[TR_RELEASE], c.s.moved[TR_RESERVE],
           "the reserve comes back whole");
    is_int(party(&c, c.owner[0]).accepted_tasks, 0, "it builds no standing");
    ev = job_of(c.owner[0], 2, 1, 1);
    memcpy(ev.submit.job.zone, "own", 4);
    id = step(&c.s, ev)->id;
    is_int(work(&c.s, c.worker[1]), 0, "zone own is closed to others");
    is_int(work(&c.s, c.worker[0]), 1, "and open to its owner");
    ok(sound(&c), "the recount agrees");
    story_end(&c.s);
}

int main(void)
{
    newcomer_errs();
    liar_is_locked();
    established_errs();
    forfeit_reaches();
    salt_answers();
    checker_lies();
    checker_catches();
    own_work();
    done_testing();
    return exit_status();
}
