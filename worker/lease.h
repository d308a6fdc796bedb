/* SPDX-License-Identifier: Apache-2.0 */
/* lease.h - what this worker holds: leases and where each one stands
 *
 *   PARAMS -> READY -> RUNNING -> (UPLOAD ->) CLAIMED -> SENT -> dropped
 *      \________\_________\________ BACK ____________/
 *
 * The book owns its leases; nothing here does I/O or reads a clock.  A lease
 * is named by its serial in anything that outlives a look at the book.
 */
#ifndef FALLOW_WORKER_LEASE_H
#define FALLOW_WORKER_LEASE_H

#include "common/message.h"
#include "worker/kernels.h"
#include "worker/run.h"

enum lease_state {
    LEASE_PARAMS,  /* its parameters are not here yet */
    LEASE_READY,   /* may be run */
    LEASE_RUNNING, /* has a process */
    LEASE_UPLOAD,  /* its results are too large to travel inline */
    LEASE_CLAIMED, /* journalled, to be told to the cell */
    LEASE_BACK,    /* to be handed back */
    LEASE_SENT,    /* in the request that is in flight */
    LEASE_STATES,
};

struct lease {
    uint64_t serial;
    enum lease_state state;
    struct msg_lease m;      /* as granted; input is on disk */
    int64_t until_us;        /* its deadline, on our monotonic clock */
    char *dir;               /* DIR/task/ID, NULL when never kept */
    struct kernel *kernel;   /* NULL = we do not run such */
    char *params;            /* directory, from LEASE_READY on */
    int slot;                /* it runs on, -1 = none */
    bool has_claim;          /* the result is journalled */
    struct msg_result claim; /* its token is m.token, not a copy */
};

#define LEASES_MAX 256

struct leases {
    struct lease *v[LEASES_MAX];
    size_t n;
    uint64_t next;
};

/* A new lease in the book, PARAMS; takes over what m owns.  NULL with errno
 * EEXIST (the id is there), ENOSPC or ENOMEM; m is then untouched.
 */
struct lease *leases_add(struct leases *b, struct msg_lease *m);

/* Take it out and free it; it must not run any more. */
void leases_remove(struct leases *b, struct lease *l);
void leases_clear(struct leases *b);

/* By serial, or by the token of its grant; NULL when it is not there. */
struct lease *leases_find(const struct leases *b, uint64_t serial);
struct lease *leases_by_token(const struct leases *b, const char *token);

/* How many stand so. */
size_t leases_count(const struct leases *b, enum lease_state state);

/* Those that take a place: not run yet, or running. */
size_t leases_held(const struct leases *b);
bool lease_is_held(const struct lease *l);

#endif
