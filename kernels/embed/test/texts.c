/* SPDX-License-Identifier: Apache-2.0 */
/* texts.c - texts that tokenizers disagree about, from a seed */
#include "kernels/embed/test/texts.h"

#include <string.h>

#include "kernels/embed/normalize.h"

struct text {
    uint64_t state;
    char *out;
    size_t len;
};

struct range {
    uint32_t first;
    uint32_t last;
};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t next_random(struct text *t)
{
    uint64_t z = t->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(struct text *t, size_t n)
{
    return (uint32_t)(next_random(t) % n);
}

static void add(struct text *t, uint32_t cp)
{
    if (t->len + 4 <= TEXT_BYTES_MAX && !(cp >= 0xd800 && cp < 0xe000))
        t->len += utf8_encode(cp, (uint8_t *)t->out + t->len);
}

static void add_string(struct text *t, const char *s)
{
    for (; *s; s++)
        if (t->len < TEXT_BYTES_MAX)
            t->out[t->len++] = *s;
}

static void add_of(struct text *t, const uint32_t *set, size_t n)
{
    add(t, set[below(t, n)]);
}

static void add_in(struct text *t, const struct range *set, size_t n)
{
    const struct range *r = &set[below(t, n)];

    add(t, r->first + below(t, r->last - r->first + 1));
}

static const char *const words[] = {"the",
                                    "of",
                                    "and",
                                    "a",
                                    "to",
                                    "in",
                                    "that",
                                    "it",
                                    "was",
                                    "for",
                                    "river",
                                    "weather",
                                    "unbelievable",
                                    "Antarctica",
                                    "running",
                                    "walked",
                                    "cats",
                                    "photosynthesis",
                                    "small",
                                    "domesticated",
                                    "feline",
                                    "engine",
                                    "Zurich",
                                    "misunderstanding",
                                    "electricity",
                                    "don't",
                                    "can't",
                                    "o'clock",
                                    "state",
                                    "of-the-art",
                                    "e-mail",
                                    "U.S.A.",
                                    "Dr.",
                                    "3.14159",
                                    "1,000,000",
                                    "2nd",
                                    "$9.99",
                                    "50%",
                                    "C++",
                                    "node.js",
                                    "www.example.org/a?b=c&d=e#f",
                                    "A/B",
                                    "x_y_z",
                                    "foo(bar[0])",
                                    "NASA",
                                    "iPhone",
                                    "McDonald",
                                    "tokenization",
                                    "hyperparameters",
                                    "antidisestablishmentarianism",
                                    "quixotry",
                                    "zzzyx",
                                    "kilowatt-hours",
                                    "ledger",
                                    "verified",
                                    "bird",
                                    "mountain",
                                    "ocean",
                                    "quickly",
                                    "slowest",
                                    "thermodynamics",
                                    "jazz",
                                    "rhythm",
                                    "queue"};

static void add_word(struct text *t)
{
    add_string(t, words[below(t, LEN(words))]);
}

static void english(struct text *t)
{
    static const char *const stop[] = {". ", "! ", "? ", "; ", ": ", " - "};

    for (uint32_t n = 1 + below(t, 25); n; n--) {
        add_word(t);
        add_string(t, below(t, 6) ? " " : stop[below(t, LEN(stop))]);
    }
}

static void accented(struct text *t)
{
    static const struct range set[] = {{'a', 'z'},     {0xc0, 0xff},
                                       {0x100, 0x24f}, {0x1e00, 0x1eff},
                                       {0xe0, 0xf6},   {'a', 'z'}};

    for (uint32_t n = 4 + below(t, 40); n; n--) {
        if (below(t, 7) == 0)
            add(t, ' ');
        add_in(t, set, LEN(set));
    }
}

static void combining(struct text *t)
{
    static const struct range set[] = {
        {0x300, 0x36f},     {0x483, 0x489},     {0x591, 0x5bd},
        {0x64b, 0x65f},     {0x7eb, 0x7f3},     {0x93c, 0x94d},
        {0xe38, 0xe3a},     {0x1ab0, 0x1ace},   {0x1dc0, 0x1dff},
        {0x20d0, 0x20f0},   {0x302a, 0x302f},   {0xfe20, 0xfe2f},
        {0x1d165, 0x1d172}, {0x16ff0, 0x16ff1}, {0x1e8d0, 0x1e8d6},
        {0x8d3, 0x8e1},     {0xa8e0, 0xa8f1},   {0x340, 0x345}};
    static const struct range base[] = {{'A', 'Z'},
                                        {'a', 'z'},
                                        {0xc0, 0x17f},
                                        {0x3b1, 0x3c9},
                                        {0x1f00, 0x1fff}};

    for (uint32_t n = 1 + below(t, 12); n; n--) {
        add_in(t, base, LEN(base));
        for (uint32_t k = below(t, 6); k; k--)
            add_in(t, set, LEN(set));
        if (below(t, 4) == 0)
            add(t, ' ');
    }
}

static void cjk(struct text *t)
{
    static const struct range set[] = {
        {0x4e00, 0x9fff},   {0x4e00, 0x4eff},   {0x3400, 0x4dbf},
        {0x3040, 0x30ff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
        {0x2a700, 0x2ceaf}, {0x2ceb0, 0x2ebef}, {0x2f800, 0x2fa1f},
        {0x3000, 0x303f},   {0x3100, 0x312f},   {0xff00, 0xff9f},
        {0x30000, 0x3134f}, {0x2e80, 0x2fd5}};

    for (uint32_t n = 1 + below(t, 30); n; n--) {
        add_in(t, set, below(t, 2) ? 2 : LEN(set));
        if (below(t, 8) == 0)
            add_word(t);
    }
}

static void hangul(struct text *t)
{
    static const struct range set[] = {
        {0xac00, 0xd7a3}, {0xac00, 0xd7a3}, {0x1100, 0x1112}, {0x1161, 0x1175},
        {0x11a8, 0x11c2}, {0x3131, 0x318e}, {0xa960, 0xa97c}, {0xd7b0, 0xd7fb}};

    for (uint32_t n = 1 + below(t, 25); n; n--) {
        add_in(t, set, below(t, 3) ? 2 : LEN(set));
        if (below(t, 4) == 0)
            add(t, ' ');
    }
}

static void emoji(struct text *t)
{
    static const struct range set[] = {{0x1f300, 0x1f5ff}, {0x1f600, 0x1f64f},
                                       {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
                                       {0x2600, 0x27bf},   {0x1f1e6, 0x1f1ff},
                                       {0x1fa70, 0x1faff}, {0xa9, 0xae}};
    static const uint32_t glue[] = {0x200d, 0xfe0f,  0x1f3fb, 0x1f3ff,
                                    0x20e3, 0xe0067, 0xe007f, ' '};

    for (uint32_t n = 1 + below(t, 15); n; n--) {
        add_in(t, set, LEN(set));
        if (below(t, 2))
            add_of(t, glue, LEN(glue));
        if (below(t, 5) == 0)
            add_word(t);
    }
}

static void controls(struct text *t)
{
    static const struct range set[] = {
        {0, 0x1f},          {0x7f, 0xa0},         {0xad, 0xad},
        {0x600, 0x605},     {0x61c, 0x61c},       {0x6dd, 0x6dd},
        {0x70f, 0x70f},     {0x890, 0x891},       {0x8e2, 0x8e2},
        {0x180b, 0x180f},   {0x200b, 0x200f},     {0x202a, 0x202e},
        {0x2060, 0x206f},   {0xfeff, 0xfeff},     {0xfff9, 0xffff},
        {0xe000, 0xf8ff},   {0x110bd, 0x110cd},   {0x13430, 0x13438},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},   {0xe0001, 0xe007f},
        {0xf0000, 0xf00ff}, {0x10fffd, 0x10ffff}, {0xfdd0, 0xfdef}};

    for (uint32_t n = 1 + below(t, 20); n; n--) {
        if (below(t, 2))
            add_word(t);
        add_in(t, set, LEN(set));
    }
}

static void blanks(struct text *t)
{
    static const uint32_t set[] = {
        ' ',    '\t',   '\n',   '\r',   0xb,    0xc,    0x85,   0xa0,
        0x1680, 0x180e, 0x2000, 0x2001, 0x2004, 0x2007, 0x200a, 0x200b,
        0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff, 0x1c,
        0x1d,   0x1e,   0x1f,   0x2800, 0x3164, 0x115f};

    for (uint32_t n = 1 + below(t, 15); n; n--) {
        for (uint32_t k = below(t, 4); k; k--)
            add_of(t, set, LEN(set));
        add_word(t);
    }
}

static void long_words(struct text *t)
{
    static const uint32_t set[] = {'a',   'b',     'e',    0xe9,  0x3b1,
                                   0x434, 0x1d400, 0xac01, 0x301, '1'};

    for (uint32_t n = 1 + below(t, 3); n; n--) {
        uint32_t only = below(t, 2) ? set[below(t, LEN(set))] : 0;

        for (uint32_t k = 94 + below(t, 12); k; k--)
            add(t, only ? only : set[below(t, LEN(set))]);
        add(t, below(t, 2) ? ' ' : '-');
        add_word(t);
        add(t, ' ');
    }
}

static void anything(struct text *t)
{
    static const struct range set[] = {{0, 0x7f},          {0x80, 0x7ff},
                                       {0x800, 0xffff},    {0x800, 0xffff},
                                       {0x10000, 0x1ffff}, {0x20000, 0x10ffff}};

    for (uint32_t n = 1 + below(t, 40); n; n--)
        add_in(t, set, LEN(set));
}

static void scripts(struct text *t)
{
    static const struct range set[] = {
        {0x391, 0x3c9},   {0x400, 0x45f},   {0x531, 0x587},   {0x5d0, 0x5ea},
        {0x620, 0x64a},   {0x660, 0x66d},   {0x905, 0x94d},   {0x985, 0x9cd},
        {0xb85, 0xbcd},   {0xe01, 0xe4e},   {0x10a0, 0x10ff}, {0x13a0, 0x13f5},
        {0x1780, 0x17d3}, {0xaa80, 0xaac2}, {0x1200, 0x135a}, {0x1c90, 0x1cbf},
        {0x1800, 0x1842}, {0xf40, 0xfbc},   {0x1000, 0x104f}, {0xab70, 0xabbf}};
    const struct range *r = &set[below(t, LEN(set))];

    for (uint32_t n = 3 + below(t, 40); n; n--) {
        add_in(t, r, 1);
        if (below(t, 6) == 0)
            add(t, ' ');
        if (below(t, 25) == 0)
            r = &set[below(t, LEN(set))];
    }
}

static void marks_of_text(struct text *t)
{
    static const char *const set[] = {
        "[SEP]", "[CLS]", "[MASK]", "[PAD]",  "[UNK]",   "[unused1]",
        "##ing", "##",    "#",      "...",    "--",      "\"quoted\"",
        "(a)",   "{b}",   "<c>",    "~`^|=+", "[ SEP ]", "[sep]",
        "@user", "a@b.c", "\\n",    "&amp;",  "1+1=2",   "a##b"};
    static const struct range more[] = {
        {0x2010, 0x2027}, {0x2030, 0x205e}, {0xa1, 0xbf},     {0x3008, 0x3011},
        {0x2e00, 0x2e5d}, {0xfe30, 0xfe6b}, {0xff01, 0xff0f}, {0x55a, 0x55f},
        {0x2190, 0x22ff}, {0x20a0, 0x20bf}, {0x10fb, 0x10fb}, {0x1360, 0x1368}};

    for (uint32_t n = 1 + below(t, 20); n; n--) {
        if (below(t, 2))
            add_string(t, set[below(t, LEN(set))]);
        else
            add_in(t, more, LEN(more));
        if (below(t, 3) == 0)
            add(t, ' ');
        if (below(t, 3) == 0)
            add_word(t);
    }
}

static void cases(struct text *t)
{
    static const struct range set[] = {
        {0x130, 0x131},     {0xdf, 0xdf},       {0x1e9e, 0x1e9e},
        {0xfb00, 0xfb06},   {0x3a3, 0x3c3},     {0xff21, 0xff5a},
        {0x1d400, 0x1d7ff}, {0x10400, 0x1044f}, {0x2c00, 0x2c5f},
        {0x1c4, 0x1f5},     {0x212a, 0x212b},   {0x2126, 0x2126},
        {0x24b6, 0x24e9},   {0x10a0, 0x10c5},   {0xa640, 0xa7ff},
        {0x1e900, 0x1e95f}, {0x2160, 0x2188},   {0x1f88, 0x1ffc},
        {'A', 'Z'},         {0x10d50, 0x10d65}, {0x16ea0, 0x16eb8}};

    for (uint32_t n = 2 + below(t, 30); n; n--) {
        add_in(t, set, LEN(set));
        if (below(t, 6) == 0)
            add(t, ' ');
    }
}

static void too_long(struct text *t)
{
    for (uint32_t n = 40 + below(t, 200); n; n--) {
        add_word(t);
        add_string(t, below(t, 9) ? " " : below(t, 2) ? "," : "");
    }
}

static void glued(struct text *t)
{
    for (uint32_t n = 1 + below(t, 10); n; n--) {
        for (uint32_t k = 1 + below(t, 4); k; k--) {
            const char *w = words[below(t, LEN(words))];

            for (size_t c = below(t, 3); c < strlen(w); c++)
                add(t, below(t, 9) ? (uint32_t)w[c] : (uint32_t)w[c] ^ 0x20);
        }
        add(t, ' ');
    }
}

static const struct kind {
    void (*make)(struct text *t);
    const char *name;
} kinds[TEXTS_KINDS] = {{english, "English"},
                        {accented, "accents"},
                        {combining, "combining marks"},
                        {cjk, "CJK"},
                        {hangul, "Hangul"},
                        {emoji, "emoji"},
                        {controls, "control characters"},
                        {blanks, "odd blanks"},
                        {long_words, "words of about 100 characters"},
                        {anything, "any code points"},
                        {scripts, "many scripts"},
                        {marks_of_text, "punctuation and typed special tokens"},
                        {cases, "odd cases"},
                        {too_long, "texts longer than the model"},
                        {glued, "glued words"}};

size_t text_make(unsigned i, char out[TEXT_BYTES_MAX])
{
    struct text t = {.state = 0x5eed0000u + i, .out = out};

    kinds[i % TEXTS_KINDS].make(&t);
    return t.len;
}

const char *text_kind(unsigned i)
{
    return kinds[i % TEXTS_KINDS].name;
}
