/* SPDX-License-Identifier: Apache-2.0 */
/* submit.h - a job from its words to its number
 *
 *   submit_prepare   split, check, chunk: nothing has left this machine
 *   submit_quote     ask the cell for the price
 *   submit_send      upload what the cell lacks, then submit, once
 *   submit_clear     also removes what a job that was not submitted left
 */
#ifndef FALLOW_SCHED_CMD_SUBMIT_H
#define FALLOW_SCHED_CMD_SUBMIT_H

#include <stdbool.h>

#include <jansson.h>

#include "common/error.h"
#include "common/message.h"
#include "sched/cmd/client.h"
#include "sched/cmd/joboptions.h"
#include "sched/cmd/jobscript.h"
#include "sched/cmd/pieces.h"

/* Most tasks with items of their own in one job (jobspec.c). */
#define SUBMIT_TASKS_MAX 12000

/* Most bytes of one task's items file: it travels in a lease. */
#define SUBMIT_TASK_BYTES (512u << 10)

struct submit {
    const char *who; /* for warnings */
    struct msg_jobspec spec;
    char submission_hex[33];
    char *dir; /* jobdir, NULL for an array */
    json_t *plan;
    struct pieces items;
    bool settled;
};

int submit_prepare(struct submit *s, struct client *c,
                   const struct job_options *o, const struct jobscript *script,
                   const char *default_name, struct error *err);

/* The items file of one task; *buf is freed by the caller. */
int submit_task_items(const struct submit *s, uint32_t task, void **buf,
                      size_t *len, struct error *err);

/* errno EDQUOT: too little prepaid (both sums are in err). */
int submit_quote(struct submit *s, struct client *c, struct msg_quote *out,
                 struct error *err);
int submit_send(struct submit *s, struct client *c, struct msg_quote *out,
                struct error *err);
void submit_clear(struct submit *s);

#endif
