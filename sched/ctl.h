/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.h - the controller's parts, and how a request passes through them
 *
 * One thread decides (sched/ingest.c has others, for uploads): gates speak
 * frames to it (sched/gates.c), a route of sched/api decodes a request, makes
 * one call of the core and encodes the answer, and sched/commit.c lets the
 * answer out after the COMMIT of everything it could have seen.  Nothing here
 * decides policy: that is sched/core; and nothing here knows SQL: that is
 * accounting/store.h.
 */
#ifndef FALLOW_SCHED_CTL_H
#define FALLOW_SCHED_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "accounting/store.h"
#include "common/error.h"
#include "common/frame.h"
#include "common/sign.h"
#include "sched/core/cell.h"

struct commit;
struct gates;
struct blobs;
struct book;
struct park;
struct inputs;
struct ingest;

/* cell.conf(5). */
struct ctl_conf {
    char *cell_name, *ctld_socket, *db, *schema_dir, *blob_dir;
    char *admin_token_file, *cell_key_file;
    struct cell_conf policy;
};

struct ctl {
    struct ctl_conf conf;
    struct sign_key *key; /* signs replies to workers */
    uint8_t seal_key[32]; /* seals lease tokens; derived from the key file */
    struct store *store;  /* NULL while the database is away */
    struct cell *cell;    /* NULL likewise */
    struct rng rng;
    struct effects fx; /* of the step being made */
    struct commit *commit;
    struct gates *gates;
    struct book *book;      /* tokens, blob owners, sequence numbers */
    struct blobs *blobs;    /* bytes by digest, on disk */
    struct inputs *inputs;  /* parsed items files, cached */
    struct ingest *ingest;  /* uploads on their way to blobs */
    struct park *park;      /* long polls waiting for work */
    int64_t next_tick_us;   /* 0 = none */
    int64_t next_expire_us; /* when parked polls are looked over again */
    bool wake;              /* work became ready during this round */
    bool broken;            /* out of memory in a step: drop the state */
    int64_t next_open_us;   /* when to try the database again */
    struct msg_head_cache {
        int64_t batch;
        struct digest hash;
        bool stale;      /* something was committed since it was read */
        int64_t next_us; /* when it may be read again */
    } head;              /* a committed head of the chain, the newest but for
                          * HEAD_US */
};

/* Who asks. */
enum who { WHO_NOBODY, WHO_USER, WHO_ADMIN, WHO_WORKER };

/* One request on its way; lives until its answer was handed to commit.c. */
struct call {
    struct ctl *ctl;
    uint64_t gate; /* which gate's connection */
    uint64_t req;  /* that gate's handle */
    const struct frame_request *in;
    char path[256]; /* without the query */
    char *query;    /* or "" */
    enum who who;
    int64_t party_id;
    int64_t worker_id;
    int64_t seq, time_ms; /* as signed; seq -1 = none */
    struct digest body;   /* of a worker's raw body */
};

/* Microseconds since 1970 UTC; never goes backwards within a process. */
int64_t ctl_now_us(void);

/* Step the core, hand its records to commit.c, remember ticks and wakes.
 * Returns the answer (valid until the next step), or NULL when the process
 * must give up its state (out of memory).
 */
const struct answer *ctl_step(struct ctl *c, const struct event *ev);

/* Records of the api itself (tokens, blobs, sequence numbers). */
int ctl_record(struct ctl *c, const struct record *r);

/* Open the store, restore the cell and the book; -1 when the database is away
 * (try again later) with err saying why.  ctl_lost() is the reverse: answers
 * everything in flight with 503, drops the state.
 */
int ctl_open(struct ctl *c, struct error *err);
void ctl_lost(struct ctl *c, const char *why);
/* Everything released, at the end of the process. */
void ctl_close(struct ctl *c);

/* cell.conf; -1 with err naming file and line. */
int ctl_conf_read(struct ctl_conf *conf, const char *path, struct error *err);
void ctl_conf_clear(struct ctl_conf *conf);

/* First start: the cell's party, its tariffs, the operator's token. */
int ctl_bootstrap(struct ctl *c, struct error *err);

/* One line on standard error with the time. */
void ctl_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- answers -------------------------------------------------------- */

/* Answer with a JSON body (stolen; NULL = out of memory), with text, with a
 * file, or with a refusal.  code is an errno value; err may be NULL.
 */
void call_json(struct call *call, int status, json_t *body);
void call_bytes(struct call *call, int status, const char *type,
                const void *body, size_t len);
void call_file(struct call *call, int fd, uint64_t len);
void call_error(struct call *call, int status, int code, const char *text);
/* HTTP status by errno: EPERM 403, ENOENT 404, EDQUOT 402, … else 400. */
void call_refuse(struct call *call, int code, const char *text);

/* ---- commit.c ------------------------------------------------------- */

struct commit *commit_create(struct ctl *c);
void commit_destroy(struct commit *m);

/* Add records to the transaction being filled. */
int commit_put(struct commit *m, const struct record *r, size_t n);

/* Send a frame to a gate once everything put so far is committed; at once when
 * nothing is outstanding.  pass_fd is closed in any case.
 */
void commit_reply(struct commit *m, uint64_t gate, const struct frame *f,
                  int pass_fd);

/* Flush when no commit is in flight; call at the end of every round. */
int commit_pump(struct commit *m, struct error *err);
/* The store's descriptor is ready.  -1: the state must be dropped. */
int commit_poll(struct commit *m, struct error *err);
bool commit_busy(const struct commit *m);

/* ---- ingest.c ------------------------------------------------------- */

/* What became of an upload: code 0, or errno with err as of blob commit. */
struct ingested {
    void *arg; /* as given with it; whoever takes the answer frees it */
    int code;
    struct error err;
};

struct ingest *ingest_create(struct blobs *blobs, struct error *err);
/* Ends the threads.  What was not answered yet is closed and freed. */
void ingest_destroy(struct ingest *g);
/* Make a blob of the upload in fd (taken); arg is allocated.  0 or -1 ENOMEM,
 * with fd and arg still the caller's.
 */
int ingest_put(struct ingest *g, int fd, const struct digest *d, uint64_t size,
               void *arg);
/* Readable when ingest_next() has something. */
int ingest_fd(const struct ingest *g);
bool ingest_next(struct ingest *g, struct ingested *out);

/* ---- gates.c -------------------------------------------------------- */

struct pollfd;

struct gates *gates_create(struct ctl *c, const char *path, struct error *err);
void gates_destroy(struct gates *g);
size_t gates_poll_fill(struct gates *g, struct pollfd *v, size_t cap);
/* Read and dispatch what arrived; write what can be written. */
void gates_poll_done(struct gates *g, const struct pollfd *v, size_t n);
void gates_send(struct gates *g, uint64_t gate, const struct frame *f,
                int pass_fd);

/* ---- park.c --------------------------------------------------------- */

struct park *park_create(struct ctl *c);
void park_destroy(struct park *p);
/* Keep a long poll: asked again on every wake, answered empty at until_us. */
int park_add(struct park *p, const struct call *call, const struct event *ev,
             int64_t until_us);
void park_abort(struct park *p, uint64_t gate, uint64_t req); /* req 0 = all */
/* Work became ready: ask again, the longest waiting first. */
void park_wake(struct park *p, int64_t now_us);
/* Answer those whose time is up; returns the next such time or 0. */
int64_t park_expire(struct park *p, int64_t now_us);

#endif
