/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.c - the tokenizer of a Hugging Face model folder */
#include "kernels/embed/tokenizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#define JSON_FILE_MAX (64 << 20)
#define VOCAB_LINE_MAX 4096

/* One file of the folder, for messages. */
struct source {
    const char *dir;
    const char *name;
    struct fault *f;
};

static int path_of(const struct source *s, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%s", s->dir, s->name);

    if (n < 0 || n >= PATH_MAX)
        return fault_set(s->f, ENAMETOOLONG, "the path of %s is too long",
                         s->name);
    return 0;
}

/* errno ENOENT and no text when the file is not there. */
static FILE *open_source(const struct source *s)
{
    char path[PATH_MAX];
    struct stat st;
    FILE *in;

    if (path_of(s, path) < 0)
        return NULL;
    in = fopen(path, "re");
    if (!in) {
        fault_set(s->f, errno, "could not open %s: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fileno(in), &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > JSON_FILE_MAX) {
        fclose(in);
        fault_set(s->f, EBADMSG, "%s is no regular file of at most %d bytes",
                  path, JSON_FILE_MAX);
        return NULL;
    }
    return in;
}

static json_t *read_json(const struct source *s)
{
    FILE *in = open_source(s);
    json_error_t je;
    json_t *j;

    if (!in)
        return NULL;
    j = json_loadf(in, JSON_REJECT_DUPLICATES, &je);
    fclose(in);
    if (!j) {
        fault_set(s->f, EBADMSG, "%s/%s:%d: %s", s->dir, s->name, je.line,
                  je.text);
    } else if (!json_is_object(j)) {
        json_decref(j);
        fault_set(s->f, EBADMSG, "%s/%s is not a JSON object", s->dir, s->name);
        return NULL;
    }
    return j;
}

/* The same; NULL with errno 0 when there is no such file. */
static json_t *read_json_if_there(const struct source *s)
{
    json_t *j = read_json(s);

    if (!j && errno == ENOENT)
        errno = 0;
    return j;
}

/* A length from 3 to 65,536; 0 when the member is absent or null. */
static int get_length(const struct source *s, const json_t *j,
                      const char *member, unsigned *out)
{
    const json_t *v = json_object_get(j, member);
    json_int_t n = json_integer_value(v);

    *out = 0;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v) || n < WORDPIECE_LENGTH_MIN ||
        n > WORDPIECE_LENGTH_MAX)
        return fault_set(s->f, EBADMSG,
                         "%s/%s: \"%s\" is not a number from "
                         "%d to %d",
                         s->dir, s->name, member, WORDPIECE_LENGTH_MIN,
                         WORDPIECE_LENGTH_MAX);
    *out = (unsigned)n;
    return 0;
}

/* A boolean; absent = fallback, null = null_value. */
static int get_bool(const struct source *s, const json_t *j, const char *member,
                    bool fallback, bool *out)
{
    const json_t *v = json_object_get(j, member);

    if (v && !json_is_boolean(v))
        return fault_set(s->f, EBADMSG, "%s/%s: \"%s\" is not true or false",
                         s->dir, s->name, member);
    *out = v ? json_is_true(v) : fallback;
    return 0;
}

/* strip_accents may be null: then it follows the lower-casing. */
static int get_rules(const struct source *s, const json_t *j, const char *lower,
                     const char *cjk, struct normalize_rules *r)
{
    const json_t *accents = json_object_get(j, "strip_accents");

    r->clean = true;
    if (get_bool(s, j, "clean_text", true, &r->clean) < 0 ||
        get_bool(s, j, cjk, true, &r->cjk) < 0 ||
        get_bool(s, j, lower, true, &r->lower) < 0)
        return -1;
    r->accents = r->lower;
    if (!accents || json_is_null(accents))
        return 0;
    return get_bool(s, j, "strip_accents", r->lower, &r->accents);
}

/* j[member]["type"], or the reason why it is not the one supported. */
static const json_t *part(const struct source *s, const json_t *j,
                          const char *member, const char *type)
{
    const json_t *p = json_object_get(j, member);
    const char *is = json_string_value(json_object_get(p, "type"));

    if (is && strcmp(is, type) == 0)
        return p;
    fault_set(s->f, ENOTSUP, "%s/%s: %s \"%s\" is not supported, only %s",
              s->dir, s->name, member, is ? is : "none", type);
    return NULL;
}

/* A special token's text in one element of a template. */
static const char *template_token(const json_t *template, size_t i)
{
    const json_t *e = json_array_get(template, i);

    return json_string_value(
        json_object_get(json_object_get(e, "SpecialToken"), "id"));
}

static int get_ends(const struct source *s, const json_t *j,
                    struct wordpiece_model *m)
{
    const json_t *p = json_object_get(j, "post_processor");
    const char *type = json_string_value(json_object_get(p, "type"));

    m->begin = m->end = NULL;
    if (type && strcmp(type, "TemplateProcessing") == 0) {
        const json_t *single = json_object_get(p, "single");

        if (json_array_size(single) == 3 &&
            json_object_get(json_array_get(single, 1), "Sequence")) {
            m->begin = template_token(single, 0);
            m->end = template_token(single, 2);
        }
    } else if (type && strcmp(type, "BertProcessing") == 0) {
        m->begin =
            json_string_value(json_array_get(json_object_get(p, "cls"), 0));
        m->end =
            json_string_value(json_array_get(json_object_get(p, "sep"), 0));
    }
    if (!m->begin || !m->end)
        return fault_set(s->f, ENOTSUP,
                         "%s/%s: post_processor \"%s\" is not "
                         "supported, only one token, the text, "
                         "one token",
                         s->dir, s->name, type ? type : "none");
    return 0;
}

/* Tokens that the reference cuts out of the text before anything else, and
 * which are not special, cannot be reproduced.
 */
static int check_added(const struct source *s, const json_t *j)
{
    const json_t *added = json_object_get(j, "added_tokens"), *t;
    size_t i;

    json_array_foreach(added, i, t)
    {
        const char *text = json_string_value(json_object_get(t, "content"));

        if (!json_is_true(json_object_get(t, "special")))
            return fault_set(s->f, ENOTSUP,
                             "%s/%s: added token \"%s\" is not "
                             "supported, only special ones",
                             s->dir, s->name, text ? text : "");
    }
    return 0;
}

static int add_entries(const struct source *s, const json_t *vocab,
                       struct wordpiece *w)
{
    const char *piece;
    json_t *id;

    json_object_foreach((json_t *)vocab, piece, id)
    {
        json_int_t n = json_integer_value(id);

        if (!json_is_integer(id) || n < 0 || n > UINT16_MAX)
            return fault_set(s->f, EBADMSG,
                             "%s/%s: the id of \"%s\" is not a "
                             "number from 0 to %d",
                             s->dir, s->name, piece, UINT16_MAX);
        if (wordpiece_add(w, piece, strlen(piece), (uint32_t)n, s->f) < 0)
            return -1;
    }
    return 0;
}

static int get_model(const struct source *s, const json_t *j,
                     struct wordpiece_model *m)
{
    const json_t *model = part(s, j, "model", "WordPiece");
    const json_t *rules =
        model ? part(s, j, "normalizer", "BertNormalizer") : NULL;
    const json_t *max;
    json_int_t n;

    if (!rules || !part(s, j, "pre_tokenizer", "BertPreTokenizer") ||
        check_added(s, j) < 0 || get_ends(s, j, m) < 0 ||
        get_rules(s, rules, "lowercase", "handle_chinese_chars", &m->rules) < 0)
        return -1;
    m->unknown = json_string_value(json_object_get(model, "unk_token"));
    m->prefix =
        json_string_value(json_object_get(model, "continuing_subword_prefix"));
    max = json_object_get(model, "max_input_chars_per_word");
    n = max ? json_integer_value(max) : 100;
    if (!m->unknown || !m->prefix || n < 1 || n > WORDPIECE_WORD_MAX)
        return fault_set(s->f, ENOTSUP,
                         "%s/%s: model needs an unk_token, a "
                         "continuing_subword_prefix and at most "
                         "%d max_input_chars_per_word",
                         s->dir, s->name, WORDPIECE_WORD_MAX);
    m->word_max = (unsigned)n;
    return 0;
}

static int from_tokenizer_json(const struct source *s, const json_t *j,
                               struct tokenizer *t, unsigned *truncation)
{
    struct wordpiece_model m = {0};

    if (get_model(s, j, &m) < 0 ||
        get_length(s, json_object_get(j, "truncation"), "max_length",
                   truncation) < 0)
        return -1;
    t->vocabulary_from = "tokenizer.json";
    t->pieces = wordpiece_create(&m, s->f);
    return t->pieces
               ? add_entries(
                     s, json_object_get(json_object_get(j, "model"), "vocab"),
                     t->pieces)
               : -1;
}

/* One piece a line, the id is the line's number from 0. */
static int add_lines(const struct source *s, FILE *in, struct wordpiece *w)
{
    char line[VOCAB_LINE_MAX];

    for (uint32_t id = 0; fgets(line, sizeof(line), in); id++) {
        size_t len = strlen(line);

        if (len == sizeof(line) - 1 && line[len - 1] != '\n')
            return fault_set(s->f, EBADMSG,
                             "%s/%s:%u: line of more than %d "
                             "bytes",
                             s->dir, s->name, id + 1, VOCAB_LINE_MAX - 2);
        while (len && strchr("\r\n", line[len - 1]))
            len--;
        if (utf8_check(line, len) != len)
            return fault_set(s->f, EBADMSG, "%s/%s:%u: invalid UTF-8", s->dir,
                             s->name, id + 1);
        if (wordpiece_add(w, line, len, id, s->f) < 0)
            return -1;
    }
    if (ferror(in))
        return fault_set(s->f, EIO, "could not read %s/%s", s->dir, s->name);
    return 0;
}

static const char *token_or(const json_t *config, const char *member,
                            const char *fallback)
{
    const json_t *v = json_object_get(config, member);
    const char *text = json_string_value(
        json_is_object(v) ? json_object_get(v, "content") : v);

    return text ? text : fallback;
}

static int from_vocab_txt(const char *dir, struct tokenizer *t, struct fault *f)
{
    struct source config = {dir, "tokenizer_config.json", f};
    struct source vocab = {dir, "vocab.txt", f};
    struct wordpiece_model m = {.prefix = "##", .word_max = 100};
    json_t *j;
    FILE *in;
    int rc;

    in = open_source(&vocab);
    if (!in && errno == ENOENT)
        return fault_set(f, ENOENT, "%s has no tokenizer.json and no vocab.txt",
                         dir);
    if (!in)
        return -1;
    j = read_json_if_there(&config);
    rc = !j && errno ? -1 : 0;
    m.unknown = token_or(j, "unk_token", "[UNK]");
    m.begin = token_or(j, "cls_token", "[CLS]");
    m.end = token_or(j, "sep_token", "[SEP]");
    if (rc == 0)
        rc = get_rules(&config, j, "do_lower_case", "tokenize_chinese_chars",
                       &m.rules);
    t->vocabulary_from = "vocab.txt";
    if (rc == 0 && !(t->pieces = wordpiece_create(&m, f)))
        rc = -1;
    if (rc == 0)
        rc = add_lines(&vocab, in, t->pieces);
    json_decref(j);
    fclose(in);
    return rc;
}

/* The reference lets tokenizer_config.json overrule tokenizer.json in some of
 * its versions and not in others, so the two must agree.
 */
static int check_config(const char *dir, const json_t *tokenizer,
                        struct fault *f)
{
    static const char *const names[][2] = {
        {"do_lower_case", "lowercase"},
        {"tokenize_chinese_chars", "handle_chinese_chars"},
        {"strip_accents", "strip_accents"},
    };
    struct source s = {dir, "tokenizer_config.json", f};
    const json_t *rules = json_object_get(tokenizer, "normalizer");
    json_t *j = read_json_if_there(&s);
    int rc = !j && errno ? -1 : 0;

    for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *a = json_object_get(j, names[i][0]);
        json_t *b = json_object_get(rules, names[i][1]);

        if (a && b && !json_is_null(a) && !json_equal(a, b))
            rc = fault_set(f, ENOTSUP,
                           "%s: tokenizer_config.json's %s and "
                           "tokenizer.json's %s differ",
                           dir, names[i][0], names[i][1]);
    }
    json_decref(j);
    return rc;
}

static int open_vocabulary(struct tokenizer *t, const char *dir,
                           unsigned *truncation, struct fault *f)
{
    struct source s = {dir, "tokenizer.json", f};
    json_t *j = read_json_if_there(&s);
    int rc;

    if (!j && errno)
        return -1;
    rc = j ? from_tokenizer_json(&s, j, t, truncation)
           : from_vocab_txt(dir, t, f);
    if (rc == 0 && j)
        rc = check_config(dir, j, f);
    json_decref(j);
    return rc == 0 ? wordpiece_ready(t->pieces, f) : rc;
}

/* config.json: how many positions and embeddings the model has. */
static int read_limits(const char *dir, unsigned *positions, uint32_t *words,
                       struct fault *f)
{
    struct source s = {dir, "config.json", f};
    json_t *j = read_json(&s);
    json_int_t n;
    int rc;

    if (!j)
        return -1;
    rc = get_length(&s, j, "max_position_embeddings", positions);
    n = json_integer_value(json_object_get(j, "vocab_size"));
    if (rc == 0 && (*positions == 0 || n < 1 || n > UINT32_MAX))
        rc = fault_set(f, EBADMSG,
                       "%s/config.json lacks "
                       "max_position_embeddings or vocab_size",
                       dir);
    *words = (uint32_t)n;
    json_decref(j);
    return rc;
}

static int choose_length(struct tokenizer *t, const char *dir,
                         unsigned truncation, unsigned positions,
                         struct fault *f)
{
    struct source s = {dir, "sentence_bert_config.json", f};
    json_t *j = read_json_if_there(&s);
    unsigned n = 0;
    int rc = !j && errno ? -1 : get_length(&s, j, "max_seq_length", &n);

    json_decref(j);
    t->max_length_from = s.name;
    if (n == 0) {
        n = truncation;
        t->max_length_from = "tokenizer.json";
    }
    if (n == 0 || n > positions) {
        n = positions;
        t->max_length_from = "config.json";
    }
    t->max_length = n;
    return rc;
}

int tokenizer_open(struct tokenizer *t, const char *dir, struct fault *f)
{
    unsigned truncation = 0, positions;
    uint32_t words;

    memset(t, 0, sizeof(*t));
    if (read_limits(dir, &positions, &words, f) < 0 ||
        open_vocabulary(t, dir, &truncation, f) < 0 ||
        choose_length(t, dir, truncation, positions, f) < 0)
        goto error;
    if (wordpiece_ids(t->pieces) > words) {
        fault_set(f, EBADMSG,
                  "%s/%s has ids up to %u, but config.json says "
                  "vocab_size %u",
                  dir, t->vocabulary_from, wordpiece_ids(t->pieces) - 1, words);
        goto error;
    }
    return 0;
error:
    tokenizer_close(t);
    return -1;
}

void tokenizer_close(struct tokenizer *t)
{
    wordpiece_destroy(t->pieces);
    t->pieces = NULL;
}
