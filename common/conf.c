/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - configuration files: `key = value`, one a line
 *
 * A text is gone through twice: first everything is checked, then everything
 * is stored, so that a bad line changes nothing.
 */
#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define CONF_FILE_MAX ((size_t)1 << 20)
#define KEYS_MAX 64

struct unit {
    const char *name;
    int64_t factor;
};

/* The first unit of each is what a bare number is taken for. */
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1},         {"B", 1},        {"kB", 1 << 10},
    {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", (int64_t)1 << 40},
    {NULL, 0},
};
static const struct unit time_units[] = {
    {"", 1000000},     {"us", 1},         {"ms", 1000},       {"s", 1000000},
    {"min", 60000000}, {"h", 3600000000}, {"d", 86400000000}, {NULL, 0},
};
static const struct unit money_units[] = {{"", 1000000}, {NULL, 0}};
static const struct unit ratio_units[] = {
    {"", 1000000}, {"%", 10000}, {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    switch (type) {
    case CONF_SIZE: return size_units;
    case CONF_TIME: return time_units;
    case CONF_MONEY: return money_units;
    case CONF_RATIO: return ratio_units;
    default: return no_units;
    }
}

/* DIGITS[.DIGITS] times factor, exactly; NULL when it is no such number or
 * does not fit, else where it ends.
 */
static const char *scan_number(const char *s, int64_t *whole, int64_t *part)
{
    int64_t w = 0, f = 0;
    int digits = 0, places = 0;

    for (; isdigit((unsigned char)*s); s++, digits++)
        if (__builtin_mul_overflow(w, 10, &w) ||
            __builtin_add_overflow(w, *s - '0', &w))
            return NULL;
    if (*s == '.')
        for (s++; isdigit((unsigned char)*s); s++, digits++)
            if (places < 6 || *s != '0') {
                if (++places > 6)
                    return NULL;
                f = f * 10 + (*s - '0');
            }
    while (places++ < 6)
        f *= 10;
    *whole = w;
    *part = f;
    return digits ? s : NULL;
}

static int parse_number(enum conf_type type, const char *s, int64_t *out)
{
    bool negative = *s == '-';
    int64_t whole, part, v, p;

    s = scan_number(s + negative, &whole, &part);
    if (!s)
        return -1;
    while (*s == ' ')
        s++;
    for (const struct unit *u = units_of(type); u->name; u++) {
        if (strcmp(u->name, s) != 0)
            continue;
        if (__builtin_mul_overflow(whole, u->factor, &v) ||
            __builtin_mul_overflow(part, u->factor, &p) || p % 1000000 ||
            __builtin_add_overflow(v, p / 1000000, &v))
            return -1;
        *out = negative ? -v : v;
        return 0;
    }
    return -1;
}

static int parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"on", "yes", "true"};
    static const char *const no[] = {"off", "no", "false"};

    for (int i = 0; i < 3; i++)
        if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
            *out = strcmp(s, yes[i]) == 0;
            return 0;
        }
    return -1;
}

static int append(char ***list, const char *value)
{
    size_t n = 0;
    char **more;

    while (*list && (*list)[n])
        n++;
    more = reallocarray(*list, n + 2, sizeof(*more));
    if (!more)
        return -1;
    *list = more;
    more[n + 1] = NULL;
    more[n] = strdup(value);
    return more[n] ? 0 : -1;
}

static const char *type_text(enum conf_type type)
{
    switch (type) {
    case CONF_BOOL: return "on or off";
    case CONF_INT: return "a whole number";
    case CONF_SIZE: return "a size such as 512MB";
    case CONF_TIME: return "a time such as 10s or 5min";
    case CONF_MONEY: return "an amount with at most six decimals";
    case CONF_RATIO: return "a ratio such as 0.2 or 20%";
    default: return "text";
    }
}

static int take_number(const struct conf_key *k, const char *value, bool store,
                       struct error *err)
{
    int64_t v;

    if (parse_number(k->type, value, &v) < 0)
        return error_set(err, EINVAL, "%s = %s is not %s", k->name, value,
                         type_text(k->type));
    if ((k->min || k->max) && (v < k->min || v > k->max))
        return error_set(err, EINVAL, "%s = %s is out of range (%jd to %jd%s)",
                         k->name, value, (intmax_t)k->min, (intmax_t)k->max,
                         k->type == CONF_TIME    ? " us"
                         : k->type == CONF_MONEY ? " micro-units"
                         : k->type == CONF_RATIO ? " ppm"
                                                 : "");
    if (store)
        *(int64_t *)k->out = v;
    return 0;
}

static int take(const struct conf_key *k, const char *value, bool store,
                struct error *err)
{
    bool b;
    char *copy;

    switch (k->type) {
    case CONF_STRING:
        if (!store)
            return 0;
        copy = strdup(value);
        if (!copy)
            return error_set(err, ENOMEM, "could not store %s", k->name);
        free(*(char **)k->out);
        *(char **)k->out = copy;
        return 0;
    case CONF_LIST:
        return store && append(k->out, value) < 0
                   ? error_set(err, ENOMEM, "could not store %s", k->name)
                   : 0;
    case CONF_BOOL:
        if (parse_bool(value, &b) < 0)
            return error_set(err, EINVAL, "%s = %s is not %s", k->name, value,
                             type_text(k->type));
        if (store)
            *(bool *)k->out = b;
        return 0;
    default: return take_number(k, value, store, err);
    }
}

static int find_key(const struct conf_key *keys, const char *name, size_t len,
                    struct error *err)
{
    char known[384] = "";
    size_t used = 0;

    for (int i = 0; keys[i].name; i++) {
        int k;

        if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len))
            return i;
        k = snprintf(known + used, sizeof(known) - used, "%s%s",
                     used ? " " : "", keys[i].name);
        used += k > 0 && (size_t)k < sizeof(known) - used ? (size_t)k : 0;
    }
    return error_set(err, EINVAL, "unknown key \"%.*s\"; there are: %s",
                     (int)len, name, known);
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t\r");
}

/* The value at s, unquoted, in place of *value; NULL or where it ends. */
static const char *scan_value(const char *s, char *value, struct error *err)
{
    char *end = value;

    if (*s == '\'') {
        for (s++; *s && (*s != '\'' || s[1] == '\''); s++) {
            s += *s == '\'';
            *value++ = *s;
        }
        *value = '\0';
        return *s ? s + 1 : error_null(err, EINVAL, "the quote is not closed");
    }
    for (; *s && *s != '#'; s++) {
        *value++ = *s;
        if (!strchr(" \t\r", *s))
            end = value;
    }
    *end = '\0';
    return s;
}

static int take_line(const char *line, int number, int *seen,
                     const struct conf_key *keys, bool store, struct error *err)
{
    const char *s = skip_blanks(line), *name = s;
    bool quoted;
    char *value;
    size_t len;
    int k, rc;

    if (!*s || *s == '#')
        return 0;
    len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
    s = skip_blanks(s + len);
    if (!len || *s != '=')
        return error_set(err, EINVAL, "expected KEY = VALUE");
    k = find_key(keys, name, len, err);
    if (k < 0)
        return -1;
    if (keys[k].type != CONF_LIST && k < KEYS_MAX && seen[k])
        return error_set(err, EINVAL, "%s was already given in line %d",
                         keys[k].name, seen[k]);
    if (k < KEYS_MAX)
        seen[k] = number;
    s = skip_blanks(s + 1);
    quoted = *s == '\'';
    value = malloc(strlen(s) + 1);
    if (!value)
        return error_set(err, ENOMEM, "could not store %s", keys[k].name);
    s = scan_value(s, value, err);
    if (!s)
        rc = -1;
    else if (!quoted && !*value)
        rc = error_set(err, EINVAL, "%s has no value", keys[k].name);
    else if (*(s = skip_blanks(s)) && *s != '#')
        rc = error_set(err, EINVAL, "unexpected text after the value: %s", s);
    else
        rc = take(&keys[k], value, store, err);
    free(value);
    return rc;
}

static int pass(const char *name, const char *text, const struct conf_key *keys,
                bool store, struct error *err)
{
    int seen[KEYS_MAX] = {0}, number = 1;

    for (const char *s = text; *s; number++) {
        size_t len = strcspn(s, "\n");
        char *line = strndup(s, len);
        int rc;

        if (!line)
            return error_set(err, ENOMEM, "could not read %s", name);
        rc = take_line(line, number, seen, keys, store, err);
        free(line);
        if (rc < 0)
            return error_prefix(err, "%s:%d", name, number);
        s += len + (s[len] == '\n');
    }
    return 0;
}

int conf_parse(const char *name, const char *text, const struct conf_key *keys,
               struct error *err)
{
    return pass(name, text, keys, false, err) < 0
               ? -1
               : pass(name, text, keys, true, err);
}

int conf_read(const char *path, const struct conf_key *keys, struct error *err)
{
    void *text;
    size_t len;
    int rc;

    if (file_read(path, CONF_FILE_MAX, &text, &len, err) < 0)
        return -1;
    if (memchr(text, '\0', len))
        rc = error_set(err, EINVAL, "%s is no text file", path);
    else
        rc = conf_parse(path, text, keys, err);
    free(text);
    return rc;
}

char *conf_line(const char *key, const char *value)
{
    char *line, *to;
    size_t quotes = 0;

    for (const char *s = value; *s; s++) {
        if (iscntrl((unsigned char)*s)) {
            errno = EINVAL;
            return NULL;
        }
        quotes += *s == '\'';
    }
    line = malloc(strlen(key) + strlen(value) + quotes + 7);
    if (!line)
        return NULL;
    to = stpcpy(stpcpy(line, key), " = '");
    for (const char *s = value; *s; s++) {
        if (*s == '\'')
            *to++ = '\'';
        *to++ = *s;
    }
    stpcpy(to, "'\n");
    return line;
}

void conf_clear(const struct conf_key *keys)
{
    for (; keys->name; keys++) {
        if (keys->type == CONF_STRING) {
            free(*(char **)keys->out);
            *(char **)keys->out = NULL;
        } else if (keys->type == CONF_LIST) {
            char **list = *(char ***)keys->out;

            for (size_t i = 0; list && list[i]; i++)
                free(list[i]);
            free(list);
            *(char ***)keys->out = NULL;
        }
    }
}
