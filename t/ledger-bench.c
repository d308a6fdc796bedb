/* SPDX-License-Identifier: Apache-2.0 */
/* ledger-bench.c - how fast the store posts and keeps, alone
 *
 *   ledger-bench CONNINFO SCHEMA_DIR transfers BATCHES
 *   ledger-bench CONNINFO SCHEMA_DIR tasks BATCHES
 *
 * transfers: batches of 4,096 transfers to 1,000 accounts; prints transfers/s
 * and the 99th percentile of a batch.  tasks: what a cell commits for 8
 * requests of 64 echo tasks: results, tasks, windows, billing lines, legs,
 * replies; prints tasks/s.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accounting/store.h"

#define NOW INT64_C(1765000000000000)
#define OWNERS 1000
#define LEGS 4096
#define REQUESTS 8
#define PER_REQUEST 64
#define PER_WINDOW 32
#define REPLY 8192
#define TASKS (REQUESTS * PER_REQUEST)

struct bench {
    struct store *s;
    struct store_batch *b;
    int64_t window, line;
    uint32_t task;
    int64_t round;
};

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void put(struct bench *x, const struct record *r)
{
    if (store_put(x->b, r, 1) < 0)
        abort();
}

static void commit(struct bench *x)
{
    enum store_status st = STORE_LOST;
    struct error err = {""};

    if (store_send(x->s, x->b, &err) == 0)
        while ((st = store_poll(x->s, &err)) == STORE_WAITING) {
            bool w;
            struct pollfd p = {.fd = store_fd(x->s, &w)};

            p.events = (short)(POLLIN | (w ? POLLOUT : 0));
            poll(&p, 1, 1000);
        }
    if (st != STORE_COMMITTED) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    store_batch_reset(x->b);
}

static void leg(struct bench *x, uint8_t kind, int64_t dp, uint8_t dr,
                int64_t cp, uint8_t cr, int64_t amount, int64_t ref, int n)
{
    struct record r = {.type = REC_TRANSFER};

    r.transfer.kind = kind;
    r.transfer.dr_party = dp;
    r.transfer.dr_purpose = dr;
    r.transfer.cr_party = cp;
    r.transfer.cr_purpose = cr;
    memcpy(r.transfer.unit, "USD", 4);
    r.transfer.amount = amount;
    r.transfer.ref = ref;
    r.transfer.event_us = NOW;
    transfer_make_id(&r.transfer, (uint32_t)n, (uint64_t)x->round);
    put(x, &r);
}

static void set_up(struct bench *x)
{
    for (int64_t i = 1; i <= OWNERS + 2; i++) {
        struct record r = {.type = REC_PARTY};
        struct record w = {.type = REC_WORKER};

        r.party.party_id = r.party.beneficial_owner = i;
        snprintf(r.party.name, sizeof(r.party.name), "party %jd", (intmax_t)i);
        put(x, &r);
        w.worker.worker_id = w.worker.party_id = i;
        w.worker.state = WORKER_ACTIVE;
        put(x, &w);
    }
    struct record t = {.type = REC_TARIFF};

    t.tariff.tariff_id = 1;
    memcpy(t.tariff.kernel, "echo", 5);
    memcpy(t.tariff.zone, "cell", 5);
    memcpy(t.tariff.unit, "USD", 4);
    memcpy(t.tariff.credit_unit, "CPUC", 5);
    t.tariff.price_micro = 1000000;
    t.tariff.rate_num = t.tariff.rate_den = 1;
    t.tariff.fee_ppm = 100000;
    put(x, &t);
    leg(x, TR_FUND, 1, ACC_BANK, 2, ACC_PREPAID, INT64_C(1000000000000), 0, 0);
    commit(x);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void bench_transfers(struct bench *x, int batches)
{
    int64_t *took = calloc((size_t)batches, sizeof(*took)), start = now_us();

    for (int i = 0; i < batches; i++) {
        int64_t t0 = now_us();

        x->round = store_epoch(x->s) * INT64_C(1000000) + i;
        for (int k = 0; k < LEGS; k++)
            leg(x, TR_FUND, 1, ACC_BANK, 3 + k % OWNERS, ACC_PREPAID, 1 + k, 7,
                k);
        commit(x);
        took[i] = now_us() - t0;
    }
    start = now_us() - start;
    qsort(took, (size_t)batches, sizeof(*took), by_size);
    printf("ledger_transfers_per_s %jd 1/s\n",
           (intmax_t)(INT64_C(1000000) * LEGS * batches / start));
    printf("ledger_batch_p99_ms %jd ms\n",
           (intmax_t)(took[(batches * 99 - 1) / 100] / 1000));
    free(took);
}

static void put_job(struct bench *x)
{
    struct record r = {.type = REC_JOB};

    r.job.job_id = 1;
    r.job.party_id = 2;
    memcpy(r.job.kernel, "echo", 5);
    r.job.input = INPUT_INDEX;
    r.job.tasks = 1u << 30;
    r.job.state = JOB_RUNNING;
    r.job.tariff_id = 1;
    r.job.quote_amount = r.job.quote_fee = INT64_C(1000000000000);
    put(x, &r);
}

static void pay(struct bench *x, struct rec_window *w)
{
    struct record r = {.type = REC_BILLING};

    r.billing.billing_id = ++x->line;
    r.billing.window_id = w->window_id;
    r.billing.job_id = 1;
    r.billing.owner = w->party_id;
    r.billing.customer = 2;
    r.billing.purpose = BILL_PRIMARY;
    r.billing.tariff_id = 1;
    r.billing.units = r.billing.amount = r.billing.credit_micro = PER_WINDOW;
    r.billing.fee = PER_WINDOW / 10;
    put(x, &r);
    leg(x, TR_VERIFY, w->party_id, ACC_ESCROW, w->party_id, ACC_PAYABLE,
        PER_WINDOW, x->line, 0);
    leg(x, TR_VERIFY, 2, ACC_RESERVE, 1, ACC_FEE, PER_WINDOW / 10, x->line, 1);
}

static void one_task(struct bench *x, const struct rec_window *w)
{
    static const uint8_t bytes[40], map[12];
    struct record r = {.type = REC_RESULT}, t = {.type = REC_TASK};

    r.result.job_id = t.task.job_id = 1;
    r.result.task = t.task.task = x->task++;
    r.result.epoch = 1;
    r.result.attempt = t.task.attempt = 1;
    r.result.worker_id = t.task.worker_id = w->worker_id;
    r.result.window_id = t.task.window_id = w->window_id;
    r.result.n_items = 1;
    r.result.units = t.task.units = 1;
    r.result.bytes = bytes;
    r.result.len = sizeof(bytes);
    r.result.map = map;
    r.result.map_len = sizeof(map);
    t.task.state = TASK_DONE;
    put(x, &r);
    put(x, &t);
}

static void one_window(struct bench *x, int64_t owner)
{
    struct record r = {.type = REC_WINDOW};
    struct rec_window *w = &r.window;

    w->window_id = ++x->window;
    w->job_id = 1;
    w->worker_id = w->party_id = owner;
    w->state = WINDOW_VERIFIED;
    w->tasks = PER_WINDOW;
    for (int i = 0; i < PER_WINDOW; i++)
        one_task(x, w);
    leg(x, TR_ESCROW, 2, ACC_RESERVE, owner, ACC_ESCROW, PER_WINDOW,
        w->window_id, 2);
    pay(x, w);
    put(x, &r);
}

static void bench_tasks(struct bench *x, int batches)
{
    static uint8_t reply[REPLY];
    int64_t start;

    leg(x, TR_RESERVE, 2, ACC_PREPAID, 2, ACC_RESERVE, INT64_C(900000000000), 0,
        1);
    put_job(x);
    commit(x);
    start = now_us();
    for (int i = 0; i < batches; i++) {
        for (int k = 0; k < REQUESTS; k++) {
            int64_t owner = 3 + (i * REQUESTS + k) % OWNERS;
            struct record r = {.type = REC_SEQ};

            r.seq.worker_id = owner;
            r.seq.seq = i;
            r.seq.reply = reply;
            r.seq.reply_len = sizeof(reply);
            put(x, &r);
            for (int n = 0; n < PER_REQUEST / PER_WINDOW; n++)
                one_window(x, owner);
        }
        put_job(x);
        commit(x);
    }
    start = now_us() - start;
    printf("store_tasks_per_s %jd 1/s\n",
           (intmax_t)(INT64_C(1000000) * TASKS * batches / start));
}

int main(int argc, char **argv)
{
    struct bench x = {.round = 0};
    struct error err;

    if (argc != 5) {
        fprintf(stderr, "usage: ledger-bench CONNINFO SCHEMA transfers|tasks "
                        "BATCHES\n");
        return 2;
    }
    x.s = store_open(argv[1], argv[2], 5000000, &err);
    if (!x.s) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    x.b = store_batch_create(x.s);
    if (store_epoch(x.s) == 1)
        set_up(&x);
    if (strcmp(argv[3], "tasks") == 0)
        bench_tasks(&x, (int)strtol(argv[4], NULL, 10));
    else
        bench_transfers(&x, (int)strtol(argv[4], NULL, 10));
    store_batch_destroy(x.b);
    store_close(x.s);
    return 0;
}
