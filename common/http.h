/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the client's side of the wire, over libcurl
 *
 * The only file besides it that knows libcurl is http.c.  Verifies the cell's
 * certificate against ca_file, speaks HTTP/1.1 only, sends an empty Expect,
 * honours the usual proxy variables, and keeps its connection.
 */
#ifndef FALLOW_COMMON_HTTP_H
#define FALLOW_COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/sign.h"

struct http;

struct http_reply {
    long status;   /* HTTP status */
    uint8_t *body; /* NUL-terminated beyond body_len; freed by
                    * http_reply_clear */
    size_t body_len;
    int retry_after_s; /* -1 = none */
};

/* base is https://host:port; token NULL or a bearer token.  One object a
 * thread.  NULL with errno ENOMEM or EINVAL.
 */
struct http *http_create(const char *base, const char *ca_file,
                         const char *token, struct error *err);
void http_destroy(struct http *h);

/* Sign requests as a worker from now on, and check the cell's signature on
 * every reply that carries leases or receipts.
 */
int http_set_worker(struct http *h, const char *cell, int64_t worker_id,
                    const struct sign_key *key,
                    const uint8_t cell_key[SIGN_KEY_LEN], struct error *err);

/* One request, blocking up to timeout_ms.  seq < 0: none.  Any HTTP status is
 * success here (0); -1 with errno ECONNREFUSED, ETIMEDOUT, ECONNRESET,
 * EPROTO, EBADMSG (the cell's signature is wrong), ECANCELED (*stop became
 * non-zero; stop may be NULL).
 */
int http_do(struct http *h, const char *method, const char *path, int64_t seq,
            const void *body, size_t len, long timeout_ms,
            const volatile int *stop, struct http_reply *out,
            struct error *err);
void http_reply_clear(struct http_reply *r);

/* PUT a file, or GET into a file (temp + fsync + rename; the digest of the
 * bytes is checked by the caller).  progress may be NULL.
 */
int http_put_file(struct http *h, const char *path, const char *file,
                  void (*progress)(void *arg, uint64_t done, uint64_t total),
                  void *arg, struct http_reply *out, struct error *err);
int http_get_file(struct http *h, const char *path, const char *file,
                  struct http_reply *out, struct error *err);

/* When status is not 2xx: put the cell's error text into err with errno by
 * status (401 EACCES, 402 EDQUOT, 403 EPERM, 404 ENOENT, 409 EEXIST, 413
 * EFBIG, 429 and 503 EAGAIN, else EPROTO) and return -1; else 0.
 */
int http_check(const struct http_reply *r, const char *what, struct error *err);

#endif
