/* SPDX-License-Identifier: Apache-2.0 */
/* columns.h - tables as Slurm's commands print them
 *
 * A table is described by its user in one of two languages:
 *
 *   percent  "%.18i %.9P %j"      squeue -o, sinfo -o: %[.|#][size]LETTER and
 *                                 every character up to the next % behind it;
 *                                 '.' justifies right, '#' is as wide as the
 *                                 longest value
 *   list     "JobID,State%20"     sacct -o (%N right, %-N left) and
 *            "JobId:10,State:.8"  squeue -O, sinfo -O (:[.][N][suffix])
 *
 * A command gives the fields it has; the value of a field for a row comes
 * from a function of its own.
 */
#ifndef FALLOW_SCHED_CMD_COLUMNS_H
#define FALLOW_SCHED_CMD_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"

#define COLUMNS_MAX 64
#define COLUMN_TEXT 256

struct field {
    char letter;        /* of the percent language, 0 = none */
    const char *name;   /* of the list language */
    const char *header; /* above the column; NULL: the name */
    int width;          /* of sacct's default; negative: left */
};

struct column {
    int field; /* index into the fields, -1 = only text */
    int width; /* 0 = natural */
    bool right, widest;
    char suffix[32];
};

struct columns {
    const struct field *fields;
    int n_fields;
    char prefix[32]; /* before the first column, on every line */
    int n;
    struct column v[COLUMNS_MAX];
    /* value of fields[i] for a row, at most COLUMN_TEXT bytes with NUL */
    void (*value)(const void *row, int field, char *out);
};

/* Fill n and v.  Return 0, or -1 with errno EINVAL and err naming the letter
 * or field that is not known and where to see those that are.
 */
int columns_percent(struct columns *c, const char *format, struct error *err);
int columns_list(struct columns *c, const char *format, struct error *err);
int columns_sacct(struct columns *c, const char *format, struct error *err);

/* Set the width of '#' columns from all rows. */
void columns_fit(struct columns *c, const void *rows, size_t n, size_t size);

void columns_header(const struct columns *c, FILE *out);
void columns_row(const struct columns *c, const void *row, FILE *out);

/* sacct's table: values cut with '+', a line of dashes, one blank behind each
 * column; or, with delimiter, no padding at all and trailing (-p) or not (-P).
 */
struct sacct_style {
    bool header;
    const char *delimiter; /* NULL = padded */
    bool trailing;
};
void sacct_header(const struct columns *c, const struct sacct_style *s,
                  FILE *out);
void sacct_row(const struct columns *c, const struct sacct_style *s,
               const void *row, FILE *out);

/* The names of all fields, four in a line. */
void columns_help(const struct field *fields, int n, FILE *out);

#endif
