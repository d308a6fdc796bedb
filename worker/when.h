/* SPDX-License-Identifier: Apache-2.0 */
/* when.h - the two clocks of the worker, in microseconds
 *
 * Deadlines run on the monotonic clock; what is written to disk or shown to
 * people is on the wall clock.  Nothing that decides reads one: times are
 * passed in, of one turn of the loop.
 */
#ifndef FALLOW_WORKER_WHEN_H
#define FALLOW_WORKER_WHEN_H

#include <stdint.h>
#include <time.h>

/* Of either clock; neither can fail. */
static inline int64_t when_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Never goes back; counts from an unknown moment, so it is worth something only
 * within one boot.
 */
static inline int64_t when_mono_us(void)
{
    return when_us(CLOCK_MONOTONIC);
}

/* Since 1970 UTC, as this computer believes; it may jump. */
static inline int64_t when_wall_us(void)
{
    return when_us(CLOCK_REALTIME);
}

#endif
