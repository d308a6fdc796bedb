/* SPDX-License-Identifier: Apache-2.0 */
/* member.h - typed members of a JSON object, with errors that name them
 *
 * Used by message.c and jobspec.c only.  Every function returns 0, or -1 with
 * errno EBADMSG and err saying which member is missing or of the wrong kind.
 */
#ifndef FALLOW_COMMON_MEMBER_H
#define FALLOW_COMMON_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/digest.h"
#include "common/error.h"

/* A required integer in [min, max]. */
int member_int(const json_t *o, const char *key, int64_t min, int64_t max,
               int64_t *out, struct error *err);

/* A required text that fits cap bytes with its NUL. */
int member_text(const json_t *o, const char *key, char *out, size_t cap,
                struct error *err);

/* A required text of any length, copied; free it. */
int member_dup(const json_t *o, const char *key, char **out, struct error *err);

/* 64 hex digits. */
int member_digest(const json_t *o, const char *key, struct digest *out,
                  struct error *err);

/* n bytes as 2 n hex digits. */
int member_hex(const json_t *o, const char *key, uint8_t *out, size_t n,
               struct error *err);

/* Base64, decoded into fresh memory; free it. */
int member_bytes(const json_t *o, const char *key, uint8_t **out, size_t *len,
                 struct error *err);

/* A required array of at most max elements (borrowed). */
int member_array(const json_t *o, const char *key, size_t max,
                 const json_t **out, struct error *err);

/* A required object (borrowed). */
int member_object(const json_t *o, const char *key, const json_t **out,
                  struct error *err);

/* Set key to v (stolen) and return o; NULL with everything released when o or
 * v is NULL, so that calls nest.
 */
json_t *json_put(json_t *o, const char *key, json_t *v);

/* New references for encoding; NULL = ENOMEM. */
json_t *json_digest(const struct digest *d);
json_t *json_hex(const uint8_t *p, size_t n);
json_t *json_bytes(const uint8_t *p, size_t n);

#endif
