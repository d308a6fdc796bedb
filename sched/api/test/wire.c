/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - bad input to a living cell: who asks, in which order, in what form
 *
 *   wire STORY URL CA CELL ADMIN_TOKEN_FILE SPEC PID_FILE
 *   wire cert DIR         certificates for the cell's gate
 *
 * One story a run, told by t/t4200-wire.t.  Every refusal is asserted by its
 * status and its words.
 */
#include "sched/api/test/wire.h"

#include <inttypes.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cert.h"

#define PING_OK(w, ...)                                                        \
    ok(client_ask(&(w)->c, "", "GET", "/v1/ping", NULL)->status == 200,        \
       __VA_ARGS__)

int story_tokens(struct wire *w)
{
    struct client *c = &w->c;
    int64_t party = make_party(c, "t-party", "[\"customer\"]");
    char user[65], enrol[65], brief[65], wrong[65];

    make_token(c, party, "user", 3600, user);
    make_token(c, party, "enrol", 3600, enrol);
    make_token(c, party, "user", 1, brief);
    memset(wrong, 'a', 64);
    wrong[64] = '\0';
    client_ask(c, "", "GET", "/v1/job", NULL);
    ok(says(c, 401, "who asks? send a token"), "nobody is asked who he is");
    client_ask(c, wrong, "GET", "/v1/job", NULL);
    ok(says(c, 401, "token is not known to this cell: ask its operator"),
       "a wrong token is refused with the remedy");
    client_ask(c, "short", "GET", "/v1/job", NULL);
    ok(says(c, 401, "authorization is not \\\"Bearer\\\" and 64 digits"),
       "a token of another length is no token");
    client_ask(c, enrol, "GET", "/v1/job", NULL);
    ok(says(c, 401, "token is not known"), "an enrolment token reads nothing");
    client_ask(c, user, "POST", "/v1/admin/fund", "{}");
    ok(says(c, 403, "only the cell's operator"), "a user moves no money");
    client_ask(c, user, "POST", "/v1/lease", "{}");
    ok(says(c, 403, "not for such a caller"), "a user takes no leases");
    client_ask(c, user, "GET", "/v1/job", NULL);
    ok(c->r.status == 200, "the right token is believed");
    client_ask(c, user, "GET", "/v1/jobs", NULL);
    ok(says(c, 404, "no such method and path"), "an unknown path is 404");
    client_ask(c, user, "GET", "/v1/job/1/2/3", NULL);
    ok(says(c, 404, "no such method and path"), "so is one that goes on");
    client_ask(c, user, "DELETE", "/v1/job", NULL);
    ok(says(c, 404, "no such method and path"), "and an unknown method");
    sleep(1);
    usleep(200000);
    client_ask(c, brief, "GET", "/v1/job", NULL);
    ok(says(c, 401, "token has expired: ask the cell's operator"),
       "an expired token says that it has expired");
    return verdict();
}

static void enrol(struct client *c, const char *token, uint8_t first)
{
    uint8_t pub[SIGN_KEY_LEN];
    char hex[2 * SIGN_KEY_LEN + 1], body[512];

    memset(pub, 7, sizeof(pub));
    pub[0] = first;
    bytes_to_hex(pub, sizeof(pub), hex);
    snprintf(body, sizeof(body), "{\"token\":\"%s\",\"pubkey\":\"%s\"}", token,
             hex);
    client_ask(c, "", "POST", "/v1/enrol", body);
}

int story_enrol(struct wire *w)
{
    struct client *c = &w->c;
    int64_t party = make_party(c, "e-party", "[\"owner\"]");
    char token[65], brief[65], user[65], *first;

    make_token(c, party, "enrol", 3600, token);
    make_token(c, party, "enrol", 1, brief);
    make_token(c, party, "user", 3600, user);
    enrol(c, token, 1);
    ok(c->r.status == 200, "a token enrols a worker");
    first = strdup(c->r.body);
    enrol(c, token, 1);
    ok(c->r.status == 200 && strcmp(c->r.body, first) == 0,
       "asked again with the same key, it is the same worker");
    enrol(c, token, 2);
    ok(says(c, 401, "enrolment token was used before: ask for a new one"),
       "a used token enrols nobody else");
    enrol(c, user, 3);
    ok(says(c, 401, "enrolment token is not known here"),
       "a user's token enrols nobody");
    client_ask(c, "", "POST", "/v1/enrol", "{\"token\":\"x\"}");
    ok(says(c, 400, "member \\\"pubkey\\\" is missing"),
       "an enrolment without a key names what is missing");
    sleep(1);
    usleep(200000);
    enrol(c, brief, 4);
    ok(says(c, 401, "enrolment token has expired"), "an old token enrols none");
    free(first);
    return verdict();
}

/* A signed lease request that lies; always the same honest body. */
static void lie(struct wire *w, const struct hand *h, const struct lie *l)
{
    client_sign(&w->c, h, -1, "POST", "/v1/renew", "{\"leases\":[]}", 13, l);
}

static const char not_ours[] = "signature is not one of a worker of this cell";

static void clocks(struct wire *w, const struct hand *h)
{
    struct client *c = &w->c;

    lie(w, h, &(struct lie){.clock_ms = 2 * 86400000ll + 500});
    ok(says(c, 401, "clock is off by 172800 s, at most 300 are allowed"),
       "a clock two days ahead is told by how much");
    lie(w, h, &(struct lie){.clock_ms = -3 * 86400000ll - 500});
    ok(says(c, 401, "clock is off by -259200 s"), "so is one that is behind");
    lie(w, h, &(struct lie){.clock_ms = 200000});
    ok(c->r.status == 200, "three minutes are forgiven");
}

int story_signatures(struct wire *w)
{
    struct client *c = &w->c;
    int64_t party = make_party(c, "s-party", "[\"owner\"]");
    struct hand a, b, mixed;
    char line[32];

    make_worker(c, party, &a);
    make_worker(c, party, &b);
    lie(w, &a, NULL);
    ok(c->r.status == 200, "an honest signature is believed");
    lie(w, &a, &(struct lie){.cell = "elsewhere"});
    ok(says(c, 401, not_ours), "one made for another cell is not");
    lie(w, &a, &(struct lie){.path = "/v1/lease"});
    ok(says(c, 401, not_ours), "nor one made for another path");
    lie(w, &a, &(struct lie){.body = "{\"leases\":[] }"});
    ok(says(c, 401, not_ours), "nor one made for another body");
    lie(w, &a, &(struct lie){.sig = "AAAA"});
    ok(says(c, 401, not_ours), "nor four letters");
    lie(w, &a, &(struct lie){.sig = "%%%"});
    ok(says(c, 401, not_ours), "nor what is no base64");
    mixed = (struct hand){b.id, 0, a.key};
    lie(w, &mixed, NULL);
    ok(says(c, 401, not_ours), "nor one worker's in another's name");
    mixed.id = 999999;
    lie(w, &mixed, NULL);
    ok(says(c, 401, not_ours), "nor a stranger's, in the same words");
    snprintf(line, sizeof(line), "%" PRId64 "x", a.id);
    lie(w, &a, &(struct lie){.node = line});
    ok(says(c, 401, "is no number"), "a worker's number is a number");
    lie(w, &a, &(struct lie){.at = "99999999999999999999"});
    ok(says(c, 401, "is no number"), "a time fits 63 bits");
    lie(w, &a, &(struct lie){.at = "-5"});
    ok(says(c, 401, "is no number"), "and is not negative");
    clocks(w, &a);
    client_sign(c, &a, -1, "GET", "/v1/job", NULL, 0, NULL);
    ok(says(c, 403, "not for such a caller"), "a worker sees no jobs");
    client_sign(c, &a, -1, "POST", "/v1/admin/token", "{}", 2, NULL);
    ok(says(c, 403, "only the cell's operator"), "and makes no tokens");
    hand_clear(&a);
    hand_clear(&b);
    return verdict();
}

/* A worker with the leases of a job of its own party. */
static int64_t own_work(struct wire *w, const char *name, struct hand *h,
                        uint32_t tasks, struct msg_grant *g)
{
    int64_t party = make_party(&w->c, name, "[\"owner\",\"customer\"]");
    struct msg_jobspec m = echo_job(w->spec, "own", tasks, 2);
    char token[65];
    int64_t job;

    make_token(&w->c, party, "user", 3600, token);
    make_worker(&w->c, party, h);
    job = submit(&w->c, token, &m);
    ok(job > 0, "%s submits job %" PRId64, name, job);
    ok(take_leases(&w->c, h, w->spec, (int)tasks, g) == (int)tasks,
       "and its worker is given %u leases", tasks);
    return job;
}

static void seq_is(struct wire *w, const struct hand *h, int64_t seq,
                   const char *body, const char *want, const char *name)
{
    client_sign(&w->c, h, seq, "POST", "/v1/result", body, strlen(body), NULL);
    ok(says(&w->c, 409, want), "%s", name);
}

int story_sequence(struct wire *w)
{
    struct client *c = &w->c;
    struct msg_grant g;
    struct hand h;
    char *one, *two, *first;

    own_work(w, "q-party", &h, 2, &g);
    one = make_results(&g, 1, NULL);
    two = make_results(&g, 2, NULL);
    seq_is(w, &h, -1, one, "Fallow-Seq is missing", "a result has a number");
    seq_is(w, &h, 2, one, "\"expected\":1", "the first number is 1");
    ok(post_results(c, &h, one) && fate_is(c, 0, "accepted", ""),
       "the first result is accepted");
    first = strdup(c->r.body);
    client_sign(c, &h, 1, "POST", "/v1/result", one, strlen(one), NULL);
    ok(c->r.status == 200 && strcmp(c->r.body, first) == 0,
       "sent again, it gets the stored reply byte for byte");
    seq_is(w, &h, 1, two, "\"expected\":2", "the same number, another body");
    seq_is(w, &h, 3, two, "\"expected\":2", "a number ahead of its turn");
    seq_is(w, &h, INT64_MAX, two, "\"expected\":2", "the largest number");
    ok(post_results(c, &h, two) && fate_is(c, 0, "duplicate", "") &&
           fate_is(c, 1, "accepted", ""),
       "what was accepted before is a duplicate, the rest is accepted");
    seq_is(w, &h, 1, one, "\"expected\":3", "an old request is not replayed");
    client_sign(c, &h, 0, "POST", "/v1/result", one, strlen(one), NULL);
    ok(says(c, 401, "is no number"), "there is no request 0");
    client_sign(c, &h, 3, "POST", "/v1/result", "{", 1, NULL);
    ok(says(c, 400, "body: line 1"), "a broken body is refused");
    client_sign(c, &h, 3, "POST", "/v1/handback", "{\"leases\":[]}", 13, NULL);
    ok(c->r.status == 200, "and has not used up its number");
    free(first);
    free(one);
    free(two);
    msg_grant_clear(&g);
    hand_clear(&h);
    return verdict();
}

/* Bodies that no route may take, and what is said of them. */
static const struct {
    const char *body, *says;
} broken[] = {
    {"", "body: line 1"},
    {"null", ""},
    {"[]", ""},
    {"\"x\"", ""},
    {"{} {}", "body: line 1"},
    {"{\"a\":1,\"a\":2}", "duplicate object key"},
    {"{\"a\":NaN}", "body: line 1"},
    {"{\"a\":1e999}", "body: line 1"},
    {"{\"a\":123456789012345678901234567890}", "too big integer"},
    {"{\"a\":\"\xff\xfe\"}", "body: line 1"},
    {"{\"a\":\"\xed\xa0\x80\"}", "body: line 1"},
    {"{\"a\":\"\\u0000\"}", "body: line 1"},
    {"{\"a\":\"x\ny\"}", "body: line 1"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[", "deeper than 16 levels"},
    {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
     "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}}}}}}}}}}",
     "deeper than 16 levels"},
};

static void every_route(struct wire *w, const char *token, const struct hand *h)
{
    static const char *const users[] = {"/v1/job", "/v1/quote"};
    static const char *const admins[] = {"/v1/admin/party", "/v1/admin/tariff",
                                         "/v1/admin/fund", "/v1/admin/token"};
    static const char *const workers[] = {"/v1/lease", "/v1/renew"};
    struct client *c = &w->c;

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const char *b = broken[i].body, *say = broken[i].says;
        int good = 0;

        for (size_t k = 0; k < 2; k++) {
            client_ask(c, token, "POST", users[k], b);
            good += says(c, 400, say);
            client_sign(c, h, -1, "POST", workers[k], b, strlen(b), NULL);
            good += says(c, 400, say);
        }
        for (size_t k = 0; k < 4; k++) {
            client_ask(c, c->admin, "POST", admins[k], b);
            good += says(c, 400, say);
        }
        client_sign(c, h, 1, "POST", "/v1/result", b, strlen(b), NULL);
        good += says(c, 400, say);
        ok(good == 9, "every route refuses the body %.40s", b);
    }
}

static void number_is(struct wire *w, const char *token, const char *body,
                      const char *want)
{
    client_ask(&w->c, token, "POST", "/v1/admin/fund", body);
    ok(says(&w->c, 400, want), "no fund moves %s", body);
}

int story_bodies(struct wire *w)
{
    struct client *c = &w->c;
    int64_t party = make_party(c, "b-party", "[\"owner\",\"customer\"]");
    char token[65], *large = malloc((1u << 20) + 2);
    struct hand h;

    make_token(c, party, "user", 3600, token);
    make_worker(c, party, &h);
    every_route(w, token, &h);
    memset(large, ' ', (1u << 20) + 1);
    large[(1u << 20) + 1] = '\0';
    client_ask(c, token, "POST", "/v1/job", large);
    ok(says(c, 413, "EFBIG"), "a body over 1 MiB is refused");
    number_is(w, c->admin,
              "{\"party_id\":1,\"unit\":\"USD\",\"amount\":-5,\"serial\":1}",
              "member \\\"amount\\\" is -5, not in 1 to");
    number_is(w, c->admin,
              "{\"party_id\":1,\"unit\":\"USD\",\"amount\":1.5,\"serial\":1}",
              "member \\\"amount\\\" is not an integer");
    number_is(w, c->admin,
              "{\"party_id\":1,\"unit\":\"USD\","
              "\"amount\":9223372036854775807,\"serial\":1}",
              "member \\\"amount\\\" is 9223372036854775807, not in");
    client_ask(c, token, "GET", "/v1/sacct?limit=-1", NULL);
    ok(says(c, 400, "\\\"limit=-1\\\" is not an integer from 1 to 100000"),
       "a query's number has its range");
    client_ask(c, token, "GET", "/v1/sacct?job=1%0a", NULL);
    ok(says(c, 400, "is not an integer"), "and is nothing but a number");
    client_ask(c, c->admin, "POST", "/v1/admin/party",
               "{\"name\":\"a\\u001b[31m\",\"roles\":[]}");
    ok(says(c, 400, "name"), "a party's name holds no control characters");
    PING_OK(w, "the cell is well after all that");
    free(large);
    hand_clear(&h);
    return verdict();
}

static const struct {
    const char *name;
    story_fn *fn;
} stories[] = {
    {"tokens", story_tokens},         {"enrol", story_enrol},
    {"signatures", story_signatures}, {"sequence", story_sequence},
    {"bodies", story_bodies},         {"money", story_money},
    {"submit", story_submit},         {"blobs", story_blobs},
    {"foreign", story_foreign_blobs}, {"privacy", story_privacy},
    {"results", story_results},       {"leases", story_leases},
    {"kills", story_kills},
};

int main(int argc, char **argv)
{
    struct wire w = {0};
    struct error err;
    int rc = 2;

    if (argc == 3 && strcmp(argv[1], "cert") == 0)
        return cert_make(argv[2], NULL, &err) < 0;
    if (argc != 8) {
        fprintf(stderr, "usage: wire STORY URL CA CELL TOKEN_FILE SPEC PID\n");
        return 2;
    }
    w.spec = argv[6];
    w.pid_file = argv[7];
    client_open(&w.c, argv[2], argv[3], argv[4], argv[5]);
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
        if (strcmp(stories[i].name, argv[1]) == 0)
            rc = stories[i].fn(&w);
    client_close(&w.c);
    return rc;
}
