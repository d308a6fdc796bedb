/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole files in and out
 *
 * Every output of ours appears complete or not at all: it is written to a
 * temporary name in the same directory and renamed.
 */
#ifndef FALLOW_COMMON_FILE_H
#define FALLOW_COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Read a regular file of at most max bytes.  *buf (freed by the caller) has
 * one NUL byte after its *len bytes, so that text can be parsed in place.
 * Returns 0, or -1 with errno of open or read, EINVAL (no regular file),
 * EFBIG (larger than max) or ENOMEM; err names the path.
 */
int file_read(const char *path, size_t max, void **buf, size_t *len,
              struct error *err);

/* Write len bytes to path by temporary file and rename; durable also syncs
 * the file and its directory.  Returns 0, or -1 with errno; on failure path
 * is what it was and no temporary file stays behind.
 */
int file_write(const char *path, const void *buf, size_t len, bool durable,
               struct error *err);

/* DIR/NAME allocated; free it.  NULL with errno ENOMEM. */
char *file_path(const char *dir, const char *name);

#endif
