/* SPDX-License-Identifier: Apache-2.0 */
/* money.c - micro-units as people read them, and estimates */
#include "accounting/money.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

const char *money_text(int64_t micro, const char *unit, char out[MONEY_LEN])
{
    uint64_t v = magnitude(micro), cents = (v + 5000) / 10000;
    const char *sign = micro < 0 ? "-" : "";
    bool dollar = strcmp(unit, "USD") == 0;
    const char *name = dollar ? "$" : unit, *gap = dollar ? "" : " ";

    if (v > 0 && v < 10000)
        snprintf(out, MONEY_LEN, "%s%s%s0.%06" PRIu64, sign, name, gap, v);
    else
        snprintf(out, MONEY_LEN, "%s%s%s%" PRIu64 ".%02" PRIu64, sign, name,
                 gap, cents / 100, cents % 100);
    return out;
}

const char *credits_text(int64_t micro, const char *credit_unit,
                         char out[MONEY_LEN])
{
    uint64_t v = magnitude(micro), shown = v >= 1000000 ? v / 10000 * 10000 : v;
    char digits[8];
    size_t n = 6;

    snprintf(digits, sizeof(digits), "%06" PRIu64, shown % 1000000);
    while (n > 1 && digits[n - 1] == '0')
        digits[--n] = '\0';
    snprintf(out, MONEY_LEN, "%s%" PRIu64 ".%s %s credits",
             micro < 0 ? "-" : "", shown / 1000000, digits,
             strcmp(credit_unit, "GPUC") == 0   ? "GPU"
             : strcmp(credit_unit, "CPUC") == 0 ? "CPU"
                                                : credit_unit);
    return out;
}

const char *micro_text(int64_t micro, char out[MONEY_LEN])
{
    uint64_t v = magnitude(micro);

    snprintf(out, MONEY_LEN, "%s%" PRIu64 ".%06" PRIu64, micro < 0 ? "-" : "",
             v / 1000000, v % 1000000);
    return out;
}

static int64_t saturate(unsigned __int128 v)
{
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int64_t energy_cost(int64_t busy_us, int64_t milliwatts, int64_t price_kwh)
{
    const uint64_t kwh = UINT64_C(3600000000000000); /* µs·mW in one */
    unsigned __int128 work;

    if (busy_us <= 0 || milliwatts <= 0 || price_kwh <= 0)
        return 0;
    work = (unsigned __int128)busy_us * (uint64_t)milliwatts;
    if (work > ((unsigned __int128)1 << 127) / (uint64_t)price_kwh)
        return INT64_MAX;
    return saturate((work * (uint64_t)price_kwh + kwh / 2) / kwh);
}

int64_t muldiv(int64_t v, int64_t num, int64_t den)
{
    bool negative = (v < 0) != (num < 0);
    int64_t q;

    q = saturate((unsigned __int128)magnitude(v) * magnitude(num) /
                 (uint64_t)den);
    return negative ? -q : q;
}
