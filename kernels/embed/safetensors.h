/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors.h - a strict reader of model.safetensors
 *
 * A file is a length (u64 little-endian), a JSON header of that length, and
 * data.  It is refused unless every tensor has a known dtype, a shape of at
 * most 4 dimensions whose size is exactly its data, and offsets inside the
 * data; the tensors together must cover the data without holes or overlaps.
 * Nothing is allocated by a number the file merely claims.
 */
#ifndef FALLOW_KERNELS_EMBED_SAFETENSORS_H
#define FALLOW_KERNELS_EMBED_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/fault.h"

#define ST_DIMS_MAX 4
#define ST_HEADER_MAX ((uint64_t)16 << 20)

enum st_dtype { ST_OTHER, ST_F32, ST_F16, ST_BF16 };

struct st_tensor {
    char *name;
    enum st_dtype dtype;
    const char *dtype_name; /* as in the file */
    unsigned ndim;
    uint64_t shape[ST_DIMS_MAX];
    const uint8_t *data; /* unaligned, little-endian */
    uint64_t len;
};

struct st_file;

/* Map a file.  Returns NULL with errno of open, EBADMSG (malformed; f names
 * tensor and value) or ENOMEM.
 */
struct st_file *st_create(const char *dir, const char *name, struct fault *f);

/* The same over len bytes in memory, which must outlive the result. */
struct st_file *st_parse(const void *buf, size_t len, struct fault *f);

/* Make st_destroy free(buf), the memory s was parsed from. */
void st_adopt(struct st_file *s, void *buf);

/* NULL is allowed; errno is kept. */
void st_destroy(struct st_file *s);

/* A tensor by name, or NULL. */
const struct st_tensor *st_find(const struct st_file *s, const char *name);

/* Element i of an F32, F16 or BF16 tensor as float32 (always exact). */
void st_to_float(const struct st_tensor *t, uint64_t first, uint64_t n,
                 float *out);

#endif
