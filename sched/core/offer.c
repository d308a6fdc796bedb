/* SPDX-License-Identifier: Apache-2.0 */
/* offer.c - what a worker sells now, and how long work takes there */
#include "sched/core/core.h"

#include <string.h>

#define SECOND INT64_C(1000000)
#define CAP_BURST_US (3600 * SECOND)

int zone_rank(const char *zone)
{
    static const char *const names[ZONES] = {"own", "site", "cell", "public"};

    if (!zone[0])
        return ZONE_CELL;
    for (int i = 0; i < ZONES; i++)
        if (!strcmp(zone, names[i]))
            return i;
    return -1;
}

const struct offer_kernel *offer_kernel(const struct offer *o, const char *name,
                                        const struct digest *spec)
{
    for (uint32_t i = 0; i < o->n_kernels && i < OFFER_KERNELS_MAX; i++)
        if (!strcmp(o->kernels[i].name, name) &&
            digest_equal(&o->kernels[i].spec, spec))
            return &o->kernels[i];
    return NULL;
}

void offer_update(struct cell *c, struct worker *w, const struct offer *o)
{
    w->offer = *o;
    if (w->offer.cores == 0)
        w->offer.cores = 1;
    if (w->offer.n_kernels > OFFER_KERNELS_MAX)
        w->offer.n_kernels = OFFER_KERNELS_MAX;
    w->seen_us = c->now_us;
    if (c->now_us - w->r.last_seen_us >= 600 * SECOND)
        dirty_worker(c, w); /* not every poll is worth a row */
}

int64_t offer_estimate(const struct worker *w, const struct job *j,
                       int64_t units)
{
    const struct offer_kernel *k =
        offer_kernel(&w->offer, j->r.kernel, &j->r.spec);
    __int128 us;

    if (!k || k->units_per_s <= 0)
        return 0;
    us = (__int128)units * SECOND / k->units_per_s + 1;
    return us > INT64_MAX / 16 ? INT64_MAX / 16 : (int64_t)us;
}

bool offer_spend(struct cell *c, struct worker *w, const struct job *j,
                 int64_t units)
{
    const struct offer_kernel *k =
        offer_kernel(&w->offer, j->r.kernel, &j->r.spec);
    __int128 rate, full, now;
    int64_t since = c->now_us - w->cap_us;

    if (!k || k->units_per_s <= 0)
        return true; /* no measured speed: nothing to compare with */
    rate = (__int128)k->units_per_s * w->offer.cores * c->conf.speed_cap_ppm;
    full = rate * (CAP_BURST_US / SECOND) / 1000000;
    if (full > INT64_MAX / 2)
        full = INT64_MAX / 2;
    if (since < 0)
        since = 0;
    if (since > CAP_BURST_US || w->cap_us == 0)
        since = CAP_BURST_US;
    now = w->cap_units + rate * (since / 1000) / 1000000 / 1000;
    if (now > full)
        now = full;
    w->cap_us = c->now_us;
    w->cap_units = (int64_t)now;
    if (units > w->cap_units)
        return false;
    w->cap_units -= units;
    return true;
}

void offer_back_off(struct cell *c, struct worker *w)
{
    uint32_t n = w->streak < 14 ? w->streak++ : w->streak;
    int64_t wait;

    if (n == 0)
        return;
    wait = SECOND << (n - 1);
    if (wait > 3600 * SECOND)
        wait = 3600 * SECOND;
    w->not_before_us = c->now_us + wait;
    if (!c->backoff_us || w->not_before_us < c->backoff_us)
        c->backoff_us = w->not_before_us;
}
