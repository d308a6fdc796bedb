/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - the routes: decode, one call of the core, encode
 *
 * One file a resource.  A route is given an authenticated call and ends by
 * exactly one call_*(); it may keep nothing of the call's frame afterwards.
 */
#ifndef FALLOW_SCHED_API_API_H
#define FALLOW_SCHED_API_API_H

#include "common/message.h"
#include "sched/ctl.h"

/* A whole request (FRAME_REQUEST) or the head of a blob upload (FRAME_HEAD):
 * authenticate, find the route, run it.
 */
void api_request(struct ctl *c, uint64_t gate, const struct frame *f);
/* The upload's bytes are in the descriptor; or the client went away. */
void api_body(struct ctl *c, uint64_t gate, const struct frame *f);
void api_abort(struct ctl *c, uint64_t gate, uint64_t req);
/* Answer the uploads that became blobs, or did not. */
void api_ingested(struct ctl *c);

/* Parse the body, or answer 400 and return NULL. */
json_t *api_json(struct call *call);

/* Integer of the query (`?name=…`), dflt when absent; -1 after answering 400
 * when it is no integer in [min, max].
 */
int api_query_int(struct call *call, const char *name, int64_t min, int64_t max,
                  int64_t dflt, int64_t *out);
/* Text of the query into out, "" when absent. */
void api_query_text(const struct call *call, const char *name, char *out,
                    size_t cap);

/* A number of the path after prefix, up to the end or '/'; 0 = malformed. */
int64_t api_path_id(const struct call *call, const char *prefix);

/* ---- auth.c --------------------------------------------------------- */

/* Fill who, party_id, worker_id, seq of the call.  -1 after a 401 was sent. */
int auth_call(struct call *call);

/* Sequence numbers: 1 go on; 0 the stored reply or a 409 was sent. */
int auth_seq(struct call *call);
/* Reply to a worker with a signature; stored under its seq when it has one. */
void auth_reply(struct call *call, json_t *body);
/* The same with a text (freed here; NULL = out of memory). */
void auth_reply_text(struct call *call, char *text, size_t len);
/* Header lines that sign a body for a worker, into out. */
void auth_sign(const struct call *call, const void *body, size_t len,
               char out[256]);

/* ---- token.c: leases as sealed tokens ------------------------------- */

/* Base64 text, allocated; NULL = ENOMEM. */
char *token_seal(const struct ctl *c, const struct lease *l);
/* The lease's items are allocated (token_clear).  -1: not ours. */
int token_open(const struct ctl *c, const char *text, struct lease *out,
               struct error *err);
void token_clear(struct lease *l);

/* ---- grant.c: leases on the wire ------------------------------------ */

/* Message form of granted leases, with the items' bytes; g is cleared by
 * msg_grant_clear.  -1 when an input cannot be read (err).
 */
int grant_fill(struct ctl *c, const struct answer *a, struct msg_grant *g,
               struct error *err);
/* Answer with it. */
void grant_send(struct call *call, const struct msg_grant *g);
/* Finish an EV_LEASE call: encode what was granted and answer. */
void grant_reply(struct call *call, const struct answer *a);

/* ---- the routes ----------------------------------------------------- */

typedef void route_fn(struct call *call);

route_fn route_enrol, route_lease, route_result, route_renew, route_handback;
route_fn route_job_submit, route_job_quote, route_job_list, route_job_one,
    route_job_cancel, route_job_hold, route_job_results, route_job_evidence,
    route_sacct;
route_fn route_blob_get, route_blob_head, route_blob_put;
route_fn route_node_list, route_explain, route_report, route_ping;
route_fn route_admin_party, route_admin_tariff, route_admin_fund,
    route_admin_token;

/* Whether the caller may know of a job: its party, the cell, the operator. */
bool api_may_see(const struct call *call, const struct rec_job *job);
/* Proofs of a job's verdicts (evidence.c). */
void evidence_reply(struct call *call, int64_t job_id);
/* All bytes of a results blob, allocated; NULL with err. */
uint8_t *api_blob_bytes(struct ctl *c, const struct digest *d, size_t *len,
                        struct error *err);

/* ---- book.c: what the api itself must remember ---------------------- */

struct book *book_create(void);
void book_destroy(struct book *b);
/* Take a record of the api's (REC_TOKEN, REC_BLOB, REC_SEQ). */
int book_put(struct book *b, const struct record *r);

const struct rec_token *book_token(const struct book *b,
                                   const struct digest *hash);
bool book_owns_blob(const struct book *b, int64_t party_id,
                    const struct digest *d);
/* NULL when the worker has sent nothing yet. */
const struct rec_seq *book_seq(const struct book *b, int64_t worker_id);
/* Parameters a worker was granted: manifest digest by worker, soft. */
void book_grant(struct book *b, int64_t worker_id, const struct digest *params);
bool book_granted(const struct book *b, int64_t worker_id,
                  const struct digest *params);
/* Call fn for each parameter set granted to the worker. */
bool book_any_grant(const struct book *b, int64_t worker_id,
                    bool (*fn)(void *arg, const struct digest *params),
                    void *arg);

/* ---- inputs.c: items files of jobs ---------------------------------- */

struct inputs *inputs_create(struct blobs *blobs);
void inputs_destroy(struct inputs *in);
/* Item i of a blob of items; valid until the next call.  -1 errno. */
int inputs_item(struct inputs *in, const struct digest *blob, uint32_t i,
                struct item *out, struct error *err);
/* How many items a blob has, and how many bytes. */
int inputs_count(struct inputs *in, const struct digest *blob, size_t *n,
                 size_t *size, struct error *err);
/* Call fn for each file a manifest names; name is len bytes.  -1 with err when
 * the blob is no manifest, or fn returned -1 (errno ENOENT is kept as it is).
 */
int inputs_manifest(struct inputs *in, const struct digest *manifest,
                    int (*fn)(void *arg, const char *name, int len,
                              const struct digest *d, struct error *err),
                    void *arg, struct error *err);
/* Whether a digest is the manifest or one of the files it names. */
bool inputs_in_manifest(struct inputs *in, const struct digest *manifest,
                        const struct digest *d);

#endif
