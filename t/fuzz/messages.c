/* SPDX-License-Identifier: Apache-2.0 */
/* messages.c - any bytes as the body of every message
 *
 * The first byte chooses the message.  What is understood is written, read
 * and written again, and must then be the same text.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "t/fuzz/fuzz.h"

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "\"head\":{\"batch\":3,\"hash\":\"" D64 "\"}"
#define ASK                                                                    \
    "{\"want\":4,\"wait_s\":50,\"offer\":{\"cores\":4,\"mem\":10,"             \
    "\"seconds\":0,\"floor_micro\":0,\"zone\":\"cell\",\"kernels\":[{"         \
    "\"name\":\"echo\",\"spec\":\"" D64                                        \
    "\",\"units_per_s\":9}]},\"held\":[\"abc\"]}"
#define JOBSPEC(input, units, array)                                           \
    "h{\"submission_id\":\"0123456789abcdef0123456789abcdef\",\"name\":\"n\"," \
    "\"user\":\"u\",\"kernel\":\"echo\",\"spec\":\"" D64                       \
    "\",\"params\":\"" D64 "\",\"tasks\":2,\"items_per_task\":3,\"items\":5,"  \
    "\"input\":" input ",\"units\":" units ",\"array\":" array ",\"zone\":"    \
    "\"own\",\"nice\":-1,\"time_limit_us\":0,\"hold\":true,\"max_amount\":7}"

const char fuzz_subject[] = "messages of every kind";
const char *const fuzz_samples[] = {
    "a" ASK,
    "b{\"results\":[{\"token\":\"t\",\"status\":0,\"root\":{\"hash\":\"" D64
    "\",\"units\":1,\"bytes\":2},\"inline\":\"AAAA\",\"blob\":null,"
    "\"busy_us\":1}],\"ask\":" ASK "}",
    "b{\"results\":[{\"token\":\"t\",\"status\":0,\"root\":{\"hash\":\"" D64
    "\",\"units\":1,\"bytes\":2},\"inline\":null,\"blob\":\"" D64
    "\",\"busy_us\":1}],\"ask\":null}",
    "c{\"results\":[{\"fate\":\"stale\",\"reason\":\"\\u00e9\"}],\"leases\":[{"
    "\"id\":\"1.2\",\"kernel\":\"echo\",\"spec\":\"" D64 "\",\"params\":\"" D64
    "\",\"items\":2,\"deadline_us\":5,\"input\":\"AAA=\""
    ",\"token\":\"t\"}]," HEAD "}",
    "d{\"leases\":[\"a\",\"b\"]}",
    "e{\"gone\":[0,2]," HEAD "}",
    "f{\"token\":\"" D64 "\",\"pubkey\":\"" D64 "\"}",
    "g{\"worker_id\":1,\"party_id\":2,\"cell\":\"c\",\"cell_key\":\"" D64 "\"}",
    JOBSPEC("\"index\"", "1", "{\"first\":1,\"step\":2}"),
    JOBSPEC("[\"" D64 "\",\"" D64 "\"]", "[3,4]", "null"),
    "i{\"job_id\":1,\"quote\":{\"amount\":1,\"fee\":2,\"unit\":\"USD\","
    "\"tariff_id\":3,\"units\":4,\"prepaid\":5}}",
    "j{\"results\":[{\"task\":1,\"items\":2,\"bytes\":\"AAAA\"}],\"next\":-1}",
    NULL};

/* One message: from text to a struct and back; NULL = refused. */
#define KIND(name, clear)                                                      \
    static json_t *name(const json_t *j, struct error *err)                    \
    {                                                                          \
        struct msg_##name m;                                                   \
        json_t *back = NULL;                                                   \
                                                                               \
        memset(&m, 0, sizeof(m));                                              \
        if (msg_##name##_decode(j, &m, err) == 0) {                            \
            back = msg_##name##_encode(&m);                                    \
            assert(back);                                                      \
            clear(&m);                                                         \
        }                                                                      \
        return back;                                                           \
    }
#define KEEP(m) (void)(m)

/* A grant has a second way into text: the same bytes. */
static void grant_clear(struct msg_grant *m)
{
    json_t *j = msg_grant_encode(m);
    size_t n, k;
    char *a = message_text(j, &n), *b = msg_grant_text(m, &k);

    assert(a && b && n == k && memcmp(a, b, n) == 0);
    json_decref(j);
    free(a);
    free(b);
    msg_grant_clear(m);
}

KIND(ask, msg_ask_clear)
KIND(results, msg_results_clear)
KIND(grant, grant_clear)
KIND(tokens, msg_tokens_clear)
KIND(gone, msg_gone_clear)
KIND(enrol, KEEP)
KIND(enrolled, KEEP)
KIND(jobspec, msg_jobspec_clear)
KIND(quote, KEEP)
KIND(task_results, msg_task_results_clear)

typedef json_t *kind_fn(const json_t *j, struct error *err);
static kind_fn *const kinds[] = {ask,   results,     grant,    tokens,
                                 gone,  enrol,       enrolled, jobspec,
                                 quote, task_results};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static char *again(kind_fn *fn, const json_t *j, struct error *err)
{
    json_t *back = fn(j, err);
    size_t len;
    char *text = back ? message_text(back, &len) : NULL;

    json_decref(back);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct error err = {""};
    kind_fn *fn;
    char *one, *two;
    json_t *j;

    if (n == 0)
        return 0;
    fn = kinds[(data[0] + KINDS - 'a' % KINDS) % KINDS];
    j = message_parse(data + 1, n - 1, &err);
    assert(j || (errno == EBADMSG && err.text[0]));
    if (!j)
        return 0;
    err.text[0] = '\0';
    one = again(fn, j, &err);
    json_decref(j);
    if (!one) {
        assert(err.text[0]);
        return 0;
    }
    j = message_parse(one, strlen(one), &err);
    assert(j);
    two = again(fn, j, &err);
    assert(two && strcmp(one, two) == 0);
    json_decref(j);
    free(one);
    free(two);
    return 0;
}
