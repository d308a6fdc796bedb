/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.h - one deadline for each of very many connections
 *
 * Moving a deadline later costs nothing: the node stays where it is and is
 * looked at again when its turn comes.  Times are passed in, milliseconds of
 * any steady clock; a deadline is seen at most WHEEL_STEP_MS late.
 */
#ifndef FALLOW_SCHED_GATE_WHEEL_H
#define FALLOW_SCHED_GATE_WHEEL_H

#include <stdint.h>

#define WHEEL_SLOTS 256
#define WHEEL_STEP_MS 250

struct wheel_node {
    struct wheel_node *next, **prev; /* prev NULL = in no slot */
    int64_t deadline_ms;
    int64_t slot_ms; /* when its slot is due */
};

struct wheel {
    struct wheel_node *slot[WHEEL_SLOTS];
    int64_t step; /* last step that was looked at */
};

void wheel_init(struct wheel *w, int64_t now_ms);

/* Give n (zeroed at first) this deadline; an earlier one is replaced. */
void wheel_set(struct wheel *w, struct wheel_node *n, int64_t deadline_ms);
void wheel_remove(struct wheel_node *n);

/* A node whose deadline has passed, taken out, or NULL when there is none:
 * call until NULL.
 */
struct wheel_node *wheel_due(struct wheel *w, int64_t now_ms);

#endif
