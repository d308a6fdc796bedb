/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - byte order, hex and base64
 *
 * Nothing here allocates unless it says so.  Big-endian is the byte order of
 * everything that is hashed, signed or stored.
 */
#ifndef FALLOW_COMMON_BYTES_H
#define FALLOW_COMMON_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Write v at p, most significant byte first. */
static inline void put_u32be(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline void put_u64be(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* Read what put_u32be or put_u64be wrote; p needs no alignment. */
static inline uint32_t get_u32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           (uint32_t)p[3];
}

static inline uint64_t get_u64be(const uint8_t *p)
{
    return (uint64_t)get_u32be(p) << 32 | get_u32be(p + 4);
}

/* Lower-case hex of n bytes; out holds 2 n + 1. */
void bytes_to_hex(const void *in, size_t n, char *out);

/* Exactly 2 n hex digits and the end of the string.  Returns 0, or -1 with
 * errno EINVAL.
 */
int bytes_from_hex(const char *hex, void *out, size_t n);

/* Characters base64 needs for n bytes, the final NUL included. */
size_t base64_len(size_t n);

/* Standard alphabet with padding; out holds base64_len(n).  Returns the
 * length of the text without NUL.
 */
size_t base64_encode(const void *in, size_t n, char *out);

/* Strict: standard alphabet, padded, spare bits zero, nothing else.  *out is
 * allocated (free it) and *n set.  Returns 0, or -1 with errno EINVAL or
 * ENOMEM.
 */
int base64_decode(const char *in, size_t in_len, uint8_t **out, size_t *n);

#endif
