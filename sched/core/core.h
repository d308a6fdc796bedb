/* SPDX-License-Identifier: Apache-2.0 */
/* core.h - what the stages of the core share; nobody else includes it
 *
 * Ownership: the cell owns every object through its maps; lists and heaps only
 * link them.  An object that ends during a step is unlinked at once and freed
 * when the step is over, so pointers stay valid inside a step.
 *
 * Every change of a stored row goes through a dirty_*() or emit_*() function;
 * dirty rows are written once, at the end of the step.  An allocation that
 * fails leaves by longjmp to the door: the contract says the state is then
 * undefined, so no stage has a path for it.
 */
#ifndef FALLOW_SCHED_CORE_CORE_H
#define FALLOW_SCHED_CORE_CORE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tariff.h"
#include "sched/core/cell.h"
#include "sched/core/heap.h"
#include "sched/core/list.h"
#include "sched/core/map.h"

struct due { /* what one customer has in an owner's open escrow */
    const struct benef *customer;
    int64_t amount;
};

/* Parties that count as one person: never each other's checkers. */
struct benef {
    int64_t id;          /* of rec_party.beneficial_owner */
    struct node parties; /* struct party.in_benef */
    int64_t standing;    /* sum of the parties' accepted_tasks */
    bool counted;        /* in cell.standing: may check others */
    struct due *dues;    /* n_dues customers, amounts above 0 */
    uint32_t n_dues;
};

struct bal { /* one account of a party */
    uint8_t purpose;
    char unit[6];
    int64_t amount; /* natural side */
};

struct party {
    struct rec_party r;
    struct benef *benef;  /* never NULL */
    struct node in_benef; /* benef.parties */
    struct node workers;  /* struct worker.in_party */
    struct node windows;  /* struct window.in_party: not yet closed */
    struct node jobs;     /* struct job.in_party: not yet ended */
    struct bal *bals;     /* n_bals accounts it ever had */
    uint32_t n_bals;
    bool dirty; /* in cell.dirty */
};

struct worker {
    struct rec_worker r;
    struct party *party;   /* owner */
    struct node in_party;  /* party.workers */
    struct offer offer;    /* cores 0 = none since the start */
    struct node leases;    /* struct live.in_worker */
    uint32_t n_leases;     /* of them */
    int64_t queued_us;     /* sum of their estimates */
    struct node windows;   /* struct window.in_worker: WINDOW_OPEN only */
    int64_t seen_us;       /* last request, not written every time */
    int64_t cap_units;     /* what it may still be credited */
    int64_t cap_us;        /* when that was last refilled; 0 = never */
    uint32_t streak;       /* failed or invalid results in a row */
    int64_t not_before_us; /* no lease before: grows with the streak */
    bool dirty;            /* in cell.dirty */
};

struct task {          /* 16 bytes a task, untouched pages cost nothing */
    int64_t worker_id; /* who did it; while queued, who failed last */
    uint32_t attempt;  /* high-water mark */
    uint8_t state;     /* enum task_now */
    uint8_t fails;     /* weighed failures: 4 by a new worker, 1 again */
    uint8_t lapses;    /* weighed lapses, alike */
};

/* Zero is queued, so that fresh memory is right. */
enum task_now { T_QUEUED, T_LEASED, T_DONE, T_FAILED, T_CANCELLED };

struct job {
    struct rec_job r;                /* arrays are the job's own */
    struct party *customer;          /* who pays */
    const struct rec_tariff *tariff; /* NULL: nothing is priced */
    struct node in_party;            /* customer->jobs */
    struct group *group;             /* of its requirement signature */
    size_t place;                    /* in group->ready */
    struct job *same_key;            /* next submission under one map key */
    struct task *tasks;              /* r.tasks of them */
    uint32_t queued, leased;         /* the other counts are in r */
    uint32_t fresh;  /* tasks from here on were not yet offered */
    uint32_t *retry; /* a stack of tasks queued again */
    uint32_t n_retry, cap_retry;
    struct node leases;     /* struct live.in_job */
    struct node windows;    /* struct window.in_job: not yet closed */
    struct node salt;       /* struct check.in_queue: wait for a rider */
    struct node referee;    /* struct check.in_queue: wait for the referee */
    struct node in_referee; /* cell.referee while that ring is not empty */
    struct node in_ended;   /* cell.ended */
    uint32_t n_checks;      /* checks not yet answered */
    bool fenced;            /* no lease before cell.fence_us */
    bool cancelled;         /* as a whole */
    bool done;              /* ended; only remembered */
    bool settling;          /* job_settle() is at work */
    bool dirty;             /* in cell.dirty */
};

struct group {              /* jobs with ready tasks that ask for the same */
    struct node in_cell;    /* cell.groups while some job is ready */
    uint64_t key;           /* in cell.signatures */
    struct group *same_key; /* next group under that key */
    char kernel[NAME_MAX_LEN + 1];
    struct digest spec;
    struct digest params;
    int zone; /* enum zone */
    int64_t tariff_id;
    struct benef *own; /* zones own and site: whose; else NULL */
    struct heap ready; /* struct job by priority */
    uint32_t jobs;     /* that belong here, ready or not */
};

struct live {      /* a lease in force */
    int32_t epoch; /* with lease_id: its name */
    int64_t lease_id;
    struct worker *worker;  /* who holds it */
    struct job *job;        /* NULL = the referee's */
    uint32_t task, attempt; /* of job */
    uint32_t n_items;       /* positions */
    int64_t granted_us, deadline_us, est_us;
    size_t place;          /* in cell.deadlines */
    struct node in_worker; /* worker->leases */
    struct node in_job;    /* job->leases */
    struct node riding;    /* struct check.in_queue */
};

struct wtask { /* a task in an open window */
    uint32_t task, items;
    int64_t units;
};

struct window {
    struct rec_window r;
    struct job *job;
    struct worker *worker;
    struct party *party; /* the owner */
    struct wtask *v;     /* r.tasks of cap_v */
    uint32_t cap_v;
    uint32_t filled;       /* restore: of v */
    struct node in_job;    /* job->windows until closed */
    struct node in_party;  /* party->windows until closed */
    struct node in_worker; /* worker->windows while WINDOW_OPEN */
    struct node in_age;    /* cell.ages while WINDOW_OPEN */
    struct node checks;    /* struct check.in_window, unanswered */
    uint32_t pending;      /* checks of its items not yet answered */
    uint32_t disputes;     /* answers of its worker the referee must judge */
    bool priced;           /* postings follow its units */
    bool moved;            /* units changed: escrow must follow */
    bool dirty;            /* in cell.dirty */
};

enum check_queue { Q_NONE, Q_SALT, Q_REFEREE, Q_RIDING };

struct check { /* unanswered: pending or disputed */
    struct rec_check r;
    struct job *job;
    struct window *window;  /* being checked */
    struct window *checker; /* disputed: that of the salt's answer */
    struct live *rider;     /* Q_RIDING */
    uint8_t queue;          /* enum check_queue */
    struct node in_queue;   /* job->salt, job->referee or rider->riding */
    struct node in_window;  /* window->checks */
    struct node in_age;     /* cell.drawn while it may still be salt */
};

enum dirty_kind { DIRTY_PARTY, DIRTY_WORKER, DIRTY_JOB, DIRTY_WINDOW };

struct dirty {
    uint8_t kind; /* enum dirty_kind */
    void *obj;
};

struct cell {
    struct cell_conf conf;
    struct map parties, benefs, workers, jobs, windows, checks, leases, tariffs,
        submissions, signatures;
    struct node groups;      /* struct group.in_cell */
    struct node referee;     /* jobs with checks for the referee */
    struct node drawn;       /* checks that wait for salt, oldest first */
    struct node ages;        /* open windows, oldest first */
    struct node ended;       /* jobs to forget, oldest first */
    struct heap deadlines;   /* struct live */
    struct rec_counter next; /* free ids */
    int64_t next_lease;      /* in this epoch */
    int64_t fence_us;        /* end of the fence; 0 = over */
    uint32_t standing;       /* beneficial owners that may check others */
    struct dirty *dirty;     /* n_dirty rows to write at the end of the step */
    size_t n_dirty, cap_dirty;
    void **grave; /* objects to free at the end of the step */
    size_t n_grave, cap_grave;
    struct wtask_row *rows; /* restore: tasks whose windows come later */
    size_t n_rows, cap_rows;
    const struct benef *forfeiting; /* whose windows may not be paid now */
    int64_t backoff_us;  /* a worker's back-off ends; 0 = none known */
    int64_t now_us;      /* of the step */
    struct rng *rng;     /* of the step */
    struct effects *out; /* of the step */
    jmp_buf *oom;        /* where a failed allocation goes */
};

struct wtask_row { /* restore: a done task and the window it is in */
    int64_t window_id, job_id, units;
    uint32_t task;
};

/* ---- memory: longjmp to the door on failure (cell.c, effects.c) ------ */

void *core_alloc(struct cell *c, size_t size); /* zeroed; free() it */
void *core_grow(struct cell *c, void *v, size_t size, size_t *cap, size_t n);
void core_oom(struct cell *c) __attribute__((noreturn));
void core_bury(struct cell *c, void *obj); /* free at the end of the step */
void core_map(struct cell *c, struct map *m, uint64_t key, void *obj);
void *arena_alloc(struct cell *c, size_t size); /* lives in the effects */

/* ---- effects ------------------------------------------------------- */

struct record *emit(struct cell *c, enum record_type type); /* zeroed row */
struct answer *answer_add(struct cell *c, uint64_t req);    /* zeroed */
void wake(struct cell *c, bool tasks); /* parked polls may ask again */
void dirty_party(struct cell *c, struct party *p);
void dirty_worker(struct cell *c, struct worker *w);
void dirty_job(struct cell *c, struct job *j);
void dirty_window(struct cell *c, struct window *w);
void dirty_flush(struct cell *c); /* writes them; posts escrow of windows */
void emit_task(struct cell *c, struct job *j, uint32_t task, int64_t window_id,
               int64_t units, uint32_t code, int64_t started_us);
void emit_check(struct cell *c, const struct check *k);

/* ---- ledger (post.c) ----------------------------------------------- */

struct bal *bal_get(struct cell *c, struct party *p, uint8_t purpose,
                    const char *unit); /* made when absent */
int64_t bal_amount(const struct party *p, uint8_t purpose, const char *unit);

/* One side of a posting. */
struct leg {
    struct party *party;
    uint8_t purpose; /* enum purpose */
};

/* Debit dr, credit cr; nothing when amount is 0. */
void post(struct cell *c, uint8_t kind, struct leg dr, struct leg cr,
          const char *unit, int64_t amount, int64_t ref, uint32_t leg,
          uint64_t serial);
void price_of(const struct job *j, int64_t units, struct price *out);
void due_add(struct cell *c, struct window *w, int64_t amount);
void due_recount(struct cell *c); /* persons were joined or parted */

/* ---- trust.c: parties, standing, how often to check ------------------ */

struct party *party_get(const struct cell *c, int64_t id);
struct party *cell_self(const struct cell *c); /* the cell's own party */
struct party *party_put(struct cell *c, const struct rec_party *r);
struct worker *worker_get(const struct cell *c, int64_t id);
struct worker *worker_put(struct cell *c, const struct rec_worker *r);
bool connected(const struct party *a, const struct party *b);
void standing_changed(struct cell *c, struct benef *b);
bool checker_exists(const struct cell *c, const struct party *committer);
int64_t exposure(const struct cell *c, const struct benef *owner);
void party_step(struct cell *c, const struct event *ev);
void enrol_step(struct cell *c, const struct event *ev);
void fund_step(struct cell *c, const struct event *ev);
void tariff_step(struct cell *c, const struct event *ev);
void tariff_put(struct cell *c, const struct rec_tariff *r);
void owner_lock(struct cell *c, struct benef *b); /* parties and workers */

/* q in ppm = clamp(mu R / (D (1 - g) (R + F)), q_min, 1); R, F micro-fiat. */
uint32_t check_rate(const struct cell_conf *conf, int64_t pay, int64_t at_risk);

/* ---- job.c, queue.c ------------------------------------------------- */

struct job *job_get(const struct cell *c, int64_t id);
struct job *job_put(struct cell *c, const struct rec_job *r);
void job_submit(struct cell *c, const struct event *ev);
void job_cancel(struct cell *c, const struct event *ev);
void job_hold(struct cell *c, const struct event *ev);
void job_settle(struct cell *c, struct job *j); /* delivered? closed? */
void job_forget(struct cell *c, struct job *j);
void job_free(struct cell *c, struct job *j);
uint32_t job_task_items(const struct job *j, uint32_t task);
int64_t job_task_units(const struct job *j, uint32_t task);
bool job_delivered(const struct job *j);

void queue_join(struct cell *c, struct job *j);  /* find its group */
void queue_leave(struct cell *c, struct job *j); /* for ever */
void queue_ready(struct cell *c, struct job *j); /* in or out of the heap */
bool queue_pop(struct cell *c, struct job *j, uint32_t *task);
void queue_again(struct cell *c, struct job *j, uint32_t task);

/* ---- offer.c, match.c ------------------------------------------------ */

enum zone { ZONE_OWN, ZONE_SITE, ZONE_CELL, ZONE_PUBLIC, ZONES };
int zone_rank(const char *zone); /* "" = cell; -1 = no such zone */

/* First reason why a lease cannot be given. */
enum why {
    WHY_NOT = 0, /* it can */
    WHY_ENDED,
    WHY_HELD,
    WHY_NO_TASK,
    WHY_FENCED,
    WHY_LOCKED,
    WHY_NO_OFFER,
    WHY_REFEREE,
    WHY_BACKOFF,
    WHY_AHEAD,
    WHY_KERNEL,
    WHY_ZONE,
    WHY_FLOOR,
    WHY_MINUTES,
    WHY_TOO_LONG,
};

/* Why worker w may not have a task of j; looks at job and worker only. */
enum why match_why(const struct cell *c, const struct worker *w,
                   const struct job *j);
/* Whether a task of est_us fits on top of what w holds and offered. */
enum why match_room(const struct cell *c, const struct worker *w,
                    int64_t est_us);
struct job *match_best(const struct cell *c, const struct worker *w);
const char *why_text(enum why why);
const struct offer_kernel *offer_kernel(const struct offer *o, const char *name,
                                        const struct digest *spec);
void offer_update(struct cell *c, struct worker *w, const struct offer *o);
/* Microseconds units take on one core of w; 0 when its speed is unknown. */
int64_t offer_estimate(const struct worker *w, const struct job *j,
                       int64_t units);
/* A failed, invalid or lapsed lease of w: after the second in a row it takes
 * no task for 1 s, doubling to an hour; an accepted result ends the row.
 */
void offer_back_off(struct cell *c, struct worker *w);
/* Take units off what w may be credited; false when that is too much. */
bool offer_spend(struct cell *c, struct worker *w, const struct job *j,
                 int64_t units);

/* ---- lease.c --------------------------------------------------------- */

void lease_step(struct cell *c, const struct event *ev);
void lease_ask(struct cell *c, struct worker *w, const struct ev_lease *ask,
               struct answer *a);
void lease_renew(struct cell *c, const struct event *ev);
void lease_handback(struct cell *c, const struct event *ev);
struct live *lease_find(struct cell *c, struct worker *w,
                        const struct lease *l);     /* adopts older epochs' */
void lease_end(struct cell *c, struct live *l);     /* checks go back */
void lease_requeue(struct cell *c, struct live *l); /* end, and queue again */
void lease_revoke(struct cell *c, struct live *l, uint8_t task_state);
void lease_lapse(struct cell *c); /* all that are overdue */
void task_again(struct cell *c, struct job *j, uint32_t task); /* next try */
#define NEW_MACHINE 4 /* weight of a failure elsewhere than the last */
uint8_t task_weigh(struct task *t, const struct worker *w, uint8_t sum);

/* ---- result.c, verify.c, window.c ------------------------------------ */

void result_step(struct cell *c, const struct event *ev);

void item_digest(const struct item_result *r, struct digest *out);
/* Draw items of an accepted result; primary positions only. */
void verify_draw(struct cell *c, struct window *w, const struct live *l,
                 const struct result_in *in);
/* A salt's answer in a result of worker w, position pos of lease l. */
void verify_salt(struct cell *c, struct window *w, struct check *k,
                 const struct live *l, uint32_t pos,
                 const struct item_result *it);
void verify_referee(struct cell *c, struct worker *w, struct check *k,
                    const struct item_result *it);
void verify_overdue(struct cell *c);
void check_enqueue(struct cell *c, struct check *k); /* salt or referee */
void check_unqueue(struct cell *c, struct check *k);
void check_drop(struct cell *c, struct check *k);
void check_salt_to_referee(struct cell *c, struct job *j);
struct check *check_put(struct cell *c, const struct rec_check *r);
struct check *check_get(const struct cell *c, int64_t id);

struct window *window_of(struct cell *c, struct worker *w, struct job *j);
struct window *window_put(struct cell *c, const struct rec_window *r);
void window_add(struct cell *c, struct window *w, uint32_t task, uint32_t items,
                int64_t units);
bool window_drop_task(struct cell *c, struct window *w, uint32_t task);
void window_close(struct cell *c, struct window *w);   /* open -> checking */
void window_settle(struct cell *c, struct window *w);  /* verified, if so */
void window_reject(struct cell *c, struct window *w);  /* tasks queued again */
void window_escrow(struct cell *c, struct window *w);  /* follow the units */
void window_release(struct cell *c, struct window *w); /* forget when idle */
void window_age(struct cell *c);

#endif
