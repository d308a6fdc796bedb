/* SPDX-License-Identifier: Apache-2.0 */
/* park.c - long polls that wait for work
 *
 * A parked poll keeps its event.  On a wake the longest waiting are asked
 * again, until a run of them still finds nothing: those go to the back, so
 * that a wake costs little however many wait, and nobody is passed over twice.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/api/api.h"

/* Unlucky polls in a row that end a wake. */
#define WAKE_MISSES_MAX 64

struct parked {
    struct parked *next, *prev;
    struct call call; /* its frame is gone: in and query are NULL */
    struct event ev;
    int64_t until_us;
};

struct park {
    struct ctl *ctl;
    struct parked head; /* ring; head.next waited longest */
    size_t n;
};

struct park *park_create(struct ctl *c)
{
    struct park *p = calloc(1, sizeof(*p));

    if (p) {
        p->ctl = c;
        p->head.next = p->head.prev = &p->head;
    }
    return p;
}

static void unlink_parked(struct park *p, struct parked *k)
{
    k->prev->next = k->next;
    k->next->prev = k->prev;
    p->n--;
}

static void link_last(struct park *p, struct parked *k)
{
    k->prev = p->head.prev;
    k->next = &p->head;
    k->prev->next = k;
    p->head.prev = k;
    p->n++;
}

void park_destroy(struct park *p)
{
    if (p) {
        while (p->head.next != &p->head) {
            struct parked *k = p->head.next;

            unlink_parked(p, k);
            if (p->ctl->gates)
                call_error(&k->call, 503, EAGAIN,
                           "the cell's database is away: try again");
            free(k);
        }
        free(p);
    }
}

int park_add(struct park *p, const struct call *call, const struct event *ev,
             int64_t until_us)
{
    struct parked *k = calloc(1, sizeof(*k));

    if (!k) {
        errno = ENOMEM;
        return -1;
    }
    k->call = *call;
    k->call.in = NULL;
    k->call.query = NULL;
    k->ev = *ev;
    k->ev.lease.held = NULL; /* presented once, when the poll arrived */
    k->ev.lease.n_held = 0;
    k->until_us = until_us;
    link_last(p, k);
    return 0;
}

void park_abort(struct park *p, uint64_t gate, uint64_t req)
{
    struct parked *k = p->head.next;

    while (k != &p->head) {
        struct parked *next = k->next;

        if (k->call.gate == gate && (req == 0 || k->call.req == req)) {
            unlink_parked(p, k);
            free(k);
        }
        k = next;
    }
}

void park_wake(struct park *p, int64_t now_us)
{
    size_t left = p->n, misses = 0;

    while (left-- > 0 && misses < WAKE_MISSES_MAX) {
        struct parked *k = p->head.next;
        const struct answer *a;

        unlink_parked(p, k);
        if (now_us >= k->until_us)
            k->ev.lease.may_park = false;
        a = ctl_step(p->ctl, &k->ev);
        if (!a) {
            call_refuse(&k->call, ENOMEM, "out of memory: try again");
            free(k);
            return;
        }
        if (a->parked) {
            link_last(p, k);
            misses++;
            continue;
        }
        misses = 0;
        grant_reply(&k->call, a);
        free(k);
    }
}

int64_t park_expire(struct park *p, int64_t now_us)
{
    struct parked *k = p->head.next;
    int64_t soonest = 0;

    while (k != &p->head) {
        struct parked *next = k->next;

        if (now_us >= k->until_us) {
            static const struct answer nothing;

            unlink_parked(p, k);
            grant_reply(&k->call, &nothing);
            free(k);
        } else if (soonest == 0 || k->until_us < soonest) {
            soonest = k->until_us;
        }
        k = next;
    }
    return soonest;
}
