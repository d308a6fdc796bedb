/* SPDX-License-Identifier: Apache-2.0 */
/* sign.h - Ed25519 signatures and sealed tokens
 *
 * One file calls OpenSSL for keys.  Key files are raw 32-byte seeds as 64 hex
 * digits and a newline, mode 0600, written once (temp file, fsync, rename).
 */
#ifndef FALLOW_COMMON_SIGN_H
#define FALLOW_COMMON_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/error.h"

#define SIGN_KEY_LEN 32
#define SIGN_SIG_LEN 64

struct sign_key; /* a private key */

/* Read the key in path, or make one there when the file does not exist.
 * NULL with errno EACCES (mode is not 0600 or stricter), EBADMSG, ….
 */
struct sign_key *sign_key_open(const char *path, struct error *err);
/* From a seed of SIGN_KEY_LEN bytes (tests, simulated workers). */
struct sign_key *sign_key_from_seed(const uint8_t *seed, struct error *err);
void sign_key_destroy(struct sign_key *k);

/* Its public half. */
void sign_key_public(const struct sign_key *k, uint8_t out[SIGN_KEY_LEN]);

/* Sign len bytes; any number of threads may share a key.  Returns 0, or -1 with
 * errno EIO.
 */
int sign_make(const struct sign_key *k, const void *data, size_t len,
              uint8_t sig[SIGN_SIG_LEN]);

/* Returns 0 when sig is pubkey's over data, else -1 with errno EBADMSG. */
int sign_check(const uint8_t pubkey[SIGN_KEY_LEN], const void *data, size_t len,
               const uint8_t sig[SIGN_SIG_LEN]);

/* The signing strings of doc/4-wire.md, into out.  seq < 0 is written "-".
 * Return the length, or -1 with errno ENAMETOOLONG.
 */
int sign_request_text(char *out, size_t cap, const char *method,
                      const char *path, const char *cell, int64_t worker,
                      int64_t seq, int64_t unix_ms, const struct digest *body);
int sign_reply_text(char *out, size_t cap, const char *cell, int64_t worker,
                    int64_t seq, int64_t unix_ms, const struct digest *body);

/* AES-256-GCM: out = 12-byte random nonce ‖ ciphertext ‖ 16-byte tag.
 * out holds len + SEAL_OVERHEAD; in may be out + SEAL_NONCE.  Returns the
 * length or -1 (EIO).
 */
#define SEAL_OVERHEAD 28
#define SEAL_NONCE 12
int seal(const uint8_t key[32], const void *in, size_t len, uint8_t *out);
/* The reverse; out holds len - SEAL_OVERHEAD and may be in + SEAL_NONCE.  -1
 * with errno EBADMSG when the bytes were not sealed with this key.
 */
int unseal(const uint8_t key[32], const void *in, size_t len, uint8_t *out);

/* n random bytes from the kernel.  Returns 0 or -1 with errno. */
int random_bytes(void *out, size_t n);

#endif
