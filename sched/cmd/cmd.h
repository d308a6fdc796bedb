/* SPDX-License-Identifier: Apache-2.0 */
/* cmd.h - the subcommands of fallow(1)
 *
 * `fallow NAME words…` calls the function of that name with argv[0] = NAME.
 * What each returns is the exit status of the program: 0, 1 when something
 * could not be done, 2 when it was asked wrongly, else as its page says.
 */
#ifndef FALLOW_SCHED_CMD_CMD_H
#define FALLOW_SCHED_CMD_CMD_H

#include "common/error.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *summary;
};

int cmd_down(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sacct(int argc, char **argv);
int cmd_sbatch(int argc, char **argv);
int cmd_scancel(int argc, char **argv);
int cmd_scontrol(int argc, char **argv);
int cmd_sinfo(int argc, char **argv);
int cmd_squeue(int argc, char **argv);
int cmd_srun(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_verify_evidence(int argc, char **argv);

/* One line "WHO: TEXT" on standard error; returns EXIT_FAILED. */
int cmd_failed(const char *who, const struct error *err);

/* "WHO: TEXT" and where help is found; returns EXIT_USAGE. */
int cmd_usage(const char *who, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
