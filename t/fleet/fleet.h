/* SPDX-License-Identifier: Apache-2.0 */
/* fleet.h - a cell's core under a virtual clock, network, store and fleet
 *
 * The production core runs unchanged; everything around it is simulated from
 * one seed, so that a failure is repeated by its seed.  Parts:
 *
 *   world.c   the clock and its events, messages that are lost, late, doubled
 *   ctl.c     the controller: group commit, parked polls, crash and restart
 *   store.c   the store: rows of committed batches, refusing what a database
 *             would refuse
 *   agent.c   workers, honest and not
 *   audit.c   what must hold at every step, after a crash and at the end
 *   main.c    options, seeds
 */
#ifndef FALLOW_T_FLEET_FLEET_H
#define FALLOW_T_FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sched/core/cell.h"
#include "sched/core/heap.h"
#include "sched/core/map.h"

#define SEC INT64_C(1000000)
#define MAX_WORKERS 4000
#define MAX_PARTIES (3 * MAX_WORKERS)
#define CUSTOMER_FUNDS (INT64_C(100000000) * SEC)
#define PUPPET_FUNDS (INT64_C(1000000) * SEC)

enum strategy {
    HONEST,
    ALWAYS,    /* A1: makes every result up */
    BUILD,     /* A2: honest until it has standing, then makes all up */
    LITTLE,    /* A3: lies in some items */
    SELF,      /* A4: fills its escrow as its own customer, then lies */
    INFLATE,   /* A6: right bytes, too many units */
    OVERQUOTE, /* A6: more units than the quote allows */
    ZOMBIE,    /* A21: presents leases that lapsed or were handed back */
    REPLAY,    /* A22: sends every result again and again */
    STRATEGIES
};

/* What a run is made of; drawn from the seed unless an option says so. */
struct plan {
    uint64_t seed;
    unsigned workers, customers, jobs;
    unsigned tasks_max, items_max;
    unsigned liars_pct; /* of the workers */
    unsigned lie_ppm;   /* of the items of a LITTLE */
    int only;           /* one strategy for all liars, or -1 */
    unsigned loss_ppm, dup_ppm, status_ppm, crash_ppm, back_ppm;
    int64_t delay_us;   /* most */
    int64_t restart_us; /* mean time between controller crashes, 0 = none */
    int64_t faults_us;  /* then the world behaves */
    int64_t bound_us;   /* and then all jobs end within this */
    bool cancels;       /* some jobs are cancelled */
    bool exact;         /* sizes are as given, the last workers lie */
    bool verbose;
    FILE *tape; /* committed batches go here, see tape_write */
};

/* Strategy earnings and faults of a run. */
struct outcome {
    uint64_t steps, events, restarts, equal_restores;
    uint64_t done_items, bad_items, checked_items, caught_items, draws;
    uint64_t done_tasks, checked_tasks;
    uint64_t verdicts_error, verdicts_wrong, false_verdicts, false_forfeits;
    uint64_t stale, duplicate, invalid, retried;
    unsigned n[STRATEGIES];      /* owners of each */
    int64_t income[STRATEGIES];  /* payable, micro */
    int64_t seconds[STRATEGIES]; /* device time spent computing, us */
    int64_t spent;               /* by customers, micro */
    int64_t verify_cost;         /* net, of the cell */
};

struct hold { /* a lease in a worker's hands */
    struct lease l;
    unsigned refs;
    bool running, finished, settled;
    uint32_t status;
    uint32_t wrong; /* primary items it lies about */
    struct item_result *items;
    uint8_t *bytes;
    struct merkle_sum root;
    int64_t at_us; /* when it finished */
};

enum req_type { R_LEASE, R_RESULT, R_RENEW, R_HANDBACK };

struct req { /* a request on its way */
    unsigned refs;
    enum req_type type;
    unsigned agent;
    unsigned gen; /* of the agent, when it was sent */
    bool answered, park;
    uint32_t want;
    uint32_t n;
    struct hold **holds;
    int64_t sent_us;
};

struct reply {
    unsigned refs;
    struct req *req;
    int code;
    bool parked;
    uint32_t n_leases, n_results, n_gone;
    struct lease *leases; /* with items, its own */
    uint32_t *fates;
    uint8_t *gone;
};

struct agent {
    unsigned index;
    int64_t worker_id, party_id;
    enum strategy strategy;
    bool referee, off, polling, turned;
    unsigned gen;
    uint32_t cores, busy;
    int64_t speed; /* units per second and core */
    uint64_t tasks_done;
    int64_t busy_us;
    struct hold **holds; /* n_holds of cap_holds */
    uint32_t n_holds, cap_holds;
    struct hold *old[4]; /* ZOMBIE and REPLAY: to be sent again */
    unsigned n_old;
};

struct sim;

/* ---- world.c --------------------------------------------------------- */

typedef void sim_fn(struct sim *s, void *arg, int64_t n);
void sim_at(struct sim *s, int64_t at_us, sim_fn *fn, void *arg, int64_t n);
void sim_fail(struct sim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool chance(struct sim *s, unsigned ppm);
bool faulty(const struct sim *s); /* the world still misbehaves */
void send_req(struct sim *s, struct req *r);
void send_reply(struct sim *s, struct reply *r);
void req_unref(struct req *r);
void reply_unref(struct reply *r);
struct hold *hold_new(const struct lease *l);
void hold_unref(struct hold *h);
void *must_alloc(size_t size);

/* The truth of one item of one job: eight bytes and its units. */
uint64_t truth(int64_t job_id, uint32_t task, uint32_t item);
int64_t truth_units(int64_t job_id, uint32_t task, uint32_t item);

/* ---- store.c --------------------------------------------------------- */

struct store_result { /* an accepted result */
    int64_t worker_id, window_id;
    int32_t epoch;
    uint32_t attempt, wrong, items;
    int64_t units;
    struct store_result *next;
};

struct store_job {
    struct rec_job r;
    struct rec_task *tasks;        /* state 0 = no row */
    struct store_result **results; /* per task, newest first */
    bool *drawn;                   /* per task: an item of it was drawn */
};

struct store {
    struct rec_party *parties;
    struct rec_worker *workers;
    struct rec_tariff tariff;
    struct store_job *jobs;
    struct rec_window *windows;
    struct rec_check *checks;
    struct rec_billing *billings;
    struct rec_verdict *verdicts;
    struct rec_balance *balances;
    size_t n_parties, n_workers, n_jobs, n_windows, n_checks, n_billings,
        n_verdicts, n_balances; /* lengths; ids are indices, 0 unused */
    struct map transfers;       /* first 8 bytes of an id -> copy */
};

struct batch { /* rows of one transaction, copied */
    struct record *v;
    size_t n, cap;
};

void batch_put(struct batch *b, const struct record *r, size_t n);
void batch_clear(struct batch *b);
void store_apply(struct sim *s, struct store *st, struct batch *b);
int store_load(const struct store *st, struct cell *c, struct error *err);
void store_free(struct store *st);
int64_t store_balance(const struct store *st, int64_t party, uint8_t purpose,
                      const char *unit);

/* ---- tape.c ---------------------------------------------------------- */

/* Append a committed batch to a tape that t/ledger-tape plays into a real
 * database: u32 n, then each struct record as it lies in memory and after it
 * the task_units of a job that has them.  Both programs are of one build.
 */
void tape_write(FILE *tape, const struct record *v, size_t n);

/* ---- ctl.c ----------------------------------------------------------- */

struct ctl {
    struct cell *cell; /* NULL while down */
    struct cell_conf conf;
    struct rng rng;
    struct effects fx;
    struct batch open, flight;
    bool in_flight, flight_lost;
    struct reply **waiting; /* for open's COMMIT */
    size_t n_waiting, cap_waiting;
    struct reply **leaving; /* for flight's COMMIT */
    size_t n_leaving, cap_leaving;
    struct req **parked;
    size_t n_parked, cap_parked;
    unsigned gen;    /* rises at every start */
    int64_t tick_us; /* when the next tick is due, 0 = none */
    uint64_t req;
};

void ctl_start(struct sim *s);
void ctl_crash(struct sim *s, void *arg, int64_t n);
void ctl_receive(struct sim *s, void *arg, int64_t n);   /* a struct req */
void ctl_park_over(struct sim *s, void *arg, int64_t n); /* a struct req */
/* An event of administration or a customer: answered at once, retried when
 * the controller is down.  Returns 0 or an errno value; *id when not NULL.
 */
int ctl_do(struct sim *s, struct event *ev, int64_t *id);

/* ---- agent.c --------------------------------------------------------- */

void agent_start(struct sim *s, void *arg, int64_t n);
void agent_reply(struct sim *s, void *arg, int64_t n); /* a struct reply */
const char *strategy_name(int strategy);

/* ---- audit.c --------------------------------------------------------- */

void audit_step(struct sim *s);
void audit_restore(struct sim *s); /* a twin from the store is the same */
void audit_end(struct sim *s);

struct sim {
    struct plan plan;
    struct outcome out;
    struct rng rng;
    int64_t now;
    uint64_t seq;
    struct heap events;
    struct ctl ctl;
    struct store store;
    struct agent *agents;
    unsigned n_agents;
    enum strategy of_party[MAX_PARTIES];
    int64_t puppet[MAX_PARTIES]; /* the customer an owner plays, or 0 */
    int64_t job_ids[64];
    unsigned n_jobs, n_submitted;
    bool failed;
    char why[512];
};

/* ---- rivals.c -------------------------------------------------------- */

/* What each strategy earns against honesty; returns 0, or 1 when a promise of
 * doc/bench.md is broken.
 */
int rivals(unsigned seeds, bool verbose);

/* One run; returns false and s->why on failure. */
bool sim_run(struct sim *s, const struct plan *plan);
void sim_free(struct sim *s);

#endif
