/* SPDX-License-Identifier: Apache-2.0 */
/* items.h - the two containers every kernel reads and writes
 *
 * An item is the smallest thing that can be recomputed alone.  Integers are
 * big-endian, so that a file is the same bytes on every machine.
 *
 *   items file    "FITM" u32 version=1 u64 count, then per item:
 *                 u32 length, bytes                    (the kernel's input)
 *   results file  "FRES" u32 version=1 u64 count, then per item:
 *                 u32 code, u64 units, u32 length, bytes   (canonical bytes)
 *
 * Readers refuse a wrong magic, a version other than 1, a count or length
 * that exceeds the file, and trailing bytes; nothing is allocated by a count
 * the file merely claims.  An item is at most ITEM_BYTES_MAX.
 */
#ifndef FALLOW_COMMON_ITEMS_H
#define FALLOW_COMMON_ITEMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/error.h"

#define ITEM_BYTES_MAX (16u << 20)
#define ITEMS_HEADER_LEN 16

/* A borrowed view: bytes belong to the buffer it was parsed from. */
struct item {
    const uint8_t *bytes;
    uint32_t len;
};

struct item_result {
    uint32_t code; /* 0, or the kernel's deterministic failure */
    uint64_t units;
    const uint8_t *bytes;
    uint32_t len;
};

/* Parse a whole items file held in memory.  *out is an array of *n views into
 * buf, freed by the caller with free().  Returns 0, or -1 with errno EBADMSG
 * (malformed, err names the offset) or ENOMEM.
 */
int items_parse(const void *buf, size_t len, struct item **out, size_t *n,
                struct error *err);

/* The same for a results file. */
int results_parse(const void *buf, size_t len, struct item_result **out,
                  size_t *n, struct error *err);

/* Build a file in memory; *buf is freed by the caller.  Returns 0 or -1. */
int items_format(const struct item *items, size_t n, void **buf, size_t *len,
                 struct error *err);
int results_format(const struct item_result *items, size_t n, void **buf,
                   size_t *len, struct error *err);

/* The Merkle sum root of n results in order (leaf i carries index i).
 * Returns 0, or -1 with errno as merkle_root.
 */
int results_root(const struct item_result *items, size_t n,
                 const struct digest *kernel, const struct digest *params,
                 struct merkle_sum *out, struct error *err);

#endif
