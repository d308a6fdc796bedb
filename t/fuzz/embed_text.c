/* SPDX-License-Identifier: Apache-2.0 */
/* embed_text.c - any bytes as a corpus, and its texts as tokens
 *
 * The first byte chooses normaliser rules and the longest text, the rest is
 * the corpus.  Whatever it holds, reading ends with rows or an error that
 * names the line, and every text has ids the vocabulary knows.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/embed/wordpiece.h"
#include "plugins/work/embed_corpus.h"
#include "t/fuzz/fuzz.h"

#define LENGTH_MAX 40

const char fuzz_subject[] = "texts of embed";
const char *const fuzz_samples[] = {
    "O{\"text\": \"a text.\", \"id\": 7}\n\n{\"text\":\"\\u0061\\u030a\"}",
    "o{\"id\":\"x\",\"text\":\"A\xcc\x81\xcc\xa3\xe3\x80\xae "
    "\xea\xb0\x81\"}\r\n",
    "_\xef\xbb\xbf{\"text\":\"\\ud83d\\ude00 \xc4\xb0\xc3\x9f\",\"a\":[{}]}",
    "\x13\xe4\xb8\x80\xf0\x9f\x98\x80 abbb tt text ab\xc2\xad"
    "b\xc2\xa0x",
    NULL};

static const char *const pieces[] = {"[UNK]",
                                     "[CLS]",
                                     "[SEP]",
                                     "a",
                                     "b",
                                     "##a",
                                     "##b",
                                     "##bb",
                                     "text",
                                     "##ext",
                                     "t",
                                     "id",
                                     "##i",
                                     ".",
                                     "\"",
                                     "{",
                                     "\xc3\x9f",
                                     "##\xc3\x9f",
                                     "\xe4\xb8\x80",
                                     "\xf0\x9f\x98\x80"};

static struct wordpiece *vocabulary(uint8_t rules)
{
    struct wordpiece_model m = {{rules & 1, rules & 2, rules & 4, rules & 8},
                                "##",
                                "[UNK]",
                                "[CLS]",
                                "[SEP]",
                                rules & 16 ? 3 : 100};
    struct wordpiece *w = wordpiece_create(&m, NULL);

    assert(w);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        wordpiece_add(w, pieces[i], strlen(pieces[i]), (uint32_t)i, NULL);
    wordpiece_ready(w, NULL);
    return w;
}

static void check_text(const struct wordpiece *w, const char *text, size_t len,
                       size_t max)
{
    uint16_t ids[LENGTH_MAX], again[LENGTH_MAX];
    bool cut, cut_again;
    size_t n = wordpiece_encode(w, text, len, ids, max, &cut);

    assert(n >= 2 && n <= max && ids[0] == 1 && ids[n - 1] == 2);
    assert(!cut || n == max);
    for (size_t i = 1; i + 1 < n; i++)
        assert(ids[i] < wordpiece_ids(w) && ids[i] != 1 && ids[i] != 2);
    /* Less room gives the same ids, fewer of them. */
    if (max > WORDPIECE_LENGTH_MIN && n == max) {
        size_t k = wordpiece_encode(w, text, len, again, max - 1, &cut_again);

        assert(k == max - 1 && cut_again);
        assert(memcmp(ids, again, (k - 1) * sizeof(*ids)) == 0);
    }
}

static int put_memory(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("corpus", MFD_CLOEXEC);

    assert(fd >= 0);
    assert(write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {""};
    struct corpus_row row;
    struct wordpiece *w;
    struct corpus *c;
    uint64_t line = 0;
    char path[32];
    size_t max;
    int fd, rc;

    if (size == 0)
        return 0;
    w = vocabulary(data[0]);
    max = WORDPIECE_LENGTH_MIN + data[0] % (LENGTH_MAX - 2);
    if (utf8_check(data + 1, size - 1) == size - 1)
        check_text(w, (const char *)data + 1, size - 1, max);
    fd = put_memory(data + 1, size - 1, path);
    c = corpus_open(path, "text", &err);
    assert(c);
    while ((rc = corpus_next(c, &row, &err)) == 1) {
        assert(row.line > line && utf8_check(row.text, row.len) == row.len);
        assert(row.text[row.len] == '\0' && *row.id);
        line = row.line;
        check_text(w, row.text, row.len, max);
    }
    assert(rc == 0 || (errno == EBADMSG && strstr(err.text, ": ")));
    assert(rc < 0 || corpus_done(c) == size - 1);
    corpus_close(c);
    close(fd);
    wordpiece_destroy(w);
    return 0;
}
