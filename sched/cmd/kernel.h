/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - what the commands ask of a kernel
 *
 * Each call starts fallow-runner (doc/3-runner.md): commands never load a
 * kernel themselves.  Errors are the runner's own words.
 */
#ifndef FALLOW_SCHED_CMD_KERNEL_H
#define FALLOW_SCHED_CMD_KERNEL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/error.h"

/* How far a call is, and when to give up. */
struct kernel_watch {
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    const volatile sig_atomic_t *stop;
};

/* New references, or NULL with errno ECHILD (the runner's words are in err),
 * EBADMSG (what it said is no JSON) or of starting it.
 */
json_t *kernel_list(struct error *err);
json_t *kernel_describe(const char *kernel, struct error *err);

/* User's words to items in dir, which must be empty; the plan. */
json_t *kernel_split(const char *kernel, const char *dir, int argc,
                     char *const *argv, const struct kernel_watch *watch,
                     struct error *err);

/* What split has to say, one line each on standard error: its warnings, and
 * with notes also what it decided.
 */
void kernel_say(const char *who, const json_t *plan, bool notes);

/* What the items of one file will cost: {"units", "ram", …}. */
json_t *kernel_estimate(const char *kernel, const char *params,
                        const char *items, struct error *err);

/* Compute n items files into n results files, one process each with so many
 * threads, by the variant of that name (NULL = the best usable); variant
 * (may be NULL) receives the name of the one that ran.
 */
struct kernel_piece {
    char *input;
    char *output;
    uint64_t done;
};

int kernel_run(const char *kernel, const char *params,
               struct kernel_piece *pieces, size_t n, int threads,
               uint64_t total, const struct kernel_watch *watch,
               const char *want, char variant[32], struct error *err);

/* All results to the user's output. */
int kernel_assemble(const char *kernel, const char *dir, const char *results,
                    struct error *err);

#endif
