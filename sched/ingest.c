/* SPDX-License-Identifier: Apache-2.0 */
/* ingest.c - uploads become blobs beside the controller's thread
 *
 * Reading back, hashing and fsync of an upload take seconds where everything
 * else takes microseconds.  A few threads do only that: they know the blob
 * store and an upload's descriptor, and nothing of the cell.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plugins/blob/blob.h"

#define THREADS 3

struct order {
    struct order *next;
    int fd;
    struct digest digest;
    uint64_t size;
    struct ingested out;
};

struct orders {
    struct order *first, **last;
};

struct ingest {
    struct blobs *blobs;
    int event_fd;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct orders todo, done; /* under lock */
    bool stop;                /* under lock */
    int n_threads;
    pthread_t threads[THREADS];
};

static void orders_init(struct orders *o)
{
    o->first = NULL;
    o->last = &o->first;
}

static void orders_add(struct orders *o, struct order *v)
{
    v->next = NULL;
    *o->last = v;
    o->last = &v->next;
}

static struct order *orders_take(struct orders *o)
{
    struct order *v = o->first;

    if (v) {
        o->first = v->next;
        if (!o->first)
            o->last = &o->first;
    }
    return v;
}

static struct order *next_order(struct ingest *g)
{
    struct order *o;

    pthread_mutex_lock(&g->lock);
    while (!g->stop && !g->todo.first)
        pthread_cond_wait(&g->more, &g->lock);
    o = g->stop ? NULL : orders_take(&g->todo);
    pthread_mutex_unlock(&g->lock);
    return o;
}

static void *work(void *arg)
{
    struct ingest *g = arg;
    const uint64_t one = 1;
    struct order *o;

    while ((o = next_order(g))) {
        o->out.code = 0;
        if (blob_dir.commit(g->blobs, o->fd, &o->digest, o->size, &o->out.err) <
            0)
            o->out.code = errno;
        pthread_mutex_lock(&g->lock);
        orders_add(&g->done, o);
        pthread_mutex_unlock(&g->lock);
        if (write(g->event_fd, &one, sizeof(one)) < 0)
            continue; /* the counter is full: it is readable anyway */
    }
    return NULL;
}

struct ingest *ingest_create(struct blobs *blobs, struct error *err)
{
    struct ingest *g = calloc(1, sizeof(*g));

    if (!g)
        return error_null(err, ENOMEM, "out of memory");
    g->blobs = blobs;
    orders_init(&g->todo);
    orders_init(&g->done);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->more, NULL);
    g->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    while (g->event_fd >= 0 && g->n_threads < THREADS &&
           pthread_create(&g->threads[g->n_threads], NULL, work, g) == 0)
        g->n_threads++;
    if (g->n_threads == 0) {
        ingest_destroy(g);
        return error_null(err, EAGAIN, "could not start a thread for uploads");
    }
    return g;
}

void ingest_destroy(struct ingest *g)
{
    struct order *o;

    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_broadcast(&g->more);
    pthread_mutex_unlock(&g->lock);
    for (int i = 0; i < g->n_threads; i++)
        pthread_join(g->threads[i], NULL);
    while ((o = orders_take(&g->todo))) {
        close(o->fd);
        free(o->out.arg);
        free(o);
    }
    while ((o = orders_take(&g->done))) {
        free(o->out.arg);
        free(o);
    }
    if (g->event_fd >= 0)
        close(g->event_fd);
    pthread_cond_destroy(&g->more);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

int ingest_fd(const struct ingest *g)
{
    return g->event_fd;
}

int ingest_put(struct ingest *g, int fd, const struct digest *d, uint64_t size,
               void *arg)
{
    struct order *o = calloc(1, sizeof(*o));

    if (!o) {
        errno = ENOMEM;
        return -1;
    }
    o->fd = fd;
    o->digest = *d;
    o->size = size;
    o->out.arg = arg;
    pthread_mutex_lock(&g->lock);
    orders_add(&g->todo, o);
    pthread_cond_signal(&g->more);
    pthread_mutex_unlock(&g->lock);
    return 0;
}

bool ingest_next(struct ingest *g, struct ingested *out)
{
    struct order *o;
    uint64_t n;

    pthread_mutex_lock(&g->lock);
    o = orders_take(&g->done);
    pthread_mutex_unlock(&g->lock);
    if (!o) /* look once more after the counter was read */
        return read(g->event_fd, &n, sizeof(n)) > 0 && ingest_next(g, out);
    *out = o->out;
    free(o);
    return true;
}
