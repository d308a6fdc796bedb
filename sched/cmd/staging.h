/* SPDX-License-Identifier: Apache-2.0 */
/* staging.h - programs where another user can reach them
 *
 * A build tree under a 0700 directory cannot be executed by the cell's user
 * nor bound into a sandbox, so what a cell runs is copied into its state:
 * STATE/bin, STATE/lib/fallow/work, STATE/share/fallow/schema.
 */
#ifndef FALLOW_SCHED_CMD_STAGING_H
#define FALLOW_SCHED_CMD_STAGING_H

#include <sys/types.h>

#include "common/error.h"

/* Copy what differs; a running program keeps what it has.  Returns 0, or -1
 * with errno ENOENT (a program is not there) or of copying.
 */
int staging_make(const char *state, struct error *err);

/* STATE/bin/NAME, allocated. */
char *staging_program(const char *state, const char *name);

/* Copy one file by temporary file and rename. */
int staging_copy(const char *from, const char *to, mode_t mode,
                 struct error *err);

#endif
