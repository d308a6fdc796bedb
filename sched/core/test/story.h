/* SPDX-License-Identifier: Apache-2.0 */
/* story.h - a small cell for unit tests: honest machines and a few words
 *
 * The truth of an item is its job, task and number; a worker says it, or lies
 * in the position the test tells it to.
 */
#ifndef FALLOW_SCHED_CORE_TEST_STORY_H
#define FALLOW_SCHED_CORE_TEST_STORY_H

#include <errno.h>

#include "common/bytes.h"
#include "sched/core/cell.h"
#include "t/tap.h"

#define SEC INT64_C(1000000)

struct story {
    struct cell *cell;
    struct cell_conf conf;
    struct rng rng;
    struct effects out;
    int64_t now;
    uint64_t req;
    int64_t moved[32]; /* money by enum transfer_kind */
};

static const struct digest story_spec = {{0xee}};

static const struct rec_tariff story_tariff = {.tariff_id = 1,
                                               .kernel = "echo",
                                               .zone = "cell",
                                               .unit = "USD",
                                               .credit_unit = "CPUC",
                                               .price_micro = 1000000,
                                               .rate_num = 1000000,
                                               .rate_den = 1,
                                               .fee_ppm = 100000};

/* One event; returns its answer (valid until the next). */
static inline struct answer *step(struct story *s, struct event ev)
{
    effects_clear(&s->out);
    ev.req = ++s->req;
    if (cell_step(s->cell, &ev, s->now, &s->rng, &s->out) < 0)
        abort();
    for (size_t i = 0; i < s->out.n_records; i++)
        if (s->out.records[i].type == REC_TRANSFER)
            s->moved[s->out.records[i].transfer.kind] +=
                s->out.records[i].transfer.amount;
    return &s->out.answers[0];
}

/* Records of a type in the last step. */
static inline size_t rows(const struct story *s, enum record_type type)
{
    size_t n = 0;

    for (size_t i = 0; i < s->out.n_records; i++)
        n += s->out.records[i].type == type;
    return n;
}

static inline int64_t new_party(struct story *s, const char *name,
                                int64_t benef)
{
    struct event ev = {.type = EV_PARTY};

    snprintf(ev.party.name, sizeof(ev.party.name), "%s", name);
    ev.party.beneficial_owner = benef;
    ev.party.roles = ROLE_OWNER | ROLE_CUSTOMER;
    return step(s, ev)->id;
}

static inline int64_t new_worker(struct story *s, int64_t party, bool referee)
{
    struct event ev = {.type = EV_ENROL};

    ev.enrol.party_id = party;
    ev.enrol.referee = referee;
    return step(s, ev)->id;
}

static inline struct answer *fund(struct story *s, int64_t party,
                                  int64_t amount)
{
    struct event ev = {.type = EV_FUND};

    ev.fund.party_id = party;
    ev.fund.amount = amount;
    memcpy(ev.fund.unit, "USD", 4);
    return step(s, ev);
}

/* A cell with its own party (1), a tariff and nobody else; conf NULL = the
 * defaults.
 */
static inline void story_begin_conf(struct story *s,
                                    const struct cell_conf *conf)
{
    struct event party = {.type = EV_PARTY}, tariff = {.type = EV_TARIFF};

    memset(s, 0, sizeof(*s));
    cell_conf_default(&s->conf);
    if (conf)
        s->conf = *conf;
    s->now = 1000 * SEC;
    rng_seed(&s->rng, 1);
    effects_init(&s->out);
    s->cell = cell_create(&s->conf);
    party.party.party_id = 1;
    party.party.roles = ROLE_CELL;
    memcpy(party.party.name, "cell", 5);
    step(s, party);
    tariff.tariff = story_tariff;
    step(s, tariff);
}

static inline void story_begin(struct story *s)
{
    story_begin_conf(s, NULL);
}

static inline void story_end(struct story *s)
{
    effects_free(&s->out);
    cell_destroy(s->cell);
}

/* tasks of items each, one unit an item, one dollar a unit. */
static inline struct event job_of(int64_t party, uint8_t sub, uint32_t tasks,
                                  uint32_t items)
{
    struct event ev = {.type = EV_SUBMIT};
    struct rec_job *r = &ev.submit.job;

    r->party_id = party;
    r->submission_id[0] = sub;
    memcpy(r->kernel, "echo", 5);
    memcpy(r->zone, "cell", 5);
    r->spec = story_spec;
    r->input = INPUT_INDEX;
    r->tasks = tasks;
    r->items_per_task = items;
    r->items = (uint64_t)tasks * items;
    r->units_per_item = 1;
    return ev;
}

static inline struct offer offer_of(uint32_t cores)
{
    struct offer o = {.cores = cores, .n_kernels = 1};

    memcpy(o.zone, "cell", 5);
    memcpy(o.kernels[0].name, "echo", 5);
    o.kernels[0].spec = story_spec;
    o.kernels[0].units_per_s = 100;
    return o;
}

static inline struct answer *ask(struct story *s, int64_t worker,
                                 uint32_t cores, uint32_t want)
{
    struct event ev = {.type = EV_LEASE};

    ev.lease.worker_id = worker;
    ev.lease.offer = offer_of(cores);
    ev.lease.want = want;
    return step(s, ev);
}

/* A lease of the last answer, kept by the caller: free() its items. */
static inline struct lease keep(const struct lease *l)
{
    struct lease k = *l;

    k.items = malloc(l->n_items * sizeof(*k.items));
    memcpy(k.items, l->items, l->n_items * sizeof(*k.items));
    return k;
}

/* Commit a lease's result; position lie (or -1) holds a wrong item, all from
 * it on when many, and every unit count is raised by extra.
 */
static inline struct answer *commit_as(struct story *s, int64_t worker,
                                       const struct lease *l, int lie,
                                       bool many, uint32_t status,
                                       uint64_t extra)
{
    struct item_result *it = calloc(l->n_items + 1, sizeof(*it));
    uint8_t(*bytes)[16] = calloc(l->n_items + 1, 16);
    struct result_in in = {.lease = l, .status = status, .items = it};
    struct event ev = {.type = EV_RESULT};
    struct answer *a;

    for (uint32_t i = 0; i < l->n_items; i++) {
        put_u64be(bytes[i], (uint64_t)l->items[i].job_id);
        put_u32be(bytes[i] + 8, l->items[i].task);
        put_u32be(bytes[i] + 12, l->items[i].item);
        if ((int)i == lie || (many && lie >= 0 && (int)i > lie))
            bytes[i][0] ^= 0x80;
        it[i] = (struct item_result){0, 1 + extra, bytes[i], 16};
    }
    ev.result.worker_id = worker;
    ev.result.results = &in;
    ev.result.n = 1;
    a = step(s, ev);
    free(it);
    free(bytes);
    return a;
}

static inline struct answer *commit(struct story *s, int64_t worker,
                                    const struct lease *l)
{
    return commit_as(s, worker, l, -1, false, 0, 0);
}

/* Work of one worker until it gets nothing; returns leases done.  lie as in
 * commit_as().
 */
static inline int work_as(struct story *s, int64_t worker, int lie, bool many,
                          int most)
{
    int done = 0;

    while (done < most) {
        struct answer *a = ask(s, worker, 1, 1);
        struct lease l;

        if (a->n_leases == 0)
            break;
        l = keep(a->leases);
        s->now += SEC;
        commit_as(s, worker, &l, lie, many, 0, 0);
        free(l.items);
        done++;
    }
    return done;
}

static inline int work(struct story *s, int64_t worker)
{
    return work_as(s, worker, -1, false, 1000000);
}

#endif
