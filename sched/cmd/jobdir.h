/* SPDX-License-Identifier: Apache-2.0 */
/* jobdir.h - what the client keeps of a job until its output is assembled
 *
 * STATE/jobs/CELL/N holds the plan and whatever else the kernel's split left
 * there (row ids, …) without items and parameters.  Before the cell has given
 * the job its number the directory is called by its submission id, so that a
 * client killed in between is not forgotten.
 */
#ifndef FALLOW_SCHED_CMD_JOBDIR_H
#define FALLOW_SCHED_CMD_JOBDIR_H

#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "sched/cmd/client.h"

/* STATE/jobs/CELL/new-SUBMISSION, made 0700; allocated. */
char *jobdir_create(const struct client *c, const char *submission_hex,
                    struct error *err);

/* Drop what only the split needed, and give it the job's number.  Returns 0
 * or -1 with errno; nothing is lost then.
 */
int jobdir_settle(const struct client *c, const char *submission_hex,
                  int64_t job_id, struct error *err);

/* The directory of a job, allocated; NULL with errno ENOENT (this user did
 * not submit it from here) or ENOMEM.
 */
char *jobdir_find(const struct client *c, int64_t job_id,
                  const char *submission_hex, struct error *err);

/* Read DIR/plan.json, and write it with another output path. */
json_t *jobdir_plan(const char *dir, struct error *err);
int jobdir_set_output(const char *dir, json_t *plan, const char *path,
                      struct error *err);

/* Where the plan writes to, or NULL. */
const char *jobdir_output(const json_t *plan);

#endif
