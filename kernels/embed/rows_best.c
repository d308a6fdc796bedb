/* SPDX-License-Identifier: Apache-2.0 */
/* rows_best.c - which copy of the row operations this CPU gets */
#include "kernels/embed/rows.h"

#include <stdlib.h>
#include <string.h>

extern const struct embed_rows embed_rows_v2;
extern const struct embed_rows embed_rows_v3;
extern const struct embed_rows embed_rows_v4;

static bool has_v2(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}

static bool has_v3(void)
{
    return has_v2() && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

const struct embed_rows *embed_rows_best(void)
{
    const char *cap = getenv("FALLOW_CPU_LEVEL");
    int level = 4;

    if (cap && *cap)
        level = strcmp(cap, "x86-64-v4") == 0   ? 4
                : strcmp(cap, "x86-64-v3") == 0 ? 3
                                                : 2;
    __builtin_cpu_init();
    if (level >= 4 && has_v4())
        return &embed_rows_v4;
    if (level >= 3 && has_v3())
        return &embed_rows_v3;
    return has_v2() ? &embed_rows_v2 : &embed_rows_ref;
}
