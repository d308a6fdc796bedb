/* SPDX-License-Identifier: Apache-2.0 */
/* upstream.c - the gate's side of the controller's socket
 *
 * A request's handle is its slot and the slot's generation, so that a reply
 * to a request whose client is gone meets nobody.
 */
#include "sched/gate/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sched/gate/conn.h"

#define AGAIN_FIRST_MS 20
#define AGAIN_MAX_MS 1000
#define FILLS_A_TURN                                                           \
    16 /* reads of the socket, then clients have their turn                    \
        */
#define NO_SLOT UINT32_MAX

struct slot {
    struct conn *c; /* NULL = free */
    uint32_t generation;
    uint32_t next_free;
    bool is_poll, sent;
};

struct upstream {
    struct watched on;
    struct gate *g;
    struct frame_conn *fc; /* NULL = no controller */
    uint32_t events;
    int64_t again_ms, pause_ms;
    struct slot *slot;
    uint32_t n_slots, free;
    bool said; /* that the controller is away */
};

struct upstream *upstream_create(struct gate *g)
{
    struct upstream *u = calloc(1, sizeof(*u));

    if (u) {
        u->on.source = SOURCE_UPSTREAM;
        u->g = g;
        u->free = NO_SLOT;
        u->pause_ms = AGAIN_FIRST_MS;
    }
    return u;
}

void upstream_destroy(struct upstream *u)
{
    if (u) {
        frame_conn_destroy(u->fc);
        free(u->slot);
        free(u);
    }
}

/* ---- slots ----------------------------------------------------------- */

static int more_slots(struct upstream *u)
{
    uint32_t n = u->n_slots ? u->n_slots * 2 : 64;
    struct slot *s = reallocarray(u->slot, n, sizeof(*s));

    if (!s)
        return -1;
    memset(s + u->n_slots, 0, (n - u->n_slots) * sizeof(*s));
    for (uint32_t i = n; i-- > u->n_slots;) {
        s[i].next_free = u->free;
        u->free = i;
    }
    u->slot = s;
    u->n_slots = n;
    return 0;
}

static void release(struct upstream *u, uint32_t i)
{
    u->slot[i].c = NULL;
    u->slot[i].generation++;
    u->slot[i].next_free = u->free;
    u->free = i;
}

static uint64_t handle(const struct upstream *u, uint32_t i)
{
    return (uint64_t)u->slot[i].generation << 32 | i;
}

/* The slot of a frame from the controller, or NULL. */
static struct slot *slot_of(struct upstream *u, uint64_t req)
{
    uint32_t i = (uint32_t)req;

    return i < u->n_slots && u->slot[i].c &&
                   u->slot[i].generation == (uint32_t)(req >> 32)
               ? &u->slot[i]
               : NULL;
}

/* ---- towards the controller ------------------------------------------ */

static int send_request(struct upstream *u, uint32_t i, enum frame_type type,
                        const struct frame_request *r)
{
    struct frame f = {.type = type, .req = handle(u, i), .fd = -1};

    f.request = *r;
    if (frame_send(u->fc, &f, -1) < 0)
        return -1;
    u->slot[i].sent = true;
    return 0;
}

int upstream_request(struct upstream *u, struct conn *c, enum frame_type type,
                     bool is_poll, const struct frame_request *r,
                     uint32_t *slot)
{
    uint32_t i;

    if (!u->fc && !is_poll) {
        errno = ENOTCONN;
        return -1;
    }
    if (u->fc && frame_conn_pending(u->fc) > (size_t)u->g->conf.backlog_max) {
        errno = EAGAIN;
        return -1;
    }
    if (u->free == NO_SLOT && more_slots(u) < 0)
        return -1;
    i = u->free;
    u->slot[i].sent = false;
    if (u->fc && send_request(u, i, type, r) < 0)
        return -1;
    u->free = u->slot[i].next_free;
    u->slot[i].c = c;
    u->slot[i].is_poll = is_poll;
    *slot = i;
    return 0;
}

int upstream_body(struct upstream *u, uint32_t slot)
{
    struct frame f = {.type = FRAME_BODY, .req = handle(u, slot), .fd = -1};

    return u->fc ? frame_send(u->fc, &f, -1) : -1;
}

void upstream_abort(struct upstream *u, uint32_t slot)
{
    struct frame f = {.type = FRAME_ABORT, .req = handle(u, slot), .fd = -1};

    if (u->fc && u->slot[slot].sent)
        frame_send(u->fc, &f, -1); /* without it the reply meets nobody */
    release(u, slot);
}

/* ---- coming and going of the controller ------------------------------ */

static void lost(struct upstream *u, const char *why)
{
    frame_conn_destroy(u->fc);
    u->fc = NULL;
    u->pause_ms = AGAIN_FIRST_MS;
    u->again_ms = u->g->now_ms + u->pause_ms;
    fprintf(stderr, "fallow-gate: lost the controller: %s\n", why);
    for (uint32_t i = 0; i < u->n_slots; i++) {
        struct conn *c = u->slot[i].c;

        u->slot[i].sent = false;
        if (c && !u->slot[i].is_poll) {
            release(u, i);
            conn_deserted(c);
        }
    }
}

static void send_kept_polls(struct upstream *u)
{
    for (uint32_t i = 0; i < u->n_slots; i++) {
        char peer[INET6_ADDRSTRLEN];
        struct frame_request r;

        if (!u->slot[i].c || u->slot[i].sent)
            continue;
        conn_poll_request(u->slot[i].c, &r, peer);
        if (send_request(u, i, FRAME_REQUEST, &r) < 0) {
            struct conn *c = u->slot[i].c;

            release(u, i);
            conn_deserted(c);
        }
    }
}

static int dial(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(sa.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sa.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        int saved_errno = errno;

        close(fd);
        errno = saved_errno;
        return -1;
    }
    return fd;
}

static void try_later(struct upstream *u)
{
    if (!u->said)
        fprintf(stderr, "fallow-gate: could not connect to \"%s\": %s\n",
                u->g->conf.ctld, strerror(errno));
    u->said = true;
    u->again_ms = u->g->now_ms + u->pause_ms;
    u->pause_ms *= 2;
    if (u->pause_ms > AGAIN_MAX_MS)
        u->pause_ms = AGAIN_MAX_MS;
}

static void connect_now(struct upstream *u)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = u};
    int fd = dial(u->g->conf.ctld);

    if (fd < 0) {
        try_later(u);
        return;
    }
    u->fc = frame_conn_create(fd);
    if (!u->fc) {
        close(fd);
        try_later(u);
        return;
    }
    if (epoll_ctl(u->g->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        frame_conn_destroy(u->fc);
        u->fc = NULL;
        try_later(u);
        return;
    }
    u->events = EPOLLIN;
    u->said = false;
    fprintf(stderr, "fallow-gate: connected to the controller\n");
    send_kept_polls(u);
}

/* ---- from the controller --------------------------------------------- */

static void take(struct upstream *u, struct frame *f)
{
    struct slot *s = slot_of(u, f->req);
    struct conn *c = s ? s->c : NULL;

    if (!c) {
        if (f->fd >= 0)
            close(f->fd);
        return;
    }
    if (f->type == FRAME_REPLY) {
        release(u, (uint32_t)f->req);
        conn_replied(c, f);
    } else if (f->type == FRAME_ACCEPT) {
        conn_accepted(c, f->fd);
    }
}

void upstream_event(struct upstream *u, uint32_t events)
{
    struct error err = {""};
    struct frame f;
    int rc = 1, n = 0;

    (void)events;
    for (int i = 0; u->fc && i < FILLS_A_TURN && rc == 1; i++) {
        rc = frame_fill(u->fc);
        if (rc < 0 && errno == EBADMSG)
            snprintf(err.text, sizeof(err.text), "too many descriptors");
        while ((n = frame_next(u->fc, &f, &err)) == 1)
            take(u, &f);
        if (n < 0)
            rc = -1;
    }
    if (u->fc && rc < 0)
        lost(u, err.text[0] ? err.text : "it closed the connection");
}

void upstream_turn(struct upstream *u)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = u};
    int rc;

    if (!u->fc) {
        if (u->g->now_ms < u->again_ms)
            return;
        connect_now(u);
        if (!u->fc)
            return;
    }
    rc = frame_flush(u->fc);
    if (rc < 0) {
        lost(u, strerror(errno));
        return;
    }
    if (rc == 0)
        e.events |= EPOLLOUT;
    if (e.events != u->events &&
        epoll_ctl(u->g->epoll, EPOLL_CTL_MOD, frame_conn_fd(u->fc), &e) == 0)
        u->events = e.events;
}

int64_t upstream_wait_ms(const struct upstream *u)
{
    int64_t ms = u->again_ms - u->g->now_ms;

    return u->fc ? -1 : ms > 0 ? ms : 0;
}
