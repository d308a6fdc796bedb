/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - any bytes as a lease's token, sealed and not
 *
 * What the cell did not seal never opens.  Any bytes under its seal open to a
 * lease that is sealed to the same one again, or do not open.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "sched/api/api.h"
#include "t/fuzz/fuzz.h"

#define PLAIN_MAX 4096

const char fuzz_subject[] = "tokens of leases";
/* \xff stands for a zero byte; the first one says whether it is sealed */
const char *const fuzz_samples[] = {
    "tQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==",
    "s\x01\xff\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff\x02\xff\xff\xff\xff\xff"
    "\xff\xff\x03\xff\xff\xff\xff\xff\xff\xff\x04\xff\xff\xff\x05\xff\xff\xff"
    "\x06\xff\xff\xff\xff\xff\xff\xff\x07\xff\xff\xff\xff\xff\xff\xff\x08\xff"
    "\xff\xff\x02\xff\xff\xff\xff\x01\x01\xff\xff\xff\xff\xff\xff\xff\x09\xff"
    "\xff\xff\xff\xff\xff\xff\x0a\xff\xff\xff\x0b\xff\xff\xff\x0c",
    NULL};

static void same(const struct ctl *c, const struct lease *l)
{
    char *text = token_seal(c, l);
    struct lease back;
    struct error err;

    assert(text && token_open(c, text, &back, &err) == 0);
    assert(back.lease_id == l->lease_id && back.worker_id == l->worker_id &&
           back.job_id == l->job_id && back.task == l->task &&
           back.attempt == l->attempt && back.epoch == l->epoch &&
           back.granted_us == l->granted_us &&
           back.deadline_us == l->deadline_us && back.n_items == l->n_items);
    for (uint32_t i = 0; i < l->n_items; i++)
        assert(back.items[i].check_id == l->items[i].check_id &&
               back.items[i].job_id == l->items[i].job_id &&
               back.items[i].task == l->items[i].task &&
               back.items[i].item == l->items[i].item);
    token_clear(&back);
    free(text);
}

static char *sealed(const struct ctl *c, const uint8_t *p, size_t n)
{
    uint8_t plain[PLAIN_MAX], out[PLAIN_MAX + SEAL_OVERHEAD];
    char *text = malloc(base64_len(sizeof(out)) + 1);
    int len;

    for (size_t i = 0; i < n; i++)
        plain[i] = p[i] == 0xff ? 0 : p[i] == 0 ? 0xff : p[i];
    len = seal(c->seal_key, plain, n, out);
    assert(text && len > 0);
    base64_encode(out, (size_t)len, text);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ctl c = {.seal_key = {1, 2, 3}};
    struct error err = {""};
    struct lease l;
    char *text;
    int rc;

    if (n < 2 || n > PLAIN_MAX)
        return 0;
    if (data[0] == 's')
        text = sealed(&c, data + 1, n - 1);
    else
        text = strndup((const char *)data + 1, n - 1);
    rc = token_open(&c, text, &l, &err);
    if (rc == 0) {
        assert(data[0] == 's');
        same(&c, &l);
    } else {
        assert(errno == EBADMSG && err.text[0] && !l.items);
    }
    token_clear(&l);
    free(text);
    return 0;
}
