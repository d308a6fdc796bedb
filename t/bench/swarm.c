/* SPDX-License-Identifier: Apache-2.0 */
/* swarm.c - simulated workers and a customer against a running cell
 *
 *   swarm --url URL --ca FILE --cell NAME --admin TOKENFILE --spec HEX …
 *
 * Makes parties, enrols workers, submits an array of echo tasks and works
 * until the job has ended.  Prints `key value` lines.  The last peer of the
 * crowd is the customer who looks at his job.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/http.h"
#include "common/message.h"
#include "common/sign.h"
#include "t/bench/crowd.h"
#include "t/bench/toil.h"

#define LOOK_MS 50
#define TIMES_MAX 1000000

struct options {
    const char *url, *ca, *cell, *admin, *spec, *zone;
    int workers, owners, referees, want, tasks, items, limit_s, pace_ms;
    int64_t fund_micro;
    bool submit_only, quiet;
};

struct worker {
    struct swarm *s;
    int64_t id, seq;
    struct sign_key *key;
    bool in_result; /* what it waits for */
};

struct swarm {
    struct options o;
    struct http *admin, *customer;
    struct crowd *crowd;
    struct worker *v;
    int n;
    char *token; /* the customer's */
    int64_t job_id, begun_us, ended_us, last_us;
    int64_t accepted, refused, items, batches;
    char state[32], reason[128], job_path[64], auth[128];
    struct toil_text body, ask, result_ask;
    int32_t *took; /* of grants with leases, µs */
    int n_took;
    bool stop, failed;
};

static int die(const struct error *err)
{
    fprintf(stderr, "swarm: %s\n", err->text);
    return 1;
}

/* ---- setting up, one request after the other -------------------------- */

static json_t *call(struct http *h, const char *method, const char *path,
                    json_t *body, struct error *err)
{
    struct http_reply r;
    size_t len = 0;
    char *text = body ? message_text(body, &len) : NULL;
    json_t *j = NULL;

    json_decref(body);
    if (http_do(h, method, path, -1, text, len, 120000, NULL, &r, err) == 0) {
        if (http_check(&r, path, err) == 0)
            j = json_loadb((char *)r.body, r.body_len, 0, NULL);
        http_reply_clear(&r);
    }
    free(text);
    return j;
}

static int64_t take_int(json_t *j, const char *key)
{
    int64_t v = json_integer_value(json_object_get(j, key));

    json_decref(j);
    return v;
}

static int64_t make_party(struct swarm *s, const char *role, int i,
                          struct error *err)
{
    char name[64];

    snprintf(name, sizeof(name), "swarm-%s-%d-%" PRId64, role, i,
             crowd_now_us());
    return take_int(call(s->admin, "POST", "/v1/admin/party",
                         json_pack("{s:s,s:[s]}", "name", name, "roles", role),
                         err),
                    "party_id");
}

static char *make_token(struct swarm *s, int64_t party, const char *kind,
                        struct error *err)
{
    json_t *j = call(s->admin, "POST", "/v1/admin/token",
                     json_pack("{s:I,s:s,s:I}", "party_id", (json_int_t)party,
                               "kind", kind, "ttl_s", (json_int_t)86400),
                     err);
    const char *t = json_string_value(json_object_get(j, "token"));
    char *copy = t ? strdup(t) : NULL;

    json_decref(j);
    return copy;
}

static int enrol(struct swarm *s, struct worker *w, int64_t party,
                 struct error *err)
{
    uint8_t seed[SIGN_KEY_LEN], pub[SIGN_KEY_LEN];
    char hex[SIGN_KEY_LEN * 2 + 1], *token = make_token(s, party, "enrol", err);

    if (!token || random_bytes(seed, sizeof(seed)) < 0 ||
        !(w->key = sign_key_from_seed(seed, err))) {
        free(token);
        return -1;
    }
    sign_key_public(w->key, pub);
    bytes_to_hex(pub, sizeof(pub), hex);
    w->s = s;
    w->id = take_int(call(s->admin, "POST", "/v1/enrol",
                          json_pack("{s:s,s:s}", "token", token, "pubkey", hex),
                          err),
                     "worker_id");
    free(token);
    return w->id > 0 ? 0 : -1;
}

static int fund(struct swarm *s, int64_t party, struct error *err)
{
    json_t *j;

    if (s->o.fund_micro == 0)
        return 0;
    j = call(s->admin, "POST", "/v1/admin/fund",
             json_pack("{s:I,s:s,s:I,s:I}", "party_id", (json_int_t)party,
                       "unit", "USD", "amount", (json_int_t)s->o.fund_micro,
                       "serial", (json_int_t)(crowd_now_us() & 0x7fffffffffff)),
             err);
    json_decref(j);
    return j ? 0 : -1;
}

static int set_up(struct swarm *s, struct error *err)
{
    int64_t customer = make_party(s, "customer", 0, err), *owner;

    s->token = customer > 0 ? make_token(s, customer, "user", err) : NULL;
    if (!s->token || fund(s, customer, err) < 0)
        return -1;
    s->customer = http_create(s->o.url, s->o.ca, s->token, err);
    s->n = s->o.workers + s->o.referees;
    s->v = calloc((size_t)s->n + 1, sizeof(*s->v));
    owner = calloc((size_t)s->o.owners + 1, sizeof(*owner));
    if (!s->customer || !s->v || !owner) {
        free(owner);
        return -1;
    }
    for (int i = 0; i < s->o.owners; i++)
        owner[i] = make_party(s, "owner", i, err);
    for (int i = 0; i < s->n; i++) {
        int64_t party = i >= s->o.workers ? 1
                        : s->o.owners     ? owner[i % s->o.owners]
                                          : customer;

        if (enrol(s, &s->v[i], party, err) < 0) {
            free(owner);
            return error_prefix(err, "worker %d of party %" PRId64, i, party);
        }
    }
    free(owner);
    return 0;
}

static json_t *jobspec(const struct swarm *s)
{
    struct msg_jobspec m = {0};
    struct rec_job *b = &m.job;

    if (random_bytes(b->submission_id, sizeof(b->submission_id)) < 0 ||
        digest_from_hex(s->o.spec, &b->spec) < 0)
        return NULL;
    snprintf(b->name, sizeof(b->name), "swarm");
    snprintf(b->user_name, sizeof(b->user_name), "bench");
    snprintf(b->kernel, sizeof(b->kernel), "echo");
    snprintf(b->zone, sizeof(b->zone), "%s", s->o.zone);
    digest_of("", 0, &b->params);
    b->is_array = true;
    b->array_step = 1;
    b->input = INPUT_INDEX;
    b->tasks = (uint32_t)s->o.tasks;
    b->items_per_task = (uint32_t)s->o.items;
    b->items = (uint64_t)b->tasks * b->items_per_task;
    b->units_per_item = 1;
    return msg_jobspec_encode(&m);
}

static int submit(struct swarm *s, struct error *err)
{
    json_t *spec = jobspec(s);
    int64_t from = crowd_now_us();

    if (!spec)
        return error_set(err, EINVAL, "\"%s\" is no digest", s->o.spec);
    s->job_id =
        take_int(call(s->customer, "POST", "/v1/job", spec, err), "job_id");
    if (s->job_id <= 0)
        return -1;
    s->begun_us = crowd_now_us();
    printf("submit_s %.6f\n", (double)(s->begun_us - from) / 1e6);
    fflush(stdout);
    snprintf(s->job_path, sizeof(s->job_path), "/v1/job/%" PRId64, s->job_id);
    snprintf(s->auth, sizeof(s->auth), "Authorization: Bearer %s\r\n",
             s->token);
    return 0;
}

/* ---- working ---------------------------------------------------------- */

static void fail(struct swarm *s, const char *what, const char *text)
{
    if (!s->failed)
        fprintf(stderr, "swarm: %s: %.300s\n", what, text);
    s->failed = s->stop = true;
}

static int64_t unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void post(struct peer *p, struct worker *w, const char *path, int later,
                 const struct toil_text *body)
{
    char text[1024], b64[96], headers[512], seq[48] = "";
    bool counted = strcmp(path, "/v1/result") == 0;
    int64_t now = unix_ms();
    uint8_t sig[SIGN_SIG_LEN];
    struct digest d;
    int n;

    w->in_result = counted;
    w->seq += counted;
    digest_of(body->p, body->len, &d);
    n = sign_request_text(text, sizeof(text), "POST", path, w->s->o.cell, w->id,
                          counted ? w->seq : -1, now, &d);
    if (n < 0 || sign_make(w->key, text, (size_t)n, sig) < 0) {
        fail(w->s, "could not sign", path);
        return;
    }
    base64_encode(sig, sizeof(sig), b64);
    if (counted)
        snprintf(seq, sizeof(seq), "Fallow-Seq: %" PRId64 "\r\n", w->seq);
    snprintf(headers, sizeof(headers),
             "Fallow-Node: %" PRId64 "\r\n%sFallow-Time: %" PRId64
             "\r\nFallow-Sig: %s\r\n",
             w->id, seq, now, b64);
    if (later) /* apart from each other */
        peer_ask_later(p, later / 2 + (int)(sig[0] * later / 255), "POST", path,
                       headers, body->p, body->len);
    else
        peer_ask(p, "POST", path, headers, body->p, body->len);
}

static void hear_customer(struct swarm *s, struct peer *p,
                          const struct crowd_reply *r)
{
    json_t *j = json_loadb(r->body, r->len, 0, NULL);
    const char *state = json_string_value(json_object_get(j, "state"));

    snprintf(s->state, sizeof(s->state), "%s", state ? state : "?");
    if (r->status != 200)
        fail(s, "the job is gone", r->body);
    else if (json_integer_value(json_object_get(j, "ended_us")) > 0) {
        s->ended_us = crowd_now_us();
        s->stop = true;
    } else {
        peer_ask_later(p, LOOK_MS, "GET", s->job_path, s->auth, NULL, 0);
    }
    json_decref(j);
}

static void heard(struct peer *p, const struct crowd_reply *r)
{
    struct worker *w = peer_get(p);
    struct swarm *s = w->s;
    struct toil_sum sum;
    struct error err;

    if (!w->key) {
        hear_customer(s, p, r);
        return;
    }
    if (r->status != 200) {
        fail(s, w->in_result ? "a result was refused" : "no lease", r->body);
        return;
    }
    if (toil_work(&s->body, r->body, r->len, s->result_ask.p, &sum, &err) < 0) {
        fail(s, "a grant", err.text);
        return;
    }
    s->accepted += sum.accepted;
    s->refused += sum.refused;
    s->items += sum.items;
    s->batches += w->in_result;
    if (sum.accepted)
        s->last_us = crowd_now_us();
    if (sum.reason[0])
        memcpy(s->reason, sum.reason, sizeof(s->reason));
    if (sum.leases && w->in_result && s->n_took < TIMES_MAX)
        s->took[s->n_took++] = (int32_t)r->took_us;
    if (sum.leases)
        post(p, w, "/v1/result", s->o.pace_ms, &s->body);
    else
        post(p, w, "/v1/lease", 0, &s->ask);
}

static int work(struct swarm *s, struct error *err)
{
    static struct worker customer;

    s->crowd = crowd_create(s->o.url, s->o.ca, (size_t)s->n + 1, heard, err);
    s->took = calloc(TIMES_MAX, sizeof(*s->took));
    if (!s->crowd || !s->took)
        return -1;
    toil_ask(&s->ask, s->o.want, 50, s->o.zone, s->o.spec);
    toil_ask(&s->result_ask, s->o.want, 0, s->o.zone, s->o.spec);
    for (int i = 0; i < s->n; i++) {
        struct peer *p = crowd_peer(s->crowd, (size_t)i);

        peer_set(p, &s->v[i]);
        post(p, &s->v[i], "/v1/lease", 0, &s->ask);
    }
    crowd_run(s->crowd, 1500, &s->stop); /* connect and park */
    if (s->stop || submit(s, err) < 0)
        return -1;
    customer.s = s;
    peer_set(crowd_peer(s->crowd, (size_t)s->n), &customer);
    peer_ask(crowd_peer(s->crowd, (size_t)s->n), "GET", s->job_path, s->auth,
             NULL, 0);
    crowd_run(s->crowd, s->o.limit_s * 1000, &s->stop);
    return s->failed ? -1 : 0;
}

static int by_size(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return x < y ? -1 : x > y;
}

static void report(struct swarm *s)
{
    struct crowd_counts c = crowd_counted(s->crowd);
    double took =
        (double)((s->ended_us ? s->ended_us : crowd_now_us()) - s->begun_us) /
        1e6;
    double run = (double)(s->last_us - s->begun_us) / 1e6;

    printf("job %" PRId64 "\nstate %s\nended %d\n", s->job_id, s->state,
           s->ended_us != 0);
    printf("seconds %.3f\ntasks_per_s %.0f\n", took, s->o.tasks / took);
    printf("accepted %" PRId64 "\nrefused %" PRId64 "\naccepted_per_s %.0f\n",
           s->accepted, s->refused, (double)s->accepted / run);
    printf("items %" PRId64 "\nbatches %" PRId64 "\n", s->items, s->batches);
    printf("broken %" PRIu64 "\nagain %" PRIu64 "\n", c.broken, c.again);
    if (s->n_took) {
        qsort(s->took, (size_t)s->n_took, sizeof(*s->took), by_size);
        printf("lease_p50_ms %.3f\nlease_p99_ms %.3f\n",
               s->took[s->n_took / 2] / 1e3,
               s->took[(int)((double)s->n_took * 0.99)] / 1e3);
    }
    if (s->reason[0])
        printf("reason %s\n", s->reason);
}

static const struct option names[] = {
    {"url", required_argument, NULL, 'u'},
    {"ca", required_argument, NULL, 'c'},
    {"cell", required_argument, NULL, 'n'},
    {"admin", required_argument, NULL, 'a'},
    {"spec", required_argument, NULL, 's'},
    {"zone", required_argument, NULL, 'z'},
    {"workers", required_argument, NULL, 'w'},
    {"owners", required_argument, NULL, 'o'},
    {"referees", required_argument, NULL, 'r'},
    {"want", required_argument, NULL, 'b'},
    {"tasks", required_argument, NULL, 't'},
    {"items", required_argument, NULL, 'i'},
    {"limit-s", required_argument, NULL, 'l'},
    {"pace-ms", required_argument, NULL, 'p'},
    {"fund-micro", required_argument, NULL, 'f'},
    {"submit-only", no_argument, NULL, 'S'},
    {NULL, 0, NULL, 0},
};

static int number(void)
{
    return (int)strtol(optarg, NULL, 10);
}

static int read_options(struct options *o, int argc, char **argv)
{
    int c;

    *o = (struct options){.cell = "home",
                          .zone = "cell",
                          .workers = 200,
                          .owners = 20,
                          .want = 64,
                          .tasks = 10000,
                          .items = 1,
                          .limit_s = 120};
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'u': o->url = optarg; break;
        case 'c': o->ca = optarg; break;
        case 'n': o->cell = optarg; break;
        case 'a': o->admin = optarg; break;
        case 's': o->spec = optarg; break;
        case 'z': o->zone = optarg; break;
        case 'w': o->workers = number(); break;
        case 'o': o->owners = number(); break;
        case 'r': o->referees = number(); break;
        case 'b': o->want = number(); break;
        case 't': o->tasks = number(); break;
        case 'i': o->items = number(); break;
        case 'l': o->limit_s = number(); break;
        case 'p': o->pace_ms = number(); break;
        case 'f': o->fund_micro = strtoll(optarg, NULL, 10); break;
        case 'S': o->submit_only = true; break;
        default: return -1;
        }
    }
    return o->url && o->ca && o->admin && o->spec ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct swarm s;
    struct error err = {""};
    void *token;
    size_t len;
    int rc;

    if (read_options(&s.o, argc, argv) < 0) {
        fprintf(stderr, "swarm: --url --ca --admin --spec are needed\n");
        return 2;
    }
    if (file_read(s.o.admin, 4096, &token, &len, &err) < 0)
        return die(&err);
    ((char *)token)[strcspn(token, "\n")] = '\0';
    s.admin = http_create(s.o.url, s.o.ca, token, &err);
    free(token);
    if (!s.admin || set_up(&s, &err) < 0)
        return die(&err);
    if (s.o.submit_only)
        return submit(&s, &err) < 0 ? die(&err) : 0;
    rc = work(&s, &err);
    if (rc < 0 && err.text[0])
        return die(&err);
    report(&s);
    return rc < 0 || !s.ended_us;
}
