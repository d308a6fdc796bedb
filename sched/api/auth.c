/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - who asks: bearer tokens, worker signatures, sequence numbers
 *
 * doc/4-wire.md "Who asks".  A request is believed only after its signature
 * was checked against the key stored at enrolment.
 */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define SKEW_MAX_MS 300000

static int refuse(struct call *call, const char *text)
{
    call_error(call, 401, EACCES, text);
    return -1;
}

/* A whole decimal number, or -1. */
static int64_t number(const char *s)
{
    char *end;
    long long v;

    if (*s < '0' || *s > '9')
        return -1;
    errno = 0;
    v = strtoll(s, &end, 10);
    return *end || errno ? -1 : v;
}

static int auth_bearer(struct call *call)
{
    const char *t = call->in->auth;
    const struct rec_token *tok;
    struct digest hash;

    if (strncmp(t, "Bearer ", 7) != 0 || strlen(t + 7) != 64)
        return refuse(call, "authorization is not \"Bearer\" and 64 digits");
    digest_of(t + 7, 64, &hash);
    tok = book_token(call->ctl->book, &hash);
    if (!tok || tok->revoked || tok->kind == TOKEN_ENROL)
        return refuse(call, "token is not known to this cell: ask its operator "
                            "for one, or check client.conf");
    if (tok->expires_us && ctl_now_us() >= tok->expires_us)
        return refuse(call, "token has expired: ask the cell's operator for a "
                            "new one");
    call->who = tok->kind == TOKEN_ADMIN ? WHO_ADMIN : WHO_USER;
    call->party_id = tok->party_id;
    return 0;
}

/* Signature over the request; the clock is checked last, so that only the
 * holder of the key learns what time it is here.
 */
static int check_signature(struct call *call, const struct rec_worker *w)
{
    const struct frame_request *in = call->in;
    char text[1024];
    uint8_t *sig = NULL;
    size_t len = 0;
    int n = sign_request_text(text, sizeof(text), in->method, in->path,
                              call->ctl->conf.cell_name, call->worker_id,
                              call->seq, call->time_ms, &call->body);
    int good =
        n > 0 && base64_decode(in->sig, strlen(in->sig), &sig, &len) == 0 &&
        len == SIGN_SIG_LEN && sign_check(w->pubkey, text, (size_t)n, sig) == 0;

    free(sig);
    return good ? 0 : -1;
}

static int auth_worker(struct call *call)
{
    const struct frame_request *in = call->in;
    struct rec_worker w;
    int64_t off;

    call->worker_id = number(in->node);
    call->time_ms = number(in->time);
    call->seq = *in->seq ? number(in->seq) : -1;
    if (call->worker_id < 1 || call->time_ms < 0 || (*in->seq && call->seq < 1))
        return refuse(call, "Fallow-Node, -Time or -Seq is no number");
    if (!cell_worker(call->ctl->cell, call->worker_id, &w) ||
        check_signature(call, &w) < 0)
        return refuse(call, "signature is not one of a worker of this cell");
    off = call->time_ms - ctl_now_us() / 1000;
    if (off > SKEW_MAX_MS || off < -SKEW_MAX_MS) {
        char text[160];

        snprintf(text, sizeof(text),
                 "clock is off by %" PRId64 " s, at most %d are allowed: set "
                 "this machine's time",
                 off / 1000, SKEW_MAX_MS / 1000);
        return refuse(call, text);
    }
    call->who = WHO_WORKER;
    call->party_id = w.party_id;
    return 0;
}

int auth_call(struct call *call)
{
    if (*call->in->sig || *call->in->node)
        return auth_worker(call);
    if (*call->in->auth)
        return auth_bearer(call);
    return 0;
}

void auth_sign(const struct call *call, const void *body, size_t len,
               char out[256])
{
    uint8_t sig[SIGN_SIG_LEN];
    char text[512], b64[96];
    struct digest d;
    int n;

    digest_of(body, len, &d);
    out[0] = '\0';
    n = sign_reply_text(text, sizeof(text), call->ctl->conf.cell_name,
                        call->worker_id, call->seq, call->time_ms, &d);
    if (n > 0 && sign_make(call->ctl->key, text, (size_t)n, sig) == 0) {
        base64_encode(sig, sizeof(sig), b64);
        snprintf(out, 256, "Fallow-Cell-Sig: %s\r\n", b64);
    }
}

int auth_seq(struct call *call)
{
    const struct rec_seq *last = book_seq(call->ctl->book, call->worker_id);
    int64_t expected = last ? last->seq + 1 : 1;

    if (call->seq == expected)
        return 1;
    if (last && call->seq == last->seq &&
        digest_equal(&last->body, &call->body)) {
        call_bytes(call, 200, "application/json", last->reply, last->reply_len);
        return 0;
    }
    call_json(call, 409,
              json_pack("{s:s,s:s,s:I}", "error",
                        call->seq < 0 ? "Fallow-Seq is missing"
                                      : "Fallow-Seq is not the next one",
                        "errno", "EEXIST", "expected", (json_int_t)expected));
    return 0;
}

void auth_reply(struct call *call, json_t *body)
{
    size_t len = 0;
    char *text = body ? message_text(body, &len) : NULL;

    json_decref(body);
    auth_reply_text(call, text, len);
}

void auth_reply_text(struct call *call, char *text, size_t len)
{
    if (!text) {
        call_error(call, 503, ENOMEM, "out of memory");
        return;
    }
    if (call->seq >= 0) {
        struct record r = {.type = REC_SEQ};

        r.seq.worker_id = call->worker_id;
        r.seq.seq = call->seq;
        r.seq.body = call->body;
        r.seq.reply = (const uint8_t *)text;
        r.seq.reply_len = (uint32_t)len;
        if (ctl_record(call->ctl, &r) < 0) {
            free(text);
            call_error(call, 503, ENOMEM, "out of memory");
            return;
        }
    }
    call_bytes(call, 200, "application/json", text, len);
    free(text);
}
