/* SPDX-License-Identifier: Apache-2.0 */
/* slurmtime.c - Slurm's ways to write times, limits and dates
 *
 * fallow-sbatch(1) shows them to users.
 */
#include "sched/cmd/joboptions.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define LIMIT_MAX INT64_C(100000000) /* seconds */

static int64_t number(const char **p)
{
    int64_t v = 0;

    if (!isdigit((unsigned char)**p))
        return -1;
    for (; isdigit((unsigned char)**p); (*p)++)
        if (v <= LIMIT_MAX)
            v = v * 10 + (**p - '0');
    return v;
}

/* Fields parted by ':' to v, their count, or -1. */
static int fields(const char *p, int64_t v[3])
{
    int n = 0;

    for (;;) {
        if (n == 3 || (v[n++] = number(&p)) < 0)
            return -1;
        if (!*p)
            return n;
        if (*p++ != ':')
            return -1;
    }
}

/* Seconds, or -1. */
static int64_t limit_seconds(const char *text)
{
    const char *dash = strchr(text, '-');
    int64_t v[3], days = 0;
    int n;

    if (dash) {
        const char *p = text;

        days = number(&p);
        if (days < 0 || p != dash)
            return -1;
        n = fields(dash + 1, v);
        if (n < 0)
            return -1;
        for (int i = n; i < 3; i++)
            v[i] = 0;
        return days * 86400 + v[0] * 3600 + v[1] * 60 + v[2];
    }
    n = fields(text, v);
    switch (n) {
    case 1: return v[0] * 60;
    case 2: return v[0] * 60 + v[1];
    case 3: return v[0] * 3600 + v[1] * 60 + v[2];
    default: return -1;
    }
}

int parse_time_limit(const char *text, int64_t *us, struct error *err)
{
    int64_t s;

    if (strcmp(text, "-1") == 0 || strcasecmp(text, "INFINITE") == 0 ||
        strcasecmp(text, "UNLIMITED") == 0) {
        *us = 0;
        return 0;
    }
    s = limit_seconds(text);
    if (s < 0 || s > LIMIT_MAX)
        return error_set(err, EINVAL,
                         "time %s is none of M, M:S, H:M:S, D-H, D-H:M, "
                         "D-H:M:S",
                         text);
    *us = (s + 59) / 60 * 60 * SECOND_US;
    return 0;
}

/* now[{+|-}N[unit]], seconds when there is no unit. */
static int relative_date(const char *p, int64_t now_us, int64_t *us)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"seconds", 1},
                 {"minutes", 60},
                 {"hours", 3600},
                 {"days", 86400},
                 {"weeks", 604800}};
    int64_t sign, v;

    *us = now_us;
    if (!*p)
        return 0;
    if (*p != '+' && *p != '-')
        return -1;
    sign = *p++ == '-' ? -1 : 1;
    v = number(&p);
    if (v < 0 || v > LIMIT_MAX)
        return -1;
    if (!*p) {
        *us += sign * v * SECOND_US;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strlen(p) >= 3 && strncasecmp(p, units[i].name, strlen(p)) == 0) {
            *us += sign * v * units[i].seconds * SECOND_US;
            return 0;
        }
    return -1;
}

/* Midnight of the day of now, plus days. */
static struct tm day_of(int64_t now_us, int days)
{
    time_t t = (time_t)(now_us / SECOND_US);
    struct tm tm;

    localtime_r(&t, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday += days;
    tm.tm_isdst = -1;
    return tm;
}

static bool clock_part(const char *text, struct tm *tm)
{
    int64_t v[3] = {0, 0, 0};
    int n = fields(text, v);

    if (n < 2 || v[0] > 23 || v[1] > 59 || v[2] > 60)
        return false;
    tm->tm_hour = (int)v[0];
    tm->tm_min = (int)v[1];
    tm->tm_sec = n == 3 ? (int)v[2] : 0;
    return true;
}

static bool date_part(const char *text, size_t len, struct tm *tm)
{
    int y, m, d, used = 0;
    char s[32];

    snprintf(s, sizeof(s), "%.*s", (int)len, text);
    if (sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &used) == 3 && !s[used])
        tm->tm_year = y - 1900;
    else if (sscanf(s, "%2d/%2d/%2d%n", &m, &d, &y, &used) == 3 && !s[used])
        tm->tm_year = y + 100;
    else if (len == 6 && sscanf(s, "%2d%2d%2d%n", &m, &d, &y, &used) == 3 &&
             !s[used])
        tm->tm_year = y + 100;
    else if (sscanf(s, "%2d/%2d%n", &m, &d, &used) != 2 || s[used])
        return false;
    if (m < 1 || m > 12 || d < 1 || d > 31)
        return false;
    tm->tm_mon = m - 1;
    tm->tm_mday = d;
    return true;
}

int parse_date(const char *text, int64_t now_us, int64_t *us, struct error *err)
{
    static const struct {
        const char *name;
        int days, hour;
    } words[] = {{"today", 0, 0},    {"midnight", 1, 0}, {"noon", 0, 12},
                 {"tomorrow", 1, 0}, {"fika", 0, 15},    {"teatime", 0, 16}};
    struct tm tm = day_of(now_us, 0);
    size_t n = strcspn(text, "T");
    bool ok = false;

    if (strncasecmp(text, "now", 3) == 0) {
        if (relative_date(text + 3, now_us, us) == 0)
            return 0;
        return error_set(err, EINVAL, "time %s is not now, now+N or now-N",
                         text);
    }
    for (size_t i = 0; !ok && i < sizeof(words) / sizeof(*words); i++)
        if (strcasecmp(text, words[i].name) == 0) {
            tm = day_of(now_us, words[i].days);
            tm.tm_hour = words[i].hour;
            ok = true;
        }
    if (!ok && n < 32 && strlen(text) < 64)
        ok = clock_part(text, &tm) ||
             (date_part(text, n, &tm) &&
              (!text[n] || clock_part(text + n + 1, &tm)));
    if (!ok)
        return error_set(err, EINVAL,
                         "time %s is none of YYYY-MM-DD[THH:MM[:SS]], "
                         "MM/DD[/YY], HH:MM, today, now-1hour",
                         text);
    *us = (int64_t)mktime(&tm) * SECOND_US;
    return 0;
}
