/* SPDX-License-Identifier: Apache-2.0 */
/* listing.h - what squeue, sinfo, sacct, scancel and scontrol share */
#ifndef FALLOW_SCHED_CMD_LISTING_H
#define FALLOW_SCHED_CMD_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/record.h"

/* Job ids as they are named on a command line: N, N_INDEX, N.STEP, or a list
 * of them.
 */
struct id_list {
    size_t n;
    struct {
        int64_t job_id, index; /* index -1 = the whole job */
    } * v;
};

/* Add the ids of text, parted by commas or blanks.  Returns 0, or -1 with
 * errno EINVAL.
 */
int id_list_add(struct id_list *l, const char *text, struct error *err);
void id_list_clear(struct id_list *l);

/* Whether the job, or this task of it, is named; an empty list names all. */
bool id_listed(const struct id_list *l, int64_t job_id,
               const struct rec_job *job, int64_t task);

/* Whether word is one of list's, parted by commas; NULL lists all. */
bool word_listed(const char *list, const char *word);

/* "CALL error: TEXT" as Slurm's libraries say it, at column 0; when the cell
 * is away in Slurm's own words.  Returns 1.
 */
int slurm_failed(const char *call, const struct error *err);

#endif
