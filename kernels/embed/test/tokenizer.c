/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.c - token ids equal the reference tokenizer's
 *
 * The goldens hold hashes of what the reference gave; they are written by
 * contrib/tokenizer-goldens, which runs this program with --texts.
 */
#include <ctype.h>

#include "kernels/embed/test/texts.h"
#include "kernels/embed/tokenizer.h"
#include "kernels/embed/unicode_table.h"
#include "t/tap.h"

#define MAX_LENGTH 64
#define POINTS_A_BLOCK 1024
#define FNV_START 0xcbf29ce484222325u

static uint64_t fnv(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static unsigned fold(uint64_t h)
{
    return (unsigned)(h ^ h >> 16 ^ h >> 32 ^ h >> 48) & 0xffffu;
}

static int print_texts(void)
{
    char text[TEXT_BYTES_MAX];

    for (unsigned i = 0; i < TEXTS; i++) {
        size_t len = text_make(i, text);

        printf("%zu\n", len);
        fwrite(text, 1, len, stdout);
    }
    return fflush(stdout) ? 1 : 0;
}

/* Fixtures lie in the source tree. */
static FILE *fixture(const char *name)
{
    const char *top = getenv("srcdir");
    char path[4096];

    snprintf(path, sizeof(path), "%s/t/fixtures/tokenizer/%s", top ? top : ".",
             name);
    return fopen(path, "re");
}

/* The rest of the first line that begins with word. */
static bool golden_line(FILE *in, const char *word, char *out, size_t size)
{
    size_t n = strlen(word);

    while (fgets(out, (int)size, in))
        if (strncmp(out, word, n) == 0 && out[n] == ' ') {
            memmove(out, out + n + 1, strlen(out + n));
            out[strcspn(out, "\n")] = '\0';
            return true;
        }
    return false;
}

static uint64_t golden_number(FILE *in, const char *word)
{
    char line[256];

    return golden_line(in, word, line, sizeof(line)) ? strtoull(line, NULL, 16)
                                                     : 0;
}

/* Hashes of the ids of every text against the golden's. */
static void compare_ids(const struct wordpiece *w, FILE *golden,
                        const char *what)
{
    uint64_t all_want = golden_number(golden, "all"), all = FNV_START;
    unsigned wrong[TEXTS_KINDS] = {0}, want;
    char text[TEXT_BYTES_MAX];
    uint16_t ids[MAX_LENGTH];

    for (unsigned i = 0; i < TEXTS; i++) {
        size_t len = text_make(i, text);
        size_t n = wordpiece_encode(w, text, len, ids, MAX_LENGTH, NULL);
        uint64_t h = FNV_START;

        for (size_t k = 0; k < n; k++) {
            uint8_t le[2] = {(uint8_t)ids[k], (uint8_t)(ids[k] >> 8)};

            h = fnv(h, le, 2);
            all = fnv(all, le, 2);
        }
        if (fscanf(golden, "%4x", &want) != 1 || want != fold(h)) {
            if (wrong[i % TEXTS_KINDS]++ == 0)
                fprintf(stderr, "# text %u differs\n", i);
        }
    }
    for (unsigned k = 0; k < TEXTS_KINDS; k++)
        is_int(wrong[k], 0, "%s: %d texts have the reference's ids: %s", what,
               TEXTS / TEXTS_KINDS, text_kind(k));
    ok(all == all_want, "%s: all ids of %d texts have the reference's hash",
       what, TEXTS);
}

static struct wordpiece *fixture_pieces(void)
{
    static const struct wordpiece_model m = {
        {true, true, true, true}, "##", "[UNK]", "[CLS]", "[SEP]", 100};
    struct wordpiece *w = wordpiece_create(&m, NULL);
    FILE *in = fixture("vocab.txt");
    char line[1024];

    for (uint32_t id = 0; in && fgets(line, sizeof(line), in); id++)
        wordpiece_add(w, line, strcspn(line, "\n"), id, NULL);
    if (in)
        fclose(in);
    return w;
}

static void test_fixture_vocabulary(void)
{
    FILE *golden = fixture("ids-fixture.golden");
    struct wordpiece *w = fixture_pieces();
    struct fault f = {""};

    ok(golden != NULL, "the goldens of the fixture vocabulary are there");
    ok(wordpiece_ready(w, &f) == 0, "the fixture vocabulary is complete%s",
       f.text);
    if (golden)
        compare_ids(w, golden, "fixture vocabulary");
    if (golden)
        fclose(golden);
    wordpiece_destroy(w);
}

static uint64_t hash_file(const char *dir, const char *name)
{
    char path[4096], buf[4096];
    uint64_t h = FNV_START;
    size_t n;
    FILE *in;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    in = fopen(path, "re");
    while (in && (n = fread(buf, 1, sizeof(buf), in)) > 0)
        h = fnv(h, buf, n);
    if (in)
        fclose(in);
    return h;
}

static void test_real_vocabulary(void)
{
    const char *dir = getenv("FALLOW_MODEL_DIR");
    FILE *golden = fixture("ids-minilm.golden");
    struct tokenizer t;
    struct fault f = {""};

    ok(golden != NULL, "the goldens of the real vocabulary are there");
    if (!golden)
        return;
    if (!dir) {
        skip("FALLOW_MODEL_DIR is not set (contrib/get-model)");
    } else if (golden_number(golden, "vocabulary") !=
               hash_file(dir, "vocab.txt")) {
        skip("FALLOW_MODEL_DIR is not all-MiniLM-L6-v2");
    } else if (ok(tokenizer_open(&t, dir, &f) == 0, "%s opens %s", dir,
                  f.text)) {
        is_int(t.max_length, 256, "sentence_bert_config.json sets the length");
        compare_ids(t.pieces, golden, "all-MiniLM-L6-v2");
        tokenizer_close(&t);
    }
    fclose(golden);
}

/* Feed one normalised code point to the hash of the text's words: words are
 * ended by a line feed, as are punctuation marks.
 */
static uint64_t hash_point(uint64_t h, uint32_t cp, bool *open)
{
    unsigned flags = normalize_flags(cp);
    uint8_t utf8[4];

    if (*open && (flags & (UC_SPACE | UC_PUNCT)))
        h = fnv(h, "\n", 1);
    if (!(flags & UC_SPACE))
        h = fnv(h, utf8, utf8_encode(cp, utf8));
    if (flags & UC_PUNCT)
        h = fnv(h, "\n", 1);
    *open = !(flags & (UC_SPACE | UC_PUNCT));
    return h;
}

/* The text of one block: each code point by itself, before a letter, and
 * before marks that may have to change places with it.
 */
static size_t block_text(uint32_t first, uint8_t *out)
{
    static const uint32_t after[] = {'A', 0, 0x323, 0x302e, 0x301, ' '};
    size_t len = 0;

    for (uint32_t cp = first; cp < first + POINTS_A_BLOCK; cp++) {
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        len += utf8_encode(cp, out + len);
        for (size_t k = 0; k < sizeof(after) / sizeof(after[0]); k++)
            len += utf8_encode(k == 1 ? cp : after[k], out + len);
    }
    return len;
}

static void compare_points(FILE *golden, const char *rules)
{
    struct normalize_rules r = {
        strchr(rules, 'c') != NULL, strchr(rules, 'j') != NULL,
        strchr(rules, 'a') != NULL, strchr(rules, 'l') != NULL};
    uint8_t *text = malloc(POINTS_A_BLOCK * 24);
    unsigned first, want, wrong = 0, blocks = 0;

    while (text && fscanf(golden, "%x:%8x", &first, &want) == 2) {
        struct normalize it;
        uint64_t h = FNV_START;
        bool open = false;
        uint32_t cp;

        normalize_start(&it, &r, text, block_text(first, text));
        while (normalize_next(&it, &cp))
            h = hash_point(h, cp, &open);
        if (open)
            h = fnv(h, "\n", 1);
        blocks++;
        if (want != (uint32_t)(h ^ h >> 32) && wrong++ < 3)
            fprintf(stderr, "# rules %s: U+%X and up differ\n", rules, first);
    }
    free(text);
    ok(blocks > 200 && wrong == 0,
       "rules %s: all %u blocks of code points have the reference's words",
       rules, blocks);
}

static void test_points(void)
{
    FILE *golden = fixture("points.golden");
    char rules[64];

    ok(golden != NULL, "the goldens of the code points are there");
    if (!golden)
        return;
    while (golden_line(golden, "rules", rules, sizeof(rules)))
        compare_points(golden, rules);
    fclose(golden);
}

static void test_utf8(void)
{
    static const struct {
        const char *bytes;
        size_t bad;
    } rows[] = {{"plain", 5},
                {"\xc3\xa9t\xc3\xa9", 5},
                {"a\x80", 1},
                {"a\xc0\x80", 1},
                {"a\xc1\xbf", 1},
                {"ab\xe0\x9f\xbf", 2},
                {"\xe0\xa0\x80", 3},
                {"\xed\x9f\xbf", 3},
                {"\xed\xa0\x80", 0},
                {"\xef\xbf\xbd", 3},
                {"\xf0\x8f\xbf\xbf", 0},
                {"\xf0\x90\x80\x80", 4},
                {"\xf4\x8f\xbf\xbf", 4},
                {"\xf4\x90\x80\x80", 0},
                {"\xf5\x80\x80\x80", 0},
                {"abc\xe2\x82", 3},
                {"x\xff", 1},
                {"", 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        is_int(utf8_check(rows[i].bytes, strlen(rows[i].bytes)), rows[i].bad,
               "UTF-8 of row %zu is valid up to byte %zu", i, rows[i].bad);
}

/* Text, and its pieces joined by blanks as the vocabulary below has them. */
static void test_pieces(void)
{
    static const char *const pieces[] = {
        "[CLS]", "[SEP]", "[UNK]", "un", "##aff", "##able", "##a",
        "cafe",  ".",     "[",     "]",  "sep",   "i"};
    static const struct {
        const char *text;
        const char *ids;
        size_t max;
        bool cut;
    } rows[] = {{"", "0 1", 8, false},
                {" \t\n", "0 1", 8, false},
                {"Unaffable", "0 3 4 5 1", 8, false},
                {"unaffable.", "0 3 4 5 8 1", 8, false},
                {"unaffx un", "0 2 3 1", 8, false},
                {"Caf\xc3\xa9 cafe\xcc\x81", "0 7 7 1", 8, false},
                {"[SEP]", "0 9 11 10 1", 8, false},
                {"\xc4\xb0", "0 12 1", 8, false},
                {"un un un un", "0 3 3 1", 4, true},
                {"unaffable", "0 3 1", 3, true},
                {"unaffableq", "0 2 1", 3, false},
                {"iiiiiiiiii iiiiiiiiiii", "0 2 2 1", 8, false},
                {"unaffableq un", "0 2 1", 3, true}};
    static const struct wordpiece_model m = {
        {true, true, true, true}, "##", "[UNK]", "[CLS]", "[SEP]", 10};
    struct wordpiece *w = wordpiece_create(&m, NULL);
    bool cut = true;
    uint16_t ids[8];

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        wordpiece_add(w, pieces[i], strlen(pieces[i]), (uint32_t)i, NULL);
    is_int(wordpiece_ready(w, NULL), 0, "a small vocabulary is complete");
    is_int(wordpiece_ids(w), sizeof(pieces) / sizeof(pieces[0]),
           "and needs as many ids as it has pieces");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char got[64] = "";
        size_t n = wordpiece_encode(w, rows[i].text, strlen(rows[i].text), ids,
                                    rows[i].max, &cut);

        for (size_t k = 0; k < n; k++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u",
                     k ? " " : "", ids[k]);
        is_str(got, rows[i].ids, "the ids of row %zu", i);
        ok(cut == rows[i].cut, "row %zu is %s", i,
           rows[i].cut ? "cut" : "whole");
    }
    wordpiece_destroy(w);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--texts") == 0)
        return print_texts();
    test_utf8();
    test_pieces();
    test_points();
    test_fixture_vocabulary();
    test_real_vocabulary();
    done_testing();
    return exit_status();
}
