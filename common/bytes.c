/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.c - byte order, hex and base64 */
#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void bytes_to_hex(const void *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = in;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

int bytes_from_hex(const char *hex, void *out, size_t n)
{
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(hex[2 * i]);
        int lo = hi < 0 ? -1 : hex_digit(hex[2 * i + 1]);

        if (lo < 0) {
            errno = EINVAL;
            return -1;
        }
        p[i] = (uint8_t)(hi << 4 | lo);
    }
    if (hex[2 * n] != '\0') {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

size_t base64_len(size_t n)
{
    return (n + 2) / 3 * 4 + 1;
}

size_t base64_encode(const void *in, size_t n, char *out)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, in, (int)n);
}

static int is_base64(const char *in, size_t n)
{
    size_t pad = 0;

    if (n % 4 != 0)
        return 0;
    while (pad < 2 && pad < n && in[n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < n - pad; i++) {
        char c = in[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return 0;
    }
    return 1;
}

/* Whether the bits that padding leaves over are zero: one text per bytes. */
static int is_canonical(const char *in, size_t n, const uint8_t *bytes,
                        size_t len)
{
    size_t rest = len % 3;
    char last[8];

    if (rest == 0)
        return 1;
    base64_encode(bytes + len - rest, rest, last);
    return memcmp(in + n - 4, last, 4) == 0;
}

int base64_decode(const char *in, size_t in_len, uint8_t **out, size_t *n)
{
    uint8_t *buf;
    int len;

    if (in_len > (1u << 30) || !is_base64(in, in_len)) {
        errno = EINVAL;
        return -1;
    }
    buf = malloc(in_len / 4 * 3 + 1);
    if (!buf)
        return -1;
    len = EVP_DecodeBlock(buf, (const unsigned char *)in, (int)in_len);
    if (len < 0) {
        free(buf);
        errno = EINVAL;
        return -1;
    }
    for (size_t i = in_len; i > 0 && in[i - 1] == '='; i--)
        len--;
    if (!is_canonical(in, in_len, buf, (size_t)len)) {
        free(buf);
        errno = EINVAL;
        return -1;
    }
    *out = buf;
    *n = (size_t)len;
    return 0;
}
