/* SPDX-License-Identifier: Apache-2.0 */
/* jobrow.h - a line of squeue or sacct, and what its fields say
 *
 * Pure: rows are made of what the cell answered, values of rows; the time is
 * given.
 */
#ifndef FALLOW_SCHED_CMD_JOBROW_H
#define FALLOW_SCHED_CMD_JOBROW_H

#include <stdint.h>

#include "common/error.h"
#include "sched/cmd/columns.h"
#include "sched/cmd/jobs.h"

struct job_row {
    const struct rec_job *job;
    int64_t task;     /* of an array, -1 = the rest or the whole job */
    int state;        /* enum job_state of this line */
    uint32_t workers; /* that compute for it now */
    char nodes[160];  /* v1, v[1-3] */
    int64_t since_us; /* began, 0 = not yet */
    int64_t now_us;
    int step; /* sacct: -1 the job, else number of the step */
};

/* Fields of squeue -o and -O. */
extern const struct field squeue_fields[];
extern const int squeue_n_fields;
void squeue_value(const void *row, int field, char *out);

/* Fields of sacct -o. */
extern const struct field sacct_fields[];
extern const int sacct_n_fields;
void sacct_value(const void *row, int field, char *out);

/* The lines squeue shows for these jobs: a job is one; of an array every
 * running task is one and the rest, while there is any, one more; each (-r)
 * parts the rest of an array of which nothing has run yet.  *out is
 * allocated.  Returns their number, or -1 with errno ENOMEM.
 */
long squeue_rows(const struct jobs *jobs, int64_t now_us, bool each,
                 struct job_row **out);

/* v1,v2,v3 -> v[1-3], as Slurm writes lists of nodes. */
void node_list_text(const int64_t *numbers, size_t n, const char *prefix,
                    char *out, size_t cap);

/* A comma-separated list of states, long or compact, or "all", to a set of
 * bits 1 << state.  Returns 0, or -1 with errno EINVAL.
 */
int job_states_parse(const char *text, uint32_t *set, struct error *err);

#endif
