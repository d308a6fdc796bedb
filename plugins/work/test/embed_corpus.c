/* SPDX-License-Identifier: Apache-2.0 */
/* embed_corpus.c - lines of JSON are texts, or an error that names the line */
#include <errno.h>
#include <unistd.h>

#include "plugins/work/embed_corpus.h"
#include "t/tap.h"

static char dir[] = "/tmp/fallow-corpus.XXXXXX";
static char path[64];

static void put_file(const char *data, size_t len)
{
    FILE *out = fopen(path, "w");

    if (out) {
        fwrite(data, 1, len, out);
        fclose(out);
    }
}

/* All rows as LINE=ID:TEXT joined by |, or the error without the path. */
static void read_all(const char *field, char *got, size_t size)
{
    struct error err = {""};
    struct corpus *c = corpus_open(path, field, &err);
    struct corpus_row row;
    size_t used = 0;
    int rc = c ? 1 : -1;

    *got = '\0';
    while (c && (rc = corpus_next(c, &row, &err)) == 1 && used < size)
        used += (size_t)snprintf(got + used, size - used, "%s%ju=%s:%s",
                                 used ? "|" : "", (uintmax_t)row.line, row.id,
                                 row.text);
    if (rc < 0)
        snprintf(got, size, "%s", err.text + strlen(path));
    corpus_close(c);
}

static const struct {
    const char *what;
    const char *data;
    const char *want;
} rows[] = {
    {"one line", "{\"text\": \"a b\"}\n", "1=1:a b"},
    {"a last line without its line feed", "{\"text\":\"a\"}\n{\"text\":\"b\"}",
     "1=1:a|2=2:b"},
    {"blank lines are skipped and counted",
     "\n  \t\n{\"text\":\"a\"}\r\n\r\n{\"text\":\"b\"}\n\n", "3=3:a|5=5:b"},
    {"ids are strings or integers",
     "{\"id\":\"x-1\",\"text\":\"a\"}\n{\"text\":\"b\",\"id\":-7}\n"
     "{\"text\":\"c\"}\n",
     "1=x-1:a|2=-7:b|3=3:c"},
    {"other members are no matter",
     "{\"title\":[1,{\"text\":2}],\"text\":\"a\",\"x\":null}\n", "1=1:a"},
    {"a byte order mark", "\xef\xbb\xbf{\"text\":\"a\"}\n", "1=1:a"},
    {"escapes and raw UTF-8", "{\"text\":\"\\u00e9\xc3\xa9\\ud83d\\ude00\"}\n",
     "1=1:\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80"},
    {"nothing", "", ""},
    {"blanks only", " \n\n", ""},
    {"a missing member", "{\"text\":\"a\"}\n{\"Text\":\"b\"}\n",
     ":2: there is no \"text\"; --field names another member"},
    {"a number as text", "{\"text\":1}\n",
     ":1: there is no string under \"text\"; --field names another member"},
    {"an array", "[\"text\"]\n", ":1: not a JSON object"},
    {"a bare string", "\n\"text\"\n", ":2: not a JSON object"},
    {"a duplicate", "{\"text\":\"a\",\"text\":\"b\"}\n",
     ":1: the same member twice: duplicate object key near '\"text\"'"},
    {"a nested duplicate", "{\"text\":\"a\",\"m\":{\"k\":1,\"k\":1}}\n",
     ":1: the same member twice: duplicate object key near '\"k\"'"},
    {"cut-off JSON", "{\"text\":\"a\"}\n\n{\"text\": \"b\n",
     ":3: invalid JSON at column 11: premature end of input near '\"b'"},
    {"two objects", "{\"text\":\"a\"}{\"text\":\"b\"}\n",
     ":1: invalid JSON at column 13: end of file expected near '{'"},
    {"a lone surrogate", "{\"text\":\"\\ud800\"}\n",
     ":1: invalid JSON at column 16: invalid Unicode '\\uD800' near "
     "'\"\\ud800\"'"},
    {"a control character in JSON", "{\"text\":\x01}\n",
     ":1: invalid JSON at column 9: invalid token near '?'"},
    {"bytes that are not UTF-8", "{\"text\":\"a\"}\n{\"text\":\"a\xff\"}\n",
     ":2: invalid UTF-8 at byte 11 of the line"},
    {"an overlong form", "{\"text\":\"\xc0\xaf\"}\n",
     ":1: invalid UTF-8 at byte 10 of the line"},
    {"Latin-1 cut off by the line", "{\"text\":\"caf\xe9\"}\n",
     ":1: invalid UTF-8 at byte 13 of the line"},
    {"a bad id", "{\"text\":\"a\",\"id\":1.5}\n",
     ":1: \"id\" is neither a string nor an integer"},
    {"an id over two lines", "{\"text\":\"a\",\"id\":\"a\\nb\"}\n",
     ":1: \"id\" has a control character"},
};

static void test_rows(void)
{
    char got[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put_file(rows[i].data, strlen(rows[i].data));
        read_all("text", got, sizeof(got));
        is_str(got, rows[i].want, "%s", rows[i].what);
    }
    put_file("{\"body\":\"a\"}\n", 13);
    read_all("body", got, sizeof(got));
    is_str(got, "1=1:a", "another field holds the text");
}

static void test_nul(void)
{
    static const char data[] = "{\"text\":\"a\\u0000b\"}\n";
    struct corpus_row row;
    struct corpus *c;

    put_file(data, sizeof(data) - 1);
    c = corpus_open(path, "text", NULL);
    ok(c && corpus_next(c, &row, NULL) == 1 && row.len == 3 &&
           memcmp(row.text, "a\0b", 3) == 0,
       "a NUL in a text is part of it");
    is_int(corpus_done(c), sizeof(data) - 1, "all bytes were read");
    is_int(corpus_size(c), sizeof(data) - 1, "and the size was known");
    corpus_close(c);
}

/* Lines about as long as the reader's buffer and far longer. */
static void test_long_lines(void)
{
    static const size_t sizes[] = {262130, 262131, 262132, 262133,
                                   262134, 262144, 600000, 5000000};
    size_t max = CORPUS_LINE_MAX + 100;
    char *data = malloc(max), got[512];
    struct corpus_row row;

    for (size_t i = 0; data && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct corpus *c;
        size_t n = sizes[i];

        memset(data, 'x', max);
        memcpy(data, "{\"text\":\"", 9);
        memcpy(data + 9 + n, "\"}\n{\"text\":\"y\"}", 15);
        put_file(data, 9 + n + 15);
        c = corpus_open(path, "text", NULL);
        ok(c && corpus_next(c, &row, NULL) == 1 && row.len == n &&
               corpus_next(c, &row, NULL) == 1 && row.len == 1 &&
               corpus_next(c, &row, NULL) == 0,
           "a text of %zu bytes and the line after it", n);
        corpus_close(c);
    }
    if (data) {
        memset(data, 'x', max);
        data[0] = '\n';
        put_file(data, max);
        read_all("text", got, sizeof(got));
        is_str(got, ":2: a line of more than 16777216 bytes",
               "a line without end is refused");
    }
    free(data);
}

static void test_open(void)
{
    struct error err = {""};

    ok(corpus_open("/nonexistent/x.jsonl", "text", &err) == NULL &&
           errno == ENOENT,
       "a corpus that is not there does not open");
    is_str(err.text,
           "could not open /nonexistent/x.jsonl: No such file or directory",
           "and the message names it");
    ok(corpus_open(dir, "text", &err) == NULL && errno == EISDIR,
       "neither does a directory");
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/c.jsonl", dir);
    test_rows();
    test_nul();
    test_long_lines();
    test_open();
    unlink(path);
    rmdir(dir);
    done_testing();
    return exit_status();
}
