/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.c - byte order, hex and base64 read back what they wrote */
#include "common/bytes.h"

#include <errno.h>

#include "common/record.h"
#include "t/tap.h"

static void test_order(void)
{
    uint8_t p[8];

    put_u64be(p, 0x0123456789abcdefu);
    ok(p[0] == 0x01 && p[7] == 0xef, "the most significant byte stands first");
    ok(get_u64be(p) == 0x0123456789abcdefu, "and eight bytes read back");
    put_u32be(p, 0x89abcdefu);
    ok(p[0] == 0x89 && get_u32be(p) == 0x89abcdefu, "so do four");
}

static void test_base64(void)
{
    static const struct {
        const char *text, *base64;
    } rows[] = {
        /* RFC 4648, section 10 */
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const char *const bad[] = {
        "Zh==",   "Zm9=", "Zg",   "Zg=",      "Z===",
        "Zm9v\n", "Zm-_", "====", "Zg==Zg==", " Zm9vYg"};
    uint8_t *back;
    char out[16];
    size_t n;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        base64_encode(rows[i].text, strlen(rows[i].text), out);
        is_str(out, rows[i].base64, "\"%s\" in base64", rows[i].text);
        is_int(base64_decode(out, strlen(out), &back, &n), 0, "is taken");
        ok(n == strlen(rows[i].text) && !memcmp(back, rows[i].text, n),
           "and is \"%s\" again", rows[i].text);
        free(back);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ok(base64_decode(bad[i], strlen(bad[i]), &back, &n) < 0 &&
               errno == EINVAL,
           "bad base64 number %zu is refused", i);
    }
}

/* Facts make the id: the same posting again is recognised, any other is not. */
static void test_transfer_id(void)
{
    struct rec_transfer a = {.kind = TR_VERIFY, .ref = 7, .event_us = 1};
    struct rec_transfer b = {.kind = TR_VERIFY, .ref = 7, .event_us = 2};

    transfer_make_id(&a, 1, 3);
    transfer_make_id(&b, 1, 3);
    ok(!memcmp(a.transfer_id, b.transfer_id, 16),
       "a transfer posted later has the same id");
    transfer_make_id(&b, 2, 3);
    ok(memcmp(a.transfer_id, b.transfer_id, 16), "another leg has another");
    transfer_make_id(&b, 1, 4);
    ok(memcmp(a.transfer_id, b.transfer_id, 16), "so has another serial");
    b.ref = 8;
    transfer_make_id(&b, 1, 3);
    ok(memcmp(a.transfer_id, b.transfer_id, 16), "so has another reference");
    b.ref = 7;
    b.kind = TR_REJECT;
    transfer_make_id(&b, 1, 3);
    ok(memcmp(a.transfer_id, b.transfer_id, 16), "so has another kind");
}

int main(void)
{
    test_order();
    test_base64();
    test_transfer_id();
    is_str(job_state_name(JOB_HELD), "PENDING", "a held job is pending");
    is_str(job_state_name(99), "?", "an unknown state is a question mark");
    ok(purpose_is_debit(ACC_BANK) && !purpose_is_debit(ACC_PREPAID),
       "the bank is a debit account, prepaid is not");
    ok(purpose_has_floor(ACC_PREPAID) && !purpose_has_floor(ACC_ROUNDING),
       "prepaid has a floor, rounding has none");
    done_testing();
    return exit_status();
}
