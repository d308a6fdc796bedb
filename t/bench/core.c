/* SPDX-License-Identifier: Apache-2.0 */
/* core.c - how many tasks a second the core alone decides
 *
 * 200 workers commit 64 results and take 64 leases per event, one item a task;
 * a referee answers what is drawn.  Prints one figure a line, the median of
 * five runs: name value unit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bytes.h"
#include "sched/core/cell.h"

#define SEC INT64_C(1000000)
#define WORKERS 200
#define BATCH 64
#define TASKS 200000
#define ITEMS (BATCH * 256) /* a referee holds many */
#define RUNS 5

struct hand { /* what a worker holds */
    struct lease leases[BATCH];
    struct lease_item items[ITEMS];
    uint32_t n;
};

static struct cell *cell;
static struct rng rng;
static struct effects fx;
static int64_t now;
static uint64_t records;
static struct hand hands[WORKERS + 1];

static const struct answer *step(struct event *ev)
{
    effects_clear(&fx);
    ev->req = 1;
    if (cell_step(cell, ev, now, &rng, &fx) < 0)
        abort();
    records += fx.n_records;
    if (fx.answers[0].code && !fx.answers[0].parked &&
        fx.answers[0].n_leases == 0 && fx.answers[0].err.text[0])
        fprintf(stderr, "%s\n", fx.answers[0].err.text);
    return &fx.answers[0];
}

static void take(struct hand *h, const struct answer *a)
{
    uint32_t used = 0;

    h->n = a->n_leases;
    for (uint32_t i = 0; i < h->n; i++) {
        h->leases[i] = a->leases[i];
        memcpy(h->items + used, a->leases[i].items,
               a->leases[i].n_items * sizeof(*h->items));
        h->leases[i].items = h->items + used;
        used += a->leases[i].n_items;
    }
}

static void ask(struct ev_lease *l, int64_t worker)
{
    l->worker_id = worker;
    l->offer.cores = 1;
    l->offer.n_kernels = 1;
    memcpy(l->offer.zone, "cell", 5);
    memcpy(l->offer.kernels[0].name, "echo", 5);
    l->offer.kernels[0].units_per_s = 1000000;
    l->want = BATCH;
}

/* Commit all a worker holds, echo the row, ask for as much again. */
static void turn(struct hand *h, int64_t worker)
{
    static struct item_result items[ITEMS];
    static uint8_t bytes[ITEMS][16];
    static struct result_in in[BATCH];
    struct event ev = {.type = EV_RESULT};
    uint32_t used = 0;

    for (uint32_t i = 0; i < h->n; i++) {
        const struct lease *l = &h->leases[i];

        in[i] = (struct result_in){.lease = l, .items = items + used};
        for (uint32_t k = 0; k < l->n_items; k++, used++) {
            put_u64be(bytes[used], (uint64_t)l->items[k].job_id);
            put_u32be(bytes[used] + 8, l->items[k].task);
            put_u32be(bytes[used] + 12, l->items[k].item);
            items[used] = (struct item_result){0, 1, bytes[used], 16};
        }
        put_u64be(in[i].root.hash.b, (uint64_t)l->lease_id);
    }
    ev.result.worker_id = worker;
    ev.result.results = in;
    ev.result.n = h->n;
    ask(&ev.result.ask, worker);
    now += 1000;
    take(h, step(&ev));
}

static void found(int64_t price)
{
    struct event party = {.type = EV_PARTY}, worker = {.type = EV_ENROL};
    struct event tariff = {.type = EV_TARIFF}, money = {.type = EV_FUND};
    struct event job = {.type = EV_SUBMIT};
    struct rec_job *r = &job.submit.job;

    party.party.party_id = 1;
    memcpy(party.party.name, "cell", 5);
    step(&party);
    tariff.tariff = (struct rec_tariff){1, "echo", "cell", "USD", "CPUC", price,
                                        1, 1,      100000, 0,     0};
    step(&tariff);
    party.party.party_id = 0;
    for (int i = 0; i <= WORKERS; i++) { /* party 2 is the customer */
        step(&party);
        worker.enrol.party_id = i == 0 ? 1 : i + 2;
        worker.enrol.referee = i == 0;
        if (i > 0)
            continue;
        step(&worker); /* worker 1 is the referee */
    }
    worker.enrol.referee = false;
    for (int i = 1; i < WORKERS; i++) {
        worker.enrol.party_id = i + 2;
        step(&worker);
    }
    money.fund.party_id = 2;
    money.fund.amount = 1000000 * SEC;
    memcpy(money.fund.unit, "USD", 4);
    step(&money);
    r->party_id = 2;
    memcpy(r->kernel, "echo", 5);
    r->input = INPUT_INDEX;
    r->tasks = TASKS;
    r->items_per_task = 1;
    r->items = TASKS;
    r->units_per_item = 1;
    step(&job);
}

static bool ended(void)
{
    struct rec_job j;

    return cell_job(cell, 1, &j) && j.ended_us > 0;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double run(int64_t price)
{
    struct cell_conf conf;
    double from, took;

    cell_conf_default(&conf);
    rng_seed(&rng, 1);
    now = SEC;
    memset(hands, 0, sizeof(hands));
    cell = cell_create(&conf);
    if (!cell)
        abort();
    found(price);
    records = 0;
    from = seconds();
    while (!ended()) {
        for (int i = 1; i < WORKERS; i++) {
            turn(&hands[i], i + 1);
            if (i % 10 == 0)
                turn(&hands[0], 1);
        }
    }
    took = seconds() - from;
    fprintf(stderr, "# %.3f s, %.2f rows a task\n", took,
            (double)records / TASKS);
    cell_destroy(cell);
    return TASKS / took;
}

static int up(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int main(void)
{
    static const struct {
        const char *name;
        int64_t price;
    } figures[] = {{"core_unpaid_tasks_per_s", 0},
                   {"core_tasks_per_s", 1000000}};

    effects_init(&fx);
    for (size_t f = 0; f < 2; f++) {
        double v[RUNS];

        for (int i = 0; i < RUNS; i++)
            v[i] = run(figures[f].price);
        qsort(v, RUNS, sizeof(v[0]), up);
        printf("%s %.0f tasks/s\n", figures[f].name, v[RUNS / 2]);
    }
    effects_free(&fx);
    return 0;
}
