/* SPDX-License-Identifier: Apache-2.0 */
/* wire_jobs.c - bad input to a living cell: jobs, blobs, and who sees what */
#include "sched/api/test/wire.h"

#include <inttypes.h>
#include <unistd.h>

#include "common/items.h"

#define HEX (DIGEST_HEX_LEN + 1)

static int64_t customer(struct wire *w, const char *name, int64_t micro,
                        char token[65])
{
    int64_t party = make_party(&w->c, name, "[\"customer\",\"owner\"]");

    make_token(&w->c, party, "user", 3600, token);
    if (micro)
        fund(&w->c, party, micro);
    return party;
}

int story_money(struct wire *w)
{
    struct client *c = &w->c;
    struct msg_jobspec m = echo_job(w->spec, "cell", 1000, 1000);
    char token[65];

    customer(w, "m-party", 1000000, token);
    ok(submit(c, token, &m) < 0 &&
           says(c, 402,
                "quote 4.4000 USD exceeds prepaid 1.0000 USD; fund party"),
       "too little prepaid names both sums and the remedy");
    m = echo_job(w->spec, "cell", 10, 1000);
    m.max_amount = 1000;
    ok(submit(c, token, &m) < 0 &&
           says(c, 402, "exceeds the limit 0.0010 USD given with the job"),
       "so does a quote above the customer's limit");
    client_ask(c, token, "GET", "/v1/job", NULL);
    ok(strstr(c->r.body, "\"jobs\":[]") != NULL, "and nothing was begun");
    return verdict();
}

static void twice(struct wire *w, const char *token, const char *other)
{
    struct client *c = &w->c;
    struct msg_jobspec m = echo_job(w->spec, "own", 3, 3);
    int64_t job = submit(c, token, &m), again;

    again = submit(c, token, &m);
    ok(job > 0 && again == job, "a submission sent twice is one job");
    m.job.tasks = 4;
    m.job.items = 12;
    again = submit(c, token, &m);
    ok(again == job || c->r.status == 409,
       "its number with another job starts no second one");
    m = echo_job(w->spec, "own", 3, 3);
    again = submit(c, token, &m);
    memcpy(&m.job.name, "other", 6);
    job = submit(c, other, &m);
    ok(job > 0 && job != again, "another party's equal number is another job");
}

int story_submit(struct wire *w)
{
    struct client *c = &w->c;
    struct msg_jobspec m = echo_job(w->spec, "cell", 2, 2);
    char token[65], other[65];

    customer(w, "j-party", 1000000, token);
    customer(w, "j-other", 0, other);
    memcpy(m.job.kernel, "mining", 7);
    ok(submit(c, token, &m) < 0 &&
           says(c, 404, "there is no tariff for kernel \\\"mining\\\""),
       "an unknown kernel is named");
    m = echo_job(w->spec, "moon", 2, 2);
    ok(submit(c, token, &m) < 0 &&
           says(c, 400, "zone \\\"moon\\\" is unknown: own, site, cell"),
       "an unknown zone is named with those there are");
    m = echo_job(w->spec, "cell", 2, 2);
    m.job.items = 7;
    ok(submit(c, token, &m) < 0 &&
           says(c, 400, "7 items do not fill 2 tasks of 2 items"),
       "items that do not fill the tasks are counted");
    m = echo_job(w->spec, "cell", 2, 2);
    m.job.units_per_item = INT64_MAX / 2;
    ok(submit(c, token, &m) < 0 && says(c, 400, "exceeds 2^63"),
       "units that overflow are refused");
    m = echo_job(w->spec, "own", 10000001, 1);
    ok(submit(c, token, &m) < 0 &&
           says(c, 400, "\\\"tasks\\\" is 10000001, not in 1 to 10000000"),
       "too many tasks are refused");
    m = echo_job(w->spec, "own", 2, 2);
    memcpy(m.job.name, "a\nb", 4);
    ok(submit(c, token, &m) < 0 && says(c, 400, "name"),
       "a job's name holds no control characters");
    twice(w, token, other);
    return verdict();
}

static struct reply *blob(struct wire *w, const char *token, const char *method,
                          const char *tail, const char *body)
{
    char path[512];

    snprintf(path, sizeof(path), "/v1/blob/%s", tail);
    return client_ask(&w->c, token, method, path, body);
}

static void paths(struct wire *w, const char *token, const char *hex)
{
    char tail[256];
    static const char *const bad[] = {
        "..", "../../../etc/passwd", "%2e%2e/x", "0", "", "/", ".",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        blob(w, token, "GET", bad[i], NULL);
        ok(w->c.r.status == 400 || w->c.r.status == 404,
           "\"%s\" is no blob's name", bad[i]);
    }
    snprintf(tail, sizeof(tail), "../blob/%s", hex);
    blob(w, token, "GET", tail, NULL);
    ok(w->c.r.status == 400 || w->c.r.status == 404,
       "nor is one with a path before it");
    snprintf(tail, sizeof(tail), "%s/", hex);
    blob(w, token, "GET", tail, NULL);
    ok(w->c.r.status == 400 || w->c.r.status == 404, "or after it");
    snprintf(tail, sizeof(tail), "x/%s", hex);
    blob(w, token, "PUT", tail, "right bytes");
    ok(w->c.r.status == 400 || w->c.r.status == 404,
       "and nothing is put under one");
}

int story_blobs(struct wire *w)
{
    struct client *c = &w->c;
    char mine[65], theirs[65], hex[HEX], none[HEX], auth[128];
    const char *large[] = {auth, "Content-Length: 5000000000", NULL};
    struct digest d, absent;
    char *same;

    customer(w, "bl-party", 0, mine);
    customer(w, "bl-other", 0, theirs);
    put_blob(c, mine, "right bytes", 11, &d);
    digest_to_hex(&d, hex);
    digest_of("never sent", 10, &absent);
    digest_to_hex(&absent, none);
    ok(blob(w, mine, "GET", hex, NULL)->status == 200 &&
           strcmp(c->r.body, "right bytes") == 0,
       "a party reads what it uploaded");
    blob(w, mine, "PUT", none, "other bytes");
    ok(says(c, 409, "the 11 bytes received have digest"),
       "bytes of another digest are refused");
    ok(blob(w, mine, "GET", none, NULL)->status == 404,
       "and nothing is kept of them");
    blob(w, theirs, "GET", none, NULL);
    same = strdup(c->r.body);
    blob(w, theirs, "GET", hex, NULL);
    ok(c->r.status == 404 && strcmp(c->r.body, same) == 0,
       "another party's blob looks like a missing one");
    ok(blob(w, theirs, "HEAD", hex, NULL)->status == 404, "also by HEAD");
    blob(w, theirs, "PUT", hex, "wrong bytes");
    ok(says(c, 409, "have digest"), "and cannot be claimed without its bytes");
    ok(blob(w, theirs, "GET", hex, NULL)->status == 404, "nor by trying");
    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", mine);
    client_send(c, "PUT", "/v1/blob/x", large, "x", 1);
    ok(c->r.status == 413 || c->r.status == 400 || c->r.status == 404,
       "five gigabytes are refused before they are sent");
    blob(w, "", "PUT", hex, "right bytes");
    ok(says(c, 401, "who asks?"), "nobody uploads nothing");
    paths(w, mine, hex);
    free(same);
    return verdict();
}

/* A job whose tasks are blobs; every one the same. */
static struct msg_jobspec blob_job(struct wire *w, struct digest *v,
                                   uint32_t tasks, uint32_t per)
{
    struct msg_jobspec m = echo_job(w->spec, "own", tasks, per);

    m.job.input = INPUT_BLOBS;
    m.job.blobs = v;
    return m;
}

/* A lease carries its items inline, so a task's are bounded. */
static void large_task(struct wire *w, const char *mine)
{
    struct item item = {calloc(1, 600 << 10), 600 << 10};
    struct msg_jobspec m;
    struct digest d;
    struct error err;
    void *file;
    size_t len;

    items_format(&item, 1, &file, &len, &err);
    put_blob(&w->c, mine, file, len, &d);
    m = blob_job(w, &d, 1, 1);
    ok(submit(&w->c, mine, &m) < 0 &&
           says(&w->c, 400, "items of task 0 are 614420 bytes, at most 524288"),
       "a task too large for a lease is refused with both sizes");
    free(file);
    free((void *)(uintptr_t)item.bytes);
}

static void task_blobs(struct wire *w, const char *mine, const char *theirs)
{
    struct client *c = &w->c;
    struct item items[2] = {{(const uint8_t *)"ab", 2},
                            {(const uint8_t *)"c", 1}};
    struct digest d, text;
    struct msg_jobspec m;
    struct error err;
    void *file;
    size_t len;

    items_format(items, 2, &file, &len, &err);
    digest_of(file, len, &d);
    m = blob_job(w, &d, 1, 2);
    ok(submit(c, mine, &m) < 0 &&
           says(c, 400, "the items of task 0 were not uploaded"),
       "a job of blobs that were not uploaded is refused");
    put_blob(c, theirs, file, len, &d);
    ok(submit(c, mine, &m) < 0 &&
           says(c, 400, "the items of task 0 were not uploaded"),
       "in the same words when another party uploaded them");
    put_blob(c, mine, file, len, &d);
    m = blob_job(w, &d, 1, 3);
    ok(submit(c, mine, &m) < 0 && says(c, 400, "task 0 has 2 items, not 3"),
       "a blob of another number of items is refused");
    put_blob(c, mine, "no items", 8, &text);
    m = blob_job(w, &text, 1, 1);
    ok(submit(c, mine, &m) < 0 && says(c, 400, "items of task 0"),
       "so is a blob that is no items file");
    m = blob_job(w, &d, 1, 2);
    ok(submit(c, mine, &m) > 0, "and the right one is taken");
    free(file);
    large_task(w, mine);
}

/* One line of a manifest, uploaded: a job's parameters. */
static struct digest manifest(struct wire *w, const char *token,
                              const struct digest *file, size_t len)
{
    char text[256], hex[HEX];
    struct digest d;
    int n;

    digest_to_hex(file, hex);
    n = snprintf(text, sizeof(text), "model %zu %s\n", len, hex);
    put_blob(&w->c, token, text, (size_t)n, &d);
    return d;
}

static void read_as_worker(struct wire *w, struct hand *h,
                           const struct digest *d, long status,
                           const char *name)
{
    char path[128], hex[HEX];

    digest_to_hex(d, hex);
    snprintf(path, sizeof(path), "/v1/blob/%s", hex);
    client_sign(&w->c, h, -1, "GET", path, NULL, 0, NULL);
    ok(w->c.r.status == status, "%s", name);
}

int story_foreign_blobs(struct wire *w)
{
    struct client *c = &w->c;
    char mine[65], theirs[65];
    int64_t party = customer(w, "f-party", 0, mine);
    struct msg_jobspec m = echo_job(w->spec, "own", 1, 1);
    struct digest secret, model;
    struct msg_grant g;
    struct hand h;

    customer(w, "f-other", 0, theirs);
    make_worker(c, party, &h);
    task_blobs(w, mine, theirs);
    put_blob(c, theirs, "their model", 11, &secret);
    put_blob(c, mine, "my model", 8, &model);
    m.job.params = manifest(w, theirs, &secret, 11);
    ok(submit(c, mine, &m) < 0 &&
           says(c, 400, "the manifest of the parameters was not uploaded"),
       "another party's parameters are not there");
    m.job.params = manifest(w, mine, &secret, 11);
    ok(submit(c, mine, &m) < 0 &&
           says(c, 400, "\\\"model\\\" of the parameters was not uploaded"),
       "a manifest cannot name another party's file");
    m.job.params = manifest(w, mine, &model, 8);
    read_as_worker(w, &h, &model, 404, "a worker reads nothing unasked");
    ok(submit(c, mine, &m) > 0, "parameters of one's own are taken");
    ok(take_leases(c, &h, w->spec, 8, &g) > 0, "a worker is given the work");
    read_as_worker(w, &h, &model, 200, "and reads the files it needs");
    read_as_worker(w, &h, &m.job.params, 200, "their manifest");
    read_as_worker(w, &h, &secret, 404, "and no other party's");
    msg_grant_clear(&g);
    hand_clear(&h);
    return verdict();
}

/* ---- who sees what ---------------------------------------------------- */

static void refused(struct wire *w, const char *token, const char *method,
                    const char *path, const char *missing)
{
    char *same;

    client_ask(&w->c, token, method, missing, NULL);
    same = strdup(w->c.r.body);
    for (char *p = same; (p = strstr(p, "999999"));)
        memmove(p + 1, p + 6, strlen(p + 6) + 1), *p = 'N';
    client_ask(&w->c, token, method, path, NULL);
    ok(w->c.r.status == 403 || w->c.r.status == 404, "%s %s is not for others",
       method, path);
    free(same);
}

static void others_jobs(struct wire *w, const char *other, int64_t job,
                        int64_t party)
{
    static const char *const tails[] = {"", "/results", "/evidence"};
    char path[128], reply[256];

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/v1/job/%" PRId64 "%s", job, tails[i]);
        refused(w, other, "GET", path, "/v1/job/999999");
    }
    snprintf(path, sizeof(path), "/v1/job/%" PRId64, job);
    refused(w, other, "DELETE", path, "/v1/job/999999");
    snprintf(path, sizeof(path), "/v1/job/%" PRId64 "/hold", job);
    refused(w, other, "POST", path, "/v1/job/999999/hold");
    snprintf(path, sizeof(path), "/v1/explain?job=%" PRId64, job);
    client_ask(&w->c, other, "GET", path, NULL);
    snprintf(reply, sizeof(reply), "there is no job %" PRId64, job);
    ok(strstr(w->c.r.body, reply) != NULL, "explain knows no other's job");
    snprintf(path, sizeof(path), "/v1/report/statement?party=%" PRId64, party);
    refused(w, other, "GET", path, "/v1/report/statement?party=999999");
    client_ask(&w->c, other, "GET", "/v1/report/journal", NULL);
    ok(says(&w->c, 403, "only the cell's operator"),
       "the journal of all parties is the operator's");
    client_ask(&w->c, other, "GET", "/v1/report/audit", NULL);
    ok(says(&w->c, 403, "only the cell's operator"), "so is the audit");
    client_ask(&w->c, other, "GET", "/v1/job", NULL);
    ok(strstr(w->c.r.body, "\"jobs\":[],\"leases\":[]") ||
           strstr(w->c.r.body, "\"leases\":[],\"jobs\":[]"),
       "squeue shows others' jobs to nobody");
    client_ask(&w->c, other, "GET", "/v1/sacct", NULL);
    ok(strcmp(w->c.r.body, "{\"jobs\":[]}") == 0, "nor does sacct");
}

/* Nothing a customer can ask names an owner, a user or a machine. */
static void pseudonyms(struct wire *w, const char *token, int64_t job)
{
    static const char *const asks[] = {
        "/v1/job",
        "/v1/node",
        "/v1/sacct",
        "/v1/job/%jd",
        "/v1/job/%jd/results",
        "/v1/job/%jd/evidence",
        "/v1/explain?job=%jd",
        "/v1/report/invoice",
        "/v1/report/balance",
        "/v1/report/invoice?format=json",
        "/v1/ping",
    };
    char path[128], host[256] = "";
    int leaks = 0;

    gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        const char *b;

        snprintf(path, sizeof(path), "%s", asks[i]);
        if (strstr(asks[i], "%jd")) {
            int n = (int)(strstr(asks[i], "%jd") - asks[i]);

            snprintf(path, sizeof(path), "%.*s%" PRId64 "%s", n, asks[i], job,
                     asks[i] + n + 3);
        }
        b = client_ask(&w->c, token, "GET", path, NULL)->body;
        if (w->c.r.status != 200)
            fprintf(stderr, "# %s: %ld %s\n", path, w->c.r.status, b);
        if (w->c.r.status != 200 || strstr(b, "zz-owner") ||
            strstr(b, "zz-third") || (strlen(host) > 3 && strstr(b, host))) {
            fprintf(stderr, "# %s tells: %.400s\n", path, b);
            leaks++;
        }
    }
    ok(leaks == 0, "a customer's answers name no owner and no host");
}

int story_privacy(struct wire *w)
{
    struct client *c = &w->c;
    char token[65], other[65], owner[65], *body;
    int64_t party = customer(w, "zz-customer", 1000000, token), job;
    int64_t owning = customer(w, "zz-owner", 0, owner);
    struct msg_jobspec m = echo_job(w->spec, "cell", 4, 2);
    struct msg_grant g;
    struct hand h;

    customer(w, "zz-third", 0, other);
    make_worker(c, owning, &h);
    job = submit(c, token, &m);
    ok(job > 0 && take_leases(c, &h, w->spec, 4, &g) == 4,
       "an owner's machine works for a stranger");
    ok(!strstr(c->r.body, "zz-") && !strstr(c->r.body, "u-secret"),
       "and its leases do not say whose work it is");
    body = make_results(&g, 4, NULL);
    ok(post_results(c, &h, body) && fate_is(c, 3, "accepted", ""),
       "the results are accepted");
    others_jobs(w, other, job, party);
    others_jobs(w, owner, job, party);
    pseudonyms(w, token, job);
    client_ask(c, owner, "GET", "/v1/report/statement", NULL);
    ok(c->r.status == 200 && !strstr(c->r.body, "zz-customer") &&
           !strstr(c->r.body, "u-secret"),
       "the owner's statement names no customer");
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
    return verdict();
}
