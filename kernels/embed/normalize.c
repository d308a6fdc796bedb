/* SPDX-License-Identifier: Apache-2.0 */
/* normalize.c - UTF-8, and text as BERT's normaliser sees it
 *
 * Canonical order sorts each run of marks by combining class.  A run has no
 * bound, so it is not stored: it is walked once for each class it holds, and
 * there are fewer than sixty.
 */
#include "kernels/embed/normalize.h"

#include <string.h>

#include "kernels/embed/unicode_table.h"

#define NO_CLASS 256u

enum {
    HANGUL_FIRST = 0xac00,
    HANGUL_COUNT = 11172,
    HANGUL_LEAD = 0x1100,
    HANGUL_VOWEL = 0x1161,
    HANGUL_TRAIL = 0x11a7,
    HANGUL_PER_LEAD = 588,
    HANGUL_PER_VOWEL = 28,
    CAPITAL_I_DOT = 0x130,
    DOT_ABOVE = 0x307,
};

size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *cp)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = s[0];
    size_t len;

    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    if (c < 0xc2 || c > 0xf4)
        return 0;
    len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    c &= 0x7fu >> len;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *cp = c;
    return len;
}

size_t utf8_encode(uint32_t cp, uint8_t out[4])
{
    size_t len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const uint8_t mark[5] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len; i-- > 1; cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3f));
    out[0] = (uint8_t)(mark[len] | cp);
    return len;
}

size_t utf8_check(const void *s, size_t n)
{
    const uint8_t *p = s;
    uint32_t cp;

    for (size_t i = 0; i < n;) {
        size_t len = utf8_decode(p + i, n - i, &cp);

        if (len == 0)
            return i;
        i += len;
    }
    return n;
}

static const struct uc_class *class_of(uint32_t cp)
{
    size_t lo = 0, hi = uc_class_table_len;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (uc_class_table[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < uc_class_table_len && uc_class_table[lo].first <= cp)
        return &uc_class_table[lo];
    return NULL;
}

static bool ascii_word(uint32_t cp)
{
    return (cp >= 'a' && cp <= 'z') || (cp >= '0' && cp <= '9') ||
           (cp >= 'A' && cp <= 'Z');
}

unsigned normalize_flags(uint32_t cp)
{
    const struct uc_class *c;

    if (ascii_word(cp))
        return 0;
    if (cp == ' ')
        return UC_BLANK | UC_SPACE;
    c = class_of(cp);
    return c ? c->flags : 0;
}

static unsigned ccc_of(uint32_t cp)
{
    const struct uc_class *c = cp < 0x300 ? NULL : class_of(cp);

    return c ? c->ccc : 0;
}

static int decompose_hangul(uint32_t cp, uint32_t out[4])
{
    uint32_t i = cp - HANGUL_FIRST, trail = i % HANGUL_PER_VOWEL;

    out[0] = HANGUL_LEAD + i / HANGUL_PER_LEAD;
    out[1] = HANGUL_VOWEL + i % HANGUL_PER_LEAD / HANGUL_PER_VOWEL;
    out[2] = HANGUL_TRAIL + trail;
    return trail ? 3 : 2;
}

static bool decompose_run(uint32_t cp, uint32_t *out)
{
    for (size_t i = 0; i < uc_run_table_len; i++) {
        const struct uc_run *r = &uc_run_table[i];

        if (cp - r->first < r->count) {
            *out = uc_run_points[r->at + (cp - r->first)];
            return true;
        }
    }
    return false;
}

/* The canonical decomposition; returns how many code points. */
static int decompose(uint32_t cp, uint32_t out[4])
{
    size_t lo = 0, hi = uc_nfd_table_len;
    int n = 0;

    if (cp - HANGUL_FIRST < HANGUL_COUNT)
        return decompose_hangul(cp, out);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (uc_nfd_table[mid].from < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < uc_nfd_table_len && uc_nfd_table[lo].from == cp) {
        memcpy(out, uc_nfd_table[lo].to, sizeof(uc_nfd_table[lo].to));
        while (n < 4 && out[n])
            n++;
        return n;
    }
    if (!decompose_run(cp, out))
        out[0] = cp;
    return 1;
}

/* Read one code point of the source into the queue; false at the end. */
static bool fill(const struct normalize *it, struct normalize_cursor *c)
{
    uint32_t cp, parts[4] = {0};
    unsigned flags;
    size_t len;
    int n = 0;

    do {
        if (c->at == it->len)
            return false;
        len = utf8_decode(it->text + c->at, it->len - c->at, &cp);
        if (len == 0)
            return false;
        c->at += len;
        flags = normalize_flags(cp);
    } while (it->rules.clean && (flags & UC_DROP));
    if (it->rules.clean && (flags & UC_BLANK))
        cp = ' ';
    if (it->rules.cjk && (flags & UC_CJK))
        c->queue[n++] = ' ';
    if (cp >= 0xc0 && it->rules.accents)
        for (int i = 0, k = decompose(cp, parts); i < k; i++)
            c->queue[n++] = parts[i];
    else
        c->queue[n++] = cp;
    if (it->rules.cjk && (flags & UC_CJK))
        c->queue[n++] = ' ';
    c->queue_len = (uint8_t)n;
    c->queue_at = 0;
    return true;
}

static bool read_point(const struct normalize *it, struct normalize_cursor *c,
                       uint32_t *cp)
{
    if (c->queue_at == c->queue_len && !fill(it, c))
        return false;
    *cp = c->queue[c->queue_at++];
    return true;
}

/* The next mark of the run in canonical order; false after the last. */
static bool next_mark(struct normalize *it, uint32_t *cp)
{
    for (;;) {
        struct normalize_cursor before = it->scan;
        unsigned ccc = read_point(it, &it->scan, cp) ? ccc_of(*cp) : 0;

        if (ccc && ccc == it->level)
            return true;
        if (ccc > it->level && ccc < it->above)
            it->above = ccc;
        if (ccc)
            continue;
        if (it->above == NO_CLASS) {
            it->here = before;
            it->in_run = false;
            return false;
        }
        it->level = it->above;
        it->above = NO_CLASS;
        it->scan = it->run;
    }
}

/* The next code point, decomposed and in canonical order. */
static bool next_ordered(struct normalize *it, uint32_t *cp)
{
    struct normalize_cursor before;

    if (it->in_run && next_mark(it, cp))
        return true;
    before = it->here;
    if (!read_point(it, &it->here, cp))
        return false;
    if (!it->rules.accents || ccc_of(*cp) == 0)
        return true;
    it->in_run = true;
    it->run = it->scan = before;
    it->level = 0;
    it->above = NO_CLASS;
    return next_mark(it, cp);
}

static uint32_t lower(uint32_t cp)
{
    size_t lo = 0, hi = uc_lower_table_len;

    if (cp < 0x80)
        return cp >= 'A' && cp <= 'Z' ? cp + ('a' - 'A') : cp;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (uc_lower_table[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < uc_lower_table_len) {
        const struct uc_lower *l = &uc_lower_table[lo];

        if (cp >= l->first && (cp - l->first) % l->step == 0)
            return (uint32_t)((int32_t)cp + l->delta);
    }
    return cp;
}

void normalize_start(struct normalize *it, const struct normalize_rules *rules,
                     const void *text, size_t len)
{
    memset(it, 0, sizeof(*it));
    it->rules = *rules;
    it->text = text;
    it->len = len;
}

bool normalize_next(struct normalize *it, uint32_t *cp)
{
    if (it->second) {
        *cp = it->second;
        it->second = 0;
        return true;
    }
    do {
        if (!next_ordered(it, cp))
            return false;
    } while (it->rules.accents && *cp >= 0x300 &&
             (normalize_flags(*cp) & UC_MARK));
    if (it->rules.lower && *cp == CAPITAL_I_DOT) {
        *cp = 'i';
        it->second = DOT_ABOVE;
    } else if (it->rules.lower) {
        *cp = lower(*cp);
    }
    return true;
}
