/* SPDX-License-Identifier: Apache-2.0 */
/* courier.h - a thread that carries requests to the cell, one at a time
 *
 * The agent's main thread decides; it never waits for the network.  It gives
 * an order to a courier and finds it again, with the reply, when the courier's
 * descriptor is readable.  Each courier has a connection of its own: one for
 * long polls, one for what changes state, one for blobs.
 */
#ifndef FALLOW_WORKER_COURIER_H
#define FALLOW_WORKER_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/http.h"

/* One request.  The courier fills the last block; the rest is the caller's and
 * comes back as it was given.
 */
struct order {
    int kind;     /* the caller's */
    char *method; /* allocated, as are all that follow */
    char *path;
    char *body;  /* or NULL */
    size_t len;  /* of body */
    char *put;   /* PUT this file instead of body */
    char *get;   /* GET into this file */
    int64_t seq; /* -1 = none */
    long timeout_ms;
    void *arg; /* the caller's */

    int rc, error; /* of http_do, and its errno */
    struct error err;
    struct http_reply reply;
};

struct courier;

/* Start the thread; http becomes the courier's.  NULL with errno. */
struct courier *courier_create(struct http *http, struct error *err);

/* Stop what is under way, end the thread, free everything; a transfer that
 * does not end within 2 s is left to the end of the process.
 */
void courier_destroy(struct courier *c);

/* Readable when courier_take has something. */
int courier_fd(const struct courier *c);

/* Whether it has nothing to do and nothing to give back. */
bool courier_idle(struct courier *c);

/* Queue an order; it is the courier's until it comes back. */
void courier_give(struct courier *c, struct order *o);

/* The next one carried, or NULL; free it with order_destroy. */
struct order *courier_take(struct courier *c);

/* Break off what is under way: it comes back with ECANCELED. */
void courier_cancel(struct courier *c);

/* A new order; method and path are copied.  NULL with errno ENOMEM. */
struct order *order_create(int kind, const char *method, const char *path);
void order_destroy(struct order *o);

#endif
