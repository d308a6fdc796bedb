/* SPDX-License-Identifier: Apache-2.0 */
/* serve.h - the insides of a connection, for conn.c, serve.c and answer.c */
#ifndef FALLOW_SCHED_GATE_SERVE_H
#define FALLOW_SCHED_GATE_SERVE_H

#include <netinet/in.h>

#include "sched/gate/conn.h"
#include "sched/gate/parse.h"
#include "sched/gate/upstream.h"

enum state {
    HANDSHAKE,
    HEAD,
    BODY,
    OFFER,
    UPLOAD,
    WAIT,
    REPLY,
    DOWNLOAD,
    LINGER,
    CLOSED,
};

/* What a step of a connection came to. */
enum step {
    STEP_MORE, /* call the step of its state again */
    STEP_WAIT, /* until the socket or the controller says something */
    STEP_CLOSE,
};

struct conn {
    struct watched on;
    uint8_t state;
    bool readable; /* epoll said so and nobody has read since */
    bool rdhup;    /* the client will send no more */
    bool keep;     /* serve another request after this one */
    bool is_head, is_poll, expects_100;
    bool unread;      /* bytes of this request may still be to come */
    bool wants_write; /* TLS cannot go on before the socket is writable */
    bool queued;      /* in g->run */
    struct wheel_node deadline;
    struct gate *g;
    struct tls_end *tls;
    struct address *address;
    struct conn *next, **prev; /* of g->all */
    struct conn *next_run, *next_dead;
    struct parse *parse;
    uint8_t *body, *in, *out;
    size_t body_len, body_cap, body_want;
    size_t in_len, in_off;   /* read and not used yet */
    size_t out_len, out_off; /* written as far as out_off */
    uint64_t blob_at, blob_len;
    int64_t pace_from_ms;
    uint64_t paced; /* bytes since then */
    int fd, blob_fd;
    uint32_t slot, events;
    struct in6_addr peer; /* IPv4 mapped */
};

/* conn.c */
void conn_run(struct conn *c);
void conn_deadline(struct conn *c, int64_t us);
/* It waits for a request; not for long when most connections are taken. */
void conn_idle(struct conn *c);
/* Bytes are moving: the deadline follows at the least rate allowed. */
void conn_pace(struct conn *c);
void conn_moved(struct conn *c, size_t n);
/* Free the request, its body and its blob's descriptor. */
void conn_forget(struct conn *c);
/* What the client has sent: 1, 0 nothing now, -1 gone. */
int conn_input(struct conn *c, const uint8_t **p, size_t *n);
/* used of those n bytes are done with.  -1 = ENOMEM. */
int conn_used(struct conn *c, const uint8_t *p, size_t n, size_t used);

/* serve.c: the steps that read a request. */
enum step serve_head(struct conn *c);
enum step serve_body(struct conn *c);
enum step serve_upload(struct conn *c);
enum step serve_wait(struct conn *c);
bool serve_in_flight(const struct conn *c); /* the controller has it */

/* answer.c: the steps that write a reply. */
struct answer {
    int status;
    const char *type, *headers;
    const void *body;
    size_t len;
    int fd; /* -1, or the body is blob_len bytes of it; taken */
    uint64_t blob_len;
};

enum step answer_begin(struct conn *c, const struct answer *a);
/* An error of the gate's own.  Unread input ends the connection. */
enum step answer_refuse(struct conn *c, int status, const char *what);
enum step answer_reply(struct conn *c);
enum step answer_download(struct conn *c);
enum step answer_linger(struct conn *c);
bool answer_continue(struct conn *c); /* 100 Continue */

#endif
