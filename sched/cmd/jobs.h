/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.h - what a cell says about jobs */
#ifndef FALLOW_SCHED_CMD_JOBS_H
#define FALLOW_SCHED_CMD_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "common/record.h"
#include "sched/cmd/client.h"

/* A task that is being computed, as the customer may see it. */
struct job_lease {
    int64_t job_id;
    int64_t task;
    char worker[32]; /* v1, v2, … */
    int64_t granted_us;
};

struct jobs {
    size_t n;
    struct rec_job *v;
    size_t n_leases;
    struct job_lease *leases;
};

/* GET path, which answers {"jobs", "leases"?}.  Returns 0 or -1 with errno. */
int jobs_get(struct client *c, const char *path, struct jobs *out,
             struct error *err);
void jobs_clear(struct jobs *j);

/* One job.  errno ENOENT: there is none that this user may see. */
int jobs_get_one(struct client *c, int64_t job_id, struct rec_job *out,
                 struct error *err);

/* A job id as users write it: N, N_T or N.S; *task is -1 where none is named.
 * Returns 0, or -1 with errno EINVAL.
 */
int job_id_parse(const char *text, int64_t *job_id, int64_t *task,
                 struct error *err);

/* N, or of an array N_[FIRST-LAST:STEP]; and N_INDEX of its task. */
void job_id_text(const struct rec_job *job, char *out, size_t cap);
void job_task_text(const struct rec_job *job, int64_t task, char *out,
                   size_t cap);

/* Whether it has ended, however. */
int job_has_ended(const struct rec_job *job);

/* Times as Slurm prints them: M:SS, H:MM:SS or D-HH:MM:SS (squeue);
 * [D-]HH:MM:SS (sacct); YYYY-MM-DDTHH:MM:SS, with instead for 0.
 */
void short_time_text(int64_t us, char *out, size_t cap);
void long_time_text(int64_t us, char *out, size_t cap);
void date_text(int64_t us, const char *instead, char *out, size_t cap);

#endif
