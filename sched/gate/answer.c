/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - writing replies
 *
 * A reply is composed in the gate's scratch memory and written at once; only
 * what the socket does not take is copied.  A blob is read from its
 * descriptor piece by piece, as fast as the client takes it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/gate/serve.h"

#define HEAD_ROOM 4096 /* the controller's headers are shorter */
#define PIECE 16384    /* one TLS record of a blob */
#define LINGER_MAX (4u << 20)

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } all[] = {
        {200, "OK"},
        {201, "Created"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].status == status)
            return all[i].text;
    return "Status";
}

static enum step linger(struct conn *c)
{
    tls_bye(c->tls);
    shutdown(c->fd, SHUT_WR);
    free(c->in);
    c->in = NULL;
    c->state = LINGER;
    c->paced = 0;
    conn_deadline(c, c->g->conf.linger_us);
    return STEP_MORE;
}

/* A reply has left.  Next request, or the end. */
static enum step finish(struct conn *c)
{
    conn_forget(c);
    if (!c->keep)
        return linger(c);
    c->state = HEAD;
    conn_idle(c);
    return STEP_MORE;
}

static enum step after_head(struct conn *c)
{
    if (c->blob_fd < 0)
        return finish(c);
    c->state = DOWNLOAD;
    return STEP_MORE;
}

/* Write of n bytes what goes now.  1 all, 0 not all, -1 closed. */
static int write_some(struct conn *c, const uint8_t *p, size_t n, size_t *done)
{
    *done = 0;
    while (*done < n) {
        ssize_t r = tls_write(c->tls, p + *done, n - *done);

        if (r == TLS_CLOSED)
            return -1;
        c->wants_write = r == TLS_WANT_WRITE;
        if (r <= 0)
            return 0;
        *done += (size_t)r;
    }
    return 1;
}

enum step answer_reply(struct conn *c)
{
    size_t done;
    int rc = write_some(c, c->out + c->out_off, c->out_len - c->out_off, &done);

    if (rc < 0)
        return STEP_CLOSE;
    c->out_off += done;
    conn_moved(c, done);
    if (rc == 0)
        return STEP_WAIT;
    c->g->held -= (int64_t)c->out_len;
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_off = 0;
    return after_head(c);
}

/* Write p now; what does not go is kept, and REPLY writes it later. */
static enum step write_first(struct conn *c, const uint8_t *p, size_t n)
{
    size_t done;
    int rc = write_some(c, p, n, &done);

    conn_pace(c);
    if (rc < 0)
        return STEP_CLOSE;
    if (rc == 1)
        return after_head(c);
    c->out = malloc(n - done);
    if (!c->out)
        return STEP_CLOSE;
    memcpy(c->out, p + done, n - done);
    c->out_len = n - done;
    c->out_off = 0;
    c->g->held += (int64_t)c->out_len;
    c->state = REPLY;
    return STEP_WAIT;
}

static int compose_head(struct conn *c, const struct answer *a, char *out,
                        size_t cap)
{
    uint64_t len = a->fd >= 0 ? a->blob_len : a->len;

    return snprintf(out, cap,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
                    "Content-Length: %" PRIu64 "\r\n%s%s\r\n",
                    a->status, phrase(a->status),
                    a->type[0] ? a->type : "application/json", len, a->headers,
                    c->keep ? "" : "Connection: close\r\n");
}

enum step answer_begin(struct conn *c, const struct answer *a)
{
    size_t len = c->is_head || a->fd >= 0 ? 0 : a->len;
    uint8_t *p = c->g->scratch;
    enum step s = STEP_CLOSE;
    int n;

    c->state = REPLY; /* its slot upstream is gone */
    conn_forget(c);
    if (c->g->draining)
        c->keep = false;
    c->blob_fd = a->fd;
    c->blob_at = 0;
    c->blob_len = a->blob_len;
    if (c->is_head && c->blob_fd >= 0) {
        close(c->blob_fd);
        c->blob_fd = -1;
    }
    if (HEAD_ROOM + len > sizeof(c->g->scratch))
        p = malloc(HEAD_ROOM + len);
    if (!p)
        return STEP_CLOSE;
    n = compose_head(c, a, (char *)p, HEAD_ROOM);
    if (n > 0 && n < HEAD_ROOM) {
        if (len)
            memcpy(p + n, a->body, len);
        s = write_first(c, p, (size_t)n + len);
    }
    if (p != c->g->scratch)
        free(p);
    return s;
}

static const char *error_name(int status)
{
    switch (status) {
    case 408: return "ETIMEDOUT";
    case 413: return "EFBIG";
    case 501: return "ENOSYS";
    case 429:
    case 503: return "EAGAIN";
    default: return "EINVAL";
    }
}

enum step answer_refuse(struct conn *c, int status, const char *what)
{
    char body[256];
    struct answer a = {.status = status,
                       .type = "application/json",
                       .headers = status == 503 ? "Retry-After: 1\r\n" : "",
                       .body = body,
                       .fd = -1};
    int n =
        snprintf(body, sizeof(body), "{\"error\": \"%s\", \"errno\": \"%s\"}",
                 what, error_name(status));

    if (c->unread)
        c->keep = false;
    a.len = (size_t)n;
    return answer_begin(c, &a);
}

bool answer_continue(struct conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t done;

    return write_some(c, (const uint8_t *)text, sizeof(text) - 1, &done) == 1;
}

enum step answer_download(struct conn *c)
{
    uint8_t *p = c->g->scratch;
    uint64_t left = c->blob_len - c->blob_at;
    size_t n = left < PIECE ? (size_t)left : PIECE, done;
    ssize_t got;
    int rc;

    if (n == 0)
        return finish(c);
    got = pread(c->blob_fd, p, n, (off_t)c->blob_at);
    if (got != (ssize_t)n)
        return STEP_CLOSE; /* shorter than announced: no other way to say so */
    rc = write_some(c, p, n, &done);
    if (rc < 0)
        return STEP_CLOSE;
    c->blob_at += done;
    conn_moved(c, done);
    return rc == 0 ? STEP_WAIT : STEP_MORE;
}

enum step answer_linger(struct conn *c)
{
    ssize_t n;

    if (!c->readable)
        return STEP_WAIT;
    n = recv(c->fd, c->g->scratch, sizeof(c->g->scratch), MSG_DONTWAIT);
    c->readable = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return STEP_WAIT;
    if (n <= 0)
        return STEP_CLOSE;
    c->paced += (uint64_t)n;
    return c->paced > LINGER_MAX ? STEP_CLOSE : STEP_WAIT;
}
