/* SPDX-License-Identifier: Apache-2.0 */
/* joboptions.h - the options of sbatch, srun and their directives
 *
 * One table for all places an option may stand: `#SBATCH` lines, SBATCH_*
 * variables, the command line.  Later calls overrule earlier ones, so a caller
 * reads script, environment, command line in this order.  An option Slurm has
 * and Fallow does not honour yet is a warning; one that Slurm does not have is
 * an error.
 */
#ifndef FALLOW_SCHED_CMD_JOBOPTIONS_H
#define FALLOW_SCHED_CMD_JOBOPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/record.h"

#define ARRAY_TASKS_MAX 4000001 /* MaxArraySize */

struct job_options {
    char name[NAME_MAX_LEN + 1]; /* --job-name, "" = not given */
    bool is_array;               /* --array: index of task t is */
    int64_t array_first;         /*   first + t * step */
    int64_t array_step;
    uint32_t array_tasks;
    int64_t time_limit_us; /* --time, 0 = none */
    int32_t nice;
    bool hold, wait;
    bool parsable, test_only, quiet; /* what sbatch says and does */
    char *chdir;                     /* --chdir, or NULL */
    char *comment;                   /* --comment, or NULL */
    char *wrap;                      /* --wrap: the body, or NULL */
    char zone[16];                   /* zone=, "" = the cell's default */
    int64_t max_cost_micro;          /* max-cost=, 0 = no bound of its own */
    uint32_t chunk;                  /* chunk=, items a task, 0 = kernel's */
    bool quote;                      /* price only */
    bool help, version;
    void (*warn)(void *arg, const char *text); /* one line, no newline */
    void *warn_arg;
};

/* Take the options at the front of argv[1…]; argv[0] is not looked at.
 * *rest is the index of the first word that is no option.  Returns 0, or -1
 * with errno EINVAL and err naming option and value.
 */
int job_options_take(struct job_options *o, int argc, char **argv, int *rest,
                     struct error *err);

/* One word of a #FALLOW line or of --fallow=: zone=site, max-cost=0.50,
 * chunk=64, quote.
 */
int job_options_fallow(struct job_options *o, const char *word,
                       struct error *err);

/* The SBATCH_* variables Slurm defines for what is honoured. */
int job_options_environment(struct job_options *o, struct error *err);

void job_options_clear(struct job_options *o);

/* Slurm's grammars, for other commands too.  Return 0, or -1 with EINVAL. */

/* M, M:S, H:M:S, D-H, D-H:M, D-H:M:S, rounded up to whole minutes; -1,
 * INFINITE, UNLIMITED and 0 give 0, no limit.
 */
int parse_time_limit(const char *text, int64_t *us, struct error *err);

/* Dates: YYYY-MM-DD[THH:MM[:SS]], MM/DD[/YY], HH:MM[:SS], today, tomorrow,
 * midnight, noon, now[{+-}N[seconds|minutes|hours|days|weeks]].
 */
int parse_date(const char *text, int64_t now_us, int64_t *us,
               struct error *err);

#endif
