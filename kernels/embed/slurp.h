/* SPDX-License-Identifier: Apache-2.0 */
/* slurp.h - the few file operations of a model folder
 */
#ifndef FALLOW_KERNELS_EMBED_SLURP_H
#define FALLOW_KERNELS_EMBED_SLURP_H

#include <stddef.h>

#include "kernels/fault.h"

/* Read DIR/NAME, a regular file of at most max bytes, into *text (allocated,
 * freed by the caller, one NUL after its *len bytes).  Returns 0, or -1 with
 * errno of open or read, EINVAL, EFBIG or ENOMEM; f names the path.
 */
int slurp(const char *dir, const char *name, size_t max, char **text,
          size_t *len, struct fault *f);

/* Write DIR/NAME, which must not exist. */
int spill(const char *dir, const char *name, const char *text, size_t len,
          struct fault *f);

/* Copy FROM/NAME to TO/NAME, which must not exist; a file system that shares
 * blocks is asked to.
 */
int copy_file(const char *from, const char *to, const char *name,
              struct fault *f);

#endif
