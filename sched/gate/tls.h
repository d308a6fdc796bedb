/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS 1.3 for the gate's sockets
 *
 * One file sets up OpenSSL; nothing else of the gate looks into its errors.
 */
#ifndef FALLOW_SCHED_GATE_TLS_H
#define FALLOW_SCHED_GATE_TLS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

struct tls;     /* certificate, key and rules: one per process */
struct tls_end; /* one connection's state */

/* Read the certificate chain and the key.  NULL with errno EBADMSG. */
struct tls *tls_create(const char *cert, const char *key, struct error *err);
void tls_destroy(struct tls *t);

/* Serve on the non-blocking socket fd, which stays the caller's. */
struct tls_end *tls_accept(struct tls *t, int fd); /* NULL = ENOMEM */
void tls_end_destroy(struct tls_end *e);

enum {
    TLS_CLOSED = -1,     /* or broken: give the connection up */
    TLS_WANT_READ = -2,  /* again when the socket is readable */
    TLS_WANT_WRITE = -3, /* again when it is writable */
};

/* 1 when the handshake is over, else TLS_*. */
int tls_handshake(struct tls_end *e);

/* Bytes read or written, more than 0, or TLS_*.  After TLS_WANT_* a write is
 * repeated with the same bytes first (they may lie elsewhere).
 */
ssize_t tls_read(struct tls_end *e, void *buf, size_t cap);
ssize_t tls_write(struct tls_end *e, const void *buf, size_t n);

/* Bytes have arrived that the socket no longer shows. */
int tls_has_pending(const struct tls_end *e);

/* Say that no more will be written; does not wait. */
void tls_bye(struct tls_end *e);

#endif
