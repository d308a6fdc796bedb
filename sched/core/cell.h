/* SPDX-License-Identifier: Apache-2.0 */
/* cell.h - the cell decides: one pure function over one state
 *
 * cell_step(cell, event, now, rng) changes the state and returns effects:
 * records to write, one answer, parked requests to wake.  Nothing under
 * sched/core reads a clock, opens a file, starts a thread or draws a random
 * number of its own; the same code runs in fallowctld and in t/fleet.
 *
 * The caller (sched/commit.c) writes the records of one or many steps in one
 * transaction and lets no answer out before its COMMIT.  When a COMMIT is
 * known to have failed, the state is thrown away and restored from the store.
 *
 * Stages, a file each: job.c queue.c offer.c match.c lease.c result.c
 * verify.c trust.c; cell.c is the only door.
 */
#ifndef FALLOW_SCHED_CORE_CELL_H
#define FALLOW_SCHED_CORE_CELL_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/items.h"
#include "common/record.h"

struct cell;

/* xoshiro256** state, seeded by the caller; advanced by cell_step. */
struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Constants of the policy (cell.conf); defaults are decisions.md's. */
struct cell_conf {
    char cell_name[NAME_MAX_LEN + 1];
    int64_t cell_party;           /* party id of the cell itself */
    int32_t epoch;                /* +1 at every start */
    uint8_t day_key[32];          /* PRF key of the draws */
    uint32_t window_new;          /* tasks in a new identity's window (20) */
    uint32_t window_tasks;        /* tasks in later windows (50) */
    uint32_t new_equal_items;     /* recomputed equal before a first window
                                   * verifies (128) */
    uint32_t draw_items;          /* k: drawn per checked task (8) */
    uint32_t mu_ppm;              /* 1500000 */
    uint32_t detect_ppm;          /* D: 1 - 0.9^8 = 569533 */
    uint32_t gang_ppm;            /* g: 200000 */
    uint32_t q_min_ppm;           /* 10000 */
    uint32_t referee_ppm;         /* share of draws for the referee: 200000 */
    uint32_t one_customer_ppm;    /* most of F from one customer: 200000 */
    uint32_t strict_tasks;        /* M: checked at q = 1 after an error (50) */
    uint32_t check_fee_above_ppm; /* q above which the owner pays his checks:
                                   * 300000 */
    uint32_t speed_cap_ppm;       /* 1250000 of the measured speed */
    int64_t referee_after_us;     /* a check nobody took: 1 h */
    uint32_t referee_batch;       /* most items in a referee's lease (256) */
    int64_t window_max_us;        /* an open window is checked after: 24 h */
    int64_t forget_us;            /* an ended job leaves memory: 300 s */
    int64_t lease_min_us;         /* shortest lease: 10 s */
    int64_t lease_unmeasured_us;  /* shortest where the worker has not yet
                                   * measured its speed: 10 min */
    int64_t lease_max_us;         /* longest: 1 h */
    uint32_t lease_factor;        /* deadline = factor x estimate (3) */
    int64_t grace_us;             /* a result this late still counts: 5 s */
    int64_t fence_us;      /* after a start, how long old leases may still
                            * be presented before their tasks are leased
                            * again: 15 s */
    uint32_t ahead;        /* leases a device may hold ahead (2) */
    uint32_t max_attempts; /* lapsed or failed leases of a task (5) */
    uint32_t batch_max;    /* leases or results in a request (64) */
};

void cell_conf_default(struct cell_conf *c);

/* ---- events -------------------------------------------------------- */

enum event_type {
    EV_PARTY,  /* administration: create or change a party */
    EV_TARIFF, /* administration: add a tariff */
    EV_FUND,   /* bank -> prepaid of a party */
    EV_ENROL,  /* a worker joins */
    EV_SUBMIT,
    EV_QUOTE, /* like EV_SUBMIT but changes nothing */
    EV_CANCEL,
    EV_HOLD,     /* hold or release */
    EV_LEASE,    /* a worker asks for leases */
    EV_RESULT,   /* a worker commits results, and may ask for leases */
    EV_RENEW,    /* heartbeat: progress of leases held */
    EV_HANDBACK, /* the owner takes the machine back */
    EV_TICK,     /* time passes: lapses, fences, overdue checks */
};

/* Which of its kernels a worker offers, best variant first. */
struct offer_kernel {
    char name[NAME_MAX_LEN + 1];
    struct digest spec;
    int64_t units_per_s; /* measured, sustained, of one core; 0 = unknown */
};

#define OFFER_KERNELS_MAX 16

/* What a worker sells now; an allow-listed summary. */
struct offer {
    uint32_t cores;
    int64_t mem_bytes;
    int64_t seconds;     /* offered from now; 0 = no end known */
    int64_t floor_micro; /* least fiat per credit it works for */
    char zone[16];       /* widest zone it serves: own site cell public */
    uint32_t n_kernels;
    struct offer_kernel kernels[OFFER_KERNELS_MAX];
};

/* One position of a lease, in the order the worker computes them.  A worker
 * cannot tell a salt from a primary item.
 */
struct lease_item {
    int64_t check_id; /* 0 = primary */
    int64_t job_id;   /* source of the item's bytes */
    uint32_t task;
    uint32_t item;
};

/* A lease as granted.  Everything here travels in the sealed token, so that a
 * restarted cell can take a result of the epoch before.
 */
struct lease {
    int32_t epoch;
    int64_t lease_id; /* unique within the epoch */
    int64_t worker_id;
    int64_t job_id; /* 0 = the referee's: checks only */
    uint32_t task;
    uint32_t attempt;
    int64_t granted_us, deadline_us;
    uint32_t n_items;
    struct lease_item *items; /* permuted; salts at random positions */
};

/* One lease's committed result, already parsed and its root recomputed by the
 * caller.  status 0: all positions are there; else the runner failed (crash,
 * sandbox, missing parameters) and items is NULL.
 */
struct result_in {
    const struct lease *lease; /* from the token */
    uint32_t status;
    struct merkle_sum root;
    const struct item_result *items; /* lease->n_items of them */
    struct digest blob;              /* where the results file is, or zero */
    const uint8_t *bytes;            /* or inline, borrowed until written */
    uint32_t len;
    int64_t busy_us; /* reported, display only */
};

struct ev_submit {
    struct rec_job job; /* ids, state, quote are filled by the core */
    int64_t max_amount; /* refuse when quote + fee exceeds; 0 = any */
};

struct ev_lease {
    int64_t worker_id;
    struct offer offer;
    uint32_t want;            /* leases wanted, <= batch_max */
    bool may_park;            /* a long poll: answer only when there is work */
    const struct lease *held; /* tokens it still holds (after a restart) */
    uint32_t n_held;
};

struct ev_result {
    int64_t worker_id;
    const struct result_in *results;
    uint32_t n;
    struct ev_lease ask; /* want = 0: no leases in the answer */
};

struct ev_leases { /* EV_RENEW, EV_HANDBACK */
    int64_t worker_id;
    const struct lease *leases;
    uint32_t n;
};

struct event {
    enum event_type type;
    uint64_t req; /* the caller's handle; comes back in the answer */
    union {
        struct rec_party party; /* party_id 0 = new */
        struct rec_tariff tariff;
        struct {
            int64_t party_id;
            char unit[6];
            int64_t amount;
            int64_t serial; /* rises per party; one not above
                             * rec_party.fund_serial is a repeat and posts
                             * nothing; 0 = the next */
        } fund;
        struct rec_worker enrol; /* worker_id 0 = new */
        struct ev_submit submit;
        struct {
            int64_t party_id; /* must own the job; the cell may any */
            int64_t job_id;
            int64_t task; /* -1 = all */
            bool hold;    /* EV_HOLD: true = hold, false = release */
        } job;
        struct ev_lease lease;
        struct ev_result result;
        struct ev_leases leases;
    };
};

/* ---- effects ------------------------------------------------------- */

/* What became of one committed result. */
enum result_fate {
    FATE_ACCEPTED = 1, /* held until its window verifies */
    FATE_DUPLICATE,    /* this very result was accepted before */
    FATE_STALE,        /* lease lapsed, task done elsewhere or cancelled */
    FATE_INVALID,      /* wrong count, units above the quote, … (reason) */
    FATE_RETRIED,      /* status != 0: the task is queued again */
};

struct answer_result {
    uint32_t fate;
    char reason[96];
};

/* The one answer to an event with req != 0.  code 0 = success, else an errno
 * value with err for people: ENOENT, EPERM, EINVAL, EDQUOT (too little
 * prepaid), EEXIST, EAGAIN (nothing now; may_park: parked), ECANCELED.
 */
struct answer {
    uint64_t req;
    int code;
    struct error err;
    int64_t id;           /* new job, party or worker */
    struct rec_job quote; /* EV_SUBMIT, EV_QUOTE: quote_* filled */
    int64_t prepaid;      /* the same: what the customer has prepaid */
    struct lease *leases; /* granted; owned by the effects */
    uint32_t n_leases;
    struct answer_result *results; /* one per result, same order */
    uint32_t n_results;
    uint8_t *gone; /* EV_RENEW: 1 where the lease is no more */
    uint32_t n_gone;
    bool parked; /* no answer now: ask again on wake */
};

/* Effects of one step; reused by the caller (effects_clear keeps capacity).
 * Memory records point to lives until effects_clear.
 */
struct effects {
    struct record *records;
    size_t n_records, cap_records;
    struct answer *answers; /* usually one; none when req was 0 */
    size_t n_answers, cap_answers;
    bool wake;            /* work became ready: let parked polls ask */
    bool wake_tasks;      /* for ordinary workers too; else only referees */
    int64_t next_tick_us; /* EV_TICK wanted no later than this; 0 = none */
    struct arena *arena;  /* internal */
};

void effects_init(struct effects *e);
void effects_clear(struct effects *e);
void effects_free(struct effects *e);

/* ---- the door ------------------------------------------------------ */

/* NULL with errno ENOMEM. */
struct cell *cell_create(const struct cell_conf *conf);
void cell_destroy(struct cell *c);

/* Put back one record read from the store, in the order of enum record_type.
 * Returns 0, or -1 with errno EBADMSG when it contradicts what is there.
 * cell_restored() ends it: fences tasks that may be leased, reopens checks.
 */
int cell_restore(struct cell *c, const struct record *r, struct error *err);
int cell_restored(struct cell *c, int64_t now_us, struct error *err);

/* The only door.  Returns 0 with effects appended to out (refusals are answers
 * too), or -1 with errno ENOMEM: the state is then undefined and the process
 * must restart.
 */
int cell_step(struct cell *c, const struct event *ev, int64_t now_us,
              struct rng *rng, struct effects *out);

/* ---- looking, never changing --------------------------------------- */

/* Copy of a job's row (pointers borrowed until the next step); false when
 * unknown.  Ended jobs are kept in memory until cell_forget_us after their
 * end (300 s, as Slurm's MinJobAge), later the store has them.
 */
bool cell_job(const struct cell *c, int64_t job_id, struct rec_job *out);
bool cell_worker(const struct cell *c, int64_t worker_id,
                 struct rec_worker *out);
bool cell_party(const struct cell *c, int64_t party_id, struct rec_party *out);

/* Call fn for every job in queue order (running first, then pending by
 * priority); stops when fn returns false.
 */
void cell_each_job(const struct cell *c,
                   bool (*fn)(void *arg, const struct rec_job *job), void *arg);

/* A live lease, for squeue and sinfo; items is NULL (the token has them). */
void cell_each_lease(const struct cell *c,
                     bool (*fn)(void *arg, const struct lease *lease),
                     void *arg);

/* One worker as sinfo shows it. */
struct worker_view {
    struct rec_worker worker;
    struct offer offer; /* last one; cores 0 = none since the start */
    uint32_t leases;
    int64_t last_seen_us;
};

void cell_each_worker(const struct cell *c,
                      bool (*fn)(void *arg, const struct worker_view *w),
                      void *arg);

/* First failing predicate for a waiting job, or for a worker that gets
 * nothing (job_id 0); one line into out.
 */
void cell_explain(const struct cell *c, int64_t job_id, int64_t worker_id,
                  char *out, size_t len);

/* Call fn for every row as the store has it once all effects are committed:
 * parties, workers, jobs, tasks that ended or moved, windows and checks still
 * open, balances; ordered by type, then key.  Two cells with equal dumps are
 * in the same state but for leases.  Returns 0, or -1 with errno ENOMEM.
 */
int cell_dump(const struct cell *c,
              void (*fn)(void *arg, const struct record *r), void *arg);

/* Recount everything from the ground: counters of every job, groups, leases,
 * windows against escrow, checks.  cheap = the O(1) counters only.  Returns 0,
 * or -1 with err naming the first contradiction (a bug).
 */
int cell_check(const struct cell *c, bool cheap, struct error *err);

#endif
