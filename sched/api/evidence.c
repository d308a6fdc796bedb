/* SPDX-License-Identifier: Apache-2.0 */
/* evidence.c - portable proofs of the referee's findings
 *
 * A proof shows that a worker committed a root whose leaf at one position
 * differs from what the reference computes for that item; fallow
 * verify-evidence repeats it with nothing of the cell's (doc/7-verification).
 */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/member.h"

struct proofs {
    struct call *call;
    json_t *a;
    struct rec_verdict *v; /* with bytes of their own */
    size_t n;
};

/* One verdict and the commitment it is about. */
struct making {
    struct proofs *all;
    const struct rec_verdict *v;
    json_t *made;
};

static json_t *sum_json(const struct merkle_sum *m)
{
    return json_pack("{s:o,s:I,s:I}", "hash", json_digest(&m->hash), "units",
                     (json_int_t)m->units, "bytes", (json_int_t)m->bytes);
}

static json_t *leaf_json(uint32_t code, int64_t units, const uint8_t *bytes,
                         uint32_t len)
{
    return json_pack("{s:I,s:I,s:o}", "code", (json_int_t)code, "units",
                     (json_int_t)units, "bytes", json_bytes(bytes, len));
}

/* The bytes of the item itself, from the source job's input. */
static json_t *item_json(struct ctl *c, const struct rec_job *job,
                         const struct rec_verdict *v)
{
    struct item item;
    struct error err;
    uint8_t row[8];

    if (job->input == INPUT_BLOBS) {
        if (!job->blobs || inputs_item(c->inputs, &job->blobs[v->source_task],
                                       v->source_item, &item, &err) < 0)
            return json_null();
    } else {
        put_u64be(row, (uint64_t)v->source_task * job->items_per_task +
                           v->source_item);
        item.bytes = row;
        item.len = sizeof(row);
    }
    return json_bytes(item.bytes, item.len);
}

static json_t *path_json(const struct merkle_sum *leaves, size_t n, size_t i)
{
    struct merkle_sum path[64];
    int len = merkle_path(leaves, n, i, path);
    json_t *a = json_array();

    for (int k = 0; a && k < len; k++)
        json_array_append_new(a, sum_json(&path[k]));
    return a;
}

static json_t *proof_json(struct making *m, const struct rec_result *r,
                          const struct rec_job *job,
                          const struct item_result *items, size_t n)
{
    const struct rec_verdict *v = m->v;
    struct merkle_sum *leaves = calloc(n, sizeof(*leaves));
    const struct item_result *it = &items[v->position];
    char worker[24];
    json_t *o;

    if (!leaves)
        return NULL;
    for (size_t i = 0; i < n; i++)
        merkle_leaf(&job->spec, &job->params, i, items[i].code, items[i].units,
                    items[i].bytes, items[i].len, &leaves[i]);
    snprintf(worker, sizeof(worker), "v%" PRId64, v->worker_id);
    o = json_pack(
        "{s:s,s:s,s:o,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o,s:s,s:I,s:I,s:I}", "kind",
        v->kind == VERDICT_WRONG ? "wrong" : "error", "kernel", job->kernel,
        "spec", json_digest(&job->spec), "params", json_digest(&job->params),
        "root", sum_json(&r->root), "n", (json_int_t)n, "position",
        (json_int_t)v->position, "leaf",
        leaf_json(it->code, (int64_t)it->units, it->bytes, it->len), "path",
        path_json(leaves, n, v->position), "item",
        item_json(m->all->call->ctl, job, v), "expected",
        leaf_json(v->expected_code, v->expected_units, v->expected,
                  v->expected_len),
        "worker", worker, "job", (json_int_t)v->job_id, "task",
        (json_int_t)v->task, "at_us", (json_int_t)v->at_us);
    free(leaves);
    return o;
}

static int with_result(void *arg, const struct rec_result *r, struct error *err)
{
    struct making *m = arg;
    struct item_result *items = NULL;
    struct rec_job job;
    uint8_t *blob = NULL;
    size_t len = r->len, n = 0;

    /* salt of a stranger's job is his item and his result: not told here */
    if (!cell_job(m->all->call->ctl->cell, m->v->source_job_id, &job) ||
        !api_may_see(m->all->call, &job))
        return 0;
    if (!r->bytes) {
        blob = api_blob_bytes(m->all->call->ctl, &r->blob, &len, err);
        if (!blob)
            return -1;
    }
    if (results_parse(blob ? blob : r->bytes, len, &items, &n, err) == 0 &&
        m->v->position < n)
        m->made = proof_json(m, r, &job, items, n);
    free(items);
    free(blob);
    return 0;
}

/* The store reads one thing at a time: first the verdicts, then what each is
 * about.
 */
static int keep_verdict(void *arg, const struct rec_verdict *v,
                        struct error *err)
{
    struct proofs *p = arg;
    struct rec_verdict *more = reallocarray(p->v, p->n + 1, sizeof(*more));
    uint8_t *bytes = malloc(v->expected_len + 1u);

    if (more)
        p->v = more;
    if (!more || !bytes) {
        free(bytes);
        return error_set(err, ENOMEM, "out of memory");
    }
    if (v->expected_len)
        memcpy(bytes, v->expected, v->expected_len);
    p->v[p->n] = *v;
    p->v[p->n++].expected = bytes;
    return 0;
}

static int prove(struct proofs *p, const struct rec_verdict *v,
                 struct error *err)
{
    struct making m = {p, v, NULL};

    if (store_result(p->call->ctl->store, v->job_id, v->task, v->epoch,
                     v->attempt, with_result, &m, err) < 0)
        return -1;
    if (m.made)
        json_array_append_new(p->a, m.made);
    return 0;
}

void evidence_reply(struct call *call, int64_t job_id)
{
    struct proofs p = {.call = call, .a = json_array()};
    struct error err;
    int rc = store_verdicts(call->ctl->store, job_id, keep_verdict, &p, &err);

    for (size_t i = 0; rc == 0 && i < p.n; i++)
        rc = prove(&p, &p.v[i], &err);
    for (size_t i = 0; i < p.n; i++)
        free((void *)(uintptr_t)p.v[i].expected);
    free(p.v);
    if (rc == 0) {
        call_json(call, 200, json_pack("{s:o}", "verdicts", p.a));
    } else {
        json_decref(p.a);
        call_refuse(call, EAGAIN, err.text);
    }
}
