/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h - where the other programs and the data of this installation are
 *
 * Found beside the running program: in the build tree it was made in, in the
 * prefix it was installed to or moved to, or staged into a cell's state
 * directory (DIR/bin, DIR/lib, DIR/share).  $FALLOW_LIBEXEC names a directory
 * that is looked at before all of these, $FALLOW_PLUGIN_DIR the one with the
 * kernels.
 */
#ifndef FALLOW_SCHED_CMD_LAYOUT_H
#define FALLOW_SCHED_CMD_LAYOUT_H

#include "common/error.h"

/* Set FALLOW_PLUGIN_DIR for what is started from here, unless it is set or
 * the kernels are where they were installed.  Returns 0 or -1 with errno.
 */
int layout_environment(struct error *err);

/* The path of a program ("fallow-runner"), allocated; NULL with errno ENOENT
 * or ENOMEM.
 */
char *layout_program(const char *name, struct error *err);

/* The directory of the kernels (holds work/), and that of the ledger's
 * schema; allocated, NULL with errno ENOENT or ENOMEM.
 */
char *layout_plugins(struct error *err);
char *layout_schema(struct error *err);

#endif
