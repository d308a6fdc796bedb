/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - the parameter files of jobs (models, scenes), cached by digest
 *
 *   DIR/blobs/SHA256       a file, checked when it was fetched, read-only
 *   DIR/params/DIGEST/     the directory a task sees: hard links by name
 *
 * The digest of a parameter set is that of its manifest, the lines
 * `NAME SIZE SHA256` sorted by name; of the empty manifest when a kernel has
 * none.  A cell is not trusted with names: they are plain file names.
 */
#ifndef FALLOW_WORKER_PARAMS_H
#define FALLOW_WORKER_PARAMS_H

#include "common/digest.h"
#include "common/error.h"

struct params;

/* Make the directories under a state directory.  NULL with errno. */
struct params *params_create(const char *dir, struct error *err);
void params_destroy(struct params *p);

/* What stands between a set and its directory.  1: the blob *missing has to
 * be fetched (params_blob says where to), then ask again.  0: *dir is the
 * directory, allocated.  -1 with errno EBADMSG (the manifest is malformed) or
 * of the file system.
 */
int params_ready(struct params *p, const struct digest *set, char **dir,
                 struct digest *missing, struct error *err);

/* Where a blob is fetched to before it is checked; allocated. */
char *params_part(const struct params *p, const struct digest *blob);

/* Check what was fetched and take it in; a wrong digest is EBADMSG and the
 * file is removed.
 */
int params_take(struct params *p, const struct digest *blob, struct error *err);

#endif
