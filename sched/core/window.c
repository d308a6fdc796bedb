/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - tasks of one worker in one job that verify together (doc/9)
 *
 * Escrow follows the priced units of an open window, floored once: what is in
 * an owner's escrow account is the sum of amount over windows not yet closed.
 * A window is paid when every draw of it was answered and no answer of its
 * worker is disputed; it is never paid by waiting.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <stdlib.h>

struct window *window_put(struct cell *c, const struct rec_window *r)
{
    struct window *w = core_alloc(c, sizeof(*w));

    w->r = *r;
    w->job = job_get(c, r->job_id);
    w->worker = worker_get(c, r->worker_id);
    w->party = w->worker->party;
    w->priced = w->job->tariff && zone_rank(w->job->r.zone) != ZONE_OWN &&
                (!connected(w->party, w->job->customer) || r->amount > 0);
    list_init(&w->checks);
    core_map(c, &c->windows, (uint64_t)r->window_id, w);
    list_add(&w->party->windows, &w->in_party);
    if (r->state <= WINDOW_CHECKING)
        list_add(&w->job->windows, &w->in_job);
    if (r->state == WINDOW_OPEN) {
        list_push(&w->worker->windows, &w->in_worker);
        list_add(&c->ages, &w->in_age);
    }
    if (r->window_id >= c->next.next_window)
        c->next.next_window = r->window_id + 1;
    return w;
}

struct window *window_of(struct cell *c, struct worker *w, struct job *j)
{
    struct rec_window r = {0};
    struct window *win;

    list_each(win, it, &w->windows, struct window, in_worker)
    {
        if (win->job == j) {
            list_del(&win->in_worker); /* found sooner the next time */
            list_push(&w->windows, &win->in_worker);
            return win;
        }
    }
    r.window_id = c->next.next_window;
    r.job_id = j->r.job_id;
    r.worker_id = w->r.worker_id;
    r.party_id = w->r.party_id;
    r.state = WINDOW_OPEN;
    r.opened_us = c->now_us;
    win = window_put(c, &r);
    win->r.newcomer = win->priced && w->party->r.accepted_tasks == 0;
    dirty_window(c, win);
    return win;
}

void window_add(struct cell *c, struct window *w, uint32_t task, uint32_t items,
                int64_t units)
{
    if (w->r.tasks == w->cap_v) {
        uint32_t cap = w->cap_v ? w->cap_v * 2 : 8;
        struct wtask *v = realloc(w->v, cap * sizeof(*v));

        if (!v)
            core_oom(c);
        w->v = v;
        w->cap_v = cap;
    }
    w->v[w->r.tasks++] = (struct wtask){task, items, units};
    w->r.items += items;
    w->r.units += units;
    w->moved = true;
    dirty_window(c, w);
}

bool window_drop_task(struct cell *c, struct window *w, uint32_t task)
{
    for (uint32_t i = 0; i < w->r.tasks; i++)
        if (w->v[i].task == task) {
            w->r.items -= w->v[i].items;
            w->r.units -= w->v[i].units;
            w->v[i] = w->v[--w->r.tasks];
            w->moved = true;
            dirty_window(c, w);
            w->job->r.tasks_done--;
            task_again(c, w->job, task);
            return true;
        }
    return false;
}

void window_escrow(struct cell *c, struct window *w)
{
    struct job *j = w->job;
    struct leg reserve = {j->customer, ACC_RESERVE};
    struct leg escrow = {w->party, ACC_ESCROW};
    struct price price;
    int64_t more;

    if (!w->moved || w->r.state > WINDOW_CHECKING)
        return;
    w->moved = false;
    if (!w->priced)
        return;
    price_of(j, w->r.units, &price);
    more = price.amount - w->r.amount;
    if (more == 0)
        return;
    w->r.steps++;
    w->r.amount = price.amount;
    j->r.reserved -= more;
    assert(j->r.reserved >= 0); /* a window is floored, the quote only once */
    due_add(c, w, more);
    if (more > 0)
        post(c, TR_ESCROW, reserve, escrow, j->tariff->unit, more,
             w->r.window_id, 0, w->r.steps);
    else
        post(c, TR_REJECT, escrow, reserve, j->tariff->unit, -more,
             w->r.window_id, 0, w->r.steps);
    dirty_window(c, w);
    dirty_job(c, j);
}

static void unlink_closed(struct cell *c, struct window *w, uint8_t state)
{
    w->r.state = state;
    w->r.closed_us = c->now_us;
    list_del(&w->in_job);
    list_del(&w->in_worker);
    list_del(&w->in_age);
    dirty_window(c, w);
}

void window_release(struct cell *c, struct window *w)
{
    if (w->r.state < WINDOW_VERIFIED || w->pending > 0 || w->disputes > 0 ||
        map_get(&c->windows, (uint64_t)w->r.window_id) != w)
        return;
    map_del(&c->windows, (uint64_t)w->r.window_id);
    list_del(&w->in_party);
    free(w->v);
    w->v = NULL;
    core_bury(c, w);
}

void window_reject(struct cell *c, struct window *w)
{
    struct job *j = w->job;

    assert(w->r.state <= WINDOW_CHECKING);
    if (w->r.amount > 0) {
        w->r.steps++;
        due_add(c, w, -w->r.amount);
        j->r.reserved += w->r.amount;
        post(c, TR_REJECT, (struct leg){w->party, ACC_ESCROW},
             (struct leg){j->customer, ACC_RESERVE}, j->tariff->unit,
             w->r.amount, w->r.window_id, 0, w->r.steps);
        w->r.amount = 0;
    }
    unlink_closed(c, w, WINDOW_REJECTED);
    for (uint32_t i = 0; i < w->r.tasks; i++) {
        j->r.tasks_done--;
        task_again(c, j, w->v[i].task);
    }
    dirty_job(c, j);
    window_release(c, w);
    job_settle(c, j); /* a cancelled job queues nothing again */
}

/* ---- payment --------------------------------------------------------- */

static struct rec_billing *bill(struct cell *c, struct window *w,
                                uint8_t purpose, int64_t units, uint64_t items)
{
    struct rec_billing *b = &emit(c, REC_BILLING)->billing;

    b->billing_id = c->next.next_billing++;
    b->window_id = w->r.window_id;
    b->job_id = w->r.job_id;
    b->owner = w->r.party_id;
    b->customer =
        purpose == BILL_PRIMARY ? w->job->r.party_id : c->conf.cell_party;
    b->purpose = purpose;
    b->tariff_id = w->job->r.tariff_id;
    b->items = items;
    b->units = units;
    b->at_us = c->now_us;
    return b;
}

static void pay_quantity(struct cell *c, struct window *w, int64_t credit,
                         int64_t billing_id)
{
    post(c, TR_QUANTITY, (struct leg){cell_self(c), ACC_QTY_ISSUED},
         (struct leg){w->party, ACC_QTY_EARNED}, w->job->tariff->credit_unit,
         credit, billing_id, 2, 0);
}

static void pay_primary(struct cell *c, struct window *w)
{
    struct job *j = w->job;
    struct rec_billing *b;
    struct price p = {0, 0, 0};
    int64_t id;

    if (w->r.tasks == 0)
        return;
    b = bill(c, w, BILL_PRIMARY, w->r.units, w->r.items);
    b->tasks = w->r.tasks;
    b->busy_us = w->r.busy_us;
    if (!w->priced)
        return; /* own work: usage only */
    price_of(j, w->r.units, &p);
    assert(p.amount == w->r.amount);
    b->credit_micro = p.credit_micro;
    b->amount = p.amount;
    b->fee = p.fee;
    id = b->billing_id;
    due_add(c, w, -p.amount);
    post(c, TR_VERIFY, (struct leg){w->party, ACC_ESCROW},
         (struct leg){w->party, ACC_PAYABLE}, j->tariff->unit, p.amount, id, 0,
         0);
    post(c, TR_VERIFY, (struct leg){j->customer, ACC_RESERVE},
         (struct leg){cell_self(c), ACC_FEE}, j->tariff->unit, p.fee, id, 1, 0);
    pay_quantity(c, w, p.credit_micro, id);
    j->r.reserved -= p.fee;
    j->r.spent_amount += p.amount;
    j->r.spent_fee += p.fee;
    assert(j->r.reserved >= 0);
    w->party->r.accepted_tasks += w->r.tasks;
    dirty_party(c, w->party);
    standing_changed(c, w->party->benef);
}

static void pay_salt(struct cell *c, struct window *w)
{
    struct rec_billing *b;
    struct price p;
    int64_t id;

    if (w->r.salt_items == 0 || !w->job->tariff ||
        connected(w->party, cell_self(c)))
        return;
    price_of(w->job, w->r.salt_units, &p);
    b = bill(c, w, BILL_SALT, w->r.salt_units, w->r.salt_items);
    b->credit_micro = p.credit_micro;
    b->amount = p.amount;
    id = b->billing_id;
    post(c, TR_CHECK, (struct leg){cell_self(c), ACC_VERIFY_COST},
         (struct leg){w->party, ACC_PAYABLE}, w->job->tariff->unit, p.amount,
         id, 0, 0);
    pay_quantity(c, w, p.credit_micro, id);
}

/* The checked owner pays for checks he made necessary, never more than the
 * window earned him.
 */
static void pay_check_fee(struct cell *c, struct window *w, int64_t earned)
{
    struct rec_billing *b;
    struct price p;

    if (w->r.fee_units == 0 || !w->priced || earned == 0)
        return;
    price_of(w->job, w->r.fee_units, &p);
    if (p.amount > earned)
        p.amount = earned;
    b = bill(c, w, BILL_CHECK_FEE, w->r.fee_units, w->r.drawn);
    b->amount = p.amount;
    post(c, TR_CHECK, (struct leg){w->party, ACC_PAYABLE},
         (struct leg){cell_self(c), ACC_VERIFY_COST}, w->job->tariff->unit,
         p.amount, b->billing_id, 1, 0);
}

static void verified(struct cell *c, struct window *w)
{
    int64_t earned;

    window_escrow(c, w);
    earned = w->r.amount;
    pay_primary(c, w);
    pay_salt(c, w);
    pay_check_fee(c, w, earned);
    w->r.amount = 0;
    unlink_closed(c, w, WINDOW_VERIFIED);
    dirty_job(c, w->job);
    window_release(c, w);
    job_settle(c, w->job);
}

void window_settle(struct cell *c, struct window *w)
{
    if (w->r.state == WINDOW_CHECKING && w->pending == 0 && w->disputes == 0 &&
        c->forfeiting != w->party->benef)
        verified(c, w);
    else
        window_release(c, w);
}

void window_close(struct cell *c, struct window *w)
{
    assert(w->r.state == WINDOW_OPEN);
    w->r.state = WINDOW_CHECKING;
    list_del(&w->in_worker);
    list_del(&w->in_age);
    dirty_window(c, w);
    window_settle(c, w);
}

void window_age(struct cell *c)
{
    struct window *w;

    while (!list_empty(&c->ages)) {
        w = list_of(c->ages.next, struct window, in_age);
        if (w->r.opened_us > c->now_us - c->conf.window_max_us)
            break;
        window_close(c, w);
    }
}
