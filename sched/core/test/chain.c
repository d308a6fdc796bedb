/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c - a job goes all the way: submitted, leased, checked, paid */
#include "sched/core/test/story.h"

static void honest(void)
{
    struct story s;
    struct rec_job job;
    struct rec_party owner;
    struct error err;
    struct lease l;
    int64_t customer, party, worker, referee, id;
    struct answer *a;

    story_begin(&s);
    customer = new_party(&s, "customer", 0);
    party = new_party(&s, "owner", 0);
    worker = new_worker(&s, party, false);
    referee = new_worker(&s, 1, true);
    a = step(&s, job_of(customer, 1, 4, 8));
    is_int(a->code, EDQUOT, "a job without funds is refused");
    like(a->err.text, "quote 35.2000 USD exceeds prepaid 0.0000 USD",
         "naming both sums");
    fund(&s, customer, 1000 * SEC);
    a = step(&s, job_of(customer, 1, 4, 8));
    id = a->id;
    ok(a->code == 0 && id == 1, "a funded job is admitted");
    is_int(s.moved[TR_RESERVE], 35200000, "quote and fee are reserved");
    a = step(&s, job_of(customer, 1, 4, 8));
    ok(a->id == id && s.out.n_records == 0, "sent twice it is one job");
    is_int(work(&s, worker), 4, "the worker does its four tasks");
    is_int(s.moved[TR_ESCROW], 32000000, "and has them in escrow");
    cell_job(s.cell, id, &job);
    is_int(job.state, JOB_COMPLETING, "delivered, it waits for checks");
    a = ask(&s, referee, 1, 4);
    ok(a->n_leases == 1 && a->leases[0].job_id == 0,
       "the referee gets checks only");
    is_int(a->leases[0].n_items, 32, "of every item of a newcomer");
    l = keep(a->leases);
    a = commit(&s, referee, &l);
    is_int(a->results[0].fate, FATE_ACCEPTED, "and answers them");
    free(l.items);
    cell_job(s.cell, id, &job);
    is_int(job.state, JOB_COMPLETED, "the answers complete the job");
    is_int(job.spent_amount, 32000000, "at the quoted amount");
    is_int(s.moved[TR_VERIFY], 35200000, "amount and fee are paid");
    is_int(s.moved[TR_QUANTITY], 32000000, "and counted in credits");
    is_int(s.moved[TR_CHECK], 32000000, "a newcomer pays for his checks");
    cell_party(s.cell, party, &owner);
    is_int(owner.accepted_tasks, 4, "the owner has standing");
    ok(cell_check(s.cell, false, &err) == 0, "the recount agrees");
    story_end(&s);
}

int main(void)
{
    honest();
    done_testing();
    return exit_status();
}
