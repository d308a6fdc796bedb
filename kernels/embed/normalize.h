/* SPDX-License-Identifier: Apache-2.0 */
/* normalize.h - UTF-8, and text as BERT's normaliser sees it
 *
 * Four rules, applied in this order to a text, give the same code points as
 * the reference tokenizer's BertNormalizer (doc/6-embed-input.md):
 *
 *   clean    drop control characters; every blank becomes a space
 *   cjk      set every ideograph between two spaces
 *   accents  canonical decomposition (NFD), then drop non-spacing marks
 *   lower    lower-case each code point by itself, without context
 *
 * Nothing here allocates; a text of n bytes costs O(n) whatever it holds.
 */
#ifndef FALLOW_KERNELS_EMBED_NORMALIZE_H
#define FALLOW_KERNELS_EMBED_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct normalize_rules {
    bool clean;
    bool cjk;
    bool accents; /* drop them */
    bool lower;
};

/* A place in the text, and code points that precede what follows it. */
struct normalize_cursor {
    size_t at;
    uint32_t queue[6];
    uint8_t queue_len;
    uint8_t queue_at;
};

/* One walk through one text; the members are private. */
struct normalize {
    struct normalize_rules rules;
    const uint8_t *text;
    size_t len;
    struct normalize_cursor here;
    struct normalize_cursor run;  /* where a run of marks begins */
    struct normalize_cursor scan; /* how far it was searched */
    unsigned level;               /* the class being given out, 0 = none */
    unsigned above;               /* the least class beyond it */
    bool in_run;
    uint32_t second; /* of a lower case of two code points */
};

/* Decode the code point at s of n >= 1 bytes: strictly, so no overlong form,
 * no surrogate and nothing above U+10FFFF.  Returns its length, 1 to 4, or 0.
 */
size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *cp);

/* Write cp, which utf8_decode could return; returns its length. */
size_t utf8_encode(uint32_t cp, uint8_t out[4]);

/* The offset of the first byte that is not part of valid UTF-8, or n. */
size_t utf8_check(const void *s, size_t n);

/* The UC_ flags of a code point (unicode_table.h). */
unsigned normalize_flags(uint32_t cp);

/* Begin at the start of a text.  It is borrowed; the walk ends early at a byte
 * that is not UTF-8, so check it before.
 */
void normalize_start(struct normalize *it, const struct normalize_rules *rules,
                     const void *text, size_t len);

/* The next code point of the normalised text; false at its end. */
bool normalize_next(struct normalize *it, uint32_t *cp);

#endif
