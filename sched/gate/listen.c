/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c - the listening socket, and whom it lets in
 *
 * When the handshakes that all clients together may make are used up, the
 * gate stops taking connections: they wait in the kernel's queue.  An address
 * over its own limit is closed at once.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/gate/conn.h"

#define BACKLOG 4096
#define ACCEPTS_A_TURN 64
#define NO_FILES_MS 100 /* pause when descriptors have run out */

#define KEEP_TRIES 5 /* unanswered probes, 10 s or less apart */

static struct addrinfo *resolve(const char *text, struct error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const char *colon = strrchr(text, ':');
    struct addrinfo *list = NULL;
    char host[256] = "";
    size_t n = colon ? (size_t)(colon - text) : 0;
    int rc;

    if (!colon || n >= sizeof(host))
        return error_null(err, EINVAL, "\"%s\" is not ADDRESS:PORT", text);
    memcpy(host, text, n);
    host[n] = '\0';
    if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    }
    rc = getaddrinfo(host[0] && strcmp(host, "*") ? host : NULL, colon + 1,
                     &hints, &list);
    if (rc != 0)
        return error_null(err, EINVAL, "cannot listen on \"%s\": %s", text,
                          gai_strerror(rc));
    return list;
}

static int write_port(const struct gate *g, struct error *err)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    char port[16], host[64], line[96];
    int len;

    if (getsockname(g->listener, (struct sockaddr *)&sa, &n) < 0 ||
        getnameinfo((struct sockaddr *)&sa, n, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return error_set(err, errno, "cannot name the listening socket");
    fprintf(stderr, "fallow-gate: listening on %s port %s\n", host, port);
    if (!g->conf.port_file)
        return 0;
    len = snprintf(line, sizeof(line), "%s\n", port);
    return file_write(g->conf.port_file, line, (size_t)len, false, err);
}

static int watch(struct gate *g)
{
    struct epoll_event e = {.events = EPOLLIN};

    e.data.ptr = &g->on_listener;
    if (epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->listener, &e) < 0)
        return -1;
    g->listening = true;
    return 0;
}

int gate_listen(struct gate *g, struct error *err)
{
    struct addrinfo *a = resolve(g->conf.listen, err);
    int one = 1;

    if (!a)
        return -1;
    g->listener =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (g->listener >= 0) {
        setsockopt(g->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (g->conf.reuse_port)
            setsockopt(g->listener, SOL_SOCKET, SO_REUSEPORT, &one,
                       sizeof(one));
    }
    if (g->listener < 0 || bind(g->listener, a->ai_addr, a->ai_addrlen) < 0 ||
        listen(g->listener, BACKLOG) < 0) {
        error_set(err, errno, "could not listen on \"%s\": %s", g->conf.listen,
                  strerror(errno));
        freeaddrinfo(a);
        return -1;
    }
    freeaddrinfo(a);
    g->on_listener.source = SOURCE_LISTEN;
    bucket_init(&g->handshakes, g->conf.handshake_burst, g->now_ms);
    if (watch(g) < 0)
        return error_set(err, errno, "could not watch the listening socket");
    return write_port(g, err);
}

void gate_stop_listening(struct gate *g)
{
    if (g->listening)
        epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->listener, NULL);
    g->listening = false;
}

static void pause_listening(struct gate *g, int64_t ms)
{
    gate_stop_listening(g);
    g->listen_again_ms = g->now_ms + ms;
}

void gate_listen_more(struct gate *g)
{
    if (!g->listening && !g->draining && g->now_ms >= g->listen_again_ms &&
        watch(g) < 0)
        g->listen_again_ms = g->now_ms + NO_FILES_MS;
}

static void set_options(const struct gate *g, int fd)
{
    int one = 1, tries = KEEP_TRIES;
    int idle = (int)(g->conf.keepalive_us / 1000000);
    int every = idle < 10 ? idle : 10;
    unsigned int timeout = (unsigned int)(idle + every * tries) * 1000;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static void admit(struct gate *g, int fd, const struct sockaddr *sa)
{
    struct address *a = NULL;

    if (g->n_conns < g->conf.max_connections)
        a = address_enter(g->addresses, sa, g->now_ms);
    if (!a) {
        close(fd);
        return;
    }
    set_options(g, fd);
    if (conn_create(g, fd, sa, a) < 0) {
        address_leave(a);
        close(fd);
    }
}

void gate_accept(struct gate *g)
{
    const struct gate_conf *conf = &g->conf;

    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage sa;
        socklen_t n = sizeof(sa);
        int fd;

        if (!bucket_take(&g->handshakes, conf->handshakes_per_s,
                         conf->handshake_burst, g->now_ms)) {
            pause_listening(g,
                            bucket_wait_ms(&g->handshakes,
                                           conf->handshakes_per_s, g->now_ms));
            return;
        }
        fd = accept4(g->listener, (struct sockaddr *)&sa, &n,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            g->handshakes.milli += 1000; /* not used */
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                pause_listening(g, NO_FILES_MS);
            return;
        }
        admit(g, fd, (struct sockaddr *)&sa);
    }
}
