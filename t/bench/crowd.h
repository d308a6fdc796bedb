/* SPDX-License-Identifier: Apache-2.0 */
/* crowd.h - very many HTTPS clients in one thread, as light as they can be
 *
 * For benchmarks: one epoll, keep-alive, one request in flight on each
 * connection.  A connection that breaks is made again and its request sent
 * again; 429 and 503 are tried again after a moment.  So every request ends
 * with one call of `heard`.
 */
#ifndef FALLOW_T_BENCH_CROWD_H
#define FALLOW_T_BENCH_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct crowd;
struct peer;

struct crowd_reply {
    int status;
    const char *body; /* NUL-terminated; valid during the call */
    size_t len;
    int64_t took_us; /* since the request was first sent */
};

/* What to do with a reply; it may call peer_ask. */
typedef void heard_fn(struct peer *p, const struct crowd_reply *r);

/* n peers of https://127.0.0.1:PORT (taken from url), trusting ca.  No
 * connection is made before the first request.  NULL with err.
 */
struct crowd *crowd_create(const char *url, const char *ca, size_t n,
                           heard_fn *heard, struct error *err);
void crowd_destroy(struct crowd *c);
struct peer *crowd_peer(struct crowd *c, size_t i);

/* Every peer carries one pointer of the caller's. */
void peer_set(struct peer *p, void *mine);
void *peer_get(const struct peer *p);

/* Send a request; headers are lines ending in \r\n, or "".  Copied. */
void peer_ask(struct peer *p, const char *method, const char *path,
              const char *headers, const void *body, size_t len);

/* The same after ms milliseconds. */
void peer_ask_later(struct peer *p, int ms, const char *method,
                    const char *path, const char *headers, const void *body,
                    size_t len);

/* Run for at most ms, or until *stop. */
void crowd_run(struct crowd *c, int ms, const bool *stop);

/* Connections that shook hands, that broke, requests tried again. */
struct crowd_counts {
    uint64_t connected, broken, again;
};
struct crowd_counts crowd_counted(const struct crowd *c);

int64_t crowd_now_us(void);

#endif
