/* SPDX-License-Identifier: Apache-2.0 */
/* embed_corpus.c - texts from a file of JSON lines */
#include "plugins/work/embed_corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "kernels/embed/normalize.h"

#define READ_SIZE ((size_t)1 << 18)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct corpus {
    char *path;
    char *field;
    int fd;
    uint64_t size;
    uint64_t done;
    uint64_t line;
    char *buf; /* bytes at … len are read and not given out */
    size_t cap;
    size_t at;
    size_t len;
    bool end; /* of the file */
    json_t *row;
    char number[24];
};

static int open_input(struct corpus *c, const char *path, struct error *err)
{
    struct stat st;

    c->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0)
        return error_set(err, errno, "could not open %s: %s", path,
                         strerror(errno));
    if (fstat(c->fd, &st) < 0 || S_ISDIR(st.st_mode))
        return error_set(err, EISDIR,
                         "%s is a directory, not a file of JSON lines", path);
    c->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

struct corpus *corpus_open(const char *path, const char *field,
                           struct error *err)
{
    struct corpus *c = calloc(1, sizeof(*c));

    if (!c)
        return error_null(err, ENOMEM, "could not allocate a corpus");
    c->fd = -1;
    c->path = strdup(path);
    c->field = strdup(field);
    c->cap = READ_SIZE;
    c->buf = malloc(c->cap);
    if (!c->path || !c->field || !c->buf) {
        error_set(err, ENOMEM, "could not allocate a corpus");
        goto error;
    }
    if (open_input(c, path, err) < 0)
        goto error;
    return c;
error:
    corpus_close(c);
    return NULL;
}

void corpus_close(struct corpus *c)
{
    if (c) {
        int saved_errno = errno;

        if (c->fd >= 0)
            close(c->fd);
        json_decref(c->row);
        free(c->path);
        free(c->field);
        free(c->buf);
        free(c);
        errno = saved_errno;
    }
}

uint64_t corpus_done(const struct corpus *c)
{
    return c->done;
}

uint64_t corpus_size(const struct corpus *c)
{
    return c->size;
}

/* Read more behind the bytes that are waiting. */
static int read_more(struct corpus *c, struct error *err)
{
    ssize_t n;

    memmove(c->buf, c->buf + c->at, c->len - c->at);
    c->len -= c->at;
    c->at = 0;
    if (c->len == c->cap) {
        char *more = NULL;

        if (c->cap >= CORPUS_LINE_MAX)
            return error_set(err, EBADMSG,
                             "%s:%" PRIu64 ": a line of more "
                             "than %zu bytes",
                             c->path, c->line + 1, CORPUS_LINE_MAX);
        more = realloc(c->buf, c->cap * 2);
        if (!more)
            return error_set(err, ENOMEM, "could not allocate a line of %s",
                             c->path);
        c->buf = more;
        c->cap *= 2;
    }
    do {
        n = read(c->fd, c->buf + c->len, c->cap - c->len);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set(err, errno, "could not read %s: %s", c->path,
                         strerror(errno));
    c->end = n == 0;
    c->len += (size_t)n;
    return 0;
}

/* The next line without its line feed.  Returns 1, 0 at the end, or -1. */
static int next_line(struct corpus *c, char **line, size_t *len,
                     struct error *err)
{
    size_t seen = 0;
    char *end;

    while (
        !(end = memchr(c->buf + c->at + seen, '\n', c->len - c->at - seen))) {
        seen = c->len - c->at;
        if (c->end)
            break;
        if (read_more(c, err) < 0)
            return -1;
    }
    if (!end && seen == 0)
        return 0;
    *line = c->buf + c->at;
    *len = end ? (size_t)(end - *line) : seen;
    c->at += *len + (end ? 1 : 0);
    c->done += *len + (end ? 1 : 0);
    c->line++;
    if (c->line == 1 && *len >= 3 && memcmp(*line, BYTE_ORDER_MARK, 3) == 0) {
        *line += 3;
        *len -= 3;
    }
    return 1;
}

static bool is_blank(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static int bad_json(const struct corpus *c, json_error_t *je, struct error *err)
{
    for (char *p = je->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (json_error_code(je) == json_error_duplicate_key)
        return error_set(err, EBADMSG,
                         "%s:%" PRIu64 ": the same member twice: "
                         "%s",
                         c->path, c->line, je->text);
    return error_set(err, EBADMSG,
                     "%s:%" PRIu64 ": invalid JSON at column %d: "
                     "%s",
                     c->path, c->line, je->column, je->text);
}

static int take_id(struct corpus *c, struct corpus_row *row, struct error *err)
{
    const json_t *id = json_object_get(c->row, "id");

    row->id = c->number;
    snprintf(c->number, sizeof(c->number), "%" PRIu64, c->line);
    if (!id)
        return 0;
    if (json_is_integer(id)) {
        snprintf(c->number, sizeof(c->number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(id));
        return 0;
    }
    row->id = json_string_value(id);
    if (!row->id)
        return error_set(err, EBADMSG,
                         "%s:%" PRIu64 ": \"id\" is neither a "
                         "string nor an integer",
                         c->path, c->line);
    if (json_string_length(id) > CORPUS_ID_MAX)
        return error_set(err, EBADMSG,
                         "%s:%" PRIu64 ": \"id\" is longer than "
                         "%d bytes",
                         c->path, c->line, CORPUS_ID_MAX);
    for (size_t i = 0; i < json_string_length(id); i++)
        if ((unsigned char)row->id[i] < 0x20)
            return error_set(err, EBADMSG,
                             "%s:%" PRIu64 ": \"id\" has a "
                             "control character",
                             c->path, c->line);
    return 0;
}

static int take_row(struct corpus *c, const char *line, size_t len,
                    struct corpus_row *row, struct error *err)
{
    size_t bad = utf8_check(line, len);
    const json_t *text;
    json_error_t je;

    if (bad != len)
        return error_set(err, EBADMSG,
                         "%s:%" PRIu64 ": invalid UTF-8 at byte "
                         "%zu of the line",
                         c->path, c->line, bad + 1);
    json_decref(c->row);
    c->row = json_loadb(
        line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
        &je);
    if (!c->row)
        return bad_json(c, &je, err);
    if (!json_is_object(c->row))
        return error_set(err, EBADMSG, "%s:%" PRIu64 ": not a JSON object",
                         c->path, c->line);
    text = json_object_get(c->row, c->field);
    if (!json_is_string(text))
        return error_set(err, EBADMSG,
                         "%s:%" PRIu64 ": %s \"%s\"; --field "
                         "names another member",
                         c->path, c->line,
                         text ? "there is no string under" : "there is no",
                         c->field);
    row->line = c->line;
    row->text = json_string_value(text);
    row->len = json_string_length(text);
    return take_id(c, row, err);
}

int corpus_next(struct corpus *c, struct corpus_row *row, struct error *err)
{
    char *line;
    size_t len;
    int rc;

    do {
        rc = next_line(c, &line, &len, err);
    } while (rc == 1 && is_blank(line, len));
    if (rc == 1 && take_row(c, line, len, row, err) < 0)
        return -1;
    return rc;
}
