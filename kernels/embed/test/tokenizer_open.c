/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer_open.c - a model folder is understood or refused by name */
#include <errno.h>
#include <unistd.h>

#include "kernels/embed/tokenizer.h"
#include "t/tap.h"

#define VOCAB "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##able\nÉa\néa\nea\n"
#define CONFIG "{\"vocab_size\": 9, \"max_position_embeddings\": 40}"
#define ENDS                                                                   \
    "\"post_processor\": {\"type\": \"BertProcessing\", "                      \
    "\"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}"
#define RULES                                                                  \
    "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "    \
    "\"handle_chinese_chars\": true, \"strip_accents\": null, "                \
    "\"lowercase\": true}, \"pre_tokenizer\": {\"type\": "                     \
    "\"BertPreTokenizer\"}"
#define MODEL                                                                  \
    "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "          \
    "\"continuing_subword_prefix\": \"##\", "                                  \
    "\"max_input_chars_per_word\": 100, \"vocab\": {\"[UNK]\": 1, "            \
    "\"[CLS]\": 2, \"[SEP]\": 3, \"un\": 4, \"##able\": 5}}"
#define TOKENIZER "{" RULES ", " ENDS ", " MODEL "}"

static char dir[] = "/tmp/fallow-tokenizer.XXXXXX";
static const char *const names[] = {"config.json", "vocab.txt",
                                    "tokenizer_config.json", "tokenizer.json",
                                    "sentence_bert_config.json"};
enum { FILES = sizeof(names) / sizeof(names[0]) };

/* Files as in names, NULL = not there; what opening says after the folder's
 * name, or the ids of "Unable \u00c9a" and the length; errno.
 */
static const struct row {
    const char *what;
    const char *files[FILES];
    const char *want;
    int code;
} rows[] = {
    {"vocab.txt alone lower-cases",
     {CONFIG, VOCAB},
     "2 4 5 8 3 at most 40 by config.json",
     0},
    {"a cased vocabulary keeps accents and capitals",
     {CONFIG, VOCAB, "{\"do_lower_case\": false}"},
     "2 1 6 3 at most 40 by config.json",
     0},
    {"accents are kept where asked",
     {CONFIG, VOCAB, "{\"strip_accents\": false}"},
     "2 4 5 7 3 at most 40 by config.json",
     0},
    {"tokens may be objects with content",
     {CONFIG, VOCAB, "{\"cls_token\": {\"content\": \"un\"}}"},
     "4 4 5 8 3 at most 40 by config.json",
     0},
    {"tokenizer.json goes before vocab.txt",
     {CONFIG, VOCAB, NULL, TOKENIZER},
     "2 4 5 1 3 at most 40 by config.json",
     0},
    {"tokenizer.json sets the length by its truncation",
     {CONFIG, NULL, NULL,
      "{\"truncation\": {\"max_length\": 30}, " RULES ", " ENDS ", " MODEL "}"},
     "2 4 5 1 3 at most 30 by tokenizer.json",
     0},
    {"sentence_bert_config.json goes before it",
     {CONFIG, NULL, NULL,
      "{\"truncation\": {\"max_length\": 30}, " RULES ", " ENDS ", " MODEL "}",
      "{\"max_seq_length\": 20}"},
     "2 4 5 1 3 at most 20 by sentence_bert_config.json",
     0},
    {"a length above the positions is cut to them",
     {CONFIG, VOCAB, NULL, NULL, "{\"max_seq_length\": 512}"},
     "2 4 5 8 3 at most 40 by config.json",
     0},
    {"a template around the text",
     {CONFIG, NULL, NULL,
      "{\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
      "[{\"SpecialToken\": {\"id\": \"[CLS]\"}}, {\"Sequence\": {\"id\": \"A\"}"
      "}, {\"SpecialToken\": {\"id\": \"[SEP]\"}}]}, " RULES ", " MODEL "}"},
     "2 4 5 1 3 at most 40 by config.json",
     0},
    {"no config.json",
     {NULL, VOCAB},
     "could not open DIR/config.json: No such file or directory",
     ENOENT},
    {"no vocabulary",
     {CONFIG},
     "DIR has no tokenizer.json and no vocab.txt",
     ENOENT},
    {"a damaged config.json",
     {"{\n\"vocab_size\": }", VOCAB},
     "DIR/config.json:2: unexpected token near '}'",
     EBADMSG},
    {"a member twice",
     {"{\"a\": 1, \"a\": 2}", VOCAB},
     "DIR/config.json:1: duplicate object key near '\"a\"'",
     EBADMSG},
    {"no limits",
     {"{}", VOCAB},
     "DIR/config.json lacks max_position_embeddings or vocab_size",
     EBADMSG},
    {"a length that is none",
     {CONFIG, VOCAB, NULL, NULL, "{\"max_seq_length\": 2}"},
     "DIR/sentence_bert_config.json: \"max_seq_length\" is not a number from 3 "
     "to 65536",
     EBADMSG},
    {"more ids than embeddings",
     {"{\"vocab_size\": 8, \"max_position_embeddings\": 40}", VOCAB},
     "DIR/vocab.txt has ids up to 8, but config.json says vocab_size 8",
     EBADMSG},
    {"no end token",
     {CONFIG, "[UNK]\n[CLS]\n"},
     "the vocabulary lacks \"[SEP]\"",
     EBADMSG},
    {"a vocabulary that is not UTF-8",
     {CONFIG, "[UNK]\n\xff\n"},
     "DIR/vocab.txt:2: invalid UTF-8",
     EBADMSG},
    {"another model",
     {CONFIG, NULL, NULL, "{\"model\": {\"type\": \"BPE\"}}"},
     "DIR/tokenizer.json: model \"BPE\" is not supported, only WordPiece",
     ENOTSUP},
    {"another normaliser",
     {CONFIG, NULL, NULL, "{" MODEL ", \"normalizer\": {\"type\": \"NFKC\"}}"},
     "DIR/tokenizer.json: normalizer \"NFKC\" is not supported, only "
     "BertNormalizer",
     ENOTSUP},
    {"another pre-tokenizer",
     {CONFIG, NULL, NULL,
      "{" MODEL ", \"normalizer\": {\"type\": \"BertNormalizer\"}}"},
     "DIR/tokenizer.json: pre_tokenizer \"none\" is not supported, only "
     "BertPreTokenizer",
     ENOTSUP},
    {"no ends",
     {CONFIG, NULL, NULL, "{" RULES ", " MODEL "}"},
     "DIR/tokenizer.json: post_processor \"none\" is not supported, only one "
     "token, the text, one token",
     ENOTSUP},
    {"an added token that is an ordinary word",
     {CONFIG, NULL, NULL,
      "{\"added_tokens\": [{\"content\": \"<x>\", \"special\": false}], " RULES
      ", " ENDS ", " MODEL "}"},
     "DIR/tokenizer.json: added token \"<x>\" is not supported, only special "
     "ones",
     ENOTSUP},
    {"two files that differ",
     {CONFIG, NULL, "{\"do_lower_case\": false}", TOKENIZER},
     "DIR: tokenizer_config.json's do_lower_case and tokenizer.json's "
     "lowercase differ",
     ENOTSUP},
    {"an id of more than 16 bits",
     {CONFIG, NULL, NULL,
      "{" RULES ", " ENDS ", \"model\": {\"type\": \"WordPiece\", "
      "\"unk_token\": \"u\", \"continuing_subword_prefix\": \"##\", "
      "\"vocab\": {\"u\": 65536}}}"},
     "DIR/tokenizer.json: the id of \"u\" is not a number from 0 to 65535",
     EBADMSG},
};

static void put_files(const struct row *r)
{
    char path[128];
    FILE *out;

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
        if (!r->files[i] || !(out = fopen(path, "w")))
            continue;
        fputs(r->files[i], out);
        fclose(out);
    }
}

/* The message with the folder's name shortened to DIR. */
static void shorten(const char *text, char *out, size_t size)
{
    const char *at = strstr(text, dir);

    if (at)
        snprintf(out, size, "%.*sDIR%s", (int)(at - text), text,
                 at + strlen(dir));
    else
        snprintf(out, size, "%s", text);
}

static void describe(const struct tokenizer *t, char *out, size_t size)
{
    static const char text[] = "Unable \xc3\x89"
                               "a";
    uint16_t ids[16];
    size_t n = wordpiece_encode(t->pieces, text, strlen(text), ids, 16, NULL);
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(out + used, size - used, "%u ", ids[i]);
    snprintf(out + used, size - used, "at most %u by %s", t->max_length,
             t->max_length_from);
}

int main(void)
{
    const struct row none = {.what = ""};
    char got[FAULT_TEXT_MAX];

    if (!mkdtemp(dir))
        return 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tokenizer t;
        struct fault f = {""};
        int rc, code;

        put_files(&rows[i]);
        rc = tokenizer_open(&t, dir, &f);
        code = rc < 0 ? errno : 0;
        if (rc < 0)
            shorten(f.text, got, sizeof(got));
        else
            describe(&t, got, sizeof(got));
        is_str(got, rows[i].want, "%s", rows[i].what);
        is_int(code, rows[i].code, "%s: errno", rows[i].what);
        if (rc == 0)
            tokenizer_close(&t);
    }
    put_files(&none);
    rmdir(dir);
    done_testing();
    return exit_status();
}
