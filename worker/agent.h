/* SPDX-License-Identifier: Apache-2.0 */
/* agent.h - the worker's state, and its parts: one thread decides
 *
 *   agent.c   the loop: signals, the owner's rules, what is ready
 *   tasks.c   from a lease to a journalled claim
 *   slots.c   processes for them
 *   dialog.c  what is said to the cell and what it answers
 *
 * Only the couriers' threads do anything else at the same time; they carry
 * requests and decide nothing.
 */
#ifndef FALLOW_WORKER_AGENT_H
#define FALLOW_WORKER_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/courier.h"
#include "worker/identity.h"
#include "worker/journal.h"
#include "worker/kernels.h"
#include "worker/lease.h"
#include "worker/params.h"
#include "worker/policy.h"
#include "worker/setting.h"

/* Whose connection: long polls; what changes state, and renewals; blobs. */
enum line { LINE_POLL, LINE_ACT, LINE_MOVE, LINES };

/* When a line may be used again after failures. */
struct backoff {
    unsigned failures;
    int64_t until_us;
};

/* What the owner sees in DIR/status.json. */
struct tally {
    int64_t granted, done, failed; /* leases taken, run well, run badly */
    int64_t accepted, refused;     /* results by what the cell said */
    int64_t handed_back;
    int64_t units, busy_us; /* of the accepted ones */
    char trouble[256];      /* the last thing wrong with the cell, or "" */
};

/* A core's worth: the process that runs a task there, or one that waits for
 * the next task of its kernel and parameters (fallow-runner --serve).
 */
struct slot {
    struct run *run;
    bool serves;
    bool ordered;       /* a server was given the task */
    uint64_t serial;    /* of the lease it works for, 0 = free */
    struct digest spec; /* what a server serves: kernel */
    struct digest params;
    int64_t idle_us; /* free since then */
};

#define SLOTS_MAX 64

struct agent {
    const struct setting *set;
    struct identity id;
    struct machine *machine;
    struct run_place place;
    struct kernels kernels;
    struct params *params;
    struct journal *journal;
    struct courier *lines[LINES];
    struct backoff backoff[LINES];
    struct leases leases;
    struct policy *policy;
    struct verdict verdict; /* what the rules say now */
    struct tally tally;
    unsigned slots; /* tasks that run at once */
    struct slot slot[SLOTS_MAX];
    bool plain; /* the runner does not serve: a sandbox a task */

    struct journal_request pending;     /* in flight or to be sent again */
    uint64_t flight[MESSAGE_BATCH_MAX]; /* serials, 0 = not ours */
    size_t n_flight;
    int64_t last_seq;
    bool pending_asks;    /* it also asks for leases */
    bool moving;          /* LINE_MOVE has an order */
    bool emptied;         /* the last answer to a question had no lease */
    bool unwelcome;       /* the cell does not take our word: 401 or 403 */
    struct msg_head head; /* the newest one seen */
    bool head_is_new;     /* not on disk yet */
    int64_t shown[LINES]; /* newest batch each line was shown */

    int64_t now_us; /* monotonic, of this turn */
    int64_t wall_us;
    int64_t renew_at_us, rules_at_us, watch_at_us, status_at_us, wake_us;
    bool leaving;        /* SIGTERM came */
    int64_t leave_by_us; /* running tasks are killed then */
    bool ended;
    int signal_fd;
};

/* ---- agent.c ----------------------------------------------------------- */

/* Wire everything up; ends with status 0 when told to leave.  0, or -1 with
 * errno when it could not begin.
 */
int agent_run(const struct setting *set, struct error *err);

/* One line for the owner, on standard error. */
void agent_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Look again no later than this. */
void agent_wake(struct agent *a, int64_t at_us);

/* ---- tasks.c ------------------------------------------------------------ */

/* Leases and claims of the run before. */
int tasks_recall(struct agent *a, struct error *err);

/* A lease was granted; takes over what m owns. */
void tasks_grant(struct agent *a, struct msg_lease *m);

/* Start what may start, watch what runs. */
void tasks_step(struct agent *a);

/* A slot's process said something, or ended. */
void tasks_heard(struct agent *a, unsigned slot);
void tasks_ended(struct agent *a, unsigned slot);

/* End its process at once; it is then to be handed back. */
void tasks_kill(struct agent *a, struct lease *l);

/* The cell is done with it: forget it, on disk too. */
void tasks_drop(struct agent *a, struct lease *l);

/* ---- slots.c ------------------------------------------------------------ */

/* Run a lease in a free slot: 0, 1 = all are at work, or -1 with errno. */
int slot_start(struct agent *a, struct lease *l, struct error *err);

/* Its process said something.  True when the task of a server has ended: out
 * says how, the results lie with the lease (NULL = gone), the slot is free.
 */
bool slot_heard(struct agent *a, unsigned slot, const struct lease *l,
                struct run_outcome *out);

/* Its process has ended; the slot is free.  True when out is what became of
 * the task; false when the task was not begun: the runner does not serve.
 */
bool slot_ended(struct agent *a, unsigned slot, struct run_outcome *out);

/* Bytes the task of a slot has on disk. */
int64_t slot_scratch(const struct agent *a, unsigned slot,
                     const struct lease *l);

/* Kill what is there, at once. */
void slot_end(struct agent *a, unsigned slot);
void slots_end_all(struct agent *a);

/* End servers that have waited too long, or that may not wait here now. */
void slots_rest(struct agent *a);

/* ---- dialog.c ----------------------------------------------------------- */

/* The request that was in flight when we ended. */
int dialog_recall(struct agent *a, struct error *err);

/* Give the couriers what there is to carry. */
void dialog_step(struct agent *a);

/* Act on what they brought. */
void dialog_take(struct agent *a, enum line line);

/* Nothing is in flight and nothing waits to be told. */
bool dialog_is_done(const struct agent *a);

/* ---- head.c -------------------------------------------------------------- */

/* The newest head of the cell's ledger chain that this worker was shown, kept
 * in DIR/head as "BATCH HASH": who keeps heads can tell a rewritten ledger.
 * Without a file there is none yet.  0, or -1 with errno.
 */
int head_load(struct agent *a, struct error *err);

/* A reply named a head: complain when the chain went back or changed, else
 * keep it.  Replies of different lines may overtake each other.
 */
void head_take(struct agent *a, enum line line, const struct msg_head *h);

/* Write it down when it is new. */
void head_save(struct agent *a);

/* ---- status.c ----------------------------------------------------------- */

/* Write DIR/status.json. */
void status_write(const struct agent *a);

#endif
