/* SPDX-License-Identifier: Apache-2.0 */
/* grant.c - leases on the wire: their items' bytes and their token
 *
 * The items of a lease go inline in the order the core drew, salt among them,
 * all looking alike.
 */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* An items file being written. */
struct writer {
    uint8_t *p;
    size_t len, cap;
};

static int writer_add(struct writer *w, const uint8_t *bytes, uint32_t n)
{
    if (w->len + 4 + n > w->cap) {
        size_t cap = (w->len + 4 + n) * 2;
        uint8_t *p = realloc(w->p, cap);

        if (!p) {
            errno = ENOMEM;
            return -1;
        }
        w->p = p;
        w->cap = cap;
    }
    put_u32be(w->p + w->len, n);
    if (n)
        memcpy(w->p + w->len + 4, bytes, n);
    w->len += 4 + (size_t)n;
    return 0;
}

/* Bytes of one position: the row's number, or an item of the task's blob. */
static int add_item(struct ctl *c, const struct rec_job *job,
                    const struct lease_item *it, struct writer *w,
                    struct error *err)
{
    struct item item;
    uint8_t row[8];

    if (job->input == INPUT_BLOBS) {
        if (inputs_item(c->inputs, &job->blobs[it->task], it->item, &item,
                        err) < 0)
            return -1;
    } else {
        put_u64be(row, (uint64_t)it->task * job->items_per_task + it->item);
        item.bytes = row;
        item.len = sizeof(row);
    }
    if (writer_add(w, item.bytes, item.len) < 0)
        return error_set(err, ENOMEM, "out of memory");
    return 0;
}

static int write_items(struct ctl *c, const struct lease *l,
                       struct rec_job *job, struct writer *w, struct error *err)
{
    static const uint8_t head[8] = {'F', 'I', 'T', 'M', 0, 0, 0, 1};

    w->cap = ITEMS_HEADER_LEN + (size_t)l->n_items * 16;
    w->p = malloc(w->cap);
    if (!w->p)
        return error_set(err, ENOMEM, "out of memory");
    memcpy(w->p, head, sizeof(head));
    put_u64be(w->p + 8, l->n_items);
    w->len = ITEMS_HEADER_LEN;
    job->job_id = 0;
    for (uint32_t i = 0; i < l->n_items; i++) {
        const struct lease_item *it = &l->items[i];

        if (job->job_id != it->job_id && !cell_job(c->cell, it->job_id, job))
            return error_set(err, ENOENT, "job %" PRId64 " is gone",
                             it->job_id);
        if (add_item(c, job, it, w, err) < 0)
            return -1;
    }
    return 0;
}

static int fill_one(struct ctl *c, const struct lease *l, struct msg_lease *m,
                    struct error *err)
{
    struct writer w = {0};
    struct rec_job job;

    if (write_items(c, l, &job, &w, err) < 0) {
        free(w.p);
        return -1;
    }
    m->input = w.p;
    m->input_len = w.len;
    snprintf(m->id, sizeof(m->id), "%d.%" PRId64, l->epoch, l->lease_id);
    memcpy(m->kernel, job.kernel, sizeof(m->kernel));
    m->spec = job.spec;
    m->params = job.params;
    m->items = l->n_items;
    m->deadline_us = l->deadline_us - ctl_now_us();
    if (m->deadline_us < 0)
        m->deadline_us = 0;
    m->token = token_seal(c, l);
    if (!m->token)
        return error_set(err, ENOMEM, "out of memory");
    book_grant(c->book, l->worker_id, &job.params);
    return 0;
}

int grant_fill(struct ctl *c, const struct answer *a, struct msg_grant *g,
               struct error *err)
{
    g->leases = calloc(a->n_leases + 1, sizeof(*g->leases));
    if (!g->leases)
        return error_set(err, ENOMEM, "out of memory");
    g->head.batch = c->head.batch;
    g->head.hash = c->head.hash;
    for (uint32_t i = 0; i < a->n_leases; i++) {
        if (fill_one(c, &a->leases[i], &g->leases[g->n_leases], err) < 0) {
            /* the lease lapses, and the task is tried again elsewhere */
            ctl_log("lease of job %" PRId64 " task %u: %s", a->leases[i].job_id,
                    a->leases[i].task, err->text);
            free(g->leases[g->n_leases].input);
            memset(&g->leases[g->n_leases], 0, sizeof(*g->leases));
            continue;
        }
        g->n_leases++;
    }
    return 0;
}

void grant_send(struct call *call, const struct msg_grant *g)
{
    size_t len = 0;
    char *text = msg_grant_text(g, &len);

    auth_reply_text(call, text, len);
}

void grant_reply(struct call *call, const struct answer *a)
{
    struct msg_grant g = {0};
    struct error err;

    if (a->code != 0 && a->code != EAGAIN) { /* EAGAIN: there is nothing */
        call_refuse(call, a->code, a->err.text);
        return;
    }
    if (grant_fill(call->ctl, a, &g, &err) < 0)
        call_refuse(call, errno, err.text);
    else
        grant_send(call, &g);
    msg_grant_clear(&g);
}
