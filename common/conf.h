/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - configuration files: `key = value`, one a line
 *
 * The grammar is that of postgresql.conf, strictly: `#` starts a comment, a
 * value is a bare word or 'quoted' with '' for one quote, a key is written
 * once unless its type is CONF_LIST.  An unknown key is an error that lists
 * the known ones; every error names FILE:LINE.  Numbers take no unit, or one:
 *
 *   CONF_SIZE     B kB MB GB TB (powers of 1024)       -> bytes
 *   CONF_TIME     us ms s min h d; a bare number is s  -> microseconds
 *   CONF_MONEY    up to six decimals                   -> micro-units
 *   CONF_RATIO    a decimal, or a number with %        -> parts per million
 *
 * A reader describes what it wants as an array of struct conf_key that ends
 * with a NULL name; out points to its variables, set to the defaults before.
 */
#ifndef FALLOW_COMMON_CONF_H
#define FALLOW_COMMON_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

enum conf_type {
    CONF_STRING = 1, /* out is char **; replaced, the old one freed */
    CONF_LIST,       /* out is char ***, ends with NULL; may be repeated */
    CONF_BOOL,       /* out is bool *; on off yes no true false */
    CONF_INT,        /* out is int64_t *, as all below */
    CONF_SIZE,       /* bytes */
    CONF_TIME,       /* microseconds */
    CONF_MONEY,      /* micro-units */
    CONF_RATIO,      /* parts per million */
};

struct conf_key {
    const char *name;    /* lower-case letters, digits and _ */
    enum conf_type type; /* which decides what out points to */
    void *out;           /* where the value goes */
    int64_t min, max;    /* of numbers, in the unit of out; both 0 = any */
};

/* Read a file of at most 1 MiB.  Returns 0, or -1 with errno of open or read
 * or EINVAL; on failure no variable has changed.
 */
int conf_read(const char *path, const struct conf_key *keys, struct error *err);

/* The same for text already in memory; name stands for the file's name. */
int conf_parse(const char *name, const char *text, const struct conf_key *keys,
               struct error *err);

/* One line that conf_read gives back unchanged: "KEY = 'VALUE'\n", allocated.
 * NULL with errno EINVAL (a control character in value) or ENOMEM.
 */
char *conf_line(const char *key, const char *value);

/* Free what CONF_STRING and CONF_LIST keys hold and set them to NULL. */
void conf_clear(const struct conf_key *keys);

#endif
