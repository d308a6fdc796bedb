/* SPDX-License-Identifier: Apache-2.0 */
/* say.c - how commands say that something is wrong */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/cmd/cmd.h"

int cmd_failed(const char *who, const struct error *err)
{
    fprintf(stderr, "%s: %s\n", who, err->text);
    return EXIT_FAILED;
}

int cmd_usage(const char *who, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", who);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n%s: `fallow %s --help` shows the usage\n", who,
            strncmp(who, "fallow ", 7) == 0 ? who + 7 : who);
    return EXIT_USAGE;
}
