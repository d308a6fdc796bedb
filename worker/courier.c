/* SPDX-License-Identifier: Apache-2.0 */
/* courier.c - a thread that carries requests to the cell, one at a time */
#include "worker/courier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX 256
#define END_S 2

/* First in, first out, of at most QUEUE_MAX. */
struct line {
    struct order *v[QUEUE_MAX];
    size_t head, n;
};

struct courier {
    struct http *http;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct line todo, carried; /* under lock */
    bool end, busy;            /* under lock */
    volatile int stop;         /* looked at by http_do */
    int fd;
};

static void put(struct line *l, struct order *o)
{
    l->v[(l->head + l->n++) % QUEUE_MAX] = o;
}

static struct order *pull(struct line *l)
{
    struct order *o;

    if (!l->n)
        return NULL;
    o = l->v[l->head];
    l->head = (l->head + 1) % QUEUE_MAX;
    l->n--;
    return o;
}

struct order *order_create(int kind, const char *method, const char *path)
{
    struct order *o = calloc(1, sizeof(*o));

    if (!o)
        return NULL;
    o->kind = kind;
    o->seq = -1;
    o->timeout_ms = 60000;
    o->method = strdup(method);
    o->path = strdup(path);
    if (!o->method || !o->path) {
        order_destroy(o);
        return NULL;
    }
    return o;
}

void order_destroy(struct order *o)
{
    if (o) {
        int saved_errno = errno;

        free(o->method);
        free(o->path);
        free(o->body);
        free(o->put);
        free(o->get);
        http_reply_clear(&o->reply);
        free(o);
        errno = saved_errno;
    }
}

static void carry(struct courier *c, struct order *o)
{
    if (o->put)
        o->rc = http_put_file(c->http, o->path, o->put, NULL, NULL, &o->reply,
                              &o->err);
    else if (o->get)
        o->rc = http_get_file(c->http, o->path, o->get, &o->reply, &o->err);
    else
        o->rc = http_do(c->http, o->method, o->path, o->seq, o->body, o->len,
                        o->timeout_ms, &c->stop, &o->reply, &o->err);
    o->error = o->rc < 0 ? errno : 0;
}

static void *serve(void *arg)
{
    struct courier *c = arg;

    pthread_mutex_lock(&c->lock);
    while (!c->end) {
        struct order *o = pull(&c->todo);
        uint64_t one = 1;

        if (!o) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        c->busy = true;
        pthread_mutex_unlock(&c->lock);
        carry(c, o);
        pthread_mutex_lock(&c->lock);
        c->busy = false;
        c->stop = 0;
        put(&c->carried, o);
        while (write(c->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Signals are the main thread's. */
static int start(struct courier *c)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&c->thread, NULL, serve, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    c->started = rc == 0;
    return rc;
}

struct courier *courier_create(struct http *http, struct error *err)
{
    struct courier *c = calloc(1, sizeof(*c));
    int rc;

    if (!c) {
        http_destroy(http);
        return error_null(err, ENOMEM, "could not allocate a courier");
    }
    c->http = http;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = c->fd < 0 ? errno : start(c);
    if (rc) {
        courier_destroy(c);
        return error_null(err, rc, "could not start a thread: %s",
                          strerror(rc));
    }
    return c;
}

void courier_destroy(struct courier *c)
{
    struct timespec end;
    struct order *o;

    if (!c)
        return;
    if (c->started) {
        pthread_mutex_lock(&c->lock);
        c->end = true;
        c->stop = 1;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += END_S;
        if (pthread_timedjoin_np(c->thread, NULL, &end))
            return; /* a stalled blob: the process ends, let it */
    }
    while ((o = pull(&c->todo)) || (o = pull(&c->carried)))
        order_destroy(o);
    http_destroy(c->http);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

int courier_fd(const struct courier *c)
{
    return c->fd;
}

bool courier_idle(struct courier *c)
{
    bool idle;

    pthread_mutex_lock(&c->lock);
    idle = !c->busy && !c->todo.n && !c->carried.n;
    pthread_mutex_unlock(&c->lock);
    return idle;
}

void courier_give(struct courier *c, struct order *o)
{
    pthread_mutex_lock(&c->lock);
    if (c->todo.n + c->carried.n < QUEUE_MAX - 1) {
        put(&c->todo, o);
        pthread_cond_signal(&c->wake);
    } else {
        uint64_t one = 1;

        o->rc = error_set(&o->err, EAGAIN, "too many requests are waiting");
        o->error = EAGAIN;
        put(&c->carried, o);
        while (write(c->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&c->lock);
}

struct order *courier_take(struct courier *c)
{
    struct order *o;
    uint64_t n;

    pthread_mutex_lock(&c->lock);
    o = pull(&c->carried);
    if (!c->carried.n && read(c->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        errno = 0; /* a lost wake-up is made good by the next look */
    pthread_mutex_unlock(&c->lock);
    return o;
}

void courier_cancel(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    if (c->busy)
        c->stop = 1;
    pthread_mutex_unlock(&c->lock);
}
