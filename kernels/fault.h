/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - what is wrong with an input, in words, for code under kernels/
 *
 * Kernels depend on nothing of ours, so they have this small twin of the
 * house's error.h: errno for code, text for people.  The wording rules are the
 * same: lower case, no full stop, name the value and the place.
 */
#ifndef FALLOW_KERNELS_FAULT_H
#define FALLOW_KERNELS_FAULT_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Fits into an error's text with room for a file name before it. */
#define FAULT_TEXT_MAX 400

/* Given as the last parameter by a caller that wants words, else NULL. */
struct fault {
    char text[FAULT_TEXT_MAX];
};

/* Fill f->text (f may be NULL) from the printf format, set errno to code, and
 * return -1, so that `return fault_set(f, EBADMSG, …)` is one line.
 */
__attribute__((format(printf, 3, 4))) static inline int fault_set(
    struct fault *f, int code, const char *fmt, ...)
{
    if (f) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(f->text, sizeof(f->text), fmt, ap);
        va_end(ap);
    }
    errno = code;
    return -1;
}

#endif
