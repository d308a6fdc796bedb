/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - reading a client's request and handing it to the controller
 *
 * A JSON body is refused by its announced length before a byte of it is read,
 * and memory follows what has arrived, not what was announced.  A blob's
 * bytes are not read before the controller has named a file for them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched/gate/serve.h"

#define FIRST_BODY 4096 /* bytes allocated for a body at first */

bool serve_in_flight(const struct conn *c)
{
    return c->state == WAIT || c->state == OFFER || c->state == UPLOAD;
}

static bool path_is(const char *path, const char *what)
{
    size_t n = strlen(what);

    return strncmp(path, what, n) == 0 && (path[n] == '\0' || path[n] == '?');
}

static void fill(const struct conn *c, struct frame_request *r,
                 char peer[INET6_ADDRSTRLEN])
{
    const struct parse_request *q = parse_request(c->parse);

    if (IN6_IS_ADDR_V4MAPPED(&c->peer))
        inet_ntop(AF_INET, &c->peer.s6_addr[12], peer, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, &c->peer, peer, INET6_ADDRSTRLEN);
    *r = (struct frame_request){.method = q->method,
                                .path = q->path,
                                .auth = q->auth,
                                .node = q->node,
                                .seq = q->seq,
                                .time = q->time,
                                .sig = q->sig,
                                .peer = peer,
                                .blob_len = c->blob_len,
                                .body = c->body,
                                .body_len = c->body_len};
}

void conn_poll_request(struct conn *c, struct frame_request *r, char *peer)
{
    fill(c, r, peer);
}

/* The request is whole (or its blob can be offered). */
static enum step hand_over(struct conn *c, enum frame_type type)
{
    char peer[INET6_ADDRSTRLEN];
    struct frame_request r;

    fill(c, &r, peer);
    if (upstream_request(c->g->up, c, type, c->is_poll, &r, &c->slot) < 0)
        return answer_refuse(c, 503,
                             errno == ENOTCONN
                                 ? "the cell's controller is away"
                                 : "the cell's controller is busy");
    c->state = type == FRAME_HEAD ? OFFER : WAIT;
    if (!c->is_poll)
        conn_forget(c);
    conn_deadline(c, c->g->conf.reply_us);
    return c->rdhup ? STEP_CLOSE : STEP_WAIT;
}

static enum step begin_blob(struct conn *c, const struct parse_request *r)
{
    if (!r->has_length)
        return answer_refuse(c, 411, "a blob needs a Content-Length");
    if (r->length > (uint64_t)c->g->conf.blob_max)
        return answer_refuse(c, 413, "the blob is too large");
    c->blob_len = r->length;
    c->blob_at = 0;
    return hand_over(c, FRAME_HEAD);
}

static enum step begin(struct conn *c)
{
    const struct parse_request *r = parse_request(c->parse);

    c->keep = r->keep && !c->g->draining;
    c->unread = r->length > 0;
    c->is_head = r->is_head;
    c->expects_100 = r->expects_100;
    c->is_poll =
        strcmp(r->method, "POST") == 0 && path_is(r->path, "/v1/lease");
    c->blob_len = 0;
    if (strcmp(r->method, "PUT") == 0 && strncmp(r->path, "/v1/blob/", 9) == 0)
        return begin_blob(c, r);
    if (r->length > (uint64_t)c->g->conf.json_max)
        return answer_refuse(c, 413, "the body is over 1 MiB");
    if (r->length == 0)
        return hand_over(c, FRAME_REQUEST);
    c->body_want = (size_t)r->length;
    c->state = BODY;
    conn_pace(c);
    if (c->expects_100 && !c->in && !answer_continue(c))
        return STEP_CLOSE;
    return STEP_MORE;
}

enum step serve_head(struct conn *c)
{
    const struct parse_refusal *no;
    enum parse_result got;
    const uint8_t *p;
    size_t n, used;
    int rc = conn_input(c, &p, &n);

    if (rc <= 0)
        return rc == 0 ? STEP_WAIT : STEP_CLOSE;
    if (!c->parse) {
        c->parse = parse_create();
        if (!c->parse)
            return STEP_CLOSE;
        c->unread = true;
        c->is_head = false;
        conn_deadline(c, c->g->conf.header_us);
    }
    got = parse_feed(c->parse, p, n, &used);
    if (got == PARSE_NOMEM ||
        conn_used(c, p, n, got == PARSE_REFUSED ? n : used) < 0)
        return STEP_CLOSE;
    if (got == PARSE_MORE)
        return STEP_MORE;
    if (got == PARSE_DONE)
        return begin(c);
    no = parse_refusal(c->parse);
    return answer_refuse(c, no->status, no->what);
}

static int grow(struct conn *c, size_t need)
{
    size_t cap = c->body_cap ? c->body_cap : FIRST_BODY;
    uint8_t *b;

    if (need <= c->body_cap)
        return 0;
    while (cap < need)
        cap *= 2;
    if (cap > c->body_want)
        cap = c->body_want;
    if (c->g->held + (int64_t)(cap - c->body_cap) > c->g->conf.memory_max)
        return -1;
    b = realloc(c->body, cap);
    if (!b)
        return -1;
    c->g->held += (int64_t)(cap - c->body_cap);
    c->body = b;
    c->body_cap = cap;
    return 0;
}

enum step serve_body(struct conn *c)
{
    const uint8_t *p;
    size_t n, take;
    int rc = conn_input(c, &p, &n);

    if (rc <= 0)
        return rc == 0 ? STEP_WAIT : STEP_CLOSE;
    take = c->body_want - c->body_len;
    take = n < take ? n : take;
    if (grow(c, c->body_len + take) < 0)
        return answer_refuse(c, 503, "the cell's gate is short of memory");
    memcpy(c->body + c->body_len, p, take);
    c->body_len += take;
    if (conn_used(c, p, n, take) < 0)
        return STEP_CLOSE;
    conn_moved(c, take);
    if (c->body_len < c->body_want)
        return STEP_MORE;
    c->unread = false;
    return hand_over(c, FRAME_REQUEST);
}

static int write_blob(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

enum step serve_upload(struct conn *c)
{
    const uint8_t *p = NULL;
    size_t n = 0, take;
    int rc = c->blob_at == c->blob_len ? 1 : conn_input(c, &p, &n);

    if (rc <= 0)
        return rc == 0 ? STEP_WAIT : STEP_CLOSE;
    take =
        c->blob_len - c->blob_at < n ? (size_t)(c->blob_len - c->blob_at) : n;
    if (take && write_blob(c->blob_fd, p, take) < 0) {
        upstream_abort(c->g->up, c->slot);
        return answer_refuse(c, 503, "could not store the blob");
    }
    if (n && conn_used(c, p, n, take) < 0)
        return STEP_CLOSE;
    c->blob_at += take;
    conn_moved(c, take);
    if (c->blob_at < c->blob_len)
        return STEP_MORE;
    c->unread = false;
    conn_forget(c);
    if (upstream_body(c->g->up, c->slot) < 0) {
        upstream_abort(c->g->up, c->slot);
        return answer_refuse(c, 503, "the cell's controller is away");
    }
    c->state = WAIT;
    conn_deadline(c, c->g->conf.reply_us);
    return STEP_WAIT;
}

/* While the controller thinks, read once: to see the end of the connection,
 * or the next request, which then stays where it is.
 */
enum step serve_wait(struct conn *c)
{
    const uint8_t *p;
    size_t n;
    int rc;

    if (c->in || !c->readable)
        return STEP_WAIT;
    rc = conn_input(c, &p, &n);
    if (rc < 0 || (rc > 0 && conn_used(c, p, n, 0) < 0))
        return STEP_CLOSE;
    return STEP_WAIT;
}
