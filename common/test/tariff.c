/* SPDX-License-Identifier: Apache-2.0 */
/* tariff.c - prices are floored, monotone, and refuse to overflow */
#include <errno.h>

#include "common/tariff.h"
#include "t/tap.h"

static const struct {
    int64_t units, num, den, price;
    int32_t fee_ppm;
    int64_t credit, amount, fee; /* credit -1: refused */
} table[] = {
    {0, 1, 1, 1000000, 100000, 0, 0, 0},
    {1, 1, 1, 1000000, 100000, 1, 1, 0},
    {19, 1, 1, 1000000, 100000, 19, 19, 1},
    {1, 1, 2, 1000000, 0, 0, 0, 0},
    {3, 1, 2, 1000000, 0, 1, 1, 0},
    {7, 317, 7, 310000, 50000, 317, 98, 4},
    /* accounting.md: 240 tasks of 1.0e15 MAC at 1.0e17 per GPUC, $0.24 */
    {240000000000000000, 1, 100000000000, 240000, 100000, 2400000, 576000,
     57600},
    {9000000000000000, 1, 1, 1000000, 0, 9000000000000000, 9000000000000000, 0},
    {9000000000000000, 1, 1, 1000000, 1, -1, 0, 0},
    {INT64_MAX, 1, 1, 1, 0, -1, 0, 0},
    {INT64_MAX, INT64_MAX, 1, INT64_MAX, 1000000, -1, 0, 0},
    {-1, 1, 1, 1, 0, -1, 0, 0},
    {1, 1, 0, 1, 0, -1, 0, 0},
    {1, -1, 1, 1, 0, -1, 0, 0},
};

static void test_table(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct rec_tariff t = {.tariff_id = 1,
                               .rate_num = table[i].num,
                               .rate_den = table[i].den,
                               .price_micro = table[i].price,
                               .fee_ppm = table[i].fee_ppm};
        struct price p;
        struct error err;
        int rc = tariff_price(&t, table[i].units, &p, &err);

        if (table[i].credit < 0)
            ok(rc == -1 && p.amount == 0, "row %zu is refused", i);
        else
            ok(rc == 0 && p.credit_micro == table[i].credit &&
                   p.amount == table[i].amount && p.fee == table[i].fee,
               "row %zu: %jd units cost %jd + %jd", i, (intmax_t)table[i].units,
               (intmax_t)p.amount, (intmax_t)p.fee);
    }
}

/* The parts of a whole never cost more than the whole. */
static void test_parts(void)
{
    struct rec_tariff t = {.rate_num = 317,
                           .rate_den = 7,
                           .price_micro = 310007,
                           .fee_ppm = 100003};
    uint64_t x = 88172645463325252u;
    bool monotone = true, bounded = true;

    for (int i = 0; i < 100000; i++) {
        struct price a, b, sum;
        int64_t u, v;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        u = (int64_t)(x % 1000000007);
        v = (int64_t)(x >> 32) % (i + 1);
        if (tariff_price(&t, u, &a, NULL) || tariff_price(&t, v, &b, NULL) ||
            tariff_price(&t, u + v, &sum, NULL))
            abort();
        monotone &= sum.amount >= a.amount && sum.fee >= a.fee;
        bounded &= a.amount + b.amount <= sum.amount &&
                   a.fee + b.fee <= sum.fee &&
                   a.credit_micro + b.credit_micro <= sum.credit_micro;
    }
    ok(monotone, "more units never cost less");
    ok(bounded, "two windows never cost more than one of both");
}

static void test_text(void)
{
    static const struct {
        int64_t micro;
        char text[32];
    } rows[] = {
        {0, "0.0000"},
        {12300, "0.0123"},
        {12345, "0.012345"},
        {10000000, "10.0000"},
        {-1500000, "-1.5000"},
        {1, "0.000001"},
        {INT64_MIN, "-9223372036854.775808"},
    };
    char out[32];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        micro_format(rows[i].micro, out, sizeof(out));
        is_str(out, rows[i].text, "%jd is printed as %s",
               (intmax_t)rows[i].micro, rows[i].text);
    }
}

int main(void)
{
    test_table();
    test_parts();
    test_text();
    done_testing();
    return exit_status();
}
