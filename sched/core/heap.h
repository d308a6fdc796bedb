/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - a binary heap of objects that know their place in it
 *
 * The place is a size_t inside the object: 0 = in no heap, else index + 1, so
 * that a zeroed object is outside and any object can leave in O(log n).
 */
#ifndef FALLOW_SCHED_CORE_HEAP_H
#define FALLOW_SCHED_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap {
    void **v;      /* n of cap objects, v[0] comes first */
    size_t n, cap; /* zero = empty, nothing allocated */
    size_t place;  /* offsetof(object, its place) */
    bool (*before)(const void *a, const void *b); /* strict order */
};

/* First object or NULL. */
static inline void *heap_top(const struct heap *h)
{
    return h->n ? h->v[0] : NULL;
}

/* Put obj, which must be in no heap.  Returns 0 or -1 with errno ENOMEM. */
int heap_put(struct heap *h, void *obj);

/* Take obj out, if it is in. */
void heap_del(struct heap *h, void *obj);

/* Whether obj is in the heap. */
bool heap_has(const struct heap *h, const void *obj);

/* Free the array, not the objects. */
void heap_free(struct heap *h);

#endif
