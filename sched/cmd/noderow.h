/* SPDX-License-Identifier: Apache-2.0 */
/* noderow.h - a line of sinfo, and what its fields say */
#ifndef FALLOW_SCHED_CMD_NODEROW_H
#define FALLOW_SCHED_CMD_NODEROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "sched/cmd/columns.h"

/* A worker as a customer may see it. */
struct node {
    int64_t number; /* of v1, v2, … */
    char state[16]; /* idle alloc drain down */
    char zone[16];
    int64_t cores, mem, leases;
    char kernels[96];
};

struct nodes {
    size_t n;
    struct node *v;
};

/* Decode {"nodes": […]}.  Returns 0, or -1 with errno EPROTO or ENOMEM. */
int nodes_decode(const json_t *reply, struct nodes *out, struct error *err);
void nodes_clear(struct nodes *n);

/* Workers that share zone and state, one (each) or all of them. */
struct node_row {
    const char *zone, *state;
    size_t n; /* of them, */
    int64_t cores, busy_cores, mem;
    size_t busy; /* of them at work */
    char list[160];
    const struct node *one; /* with each */
    int64_t numbers[64];    /* the first of them, for list */
    size_t n_numbers;
};

extern const struct field sinfo_fields[];
extern const int sinfo_n_fields;
void sinfo_value(const void *row, int field, char *out);

/* Lines of sinfo: one for each (zone, state) present, or with split false one
 * for all, or with each one for every worker and zone.  states, NULL = all,
 * filters. *out is allocated.  Returns their number, or -1 with errno ENOMEM.
 */
long sinfo_rows(const struct nodes *nodes, bool split, bool each,
                const char *states, struct node_row **out);

/* "idle" for "alloc" …: the long word of a state. */
const char *node_state_long(const char *state);

#endif
