/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - one line on a terminal that says how far it is
 *
 * Nothing is written unless standard error is a terminal; at most ten times a
 * second otherwise.
 */
#ifndef FALLOW_SCHED_CMD_PROGRESS_H
#define FALLOW_SCHED_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* "tokenise", "run" … */
    bool on;          /* standard error is a terminal */
    bool shown;       /* a line stands there */
    int64_t begun_us; /* monotonic */
    int64_t drawn_us; /* when last */
};

void progress_begin(struct progress *p, const char *what);

/* Draw done of total; total 0 = unknown; extra, which may be NULL, ends the
 * line.
 */
void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   const char *extra);

/* Wipe the line. */
void progress_end(struct progress *p);

/* Microseconds since progress_begin. */
int64_t progress_elapsed_us(const struct progress *p);

/* The line itself, for tests: at most width columns into out. */
void progress_line(char *out, size_t cap, int width, const char *what,
                   uint64_t done, uint64_t total, int64_t elapsed_us,
                   const char *extra);

#endif
