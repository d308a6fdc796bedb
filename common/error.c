/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - what went wrong, for people */
#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
    }
    errno = code;
    return -1;
}

void *error_null(struct error *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
    }
    errno = code;
    return NULL;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
    int saved_errno = errno;

    if (err) {
        char old[ERROR_TEXT_MAX];
        va_list ap;
        int n;

        memcpy(old, err->text, sizeof(old));
        va_start(ap, fmt);
        n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof(err->text) - 2)
            snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s",
                     (int)(sizeof(err->text) - (size_t)n - 3), old);
    }
    errno = saved_errno;
    return -1;
}
