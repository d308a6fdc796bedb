/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - a client of the wire that may lie in every way
 *
 * Customers, operators and workers of test/wire.c.  Unlike common/http.h it
 * sends what it is told to: any header, any signature, any clock.
 */
#ifndef FALLOW_SCHED_API_TEST_CLIENT_H
#define FALLOW_SCHED_API_TEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/message.h"
#include "common/sign.h"

/* What came back; overwritten by the next request. */
struct reply {
    long status; /* 0 = no answer */
    char *body;  /* NUL-terminated */
    size_t len;
};

struct client {
    const char *url, *cell;
    void *curl;
    struct reply r;
    char admin[65]; /* the operator's token */
    uint8_t cell_key[SIGN_KEY_LEN];
};

/* A worker's identity; any of it may be false. */
struct hand {
    int64_t id, seq; /* seq: last one accepted */
    struct sign_key *key;
};

/* How a signed request deviates from an honest one. */
struct lie {
    int64_t clock_ms;      /* added to the time */
    const char *cell;      /* signed for another cell */
    const char *path;      /* signed for another path */
    const char *body;      /* signed for another body */
    const char *sig;       /* sent in place of the signature */
    const char *node, *at; /* sent in place of Fallow-Node and -Time */
    bool no_seq;
};

/* One object a process; dies when curl does. */
void client_open(struct client *c, const char *url, const char *ca,
                 const char *cell, const char *admin_file);
void client_close(struct client *c);

/* A request with header lines (NULL-terminated list) as they are. */
struct reply *client_send(struct client *c, const char *method,
                          const char *path, const char *const *headers,
                          const void *body, size_t len);

/* As a holder of a token ("" = none); body is text or NULL. */
struct reply *client_ask(struct client *c, const char *token,
                         const char *method, const char *path,
                         const char *body);

/* As a worker; seq -1 = none; lie may be NULL. */
struct reply *client_sign(struct client *c, const struct hand *w, int64_t seq,
                          const char *method, const char *path,
                          const void *body, size_t len, const struct lie *lie);

/* Whether the last answer was status and its error holds the text. */
bool says(const struct client *c, long status, const char *text);

/* The operator's errands; false ends the test program. */
int64_t make_party(struct client *c, const char *name, const char *roles);
void make_token(struct client *c, int64_t party, const char *kind, int ttl_s,
                char out[65]);
void make_worker(struct client *c, int64_t party, struct hand *w);
void fund(struct client *c, int64_t party, int64_t micro);
void hand_clear(struct hand *w);

/* ---- work ------------------------------------------------------------ */

/* Ask for leases of echo and keep them in g (msg_grant_clear).  Returns how
 * many; -1 when refused.
 */
int take_leases(struct client *c, const struct hand *w, const char *spec,
                int want, struct msg_grant *g);

/* How a result deviates from an honest one. */
struct fraud {
    const char *token; /* in place of the lease's */
    bool root, count, units, blob;
};

/* Compute leases g[0 … n) of echo into a body of /v1/result, allocated. */
char *make_results(const struct msg_grant *g, size_t n, const struct fraud *f);

/* Post results as the worker's next; true when 200 came, seq moves then. */
bool post_results(struct client *c, struct hand *w, const char *body);

/* Fate and reason of result i of the last answer. */
bool fate_is(const struct client *c, size_t i, const char *fate,
             const char *reason);

/* A JOBSPEC of echo rows in a zone; id 0 = a random submission id. */
struct msg_jobspec echo_job(const char *spec, const char *zone, uint32_t tasks,
                            uint32_t per);
/* Submit as token; the job's number, or -1. */
int64_t submit(struct client *c, const char *token,
               const struct msg_jobspec *m);

/* PUT bytes as a blob under their digest. */
void put_blob(struct client *c, const char *token, const void *bytes,
              size_t len, struct digest *d);

#endif
