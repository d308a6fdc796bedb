/* SPDX-License-Identifier: Apache-2.0 */
/* gates.c - the socket fallow-gate connects to
 *
 * Any number of gates; each gets a serial number, so that an answer for one
 * that went away finds nobody.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sched/api/api.h"

#define GATES_MAX 64

struct gate {
    uint64_t serial;
    struct frame_conn *conn;
};

struct gates {
    struct ctl *ctl;
    int listen_fd;
    uint64_t next_serial;
    size_t n;
    struct gate v[GATES_MAX];
};

static int listen_on(const char *path, struct error *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(sa.sun_path))
        return error_set(err, ENAMETOOLONG,
                         "ctld_socket \"%s\" is longer than %zu bytes", path,
                         sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(err, errno, "could not make a socket: %s",
                         strerror(errno));
    unlink(path);
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        chmod(path, 0600) < 0 || listen(fd, 64) < 0) {
        int code = errno;

        close(fd);
        return error_set(err, code, "could not listen on \"%s\": %s", path,
                         strerror(code));
    }
    return fd;
}

struct gates *gates_create(struct ctl *c, const char *path, struct error *err)
{
    struct gates *g = calloc(1, sizeof(*g));

    if (!g)
        return error_null(err, ENOMEM, "out of memory");
    g->ctl = c;
    g->listen_fd = listen_on(path, err);
    if (g->listen_fd < 0) {
        free(g);
        return NULL;
    }
    return g;
}

void gates_destroy(struct gates *g)
{
    if (g) {
        int saved_errno = errno;

        for (size_t i = 0; i < g->n; i++) {
            frame_flush(g->v[i].conn);
            frame_conn_destroy(g->v[i].conn);
        }
        close(g->listen_fd);
        free(g);
        errno = saved_errno;
    }
}

size_t gates_poll_fill(struct gates *g, struct pollfd *v, size_t cap)
{
    size_t n = 0;

    v[n++] = (struct pollfd){.fd = g->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < g->n && n < cap; i++) {
        struct frame_conn *conn = g->v[i].conn;
        short out = frame_conn_pending(conn) > 0 ? POLLOUT : 0;

        v[n++] = (struct pollfd){.fd = frame_conn_fd(conn),
                                 .events = (short)(POLLIN | out)};
    }
    return n;
}

static void gate_accept(struct gates *g)
{
    int fd = accept4(g->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct frame_conn *conn;

    if (fd < 0)
        return;
    if (g->n == GATES_MAX) {
        ctl_log("refused a gate: %d are connected", GATES_MAX);
        close(fd);
        return;
    }
    conn = frame_conn_create(fd);
    if (!conn)
        return;
    g->v[g->n++] = (struct gate){++g->next_serial, conn};
    ctl_log("gate %ju connected", (uintmax_t)g->next_serial);
}

static void gate_drop(struct gates *g, size_t i)
{
    uint64_t serial = g->v[i].serial;

    ctl_log("gate %ju went away", (uintmax_t)serial);
    frame_conn_destroy(g->v[i].conn);
    g->v[i] = g->v[--g->n];
    if (g->ctl->park)
        park_abort(g->ctl->park, serial, 0);
    api_abort(g->ctl, serial, 0);
}

/* Frames of one gate.  -1 when it must be dropped. */
static int gate_read(struct gates *g, struct gate *gate)
{
    uint64_t serial = gate->serial;
    struct frame_conn *conn = gate->conn;
    struct error err;
    struct frame f;
    int filled = frame_fill(conn), rc;

    while ((rc = frame_next(conn, &f, &err)) > 0) {
        switch (f.type) {
        case FRAME_REQUEST:
        case FRAME_HEAD: api_request(g->ctl, serial, &f); break;
        case FRAME_BODY: api_body(g->ctl, serial, &f); break;
        case FRAME_ABORT:
            if (g->ctl->park)
                park_abort(g->ctl->park, serial, f.req);
            api_abort(g->ctl, serial, f.req);
            break;
        default: rc = -1;
        }
        if (f.fd >= 0)
            close(f.fd);
        if (rc < 0)
            break;
    }
    return rc < 0 || filled < 0 ? -1 : 0;
}

static size_t gate_by_fd(const struct gates *g, int fd)
{
    for (size_t i = 0; i < g->n; i++)
        if (frame_conn_fd(g->v[i].conn) == fd)
            return i;
    return GATES_MAX;
}

void gates_poll_done(struct gates *g, const struct pollfd *v, size_t n)
{
    for (size_t k = 1; k < n; k++) {
        size_t i = gate_by_fd(g, v[k].fd);

        if (i == GATES_MAX)
            continue;
        if ((v[k].revents & POLLOUT) && frame_flush(g->v[i].conn) < 0)
            gate_drop(g, i);
        else if ((v[k].revents & (POLLIN | POLLHUP | POLLERR)) &&
                 gate_read(g, &g->v[i]) < 0)
            gate_drop(g, i);
    }
    if (v[0].revents & POLLIN)
        gate_accept(g);
}

/* An answer that cannot be sent: let the client ask again, not wait. */
static void send_instead(struct frame_conn *conn, const struct frame *f)
{
    static const char body[] = "{\"error\":\"the answer could not be sent: try "
                               "again\",\"errno\":\"EAGAIN\"}";
    struct frame r = {.type = FRAME_REPLY, .req = f->req, .fd = -1};

    ctl_log("could not queue an answer: %s", strerror(errno));
    r.reply.status = 503;
    r.reply.headers = "Retry-After: 1\r\n";
    r.reply.type = "application/json";
    r.reply.body = (const uint8_t *)body;
    r.reply.body_len = sizeof(body) - 1;
    frame_send(conn, &r, -1);
}

void gates_send(struct gates *g, uint64_t gate, const struct frame *f,
                int pass_fd)
{
    for (size_t i = 0; g && i < g->n; i++) {
        if (g->v[i].serial != gate)
            continue;
        if (frame_send(g->v[i].conn, f, pass_fd) < 0)
            send_instead(g->v[i].conn, f);
        frame_flush(g->v[i].conn);
        return;
    }
}
