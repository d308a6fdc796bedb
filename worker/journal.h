/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - what a worker must not forget, on disk
 *
 *   DIR/journal/request      the last state-changing request: its sequence
 *                            number, path and exact body, written and synced
 *                            before it is sent, so that after a crash the
 *                            very same bytes go out under the same number
 *   DIR/journal/answered     the same, once its reply was acted upon
 *   DIR/task/ID/lease        a lease as granted (token, deadline, digests)
 *   DIR/task/ID/input        its items
 *   DIR/task/ID/results      written by the runner
 *   DIR/task/ID/claim        what we tell the cell about it, synced with the
 *                            results before anything is said; kept until the
 *                            signed receipt came
 *
 * Nothing here decides anything, and nothing is thrown away but by
 * journal_drop.
 */
#ifndef FALLOW_WORKER_JOURNAL_H
#define FALLOW_WORKER_JOURNAL_H

#include "common/message.h"

struct journal;

/* A lease read back; deadline_us is on the wall clock, microseconds since
 * 1970, so that it survives a restart.
 */
struct journal_lease {
    struct msg_lease lease; /* input stays on disk: NULL */
    int64_t until_us;
    bool has_claim;
    struct msg_result claim;
};

/* Make the directories under a state directory.  NULL with errno. */
struct journal *journal_create(const char *dir, struct error *err);
void journal_destroy(struct journal *j);

/* The directory of a lease, allocated; NULL with errno ENOMEM, or EINVAL when
 * its id is not digits and points (it becomes a path).
 */
char *journal_dir(const struct journal *j, const char *id, struct error *err);

/* Keep a lease and its input.  0 or -1 with errno. */
int journal_take(struct journal *j, const struct msg_lease *l, int64_t until_us,
                 struct error *err);

/* Make a claim durable, and the results file it speaks of. */
int journal_claim(struct journal *j, const char *id, const struct msg_result *m,
                  struct error *err);

/* Forget a lease: its receipt came, or it is gone. */
void journal_drop(struct journal *j, const char *id);

/* Read back every lease, oldest name first; those that cannot be read are
 * dropped.  Returns 0 with *v of *n (journal_free), or -1 with errno.
 */
int journal_load(struct journal *j, struct journal_lease **v, size_t *n,
                 struct error *err);
void journal_free(struct journal_lease *v, size_t n);

/* One state-changing request. */
struct journal_request {
    int64_t seq; /* 0 = there is none */
    char *path;  /* "/v1/result" or "/v1/handback" */
    char *body;  /* exact bytes */
    size_t len;
};

/* Make it durable; send it afterwards. */
int journal_request_put(struct journal *j, const struct journal_request *r,
                        struct error *err);

/* Its reply was acted upon: it will not be sent again. */
int journal_request_done(struct journal *j, struct error *err);

/* The request that may not have been answered (seq 0 = none), and the highest
 * number ever used in *last.  0, or -1 with errno.
 */
int journal_request_get(struct journal *j, struct journal_request *out,
                        int64_t *last, struct error *err);
void journal_request_clear(struct journal_request *r);

#endif
