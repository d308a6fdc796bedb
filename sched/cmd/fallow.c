/* SPDX-License-Identifier: Apache-2.0 */
/* fallow.c - fallow(1): finds the subcommand and calls it */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/cmd/cmd.h"
#include "sched/cmd/layout.h"

static const struct command commands[] = {
    {"sbatch", cmd_sbatch, "submit a job script"},
    {"srun", cmd_srun, "submit one line, wait, assemble its output"},
    {"squeue", cmd_squeue, "jobs that wait and run"},
    {"sacct", cmd_sacct, "jobs of the past"},
    {"scancel", cmd_scancel, "end jobs"},
    {"scontrol", cmd_scontrol, "look at one job or worker; hold, release"},
    {"sinfo", cmd_sinfo, "the workers of the cell"},
    {"fetch", cmd_fetch, "assemble the output of a completed job"},
    {"explain", cmd_explain, "why a job waits, why a worker gets nothing"},
    {"verify-evidence", cmd_verify_evidence,
     "repeat a proof of a wrong result"},
    {"audit", cmd_ledger, "check every invariant of the ledger"},
    {"statement", cmd_ledger, "what owners earned"},
    {"invoice", cmd_ledger, "what a customer's jobs cost"},
    {"tonight", cmd_ledger, "the morning line of the owners"},
    {"balance", cmd_ledger, "the accounts of a party"},
    {"stop", cmd_stop, "the owner's switch: end all foreign work"},
    {"start", cmd_start, "turn it on again"},
    {"up", cmd_up, "start a private cell on this machine"},
    {"down", cmd_down, "stop it"},
    {"status", cmd_status, "say which of its programs run"},
    {"run", cmd_run, "run a kernel here, without any cell"},
    {NULL, NULL, NULL},
};

static void print_usage(FILE *out)
{
    fputs("usage: fallow [--state DIR] [--conf FILE] COMMAND [WORDS...]\n"
          "       fallow COMMAND --help\n"
          "       fallow --version\n"
          "\n"
          "commands:\n",
          out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-16s %s\n", c->name, c->summary);
}

/* Options before the command, for commands that have them not. */
static bool take_global(const char *option, const char *value)
{
    if (strcmp(option, "--state") == 0)
        return setenv("FALLOW_STATE", value, 1) == 0;
    return strcmp(option, "--conf") == 0 &&
           setenv("FALLOW_CONF", value, 1) == 0;
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
    while (argc > 3 && take_global(argv[1], argv[2])) {
        argv += 2;
        argc -= 2;
    }
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(argv[1], c->name) == 0)
            return c->main(argc - 1, argv + 1);
    fprintf(stderr,
            "fallow: unknown command \"%s\"; `fallow --help` lists them\n",
            argv[1]);
    return EXIT_USAGE;
}
