/* SPDX-License-Identifier: Apache-2.0 */
/* blob.h - where inputs and results live, by SHA-256
 *
 * A blob is immutable and named by the digest of its bytes.  A writer gets a
 * descriptor of a nameless file, fills it, and commits: the digest is computed
 * over what is there, the file is synced and appears under its name.  Writing
 * a blob that exists is success.  Who may read what is the caller's business.
 */
#ifndef FALLOW_PLUGINS_BLOB_BLOB_H
#define FALLOW_PLUGINS_BLOB_BLOB_H

#include <stdint.h>

#include "common/digest.h"
#include "common/error.h"

struct blobs;

/* One kind of store.  open makes what is missing. */
struct blob_plugin {
    const char *name; /* "blob/dir" */
    struct blobs *(*open)(const char *where, struct error *err);
    void (*close)(struct blobs *b);
    /* A descriptor to write to, or -1. */
    int (*begin)(struct blobs *b, struct error *err);
    /* Check that fd holds size bytes with this digest, sync and name it; fd is
     * closed in any case.  -1 with errno EBADMSG (other bytes), ENOSPC, ….
     */
    int (*commit)(struct blobs *b, int fd, const struct digest *d,
                  uint64_t size, struct error *err);
    /* A descriptor to read from and its size; -1 with errno ENOENT. */
    int (*get)(struct blobs *b, const struct digest *d, uint64_t *size,
               struct error *err);
};

extern const struct blob_plugin blob_dir;

#endif
