/* SPDX-License-Identifier: Apache-2.0 */
/* proof.h - a portable proof that a worker committed a wrong result
 *
 * A proof (doc/7-evidence.md) holds: what the worker committed for one item
 * (leaf), the audit path from it to the root it had committed before anything
 * was drawn, the item itself, and what the reference computes for it.  It
 * holds when the path is right and the two differ; recomputing the item here
 * takes the referee's word out of it.
 */
#ifndef FALLOW_SCHED_CMD_PROOF_H
#define FALLOW_SCHED_CMD_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/digest.h"
#include "common/error.h"
#include "common/items.h"
#include "common/record.h"

/* A result as it stands in a proof; bytes are allocated. */
struct proof_leaf {
    uint32_t code;
    uint64_t units;
    uint8_t *bytes;
    size_t len;
};

struct proof {
    char kernel[NAME_MAX_LEN + 1];
    struct digest spec, params;
    struct merkle_sum root;
    size_t n, position; /* leaves, and which one */
    struct merkle_sum path[64];
    size_t path_len;
    struct proof_leaf leaf, expected;
    uint8_t *item; /* the input; NULL when it is not known any more */
    size_t item_len;
    char worker[32];
    int64_t job, task;
};

/* Returns 0, or -1 with errno EBADMSG and err naming the member. */
int proof_decode(const json_t *j, struct proof *out, struct error *err);
void proof_clear(struct proof *p);

/* Whether the path leads from the leaf to the root. */
bool proof_is_committed(const struct proof *p);

/* Whether a result is other than the leaf; what, in a few words. */
bool proof_differs(const struct proof_leaf *leaf,
                   const struct proof_leaf *other, char what[64]);

#endif
