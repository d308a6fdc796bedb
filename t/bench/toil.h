/* SPDX-License-Identifier: Apache-2.0 */
/* toil.h - a simulated worker's side of the wire: grants in, results out
 *
 * The echo kernel is computed honestly: an item's bytes are its result, one
 * unit each, and the Merkle sum root is over them.  Replies are scanned, not
 * built into trees: the machine that is measured also runs this.
 */
#ifndef FALLOW_T_BENCH_TOIL_H
#define FALLOW_T_BENCH_TOIL_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/error.h"

/* A body under construction. */
struct toil_text {
    char *p;
    size_t len, cap;
};

/* Reset t and write {"want": …} as /v1/lease and "ask" of /v1/result want it.
 */
void toil_ask(struct toil_text *t, int want, int wait_s, const char *zone,
              const char *spec_hex);

/* What was in a grant. */
struct toil_sum {
    int leases;   /* answered in the body */
    int items;    /* computed for them */
    int accepted; /* fates */
    int refused;
    char reason[128]; /* of the last refused */
};

/* Compute every lease of the grant in reply (len bytes) and write the body of
 * /v1/result into t, with the ask text at its end; without leases t is empty.
 * 0, or -1 with errno EBADMSG or ENOMEM.
 */
int toil_work(struct toil_text *t, const char *reply, size_t len,
              const char *ask, struct toil_sum *sum, struct error *err);

#endif
