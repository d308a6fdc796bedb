/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256 and the Merkle sum tree over a result's items
 *
 * The tree follows RFC 6962 (prefix 0x00 for a leaf, 0x01 for a node; the left
 * subtree of n leaves has the largest power of two below n) and carries a sum
 * of units and of bytes beside every hash, so that the root commits the totals:
 *
 *   leaf  = SHA-256(0x00 ‖ kernel digest ‖ params digest ‖ item u64be ‖
 *                   code u32be ‖ units u64be ‖ canonical bytes)
 *   node  = SHA-256(0x01 ‖ left.hash ‖ left.units u64be ‖ left.bytes u64be ‖
 *                   right.hash ‖ right.units u64be ‖ right.bytes u64be)
 *
 * The sums of a leaf are its own units and byte count.  doc/2-merkle.md has
 * machine-checked examples.
 */
#ifndef FALLOW_COMMON_DIGEST_H
#define FALLOW_COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define DIGEST_LEN 32
#define DIGEST_HEX_LEN 64

struct digest {
    uint8_t b[DIGEST_LEN];
};

struct sha256;

/* Incremental SHA-256.  sha256_create returns NULL with errno ENOMEM;
 * sha256_final also readies the object for the next message.
 */
struct sha256 *sha256_create(void);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, struct digest *out);
void sha256_destroy(struct sha256 *s);

/* SHA-256 of one buffer. */
void digest_of(const void *data, size_t len, struct digest *out);

/* SHA-256 of a whole file.  Returns 0, or -1 with errno of open or read. */
int digest_of_file(const char *path, struct digest *out, uint64_t *size,
                   struct error *err);

/* HMAC-SHA-256(key, data): the cell's pseudo-random function. */
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 struct digest *out);

bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *d);

/* Lower-case hex; out holds DIGEST_HEX_LEN + 1 bytes. */
void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_LEN + 1]);

/* Exactly 64 hex digits.  Returns 0, or -1 with errno EINVAL. */
int digest_from_hex(const char *hex, struct digest *out);

/* One node of the sum tree. */
struct merkle_sum {
    struct digest hash;
    uint64_t units;
    uint64_t bytes;
};

/* The leaf of one item: code is 0 for a computed item, else the kernel's
 * deterministic failure code.
 */
void merkle_leaf(const struct digest *kernel, const struct digest *params,
                 uint64_t item, uint32_t code, uint64_t units,
                 const void *bytes, size_t len, struct merkle_sum *out);

/* The root over n >= 1 leaves; leaves are not changed.  Returns 0, or -1 with
 * errno ENOMEM, EINVAL (n = 0) or EOVERFLOW (a sum exceeds 2^63 - 1).
 */
int merkle_root(const struct merkle_sum *leaves, size_t n,
                struct merkle_sum *out);

/* The audit path of leaf i, from the leaf upward: at most 64 nodes.
 * Returns the number written, or -1 with errno EINVAL or ENOMEM.
 */
int merkle_path(const struct merkle_sum *leaves, size_t n, size_t i,
                struct merkle_sum path[64]);

/* Whether path proves that leaf is the i-th of n under root. */
bool merkle_verify(const struct merkle_sum *leaf, size_t i, size_t n,
                   const struct merkle_sum *path, size_t path_len,
                   const struct merkle_sum *root);

#endif
