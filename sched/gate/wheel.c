/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c - one deadline for each of very many connections */
#include "sched/gate/wheel.h"

#include <string.h>

void wheel_init(struct wheel *w, int64_t now_ms)
{
    memset(w, 0, sizeof(*w));
    w->step = now_ms / WHEEL_STEP_MS;
}

void wheel_remove(struct wheel_node *n)
{
    if (n->prev) {
        *n->prev = n->next;
        if (n->next)
            n->next->prev = n->prev;
        n->prev = NULL;
        n->next = NULL;
    }
}

/* Into the slot after its deadline, or the farthest there is. */
static void place(struct wheel *w, struct wheel_node *n)
{
    int64_t step = n->deadline_ms / WHEEL_STEP_MS + 1;
    struct wheel_node **slot;

    if (step <= w->step)
        step = w->step + 1;
    if (step > w->step + WHEEL_SLOTS - 1)
        step = w->step + WHEEL_SLOTS - 1;
    n->slot_ms = step * WHEEL_STEP_MS;
    slot = &w->slot[step % WHEEL_SLOTS];
    n->next = *slot;
    n->prev = slot;
    if (n->next)
        n->next->prev = &n->next;
    *slot = n;
}

void wheel_set(struct wheel *w, struct wheel_node *n, int64_t deadline_ms)
{
    n->deadline_ms = deadline_ms;
    if (n->prev && n->slot_ms <= deadline_ms + WHEEL_STEP_MS)
        return;
    wheel_remove(n);
    place(w, n);
}

struct wheel_node *wheel_due(struct wheel *w, int64_t now_ms)
{
    int64_t last = now_ms / WHEEL_STEP_MS;

    while (w->step <= last) {
        struct wheel_node *n = w->slot[w->step % WHEEL_SLOTS];

        if (!n) {
            if (w->step == last)
                return NULL;
            w->step++;
            continue;
        }
        wheel_remove(n);
        if (n->deadline_ms <= now_ms)
            return n;
        place(w, n);
    }
    return NULL;
}
