/* SPDX-License-Identifier: Apache-2.0 */
/* dialog.c - what is said to the cell and what it answers
 *
 * One state-changing request is in flight at a time.  Its exact bytes and
 * number are on disk before it is sent (journal.h) and it is sent again until
 * it was answered: after a lost connection, after a crash, after 503.  What
 * the answer speaks of is acted upon before the request is marked answered.
 */
#include "worker/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

enum kind { ASK, COMMIT, RENEW, FETCH, UPLOAD };

#define REPLY_MS 30000
#define BODY_MAX (700u << 10) /* of inline results in one request */
#define BACKOFF_FIRST_US 250000
#define BACKOFF_MAX_US 60000000
#define BACKOFF_CLOCK_US 30000000 /* our clock is wrong: a person must act */
#define ONCE_WAIT_S 1

/* ---- asking for work ----------------------------------------------------- */

static void fill_offer(const struct agent *a, struct msg_offer *o)
{
    int64_t mem = machine_mem_available(NULL, NULL);

    memset(o, 0, sizeof(*o));
    o->cores = (int64_t)a->slots;
    o->mem = mem < 0 ? 0 : mem;
    o->seconds = a->verdict.seconds;
    o->floor_micro = a->set->floor;
    snprintf(o->zone, sizeof(o->zone), "%s", a->set->zone);
    for (size_t i = 0; i < a->kernels.n; i++) {
        const struct kernel *k = &a->kernels.v[i];
        struct msg_kernel *to = &o->kernels[o->n_kernels];

        if (k->paused_us > a->now_us)
            continue;
        memcpy(to->name, k->name, sizeof(to->name));
        to->spec = k->spec;
        to->units_per_s = kernel_speed(k);
        o->n_kernels++;
    }
}

/* How many more leases there is room for. */
static int64_t wanted(const struct agent *a)
{
    size_t room = (size_t)a->slots * 2, held = leases_held(&a->leases);

    if (a->verdict.action != ACT_SELL || held >= room)
        return 0;
    return (int64_t)(room - held > MESSAGE_BATCH_MAX ? MESSAGE_BATCH_MAX
                                                     : room - held);
}

/* held has room for LEASES_MAX borrowed tokens. */
static void fill_ask(const struct agent *a, struct msg_ask *m, char **held)
{
    memset(m, 0, sizeof(*m));
    m->want = wanted(a);
    m->wait_s = a->set->once ? ONCE_WAIT_S : a->set->wait_us / 1000000;
    m->held = held;
    fill_offer(a, &m->offer);
    for (size_t i = 0; i < a->leases.n && m->n_held < MESSAGE_BATCH_MAX; i++)
        if (lease_is_held(a->leases.v[i]))
            held[m->n_held++] = a->leases.v[i]->m.token;
}

/* Turn a message into an order's body; drops the reference. */
static struct order *order_json(enum kind kind, const char *path, json_t *j)
{
    struct order *o = j ? order_create(kind, "POST", path) : NULL;

    if (o && !(o->body = message_text(j, &o->len))) {
        order_destroy(o);
        o = NULL;
    }
    json_decref(j);
    return o;
}

static void step_poll(struct agent *a)
{
    char *held[LEASES_MAX];
    struct msg_ask m;
    struct order *o;

    if (!courier_idle(a->lines[LINE_POLL]) ||
        a->now_us < a->backoff[LINE_POLL].until_us || a->pending_asks ||
        wanted(a) == 0 || (a->set->once && a->emptied))
        return;
    fill_ask(a, &m, held);
    o = order_json(ASK, "/v1/lease", msg_ask_encode(&m));
    if (!o)
        return;
    o->timeout_ms = (long)m.wait_s * 1000 + REPLY_MS;
    a->emptied = false;
    courier_give(a->lines[LINE_POLL], o);
}

/* ---- telling results ------------------------------------------------------
 */

/* Write the request down, then send it. */
static void commit(struct agent *a, const char *path, json_t *j)
{
    struct journal_request *r = &a->pending;
    struct error err = {""};

    memset(r, 0, sizeof(*r));
    r->path = strdup(path);
    r->body = j ? message_text(j, &r->len) : NULL;
    r->seq = a->last_seq + 1;
    json_decref(j);
    if (!r->path || !r->body || journal_request_put(a->journal, r, &err) < 0) {
        agent_say("a request could not be written down: %s", err.text);
        journal_request_clear(r);
        for (size_t i = 0; i < a->n_flight; i++) {
            struct lease *l = leases_find(&a->leases, a->flight[i]);

            if (l)
                l->state = l->has_claim ? LEASE_CLAIMED : LEASE_BACK;
        }
        a->n_flight = 0;
        a->backoff[LINE_ACT].until_us = a->now_us + 1000000;
        return;
    }
    a->last_seq = r->seq;
}

/* The request on disk, once more or for the first time. */
static void send_pending(struct agent *a)
{
    struct order *o = order_create(COMMIT, "POST", a->pending.path);

    if (o)
        o->body = malloc(a->pending.len + 1);
    if (!o || !o->body) {
        order_destroy(o);
        return;
    }
    memcpy(o->body, a->pending.body, a->pending.len);
    o->len = a->pending.len;
    o->seq = a->pending.seq;
    o->timeout_ms = REPLY_MS;
    courier_give(a->lines[LINE_ACT], o);
}

static void begin_flight(struct agent *a, struct lease *l)
{
    a->flight[a->n_flight++] = l->serial;
    l->state = LEASE_SENT;
}

static bool begin_results(struct agent *a)
{
    struct msg_result v[MESSAGE_BATCH_MAX];
    struct msg_results m = {.v = v};
    char *held[LEASES_MAX];
    size_t bytes = 0;

    a->n_flight = 0;
    for (size_t i = 0; i < a->leases.n && m.n < MESSAGE_BATCH_MAX; i++) {
        struct lease *l = a->leases.v[i];

        if (l->state != LEASE_CLAIMED)
            continue;
        bytes += l->claim.len * 4 / 3 + strlen(l->m.token) + 512;
        if (m.n && bytes > BODY_MAX)
            break;
        v[m.n] = l->claim;
        v[m.n++].token = l->m.token;
        begin_flight(a, l);
    }
    if (!m.n)
        return false;
    if (wanted(a) && courier_idle(a->lines[LINE_POLL])) {
        m.has_ask = true;
        fill_ask(a, &m.ask, held);
    }
    a->pending_asks = m.has_ask;
    commit(a, "/v1/result", msg_results_encode(&m));
    return a->pending.seq > 0;
}

static bool begin_handback(struct agent *a)
{
    char *v[MESSAGE_BATCH_MAX];
    struct msg_tokens m = {.v = v};

    a->n_flight = 0;
    for (size_t i = 0; i < a->leases.n && m.n < MESSAGE_BATCH_MAX; i++)
        if (a->leases.v[i]->state == LEASE_BACK) {
            v[m.n++] = a->leases.v[i]->m.token;
            begin_flight(a, a->leases.v[i]);
        }
    if (!m.n)
        return false;
    a->pending_asks = false;
    commit(a, "/v1/handback", msg_tokens_encode(&m));
    return a->pending.seq > 0;
}

static bool begin_renew(struct agent *a)
{
    char *v[MESSAGE_BATCH_MAX];
    struct msg_tokens m = {.v = v};
    uint64_t *serials = calloc(MESSAGE_BATCH_MAX, sizeof(*serials));
    struct order *o;

    if (!serials)
        return false;
    for (size_t i = 0; i < a->leases.n && m.n < MESSAGE_BATCH_MAX; i++)
        if (lease_is_held(a->leases.v[i])) {
            serials[m.n] = a->leases.v[i]->serial;
            v[m.n++] = a->leases.v[i]->m.token;
        }
    a->renew_at_us = a->now_us + a->set->renew_us;
    o = m.n ? order_json(RENEW, "/v1/renew", msg_tokens_encode(&m)) : NULL;
    if (!o) {
        free(serials);
        return false;
    }
    o->arg = serials;
    o->timeout_ms = REPLY_MS;
    courier_give(a->lines[LINE_ACT], o);
    return true;
}

static void step_act(struct agent *a)
{
    if (!courier_idle(a->lines[LINE_ACT]) ||
        a->now_us < a->backoff[LINE_ACT].until_us)
        return;
    if (a->now_us >= a->renew_at_us && begin_renew(a))
        return;
    if (a->pending.seq || begin_handback(a) || begin_results(a))
        send_pending(a);
}

/* ---- blobs ----------------------------------------------------------------
 */

static void give_move(struct agent *a, enum kind kind, const char *method,
                      const struct digest *d, char *file, uint64_t serial)
{
    char hex[DIGEST_HEX_LEN + 1], path[96];
    uint64_t *arg = malloc(sizeof(*arg));
    struct order *o;

    digest_to_hex(d, hex);
    snprintf(path, sizeof(path), "/v1/blob/%s", hex);
    o = file && arg ? order_create(kind, method, path) : NULL;
    if (!o) {
        free(arg);
        free(file);
        return;
    }
    *arg = serial;
    o->arg = arg;
    if (kind == FETCH)
        o->get = file;
    else
        o->put = file;
    courier_give(a->lines[LINE_MOVE], o);
}

static void step_move(struct agent *a)
{
    if (!courier_idle(a->lines[LINE_MOVE]) ||
        a->now_us < a->backoff[LINE_MOVE].until_us)
        return;
    for (size_t i = 0; i < a->leases.n; i++) {
        struct lease *l = a->leases.v[i];
        struct digest d;
        char *dir = NULL;

        if (l->state == LEASE_UPLOAD) {
            give_move(a, UPLOAD, "PUT", &l->claim.blob,
                      file_path(l->dir, "results"), l->serial);
            return;
        }
        if (l->state == LEASE_PARAMS &&
            params_ready(a->params, &l->m.params, &dir, &d, NULL) == 1) {
            give_move(a, FETCH, "GET", &d, params_part(a->params, &d),
                      l->serial);
            return;
        }
        free(dir);
    }
}

void dialog_step(struct agent *a)
{
    step_move(a);
    step_act(a);
    step_poll(a);
    for (int i = 0; i < LINES; i++)
        if (a->backoff[i].until_us > a->now_us)
            agent_wake(a, a->backoff[i].until_us);
    if (leases_held(&a->leases))
        agent_wake(a, a->renew_at_us);
}

/* ---- answers ---------------------------------------------------------------
 */

/* Full jitter: anywhere in a range that doubles with every failure. */
static void back_off(struct agent *a, enum line line, int64_t least_us)
{
    struct backoff *b = &a->backoff[line];
    int64_t range = BACKOFF_FIRST_US;
    uint32_t dice = 0;

    for (unsigned i = 0; i < b->failures && range < BACKOFF_MAX_US; i++)
        range *= 2;
    if (range > BACKOFF_MAX_US)
        range = BACKOFF_MAX_US;
    b->failures++;
    random_bytes(&dice, sizeof(dice));
    b->until_us = a->now_us + least_us + (int64_t)dice * range / UINT32_MAX;
}

/* What is wrong is said once, until something else is or all is well. */
static void trouble(struct agent *a, const char *text)
{
    if (strncmp(a->tally.trouble, text, sizeof(a->tally.trouble) - 1) == 0)
        return;
    snprintf(a->tally.trouble, sizeof(a->tally.trouble), "%s", text);
    if (*text)
        agent_say("%s", text);
}

/* Whether the cell answered with 2xx; else the line rests a while. */
static bool answered(struct agent *a, enum line line, struct order *o)
{
    struct error err = {""};
    int64_t least = 0;

    if (o->rc < 0) {
        if (o->error == ECANCELED)
            return false;
        trouble(a, o->err.text);
        back_off(a, line, 0);
        return false;
    }
    if (http_check(&o->reply, o->path, &err) == 0) {
        a->backoff[line] = (struct backoff){0, 0};
        trouble(a, "");
        return true;
    }
    if (errno == EACCES || errno == EPERM) {
        least = BACKOFF_CLOCK_US;
        a->unwelcome = true;
    }
    if (o->reply.retry_after_s > 0)
        least = (int64_t)o->reply.retry_after_s * 1000000;
    if (o->reply.status != 409)
        trouble(a, err.text);
    back_off(a, line, least);
    return false;
}

/* Leases of a reply; *fates, when not NULL, receives the rest of it. */
static int take_grant(struct agent *a, enum line line,
                      const struct http_reply *r, struct msg_grant *m)
{
    struct error err = {""};
    json_t *j = message_parse(r->body, r->body_len, &err);
    int rc = j ? msg_grant_decode(j, m, &err) : -1;

    json_decref(j);
    if (rc < 0) {
        agent_say("the cell's answer is not understood: %s", err.text);
        return -1;
    }
    head_take(a, line, &m->head);
    for (size_t i = 0; i < m->n_leases; i++)
        tasks_grant(a, &m->leases[i]);
    return 0;
}

static void take_ask(struct agent *a, struct order *o)
{
    struct msg_grant m = {0};

    if (!answered(a, LINE_POLL, o))
        return;
    if (take_grant(a, LINE_POLL, &o->reply, &m) < 0)
        back_off(a, LINE_POLL, 0);
    else
        a->emptied = m.n_leases == 0;
    msg_grant_clear(&m);
}

static void take_fate(struct agent *a, struct lease *l,
                      const struct msg_fate *f)
{
    bool good = strcmp(f->fate, "accepted") == 0;

    if (good) {
        a->tally.accepted++;
        a->tally.units += (int64_t)l->claim.root.units;
        a->tally.busy_us += l->claim.busy_us;
        if (l->kernel)
            kernel_credit(l->kernel, (int64_t)l->claim.root.units,
                          l->claim.busy_us);
    } else {
        a->tally.refused++;
    }
    if (!good || a->set->verbose)
        agent_say("task %s: %s%s%s", l->m.id, f->fate, *f->reason ? ": " : "",
                  f->reason);
    tasks_drop(a, l);
}

static void finish(struct agent *a)
{
    struct error err = {""};

    if (journal_request_done(a->journal, &err) < 0)
        agent_say("%s", err.text);
    journal_request_clear(&a->pending);
    a->n_flight = 0;
    a->pending_asks = false;
}

/* The number is not the next one: take the cell's.  Whatever it has seen of
 * this before it will call duplicate.
 */
static void resync(struct agent *a, const struct http_reply *r)
{
    json_t *j = message_parse(r->body, r->body_len, NULL);
    json_int_t expected = json_integer_value(json_object_get(j, "expected"));
    struct error err = {""};

    json_decref(j);
    if (expected < 1) {
        agent_say("the cell refuses request %" PRId64
                  " and names no number it expects",
                  a->pending.seq);
        return;
    }
    agent_say("the cell expects request %" PRId64 ", not %" PRId64
              "; going on from there",
              (int64_t)expected, a->pending.seq);
    a->pending.seq = expected;
    if (journal_request_put(a->journal, &a->pending, &err) < 0)
        agent_say("%s", err.text);
    a->last_seq = expected;
    a->backoff[LINE_ACT].until_us = 0;
}

/* The cell will never take this body: forget it, and say what is lost. */
static void give_up(struct agent *a, const struct http_reply *r)
{
    struct error err = {""};

    http_check(r, a->pending.path, &err);
    agent_say("the cell refuses %zu leases at once: %s", a->n_flight, err.text);
    for (size_t i = 0; i < a->n_flight; i++) {
        struct lease *l = leases_find(&a->leases, a->flight[i]);

        if (l)
            tasks_drop(a, l);
    }
    a->tally.refused += (int64_t)a->n_flight;
    a->last_seq = a->pending.seq - 1;
    finish(a);
}

static void take_commit(struct agent *a, struct order *o)
{
    struct msg_grant m = {0};
    bool results = strcmp(o->path, "/v1/result") == 0;

    if (!answered(a, LINE_ACT, o)) {
        if (o->rc == 0 && o->reply.status == 409)
            resync(a, &o->reply);
        else if (o->rc == 0 &&
                 (o->reply.status == 400 || o->reply.status == 413))
            give_up(a, &o->reply);
        return;
    }
    if (results && take_grant(a, LINE_ACT, &o->reply, &m) < 0) {
        back_off(a, LINE_ACT, 0);
        return;
    }
    for (size_t i = 0; i < a->n_flight; i++) {
        struct lease *l = leases_find(&a->leases, a->flight[i]);

        if (l && results && i < m.n_fates) {
            take_fate(a, l, &m.fates[i]);
        } else if (l && !results) {
            a->tally.handed_back++;
            tasks_drop(a, l);
        } else if (l) {
            l->state = LEASE_CLAIMED; /* it was not answered */
        }
    }
    if (results && a->pending_asks)
        a->emptied = m.n_leases == 0;
    msg_grant_clear(&m);
    finish(a);
}

static void take_renew(struct agent *a, struct order *o)
{
    const uint64_t *serials = o->arg;
    struct msg_gone m = {0};
    json_t *j;

    if (!answered(a, LINE_ACT, o))
        return;
    j = message_parse(o->reply.body, o->reply.body_len, NULL);
    if (j && msg_gone_decode(j, &m, NULL) == 0) {
        head_take(a, LINE_ACT, &m.head);
        for (size_t i = 0; i < m.n; i++) {
            struct lease *l = m.v[i] >= 0 && m.v[i] < MESSAGE_BATCH_MAX
                                  ? leases_find(&a->leases, serials[m.v[i]])
                                  : NULL;

            if (!l || !lease_is_held(l))
                continue;
            agent_say("task %s is no longer ours", l->m.id);
            tasks_kill(a, l);
            tasks_drop(a, l);
        }
        msg_gone_clear(&m);
    }
    json_decref(j);
}

static void take_fetch(struct agent *a, struct order *o)
{
    struct lease *l = leases_find(&a->leases, *(uint64_t *)o->arg);
    struct error err = {""};
    struct digest d;

    if (!answered(a, LINE_MOVE, o)) {
        if (l && o->rc == 0 && o->reply.status == 404)
            l->state = LEASE_BACK;
        return;
    }
    if (digest_from_hex(strrchr(o->path, '/') + 1, &d) == 0 &&
        params_take(a->params, &d, &err) < 0) {
        agent_say("a lease is handed back: %s", err.text);
        back_off(a, LINE_MOVE, 0);
        if (l)
            l->state = LEASE_BACK;
    }
}

static void take_upload(struct agent *a, struct order *o)
{
    struct lease *l = leases_find(&a->leases, *(uint64_t *)o->arg);

    if (answered(a, LINE_MOVE, o) && l && l->state == LEASE_UPLOAD)
        l->state = LEASE_CLAIMED;
}

void dialog_take(struct agent *a, enum line line)
{
    struct order *o;

    while ((o = courier_take(a->lines[line]))) {
        switch ((enum kind)o->kind) {
        case ASK: take_ask(a, o); break;
        case COMMIT: take_commit(a, o); break;
        case RENEW: take_renew(a, o); break;
        case FETCH: take_fetch(a, o); break;
        case UPLOAD: take_upload(a, o); break;
        }
        free(o->arg);
        order_destroy(o);
    }
}

bool dialog_is_done(const struct agent *a)
{
    return !a->pending.seq && a->leases.n == 0;
}

/* Which of our leases a body on disk speaks of. */
static int recall_flight(struct agent *a, struct error *err)
{
    json_t *j = message_parse(a->pending.body, a->pending.len, err);
    struct msg_results r = {0};
    struct msg_tokens t = {0};
    bool results = strcmp(a->pending.path, "/v1/result") == 0;
    int rc = -1;

    if (j)
        rc = results ? msg_results_decode(j, &r, err)
                     : msg_tokens_decode(j, &t, err);
    json_decref(j);
    if (rc < 0)
        return error_prefix(err, "the request in the journal");
    a->pending_asks = r.has_ask;
    for (size_t i = 0; i < (results ? r.n : t.n) && i < MESSAGE_BATCH_MAX;
         i++) {
        struct lease *l =
            leases_by_token(&a->leases, results ? r.v[i].token : t.v[i]);

        a->flight[a->n_flight++] = l ? l->serial : 0;
        if (l)
            l->state = LEASE_SENT;
    }
    msg_results_clear(&r);
    msg_tokens_clear(&t);
    return 0;
}

int dialog_recall(struct agent *a, struct error *err)
{
    if (journal_request_get(a->journal, &a->pending, &a->last_seq, err) < 0)
        return -1;
    return a->pending.seq ? recall_flight(a, err) : 0;
}
