/* SPDX-License-Identifier: Apache-2.0 */
/* ledger-drive.c - a small, correct cell's records, or one planted fault
 *
 *   ledger-drive CONNINFO SCHEMA_DIR STORY [FAULT]
 *
 * Stories: "day" (two owners, a verified, a rejected and an open window),
 * "night" (one owner, 240 tasks: the worked example of doc/8-ledger.md),
 * "more" (one transfer more), "load" (rounds of postings until killed; prints
 * the number of each acknowledged round) and "none" (only opens).  A FAULT
 * makes one of the records wrong; everything goes through the store.  Exit
 * status: 0 committed, 3 refused with the reason on standard error.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/store.h"

#define NOW INT64_C(1765000000000000) /* 2025-12-06 */
#define TASK_UNITS INT64_C(1000000000000000)

enum { CELL = 1, ANN, BOB, EVE };
enum { ANNS = 1, BOBS, REFEREE };

struct drive {
    struct store *store;
    const char *fault;
    struct record v[1024];
    size_t n;
    int64_t now, checks, lines;
    struct rec_job job;
    struct rec_window w;
    struct rec_party who[5];
};

static const uint8_t some_bytes[] = "echo";

static bool is(const struct drive *d, const char *fault)
{
    return strcmp(d->fault, fault) == 0;
}

static struct record *emit(struct drive *d, enum record_type type)
{
    struct record *r = &d->v[d->n++];

    if (d->n > sizeof(d->v) / sizeof(d->v[0]))
        abort();
    memset(r, 0, sizeof(*r));
    r->type = type;
    return r;
}

/* Send what was emitted as one transaction. */
static void commit(struct drive *d)
{
    struct store_batch *b = store_batch_create(d->store);
    enum store_status st = STORE_FAILED;
    struct error err = {""};

    if (!b || store_put(b, d->v, d->n) < 0)
        abort();
    if (store_send(d->store, b, &err) == 0)
        while ((st = store_poll(d->store, &err)) == STORE_WAITING) {
            bool w;
            struct pollfd p = {.fd = store_fd(d->store, &w)};

            p.events = (short)(POLLIN | (w ? POLLOUT : 0));
            poll(&p, 1, 1000);
        }
    store_batch_destroy(b);
    if (st != STORE_COMMITTED) {
        fprintf(stderr, "%s\n", err.text);
        exit(st == STORE_LOST ? 4 : 3);
    }
    d->n = 0;
    d->now += 1000000;
}

static void post_leg(struct drive *d, uint8_t kind, int64_t dp, uint8_t dr,
                     int64_t cp, uint8_t cr, const char *unit, int64_t amount,
                     int64_t ref, uint32_t leg, uint64_t serial)
{
    struct rec_transfer *t;

    if (amount == 0)
        return;
    t = &emit(d, REC_TRANSFER)->transfer;
    t->kind = kind;
    t->dr_party = dp;
    t->dr_purpose = dr;
    t->cr_party = cp;
    t->cr_purpose = cr;
    snprintf(t->unit, sizeof(t->unit), "%s", unit);
    t->amount = amount;
    t->ref = ref;
    t->event_us = d->now;
    transfer_make_id(t, leg, serial);
}

static void party(struct drive *d, int64_t id, const char *name, uint32_t roles)
{
    struct rec_party *p = &d->who[id];

    p->party_id = id;
    p->beneficial_owner = is(d, "connected") && id == BOB ? ANN : id;
    p->roles = roles;
    p->created_us = d->now;
    snprintf(p->name, sizeof(p->name), "%s", name);
    emit(d, REC_PARTY)->party = *p;
}

static void worker(struct drive *d, int64_t id, int64_t owner, bool referee)
{
    struct rec_worker *w = &emit(d, REC_WORKER)->worker;

    w->worker_id = id;
    w->party_id = owner;
    w->pubkey[0] = (uint8_t)id;
    w->referee = referee;
    w->state = WORKER_ACTIVE;
    w->enrolled_us = d->now;
}

static void tariff(struct drive *d, int64_t id, const char *kernel,
                   const char *credit)
{
    struct rec_tariff *t = &emit(d, REC_TARIFF)->tariff;

    t->tariff_id = id;
    snprintf(t->kernel, sizeof(t->kernel), "%s", kernel);
    memcpy(t->zone, "cell", 5);
    memcpy(t->unit, "USD", 4);
    snprintf(t->credit_unit, sizeof(t->credit_unit), "%s", credit);
    t->price_micro = 240000;
    t->rate_num = 1;
    t->rate_den = INT64_C(100000000000); /* 1e17 units a credit */
    t->fee_ppm = 100000;
}

static void set_up(struct drive *d)
{
    party(d, CELL, "cell", ROLE_CELL);
    party(d, ANN, "Ann", ROLE_OWNER);
    party(d, BOB, "Bob", ROLE_OWNER);
    party(d, EVE, "Eve", ROLE_CUSTOMER);
    worker(d, ANNS, ANN, false);
    worker(d, BOBS, BOB, false);
    worker(d, REFEREE, CELL, true);
    tariff(d, 1, "embed", "GPUC");
    if (is(d, "tariff-overlap"))
        tariff(d, 2, "embed", "GPUC");
    post_leg(d, TR_FUND, CELL, ACC_BANK, EVE, ACC_PREPAID, "USD", 10000000, EVE,
             0, 1);
    if (is(d, "bad-edge"))
        post_leg(d, TR_FUND, CELL, ACC_BANK, ANN, ACC_PAYABLE, "USD", 1, 9, 0,
                 1);
    if (is(d, "overdraft"))
        post_leg(d, TR_RESERVE, EVE, ACC_PREPAID, EVE, ACC_RESERVE, "USD",
                 10000001, 9, 0, 1);
    commit(d);
}

static void put_job(struct drive *d)
{
    emit(d, REC_JOB)->job = d->job;
}

static int64_t credit_of(int64_t units)
{
    return units / INT64_C(100000000000);
}

static int64_t amount_of(int64_t units)
{
    return credit_of(units) * 240000 / 1000000;
}

static void submit(struct drive *d, uint32_t tasks)
{
    struct rec_job *j = &d->job;
    int64_t id = j->job_id + 1;

    memset(j, 0, sizeof(*j));
    j->job_id = id;
    j->party_id = EVE;
    j->submission_id[0] = (uint8_t)id;
    memcpy(j->kernel, "embed", 6);
    memcpy(j->name, "glosses", 8);
    memcpy(j->zone, "cell", 5);
    j->input = INPUT_INDEX;
    j->tasks = tasks;
    j->items_per_task = 2;
    j->items = 2 * tasks;
    j->units_per_item = TASK_UNITS / 2;
    j->units = TASK_UNITS * tasks;
    j->submitted_us = d->now;
    j->state = JOB_PENDING;
    j->tariff_id = 1;
    j->quote_amount = amount_of(j->units);
    j->quote_fee = j->quote_amount / 10;
    j->reserved = j->quote_amount + j->quote_fee;
    post_leg(d, TR_RESERVE, EVE, ACC_PREPAID, EVE, ACC_RESERVE, "USD",
             j->reserved, id, 0, 0);
    if (is(d, "reserve-twice"))
        post_leg(d, TR_RESERVE, EVE, ACC_PREPAID, EVE, ACC_RESERVE, "USD",
                 j->reserved, id, 0, 1);
    put_job(d);
    commit(d);
}

static void put_window(struct drive *d)
{
    struct record *r = emit(d, REC_WINDOW);

    r->window = d->w;
    if (d->w.state <= WINDOW_CHECKING && is(d, "window-amount"))
        r->window.amount++;
    if (is(d, "window-units"))
        r->window.units--;
}

static void put_task(struct drive *d, uint32_t task, uint32_t attempt,
                     uint8_t state)
{
    struct rec_task *t = &emit(d, REC_TASK)->task;

    t->job_id = d->job.job_id;
    t->task = task;
    t->state = state;
    t->attempt = attempt;
    if (state == TASK_DONE) {
        t->worker_id = d->w.worker_id;
        t->window_id = d->w.window_id;
        t->units = TASK_UNITS;
        t->ended_us = d->now;
    }
}

static void put_result(struct drive *d, uint32_t task, uint32_t attempt)
{
    struct rec_result *r = &emit(d, REC_RESULT)->result;

    r->job_id = d->job.job_id;
    r->task = task;
    r->epoch = 1;
    r->attempt = attempt;
    r->worker_id = d->w.worker_id;
    r->window_id = d->w.window_id;
    r->n_items = 2;
    r->units = TASK_UNITS;
    r->bytes = some_bytes;
    r->len = sizeof(some_bytes);
    r->received_us = d->now;
}

/* Tasks first … first + n - 1 are committed by a worker in a new window. */
static void work(struct drive *d, int64_t worker_id, int64_t owner,
                 uint32_t first, uint32_t n, uint32_t attempt)
{
    struct rec_window *w = &d->w;
    int64_t id = w->window_id + 1;

    memset(w, 0, sizeof(*w));
    w->window_id = id;
    w->job_id = d->job.job_id;
    w->worker_id = worker_id;
    w->party_id = owner;
    w->state = WINDOW_OPEN;
    w->tasks = n;
    w->items = 2 * n;
    w->units = TASK_UNITS * n;
    w->amount = amount_of(w->units);
    w->steps = 1;
    w->busy_us = INT64_C(68400000) * n; /* 4.56 h for 240 tasks */
    w->opened_us = d->now;
    for (uint32_t i = first; i < first + n; i++) {
        put_task(d, i, attempt, TASK_DONE);
        put_result(d, i, attempt);
    }
    post_leg(d, TR_ESCROW, EVE, ACC_RESERVE, owner, ACC_ESCROW, "USD",
             w->amount, id, 0, 1);
    d->job.state = JOB_RUNNING;
    d->job.tasks_done += n;
    d->job.reserved -= w->amount;
    put_window(d);
    put_job(d);
    commit(d);
}

/* One item of the window is recomputed by checker with this outcome. */
static void check(struct drive *d, uint32_t task, uint32_t attempt,
                  int64_t checker, uint8_t state)
{
    struct rec_check *c = &emit(d, REC_CHECK)->check;

    c->check_id = ++d->checks;
    c->window_id = d->w.window_id;
    c->job_id = d->w.job_id;
    c->task = task;
    c->attempt = attempt;
    c->epoch = 1;
    c->units = TASK_UNITS / 2;
    c->state = is(d, "wrong-but-paid") ? CHECK_WRONG : state;
    c->checker_id = is(d, "self-check") ? d->w.worker_id : checker;
    c->drawn_us = c->answered_us = d->now;
    d->w.drawn++;
    d->w.equal += state == CHECK_EQUAL;
    d->w.wrong += state == CHECK_WRONG;
    d->job.checked_items++;
    put_window(d);
    put_job(d);
    commit(d);
}

static struct rec_billing *bill(struct drive *d, uint8_t purpose, int64_t units)
{
    struct rec_billing *b = &emit(d, REC_BILLING)->billing;

    b->billing_id = ++d->lines;
    b->window_id = d->w.window_id;
    b->job_id = d->w.job_id;
    b->owner = d->w.party_id;
    b->customer = purpose == BILL_PRIMARY ? EVE : CELL;
    b->purpose = purpose;
    b->tariff_id = 1;
    b->units = units;
    b->credit_micro = credit_of(units);
    b->amount = amount_of(units);
    b->at_us = d->now;
    return b;
}

/* Checks the window's worker answered meanwhile. */
static void pay_salt(struct drive *d, int64_t items)
{
    int64_t units = items * TASK_UNITS / 2;
    struct rec_billing *b = bill(d, BILL_SALT, units);

    b->items = (uint64_t)items;
    post_leg(d, TR_CHECK, CELL, ACC_VERIFY_COST, d->w.party_id, ACC_PAYABLE,
             "USD", is(d, "salt-leg") ? b->amount + 1 : b->amount, d->lines, 0,
             0);
    post_leg(d, TR_QUANTITY, CELL, ACC_QTY_ISSUED, d->w.party_id,
             ACC_QTY_EARNED, "GPUC", b->credit_micro, d->lines, 2, 0);
    b = bill(d, BILL_CHECK_FEE, units);
    b->credit_micro = 0;
    post_leg(d, TR_CHECK, d->w.party_id, ACC_PAYABLE, CELL, ACC_VERIFY_COST,
             "USD", b->amount, d->lines, 1, 0);
}

static void verify(struct drive *d, int64_t salt_items)
{
    struct rec_billing *b = bill(d, BILL_PRIMARY, d->w.units);
    int64_t owner = d->w.party_id, fee, paid = d->w.amount;

    b->tasks = d->w.tasks;
    b->items = d->w.items;
    b->busy_us = d->w.busy_us;
    fee = b->fee = b->amount / 10;
    if (is(d, "wrong-price")) /* cheaper, and paid so */
        b->fee = fee = b->fee - 1;
    if (is(d, "wrong-credit"))
        b->credit_micro++;
    post_leg(d, TR_VERIFY, owner, ACC_ESCROW, owner, ACC_PAYABLE, "USD", paid,
             d->lines, 0, 0);
    if (!is(d, "no-fee-leg"))
        post_leg(d, TR_VERIFY, EVE, ACC_RESERVE, CELL, ACC_FEE, "USD", fee,
                 d->lines, 1, 0);
    if (is(d, "leg-twice"))
        post_leg(d, TR_QUANTITY, CELL, ACC_QTY_ISSUED, owner, ACC_QTY_EARNED,
                 "GPUC", b->credit_micro, d->lines, 3, 0);
    post_leg(d, TR_QUANTITY, CELL, ACC_QTY_ISSUED, owner, ACC_QTY_EARNED,
             "GPUC", is(d, "quantity") ? b->credit_micro + 1 : b->credit_micro,
             d->lines, 2, 0);
    d->job.reserved -= fee;
    d->job.spent_amount += paid;
    d->job.spent_fee += fee;
    if (is(d, "spent"))
        d->job.spent_amount--;
    d->w.amount = 0;
    d->w.state = WINDOW_VERIFIED;
    d->w.closed_us = d->now;
    if (salt_items)
        pay_salt(d, salt_items);
    put_window(d);
    put_job(d);
    commit(d);
}

static void reject(struct drive *d, uint32_t first, uint32_t n)
{
    post_leg(d, TR_REJECT, d->w.party_id, ACC_ESCROW, EVE, ACC_RESERVE, "USD",
             d->w.amount, d->w.window_id, 0, 2);
    d->job.reserved += d->w.amount;
    d->job.tasks_done -= n;
    d->w.amount = 0;
    d->w.steps = 2;
    d->w.state = WINDOW_REJECTED;
    d->w.closed_us = d->now;
    for (uint32_t i = first; i < first + n; i++)
        put_task(d, i, 1, TASK_QUEUED);
    put_window(d);
    put_job(d);
    commit(d);
}

static void end_job(struct drive *d)
{
    post_leg(d, TR_RELEASE, EVE, ACC_RESERVE, EVE, ACC_PREPAID, "USD",
             d->job.reserved, d->job.job_id, 0, 0);
    d->job.reserved = is(d, "keeps-reserve") ? 1 : 0;
    d->job.ended_us = d->now;
    d->job.state = JOB_COMPLETED;
    if (is(d, "task-count"))
        d->job.tasks_done--;
    if (is(d, "ends-early"))
        d->job.ended_us = 0;
    put_job(d);
    commit(d);
}

static void day(struct drive *d)
{
    set_up(d);
    submit(d, is(d, "paid-twice") ? 20 : 10);
    work(d, ANNS, ANN, 0, 5, 1);
    check(d, 0, 1, BOBS, CHECK_EQUAL);
    check(d, 1, 1, REFEREE, CHECK_EQUAL);
    verify(d, 0);
    work(d, BOBS, BOB, 5, 5, 1);
    if (is(d, "paid-twice")) {
        verify(d, 0);
        d->job.tasks_done -= 5;
    } else {
        check(d, 5, 1, REFEREE, CHECK_WRONG);
        reject(d, 5, 5);
    }
    work(d, ANNS, ANN, 5, 5, 2);
    check(d, 5, 2, BOBS, CHECK_EQUAL);
    verify(d, 2);
    end_job(d);
    submit(d, 4);
    work(d, BOBS, BOB, 0, 3, 1);
}

static void night(struct drive *d)
{
    set_up(d);
    submit(d, 240);
    work(d, ANNS, ANN, 0, 240, 1);
    check(d, 0, 1, REFEREE, CHECK_EQUAL);
    verify(d, 0);
    end_job(d);
}

static void more(struct drive *d)
{
    post_leg(d, TR_FUND, CELL, ACC_BANK, EVE, ACC_PREPAID, "USD", 1, EVE, 0, 2);
    commit(d);
}

/* Fund Eve again and again; a round is printed once it is acknowledged. */
static void load(struct drive *d)
{
    if (store_epoch(d->store) == 1)
        set_up(d);
    for (int64_t i = 1;; i++) {
        int64_t round = store_epoch(d->store) * INT64_C(1000000) + i;

        for (int k = 0; k < 20; k++)
            post_leg(d, TR_FUND, CELL, ACC_BANK, EVE, ACC_PREPAID, "USD", 1,
                     round, (uint32_t)k, 7);
        commit(d);
        printf("%jd\n", (intmax_t)round);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static struct drive d;
    struct error err;

    if (argc < 4) {
        fprintf(stderr, "usage: ledger-drive CONNINFO SCHEMA STORY [FAULT]\n");
        return 2;
    }
    d.fault = argc > 4 ? argv[4] : "";
    d.now = NOW;
    d.store = store_open(argv[1], argv[2], 5000000, &err);
    if (!d.store) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    if (strcmp(argv[3], "day") == 0)
        day(&d);
    else if (strcmp(argv[3], "night") == 0)
        night(&d);
    else if (strcmp(argv[3], "more") == 0)
        more(&d);
    else if (strcmp(argv[3], "load") == 0)
        load(&d);
    store_close(d.store);
    return 0;
}
