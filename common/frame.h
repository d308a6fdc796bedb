/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - what fallow-gate and fallowctld say to each other
 *
 * A unix stream socket (DIR/ctld.sock, 0600) carries frames in both
 * directions: 24-byte header, then `len` bytes.  Integers big-endian.
 *
 *   u32 magic "FLG1"  u8 type  u8 flags  u16 status  u32 len  u32 zero
 *   u64 req           the gate's handle for one HTTP request
 *
 * Large bodies never travel in frames: the side that owns the file opens it
 * and passes the descriptor (SCM_RIGHTS) with the frame that says so, and the
 * gate copies between TLS and that descriptor.
 *
 *   gate → ctld
 *     FRAME_REQUEST   a whole request; payload = struct below, serialised
 *     FRAME_HEAD      a request whose body is a blob (PUT /v1/blob/…): the
 *                     payload has no body, u64 body length is in `blob_len`
 *     FRAME_BODY      the blob's bytes are all in the descriptor
 *     FRAME_ABORT     the client went away, or its body broke off
 *   ctld → gate
 *     FRAME_REPLY     status, headers, body; with FRAME_FD the body is the
 *                     descriptor from offset 0 to `blob_len`
 *     FRAME_ACCEPT    go on with the blob into this descriptor
 */
#ifndef FALLOW_COMMON_FRAME_H
#define FALLOW_COMMON_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define FRAME_HEADER_LEN 24
#define FRAME_PAYLOAD_MAX (32u << 20)
#define FRAME_BODY_MAX (1u << 20) /* a reply's body; larger ones are passed */
#define FRAME_FD 1                /* flag: one descriptor comes along */

enum frame_type {
    FRAME_REQUEST = 1,
    FRAME_HEAD,
    FRAME_BODY,
    FRAME_ABORT,
    FRAME_REPLY,
    FRAME_ACCEPT,
};

/* A request as the gate understood it.  Strings are NUL-terminated and point
 * into the frame's payload; a header that was absent is "".
 */
struct frame_request {
    const char *method;  /* "GET" … */
    const char *path;    /* as sent, query included: it is signed so */
    const char *auth;    /* Authorization */
    const char *node;    /* Fallow-Node */
    const char *seq;     /* Fallow-Seq */
    const char *time;    /* Fallow-Time */
    const char *sig;     /* Fallow-Sig */
    const char *peer;    /* client's address, for logs and limits */
    uint64_t blob_len;   /* FRAME_HEAD */
    const uint8_t *body; /* FRAME_REQUEST */
    size_t body_len;
};

struct frame_reply {
    uint16_t status;
    const char *headers; /* extra header lines, each ending in \r\n, or "" */
    const char *type;    /* Content-Type */
    uint64_t blob_len;   /* with FRAME_FD */
    const uint8_t *body;
    size_t body_len;
};

struct frame {
    enum frame_type type;
    uint8_t flags;
    uint64_t req;
    int fd; /* -1, or received: the reader owns it */
    union {
        struct frame_request request; /* REQUEST, HEAD */
        struct frame_reply reply;     /* REPLY */
    };
};

/* One end of the socket; non-blocking, buffers both ways. */
struct frame_conn;

struct frame_conn *frame_conn_create(int fd); /* takes fd; NULL = ENOMEM */
void frame_conn_destroy(struct frame_conn *c);
int frame_conn_fd(const struct frame_conn *c);
size_t frame_conn_pending(const struct frame_conn *c); /* bytes to write */

/* Queue a frame (copied).  pass_fd -1 or a descriptor that is duplicated by
 * the kernel on sending; the caller may close its own after frame_flush
 * wrote it, so it is dup'ed here.  A reply whose body exceeds FRAME_BODY_MAX
 * arrives with FRAME_FD, its body in a descriptor.  0 or -1 ENOMEM, EMSGSIZE,
 * or of making a descriptor.
 */
int frame_send(struct frame_conn *c, const struct frame *f, int pass_fd);

/* Write what can be written now.  1 all gone, 0 more to write, -1 errno. */
int frame_flush(struct frame_conn *c);

/* Read what is there; then frame_next() until it returns 0.  frame_fill:
 * 1 got bytes, 0 nothing now, -1 closed or error (errno 0 = closed).
 * frame_next: 1 and *f valid until the next call, 0 none, -1 EBADMSG.
 */
int frame_fill(struct frame_conn *c);
int frame_next(struct frame_conn *c, struct frame *f, struct error *err);

#endif
