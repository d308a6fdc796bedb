/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the client signs, checks signatures, and says what went wrong */
#include "common/http.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <jansson.h>

#include "common/bytes.h"
#include "sched/gate/test/harness.h"
#include "t/tap.h"

static struct sign_key *key_of(int fill, uint8_t public_half[SIGN_KEY_LEN])
{
    uint8_t seed[SIGN_KEY_LEN];
    struct sign_key *k;

    memset(seed, fill, sizeof(seed));
    k = sign_key_from_seed(seed, NULL);
    sign_key_public(k, public_half);
    return k;
}

static struct http *client(struct rig *r)
{
    struct error err = {""};
    struct http *h = http_create(r->base, r->ca, NULL, &err);

    if (!h)
        fprintf(stderr, "# %s\n", err.text);
    return h;
}

static void a_worker_signs(struct http *h, const struct sign_key *k,
                           const uint8_t *cells)
{
    struct http_reply reply;
    struct error err = {""};

    is_int(http_do(h, "POST", "/echo", -1, "a", 1, 5000, NULL, &reply, &err), 0,
           "before enrolment nothing is signed %s", err.text);
    like((char *)reply.body, "\"node\":\"\",\"seq\":\"\"", "no node is named");
    http_reply_clear(&reply);
    is_int(http_set_worker(h, "test", 42, k, cells, &err), 0, "it enrols");
    is_int(http_do(h, "GET", "/echo", -1, NULL, 0, 5000, NULL, &reply, &err), 0,
           "a GET is answered");
    like((char *)reply.body, "\"node\":\"42\",\"seq\":\"\"",
         "a request without seq sends none");
    http_reply_clear(&reply);
    is_int(
        http_do(h, "POST", "/echo", 17, "hello", 5, 5000, NULL, &reply, &err),
        -1, "a POST whose reply is not signed is an error");
    is_int(errno, EBADMSG, "EBADMSG");
    like(err.text, "did not sign its reply to /echo", "which says so");
}

static void the_request_signature_is_right(struct rig *r,
                                           const struct sign_key *k,
                                           const uint8_t *mine)
{
    /* GET needs no signed reply, so the echo can be read. */
    struct http *h = client(r);
    struct http_reply reply;
    struct error err = {""};
    struct digest d;
    char text[1024];
    json_t *j;
    uint8_t *raw = NULL;
    size_t n = 0;
    int len;

    http_set_worker(h, "test", 42, k, mine, &err);
    http_do(h, "GET", "/echo", 17, NULL, 0, 5000, NULL, &reply, &err);
    j = json_loadb((char *)reply.body, reply.body_len, 0, NULL);
    digest_of("", 0, &d);
    len = sign_request_text(
        text, sizeof(text), "GET", "/echo", "test", 42, 17,
        strtoll(json_string_value(json_object_get(j, "time")), NULL, 10), &d);
    base64_decode(json_string_value(json_object_get(j, "sig")),
                  json_string_length(json_object_get(j, "sig")), &raw, &n);
    ok(n == SIGN_SIG_LEN && sign_check(mine, text, (size_t)len, raw) == 0,
       "the signature is the worker's over what arrived");
    is_str(json_string_value(json_object_get(j, "seq")), "17", "with its seq");
    free(raw);
    json_decref(j);
    http_reply_clear(&reply);
    http_destroy(h);
}

static void the_cell_is_believed_only_signed(struct http *h)
{
    static const char *const paths[] = {"/forged", "/two"};
    struct http_reply reply;
    struct error err = {""};

    is_int(http_do(h, "POST", "/signed", 3, "x", 1, 5000, NULL, &reply, &err),
           0, "a signed reply is believed %s", err.text);
    is_str((char *)reply.body, "{\"gone\":[]}", "its body is there");
    http_reply_clear(&reply);
    for (size_t i = 0; i < 2; i++) {
        is_int(
            http_do(h, "POST", paths[i], 3, "x", 1, 5000, NULL, &reply, &err),
            -1, "%s is not", paths[i]);
        is_int(errno, EBADMSG, "EBADMSG");
        ok(reply.body == NULL, "and nothing of it is given out");
    }
}

static void *stop_soon(void *arg)
{
    pause_ms(200);
    *(volatile int *)arg = 1;
    return NULL;
}

static void errors_have_names(struct rig *r)
{
    struct http *h = client(r), *other;
    struct http_reply reply;
    struct error err = {""};
    volatile int stop = 0;
    pthread_t t;

    is_int(http_do(h, "GET", "/silent", -1, NULL, 0, 200, NULL, &reply, &err),
           -1, "a reply that does not come");
    is_int(errno, ETIMEDOUT, "is ETIMEDOUT");
    pthread_create(&t, NULL, stop_soon, (void *)(uintptr_t)&stop);
    is_int(http_do(h, "POST", "/v1/lease", -1, "{}", 2, 60000, &stop, &reply,
                   &err),
           -1, "a poll that is stopped");
    is_int(errno, ECANCELED, "is ECANCELED");
    pthread_join(t, NULL);
    is_int(http_do(h, "GET", "/echo", -1, NULL, 0, 5000, NULL, &reply, &err), 0,
           "the same client goes on %s", err.text);
    http_reply_clear(&reply);
    other = http_create("https://127.0.0.1:1", r->ca, NULL, &err);
    is_int(http_do(other, "GET", "/", -1, NULL, 0, 5000, NULL, &reply, &err),
           -1, "a port nobody listens on");
    is_int(errno, ECONNREFUSED, "is ECONNREFUSED");
    like(err.text, "could not reach https://127.0.0.1:1: GET /",
         "and the text names the address");
    http_destroy(other);
    other = http_create(r->base, "/etc/hostname", NULL, &err);
    is_int(http_do(other, "GET", "/", -1, NULL, 0, 5000, NULL, &reply, &err),
           -1, "a certificate of another authority");
    is_int(errno, EPROTO, "is EPROTO");
    http_destroy(other);
    ok(!http_create("http://127.0.0.1", r->ca, NULL, &err) && errno == EINVAL,
       "an address without TLS is refused");
    http_destroy(h);
}

static void refusals_are_read(struct rig *r)
{
    struct http *h = client(r);
    struct http_reply reply = {.status = 402, .retry_after_s = -1};
    struct error err = {""};

    reply.body = (uint8_t *)strdup("{\"error\":\"1.00 is too little\"}");
    reply.body_len = strlen((char *)reply.body);
    is_int(http_check(&reply, "submit", &err), -1, "402 is an error");
    is_int(errno, EDQUOT, "EDQUOT");
    is_str(err.text, "submit: 1.00 is too little", "with the cell's words");
    http_reply_clear(&reply);
    reply.status = 502;
    is_int(http_check(&reply, "submit", &err), -1, "a reply without words");
    is_str(err.text, "submit: the cell answered with status 502",
           "is told by its number");
    rig_kill_ctld(r);
    pause_ms(100);
    is_int(http_do(h, "GET", "/echo", -1, NULL, 0, 5000, NULL, &reply, &err), 0,
           "503 is a reply");
    ok(reply.status == 503 && reply.retry_after_s == 1, "to try after 1 s");
    is_int(http_check(&reply, "ask", &err), -1, "and an error");
    is_int(errno, EAGAIN, "EAGAIN");
    http_reply_clear(&reply);
    rig_start_ctld(r);
    http_destroy(h);
}

int main(void)
{
    uint8_t mine[SIGN_KEY_LEN], cells[SIGN_KEY_LEN];
    struct sign_key *k = key_of(1, mine), *cell = key_of(7, cells);
    struct http *h;
    struct rig r;

    rig_create(&r, NULL);
    h = client(&r);
    a_worker_signs(h, k, cells);
    the_request_signature_is_right(&r, k, mine);
    the_cell_is_believed_only_signed(h);
    errors_have_names(&r);
    refusals_are_read(&r);
    http_destroy(h);
    sign_key_destroy(k);
    sign_key_destroy(cell);
    rig_destroy(&r);
    done_testing();
    return exit_status();
}
