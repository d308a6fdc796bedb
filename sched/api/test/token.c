/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - a sealed lease comes back whole, and nobody else can make one */
#include "common/bytes.h"
#include "sched/api/api.h"
#include "t/tap.h"

static struct lease a_lease(struct lease_item *items, uint32_t n)
{
    struct lease l = {.epoch = 3,
                      .lease_id = 77,
                      .worker_id = 5,
                      .job_id = 9,
                      .task = 2,
                      .attempt = 4,
                      .granted_us = 1000,
                      .deadline_us = 2000,
                      .n_items = n,
                      .items = items};

    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct lease_item){0, 9, 2, (i * 7) % n};
    if (n > 3)
        items[3] = (struct lease_item){123456789012, 8, 1, 40};
    return l;
}

static void test_round_trip(const struct ctl *c, uint32_t n)
{
    struct lease_item *items = calloc(n, sizeof(*items));
    struct lease l = a_lease(items, n), back;
    struct error err;
    char *text = token_seal(c, &l);

    ok(text && token_open(c, text, &back, &err) == 0, "%u items open again", n);
    ok(back.epoch == 3 && back.lease_id == 77 && back.worker_id == 5 &&
           back.job_id == 9 && back.task == 2 && back.attempt == 4 &&
           back.granted_us == 1000 && back.deadline_us == 2000 &&
           back.n_items == n,
       "with every field of the lease");
    ok(memcmp(back.items, items, n * sizeof(*items)) == 0,
       "and every item, salt included");
    token_clear(&back);
    free(text);
    free(items);
}

static void test_forged(struct ctl *c)
{
    struct lease_item items[4];
    struct lease l = a_lease(items, 4), back;
    struct error err;
    char *text = token_seal(c, &l);
    size_t n = strlen(text);
    bool opened = false;

    for (size_t i = 0; i < n; i++) {
        char old = text[i];

        text[i] = old == 'A' ? 'B' : 'A';
        if (old != '=' && token_open(c, text, &back, &err) == 0) {
            opened = true;
            token_clear(&back);
        }
        text[i] = old;
    }
    ok(!opened, "a token with one letter changed is refused");
    ok(token_open(c, "", &back, &err) < 0, "an empty one is refused");
    like(err.text, "not made by this cell", "in words");
    c->seal_key[0] ^= 1;
    ok(token_open(c, text, &back, &err) < 0, "another cell's is refused");
    free(text);
}

/* Two tokens of like leases, one with salt, tell nothing by their bytes. */
static void test_hides_salt(const struct ctl *c)
{
    struct lease_item items[8];
    struct lease l = a_lease(items, 8);
    char *a = token_seal(c, &l), *b = token_seal(c, &l);

    ok(strcmp(a, b) != 0, "the same lease seals to different bytes each time");
    free(a);
    free(b);
}

int main(void)
{
    static struct ctl c;

    c.seal_key[5] = 9;
    test_round_trip(&c, 1);
    test_round_trip(&c, 512);
    test_hides_salt(&c);
    test_forged(&c);
    done_testing();
    return exit_status();
}
