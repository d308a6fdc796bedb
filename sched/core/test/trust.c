/* SPDX-License-Identifier: Apache-2.0 */
/* trust.c - how often to check, and what an owner really stands to lose */
#include "sched/core/core.h"
#include "t/tap.h"

/* mu 1.5, D 0.569533, g 0.2: mu / (D (1 - g)) = 3.29217 */
static const struct {
    int64_t pay, at_risk;
    uint32_t q_ppm;
} rates[] = {
    {100, 0, 1000000},   /* nothing to lose: everything is checked */
    {100, 229, 1000000}, /* 3.29217 * 100 / 329 is just above 1 */
    {100, 230, 997627},  /* and here just below */
    {100, 900, 329217},  /* ten tasks in escrow */
    {100, 4900, 65843},  /* fifty */
    {100, 32900, 10000}, /* the floor of 1 % */
    {1, 100000000, 10000},
    {0, 0, 1000000}, /* too small to price */
    {INT64_C(9000000000000000), 0, 1000000},
    {INT64_C(9000000000000000), INT64_C(9000000000000000), 1000000},
    {INT64_C(1000000000), INT64_C(9000000000000000), 10000},
};

static void test_rates(void)
{
    struct cell_conf conf;
    uint32_t last = 1000000;
    bool falls = true;

    cell_conf_default(&conf);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        is_int(check_rate(&conf, rates[i].pay, rates[i].at_risk),
               rates[i].q_ppm, "q for pay %jd with %jd at risk",
               (intmax_t)rates[i].pay, (intmax_t)rates[i].at_risk);
    for (int64_t f = 0; f < 100000; f += 37) {
        uint32_t q = check_rate(&conf, 1000, f);

        falls &= q <= last;
        last = q;
    }
    ok(falls, "the more there is to lose the fewer checks");
    conf.q_min_ppm = 200000;
    is_int(check_rate(&conf, 1, 1000000), 200000, "the floor is a constant");
}

/* ---- exposure: dues by hand ---------------------------------------------- */

static struct party *person(struct cell *c, int64_t id, int64_t benef)
{
    struct rec_party r = {.party_id = id, .beneficial_owner = benef};

    return party_put(c, &r);
}

static void owe(struct party *owner, struct party *customer, int64_t amount)
{
    struct benef *b = owner->benef;

    b->dues = realloc(b->dues, (b->n_dues + 1) * sizeof(*b->dues));
    b->dues[b->n_dues++] = (struct due){customer->benef, amount};
}

static void test_exposure(void)
{
    struct cell_conf conf;
    struct cell *c;
    struct party *owner, *twin, *v[6];
    jmp_buf oom;

    cell_conf_default(&conf);
    c = cell_create(&conf);
    if (setjmp(oom))
        abort();
    c->oom = &oom;
    owner = person(c, 10, 0);
    twin = person(c, 11, 10);
    for (int i = 0; i < 6; i++)
        v[i] = person(c, 20 + i, 0);
    is_int(exposure(c, owner->benef), 0, "nothing in escrow, nothing to lose");
    owe(owner, v[0], 1000);
    is_int(exposure(c, owner->benef), 200, "one customer counts for 20 %%");
    owe(owner, v[1], 1000);
    is_int(exposure(c, owner->benef), 800,
           "each of two for at most 20 %% of all");
    for (int i = 2; i < 6; i++)
        owe(owner, v[i], 1000);
    is_int(exposure(c, owner->benef), 6000,
           "six equal customers count in full");
    owe(owner, twin, 1000000);
    is_int(exposure(c, twin->benef), 6000,
           "what he owes himself counts nothing");
    cell_destroy(c);
}

int main(void)
{
    test_rates();
    test_exposure();
    done_testing();
    return exit_status();
}
