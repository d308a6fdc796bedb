/* SPDX-License-Identifier: Apache-2.0 */
/* jobscript.c - what stands in a job script */
#include "sched/cmd/jobscript.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4096

struct words {
    int n;
    char *v[WORDS_MAX + 1]; /* NULL-terminated */
};

struct reader {
    const char *name;
    const char *at, *end;
    int line;
    struct job_options *options;
    struct jobscript *out;
    struct words *words;
};

static void words_clear(struct words *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->v[i]);
    memset(w, 0, sizeof(*w));
}

void jobscript_clear(struct jobscript *s)
{
    for (int i = 0; i < s->argc; i++)
        free(s->argv[i]);
    free(s->argv);
    memset(s, 0, sizeof(*s));
}

/* A shell would do something with c where it stands unquoted. */
static const char *shell_meaning(char c)
{
    switch (c) {
    case '$':
    case '`': return "would be expanded by a shell";
    case '*':
    case '?':
    case '[':
    case '{':
    case '~': return "would be matched or expanded by a shell";
    case ';':
    case '&':
    case '|':
    case '(':
    case ')': return "would begin another command";
    case '<':
    case '>': return "would redirect";
    default: return NULL;
    }
}

static int refuse(const struct reader *r, int line, const char *what, char c,
                  struct error *err)
{
    return error_set(err, EINVAL,
                     "%s:%d: \"%c\" %s; a kernel's words are taken as they "
                     "stand: write the value out, or put it in '…'",
                     r->name, line, c, what);
}

/* Inside '…' or "…": copy to out until the closing quote. */
static int quoted(struct reader *r, char quote, char *out, size_t *n,
                  struct error *err)
{
    int began = r->line;

    for (r->at++; r->at < r->end && *r->at != quote; r->at++) {
        char c = *r->at;

        if (c == '\n')
            r->line++;
        if (quote == '"' && (c == '$' || c == '`'))
            return refuse(r, r->line, "would be expanded by a shell", c, err);
        if (quote == '"' && c == '\\' && r->at + 1 < r->end &&
            strchr("\\\"$`\n", r->at[1])) {
            c = *++r->at;
            if (c == '\n') {
                r->line++;
                continue;
            }
        }
        out[(*n)++] = c;
    }
    if (r->at >= r->end)
        return error_set(err, EINVAL, "%s:%d: the quote %c is never closed",
                         r->name, began, quote);
    r->at++;
    return 0;
}

/* One word; at stands on its first character.  buf holds what is left of the
 * text.
 */
static int word(struct reader *r, char *buf, size_t *n, struct error *err)
{
    *n = 0;
    while (r->at < r->end && !strchr(" \t\n", *r->at)) {
        const char *meaning;
        char c = *r->at;

        if (c == '\'' || c == '"') {
            if (quoted(r, c, buf, n, err) < 0)
                return -1;
            continue;
        }
        if (c == '\\' && r->at + 1 < r->end) {
            r->at++;
            if (*r->at == '\n')
                r->line++;
            else
                buf[(*n)++] = *r->at;
            r->at++;
            continue;
        }
        meaning = c == '~' && *n ? NULL : shell_meaning(c);
        if (meaning)
            return refuse(r, r->line, meaning, c, err);
        buf[(*n)++] = c;
        r->at++;
    }
    return 0;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end) {
        if (*r->at == ' ' || *r->at == '\t') {
            r->at++;
        } else if (*r->at == '\\' && r->at + 1 < r->end && r->at[1] == '\n') {
            r->at += 2;
            r->line++;
        } else {
            break;
        }
    }
}

static void skip_line(struct reader *r)
{
    while (r->at < r->end && *r->at != '\n')
        r->at++;
}

/* The words up to the end of this command, its comment left out; at stands on
 * the newline then.
 */
static int command_words(struct reader *r, struct error *err)
{
    char *buf = malloc((size_t)(r->end - r->at) + 1);
    size_t n;
    int rc = buf ? 0 : error_set(err, ENOMEM, "could not allocate words");

    words_clear(r->words);
    while (rc == 0) {
        skip_blanks(r);
        if (r->at < r->end && *r->at == '#')
            skip_line(r);
        if (r->at >= r->end || *r->at == '\n')
            break;
        rc = word(r, buf, &n, err);
        if (rc == 0 && r->words->n == WORDS_MAX)
            rc = error_set(err, EINVAL, "%s:%d: more than %d words", r->name,
                           r->line, WORDS_MAX);
        if (rc < 0)
            break;
        buf[n] = '\0';
        r->words->v[r->words->n] = strdup(buf);
        if (!r->words->v[r->words->n])
            rc = error_set(err, ENOMEM, "could not allocate words");
        else
            r->words->n++;
    }
    free(buf);
    return rc;
}

/* `#SBATCH …` and `#FALLOW …`: at stands behind the name. */
static int directive(struct reader *r, bool fallow, int line, struct error *err)
{
    struct words *w = r->words;
    struct error why = {""};
    int rest = 1, rc = command_words(r, err);

    if (rc < 0)
        return -1;
    if (fallow) {
        for (int i = 0; rc == 0 && i < w->n; i++)
            rc = job_options_fallow(r->options, w->v[i], &why);
    } else if (w->n == WORDS_MAX) {
        rc = error_set(&why, EINVAL, "too many words");
    } else {
        /* getopt wants a program's name in front */
        memmove(w->v + 1, w->v, (size_t)w->n * sizeof(*w->v));
        w->v[0] = strdup("sbatch");
        w->v[++w->n] = NULL;
        rc = w->v[0] ? job_options_take(r->options, w->n, w->v, &rest, &why)
                     : error_set(&why, ENOMEM, "could not allocate words");
        if (rc == 0 && rest < w->n)
            rc = error_set(&why, EINVAL, "\"%s\" is not an option", w->v[rest]);
    }
    if (rc < 0)
        return error_set(err, errno, "%s:%d: %s", r->name, line, why.text);
    return 0;
}

static bool begins(const struct reader *r, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(r->end - r->at) >= n && memcmp(r->at, text, n) == 0 &&
           ((size_t)(r->end - r->at) == n || strchr(" \t\n", r->at[n]));
}

static int comment(struct reader *r, bool in_body, struct error *err)
{
    bool fallow = begins(r, "#FALLOW");
    int line = r->line;
    char text[256];

    if (!fallow && !begins(r, "#SBATCH")) {
        skip_line(r);
        return 0;
    }
    if (in_body) {
        snprintf(text, sizeof(text),
                 "%s:%d: a directive behind the first command is ignored, as "
                 "by Slurm",
                 r->name, line);
        if (r->options->warn)
            r->options->warn(r->options->warn_arg, text);
        skip_line(r);
        return 0;
    }
    r->at += strlen("#SBATCH");
    return directive(r, fallow, line, err);
}

/* `srun [srun's options] KERNEL words`: the words are moved to out. */
static int take_srun(struct reader *r, int line, struct error *err)
{
    struct jobscript *out = r->out;
    struct words *w = r->words;
    struct error why = {""};
    int first = 1;

    if (out->argc)
        return error_set(err, EINVAL,
                         "%s:%d: a second srun; the first is in line %d, and "
                         "one is taken: submit two jobs",
                         r->name, line, out->line);
    if (job_options_take(r->options, w->n, w->v, &first, &why) < 0)
        return error_set(err, errno, "%s:%d: srun: %s", r->name, line,
                         why.text);
    if (first >= w->n)
        return error_set(err, EINVAL,
                         "%s:%d: srun names no kernel: srun KERNEL words",
                         r->name, line);
    out->argv = calloc((size_t)(w->n - first) + 1, sizeof(*out->argv));
    if (!out->argv)
        return error_set(err, ENOMEM, "could not allocate words");
    for (int i = first; i < w->n; i++) {
        out->argv[out->argc++] = w->v[i];
        w->v[i] = NULL;
    }
    out->line = line;
    return 0;
}

static int body(struct reader *r, struct error *err)
{
    int line = r->line, rc = command_words(r, err);
    const char *first = r->words->n ? r->words->v[0] : "";

    if (rc < 0)
        return -1;
    if (strcmp(first, "set") == 0 || r->words->n == 0)
        return 0;
    if (strcmp(first, "srun") == 0)
        return take_srun(r, line, err);
    return error_set(err, EINVAL,
                     "%s:%d: \"%s\" is not taken: a job script is one line "
                     "`srun KERNEL words`, comments and `set …`; prepare and "
                     "finish outside of it",
                     r->name, line, first);
}

static int check_text(const char *name, const char *text, size_t len,
                      struct error *err)
{
    int line = 1;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0')
            return error_set(err, EINVAL,
                             "%s:%d: a NUL byte; this is no job script", name,
                             line);
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
            return error_set(err, EINVAL,
                             "%s:%d: DOS line break (\\r\\n); convert the file "
                             "with `sed -i 's/\\r$//'`",
                             name, line);
        line += text[i] == '\n';
    }
    return 0;
}

static int parse_lines(struct reader *r, struct error *err)
{
    bool in_body = false;
    int rc = 0;

    while (rc == 0 && r->at < r->end) {
        bool column0 = r->at[0] == '#';

        skip_blanks(r);
        if (r->at < r->end && *r->at == '#') {
            if (column0)
                rc = comment(r, in_body, err);
            else
                skip_line(r);
        } else if (r->at < r->end && *r->at != '\n') {
            in_body = true;
            rc = body(r, err);
        }
        if (rc == 0 && r->at < r->end) {
            r->at++;
            r->line++;
        }
    }
    if (rc == 0 && !r->out->argc)
        rc = error_set(err, EINVAL,
                       "%s:%d: no `srun KERNEL words` line: there is nothing "
                       "to do",
                       r->name, r->line);
    return rc;
}

static int parse(const char *name, const char *text, size_t len,
                 struct job_options *options, struct jobscript *out,
                 struct error *err)
{
    struct reader r = {.name = name,
                       .at = text,
                       .end = text + len,
                       .line = 1,
                       .options = options,
                       .out = out,
                       .words = calloc(1, sizeof(struct words))};
    int rc;

    memset(out, 0, sizeof(*out));
    if (!r.words)
        return error_set(err, ENOMEM, "could not allocate words");
    rc = parse_lines(&r, err);
    words_clear(r.words);
    free(r.words);
    if (rc < 0) {
        int saved_errno = errno;

        jobscript_clear(out);
        errno = saved_errno;
    }
    return rc;
}

int jobscript_parse(const char *name, const char *text, size_t len,
                    struct job_options *options, struct jobscript *out,
                    struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (len > JOBSCRIPT_MAX)
        return error_set(err, EFBIG, "%s: %zu bytes, at most %zu are taken",
                         name, len, JOBSCRIPT_MAX);
    if (len < 2 || memcmp(text, "#!", 2) != 0)
        return error_set(err, EINVAL,
                         "%s:1: this does not look like a batch script: the "
                         "first line must start with #! followed by the path "
                         "of a shell, like #!/bin/sh",
                         name);
    if (check_text(name, text, len, err) < 0)
        return -1;
    return parse(name, text, len, options, out, err);
}

int jobscript_parse_line(const char *name, const char *text,
                         struct job_options *options, struct jobscript *out,
                         struct error *err)
{
    return parse(name, text, strlen(text), options, out, err);
}
