/* SPDX-License-Identifier: Apache-2.0 */
/* tap.h - Test Anything Protocol for C unit tests
 *
 * A test is a program that includes this header once, calls plan() or
 * done_testing(), and returns exit_status().  The macros print one line a
 * check; a failed one names file and line on standard error.
 */
#ifndef FALLOW_T_TAP_H
#define FALLOW_T_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_run;
static int tap_failed;
static int tap_planned = -1;

/* Announce how many checks follow; use done_testing() when unknown. */
static inline void plan(int n)
{
    tap_planned = n;
    printf("1..%d\n", n);
    fflush(stdout);
}

/* The whole program is skipped for REASON (a printf format). */
__attribute__((format(printf, 1, 2), noreturn)) static inline void skip_all(
    const char *fmt, ...)
{
    va_list ap;

    printf("1..0 # SKIP ");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    exit(0);
}

__attribute__((format(printf, 4, 5))) static inline bool tap_ok(
    bool pass, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", pass ? "ok" : "not ok", ++tap_run);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    if (!pass) {
        tap_failed++;
        fprintf(stderr, "#   failed at %s:%d\n", file, line);
    }
    return pass;
}

#define ok(cond, ...)                                                          \
    tap_ok((cond) ? true : false, __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, want, ...)                                                 \
    do {                                                                       \
        int64_t tap_g = (int64_t)(got), tap_w = (int64_t)(want);               \
        if (!tap_ok(tap_g == tap_w, __FILE__, __LINE__, __VA_ARGS__))          \
            fprintf(stderr, "#   got %jd, expected %jd\n", (intmax_t)tap_g,    \
                    (intmax_t)tap_w);                                          \
    } while (0)

#define is_str(got, want, ...)                                                 \
    do {                                                                       \
        const char *tap_g = (got), *tap_w = (want);                            \
        if (!tap_ok(tap_g && tap_w && strcmp(tap_g, tap_w) == 0, __FILE__,     \
                    __LINE__, __VA_ARGS__))                                    \
            fprintf(stderr, "#   got      '%s'\n#   expected '%s'\n",          \
                    tap_g ? tap_g : "(null)", tap_w ? tap_w : "(null)");       \
    } while (0)

#define like(got, part, ...)                                                   \
    do {                                                                       \
        const char *tap_g = (got), *tap_w = (part);                            \
        if (!tap_ok(tap_g && strstr(tap_g, tap_w) != NULL, __FILE__, __LINE__, \
                    __VA_ARGS__))                                              \
            fprintf(stderr, "#   '%s'\n#   lacks '%s'\n",                      \
                    tap_g ? tap_g : "(null)", tap_w);                          \
    } while (0)

/* The check that would have been made is skipped for REASON. */
#define skip(reason)                                                           \
    do {                                                                       \
        printf("ok %d # SKIP %s\n", ++tap_run, (reason));                      \
        fflush(stdout);                                                        \
    } while (0)

static inline void done_testing(void)
{
    if (tap_planned < 0)
        printf("1..%d\n", tap_run);
}

/* What main returns: 0 when every planned check ran and passed. */
static inline int exit_status(void)
{
    if (tap_planned >= 0 && tap_planned != tap_run) {
        fprintf(stderr, "# planned %d checks but ran %d\n", tap_planned,
                tap_run);
        return 1;
    }
    return tap_failed ? 1 : 0;
}

#endif
