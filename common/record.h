/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - the rows of a cell: what a step writes and a restart reads
 *
 * sched/core emits records as effects; accounting/store writes all records of
 * a group commit in one transaction and, at start, reads them back in the order
 * of enum record_type.  Feeding those to cell_restore() gives the state the
 * last COMMIT left: leases are soft and are not among them.
 *
 * Every record is an upsert by its key except where "append" is said; appended
 * rows are immutable.  Times are microseconds since 1970 UTC (int64), money
 * and credits are micro-units (int64, 1e-6 of the unit), units are a kernel's
 * deterministic count (int64).  Strings and byte ranges are borrowed: the
 * producer keeps them alive until the records were written.  Ids are positive,
 * never reused, and 0 means "none".
 */
#ifndef FALLOW_COMMON_RECORD_H
#define FALLOW_COMMON_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"

enum record_type {
    REC_PARTY,    /* key party_id */
    REC_TARIFF,   /* key tariff_id; append */
    REC_WORKER,   /* key worker_id */
    REC_JOB,      /* key job_id */
    REC_TASK,     /* key (job_id, task) */
    REC_WINDOW,   /* key window_id */
    REC_RESULT,   /* key (job_id, task, epoch, attempt); append */
    REC_CHECK,    /* key check_id */
    REC_VERDICT,  /* key verdict_id; append */
    REC_BILLING,  /* key billing_id; append */
    REC_TRANSFER, /* key transfer_id; append, never read back */
    REC_BALANCE,  /* read back only: an account's balance */
    REC_SEQ,      /* key worker_id: last request and its reply */
    REC_COUNTER,  /* read back only: next free ids */
    REC_TOKEN,    /* key hash; sched/api's, the core never sees it */
    REC_BLOB,     /* key (digest, party_id); sched/api's */
    REC_TYPES
};

enum party_role {
    ROLE_OWNER = 1,    /* lets machines work */
    ROLE_CUSTOMER = 2, /* submits jobs */
    ROLE_CELL = 4,     /* the cell itself: referee, fees, checks */
};

/* Bytes of a name without its NUL, as PostgreSQL counts them. */
#define NAME_MAX_LEN 63

/* A legal person.  Parties with one beneficial_owner never check each other. */
struct rec_party {
    int64_t party_id;
    char name[NAME_MAX_LEN + 1];
    uint32_t roles;           /* or of enum party_role */
    int64_t beneficial_owner; /* a party_id; its own when unconnected */
    bool locked;              /* locked out after a verdict "wrong" */
    int64_t accepted_tasks;   /* standing: tasks in verified windows */
    int32_t strict_tasks;     /* tasks still to be checked at q = 1 */
    int64_t fund_serial;      /* highest serial of a fund event applied */
    int64_t created_us;
};

/* Price of a kernel's unit, and what a credit is.  credit_micro =
 * floor(units * rate_num / rate_den); amount = floor(credit_micro *
 * price_micro / 1e6); fee = floor(amount * fee_ppm / 1e6), on top.
 */
struct rec_tariff {
    int64_t tariff_id;
    char kernel[NAME_MAX_LEN + 1];
    char zone[16];       /* where the work is done: site, cell, public */
    char unit[6];        /* fiat: "USD" */
    char credit_unit[6]; /* "GPUC" or "CPUC" */
    int64_t price_micro; /* fiat per credit */
    int64_t rate_num;    /* credits per unit, */
    int64_t rate_den;    /* as a fraction of micro-credits */
    int32_t fee_ppm;     /* of the amount, to the cell */
    int64_t valid_from_us, valid_to_us; /* to 0 = open */
};

/* A locked worker is granted nothing; a retired one is kept for the books. */
enum worker_state { WORKER_ACTIVE = 1, WORKER_LOCKED = 2, WORKER_RETIRED = 3 };

/* One machine's identity: an owner may have many. */
struct rec_worker {
    int64_t worker_id;
    int64_t party_id;     /* its owner */
    uint8_t pubkey[32];   /* Ed25519 */
    bool referee;         /* the cell's own, runs the variant "ref" */
    uint8_t state;        /* enum worker_state */
    int64_t enrolled_us;  /* when the token was spent */
    int64_t last_seen_us; /* its last signed request */
};

enum job_state {
    JOB_PENDING = 1, /* no task has been leased yet */
    JOB_RUNNING,     /* at least one task was leased */
    JOB_COMPLETING,  /* all delivered, windows still being checked */
    JOB_COMPLETED,   /* every item delivered and its sample clean */
    JOB_CANCELLED,   /* by its customer; what was committed is paid */
    JOB_FAILED,      /* a task failed max_attempts times */
    JOB_HELD,        /* leased to nobody until released */
};

/* How a worker comes by a task's items. */
enum job_input { INPUT_INDEX = 1, INPUT_BLOBS = 2 };

/* A submission.  Item i of task t is row t * items_per_task + i; the last task
 * may be shorter.  INPUT_INDEX: the item's bytes are its row as u64be.
 * INPUT_BLOBS: blobs[t] is the items file (items.h) of task t.
 *
 * blobs and task_units never change: only the first record of a job carries
 * them; in every later one both are NULL, meaning "as they were".
 */
struct rec_job {
    int64_t job_id;
    int64_t party_id;                 /* the customer */
    uint8_t submission_id[16];        /* client-made; unique per party */
    char name[NAME_MAX_LEN + 1];      /* --job-name */
    char user_name[NAME_MAX_LEN + 1]; /* who submitted, for squeue */
    char kernel[NAME_MAX_LEN + 1];    /* its first word after srun */
    struct digest spec;               /* kernel digest */
    struct digest params;             /* digest of the manifest blob, or zero */
    uint8_t input;                    /* enum job_input */
    uint32_t tasks;                   /* schedulable units */
    uint32_t items_per_task;          /* in all tasks but the last */
    uint64_t items;                   /* rows of the input */
    const struct digest *blobs;       /* tasks of them, or NULL */
    const int64_t *task_units;        /* tasks of them, or NULL: uniform */
    int64_t units_per_item;           /* when uniform */
    int64_t units;                    /* total, the quoted bound */
    int64_t array_first, array_step;  /* index of task t = first + t * step */
    bool is_array;                    /* print N_INDEX, not N */
    char zone[16];                    /* how far its data may go */
    int32_t nice;                     /* as Slurm's: higher waits longer */
    int64_t time_limit_us;            /* 0 = none */
    int64_t submitted_us, started_us, ended_us; /* 0 = not yet */
    uint8_t state;                              /* enum job_state */
    char reason[NAME_MAX_LEN + 1]; /* why pending, failed or held */
    uint32_t tasks_done, tasks_failed, tasks_cancelled; /* ended so far */
    int64_t tariff_id;               /* pinned by the quote */
    int64_t quote_amount, quote_fee; /* micro-fiat, the most it can cost */
    int64_t reserved;                /* still in the reserve account */
    int64_t spent_amount, spent_fee; /* verified so far */
    uint64_t checked_items;          /* recomputed and answered */
    uint64_t caught_items;           /* of those, found wrong */
};

enum task_state {
    TASK_QUEUED = 1, /* row exists only when attempt > 0 */
    TASK_DONE,       /* its results are stored */
    TASK_FAILED,     /* max_attempts used up */
    TASK_CANCELLED,  /* with its job */
};

/* Written when a task ends, or when its attempt high-water mark moves because
 * a lease lapsed or was handed back: a token below the mark is refused.
 */
struct rec_task {
    int64_t job_id;
    uint32_t task;
    uint8_t state;
    uint32_t attempt;   /* high-water mark */
    int64_t worker_id;  /* who did it, 0 while queued */
    int64_t window_id;  /* the window it verifies with */
    int64_t units;      /* counted over its items */
    uint32_t code;      /* deterministic failure of the first failed item */
    int64_t started_us; /* granted */
    int64_t ended_us;   /* committed, failed or cancelled */
};

enum window_state {
    WINDOW_OPEN = 1, /* collecting tasks */
    WINDOW_CHECKING, /* full or job at its end; draws outstanding */
    WINDOW_VERIFIED, /* paid to the owner */
    WINDOW_REJECTED, /* unpaid; its tasks are queued again */
};

/* Tasks of one worker in one job that verify together.  amount is what has
 * been moved to the owner's escrow for it: the escrow account of an owner is
 * the sum of amount over windows in the first two states.
 */
struct rec_window {
    int64_t window_id;
    int64_t job_id;
    int64_t worker_id;
    int64_t party_id;             /* the owner */
    uint8_t state;                /* enum window_state */
    uint32_t tasks;               /* collected in it */
    uint64_t items;               /* primary items of those tasks */
    int64_t units;                /* primary items */
    uint64_t salt_items;          /* checks this worker answered meanwhile */
    int64_t salt_units;           /* and their units */
    int64_t fee_units;            /* drawn units its owner is charged for */
    int64_t amount;               /* micro-fiat in escrow */
    uint32_t steps;               /* escrow postings so far: their serial */
    bool newcomer;                /* opened before its owner had standing */
    uint32_t drawn, equal, wrong; /* of its items recomputed */
    int64_t busy_us;              /* reported, display only */
    int64_t opened_us;            /* its first task was committed */
    int64_t closed_us;            /* verified or rejected, else 0 */
};

/* Follows the window a result belongs to. */
enum result_state { RESULT_HELD = 1, RESULT_VERIFIED, RESULT_REJECTED };

/* What a worker committed for one lease, with everything needed to prove it
 * later.  map lists, per position in the lease, the source: u64be check_id for
 * a salt item, or 0 followed by u32be item of the task (12 bytes each).
 */
struct rec_result {
    int64_t job_id;
    uint32_t task;
    int32_t epoch;    /* of the controller that granted the lease */
    uint32_t attempt; /* of the task, from 1 */
    int64_t worker_id;
    int64_t window_id;
    struct merkle_sum root; /* committed before anything was drawn */
    uint32_t n_items;       /* positions, salt included */
    int64_t units;          /* primary items only */
    struct digest blob;     /* results file in the blob store, or zero */
    const uint8_t *bytes;   /* results file inline, or NULL */
    uint32_t len;           /* of bytes */
    const uint8_t *map;     /* as above */
    uint32_t map_len;       /* 12 * n_items */
    int64_t received_us;    /* when the request was decoded */
};

enum check_state {
    CHECK_PENDING = 1,   /* to be answered by salt or the referee */
    CHECK_EQUAL,         /* recomputed to the committed bytes */
    CHECK_DISPUTED,      /* differed; waits for the referee */
    CHECK_CHECKER_WRONG, /* the referee agrees with the committed bytes */
    CHECK_WRONG,         /* the referee disagrees with them */
    CHECK_DROPPED,       /* its window ended otherwise */
};

/* One drawn item of one committed task. */
struct rec_check {
    int64_t check_id;
    int64_t window_id;       /* the window being checked */
    int64_t job_id;          /* the commitment it was drawn from: job, */
    uint32_t task;           /* task, */
    uint32_t attempt;        /* attempt */
    int32_t epoch;           /* and epoch */
    uint32_t item;           /* of the task */
    uint32_t position;       /* in the lease it was committed under */
    struct digest committed; /* SHA-256(code u32be ‖ units u64be ‖ bytes) */
    int64_t units;           /* committed for it */
    uint8_t state;           /* enum check_state */
    bool referee_only;       /* not given out as salt */
    int64_t checker_id;      /* worker whose answer counted, or 0 */
    /* A salt's answer and the commitment that holds it, so that the referee's
     * word can fall on the checker; zero when the referee answered first.
     */
    struct digest answer; /* as committed, of the checker's item */
    int64_t checker_window_id;
    int64_t checker_job_id;
    uint32_t checker_task;
    uint32_t checker_attempt;
    int32_t checker_epoch;
    uint32_t checker_position;
    int64_t drawn_us;    /* when the draw was made */
    int64_t answered_us; /* 0 = not yet */
};

/* A first wrong item is an error; a second in the same window is wrong. */
enum verdict_kind { VERDICT_ERROR = 1, VERDICT_WRONG = 2 };

/* The referee's last word on one item; the proof is made from the result and
 * this row (fallow verify-evidence).
 */
struct rec_verdict {
    int64_t verdict_id;
    uint8_t kind;      /* enum verdict_kind */
    int64_t worker_id; /* who committed it */
    int64_t party_id;  /* his owner */
    int64_t job_id;    /* the committed task that holds the wrong item */
    uint32_t task;
    uint32_t attempt;
    int32_t epoch;
    uint32_t position;       /* leaf index in that commitment */
    int64_t source_job_id;   /* the item itself: a salt may be another task's */
    uint32_t source_task;    /* equal to job_id, task where it is primary */
    uint32_t source_item;    /* row within source_task */
    uint32_t expected_code;  /* what the referee found: failure code, */
    int64_t expected_units;  /* units */
    const uint8_t *expected; /* bytes the referee computed */
    uint32_t expected_len;   /* of expected */
    int64_t at_us;           /* when it was found */
};

/* Whose work a line pays: the job's, a check's, or the owner's own checks. */
enum billing_purpose { BILL_PRIMARY = 1, BILL_SALT, BILL_CHECK_FEE };

/* One priced line; written once, when its window is verified.  Its legs carry
 * ref = billing_id.
 */
struct rec_billing {
    int64_t billing_id;
    int64_t window_id;
    int64_t job_id;
    int64_t owner, customer; /* party ids; customer = cell for salt */
    uint8_t purpose;         /* enum billing_purpose */
    int64_t tariff_id;       /* whose price and rate apply */
    uint32_t tasks;          /* tasks, */
    uint64_t items;          /* items */
    int64_t units;           /* and units paid by this line */
    int64_t credit_micro;    /* units at the tariff's rate, floored once */
    int64_t amount, fee;     /* micro-fiat */
    int64_t busy_us;         /* device time the worker reported, display only */
    int64_t at_us;           /* when the window was verified */
};

/* Account purposes and normal sides (accounting.md §3). */
enum purpose {
    ACC_BANK = 1,    /* money received and not paid out */
    ACC_PREPAID,     /* a customer's, free to spend */
    ACC_RESERVE,     /* a customer's, promised to a job */
    ACC_ESCROW,      /* an owner's, committed and not verified */
    ACC_HELD,        /* an owner's, verified and not yet mature */
    ACC_PAYABLE,     /* an owner's, verified */
    ACC_SETTLING,    /* an owner's, in a payment order */
    ACC_FEE,         /* the cell's, earned */
    ACC_VERIFY_COST, /* the cell's, spent on checks */
    ACC_ROUNDING,    /* what floors left over */
    ACC_GRANT,       /* play money and gifts */
    ACC_QTY_ISSUED,  /* credits brought into being */
    ACC_QTY_EARNED,  /* credits an owner earned */
};

enum transfer_kind {
    TR_FUND = 1,      /* bank → prepaid */
    TR_RESERVE = 2,   /* prepaid → reserve, at submission */
    TR_RELEASE = 3,   /* reserve → prepaid, what was not used */
    TR_ESCROW = 4,    /* reserve → escrow, at commit */
    TR_REJECT = 5,    /* escrow → reserve, a window refused */
    TR_VERIFY = 6,    /* escrow → payable, a window verified */
    TR_MATURE = 7,    /* held → payable, when mature */
    TR_SETTLE = 8,    /* payable → settling */
    TR_NET = 9,       /* settling between cells */
    TR_FX = 10,       /* from one fiat unit to another */
    TR_CORRECT = 11,  /* undoes an earlier transfer */
    TR_ROUND = 12,    /* to or from rounding */
    TR_QUANTITY = 13, /* credits, not money */
    TR_SPEND = 14,    /* payable → prepaid, earned and spent here */
    TR_CHECK = 15,    /* verify_cost → payable, salt answered */
};

/* Debit one account, credit another, one unit, amount > 0.  transfer_id is
 * derived from stored facts (transfer_make_id), never from the clock, so that
 * a repeated posting is recognised.  ref names what it is for: a job, window
 * or billing id according to kind.
 */
struct rec_transfer {
    uint8_t transfer_id[16];
    uint8_t kind;       /* enum transfer_kind */
    int64_t dr_party;   /* account debited: whose, */
    uint8_t dr_purpose; /* enum purpose */
    int64_t cr_party;   /* account credited: whose, */
    uint8_t cr_purpose; /* enum purpose */
    char unit[6];       /* "USD", or a credit unit */
    int64_t amount;     /* micro-units, positive */
    int64_t ref;        /* see above */
    int64_t event_us;   /* when what it records happened */
};

/* Natural-side balance of (party, unit, purpose), read back at start */
struct rec_balance {
    int64_t party_id;
    uint8_t purpose;
    char unit[6];
    int64_t amount;
};

/* The last state-changing request of a worker and its reply, byte for byte. */
struct rec_seq {
    int64_t worker_id;
    int64_t seq;        /* strictly increasing */
    struct digest body; /* SHA-256 of the request */
    const uint8_t *reply;
    uint32_t reply_len;
};

/* What a token opens. */
enum token_kind { TOKEN_USER = 1, TOKEN_ENROL = 2, TOKEN_ADMIN = 3 };

/* A bearer token, stored as its SHA-256.  An enrolment token is used once. */
struct rec_token {
    struct digest hash;
    uint8_t kind;                   /* enum token_kind */
    int64_t party_id;               /* whom it speaks for */
    int64_t created_us, expires_us; /* expires 0 = never */
    int64_t used_us;                /* 0 = not yet */
    bool revoked;                   /* by its party or the operator */
};

/* Who uploaded a blob: who may name it in a job and read it back. */
struct rec_blob {
    struct digest digest;
    int64_t party_id; /* the uploader */
    int64_t size;     /* bytes */
    int64_t at_us;    /* first upload */
};

/* The first id never given out, of each kind. */
struct rec_counter {
    int64_t next_job, next_window, next_check, next_verdict, next_billing,
        next_party, next_worker;
};

/* Any of them, as it travels from a step to the store and back. */
struct record {
    enum record_type type; /* which member is meant */
    union {
        struct rec_party party;
        struct rec_tariff tariff;
        struct rec_worker worker;
        struct rec_job job;
        struct rec_task task;
        struct rec_window window;
        struct rec_result result;
        struct rec_check check;
        struct rec_verdict verdict;
        struct rec_billing billing;
        struct rec_transfer transfer;
        struct rec_balance balance;
        struct rec_seq seq;
        struct rec_counter counter;
        struct rec_token token;
        struct rec_blob blob;
    };
};

/* transfer_id = first 16 bytes of SHA-256("fallow-transfer-v1" ‖ kind ‖
 * ref u64be ‖ leg u32be ‖ serial u64be), where leg tells legs of one event
 * apart and serial is a stored count (the window's escrow steps, say).
 */
void transfer_make_id(struct rec_transfer *t, uint32_t leg, uint64_t serial);

/* Words for states, as commands and files print them; "?" when unknown. */
const char *job_state_name(int state); /* PENDING RUNNING … */
const char *job_state_code(int state); /* PD R CG CD CA F */
const char *purpose_name(int purpose); /* prepaid reserve escrow … */
bool purpose_is_debit(int purpose);    /* normal side is debit */
bool purpose_has_floor(int purpose);   /* may not go below zero */

#endif
