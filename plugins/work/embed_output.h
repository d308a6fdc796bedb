/* SPDX-License-Identifier: Apache-2.0 */
/* embed_output.h - vectors as a NumPy file, with the rows' ids beside it
 *
 * NAME.npy is float32 of shape [rows, width] in C order; NAME.ids has one line
 * a row: the row's own id, or its line number in the corpus.  Both are written
 * under temporary names, synced and renamed, the vectors last.
 */
#ifndef FALLOW_PLUGINS_WORK_EMBED_OUTPUT_H
#define FALLOW_PLUGINS_WORK_EMBED_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/items.h"

/* The absolute form of a path whose file need not exist; its directory must.
 * Allocated; NULL with errno ENOENT, ENOTDIR, … and err naming the path.
 */
char *output_absolute(const char *path, struct error *err);

/* "x/v.npy" -> "x/v.ids"; another ending keeps its own and gains ".ids".
 * Allocated; NULL with errno ENOMEM.
 */
char *output_ids_path(const char *path, struct error *err);

/* Whether both files could be written now: what exists there is a regular
 * file, it is not the input, and the directory takes new files.  Nothing is
 * left behind.  Returns 0, or -1 with errno and err naming path and reason.
 */
int output_check(const char *path, const char *input, struct error *err);

/* Write n results as vectors of width floats: result i is its s8 values times
 * its scale.  ids is the file to copy beside them.  Returns 0, or -1 with
 * errno EBADMSG (some items failed, or have another length: err lists them)
 * or of the write; nothing new is then left under either name.
 */
int output_write(const char *path, const char *ids,
                 const struct item_result *results, size_t n, size_t width,
                 struct error *err);

#endif
