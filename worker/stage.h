/* SPDX-License-Identifier: Apache-2.0 */
/* stage.h - the programs a task may see, in a directory of their own
 *
 *   DIR/stage/runner            the runner (fallow-runner, or what the owner
 *                               named instead)
 *   DIR/stage/plugins/work/…so  the kernels
 *
 * They are copied because a sandbox cannot show what lies under a directory
 * another user keeps shut, and so that an upgrade does not change a program
 * under a running task.
 */
#ifndef FALLOW_WORKER_STAGE_H
#define FALLOW_WORKER_STAGE_H

#include <sys/types.h>

#include "common/error.h"

/* mkdir -p, mode 0700 for what is new.  0 or -1 with errno. */
int stage_make_dir(const char *dir, struct error *err);

/* Copy runner (NULL = the installed one) and every work plug-in below dir.
 * Returns the stage's path, allocated; NULL with errno.
 */
char *stage_make(const char *dir, const char *runner, struct error *err);

/* Copy a file, by temporary file and rename.  0 or -1 with errno. */
int stage_copy(const char *from, const char *to, mode_t mode,
               struct error *err);

/* When this is root: give the state directory and all below to the user and
 * become that user for good.  errno ENOENT: no such user; EPERM: it is root.
 * Does nothing for others.
 */
int stage_drop_root(const char *dir, const char *user, struct error *err);

#endif
