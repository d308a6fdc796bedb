/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - directories that are gone when we are, and paths */
#ifndef FALLOW_SCHED_CMD_SCRATCH_H
#define FALLOW_SCHED_CMD_SCRATCH_H

#include <sys/types.h>

#include "common/error.h"

/* A new 0700 directory PREFIX.XXXXXX under $TMPDIR, else /tmp; allocated. */
char *scratch_create(const char *prefix, struct error *err);

/* Remove it with all it holds, and free the name; NULL is allowed. */
void scratch_destroy(char *dir);

/* Remove a tree.  Returns 0 (also when it was not there) or -1 with errno. */
int scratch_remove(const char *dir, struct error *err);

/* Make a directory and those above it.  Returns 0 or -1 with errno. */
int scratch_mkdir(const char *dir, mode_t mode, struct error *err);

/* Whether a file can be written there: its directory is one and is writable,
 * and no directory has its name.  Returns 0, or -1 with errno and err naming
 * the remedy.
 */
int scratch_check_output(const char *path, struct error *err);

/* The absolute form of path, allocated; NULL with errno ENOMEM. */
char *scratch_absolute(const char *path);

#endif
