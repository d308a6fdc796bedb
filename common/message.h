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

struct msg_kernel {
    char name[NAME_MAX_LEN + 1];
    struct digest spec;
    int64_t units_per_s;
};

struct msg_offer {
    int64_t cores;
    int64_t mem;
    int64_t seconds;
    int64_t floor_micro;
    char zone[16];
    size_t n_kernels;
    struct msg_kernel kernels[MESSAGE_KERNELS_MAX];
};

/* Sealed bytes of a lease as the worker keeps them (base64 text). */
struct msg_ask {
    int64_t want;
    int64_t wait_s;
    struct msg_offer offer;
    size_t n_held;
    char **held;
};

struct msg_lease {
    char id[40]; /* "EPOCH.N" */
    char kernel[NAME_MAX_LEN + 1];
    struct digest spec;
    struct digest params; /* digest_of("", 0) when there are none */
    int64_t items;
    int64_t deadline_us; /* from now, at the cell's clock */
    uint8_t *input;      /* items file */
    size_t input_len;
    char *token;
};

struct msg_result {
    char *token;
    int64_t status; /* 0, or why the runner failed */
    struct merkle_sum root;
    uint8_t *bytes; /* results file inline, or NULL */
    size_t len;
    struct digest blob; /* or where it is */
    bool has_blob;
    int64_t busy_us;
};

struct msg_results { /* POST /v1/result */
    size_t n;
    struct msg_result *v;
    bool has_ask;
    struct msg_ask ask;
};

struct msg_head {
    int64_t batch;
    struct digest hash;
};

struct msg_fate {
    char fate[12];
    char reason[128];
};

struct msg_grant { /* reply of /v1/lease and /v1/result */
    size_t n_leases;
    struct msg_lease *leases;
    size_t n_fates;
    struct msg_fate *fates;
    struct msg_head head;
};

struct msg_tokens { /* /v1/renew, /v1/handback */
    size_t n;
    char **v;
};

struct msg_gone { /* reply of /v1/renew */
    size_t n;
    int64_t *v; /* indices into the request */
    struct msg_head head;
};

struct msg_enrol {
    char token[65];
    uint8_t pubkey[32];
};

struct msg_enrolled {
    int64_t worker_id, party_id;
    char cell[NAME_MAX_LEN + 1];
    uint8_t cell_key[32];
};

json_t *msg_ask_encode(const struct msg_ask *m);
int msg_ask_decode(const json_t *j, struct msg_ask *out, struct error *err);
void msg_ask_clear(struct msg_ask *m);

json_t *msg_results_encode(const struct msg_results *m);
int msg_results_decode(const json_t *j, struct msg_results *out,
                       struct error *err);
void msg_results_clear(struct msg_results *m);

json_t *msg_grant_encode(const struct msg_grant *m);
int msg_grant_decode(const json_t *j, struct msg_grant *out, struct error *err);
void msg_grant_clear(struct msg_grant *m);

json_t *msg_tokens_encode(const struct msg_tokens *m);
int msg_tokens_decode(const json_t *j, struct msg_tokens *out,
                      struct error *err);
void msg_tokens_clear(struct msg_tokens *m);

json_t *msg_gone_encode(const struct msg_gone *m);
int msg_gone_decode(const json_t *j, struct msg_gone *out, struct error *err);
void msg_gone_clear(struct msg_gone *m);

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
    bool hold;
    int64_t max_amount;
};

json_t *msg_jobspec_encode(const struct msg_jobspec *m);
int msg_jobspec_decode(const json_t *j, struct msg_jobspec *out,
                       struct error *err);
void msg_jobspec_clear(struct msg_jobspec *m);

/* JOB: a row as squeue, sacct and scontrol read it (no blob list). */
json_t *msg_job_encode(const struct rec_job *job);
int msg_job_decode(const json_t *j, struct rec_job *out, struct error *err);

struct msg_quote {
    int64_t job_id;      /* 0 for a quote alone */
    int64_t amount, fee; /* micro-fiat */
    char unit[6];
    int64_t tariff_id;
    int64_t units;
    int64_t prepaid;
};

json_t *msg_quote_encode(const struct msg_quote *m);
int msg_quote_decode(const json_t *j, struct msg_quote *out, struct error *err);

/* One task's accepted result on its way back to the customer. */
struct msg_task_result {
    int64_t task;
    int64_t items;  /* primary ones, in row order inside bytes */
    uint8_t *bytes; /* a results file, allocated */
    size_t len;
};

struct msg_task_results {
    size_t n;
    struct msg_task_result *v;
    int64_t next; /* first task of the next page; -1 = that was all */
};

json_t *msg_task_results_encode(const struct msg_task_results *m);
int msg_task_results_decode(const json_t *j, struct msg_task_results *out,
                            struct error *err);
void msg_task_results_clear(struct msg_task_results *m);

/* {"error": text, "errno": name}: the body of every refusal. */
json_t *msg_error_encode(int code, const char *text);

#endif
