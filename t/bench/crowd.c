/* SPDX-License-Identifier: Apache-2.0 */
/* crowd.c - very many HTTPS clients in one thread */
#include "t/bench/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define CONNECTING_MAX 64 /* handshakes at a time */
#define PORTS_A_ADDRESS 20000
#define READ_MAX (1u << 18)
#define AGAIN_MS 200

enum state { IDLE, QUEUED, SHAKING, SENDING, HEARING };

struct peer {
    struct crowd *c;
    void *mine;
    int fd;
    SSL *ssl;
    uint8_t state;
    bool wants_write;
    uint32_t events;
    char *out;
    size_t out_len, out_off, out_cap;
    char *in; /* only while a reply is in pieces */
    size_t in_len, in_cap;
    int64_t asked_us, wake_us; /* wake_us 0 = not sleeping */
    struct peer *next;         /* in the queue for a handshake */
};

struct crowd {
    int epoll;
    SSL_CTX *tls;
    struct sockaddr_in to;
    struct peer *v;
    size_t n, sleeping;
    heard_fn *heard;
    struct peer *first, **last; /* waiting for a handshake */
    int shaking;
    struct crowd_counts counts;
    char *buf; /* shared by all whose reply arrives in one piece */
};

int64_t crowd_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int set_up_tls(struct crowd *c, const char *ca)
{
    c->tls = SSL_CTX_new(TLS_client_method());
    if (!c->tls || SSL_CTX_load_verify_locations(c->tls, ca, NULL) != 1)
        return -1;
    SSL_CTX_set_verify(c->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(c->tls, SSL_MODE_RELEASE_BUFFERS |
                                 SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(c->tls, 1);
    SSL_CTX_set_session_cache_mode(c->tls, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(c->tls, TLS1_3_VERSION) == 1 ? 0 : -1;
}

struct crowd *crowd_create(const char *url, const char *ca, size_t n,
                           heard_fn *heard, struct error *err)
{
    struct crowd *c = calloc(1, sizeof(*c));
    const char *colon = strrchr(url, ':');

    if (!c)
        return error_null(err, ENOMEM, "could not allocate a crowd");
    c->v = calloc(n, sizeof(*c->v));
    c->buf = malloc(READ_MAX + 1);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->heard = heard;
    c->n = n;
    c->last = &c->first;
    c->to.sin_family = AF_INET;
    c->to.sin_port =
        htons((uint16_t)(colon ? strtoul(colon + 1, NULL, 10) : 0));
    c->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!c->v || !c->buf || c->epoll < 0 || set_up_tls(c, ca) < 0) {
        crowd_destroy(c);
        return error_null(err, EINVAL, "cannot trust \"%s\"", ca);
    }
    for (size_t i = 0; i < n; i++) {
        c->v[i].c = c;
        c->v[i].fd = -1;
    }
    return c;
}

static void hang_up(struct peer *p)
{
    SSL_free(p->ssl);
    p->ssl = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->in_len = 0;
}

void crowd_destroy(struct crowd *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->v && i < c->n; i++) {
        hang_up(&c->v[i]);
        free(c->v[i].out);
        free(c->v[i].in);
    }
    SSL_CTX_free(c->tls);
    if (c->epoll >= 0)
        close(c->epoll);
    free(c->v);
    free(c->buf);
    free(c);
}

struct peer *crowd_peer(struct crowd *c, size_t i)
{
    return &c->v[i];
}

void peer_set(struct peer *p, void *mine)
{
    p->mine = mine;
}

void *peer_get(const struct peer *p)
{
    return p->mine;
}

struct crowd_counts crowd_counted(const struct crowd *c)
{
    return c->counts;
}

/* ---- asking ---------------------------------------------------------- */

static void run(struct peer *p);

static void queue(struct peer *p)
{
    p->state = QUEUED;
    p->next = NULL;
    *p->c->last = p;
    p->c->last = &p->next;
}

static void begin(struct peer *p)
{
    p->out_off = 0;
    if (!p->asked_us)
        p->asked_us = crowd_now_us();
    if (p->fd < 0) {
        queue(p);
        return;
    }
    p->state = SENDING;
    run(p);
}

static bool put(struct peer *p, const void *s, size_t n)
{
    if (p->out_len + n > p->out_cap) {
        size_t cap = p->out_cap ? p->out_cap : 1024;
        char *o;

        while (cap < p->out_len + n)
            cap *= 2;
        o = realloc(p->out, cap);
        if (!o)
            return false;
        p->out = o;
        p->out_cap = cap;
    }
    memcpy(p->out + p->out_len, s, n);
    p->out_len += n;
    return true;
}

static void compose(struct peer *p, const char *method, const char *path,
                    const char *headers, const void *body, size_t len)
{
    char head[1024];
    int n = snprintf(head, sizeof(head),
                     "%s %s HTTP/1.1\r\nHost: cell\r\n"
                     "Content-Length: %zu\r\n%s\r\n",
                     method, path, len, headers);

    p->out_len = 0;
    if (n < 0 || (size_t)n >= sizeof(head) || !put(p, head, (size_t)n) ||
        !put(p, body, len))
        p->out_len = 0;
    p->asked_us = 0; /* not asked yet */
}

void peer_ask(struct peer *p, const char *method, const char *path,
              const char *headers, const void *body, size_t len)
{
    compose(p, method, path, headers, body ? body : "", len);
    begin(p);
}

static void sleep_ms(struct peer *p, int ms)
{
    if (!p->wake_us)
        p->c->sleeping++;
    p->wake_us = crowd_now_us() + ms * 1000;
    p->state = IDLE;
}

void peer_ask_later(struct peer *p, int ms, const char *method,
                    const char *path, const char *headers, const void *body,
                    size_t len)
{
    compose(p, method, path, headers, body ? body : "", len);
    sleep_ms(p, ms);
}

/* ---- one connection -------------------------------------------------- */

static void watch(struct peer *p)
{
    struct epoll_event e = {.data.ptr = p};

    e.events = p->wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (p->fd >= 0 && e.events != p->events) {
        epoll_ctl(p->c->epoll, p->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->fd,
                  &e);
        p->events = e.events;
    }
}

static void broke(struct peer *p)
{
    ERR_clear_error();
    p->c->counts.broken++;
    if (p->state == SHAKING)
        p->c->shaking--;
    hang_up(p);
    if (p->state != IDLE) {
        p->c->counts.again++;
        sleep_ms(p, AGAIN_MS + (int)(p - p->c->v) % AGAIN_MS);
    }
}

static void dial(struct peer *p)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    size_t i = (size_t)(p - p->c->v);
    int one = 1;

    p->events = 0;
    p->wants_write = true;
    p->state = SHAKING;
    p->c->shaking++;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i / PORTS_A_ADDRESS));
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    p->ssl = SSL_new(p->c->tls);
    if (p->fd < 0 || !p->ssl || SSL_set_fd(p->ssl, p->fd) != 1 ||
        bind(p->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        (connect(p->fd, (struct sockaddr *)&p->c->to, sizeof(p->c->to)) < 0 &&
         errno != EINPROGRESS)) {
        broke(p);
        return;
    }
    SSL_set_connect_state(p->ssl);
    watch(p);
}

/* 1 done, 0 later, -1 broken. */
static int outcome(struct peer *p, int rc)
{
    int what = SSL_get_error(p->ssl, rc);

    p->wants_write = what == SSL_ERROR_WANT_WRITE;
    return what == SSL_ERROR_WANT_READ || p->wants_write ? 0 : -1;
}

static int shake(struct peer *p)
{
    int rc = SSL_do_handshake(p->ssl);

    if (rc != 1)
        return outcome(p, rc);
    p->wants_write = false;
    p->c->shaking--;
    p->c->counts.connected++;
    p->state = SENDING;
    return 1;
}

static int send_out(struct peer *p)
{
    while (p->out_off < p->out_len) {
        int rc = SSL_write(p->ssl, p->out + p->out_off,
                           (int)(p->out_len - p->out_off));

        if (rc <= 0)
            return outcome(p, rc);
        p->out_off += (size_t)rc;
    }
    p->wants_write = false;
    p->state = HEARING;
    return 1;
}

/* Length of the whole reply in b, or 0 while its head is incomplete. */
static size_t reply_length(const char *b, size_t n, size_t *head)
{
    const char *end = memmem(b, n, "\r\n\r\n", 4), *len;

    if (!end)
        return 0;
    *head = (size_t)(end - b) + 4;
    len = memmem(b, *head, "Content-Length: ", 16);
    return *head + (len ? strtoul(len + 16, NULL, 10) : 0);
}

static void take(struct peer *p, char *b, size_t head, size_t n)
{
    struct crowd_reply r = {.status = (int)strtol(b + 9, NULL, 10),
                            .body = b + head,
                            .len = n - head,
                            .took_us = crowd_now_us() - p->asked_us};

    p->state = IDLE;
    if (r.status == 503 || r.status == 429) {
        p->c->counts.again++;
        sleep_ms(p, AGAIN_MS + (int)(p - p->c->v) % AGAIN_MS);
        return;
    }
    p->c->heard(p, &r);
}

/* What arrived so far lies in p->in; n more bytes are in the shared buffer. */
static int keep(struct peer *p, size_t n)
{
    if (p->in_len + n + 1 > p->in_cap) {
        size_t cap = p->in_cap ? p->in_cap : 4096;
        char *b;

        while (cap < p->in_len + n + 1)
            cap *= 2;
        b = realloc(p->in, cap);
        if (!b)
            return -1;
        p->in = b;
        p->in_cap = cap;
    }
    memcpy(p->in + p->in_len, p->c->buf, n);
    p->in_len += n;
    p->in[p->in_len] = '\0';
    return 0;
}

static int hear(struct peer *p)
{
    char *b = p->c->buf;
    size_t head = 0, want, have;
    int n = SSL_read(p->ssl, b, READ_MAX);

    if (n <= 0)
        return outcome(p, n);
    if (p->state != HEARING)
        return -1; /* nobody asked */
    have = (size_t)n;
    if (p->in_len) {
        if (keep(p, have) < 0)
            return -1;
        b = p->in;
        have = p->in_len;
    }
    b[have] = '\0';
    want = reply_length(b, have, &head);
    if (want == 0 || have < want)
        return p->in_len || keep(p, have) == 0 ? 1 : -1;
    if (have > want)
        return -1;
    p->in_len = 0;
    take(p, b, head, have);
    if (p->in && p->in_len == 0 && p->in_cap > 65536) {
        free(p->in);
        p->in = NULL;
        p->in_cap = 0;
    }
    return 1;
}

static void run(struct peer *p)
{
    int rc = 1;

    while (rc == 1) {
        switch (p->state) {
        case SHAKING: rc = shake(p); break;
        case SENDING: rc = send_out(p); break;
        default: watch(p); return;
        }
    }
    if (rc < 0)
        broke(p);
    else
        watch(p);
}

static void on_event(struct peer *p)
{
    int rc = 1;

    if (p->fd < 0)
        return;
    if (p->state == SHAKING || p->state == SENDING) {
        run(p);
        if (p->state != HEARING || !p->ssl)
            return;
    }
    do
        rc = hear(p);
    while (rc == 1 && p->ssl && p->state == HEARING && SSL_has_pending(p->ssl));
    if (rc < 0)
        broke(p);
    else
        watch(p);
}

static void wake_sleepers(struct crowd *c)
{
    int64_t now = crowd_now_us();

    for (size_t i = 0; c->sleeping && i < c->n; i++) {
        struct peer *p = &c->v[i];

        if (p->wake_us && p->wake_us <= now) {
            p->wake_us = 0;
            c->sleeping--;
            begin(p);
        }
    }
}

void crowd_run(struct crowd *c, int ms, const bool *stop)
{
    int64_t until = crowd_now_us() + (int64_t)ms * 1000;
    struct epoll_event e[256];

    while (!*stop && crowd_now_us() < until) {
        int n;

        while (c->first && c->shaking < CONNECTING_MAX) {
            struct peer *p = c->first;

            c->first = p->next;
            if (!c->first)
                c->last = &c->first;
            dial(p);
        }
        n = epoll_wait(c->epoll, e, 256, c->sleeping ? 5 : 50);
        for (int i = 0; i < n && !*stop; i++)
            on_event(e[i].data.ptr);
        if (c->sleeping)
            wake_sleepers(c);
    }
}
