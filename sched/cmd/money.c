/* SPDX-License-Identifier: Apache-2.0 */
/* money.c - micro-units as people write them */
#include "sched/cmd/money.h"

#include <stdio.h>
#include <string.h>

void money_text(int64_t micro, char *out, size_t cap)
{
    const char *sign = micro < 0 ? "-" : "";
    uint64_t v = micro < 0 ? 0 - (uint64_t)micro : (uint64_t)micro;
    uint64_t cents = (v + 5000) / 10000;

    if (v > 0 && v < 10000)
        snprintf(out, cap, "%s0.%06ju", sign, (uintmax_t)v);
    else
        snprintf(out, cap, "%s%ju.%02ju", sign, (uintmax_t)(cents / 100),
                 (uintmax_t)(cents % 100));
}

void count_text(uint64_t n, char *out, size_t cap)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%ju", (uintmax_t)n);
    size_t at = 0;

    for (int i = 0; i < len && at + 2 < cap; i++) {
        if (i && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}
