/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c - one client's connection: life, events and deadlines
 *
 * The socket is watched level-triggered for reading, so that one request
 * costs no more than a read and a write; what epoll watches for changes only
 * when a side is slow.  A connection that ends is freed at the end of the
 * turn (conn_bury), because epoll may still hold events for it.
 */
#include "sched/gate/conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/gate/serve.h"

#define STEPS_A_TURN 16 /* then others have their turn */

static void set_peer(struct conn *c, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, sa, sizeof(in));
        c->peer = in.sin6_addr;
    } else {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        memset(&c->peer, 0, sizeof(c->peer));
        c->peer.s6_addr[10] = c->peer.s6_addr[11] = 0xff;
        memcpy(&c->peer.s6_addr[12], &in.sin_addr, 4);
    }
}

int conn_create(struct gate *g, int fd, const struct sockaddr *sa,
                struct address *a)
{
    struct conn *c = calloc(1, sizeof(*c));
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP};

    if (!c)
        return -1;
    c->tls = tls_accept(g->tls, fd);
    e.data.ptr = c;
    if (!c->tls || epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        tls_end_destroy(c->tls);
        free(c);
        errno = ENOMEM;
        return -1;
    }
    c->on.source = SOURCE_CONN;
    c->events = e.events;
    c->g = g;
    c->fd = fd;
    c->blob_fd = -1;
    c->address = a;
    set_peer(c, sa);
    c->next = g->all;
    c->prev = &g->all;
    if (c->next)
        c->next->prev = &c->next;
    g->all = c;
    g->n_conns++;
    conn_deadline(c, g->conf.header_us);
    return 0;
}

void conn_forget(struct conn *c)
{
    parse_destroy(c->parse);
    c->parse = NULL;
    c->g->held -= (int64_t)c->body_cap;
    free(c->body);
    c->body = NULL;
    c->body_len = c->body_cap = c->body_want = 0;
    if (c->blob_fd >= 0)
        close(c->blob_fd);
    c->blob_fd = -1;
}

static void conn_close(struct conn *c)
{
    struct gate *g = c->g;

    if (c->state == CLOSED)
        return;
    if (serve_in_flight(c))
        upstream_abort(g->up, c->slot);
    c->state = CLOSED;
    wheel_remove(&c->deadline);
    conn_forget(c);
    tls_bye(c->tls);
    tls_end_destroy(c->tls);
    c->tls = NULL;
    close(c->fd);
    g->held -= (int64_t)c->out_len;
    free(c->out);
    free(c->in);
    c->out = c->in = NULL;
    address_leave(c->address);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->next_dead = g->dead;
    g->dead = c;
    g->n_conns--;
}

void conn_bury(struct gate *g)
{
    while (g->dead) {
        struct conn *c = g->dead;

        g->dead = c->next_dead;
        if (c->queued) { /* conn_run_queue drops it first */
            c->next_dead = NULL;
            continue;
        }
        free(c);
    }
}

/* ---- deadlines ------------------------------------------------------- */

void conn_deadline(struct conn *c, int64_t us)
{
    wheel_set(&c->g->wheel, &c->deadline, c->g->now_ms + us / 1000);
}

void conn_idle(struct conn *c)
{
    const struct gate_conf *conf = &c->g->conf;
    bool crowded = c->g->n_conns > conf->max_connections / 4 * 3;

    conn_deadline(c, crowded && conf->header_us < conf->idle_us
                         ? conf->header_us
                         : conf->idle_us);
}

void conn_pace(struct conn *c)
{
    c->pace_from_ms = c->g->now_ms;
    c->paced = 0;
    conn_deadline(c, c->g->conf.header_us);
}

void conn_moved(struct conn *c, size_t n)
{
    const struct gate_conf *conf = &c->g->conf;

    c->paced += n;
    wheel_set(&c->g->wheel, &c->deadline,
              c->pace_from_ms + conf->header_us / 1000 +
                  (int64_t)(c->paced * 1000 / (uint64_t)conf->min_rate));
}

/* Answer a client whose request was not what it should be in time. */
static void answer_late(struct conn *c, int status, const char *what)
{
    if (serve_in_flight(c))
        upstream_abort(c->g->up, c->slot);
    if (answer_refuse(c, status, what) == STEP_CLOSE)
        conn_close(c);
    else
        conn_run(c);
}

void conn_expired(struct wheel_node *n)
{
    struct conn *c =
        (struct conn *)(void *)((char *)n - offsetof(struct conn, deadline));

    switch (c->state) {
    case HEAD:
        if (!c->parse)
            conn_close(c);
        else
            answer_late(c, 408, "the request's header did not arrive in time");
        break;
    case BODY:
    case UPLOAD:
        answer_late(c, 408, "the request's body arrives too slowly");
        break;
    case OFFER:
    case WAIT:
        answer_late(c, 503, "the cell's controller did not answer in time");
        break;
    default: conn_close(c);
    }
}

/* ---- input ----------------------------------------------------------- */

int conn_input(struct conn *c, const uint8_t **p, size_t *n)
{
    ssize_t r;

    if (c->in) {
        *p = c->in + c->in_off;
        *n = c->in_len - c->in_off;
        return 1;
    }
    if (!c->readable && !tls_has_pending(c->tls))
        return 0;
    c->readable = false;
    r = tls_read(c->tls, c->g->scratch, sizeof(c->g->scratch));
    if (r == TLS_CLOSED)
        return -1;
    if (r <= 0)
        return 0;
    *p = c->g->scratch;
    *n = (size_t)r;
    return 1;
}

int conn_used(struct conn *c, const uint8_t *p, size_t n, size_t used)
{
    if (c->in) {
        c->in_off += used;
        if (c->in_off == c->in_len) {
            free(c->in);
            c->in = NULL;
        }
        return 0;
    }
    if (used == n)
        return 0;
    c->in = malloc(n - used);
    if (!c->in)
        return -1;
    memcpy(c->in, p + used, n - used);
    c->in_len = n - used;
    c->in_off = 0;
    return 0;
}

/* ---- events ---------------------------------------------------------- */

static uint32_t wanted_events(const struct conn *c)
{
    uint32_t e = c->rdhup ? 0 : EPOLLRDHUP;

    switch (c->state) {
    case HANDSHAKE: return e | (c->wants_write ? EPOLLOUT : EPOLLIN);
    case HEAD:
    case BODY:
    case UPLOAD:
    case LINGER: return e | EPOLLIN;
    case WAIT: return c->in ? e : e | EPOLLIN;
    case REPLY:
    case DOWNLOAD: return e | (c->wants_write ? EPOLLOUT : EPOLLIN);
    default: return e;
    }
}

static void watch(struct conn *c)
{
    struct epoll_event e = {.events = wanted_events(c), .data.ptr = c};

    if (e.events == c->events)
        return;
    c->events = e.events;
    if (epoll_ctl(c->g->epoll, EPOLL_CTL_MOD, c->fd, &e) < 0)
        conn_close(c);
}

static enum step shake_hands(struct conn *c)
{
    int rc = tls_handshake(c->tls);

    c->wants_write = rc == TLS_WANT_WRITE;
    if (rc == TLS_CLOSED)
        return STEP_CLOSE;
    if (rc != 1)
        return STEP_WAIT;
    c->state = HEAD;
    conn_idle(c);
    return STEP_MORE;
}

static enum step step(struct conn *c)
{
    switch (c->state) {
    case HANDSHAKE: return shake_hands(c);
    case HEAD: return serve_head(c);
    case BODY: return serve_body(c);
    case UPLOAD: return serve_upload(c);
    case WAIT: return serve_wait(c);
    case REPLY: return answer_reply(c);
    case DOWNLOAD: return answer_download(c);
    case LINGER: return answer_linger(c);
    default: return STEP_WAIT;
    }
}

void conn_run(struct conn *c)
{
    enum step s = STEP_MORE;

    for (int i = 0; i < STEPS_A_TURN && s == STEP_MORE; i++)
        s = step(c);
    if (s == STEP_CLOSE) {
        conn_close(c);
        return;
    }
    if (s == STEP_MORE && !c->queued) {
        c->queued = true;
        c->next_run = c->g->run;
        c->g->run = c;
    }
    watch(c);
}

void conn_run_queue(struct gate *g)
{
    struct conn *c = g->run;

    g->run = NULL;
    while (c) {
        struct conn *next = c->next_run;

        c->queued = false;
        if (c->state == CLOSED)
            free(c);
        else
            conn_run(c);
        c = next;
    }
}

void conn_event(struct conn *c, uint32_t events)
{
    if (c->state == CLOSED)
        return;
    if (events & EPOLLRDHUP)
        c->rdhup = true;
    if (events & (EPOLLERR | EPOLLHUP) ||
        (c->rdhup && (c->state == WAIT || c->state == OFFER))) {
        conn_close(c);
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP))
        c->readable = true;
    conn_run(c);
}

/* ---- from the controller --------------------------------------------- */

void conn_replied(struct conn *c, struct frame *f)
{
    const struct frame_reply *r = &f->reply;
    struct answer a = {.status = r->status,
                       .type = r->type,
                       .headers = r->headers,
                       .body = r->body,
                       .len = r->body_len,
                       .fd = f->fd,
                       .blob_len = f->fd >= 0 ? r->blob_len : 0};

    if (c->unread)
        c->keep = false; /* its body is not wanted any more */
    if (answer_begin(c, &a) == STEP_CLOSE)
        conn_close(c);
    else
        conn_run(c);
}

void conn_accepted(struct conn *c, int fd)
{
    if (c->state != OFFER) {
        close(fd);
        return;
    }
    c->blob_fd = fd;
    c->state = UPLOAD;
    conn_pace(c);
    if (c->expects_100 && !answer_continue(c))
        conn_close(c);
    else
        conn_run(c);
}

void conn_deserted(struct conn *c)
{
    if (answer_refuse(c, 503, "the cell's controller is away") == STEP_CLOSE)
        conn_close(c);
    else
        conn_run(c);
}

/* ---- the end --------------------------------------------------------- */

void conn_drain_all(struct gate *g)
{
    struct conn *c = g->all;

    while (c) {
        struct conn *next = c->next;

        c->keep = false;
        if (c->state == WAIT && c->is_poll)
            answer_late(c, 503, "the cell's gate is closing");
        else if (c->state == HANDSHAKE || (c->state == HEAD && !c->parse))
            conn_close(c);
        c = next;
    }
}

void conn_close_all(struct gate *g)
{
    while (g->all)
        conn_close(g->all);
    conn_bury(g);
    conn_run_queue(g);
}
