/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - one line on a terminal that says how far it is */
#include "sched/cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define BAR_MIN 6

static int64_t monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void progress_begin(struct progress *p, const char *what)
{
    const char *term = getenv("TERM");

    memset(p, 0, sizeof(*p));
    p->what = what;
    p->on = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);
    p->begun_us = monotonic_us();
}

int64_t progress_elapsed_us(const struct progress *p)
{
    return monotonic_us() - p->begun_us;
}

/* " 1620/s 0:07 left", or "" while nothing can be said. */
static void rate_text(char *out, size_t cap, uint64_t done, uint64_t total,
                      int64_t elapsed_us)
{
    uint64_t per_s, left_s;

    out[0] = '\0';
    if (elapsed_us < 500000 || done == 0)
        return;
    per_s = done * 1000000 / (uint64_t)elapsed_us;
    if (!total || done >= total) {
        snprintf(out, cap, "  %ju/s", (uintmax_t)per_s);
        return;
    }
    left_s = (uint64_t)((double)elapsed_us * (double)(total - done) /
                        (double)done / 1e6);
    snprintf(out, cap, "  %ju/s  %ju:%02ju left", (uintmax_t)per_s,
             (uintmax_t)(left_s / 60), (uintmax_t)(left_s % 60));
}

/* With a bar of so many columns; returns the width of the line. */
static int format_line(char *out, size_t cap, int bar_width, const char *what,
                       uint64_t done, uint64_t total, const char *tail)
{
    char bar[BAR_WIDTH + 1];
    size_t part = (size_t)((double)done / (double)total * bar_width);

    memset(bar, '-', sizeof(bar));
    memset(bar, '#', part);
    bar[bar_width] = '\0';
    return snprintf(out, cap, "%-9s [%s] %ju/%ju%s", what, bar, (uintmax_t)done,
                    (uintmax_t)total, tail);
}

void progress_line(char *out, size_t cap, int width, const char *what,
                   uint64_t done, uint64_t total, int64_t elapsed_us,
                   const char *extra)
{
    char rate[64], tail[160];
    int n, bar = BAR_WIDTH;

    if (total && done > total)
        done = total;
    rate_text(rate, sizeof(rate), done, total, elapsed_us);
    snprintf(tail, sizeof(tail), "%s%s%s", rate, extra ? "  " : "",
             extra ? extra : "");
    if (total) {
        n = format_line(out, cap, bar, what, done, total, tail);
        if (n >= width && width > 0) {
            bar -= n - width + 1;
            n = format_line(out, cap, bar < BAR_MIN ? BAR_MIN : bar, what, done,
                            total, tail);
        }
    } else {
        n = snprintf(out, cap, "%-9s %ju%s", what, (uintmax_t)done, tail);
    }
    if (n >= width && width > 0 && (size_t)width < cap)
        out[width - 1] = '\0';
}

void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   const char *extra)
{
    struct winsize ws = {0};
    int64_t now = monotonic_us();
    char line[256];

    if (!p->on || (p->shown && now - p->drawn_us < 100000))
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0)
        ws.ws_col = 80;
    progress_line(line, sizeof(line), ws.ws_col, p->what, done, total,
                  now - p->begun_us, extra);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    p->shown = true;
    p->drawn_us = now;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r\033[K");
    p->shown = false;
}
