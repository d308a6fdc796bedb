/* SPDX-License-Identifier: Apache-2.0 */
/* money.h - micro-units as people read them, and estimates
 *
 * Amounts are int64 micro-units (1e-6 of the unit); nothing here is a payment
 * basis and nothing rounds what is stored.  doc/8-ledger.md, "Rounding".
 */
#ifndef FALLOW_ACCOUNTING_MONEY_H
#define FALLOW_ACCOUNTING_MONEY_H

#include <stdint.h>

#define MONEY_LEN 40

/* "$0.31", "-EUR 12.00": two digits, rounded half away from zero; an amount
 * under one cent but not zero has all six: "$0.000042".  Returns out.
 */
const char *money_text(int64_t micro, const char *unit, char out[MONEY_LEN]);

/* "2.4 GPU credits": rounded down so as never to promise more than there is;
 * two digits from one credit on, else as many as are not zero.  Returns out.
 */
const char *credits_text(int64_t micro, const char *credit_unit,
                         char out[MONEY_LEN]);

/* All six digits, without a unit: "-12.345678".  Returns out. */
const char *micro_text(int64_t micro, char out[MONEY_LEN]);

/* An estimate: cost of busy_us at milliwatts and micro-fiat a kWh, rounded
 * half up; saturates at INT64_MAX.
 */
int64_t energy_cost(int64_t busy_us, int64_t milliwatts, int64_t price_kwh);

/* v * num / den rounded down with 128 bits between; saturates. den > 0. */
int64_t muldiv(int64_t v, int64_t num, int64_t den);

#endif
