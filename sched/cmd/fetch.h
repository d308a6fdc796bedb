/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - a job's results on their way to the user's output file */
#ifndef FALLOW_SCHED_CMD_FETCH_H
#define FALLOW_SCHED_CMD_FETCH_H

#include <stdint.h>

#include "common/error.h"
#include "common/record.h"
#include "sched/cmd/client.h"

/* Download the results of a completed job and assemble its output; output,
 * when not NULL, is used this once in place of the plan's path.  An array has
 * no plan: with output its results file is written there, without it nothing is
 * done. path, when not NULL, receives the allocated path written, or NULL.
 */
int fetch_job(struct client *c, const struct rec_job *job, const char *output,
              char **path, struct error *err);

/* Wait until the job has ended, with a bar on a terminal; *job is its last
 * row.  Returns 0, or -1 with errno ECANCELED (interrupted) or of the cell.
 */
int wait_job(struct client *c, int64_t job_id, struct rec_job *job,
             struct error *err);

#endif
