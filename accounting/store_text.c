/* SPDX-License-Identifier: Apache-2.0 */
/* store_text.c - names as PostgreSQL takes them */
#include "accounting/store_impl.h"

/* Length of the UTF-8 character at s, 0 when there is none. */
static size_t utf8_len(const uint8_t *s, size_t n)
{
    uint8_t lo = 0x80, hi = 0xbf;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || len > n)
        return 0;
    if (s[0] == 0xe0)
        lo = 0xa0; /* longer than it needs to be */
    else if (s[0] == 0xed)
        hi = 0x9f; /* a surrogate */
    else if (s[0] == 0xf0)
        lo = 0x90;
    else if (s[0] == 0xf4)
        hi = 0x8f; /* past U+10FFFF */
    for (size_t i = 1; i < len; i++) {
        if (s[i] < lo || s[i] > hi)
            return 0;
        lo = 0x80;
        hi = 0xbf;
    }
    return len;
}

void store_clean_text(uint8_t *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_len(s + i, n - i);

        if (len == 0)
            s[i] = '?';
        i += len ? len : 1;
    }
}
