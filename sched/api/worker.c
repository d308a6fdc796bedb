/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - what a worker asks and brings */
#include "sched/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void enrolled(struct call *call, int64_t worker_id, int64_t party_id)
{
    struct msg_enrolled done = {0};

    done.worker_id = worker_id;
    done.party_id = party_id;
    snprintf(done.cell, sizeof(done.cell), "%s", call->ctl->conf.cell_name);
    sign_key_public(call->ctl->key, done.cell_key);
    call_json(call, 200, msg_enrolled_encode(&done));
}

/* A worker by its key: enrolments are rare, so all are looked through. */
struct by_key {
    const uint8_t *pubkey;
    int64_t party_id, worker_id;
};

static bool has_key(void *arg, const struct worker_view *w)
{
    struct by_key *k = arg;

    if (w->worker.party_id == k->party_id &&
        memcmp(w->worker.pubkey, k->pubkey, SIGN_KEY_LEN) == 0)
        k->worker_id = w->worker.worker_id;
    return k->worker_id == 0;
}

/* A used token names the worker it made, when that worker asks again because
 * the first answer was lost.
 */
static void enrol_again(struct call *call, const struct rec_token *tok,
                        const struct msg_enrol *m)
{
    struct by_key k = {m->pubkey, tok->party_id, 0};

    cell_each_worker(call->ctl->cell, has_key, &k);
    if (k.worker_id)
        enrolled(call, k.worker_id, tok->party_id);
    else
        call_error(call, 401, EACCES,
                   "enrolment token was used before: ask for a new one");
}

static int decode_enrol(struct call *call, struct msg_enrol *m)
{
    json_t *j = api_json(call);
    struct error err;
    int rc;

    if (!j)
        return -1;
    rc = msg_enrol_decode(j, m, &err);
    json_decref(j);
    if (rc < 0)
        call_refuse(call, EINVAL, err.text);
    return rc;
}

void route_enrol(struct call *call)
{
    struct event ev = {.type = EV_ENROL, .req = 1};
    struct msg_enrol m = {{0}, {0}};
    const struct rec_token *tok;
    const struct answer *a;
    struct record used = {.type = REC_TOKEN};
    struct digest hash;

    if (decode_enrol(call, &m) < 0)
        return;
    digest_of(m.token, strlen(m.token), &hash);
    tok = book_token(call->ctl->book, &hash);
    if (!tok || tok->kind != TOKEN_ENROL || tok->revoked) {
        call_error(call, 401, EACCES, "enrolment token is not known here");
        return;
    }
    if (tok->used_us) {
        enrol_again(call, tok, &m);
        return;
    }
    if (tok->expires_us && ctl_now_us() >= tok->expires_us) {
        call_error(call, 401, EACCES, "enrolment token has expired");
        return;
    }
    used.token = *tok;
    used.token.used_us = ctl_now_us();
    ev.enrol.party_id = tok->party_id;
    ev.enrol.referee = tok->party_id == 1;
    memcpy(ev.enrol.pubkey, m.pubkey, sizeof(m.pubkey));
    a = ctl_step(call->ctl, &ev);
    if (!a || a->code != 0 || ctl_record(call->ctl, &used) < 0) {
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no memory");
        return;
    }
    enrolled(call, a->id, ev.enrol.party_id);
}

static void fill_ask(const struct msg_ask *m, int64_t worker_id,
                     struct ev_lease *out)
{
    out->worker_id = worker_id;
    out->want = (uint32_t)m->want;
    out->offer.cores = (uint32_t)m->offer.cores;
    out->offer.mem_bytes = m->offer.mem;
    out->offer.seconds = m->offer.seconds;
    out->offer.floor_micro = m->offer.floor_micro;
    memcpy(out->offer.zone, m->offer.zone, sizeof(out->offer.zone));
    out->offer.n_kernels = (uint32_t)m->offer.n_kernels;
    for (size_t i = 0; i < m->offer.n_kernels; i++) {
        struct offer_kernel *k = &out->offer.kernels[i];

        memcpy(k->name, m->offer.kernels[i].name, sizeof(k->name));
        k->spec = m->offer.kernels[i].spec;
        k->units_per_s = m->offer.kernels[i].units_per_s;
    }
}

/* Kernel and parameters a lease was computed under. */
static bool lease_job(struct call *call, const struct lease *l,
                      struct rec_job *job)
{
    int64_t id = l->job_id;

    if (id == 0 && l->n_items > 0)
        id = l->items[0].job_id;
    return cell_job(call->ctl->cell, id, job);
}

/* Leases of sealed texts that are this worker's; others are left out.  They
 * show which parameters it was granted, also by a controller before this one.
 */
static struct lease *open_tokens(struct call *call, char *const *v, size_t n,
                                 uint32_t *count)
{
    struct lease *out = calloc(n + 1, sizeof(*out));
    struct rec_job job;
    struct error err;

    *count = 0;
    for (size_t i = 0; out && i < n; i++) {
        if (token_open(call->ctl, v[i], &out[*count], &err) < 0)
            continue;
        if (out[*count].worker_id != call->worker_id) {
            token_clear(&out[*count]);
            continue;
        }
        if (lease_job(call, &out[*count], &job))
            book_grant(call->ctl->book, call->worker_id, &job.params);
        (*count)++;
    }
    return out;
}

static void close_tokens(struct lease *v, uint32_t n)
{
    for (uint32_t i = 0; v && i < n; i++)
        token_clear(&v[i]);
    free(v);
}

void route_lease(struct call *call)
{
    json_t *j = api_json(call);
    struct event ev = {.type = EV_LEASE, .req = 1};
    struct msg_ask m = {0};
    const struct answer *a;
    struct lease *held;
    struct error err;

    if (!j)
        return;
    if (msg_ask_decode(j, &m, &err) < 0) {
        json_decref(j);
        call_refuse(call, EINVAL, err.text);
        return;
    }
    json_decref(j);
    fill_ask(&m, call->worker_id, &ev.lease);
    ev.lease.may_park = m.wait_s > 0;
    held = open_tokens(call, m.held, m.n_held, &ev.lease.n_held);
    ev.lease.held = held;
    a = held ? ctl_step(call->ctl, &ev) : NULL;
    if (!a)
        call_refuse(call, ENOMEM, "out of memory");
    else if (!a->parked)
        grant_reply(call, a);
    else if (park_add(call->ctl->park, call, &ev,
                      ctl_now_us() + m.wait_s * 1000000) < 0)
        call_refuse(call, ENOMEM, "out of memory");
    close_tokens(held, ev.lease.n_held);
    msg_ask_clear(&m);
}

/* ---- results -------------------------------------------------------- */

/* One result on its way to the core. */
struct incoming {
    struct lease lease;
    struct item_result *items;
    uint8_t *blob;   /* bytes read from the blob store, or NULL */
    const char *bad; /* why it does not reach the core, or NULL */
};

/* Parse the bytes and recompute the root that was committed. */
static const char *check_bytes(struct call *call, const struct msg_result *m,
                               struct incoming *in, struct result_in *out)
{
    const uint8_t *bytes = m->bytes;
    size_t len = m->len, n;
    struct merkle_sum root;
    struct rec_job job;
    struct error err;

    if (m->has_blob) {
        if (book_owns_blob(call->ctl->book, call->party_id, &m->blob))
            in->blob = api_blob_bytes(call->ctl, &m->blob, &len, &err);
        bytes = in->blob;
        if (!bytes)
            return "the results blob was not uploaded";
        out->blob = m->blob;
    } else {
        out->bytes = m->bytes;
        out->len = (uint32_t)m->len;
    }
    if (!lease_job(call, &in->lease, &job))
        return "the job is gone";
    if (results_parse(bytes, len, &in->items, &n, &err) < 0)
        return "the results file is malformed";
    if (n != in->lease.n_items)
        return "the results file has another number of items than the lease";
    if (results_root(in->items, n, &job.spec, &job.params, &root, &err) < 0 ||
        !digest_equal(&root.hash, &m->root.hash) ||
        root.units != m->root.units || root.bytes != m->root.bytes)
        return "the root does not match the bytes";
    out->items = in->items;
    out->root = root;
    return NULL;
}

static void take(struct call *call, const struct msg_result *m,
                 struct incoming *in, struct result_in *out)
{
    struct error err;

    out->lease = &in->lease;
    out->status = (uint32_t)m->status;
    out->busy_us = m->busy_us;
    if (token_open(call->ctl, m->token, &in->lease, &err) < 0)
        in->bad = "token was not made by this cell";
    else if (in->lease.worker_id != call->worker_id)
        in->bad = "token is another worker's";
    else if (m->status == 0)
        in->bad = check_bytes(call, m, in, out);
}

static const char *fate_name(uint32_t fate)
{
    switch (fate) {
    case FATE_ACCEPTED: return "accepted";
    case FATE_DUPLICATE: return "duplicate";
    case FATE_STALE: return "stale";
    case FATE_RETRIED: return "retried";
    default: return "invalid";
    }
}

/* Fates in the order of the request: the core's, and the refused ones. */
static int fill_fates(const struct incoming *in, size_t n,
                      const struct answer *a, struct msg_grant *g)
{
    uint32_t k = 0;

    g->fates = calloc(n + 1, sizeof(*g->fates));
    if (!g->fates)
        return -1;
    g->n_fates = n;
    for (size_t i = 0; i < n; i++) {
        struct msg_fate *f = &g->fates[i];

        if (in[i].bad) {
            memcpy(f->fate, "invalid", 8);
            snprintf(f->reason, sizeof(f->reason), "%s", in[i].bad);
        } else {
            const struct answer_result *r = &a->results[k++];

            snprintf(f->fate, sizeof(f->fate), "%s", fate_name(r->fate));
            snprintf(f->reason, sizeof(f->reason), "%s", r->reason);
        }
    }
    return 0;
}

static void step_results(struct call *call, const struct msg_results *m,
                         struct incoming *in, struct result_in *results)
{
    struct event ev = {.type = EV_RESULT, .req = 1};
    struct msg_grant g = {0};
    const struct answer *a;
    struct error err;
    uint32_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        take(call, &m->v[i], &in[i], &results[n]);
        if (!in[i].bad)
            n++;
        else
            memset(&results[n], 0, sizeof(results[n]));
    }
    ev.result.worker_id = call->worker_id;
    ev.result.results = results;
    ev.result.n = n;
    ev.result.ask.worker_id = call->worker_id;
    if (m->has_ask)
        fill_ask(&m->ask, call->worker_id, &ev.result.ask);
    a = ctl_step(call->ctl, &ev);
    if (!a || a->code != 0)
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no answer");
    else if (grant_fill(call->ctl, a, &g, &err) < 0 ||
             fill_fates(in, m->n, a, &g) < 0)
        call_refuse(call, ENOMEM, "out of memory");
    else
        grant_send(call, &g);
    msg_grant_clear(&g);
}

void route_result(struct call *call)
{
    struct msg_results m = {0};
    struct incoming *in = NULL;
    struct result_in *results = NULL;
    struct error err;
    json_t *j;

    if (!auth_seq(call))
        return;
    j = api_json(call);
    if (!j)
        return;
    if (msg_results_decode(j, &m, &err) < 0) {
        json_decref(j);
        call_refuse(call, EINVAL, err.text);
        return;
    }
    json_decref(j);
    in = calloc(m.n + 1, sizeof(*in));
    results = calloc(m.n + 1, sizeof(*results));
    if (in && results)
        step_results(call, &m, in, results);
    else
        call_refuse(call, ENOMEM, "out of memory");
    for (size_t i = 0; in && i < m.n; i++) {
        token_clear(&in[i].lease);
        free(in[i].items);
        free(in[i].blob);
    }
    free(in);
    free(results);
    msg_results_clear(&m);
}

/* ---- renewing and handing back -------------------------------------- */

static int decode_tokens(struct call *call, struct msg_tokens *m)
{
    json_t *j = api_json(call);
    struct error err;
    int rc;

    if (!j)
        return -1;
    rc = msg_tokens_decode(j, m, &err);
    json_decref(j);
    if (rc < 0)
        call_refuse(call, EINVAL, err.text);
    return rc;
}

void route_renew(struct call *call)
{
    struct event ev = {.type = EV_RENEW, .req = 1};
    struct msg_tokens m = {0};
    struct msg_gone gone = {0};
    const struct answer *a;
    struct lease *v;

    if (decode_tokens(call, &m) < 0)
        return;
    v = open_tokens(call, m.v, m.n, &ev.leases.n);
    ev.leases.worker_id = call->worker_id;
    ev.leases.leases = v;
    gone.v = calloc(m.n + 1, sizeof(*gone.v));
    a = v && gone.v && ev.leases.n == m.n ? ctl_step(call->ctl, &ev) : NULL;
    if (!a) {
        call_refuse(call, EINVAL, "a token was not made for this worker");
    } else if (a->code != 0) {
        call_refuse(call, a->code, a->err.text);
    } else {
        for (uint32_t i = 0; i < a->n_gone; i++)
            if (a->gone[i])
                gone.v[gone.n++] = i;
        gone.head.batch = call->ctl->head.batch;
        gone.head.hash = call->ctl->head.hash;
        auth_reply(call, msg_gone_encode(&gone));
    }
    msg_gone_clear(&gone);
    close_tokens(v, ev.leases.n);
    msg_tokens_clear(&m);
}

void route_handback(struct call *call)
{
    struct event ev = {.type = EV_HANDBACK, .req = 1};
    struct msg_tokens m = {0};
    const struct answer *a;
    struct lease *v;

    if (!auth_seq(call) || decode_tokens(call, &m) < 0)
        return;
    v = open_tokens(call, m.v, m.n, &ev.leases.n);
    ev.leases.worker_id = call->worker_id;
    ev.leases.leases = v;
    a = v ? ctl_step(call->ctl, &ev) : NULL;
    if (!a || a->code != 0)
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no answer");
    else
        auth_reply(call, json_object());
    close_tokens(v, ev.leases.n);
    msg_tokens_clear(&m);
}
