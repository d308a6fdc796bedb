/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - what went wrong, for people
 *
 * Errors have two channels: a function returns -1 or NULL and sets errno, for
 * code; and it fills a struct error given as its last parameter, for people.
 * Wording: lower case, no full stop, "could not" = may work next time,
 * "cannot" = never will; name the offending value and the remedy.
 */
#ifndef FALLOW_COMMON_ERROR_H
#define FALLOW_COMMON_ERROR_H

#include <stdarg.h>

#define ERROR_TEXT_MAX 512

struct error {
    char text[ERROR_TEXT_MAX];
};

/* Fill err->text (err may be NULL) from the printf format, set errno to
 * code, and return -1, so that `return error_set(err, EINVAL, …)` is one line.
 */
int error_set(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and return NULL. */
void *error_null(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "PREFIX: " before what err already says; errno is kept.  Returns -1. */
int error_prefix(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
