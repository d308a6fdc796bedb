/* SPDX-License-Identifier: Apache-2.0 */
/* gate_parse.c - any bytes as the head of a request, whole and in pieces
 *
 * The first byte chooses the size of the pieces.  Whatever comes, both ways
 * of feeding must agree, and a head that is understood is well formed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sched/gate/parse.h"
#include "t/fuzz/fuzz.h"

const char fuzz_subject[] = "heads of requests";
const char *const fuzz_samples[] = {
    "\x07GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x01POST /v1/result HTTP/1.1\r\nHost: cell\r\nFallow-Node: 7\r\n"
    "Fallow-Seq: 12\r\nFallow-Time: 1790000000000\r\nFallow-Sig: abc=\r\n"
    "Content-Length: 10\r\nConnection: close\r\n\r\n0123456789",
    "\x20PUT https://a/v1/blob/x HTTP/1.1\r\nHost: x\r\n"
    "Expect: 100-continue\r\nAuthorization: Bearer 12\r\n"
    "Content-Length: 5\r\n\r\n",
    "\x03POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "\x3fGET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    NULL};

static enum parse_result feed(struct parse *p, const uint8_t *b, size_t n,
                              size_t step, size_t *total)
{
    enum parse_result rc = PARSE_MORE;

    *total = 0;
    while (rc == PARSE_MORE && *total < n) {
        size_t k = n - *total < step ? n - *total : step, used = 0;

        rc = parse_feed(p, b + *total, k, &used);
        assert(used <= k);
        *total += used;
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct parse *a = parse_create(), *b = parse_create();
    size_t step = n ? data[0] % 64 + 1u : 1, used_a, used_b;
    enum parse_result ra, rb;

    n -= n > 0;
    ra = feed(a, data + 1, n, n ? n : 1, &used_a);
    rb = feed(b, data + 1, n, step, &used_b);
    if (ra == PARSE_DONE && rb == PARSE_DONE) {
        const struct parse_request *p = parse_request(a), *q = parse_request(b);

        assert(used_a == used_b && used_a <= PARSE_HEAD_MAX);
        assert(p->path[0] == '/' && p->length == q->length);
        assert(!strcmp(p->path, q->path) && !strcmp(p->sig, q->sig));
        assert(!strcmp(p->auth, q->auth) && p->keep == q->keep);
    } else if (ra == PARSE_REFUSED) {
        assert(rb != PARSE_DONE);
        assert(parse_refusal(a)->status >= 400);
    } else {
        assert(rb == ra);
    }
    parse_destroy(a);
    parse_destroy(b);
    return 0;
}
