/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - the stories of bad input that test/wire.c tells a living cell */
#ifndef FALLOW_SCHED_API_TEST_WIRE_H
#define FALLOW_SCHED_API_TEST_WIRE_H

#include "sched/api/test/client.h"
#include "t/tap.h"

/* What a story is given: a cell, echo's spec and where fallowctld's process
 * number stands.
 */
struct wire {
    struct client c;
    const char *spec, *pid_file;
};

/* How the checks of this file went, as an exit status. */
static inline int verdict(void)
{
    return tap_run == 0 || tap_failed > 0;
}

/* Each makes its own parties, so that order does not matter, and ends with
 * verdict().
 */
typedef int story_fn(struct wire *w);

story_fn story_tokens, story_enrol, story_signatures, story_sequence,
    story_bodies; /* wire.c */
story_fn story_money, story_submit, story_blobs, story_foreign_blobs,
    story_privacy;                                 /* wire_jobs.c */
story_fn story_results, story_leases, story_kills; /* wire_results.c */

#endif
