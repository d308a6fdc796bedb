/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - the head of an HTTP/1.1 request, read by a library's parser
 *
 * parse.c is the only file that knows the library.  No input or output: bytes
 * in, a request or a refusal out (doc/4-wire.md, "The gate").  The body is
 * not read here: its length is known when the head ends.
 */
#ifndef FALLOW_SCHED_GATE_PARSE_H
#define FALLOW_SCHED_GATE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARSE_HEAD_MAX 8192 /* request line and header, line ends included */

/* A head that was understood.  Texts are "" where the client sent none and
 * belong to the parser.
 */
struct parse_request {
    const char *method;
    const char *path; /* "/…", query included, as sent */
    const char *auth;
    const char *node;
    const char *seq;
    const char *time;
    const char *sig;
    uint64_t length;  /* Content-Length, 0 if absent */
    bool has_length;  /* it was sent */
    bool keep;        /* the connection may stay open afterwards */
    bool expects_100; /* waits for 100 Continue before the body */
    bool is_head;     /* HEAD: no body in the reply */
};

struct parse_refusal {
    int status;       /* 400, 405, 417, 431, 501, 505 */
    const char *what; /* one line */
};

struct parse;

struct parse *parse_create(void); /* NULL = ENOMEM */
void parse_destroy(struct parse *p);

enum parse_result {
    PARSE_MORE, /* all was used; the head has not ended */
    PARSE_DONE, /* *used bytes were the rest of the head */
    PARSE_REFUSED,
    PARSE_NOMEM,
};

/* Feed n bytes. */
enum parse_result parse_feed(struct parse *p, const void *bytes, size_t n,
                             size_t *used);

/* After PARSE_DONE; valid while p lives. */
const struct parse_request *parse_request(const struct parse *p);

/* After PARSE_REFUSED. */
const struct parse_refusal *parse_refusal(const struct parse *p);

#endif
