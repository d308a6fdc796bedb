/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - as whom a private cell runs
 *
 * Root never runs a worker, nor PostgreSQL: as root everything runs as the
 * system user `fallow`, which is made when it is missing; everybody else runs
 * his cell as himself.
 */
#ifndef FALLOW_SCHED_CMD_ACCOUNT_H
#define FALLOW_SCHED_CMD_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct account {
    char name[64];
    uid_t uid;
    gid_t gid;
    bool other;        /* it is not who we are now: root gives way */
    const char *state; /* working directory, and HOME */
    const char *plugins;
};

/* The account for this caller; make says whether to create the user.
 * Returns 0, or -1 with errno ENOENT (no such user) or of adduser.
 */
int account_find(struct account *a, bool make, struct error *err);

/* Become it, in a child (proc_spec.prepare, daemon): groups, ids, working
 * directory, a plain environment.  Returns 0 or -1 with errno.
 */
int account_enter(const void *account);

/* Give it a file or directory that nobody else can have replaced by now. */
int account_give(const struct account *a, const char *path, struct error *err);

#endif
