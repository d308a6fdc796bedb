/* SPDX-License-Identifier: Apache-2.0 */
/* door.c - the gate serves clients: requests, parking, blobs, restarts */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/http.h"
#include "sched/gate/test/harness.h"
#include "t/tap.h"

#define HOST "HTTP/1.1\r\nHost: x\r\n"
#define POLL "POST /v1/lease " HOST "Content-Length: 2\r\n\r\n{}"

static void a_request_reaches_the_controller(struct rig *r)
{
    struct client c;
    struct heard h;

    ok(client_open(r, &c), "a client shakes hands");
    client_say(&c, "POST /echo?a=1 " HOST "Authorization: Bearer tok\r\n"
                   "Fallow-Node: 7\r\nFALLOW-SEQ: 3\r\nfallow-time: 99\r\n"
                   "Fallow-Sig: c2ln\r\nContent-Length: 3\r\n\r\nabc");
    client_hear(&c, &h, false);
    is_int(h.status, 200, "it gets an answer");
    like(h.body, "\"method\":\"POST\",\"path\":\"/echo?a=1\"",
         "method and path arrived");
    like(h.body, "\"auth\":\"Bearer tok\",\"node\":\"7\",\"seq\":\"3\"",
         "authorization, node and seq arrived");
    like(h.body, "\"time\":\"99\",\"sig\":\"c2ln\",\"peer\":\"127.0.0.1\"",
         "time, signature and peer arrived");
    like(h.body, "ba7816bf8f01cfea414140de5dae2223", "the body arrived");
    heard_clear(&h);
    for (int i = 0; i < 3; i++) {
        client_say(&c, "GET /echo " HOST "\r\n");
        client_hear(&c, &h, false);
        heard_clear(&h);
    }
    is_int(h.status, 200, "the connection serves further requests");
    client_say(&c, "HEAD /big?100000 " HOST "\r\n");
    client_hear(&c, &h, true);
    like(h.head, "Content-Length: 100000", "HEAD is told the length");
    heard_clear(&h);
    client_say(&c, "GET /echo " HOST "Connection: close\r\n\r\n");
    client_hear(&c, &h, false);
    like(h.head, "Connection: close", "HEAD had no body; close is confirmed");
    heard_clear(&h);
    ok(client_closed(&c, 5000), "and done");
    client_close(&c);
}

static void a_large_reply_arrives_whole(struct rig *r)
{
    struct client c;
    struct heard h;
    bool good = true;

    client_open(r, &c);
    client_say(&c, "GET /big?3000000 " HOST "\r\n");
    pause_ms(100);
    client_hear(&c, &h, false);
    is_int((int)h.len, 3000000, "3 MB arrive though the client was slow");
    for (size_t i = 0; i < h.len; i++)
        good = good && h.body[i] == (char)('a' + i % 23);
    ok(good, "byte for byte");
    heard_clear(&h);
    client_close(&c);
}

static void polls_are_parked_and_woken(struct rig *r)
{
    struct client c[20];
    struct heard h;
    int n = 0;

    for (int i = 0; i < 20; i++) {
        client_open(r, &c[i]);
        client_say(&c[i], POLL);
    }
    ok(rig_wait_count(r, "parked", 20), "20 polls are parked");
    client_drop(&c[0]);
    client_close(&c[1]);
    ok(rig_wait_count(r, "parked", 18), "those that went away are forgotten");
    is_int(once(r, "POST /wake " HOST "Content-Length: 0\r\n\r\n"), 200,
           "the controller wakes the others");
    for (int i = 2; i < 20; i++) {
        client_hear(&c[i], &h, false);
        n += h.status == 200;
        heard_clear(&h);
        client_close(&c[i]);
    }
    is_int(n, 18, "each has its answer");
}

static void a_dead_controller_costs_no_session(struct rig *r)
{
    struct client poll, busy, idle;
    struct heard h;

    client_open(r, &poll);
    client_open(r, &busy);
    client_open(r, &idle);
    client_say(&poll, POLL);
    client_say(&busy, "GET /silent " HOST "\r\n");
    ok(rig_wait_count(r, "parked", 1), "one poll is parked");
    rig_kill_ctld(r);
    client_hear(&busy, &h, false);
    is_int(h.status, 503, "a request in flight is told to try again");
    like(h.head, "Retry-After: 1", "and when");
    like(h.body, "controller is away", "and why");
    heard_clear(&h);
    client_say(&idle, "GET /echo " HOST "\r\n");
    client_hear(&idle, &h, false);
    is_int(h.status, 503, "a new one too, while there is no controller");
    heard_clear(&h);
    rig_start_ctld(r);
    ok(rig_wait_count(r, "parked", 1), "the poll was sent to the next one");
    is_int(once(r, "POST /wake " HOST "Content-Length: 0\r\n\r\n"), 200,
           "which wakes it");
    client_hear(&poll, &h, false);
    is_int(h.status, 200, "its client never noticed");
    heard_clear(&h);
    client_say(&busy, "GET /echo " HOST "\r\n");
    client_hear(&busy, &h, false);
    is_int(h.status, 200, "the other's session goes on");
    heard_clear(&h);
    client_close(&poll);
    client_close(&busy);
    client_close(&idle);
}

static void blobs_stream_through_descriptors(struct rig *r)
{
    char path[128], back[128];
    struct http_reply reply;
    struct error err = {""};
    struct http *h = http_create(r->base, r->ca, NULL, &err);
    struct digest put, got;
    uint64_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/source", r->dir);
    snprintf(back, sizeof(back), "%s/back", r->dir);
    f = fopen(path, "w");
    for (uint32_t i = 0; i < 3000000; i++)
        fwrite(&i, 1, sizeof(i), f);
    fclose(f);
    is_int(http_put_file(h, "/v1/blob/stored", path, NULL, NULL, &reply, &err),
           0, "a blob of 12 MB is put %s", err.text);
    is_str((char *)reply.body, "{\"stored\":12000000}", "and stored");
    http_reply_clear(&reply);
    is_int(http_get_file(h, "/v1/blob/stored", back, &reply, &err), 0,
           "and got %s", err.text);
    is_int((int)reply.body_len, 12000000, "at its full length");
    http_reply_clear(&reply);
    digest_of_file(path, &put, &n, &err);
    digest_of_file(back, &got, &n, &err);
    ok(digest_equal(&put, &got), "byte for byte");
    is_int(http_put_file(h, "/v1/blob/refuse", path, NULL, NULL, &reply, &err),
           0, "a blob that is refused gets an answer %s", err.text);
    is_int(reply.status, 409, "which says so");
    http_reply_clear(&reply);
    is_int(http_put_file(h, "/v1/blob/full", path, NULL, NULL, &reply, &err), 0,
           "a full disk gets an answer %s", err.text);
    is_int(reply.status, 503, "try again");
    http_reply_clear(&reply);
    is_int(http_get_file(h, "/v1/blob/none", back, &reply, &err), 0,
           "an unknown blob gets an answer %s", err.text);
    is_int(http_check(&reply, "get blob", &err), -1, "which is an error");
    is_str(err.text, "get blob: no such blob", "with the controller's words");
    http_reply_clear(&reply);
    http_destroy(h);
}

static void a_blob_may_wait_for_100_continue(struct rig *r)
{
    struct client c;
    struct heard h;

    client_open(r, &c);
    client_say(&c, "PUT /v1/blob/hundred " HOST
                   "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_hear(&c, &h, false);
    is_int(h.status, 100, "100 Continue comes when the controller accepts");
    heard_clear(&h);
    client_say(&c, "hello");
    client_hear(&c, &h, false);
    is_str(h.body, "{\"stored\":5}", "then the blob is stored");
    heard_clear(&h);
    client_say(&c, "PUT /v1/blob/refuse " HOST
                   "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_hear(&c, &h, false);
    is_int(h.status, 409, "a refusal comes without 100 Continue");
    heard_clear(&h);
    ok(client_closed(&c, 5000), "and ends the connection");
    client_close(&c);
    client_open(r, &c);
    client_say(&c, "PUT /v1/blob/empty " HOST "Content-Length: 0\r\n\r\n");
    client_hear(&c, &h, false);
    is_str(h.body, "{\"stored\":0}", "an empty blob is one too");
    heard_clear(&h);
    client_say(&c, "PUT /v1/blob/x " HOST "\r\n");
    client_hear(&c, &h, false);
    is_int(h.status, 411, "a blob without length is refused");
    heard_clear(&h);
    client_close(&c);
}

static void sigterm_ends_in_order(struct rig *r)
{
    struct client poll, idle;
    struct heard h;
    int status;

    client_open(r, &poll);
    client_open(r, &idle);
    client_say(&poll, POLL);
    ok(rig_wait_count(r, "parked", 1), "one poll is parked");
    status = rig_stop_gate(r, SIGTERM);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "after SIGTERM the gate ends with 0");
    client_hear(&poll, &h, false);
    is_int(h.status, 503, "the poll was answered before");
    heard_clear(&h);
    ok(client_closed(&idle, 1000), "the idle connection was closed");
    client_close(&poll);
    client_close(&idle);
}

int main(void)
{
    struct rig r;

    rig_create(&r, NULL);
    a_request_reaches_the_controller(&r);
    a_large_reply_arrives_whole(&r);
    polls_are_parked_and_woken(&r);
    a_dead_controller_costs_no_session(&r);
    blobs_stream_through_descriptors(&r);
    a_blob_may_wait_for_100_continue(&r);
    sigterm_ends_in_order(&r);
    rig_destroy(&r);
    done_testing();
    return exit_status();
}
