/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - submitting, listing, cancelling, fetching */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* A task's items must fit a lease that carries them inline. */
#define TASK_BLOB_MAX (512u << 10)
#define PAGE_BYTES (1u << 20)
#define PAGE_TASKS 256

/* A file the manifest names: whoever is granted the manifest may read it, so
 * it must be the party's own.
 */
static int check_file(void *arg, const char *name, int len,
                      const struct digest *d, struct error *err)
{
    const struct call *call = arg;

    if (book_owns_blob(call->ctl->book, call->party_id, d))
        return 0;
    return error_set(err, ENOENT,
                     "file \"%.*s\" of the parameters was not uploaded", len,
                     name);
}

static int check_params(struct call *call, const struct digest *params,
                        struct error *err)
{
    struct digest none;

    digest_of("", 0, &none);
    if (digest_equal(params, &none))
        return 0;
    if (!book_owns_blob(call->ctl->book, call->party_id, params))
        return error_set(err, ENOENT,
                         "the manifest of the parameters was not uploaded");
    return inputs_manifest(call->ctl->inputs, params, check_file, call, err);
}

/* Every blob named was uploaded by this party and holds what it should. */
static int check_blobs(struct call *call, const struct rec_job *b,
                       struct error *err)
{
    struct ctl *c = call->ctl;

    if (check_params(call, &b->params, err) < 0)
        return -1;
    for (uint32_t t = 0; b->input == INPUT_BLOBS && t < b->tasks; t++) {
        uint64_t want = b->items_per_task;
        size_t n, size;

        if (t == b->tasks - 1)
            want = b->items - (uint64_t)t * b->items_per_task;
        if (!book_owns_blob(c->book, call->party_id, &b->blobs[t]))
            return error_set(err, ENOENT,
                             "the items of task %u were not "
                             "uploaded",
                             t);
        if (inputs_count(c->inputs, &b->blobs[t], &n, &size, err) < 0)
            return error_prefix(err, "items of task %u", t);
        if (size > TASK_BLOB_MAX)
            return error_set(err, EINVAL,
                             "items of task %u are %zu bytes, at most %u fit a "
                             "lease: make tasks smaller",
                             t, size, TASK_BLOB_MAX);
        if (n != want)
            return error_set(err, EINVAL, "task %u has %zu items, not %ju", t,
                             n, (uintmax_t)want);
    }
    return 0;
}

static void quote_reply(struct call *call, const struct answer *a)
{
    struct msg_quote q = {0};
    struct rec_job job;

    if (!a || a->code != 0) {
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no answer");
        return;
    }
    job = a->quote;
    q.job_id = a->id;
    q.amount = job.quote_amount;
    q.fee = job.quote_fee;
    memcpy(q.unit, "USD", 4);
    q.tariff_id = job.tariff_id;
    q.units = job.units;
    q.prepaid = a->prepaid;
    call_json(call, 200, msg_quote_encode(&q));
}

static void submit(struct call *call, enum event_type type)
{
    json_t *j = api_json(call);
    struct msg_jobspec m = {0};
    struct event ev = {.type = type, .req = 1};
    struct error err;

    if (!j)
        return;
    if (msg_jobspec_decode(j, &m, &err) < 0) {
        json_decref(j);
        call_refuse(call, EINVAL, err.text);
        return;
    }
    json_decref(j);
    if (type == EV_SUBMIT && check_blobs(call, &m.job, &err) < 0) {
        call_refuse(call, errno == ENOENT ? EINVAL : errno, err.text);
    } else {
        ev.submit.job = m.job;
        ev.submit.job.party_id = call->party_id;
        ev.submit.job.state = m.hold ? JOB_HELD : JOB_PENDING;
        ev.submit.max_amount = m.max_amount;
        quote_reply(call, ctl_step(call->ctl, &ev));
    }
    msg_jobspec_clear(&m);
}

void route_job_submit(struct call *call)
{
    submit(call, EV_SUBMIT);
}

void route_job_quote(struct call *call)
{
    submit(call, EV_QUOTE);
}

/* ---- listing -------------------------------------------------------- */

/* JSON text that grows by one element at a time: a hundred thousand jobs as
 * one tree would take a gigabyte.
 */
struct listing {
    struct call *call;
    char *p;
    size_t len, cap;
    bool first, failed;
};

#define ELEMENT_MAX 16384 /* text of one job or lease, commas included */

static void listing_text(struct listing *l, const char *s)
{
    size_t n = strlen(s);

    if (l->cap - l->len < n + ELEMENT_MAX) {
        size_t cap = (l->cap + n + ELEMENT_MAX) * 2;
        char *p = l->failed ? NULL : realloc(l->p, cap);

        l->failed = !p;
        if (!p)
            return;
        l->p = p;
        l->cap = cap;
    }
    memcpy(l->p + l->len, s, n);
    l->len += n;
}

/* Takes e. */
static void listing_add(struct listing *l, json_t *e)
{
    size_t n = 0;

    listing_text(l, l->first ? "" : ",");
    if (!l->failed)
        n = json_dumpb(e, l->p + l->len, l->cap - l->len, JSON_COMPACT);
    l->failed = l->failed || n == 0 || n > l->cap - l->len;
    if (!l->failed)
        l->len += n;
    l->first = false;
    json_decref(e);
}

static void listing_begin(struct listing *l, const char *open)
{
    listing_text(l, open);
    l->first = true;
}

static void listing_reply(struct listing *l)
{
    listing_text(l, "]}");
    if (l->failed)
        call_refuse(l->call, ENOMEM, "out of memory");
    else
        call_bytes(l->call, 200, "application/json", l->p, l->len);
    free(l->p);
}

bool api_may_see(const struct call *call, const struct rec_job *job)
{
    return call->who == WHO_ADMIN || call->party_id == 1 ||
           job->party_id == call->party_id;
}

static bool list_job(void *arg, const struct rec_job *job)
{
    struct listing *l = arg;

    if (api_may_see(l->call, job))
        listing_add(l, msg_job_encode(job));
    return true;
}

static bool list_lease(void *arg, const struct lease *lease)
{
    struct listing *l = arg;
    struct rec_job job;
    char worker[24];

    if (lease->job_id == 0 ||
        !cell_job(l->call->ctl->cell, lease->job_id, &job))
        return true;
    if (!api_may_see(l->call, &job))
        return true;
    snprintf(worker, sizeof(worker), "v%" PRId64, lease->worker_id);
    listing_add(l, json_pack("{s:I,s:I,s:s,s:I}", "job_id",
                             (json_int_t)lease->job_id, "task",
                             (json_int_t)lease->task, "worker", worker,
                             "granted_us", (json_int_t)lease->granted_us));
    return true;
}

void route_job_list(struct call *call)
{
    struct listing l = {.call = call};

    listing_begin(&l, "{\"jobs\":[");
    cell_each_job(call->ctl->cell, list_job, &l);
    listing_begin(&l, "],\"leases\":[");
    cell_each_lease(call->ctl->cell, list_lease, &l);
    listing_reply(&l);
}

static int list_stored(void *arg, const struct rec_job *job, struct error *err)
{
    struct listing *l = arg;

    listing_add(l, msg_job_encode(job));
    return l->failed ? error_set(err, ENOMEM, "out of memory") : 0;
}

void route_sacct(struct call *call)
{
    struct listing l = {.call = call};
    int64_t job, since, until, limit;
    struct error err;
    int64_t party = call->who == WHO_ADMIN ? 0 : call->party_id;

    if (api_query_int(call, "job", 0, INT64_MAX, 0, &job) < 0 ||
        api_query_int(call, "since_us", 0, INT64_MAX, 0, &since) < 0 ||
        api_query_int(call, "until_us", 0, INT64_MAX, INT64_MAX, &until) < 0 ||
        api_query_int(call, "limit", 1, 100000, 10000, &limit) < 0)
        return;
    listing_begin(&l, "{\"jobs\":[");
    if (store_jobs(call->ctl->store, party, job, since, until, (int)limit,
                   list_stored, &l, &err) < 0) {
        free(l.p);
        call_refuse(call, EAGAIN, err.text);
        return;
    }
    listing_reply(&l);
}

static int copy_job(void *arg, const struct rec_job *job, struct error *err)
{
    struct rec_job *out = arg;

    (void)err;
    *out = *job;
    out->blobs = NULL;
    out->task_units = NULL;
    return 0;
}

/* The job of the path, from memory or the store; refused when unseen. */
static bool find_job(struct call *call, struct rec_job *job)
{
    int64_t id = api_path_id(call, "/v1/job/");
    struct error err;
    char text[80];

    memset(job, 0, sizeof(*job));
    if (id > 0 && !cell_job(call->ctl->cell, id, job) &&
        store_jobs(call->ctl->store, 0, id, 0, INT64_MAX, 1, copy_job, job,
                   &err) < 0) {
        call_refuse(call, EAGAIN, err.text);
        return false;
    }
    if (job->job_id > 0 && api_may_see(call, job))
        return true;
    snprintf(text, sizeof(text), "no job %" PRId64, id);
    call_refuse(call, ENOENT, text);
    return false;
}

void route_job_one(struct call *call)
{
    struct rec_job job;

    if (find_job(call, &job))
        call_json(call, 200, msg_job_encode(&job));
}

static void change_job(struct call *call, struct event *ev)
{
    const struct answer *a;

    ev->req = 1;
    ev->job.party_id = call->who == WHO_ADMIN ? 1 : call->party_id;
    ev->job.job_id = api_path_id(call, "/v1/job/");
    a = ctl_step(call->ctl, ev);
    if (!a || a->code != 0)
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no answer");
    else
        call_json(call, 200, json_object());
}

void route_job_cancel(struct call *call)
{
    struct event ev = {.type = EV_CANCEL};

    if (api_query_int(call, "task", 0, UINT32_MAX, -1, &ev.job.task) == 0)
        change_job(call, &ev);
}

void route_job_hold(struct call *call)
{
    struct event ev = {.type = EV_HOLD};
    size_t n = strlen(call->path);

    ev.job.task = -1;
    ev.job.hold = n > 5 && strcmp(call->path + n - 5, "/hold") == 0;
    change_job(call, &ev);
}

/* ---- results -------------------------------------------------------- */

struct page {
    struct call *call;
    struct msg_task_results out;
    size_t cap, bytes;
    int64_t last; /* task looked at last */
};

/* Primary items of a stored result, in row order, as a results file. */
static int primary_items(const struct rec_result *r, const uint8_t *bytes,
                         size_t len, struct msg_task_result *out,
                         struct error *err)
{
    struct item_result *all = NULL, *rows = NULL;
    size_t n, count = 0;
    void *buf = NULL;
    int rc = -1;

    if (results_parse(bytes, len, &all, &n, err) < 0)
        return -1;
    rows = calloc(n + 1, sizeof(*rows));
    if (!rows || r->map_len != n * 12) {
        error_set(err, EBADMSG, "result of task %u is damaged", r->task);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t row = get_u32be(r->map + 12 * i + 8);

        if (get_u64be(r->map + 12 * i) == 0 && row < n) {
            rows[row] = all[i];
            count++;
        }
    }
    if (results_format(rows, count, &buf, &out->len, err) < 0)
        goto done;
    out->task = r->task;
    out->items = (int64_t)count;
    out->bytes = buf;
    rc = 0;
done:
    free(all);
    free(rows);
    return rc;
}

static int page_add(void *arg, const struct rec_result *r, struct error *err)
{
    struct page *p = arg;
    uint8_t *blob = NULL;
    const uint8_t *bytes = r->bytes;
    size_t len = r->len;
    int rc;

    if (p->bytes >= PAGE_BYTES || p->out.n == p->cap)
        return 0;
    if (!bytes) {
        blob = api_blob_bytes(p->call->ctl, &r->blob, &len, err);
        if (!blob)
            return -1;
        bytes = blob;
    }
    rc = primary_items(r, bytes, len, &p->out.v[p->out.n], err);
    free(blob);
    if (rc < 0)
        return -1;
    p->bytes += p->out.v[p->out.n++].len;
    p->last = r->task;
    return 0;
}

void route_job_results(struct call *call)
{
    struct page p = {.call = call, .cap = PAGE_TASKS, .last = -1};
    struct rec_job job;
    struct error err;
    int64_t first;

    if (!find_job(call, &job) ||
        api_query_int(call, "first", 0, UINT32_MAX, 0, &first) < 0)
        return;
    p.out.v = calloc(p.cap, sizeof(*p.out.v));
    if (!p.out.v) {
        call_refuse(call, ENOMEM, "out of memory");
        return;
    }
    if (store_results(call->ctl->store, job.job_id, (uint32_t)first, PAGE_TASKS,
                      page_add, &p, &err) < 0) {
        call_refuse(call, EAGAIN, err.text);
    } else {
        int64_t end = p.last >= 0 && (p.bytes >= PAGE_BYTES || p.out.n == p.cap)
                          ? p.last + 1
                          : first + PAGE_TASKS;

        p.out.next = end < job.tasks ? end : -1;
        call_json(call, 200, msg_task_results_encode(&p.out));
    }
    msg_task_results_clear(&p.out);
}

void route_job_evidence(struct call *call)
{
    struct rec_job job;

    if (find_job(call, &job))
        evidence_reply(call, job.job_id);
}
