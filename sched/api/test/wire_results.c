/* SPDX-License-Identifier: Apache-2.0 */
/* wire_results.c - bad input to a living cell: leases, results, and crashes */
#include "sched/api/test/wire.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"

struct job {
    int64_t party, id;
    char token[65];
};

static void own_job(struct wire *w, const char *name, uint32_t tasks,
                    uint32_t per, struct job *j)
{
    struct msg_jobspec m = echo_job(w->spec, "own", tasks, per);

    j->party = make_party(&w->c, name, "[\"owner\",\"customer\"]");
    make_token(&w->c, j->party, "user", 3600, j->token);
    j->id = submit(&w->c, j->token, &m);
    ok(j->id > 0, "%s submits a job", name);
}

/* A new worker brings one lease's result with a fraud in it. */
static void fraud(struct wire *w, const struct job *j, const struct fraud *f,
                  const char *fate, const char *reason, const char *name)
{
    struct msg_grant g;
    struct hand h;
    char *body;

    make_worker(&w->c, j->party, &h);
    ok(take_leases(&w->c, &h, w->spec, 1, &g) == 1, "a worker has a lease");
    body = make_results(&g, 1, f);
    ok(post_results(&w->c, &h, body) && fate_is(&w->c, 0, fate, reason), "%s",
       name);
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
}

static void foreign_tokens(struct wire *w, const struct job *j)
{
    struct msg_grant g;
    struct hand a, b;
    char *body, *bent, text[16384];
    int n;

    make_worker(&w->c, j->party, &a);
    make_worker(&w->c, j->party, &b);
    ok(take_leases(&w->c, &a, w->spec, 1, &g) == 1, "a worker has a lease");
    body = make_results(&g, 1, NULL);
    ok(post_results(&w->c, &b, body) &&
           fate_is(&w->c, 0, "invalid", "token is another worker's"),
       "another worker cannot bring its result");
    n = snprintf(text, sizeof(text), "{\"leases\":[\"%s\"]}",
                 g.leases[0].token);
    client_sign(&w->c, &b, -1, "POST", "/v1/renew", text, (size_t)n, NULL);
    ok(says(&w->c, 400, "a token was not made for this worker"),
       "nor renew it");
    client_sign(&w->c, &b, ++b.seq, "POST", "/v1/handback", text, (size_t)n,
                NULL);
    ok(w->c.r.status == 200, "a foreign token handed back is passed over");
    client_sign(&w->c, &a, -1, "POST", "/v1/renew", text, (size_t)n, NULL);
    ok(w->c.r.status == 200 && strstr(w->c.r.body, "\"gone\":[]"),
       "and the lease stays with the first");
    bent = strdup(g.leases[0].token);
    bent[40] = bent[40] == 'A' ? 'B' : 'A';
    free(body);
    body = make_results(&g, 1, &(struct fraud){.token = bent});
    ok(post_results(&w->c, &a, body) &&
           fate_is(&w->c, 0, "invalid", "token was not made by this cell"),
       "a forged token is refused");
    free(bent);
    free(body);
    msg_grant_clear(&g);
    hand_clear(&a);
    hand_clear(&b);
}

static void twice_in_one(struct wire *w, const struct job *j)
{
    struct msg_grant g;
    struct hand h;
    char *body;

    make_worker(&w->c, j->party, &h);
    ok(take_leases(&w->c, &h, w->spec, 2, &g) == 2, "a worker has two leases");
    free(g.leases[1].token);
    g.leases[1].token = strdup(g.leases[0].token);
    body = make_results(&g, 2, NULL);
    ok(post_results(&w->c, &h, body) && fate_is(&w->c, 0, "accepted", "") &&
           !strstr(w->c.r.body, "accepted\",\"reason\":\"held until the window "
                                "verifies\"},{\"fate\":\"accepted"),
       "one lease brought twice in a body counts once");
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
}

/* Uploaded by nobody, or by somebody else: the same answer. */
static void stolen_blob(struct wire *w, const struct job *j)
{
    struct fraud f = {.blob = true};
    struct msg_grant g;
    struct digest d;
    struct hand h;
    char *body, *first, token[65];
    int64_t other = make_party(&w->c, "r-other", "[\"customer\"]");

    make_token(&w->c, other, "user", 3600, token);
    make_worker(&w->c, j->party, &h);
    ok(take_leases(&w->c, &h, w->spec, 1, &g) == 1, "a worker has a lease");
    body = make_results(&g, 1, &f);
    ok(post_results(&w->c, &h, body) &&
           fate_is(&w->c, 0, "invalid", "the results blob was not uploaded"),
       "a results blob that is not there is missed");
    first = strdup(w->c.r.body);
    free(body);
    put_blob(&w->c, token, "somebody's secret", 17, &d);
    body = make_results(&g, 1, &f);
    {
        char hex[DIGEST_HEX_LEN + 1], *at = strstr(body, "\"blob\"");

        digest_to_hex(&d, hex);
        at = at ? strchr(at + 6, '"') : NULL;
        if (at)
            memcpy(at + 1, hex, DIGEST_HEX_LEN);
    }
    ok(post_results(&w->c, &h, body) && strcmp(w->c.r.body, first) == 0,
       "and a stranger's blob is as little there");
    free(first);
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
}

int story_results(struct wire *w)
{
    struct job j;

    own_job(w, "r-party", 24, 2, &j);
    fraud(w, &j, &(struct fraud){.root = true}, "invalid",
          "the root does not match the bytes", "a false root is found");
    fraud(w, &j, &(struct fraud){.count = true}, "invalid",
          "another number of items than the lease", "so is a missing item");
    fraud(w, &j, &(struct fraud){.units = true}, "invalid",
          "more units than the task was quoted at", "so are too many units");
    fraud(w, &j, &(struct fraud){.token = "AAAA"}, "invalid",
          "token was not made by this cell", "a token out of thin air is not");
    fraud(w, &j, &(struct fraud){.token = ""}, "invalid",
          "token was not made by this cell", "nor is an empty one");
    foreign_tokens(w, &j);
    twice_in_one(w, &j);
    stolen_blob(w, &j);
    client_ask(&w->c, "", "GET", "/v1/ping", NULL);
    ok(w->c.r.status == 200, "the cell is well after all that");
    return verdict();
}

static void cancelled(struct wire *w)
{
    struct msg_grant g;
    struct hand h;
    struct job j;
    char *body, path[64];

    own_job(w, "c-party", 2, 2, &j);
    make_worker(&w->c, j.party, &h);
    ok(take_leases(&w->c, &h, w->spec, 2, &g) == 2, "a worker has its leases");
    snprintf(path, sizeof(path), "/v1/job/%" PRId64, j.id);
    client_ask(&w->c, j.token, "DELETE", path, NULL);
    ok(w->c.r.status == 200, "the job is cancelled");
    body = make_results(&g, 2, NULL);
    ok(post_results(&w->c, &h, body) && fate_is(&w->c, 0, "stale", "") &&
           fate_is(&w->c, 1, "stale", ""),
       "results for a cancelled job are stale");
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
}

/* Every reply names a committed head of the ledger's chain. */
static void head_follows(struct wire *w, const struct hand *h, int64_t party)
{
    struct msg_grant g;
    int64_t before = 0, now = 0;

    fund(&w->c, party, 1000);
    for (int i = 0; i < 200 && before == 0; i++) {
        usleep(50000); /* a young cell's head is read within a second */
        take_leases(&w->c, h, w->spec, 1, &g);
        before = g.head.batch;
        msg_grant_clear(&g);
    }
    fund(&w->c, party, 1000);
    for (int i = 0; i < 200 && now <= before; i++) {
        usleep(50000);
        take_leases(&w->c, h, w->spec, 1, &g);
        now = g.head.batch;
        msg_grant_clear(&g);
    }
    ok(before > 0 && now > before,
       "the head in a reply follows the ledger's chain");
}

int story_leases(struct wire *w)
{
    struct msg_grant g, next;
    struct hand h;
    struct job j;
    char *body, text[16384];
    int n;

    own_job(w, "l-party", 1, 2, &j);
    make_worker(&w->c, j.party, &h);
    ok(take_leases(&w->c, &h, w->spec, 1, &g) == 1, "a worker has a lease");
    n = snprintf(text, sizeof(text), "{\"leases\":[\"%s\"]}",
                 g.leases[0].token);
    client_sign(&w->c, &h, ++h.seq, "POST", "/v1/handback", text, (size_t)n,
                NULL);
    ok(w->c.r.status == 200, "it hands the lease back");
    ok(take_leases(&w->c, &h, w->spec, 1, &next) == 1,
       "and is given a new one");
    body = make_results(&g, 1, NULL);
    ok(post_results(&w->c, &h, body) && fate_is(&w->c, 0, "stale", ""),
       "the old token does not rise again");
    client_sign(&w->c, &h, -1, "POST", "/v1/renew", text, (size_t)n, NULL);
    ok(w->c.r.status == 200 && strstr(w->c.r.body, "\"gone\":[0]"),
       "nor can it be renewed");
    free(body);
    body = make_results(&next, 1, NULL);
    ok(post_results(&w->c, &h, body) && fate_is(&w->c, 0, "accepted", ""),
       "while the new one's result is accepted");
    free(body);
    msg_grant_clear(&g);
    msg_grant_clear(&next);
    head_follows(w, &h, j.party);
    hand_clear(&h);
    cancelled(w);
    return verdict();
}

/* ---- kill -9 between a request and its reply --------------------------- */

static pid_t controller(struct wire *w)
{
    struct error err;
    void *text;
    size_t len;
    pid_t pid = 0;

    if (file_read(w->pid_file, 64, &text, &len, &err) == 0) {
        pid = (pid_t)strtol(text, NULL, 10);
        free(text);
    }
    return pid;
}

/* Kill the controller after us; its keeper starts it again. */
static pid_t killer(struct wire *w, useconds_t us)
{
    pid_t victim = controller(w), child = fork();

    if (child == 0) {
        usleep(us);
        kill(victim, SIGKILL);
        _exit(0);
    }
    return child;
}

static void wait_until_up(struct wire *w, pid_t old)
{
    for (int i = 0; i < 600; i++) {
        pid_t now = controller(w);

        if (now != old && now > 0 &&
            client_ask(&w->c, "", "GET", "/v1/ping", NULL)->status == 200)
            return;
        usleep(20000);
    }
    ok(false, "the controller came back");
}

static int count_jobs(struct wire *w, const char *token)
{
    json_t *j;
    int n;

    client_ask(&w->c, token, "GET", "/v1/sacct", NULL);
    j = json_loads(w->c.r.body, 0, NULL);
    n = (int)json_array_size(json_object_get(j, "jobs"));
    json_decref(j);
    return n;
}

static void killed_submission(struct wire *w, const char *token, useconds_t us,
                              int want)
{
    struct msg_jobspec m = echo_job(w->spec, "own", 2, 2);
    pid_t old = controller(w), child = killer(w, us);
    int64_t first = submit(&w->c, token, &m), again;

    waitpid(child, NULL, 0);
    wait_until_up(w, old);
    again = submit(&w->c, token, &m);
    ok(again > 0 && (first < 0 || first == again) &&
           count_jobs(w, token) == want,
       "a submission cut off after %u us and sent again is one job",
       (unsigned)us);
}

/* The lease is taken before; its result goes through the crash. */
static void killed_result(struct wire *w, const struct job *j, useconds_t us)
{
    struct msg_grant g;
    struct hand h;
    char *body, *first = NULL;
    pid_t old, child;
    int64_t seq = 1;

    make_worker(&w->c, j->party, &h);
    ok(take_leases(&w->c, &h, w->spec, 1, &g) == 1, "a worker has a lease");
    body = make_results(&g, 1, NULL);
    old = controller(w);
    child = killer(w, us);
    client_sign(&w->c, &h, seq, "POST", "/v1/result", body, strlen(body), NULL);
    if (w->c.r.status == 200)
        first = strdup(w->c.r.body);
    waitpid(child, NULL, 0);
    wait_until_up(w, old);
    client_sign(&w->c, &h, seq, "POST", "/v1/result", body, strlen(body), NULL);
    ok(w->c.r.status == 200 && (!first || strcmp(first, w->c.r.body) == 0) &&
           fate_is(&w->c, 0, "accepted", ""),
       "a result cut off after %u us and sent again is accepted once",
       (unsigned)us);
    client_sign(&w->c, &h, seq + 1, "POST", "/v1/result", body, strlen(body),
                NULL);
    ok(w->c.r.status == 200 && fate_is(&w->c, 0, "duplicate", ""),
       "and is a duplicate under another number");
    free(first);
    free(body);
    msg_grant_clear(&g);
    hand_clear(&h);
}

int story_kills(struct wire *w)
{
    static const useconds_t after[] = {0, 1000, 3000, 6000};
    struct job j, results;

    own_job(w, "k-party", 1, 1, &j);
    for (int i = 0; i < 4; i++)
        killed_submission(w, j.token, after[i], i + 2);
    for (int i = 0; i < 4; i++) {
        char name[32];

        snprintf(name, sizeof(name), "k-owner-%d", i);
        own_job(w, name, 1, 2, &results);
        killed_result(w, &results, after[i]);
    }
    return verdict();
}
