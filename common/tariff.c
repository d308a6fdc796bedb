/* SPDX-License-Identifier: Apache-2.0 */
/* tariff.c - what units cost: integer arithmetic, floored once */
#include "common/tariff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int tariff_price(const struct rec_tariff *t, int64_t units, struct price *out,
                 struct error *err)
{
    __int128 credit, amount, fee;

    *out = (struct price){0, 0, 0};
    if (units < 0 || t->rate_num < 0 || t->rate_den <= 0 ||
        t->price_micro < 0 || t->fee_ppm < 0)
        return error_set(err, EINVAL,
                         "cannot price %" PRId64 " units under tariff %" PRId64,
                         units, t->tariff_id);
    credit = (__int128)units * t->rate_num / t->rate_den;
    if (credit > MICRO_MAX)
        goto overflow;
    amount = credit * t->price_micro / 1000000;
    if (amount > MICRO_MAX)
        goto overflow;
    fee = amount * t->fee_ppm / 1000000;
    if (amount + fee > MICRO_MAX)
        goto overflow;
    out->credit_micro = (int64_t)credit;
    out->amount = (int64_t)amount;
    out->fee = (int64_t)fee;
    return 0;

overflow:
    return error_set(err, EOVERFLOW,
                     "price of %" PRId64 " units exceeds what a ledger line "
                     "can hold",
                     units);
}

void micro_format(int64_t micro, char *out, size_t len)
{
    uint64_t m = micro < 0 ? -(uint64_t)micro : (uint64_t)micro;
    const char *sign = micro < 0 ? "-" : "";

    if (m % 100)
        snprintf(out, len, "%s%" PRIu64 ".%06" PRIu64, sign, m / 1000000,
                 m % 1000000);
    else
        snprintf(out, len, "%s%" PRIu64 ".%04" PRIu64, sign, m / 1000000,
                 m % 1000000 / 100);
}
