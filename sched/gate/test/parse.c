/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - which heads are understood, and why others are refused */
#include "sched/gate/parse.h"
#include "t/tap.h"

static const struct {
    const char *name;
    const char *text; /* body included */
    int status;       /* 0 = understood */
    const char *method, *path;
    int64_t length;
    bool keep;
} table[] = {
    {"a plain GET", "GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", 0, "GET",
     "/v1/ping", 0, true},
    {"a POST with its body",
     "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 0,
     "POST", "/a?b=c", 3, true},
    {"line ends before it", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 0,
     "GET", "/", 0, true},
    {"Connection: close",
     "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0, "GET", "/", 0,
     false},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 0, "GET", "/", 0, false},
    {"HTTP/1.0 that stays", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     0, "GET", "/", 0, true},
    {"an absolute address",
     "GET https://h:1/v1/x?y HTTP/1.1\r\nHost: x\r\n\r\n", 0, "GET", "/v1/x?y",
     0, true},
    {"an upgrade is ignored",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
     "Connection: Upgrade\r\n\r\n",
     0, "GET", "/", 0, true},
    {"an empty header", "GET / HTTP/1.1\r\nHost:\r\nX-A:\r\n\r\n", 0, "GET",
     "/", 0, true},
    {"the largest length",
     "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n",
     0, "PUT", "/", INT64_MAX, true},
    {"Transfer-Encoding",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 501,
     NULL, NULL, 0, false},
    {"Transfer-Encoding, misspelt to hide it",
     "POST / HTTP/1.1\r\nHost: x\r\nTRANSFER-encoding: \tx\r\n\r\n", 501, NULL,
     NULL, 0, false},
    {"Transfer-Encoding before Content-Length",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
     "Content-Length: 3\r\n\r\n",
     501, NULL, NULL, 0, false},
    {"two Content-Length that agree",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     "Content-Length: 3\r\n\r\nabc",
     400, NULL, NULL, 0, false},
    {"two Content-Length that differ",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     "content-length: 30\r\n\r\nabc",
     400, NULL, NULL, 0, false},
    {"a list of lengths",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400, NULL,
     NULL, 0, false},
    {"a negative length",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", 400, NULL,
     NULL, 0, false},
    {"a length with a sign",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400, NULL,
     NULL, 0, false},
    {"a length beyond 64 bits",
     "POST / HTTP/1.1\r\nHost: x\r\n"
     "Content-Length: 99999999999999999999\r\n\r\n",
     400, NULL, NULL, 0, false},
    {"an empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
     400, NULL, NULL, 0, false},
    {"a blank before a colon",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc", 400, NULL,
     NULL, 0, false},
    {"a GET with a body",
     "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 400, NULL,
     NULL, 0, false},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, 0, false},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, NULL,
     NULL, 0, false},
    {"two signatures",
     "GET / HTTP/1.1\r\nHost: x\r\nFallow-Sig: a\r\nFallow-Sig: b\r\n\r\n", 400,
     NULL, NULL, 0, false},
    {"no path", "GET https://host HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL,
     0, false},
    {"a star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, NULL, 0,
     false},
    {"a byte above ASCII in the path", "GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
     400, NULL, NULL, 0, false},
    {"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, NULL, 0,
     false},
    {"PATCH", "PATCH / HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, NULL, 0, false},
    {"no method", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL, 0,
     false},
    {"HTTP/2 by force", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NULL, NULL, 0,
     false},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, NULL, NULL, 0,
     false},
    {"HTTP/3.0", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, NULL, NULL, 0,
     false},
    {"another expectation",
     "POST / HTTP/1.1\r\nHost: x\r\nExpect: miracle\r\n\r\n", 417, NULL, NULL,
     0, false},
    {"TLS inside TLS", "\x16\x03\x01\x02", 400, NULL, NULL, 0, false},
};

/* Feed n bytes in pieces of at most step. */
static enum parse_result feed(struct parse *p, const char *text, size_t n,
                              size_t step, size_t *total)
{
    enum parse_result rc = PARSE_MORE;

    *total = 0;
    while (rc == PARSE_MORE && *total < n) {
        size_t k = n - *total < step ? n - *total : step, used;

        rc = parse_feed(p, text + *total, k, &used);
        *total += used;
    }
    return rc;
}

static void one(size_t i, size_t step)
{
    const char *text = table[i].text, *end = strstr(text, "\r\n\r\n");
    struct parse *p = parse_create();
    size_t used, want = end ? (size_t)(end - text) + 4 : 0;
    enum parse_result rc = feed(p, text, strlen(text), step, &used);
    const struct parse_request *r = parse_request(p);

    if (strncmp(text, "\r\n", 2) == 0)
        want = strlen(text);
    if (table[i].status == 0) {
        ok(rc == PARSE_DONE && used == want &&
               strcmp(r->method, table[i].method) == 0 &&
               strcmp(r->path, table[i].path) == 0 &&
               r->length == (uint64_t)table[i].length &&
               r->keep == table[i].keep,
           "%s is understood (pieces of %zu)", table[i].name, step);
        if (rc != PARSE_DONE || used != want)
            fprintf(stderr, "#   rc %d used %zu of %zu: %d %s\n", rc, used,
                    want, parse_refusal(p)->status,
                    rc == PARSE_REFUSED ? parse_refusal(p)->what : "");
    } else {
        ok(rc == PARSE_REFUSED && parse_refusal(p)->status == table[i].status,
           "%s gets %d (pieces of %zu)", table[i].name, table[i].status, step);
        if (rc != PARSE_REFUSED)
            fprintf(stderr, "#   rc %d\n", rc);
        else
            fprintf(stderr, "#   %d %s\n", parse_refusal(p)->status,
                    parse_refusal(p)->what);
    }
    parse_destroy(p);
}

static void headers_are_kept_at_any_split(void)
{
    static const char text[] =
        "POST /v1/result HTTP/1.1\r\nHost: cell\r\nAuthorization: Bearer 12\r\n"
        "Fallow-Node: 77\r\nX-Other: y\r\nFallow-Seq:\t5 \r\n"
        "Fallow-Time: 1790000000000\r\nFallow-Sig: abc=\r\n"
        "Expect: 100-Continue\r\nContent-Length: 10\r\n\r\n0123456789";
    size_t n = sizeof(text) - 1, good = 0;

    for (size_t cut = 1; cut < n; cut++) {
        struct parse *p = parse_create();
        const struct parse_request *r = parse_request(p);
        size_t used = 0, more = 0;
        enum parse_result rc = parse_feed(p, text, cut, &used);

        if (rc == PARSE_MORE)
            rc = parse_feed(p, text + cut, n - cut, &more);
        good += rc == PARSE_DONE && used + more == n - 10 &&
                !strcmp(r->path, "/v1/result") &&
                !strcmp(r->auth, "Bearer 12") && !strcmp(r->node, "77") &&
                !strcmp(r->seq, "5") && !strcmp(r->time, "1790000000000") &&
                !strcmp(r->sig, "abc=") && r->length == 10 && r->expects_100;
        parse_destroy(p);
    }
    is_int((int64_t)good, (int64_t)n - 1,
           "every header is kept, wherever the bytes are split");
}

static void a_nul_byte_is_refused_anywhere(void)
{
    static const char text[] =
        "GET /path HTTP/1.1\r\nHost: x\r\nFallow-Sig: abc\r\n\r\n";
    size_t n = sizeof(text) - 1, good = 0;

    for (size_t at = 0; at < n; at++) {
        char copy[sizeof(text)];
        struct parse *p = parse_create();
        size_t used;

        memcpy(copy, text, sizeof(copy));
        copy[at] = '\0';
        good += feed(p, copy, n, n, &used) != PARSE_DONE;
        parse_destroy(p);
    }
    is_int((int64_t)good, (int64_t)n, "a NUL byte is refused at every place");
}

static int status_of_head(size_t filler)
{
    struct parse *p = parse_create();
    size_t used, n = 0;
    char *text = malloc(filler + 100);
    int status;

    n = (size_t)snprintf(text, 100, "GET / HTTP/1.1\r\nHost: x\r\nX-A: ");
    memset(text + n, 'a', filler);
    memcpy(text + n + filler, "\r\n\r\n", 4);
    status = feed(p, text, n + filler + 4, 1000, &used) == PARSE_DONE
                 ? 200
                 : parse_refusal(p)->status;
    parse_destroy(p);
    free(text);
    return status;
}

static void heads_end_at_8_kib(void)
{
    size_t rest = strlen("GET / HTTP/1.1\r\nHost: x\r\nX-A: \r\n\r\n");

    is_int(status_of_head(8192 - rest), 200, "a head of 8192 bytes is read");
    is_int(status_of_head(8193 - rest), 431, "one of 8193 bytes gets 431");
    is_int(status_of_head(100000), 431, "one of 100 kB gets 431");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        one(i, 100000);
        one(i, 1);
    }
    headers_are_kept_at_any_split();
    a_nul_byte_is_refused_anywhere();
    heads_end_at_8_kib();
    done_testing();
    return exit_status();
}
