/* SPDX-License-Identifier: Apache-2.0 */
/* message.h - JSON bodies of the wire and the structs they stand for
 *
 * Both directions of every message are side by side in message.c (workers)
 * and jobspec.c (customers); message.t sends every one there and back.  A
 * body is decoded once, at the edge, into these structs: nobody else looks
 * into a json_t.  doc/4-wire.md names the members.
 *
 * *_encode returns a new reference or NULL with errno ENOMEM; *_decode fills
 * out (zero it first), or returns -1 with errno EBADMSG and err naming the
 * member.  *_clear frees what decode allocated and zeroes the struct.
 */
#ifndef FALLOW_COMMON_MESSAGE_H
#define FALLOW_COMMON_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/digest.h"
#include "common/error.h"
#include "common/record.h"

#define MESSAGE_BATCH_MAX 64        /* leases or results in a body */
#define MESSAGE_JSON_MAX (1u << 20) /* request body */
#define MESSAGE_DEPTH_MAX 16
#define MESSAGE_INLINE_MAX (64u << 10) /* results file that travels inline */
#define MESSAGE_KERNELS_MAX 16

/* Parse len bytes: size and depth capped, duplicates rejected, UTF-8 checked.
 * NULL with errno EFBIG or EBADMSG; err names line and column.
 */
json_t *message_parse(const void *text, size_t len, struct error *err);

/* Compact text, freed with free().  NULL = ENOMEM. */
char *message_text(const json_t *j, size_t *len);

/* ---- workers ------------------------------------------------------- */

/* A kernel the worker can run, and how fast it was measured to be. */
struct msg_kernel {
    char name[NAME_MAX_LEN + 1];
    struct digest spec;  /* of its arithmetic: another one is another kernel */
    int64_t units_per_s; /* sustained, at the owner's watts */
};

/* OFFER: what the machine sells now; an allow-listed summary. */
struct msg_offer {
    int64_t cores;
    int64_t mem;         /* bytes free for work */
    int64_t seconds;     /* from now; 0 = no end known */
    int64_t floor_micro; /* least fiat per credit it works for */
    char zone[16];       /* widest zone it serves */
    size_t n_kernels;
    struct msg_kernel kernels[MESSAGE_KERNELS_MAX];
};

/* POST /v1/lease.  A token is the sealed lease as the worker keeps it, base64
 * text; those held are renewed by asking.
 */
struct msg_ask {
    int64_t want;   /* leases, at most MESSAGE_BATCH_MAX */
    int64_t wait_s; /* how long the cell may hold the request open */
    struct msg_offer offer;
    size_t n_held;
    char **held; /* tokens */
};

/* LEASE: everything a worker needs to run one task. */
struct msg_lease {
    char id[40]; /* "EPOCH.N" */
    char kernel[NAME_MAX_LEN + 1];
    struct digest spec;   /* must be the installed kernel's */
    struct digest params; /* digest_of("", 0) when there are none */
    int64_t items;        /* positions, salt included */
    int64_t deadline_us;  /* from now, at the cell's clock */
    uint8_t *input;       /* items file */
    size_t input_len;
    char *token; /* to be sent back with the result */
};

/* RESULT: the commitment to one lease's items, and the bytes or where they
 * are.
 */
struct msg_result {
    char *token;
    int64_t status;         /* 0, or why the runner failed */
    struct merkle_sum root; /* over all positions, in lease order */
    uint8_t *bytes;         /* results file inline, or NULL */
    size_t len;
    struct digest blob; /* or where it is */
    bool has_blob;
    int64_t busy_us; /* device time, for display; never paid by */
};

/* POST /v1/result: commit, and ask for more in the same request. */
struct msg_results {
    size_t n;
    struct msg_result *v;
    bool has_ask; /* else ask is unset */
    struct msg_ask ask;
};

/* HEAD of the ledger's chain: workers keep it as witnesses. */
struct msg_head {
    int64_t batch;      /* its number, from 1 */
    struct digest hash; /* over the batch and the head before */
};

/* What became of one result. */
struct msg_fate {
    char fate[12];    /* accepted duplicate stale invalid retried */
    char reason[128]; /* for the owner's log; may be empty */
};

/* Reply of /v1/lease and /v1/result. */
struct msg_grant {
    size_t n_leases;
    struct msg_lease *leases;
    size_t n_fates; /* as many as results were sent */
    struct msg_fate *fates;
    struct msg_head head;
};

/* POST /v1/renew and /v1/handback. */
struct msg_tokens {
    size_t n;
    char **v;
};

/* Reply of /v1/renew: leases the cell no longer knows; stop working on them. */
struct msg_gone {
    size_t n;
    int64_t *v; /* indices into the request */
    struct msg_head head;
};

/* POST /v1/enrol: the one request a worker does not sign. */
struct msg_enrol {
    char token[65];     /* one-time, 64 hex digits */
    uint8_t pubkey[32]; /* Ed25519; the private half never leaves */
};

/* Its reply: who the worker is from now on, and whose signature to trust. */
struct msg_enrolled {
    int64_t worker_id, party_id;
    char cell[NAME_MAX_LEN + 1];
    uint8_t cell_key[32]; /* Ed25519, of every reply */
};

/* "want" and "held" are at most MESSAGE_BATCH_MAX, speeds at least 1: an
 * offer outside its ranges is refused whole, never trimmed.
 */
json_t *msg_ask_encode(const struct msg_ask *m);
int msg_ask_decode(const json_t *j, struct msg_ask *out, struct error *err);
void msg_ask_clear(struct msg_ask *m);

/* EBADMSG also for a result of status 0 that has neither inline bytes nor a
 * blob, or both, and for more than MESSAGE_INLINE_MAX bytes inline.  Whether
 * the bytes are a results file, and whether they give that root, is for the
 * caller to find out.
 */
json_t *msg_results_encode(const struct msg_results *m);
int msg_results_decode(const json_t *j, struct msg_results *out,
                       struct error *err);
void msg_results_clear(struct msg_results *m);

/* Both lists hold at most MESSAGE_BATCH_MAX; either may be empty. */
json_t *msg_grant_encode(const struct msg_grant *m);
/* The encoded grant as text at once: the same bytes, much sooner. */
char *msg_grant_text(const struct msg_grant *m, size_t *len);
int msg_grant_decode(const json_t *j, struct msg_grant *out, struct error *err);
void msg_grant_clear(struct msg_grant *m);

/* Tokens are opaque here; whether one opens is the cell's to say. */
json_t *msg_tokens_encode(const struct msg_tokens *m);
int msg_tokens_decode(const json_t *j, struct msg_tokens *out,
                      struct error *err);
void msg_tokens_clear(struct msg_tokens *m);

json_t *msg_gone_encode(const struct msg_gone *m);
int msg_gone_decode(const json_t *j, struct msg_gone *out, struct error *err);
void msg_gone_clear(struct msg_gone *m);

/* Nothing in these two is allocated. */
json_t *msg_enrol_encode(const struct msg_enrol *m);
int msg_enrol_decode(const json_t *j, struct msg_enrol *out, struct error *err);
json_t *msg_enrolled_encode(const struct msg_enrolled *m);
int msg_enrolled_decode(const json_t *j, struct msg_enrolled *out,
                        struct error *err);

/* ---- customers: jobspec.c ------------------------------------------ */

/* JOBSPEC: fills what the client knows of a rec_job; ids, state and quote are
 * the cell's.  blobs and task_units are allocated (msg_job_clear).
 */
struct msg_jobspec {
    struct rec_job job;
    bool hold;          /* --hold: wait for release */
    int64_t max_amount; /* micro-fiat, 0 = whatever the quote says */
};

/* EBADMSG also when tasks, items and items_per_task do not agree, or a list of
 * blobs or units has another length than tasks.
 */
json_t *msg_jobspec_encode(const struct msg_jobspec *m);
int msg_jobspec_decode(const json_t *j, struct msg_jobspec *out,
                       struct error *err);
void msg_jobspec_clear(struct msg_jobspec *m);

/* JOB: a row as squeue, sacct and scontrol read it (no blob list). */
json_t *msg_job_encode(const struct rec_job *job);
int msg_job_decode(const json_t *j, struct rec_job *out, struct error *err);

/* What a job costs at most, and what its party has. */
struct msg_quote {
    int64_t job_id;      /* 0 for a quote alone */
    int64_t amount, fee; /* micro-fiat */
    char unit[6];        /* fiat */
    int64_t tariff_id;   /* pinned for 14 days */
    int64_t units;       /* over all items, exact */
    int64_t prepaid;     /* micro-fiat free to spend */
};

/* Amounts are exact; a client prints them, it never computes them. */
json_t *msg_quote_encode(const struct msg_quote *m);
int msg_quote_decode(const json_t *j, struct msg_quote *out, struct error *err);

/* One task's accepted result on its way back to the customer. */
struct msg_task_result {
    int64_t task;
    int64_t items;  /* primary ones, in row order inside bytes */
    uint8_t *bytes; /* a results file, allocated */
    size_t len;
};

/* One page of them. */
struct msg_task_results {
    size_t n;
    struct msg_task_result *v;
    int64_t next; /* first task of the next page; -1 = that was all */
};

/* Pages are taken in order: ask again from next until it is -1. */
json_t *msg_task_results_encode(const struct msg_task_results *m);
int msg_task_results_decode(const json_t *j, struct msg_task_results *out,
                            struct error *err);
void msg_task_results_clear(struct msg_task_results *m);

/* {"error": text, "errno": name}: the body of every refusal. */
json_t *msg_error_encode(int code, const char *text);

#endif
