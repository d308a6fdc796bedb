/* SPDX-License-Identifier: Apache-2.0 */
/* commit.c - group commit: many requests, one transaction, then the answers
 *
 * Records are put into the batch being filled.  It is sent at once when no
 * commit is in flight, else when the one in flight returns; there is no timer.
 * An answer leaves after the COMMIT of everything it could have seen: with the
 * filling batch when that has records, else with the one in flight, else now.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One answer waiting for its COMMIT; the body is copied behind the struct. */
struct waiting {
    struct waiting *next;
    uint64_t gate;
    struct frame frame;
    int fd;
};

struct queue {
    struct waiting *first, **last;
};

struct commit {
    struct ctl *ctl;
    struct store_batch *filling, *flying;
    struct queue after_filling, after_flying;
    bool in_flight;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_add(struct queue *q, struct waiting *w)
{
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
}

static void waiting_free(struct waiting *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

static void queue_drop(struct queue *q)
{
    while (q->first) {
        struct waiting *w = q->first;

        q->first = w->next;
        waiting_free(w);
    }
    queue_init(q);
}

struct commit *commit_create(struct ctl *c)
{
    struct commit *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->ctl = c;
    queue_init(&m->after_filling);
    queue_init(&m->after_flying);
    m->filling = store_batch_create(c->store);
    m->flying = store_batch_create(c->store);
    if (!m->filling || !m->flying) {
        commit_destroy(m);
        errno = ENOMEM;
        return NULL;
    }
    return m;
}

/* What waited for a commit that will not be reported: ask again. */
static void queue_refuse(struct commit *m, struct queue *q)
{
    static const char body[] =
        "{\"error\":\"the cell's database is away: try again\","
        "\"errno\":\"EAGAIN\"}";

    for (struct waiting *w = q->first; w; w = w->next) {
        struct frame f = {.type = FRAME_REPLY, .req = w->frame.req, .fd = -1};

        f.reply.status = 503;
        f.reply.headers = "Retry-After: 1\r\n";
        f.reply.type = "application/json";
        f.reply.body = (const uint8_t *)body;
        f.reply.body_len = sizeof(body) - 1;
        gates_send(m->ctl->gates, w->gate, &f, -1);
    }
    queue_drop(q);
}

void commit_destroy(struct commit *m)
{
    if (m) {
        int saved_errno = errno;

        if (m->ctl->gates) {
            queue_refuse(m, &m->after_flying);
            queue_refuse(m, &m->after_filling);
        }
        queue_drop(&m->after_flying);
        queue_drop(&m->after_filling);
        store_batch_destroy(m->filling);
        store_batch_destroy(m->flying);
        free(m);
        errno = saved_errno;
    }
}

int commit_put(struct commit *m, const struct record *r, size_t n)
{
    return store_put(m->filling, r, n);
}

/* A frame that owns what its reply points to. */
static struct waiting *waiting_copy(uint64_t gate, const struct frame *f,
                                    int fd)
{
    size_t head = strlen(f->reply.headers) + 1;
    size_t type = strlen(f->reply.type) + 1;
    struct waiting *w = malloc(sizeof(*w) + head + type + f->reply.body_len);
    char *p;

    if (!w)
        return NULL;
    w->gate = gate;
    w->frame = *f;
    w->fd = fd;
    p = (char *)(w + 1);
    memcpy(p, f->reply.headers, head);
    w->frame.reply.headers = p;
    p += head;
    memcpy(p, f->reply.type, type);
    w->frame.reply.type = p;
    p += type;
    if (f->reply.body_len)
        memcpy(p, f->reply.body, f->reply.body_len);
    w->frame.reply.body = (const uint8_t *)p;
    return w;
}

void commit_reply(struct commit *m, uint64_t gate, const struct frame *f,
                  int pass_fd)
{
    bool filling = store_batch_records(m->filling) > 0;
    struct waiting *w;

    if (!filling && !m->in_flight) {
        gates_send(m->ctl->gates, gate, f, pass_fd);
        if (pass_fd >= 0)
            close(pass_fd);
        return;
    }
    w = waiting_copy(gate, f, pass_fd);
    if (!w) {
        ctl_log("out of memory: an answer was lost");
        if (pass_fd >= 0)
            close(pass_fd);
        return;
    }
    queue_add(filling ? &m->after_filling : &m->after_flying, w);
}

int commit_pump(struct commit *m, struct error *err)
{
    struct store_batch *b = m->filling;

    if (m->in_flight || store_batch_records(b) == 0)
        return 0;
    if (store_send(m->ctl->store, b, err) < 0)
        return -1;
    m->filling = m->flying;
    m->flying = b;
    m->after_flying = m->after_filling;
    if (!m->after_flying.first)
        queue_init(&m->after_flying);
    queue_init(&m->after_filling);
    m->in_flight = true;
    return 0;
}

int commit_poll(struct commit *m, struct error *err)
{
    enum store_status st;

    st = store_poll(m->ctl->store, err);
    if (st == STORE_WAITING || st == STORE_IDLE)
        return 0;
    if (st != STORE_COMMITTED)
        return -1;
    m->in_flight = false;
    m->ctl->head.stale = true;
    store_batch_reset(m->flying);
    while (m->after_flying.first) {
        struct waiting *w = m->after_flying.first;

        m->after_flying.first = w->next;
        gates_send(m->ctl->gates, w->gate, &w->frame, w->fd);
        waiting_free(w);
    }
    queue_init(&m->after_flying);
    return commit_pump(m, err);
}

bool commit_busy(const struct commit *m)
{
    return m->in_flight || store_batch_records(m->filling) > 0;
}
