/* SPDX-License-Identifier: Apache-2.0 */
/* embed_split.c - the customer's side of embed: texts to items, results to
 * vectors
 */
#include "plugins/work/embed_split.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "kernels/embed/config.h"
#include "kernels/embed/tokenizer.h"
#include "kernels/embed/unicode_table.h"
#include "plugins/work/embed_corpus.h"
#include "plugins/work/embed_output.h"

#define CHUNK_DEFAULT 512
#define CHUNK_MAX 1000000
#define PROGRESS_ROWS 10000
#define TOKENIZER_VERSION WORDPIECE_VERSION " unicode-table-" UC_TABLE_VERSION

/* The words after `srun embed`. */
struct words {
    const char *model;
    const char *input;
    const char *output;
    const char *field;
    uint64_t max_length; /* 0 = what the model says */
    uint64_t chunk;
};

/* What the words led to, and what is being written. */
struct split {
    struct words words;
    char *model; /* the folder */
    char *output;
    struct tokenizer tokenizer;
    struct embed_config config;
    size_t max_length;
    struct corpus *corpus;
    FILE *items, *units, *ids;
    uint64_t n;
    uint64_t cut, first_cut;     /* texts longer than the model; a line */
    uint64_t empty, first_empty; /* texts without any piece */
};

static int parse_number(const char *option, const char *text, uint64_t least,
                        uint64_t most, uint64_t *out, struct error *err)
{
    char *end;

    errno = 0;
    *out = strtoumax(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || *out < least ||
        *out > most)
        return error_set(err, EINVAL,
                         "%s %s is not a number from %" PRIu64 " to %" PRIu64,
                         option, text, least, most);
    return 0;
}

static int take_option(int c, struct words *w, const struct work_split *s,
                       struct error *err)
{
    switch (c) {
    case 'm': w->model = optarg; return 0;
    case 'i': w->input = optarg; return 0;
    case 'o': w->output = optarg; return 0;
    case 'f': w->field = optarg; return 0;
    case 'l':
        return parse_number("--max-length", optarg, WORDPIECE_LENGTH_MIN,
                            WORDPIECE_LENGTH_MAX, &w->max_length, err);
    case 'c':
        return parse_number("--chunk", optarg, 1, CHUNK_MAX, &w->chunk, err);
    case ':':
        return error_set(err, EINVAL, "%s needs a value", s->argv[optind - 1]);
    default:
        return error_set(err, EINVAL, "unknown option of embed: %s",
                         s->argv[optind - 1]);
    }
}

static int parse_words(const struct work_split *s, struct words *w,
                       struct error *err)
{
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'},
        {"input", required_argument, NULL, 'i'},
        {"output", required_argument, NULL, 'o'},
        {"field", required_argument, NULL, 'f'},
        {"max-length", required_argument, NULL, 'l'},
        {"chunk", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    int c, rc = 0;

    opterr = 0;
    optind = 0;
    while (rc == 0 &&
           (c = getopt_long(s->argc, s->argv, "+:", options, NULL)) != -1)
        rc = take_option(c, w, s, err);
    if (rc == 0 && optind < s->argc)
        rc = error_set(err, EINVAL, "\"%s\" is one word too many",
                       s->argv[optind]);
    if (rc == 0 && (!w->model || !w->input || !w->output))
        rc = error_set(err, EINVAL, "embed needs %s",
                       !w->model   ? "--model NAME, such as all-MiniLM-L6-v2"
                       : !w->input ? "--input FILE of JSON lines"
                                   : "--output FILE, such as vectors.npy");
    return rc;
}

/* Where models are looked for; tried is filled for the message. */
struct search {
    const char *name;
    char tried[320];
    char *found;
};

static void look_in(struct search *s, const char *dir, const char *below)
{
    size_t used = strlen(s->tried);
    struct stat st;
    char *path;

    if (s->found || !*dir)
        return;
    snprintf(s->tried + used, sizeof(s->tried) - used, "%s%s%s",
             used ? ", " : "", dir, below);
    if (asprintf(&path, "%s%s/%s", dir, below, s->name) < 0)
        return;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        s->found = path;
    else
        free(path);
}

static void look_in_list(struct search *s, const char *list)
{
    char *copy = strdup(list), *rest = copy, *dir;

    while (copy && (dir = strsep(&rest, ":")))
        look_in(s, dir, "");
    free(copy);
}

char *embed_find_model(const char *name, struct error *err)
{
    const char *list = getenv("FALLOW_MODEL_PATH");
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    struct search s = {.name = name};
    struct stat st;
    char *copy;

    if (strchr(name, '/')) {
        copy = strdup(name);
        if (!copy)
            return error_null(err, ENOMEM, "could not allocate a path");
        if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
            return copy;
        free(copy);
        return error_null(err, ENOENT,
                          "there is no model folder %s; contrib/get-model "
                          "fetches one",
                          name);
    }
    if (list)
        look_in_list(&s, list);
    if (data && *data)
        look_in(&s, data, "/fallow/models");
    else if (home)
        look_in(&s, home, "/.local/share/fallow/models");
    look_in(&s, FALLOW_DATA_DIR, "/models");
    look_in(&s, "/var/lib/fallow/models", "");
    if (!s.found)
        return error_null(err, ENOENT,
                          "there is no model \"%s\" in %s; contrib/get-model "
                          "fetches all-MiniLM-L6-v2, and FALLOW_MODEL_PATH "
                          "names other places",
                          name, s.tried);
    return s.found;
}

/* What a fault of the kernel means to the customer. */
static int fault_error(const struct split *s, const struct fault *f,
                       struct error *err)
{
    int code = errno;

    return error_set(err, code, "model %s: %s%s", s->words.model, f->text,
                     code == ENOENT ? "; contrib/get-model installs a complete "
                                      "model"
                                    : "");
}

static int open_model(struct split *s, struct error *err)
{
    struct fault f = {""};

    s->model = embed_find_model(s->words.model, err);
    if (!s->model)
        return -1;
    if (embed_config_read(s->model, &s->config, &f) < 0 ||
        tokenizer_open(&s->tokenizer, s->model, &f) < 0)
        return fault_error(s, &f, err);
    s->max_length = s->tokenizer.max_length;
    if (s->words.max_length > s->config.max_positions)
        return error_set(err, EINVAL,
                         "--max-length %" PRIu64 " is above the %u positions "
                         "of model %s",
                         s->words.max_length, s->config.max_positions,
                         s->words.model);
    if (s->words.max_length)
        s->max_length = s->words.max_length;
    if (s->max_length > s->config.max_positions)
        s->max_length = s->config.max_positions;
    return 0;
}

static FILE *create_in(const char *dir, const char *name, struct error *err)
{
    char *path = file_path(dir, name);
    FILE *out = path ? fopen(path, "wxe") : NULL;

    if (!out)
        error_set(err, errno, "could not create %s/%s: %s", dir, name,
                  strerror(errno));
    free(path);
    return out;
}

/* The items' header again once n is known. */
static int put_header(struct split *s)
{
    uint8_t head[ITEMS_HEADER_LEN] = "FITM";

    put_u32be(head + 4, 1);
    put_u64be(head + 8, s->n);
    rewind(s->items);
    return fwrite(head, sizeof(head), 1, s->items) == 1 ? 0 : -1;
}

static int put_item(struct split *s, const uint16_t *ids, size_t n)
{
    uint8_t head[4], tail[8], le[2];

    put_u32be(head, (uint32_t)(2 * n));
    fwrite(head, sizeof(head), 1, s->items);
    for (size_t i = 0; i < n; i++) {
        le[0] = (uint8_t)ids[i];
        le[1] = (uint8_t)(ids[i] >> 8);
        fwrite(le, sizeof(le), 1, s->items);
    }
    put_u64be(tail, embed_units(&s->config, (uint32_t)n));
    fwrite(tail, sizeof(tail), 1, s->units);
    return ferror(s->items) || ferror(s->units) ? -1 : 0;
}

static void count_row(struct split *s, const struct corpus_row *row, size_t n,
                      bool cut)
{
    s->n++;
    if (cut && s->cut++ == 0)
        s->first_cut = row->line;
    if (n == 2 && s->empty++ == 0)
        s->first_empty = row->line;
}

static int write_error(const struct work_split *w, struct error *err)
{
    return error_set(err, errno, "could not write in %s: %s", w->dir,
                     strerror(errno));
}

static int split_rows(struct split *s, const struct work_split *w,
                      struct error *err)
{
    uint16_t *ids = malloc(s->max_length * sizeof(*ids));
    struct corpus_row row;
    int rc = 0;

    if (!ids)
        return error_set(err, ENOMEM, "could not allocate %zu token ids",
                         s->max_length);
    while (rc == 0 && (rc = corpus_next(s->corpus, &row, err)) == 1) {
        bool cut;
        size_t n = wordpiece_encode(s->tokenizer.pieces, row.text, row.len, ids,
                                    s->max_length, &cut);

        count_row(s, &row, n, cut);
        rc = 0;
        if (put_item(s, ids, n) < 0 || fprintf(s->ids, "%s\n", row.id) < 0)
            rc = write_error(w, err);
        if (s->n % PROGRESS_ROWS == 0)
            w->progress(w->progress_arg, corpus_done(s->corpus),
                        corpus_size(s->corpus));
    }
    free(ids);
    if (rc == 0 && s->n == 0)
        rc = error_set(err, EINVAL, "%s has no texts", s->words.input);
    if (rc == 0)
        w->progress(w->progress_arg, corpus_done(s->corpus),
                    corpus_done(s->corpus));
    return rc;
}

/* Close what was written and see that it arrived. */
static int close_files(struct split *s, const struct work_split *w,
                       struct error *err)
{
    FILE *files[] = {s->items, s->units, s->ids};
    int rc = 0;

    for (int i = 0; i < 3; i++)
        if (files[i] && fclose(files[i]) != 0)
            rc = write_error(w, err);
    s->items = s->units = s->ids = NULL;
    return rc;
}

static int write_files(struct split *s, const struct work_split *w,
                       struct error *err)
{
    int rc = -1;

    s->items = create_in(w->dir, "items", err);
    if (s->items)
        s->units = create_in(w->dir, "units", err);
    if (s->units)
        s->ids = create_in(w->dir, "ids", err);
    if (s->ids) {
        rc = put_header(s) < 0 ? write_error(w, err) : 0;
        if (rc == 0)
            rc = split_rows(s, w, err);
        if (rc == 0 && put_header(s) < 0)
            rc = write_error(w, err);
    }
    if (rc == 0)
        return close_files(s, w, err);
    close_files(s, w, NULL);
    return rc;
}

static int export_params(struct split *s, const struct work_split *w,
                         struct error *err)
{
    char *params = file_path(w->dir, "params");
    struct fault f = {""};
    int rc;

    if (!params)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = embed_params_export(s->model, params, &f);
    free(params);
    return rc < 0 ? fault_error(s, &f, err) : 0;
}

/* A line in plan[member], which is made when it is not there. */
__attribute__((format(printf, 3, 4))) static void say(json_t *plan,
                                                      const char *member,
                                                      const char *fmt, ...)
{
    json_t *list = json_object_get(plan, member);
    char text[ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!list) {
        list = json_array();
        json_object_set_new(plan, member, list);
    }
    json_array_append_new(list, json_string(text));
}

static void say_all(const struct split *s, json_t *plan)
{
    const char *from =
        s->words.max_length ? "--max-length" : s->tokenizer.max_length_from;

    say(plan, "notes", "model %s: %s, at most %zu tokens a text (%s)", s->model,
        s->tokenizer.vocabulary_from, s->max_length, from);
    if (s->cut)
        say(plan, "warnings",
            "%" PRIu64 " of %" PRIu64 " texts are longer than %zu tokens and "
            "were cut, the first at %s:%" PRIu64,
            s->cut, s->n, s->max_length, s->words.input, s->first_cut);
    if (s->empty)
        say(plan, "warnings",
            "%" PRIu64 " of %" PRIu64 " texts have no words, the first at "
            "%s:%" PRIu64,
            s->empty, s->n, s->words.input, s->first_empty);
}

static int fill_plan(const struct split *s, json_t *plan, struct error *err)
{
    const char *name = strrchr(s->model, '/');
    json_t *output = json_pack(
        "{s:s, s:i, s:i, s:s, s:s, s:s}", "path", s->output, "width",
        (int)s->config.hidden, "max_length", (int)s->max_length,
        "max_length_from",
        s->words.max_length ? "--max-length" : s->tokenizer.max_length_from,
        "model", name && name[1] ? name + 1 : s->words.model, "tokenizer",
        TOKENIZER_VERSION);

    if (!output)
        return error_set(err, EINVAL, "a path is not valid UTF-8: %s or %s",
                         s->output, s->model);
    json_object_set_new(plan, "output", output);
    json_object_set_new(plan, "chunk",
                        json_integer((json_int_t)s->words.chunk));
    say_all(s, plan);
    return 0;
}

static void split_clear(struct split *s)
{
    corpus_close(s->corpus);
    tokenizer_close(&s->tokenizer);
    free(s->output);
    free(s->model);
}

int embed_split(const struct work_split *w, struct error *err)
{
    struct split s = {.words = {.field = "text", .chunk = CHUNK_DEFAULT}};
    int rc = parse_words(w, &s.words, err);

    if (rc == 0 && !(s.output = output_absolute(s.words.output, err)))
        rc = -1;
    if (rc == 0)
        rc = output_check(s.output, s.words.input, err);
    if (rc == 0 && !(s.corpus = corpus_open(s.words.input, s.words.field, err)))
        rc = -1;
    if (rc == 0)
        rc = open_model(&s, err);
    if (rc == 0)
        rc = export_params(&s, w, err);
    if (rc == 0)
        rc = write_files(&s, w, err);
    if (rc == 0)
        rc = fill_plan(&s, w->plan, err);
    split_clear(&s);
    return rc;
}

int embed_assemble(const struct work_assemble *a, struct error *err)
{
    const json_t *output = json_object_get(a->plan, "output");
    const char *path = json_string_value(json_object_get(output, "path"));
    json_int_t width = json_integer_value(json_object_get(output, "width"));
    char *ids;
    int rc;

    if (!path || width < 1 || width > 65536)
        return error_set(err, EBADMSG,
                         "the plan in %s has no output path or width", a->dir);
    ids = file_path(a->dir, "ids");
    if (!ids)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = output_write(path, ids, a->results, a->n, (size_t)width, err);
    free(ids);
    return rc;
}
