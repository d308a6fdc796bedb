/* SPDX-License-Identifier: Apache-2.0 */
/* tariff.h - what units cost: integer arithmetic, floored once
 *
 * credit_micro = floor(units * rate_num / rate_den)
 * amount       = floor(credit_micro * price_micro / 1e6)
 * fee          = floor(amount * fee_ppm / 1e6), on top of the amount
 *
 * The database has the same formulas; doc/8-ledger.md has worked examples.
 * Prices of cumulative units are monotone and never exceed the price of the
 * whole when a whole is split: floor(a) + floor(b) <= floor(a + b).
 */
#ifndef FALLOW_COMMON_TARIFF_H
#define FALLOW_COMMON_TARIFF_H

#include <stdint.h>

#include "common/error.h"
#include "common/record.h"

/* Most that an account or a line may hold, micro-units (the domain micro). */
#define MICRO_MAX INT64_C(9000000000000000)

struct price {
    int64_t credit_micro; /* quantity, micro-credits */
    int64_t amount;       /* the owner's, micro-fiat */
    int64_t fee;          /* the cell's, micro-fiat, on top */
};

/* Price of units >= 0 under t.  Returns 0, or -1 with errno EOVERFLOW when a
 * result exceeds MICRO_MAX, or EINVAL when units or the tariff are negative or
 * the rate's denominator is not positive; *out is then zero.
 */
int tariff_price(const struct rec_tariff *t, int64_t units, struct price *out,
                 struct error *err);

/* Money for people: "0.0123", with six decimals when four do not show it all.
 * out holds at least 32 bytes.
 */
void micro_format(int64_t micro, char *out, size_t len);

#endif
