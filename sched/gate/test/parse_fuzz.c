/* SPDX-License-Identifier: Apache-2.0 */
/* parse_fuzz.c - libFuzzer target: any bytes, fed whole and in pieces
 *
 * The first byte chooses the size of the pieces.  Whatever comes, both ways
 * of feeding must agree, and a head that is understood is well formed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sched/gate/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

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
