/* SPDX-License-Identifier: Apache-2.0 */
/* tape.c - what a run committed, to be played into a real database */
#include "t/fleet/fleet.h"

#include <stdlib.h>

static void put(FILE *tape, const void *data, size_t len)
{
    if (len > 0 && fwrite(data, len, 1, tape) != 1) {
        perror("tape");
        abort();
    }
}

void tape_write(FILE *tape, const struct record *v, size_t n)
{
    uint32_t count = (uint32_t)n;

    put(tape, &count, sizeof(count));
    for (size_t i = 0; i < n; i++) {
        put(tape, &v[i], sizeof(v[i]));
        if (v[i].type == REC_JOB && v[i].job.task_units)
            put(tape, v[i].job.task_units,
                v[i].job.tasks * sizeof(*v[i].job.task_units));
    }
}
