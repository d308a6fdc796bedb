/* SPDX-License-Identifier: Apache-2.0 */
/* unicode_table.h - properties of code points, as the reference tokenizer
 * has them
 *
 * All tables are sorted by their first member and their ranges are disjoint.
 * A code point that no row names has no property, class 0, and maps to itself.
 * Hangul syllables (U+AC00 … U+D7A3) decompose by arithmetic and are not here.
 */
#ifndef FALLOW_KERNELS_EMBED_UNICODE_TABLE_H
#define FALLOW_KERNELS_EMBED_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* Recorded with every job: raised when any row changes. */
#define UC_TABLE_VERSION "1"

enum {
    UC_DROP = 1,  /* control, format, private use: cleaning removes it */
    UC_BLANK = 2, /* cleaning turns it into a space */
    UC_SPACE = 4, /* ends a word and is not part of one */
    UC_PUNCT = 8, /* a word of its own */
    UC_CJK = 16,  /* an ideograph: set between spaces */
    UC_MARK = 32, /* non-spacing mark: dropped with the accents */
};

/* Code points first … last share flags and the canonical combining class. */
struct uc_class {
    uint32_t first;
    uint32_t last;
    uint8_t flags;
    uint8_t ccc;
};

/* first, first + step … last are lower-cased by adding delta.  U+0130, the one
 * that becomes two code points, is not here.
 */
struct uc_lower {
    uint32_t first;
    uint32_t last;
    uint32_t step;
    int32_t delta;
};

/* The full canonical decomposition into two to four code points, 0-padded. */
struct uc_nfd {
    uint32_t from;
    uint32_t to[4];
};

/* Neighbours that decompose into one code point each: first + i becomes
 * uc_run_points[at + i] for i < count.
 */
struct uc_run {
    uint32_t first;
    uint32_t count;
    uint32_t at;
};

extern const struct uc_class uc_class_table[];
extern const struct uc_lower uc_lower_table[];
extern const struct uc_nfd uc_nfd_table[];
extern const struct uc_run uc_run_table[];
extern const uint32_t uc_run_points[];
extern const size_t uc_class_table_len;
extern const size_t uc_lower_table_len;
extern const size_t uc_nfd_table_len;
extern const size_t uc_run_table_len;
extern const size_t uc_run_points_len;

#endif
