/* SPDX-License-Identifier: Apache-2.0 */
/* fallow.c - fallow(1): finds the subcommand and calls it */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/cmd/cmd.h"
#include "sched/cmd/layout.h"

static const struct command commands[] = {
    {"run", cmd_run, "run a kernel here, without any cell"},
    {NULL, NULL, NULL},
};

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

static void print_usage(FILE *out)
{
    fputs("usage: fallow COMMAND [WORDS...]\n"
          "       fallow COMMAND --help\n"
          "       fallow --version\n"
          "\n"
          "commands:\n",
          out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-16s %s\n", c->name, c->summary);
}

int main(int argc, char **argv)
{
    struct error err = {""};

    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("fallow " PACKAGE_VERSION);
        return 0;
    }
    if (layout_environment(&err) < 0)
        return cmd_failed("fallow", &err);
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(argv[1], c->name) == 0)
            return c->main(argc - 1, argv + 1);
    fprintf(stderr,
            "fallow: unknown command \"%s\"; `fallow --help` lists them\n",
            argv[1]);
    return EXIT_USAGE;
}
