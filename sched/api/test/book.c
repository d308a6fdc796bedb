/* SPDX-License-Identifier: Apache-2.0 */
/* book.c - tokens, blob owners, sequence numbers and grants are kept apart */
#include "sched/api/api.h"
#include "t/tap.h"

static struct digest d_of(unsigned i)
{
    struct digest d;

    digest_of(&i, sizeof(i), &d);
    return d;
}

static void test_blobs(struct book *b)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < 5000; i++) {
        struct record r = {.type = REC_BLOB};

        r.blob.digest = d_of(i);
        r.blob.party_id = 1 + i % 3;
        bad += book_put(b, &r) < 0;
    }
    for (unsigned i = 0; i < 5000; i++) {
        struct digest d = d_of(i);

        bad += !book_owns_blob(b, 1 + i % 3, &d);
        bad += book_owns_blob(b, 4 + i % 3, &d);
    }
    is_int(bad, 0, "5,000 blobs are their uploaders' and nobody else's");
}

static void test_seq(struct book *b)
{
    uint8_t one[] = "first", two[] = "the second";
    struct record r = {.type = REC_SEQ};

    r.seq = (struct rec_seq){7, 1, {{1}}, one, 5};
    book_put(b, &r);
    r.seq = (struct rec_seq){7, 2, {{2}}, two, 10};
    book_put(b, &r);
    two[0] = 'X';
    ok(book_seq(b, 7) && book_seq(b, 7)->seq == 2 &&
           memcmp(book_seq(b, 7)->reply, "the second", 10) == 0,
       "the last reply of a worker is kept, copied");
    ok(book_seq(b, 8) == NULL, "another worker has none");
}

static void test_tokens(struct book *b)
{
    struct record r = {.type = REC_TOKEN};

    r.token.hash = d_of(1);
    r.token.kind = TOKEN_USER;
    r.token.party_id = 3;
    book_put(b, &r);
    r.token.revoked = true;
    book_put(b, &r);
    ok(book_token(b, &r.token.hash) && book_token(b, &r.token.hash)->revoked,
       "a token can be revoked");
}

static void test_grants(struct book *b)
{
    struct digest first = d_of(100);
    bool all = true;

    for (unsigned i = 100; i < 108; i++) {
        struct digest d = d_of(i);

        book_grant(b, 9, &d);
        all &= book_granted(b, 9, &d);
    }
    ok(all, "a worker may read the parameters it was granted");
    ok(!book_granted(b, 10, &first), "another worker may not");
    for (unsigned i = 108; i < 112; i++) {
        struct digest d = d_of(i);

        book_grant(b, 9, &d);
    }
    ok(!book_granted(b, 9, &first), "the oldest grants are forgotten");
}

int main(void)
{
    struct book *b = book_create();

    test_blobs(b);
    test_seq(b);
    test_tokens(b);
    test_grants(b);
    book_destroy(b);
    done_testing();
    return exit_status();
}
