/* SPDX-License-Identifier: Apache-2.0 */
/* columns.c - tables as Slurm's commands print them */
#include "sched/cmd/columns.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDTH_MAX 250

/* Characters, not bytes: continuation bytes of UTF-8 do not count. */
static int text_width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first n characters. */
static int head_bytes(const char *s, int n)
{
    int i = 0;

    for (; s[i]; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
            break;
    return i;
}

static int letter_index(const struct columns *c, char letter)
{
    for (int i = 0; i < c->n_fields; i++)
        if (c->fields[i].letter == letter)
            return i;
    return -1;
}

static int name_index(const struct columns *c, const char *name, size_t len)
{
    for (int i = 0; i < c->n_fields; i++)
        if (c->fields[i].name && strlen(c->fields[i].name) == len &&
            strncasecmp(c->fields[i].name, name, len) == 0)
            return i;
    return -1;
}

static int take_width(const char **p)
{
    int w = 0;

    for (; isdigit((unsigned char)**p); (*p)++)
        if (w < WIDTH_MAX)
            w = w * 10 + (**p - '0');
    return w > WIDTH_MAX ? WIDTH_MAX : w;
}

int columns_percent(struct columns *c, const char *format, struct error *err)
{
    const char *p = format;
    size_t n = strcspn(p, "%");

    c->n = 0;
    snprintf(c->prefix, sizeof(c->prefix), "%.*s", (int)n, p);
    for (p += n; *p; p += n) {
        struct column *col = &c->v[c->n];

        while (*p == '%')
            p++;
        if (!*p)
            break;
        if (c->n == COLUMNS_MAX)
            return error_set(err, EINVAL, "more than %d columns", COLUMNS_MAX);
        memset(col, 0, sizeof(*col));
        for (; *p == '.' || *p == '#'; p++) {
            col->right = col->right || *p == '.';
            col->widest = col->widest || *p == '#';
        }
        col->width = take_width(&p);
        col->field = letter_index(c, *p);
        if (col->field < 0 && *p)
            return error_set(err, EINVAL,
                             "Invalid job format specification: %c", *p);
        p += *p != '\0';
        n = strcspn(p, "%");
        snprintf(col->suffix, sizeof(col->suffix), "%.*s", (int)n, p);
        c->n++;
    }
    return 0;
}

static int unknown_name(const char *name, size_t len, struct error *err)
{
    return error_set(err, EINVAL,
                     "Invalid field requested: \"%.*s\"; --helpformat lists "
                     "what there is",
                     (int)len, name);
}

int columns_list(struct columns *c, const char *format, struct error *err)
{
    c->n = 0;
    c->prefix[0] = '\0';
    for (const char *p = format; *p;) {
        size_t all = strcspn(p, ","), len = strcspn(p, ":,");
        struct column *col = &c->v[c->n];
        const char *q = p + len;

        if (all == 0) {
            p++;
            continue;
        }
        if (c->n == COLUMNS_MAX)
            return error_set(err, EINVAL, "more than %d columns", COLUMNS_MAX);
        memset(col, 0, sizeof(*col));
        col->width = 20;
        col->field = name_index(c, p, len);
        if (col->field < 0)
            return unknown_name(p, len, err);
        if (*q == ':') {
            q++;
            col->right = *q == '.';
            q += *q == '.';
            col->width = take_width(&q);
            snprintf(col->suffix, sizeof(col->suffix), "%.*s",
                     (int)(p + all - q), q);
        }
        c->n++;
        p += all + (p[all] == ',');
    }
    return c->n ? 0 : error_set(err, EINVAL, "no field is named");
}

int columns_sacct(struct columns *c, const char *format, struct error *err)
{
    c->n = 0;
    c->prefix[0] = '\0';
    for (const char *p = format; *p;) {
        size_t all = strcspn(p, ","), len = strcspn(p, "%,");
        struct column *col = &c->v[c->n];
        const char *q = p + len;
        int width;

        if (all == 0) {
            p++;
            continue;
        }
        if (c->n == COLUMNS_MAX)
            return error_set(err, EINVAL, "more than %d columns", COLUMNS_MAX);
        memset(col, 0, sizeof(*col));
        col->field = name_index(c, p, len);
        if (col->field < 0)
            return unknown_name(p, len, err);
        width = c->fields[col->field].width;
        col->right = width > 0;
        col->width = abs(width);
        if (*q == '%') {
            q++;
            col->right = *q != '-';
            q += *q == '-';
            width = take_width(&q);
            if (width)
                col->width = width;
        }
        c->n++;
        p += all + (p[all] == ',');
    }
    return c->n ? 0 : error_set(err, EINVAL, "no field is named");
}

static const char *header_of(const struct columns *c, const struct column *col)
{
    const struct field *f = &c->fields[col->field];

    return f->header ? f->header : f->name;
}

void columns_fit(struct columns *c, const void *rows, size_t n, size_t size)
{
    char text[COLUMN_TEXT];

    for (int i = 0; i < c->n; i++) {
        struct column *col = &c->v[i];

        if (!col->widest || col->field < 0)
            continue;
        col->width = text_width(header_of(c, col));
        for (size_t r = 0; r < n; r++) {
            int w;

            c->value((const char *)rows + r * size, col->field, text);
            w = text_width(text);
            if (w > col->width)
                col->width = w;
        }
    }
}

static void put(const struct column *col, const char *text, FILE *out)
{
    int w = text_width(text), pad = col->width - w;

    if (col->width == 0) {
        fputs(text, out);
    } else if (pad < 0) {
        fwrite(text, 1, (size_t)head_bytes(text, col->width), out);
    } else {
        if (col->right)
            fprintf(out, "%*s", pad, "");
        fputs(text, out);
        if (!col->right)
            fprintf(out, "%*s", pad, "");
    }
    fputs(col->suffix, out);
}

void columns_header(const struct columns *c, FILE *out)
{
    fputs(c->prefix, out);
    for (int i = 0; i < c->n; i++)
        put(&c->v[i], c->v[i].field < 0 ? "" : header_of(c, &c->v[i]), out);
    putc('\n', out);
}

void columns_row(const struct columns *c, const void *row, FILE *out)
{
    char text[COLUMN_TEXT];

    fputs(c->prefix, out);
    for (int i = 0; i < c->n; i++) {
        text[0] = '\0';
        if (c->v[i].field >= 0)
            c->value(row, c->v[i].field, text);
        put(&c->v[i], text, out);
    }
    putc('\n', out);
}

/* One value of sacct's table: what does not fit ends in '+'. */
static void sacct_put(const struct columns *c, const struct sacct_style *s,
                      int i, const char *text, FILE *out)
{
    struct column col = c->v[i];

    if (s->delimiter) {
        fputs(text, out);
        if (i + 1 < c->n || s->trailing)
            fputs(s->delimiter, out);
        return;
    }
    snprintf(col.suffix, sizeof(col.suffix), " ");
    if (text_width(text) > col.width && col.width > 1) {
        fwrite(text, 1, (size_t)head_bytes(text, col.width - 1), out);
        fputs("+ ", out);
        return;
    }
    put(&col, text, out);
}

void sacct_header(const struct columns *c, const struct sacct_style *s,
                  FILE *out)
{
    if (!s->header)
        return;
    for (int i = 0; i < c->n; i++)
        sacct_put(c, s, i, c->fields[c->v[i].field].name, out);
    putc('\n', out);
    if (s->delimiter)
        return;
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->v[i].width; k++)
            putc('-', out);
        putc(' ', out);
    }
    putc('\n', out);
}

void sacct_row(const struct columns *c, const struct sacct_style *s,
               const void *row, FILE *out)
{
    char text[COLUMN_TEXT];

    for (int i = 0; i < c->n; i++) {
        text[0] = '\0';
        c->value(row, c->v[i].field, text);
        sacct_put(c, s, i, text, out);
    }
    putc('\n', out);
}

void columns_help(const struct field *fields, int n, FILE *out)
{
    int printed = 0;

    for (int i = 0; i < n; i++)
        if (fields[i].name)
            fprintf(out, "%-18s%s", fields[i].name,
                    ++printed % 4 == 0 ? "\n" : "");
    if (printed % 4)
        putc('\n', out);
}
