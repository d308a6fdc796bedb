/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c - a binary heap of objects that know their place in it */
#include "sched/core/heap.h"

#include <stdlib.h>

static size_t *place_of(const struct heap *h, void *obj)
{
    return (size_t *)(void *)((char *)obj + h->place);
}

static void set(struct heap *h, size_t i, void *obj)
{
    h->v[i] = obj;
    *place_of(h, obj) = i + 1;
}

static void up(struct heap *h, size_t i, void *obj)
{
    while (i > 0 && h->before(obj, h->v[(i - 1) / 2])) {
        set(h, i, h->v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    set(h, i, obj);
}

static void down(struct heap *h, size_t i, void *obj)
{
    for (;;) {
        size_t c = 2 * i + 1;

        if (c >= h->n)
            break;
        if (c + 1 < h->n && h->before(h->v[c + 1], h->v[c]))
            c++;
        if (!h->before(h->v[c], obj))
            break;
        set(h, i, h->v[c]);
        i = c;
    }
    set(h, i, obj);
}

int heap_put(struct heap *h, void *obj)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16;
        void **v = realloc(h->v, cap * sizeof(*v));

        if (!v)
            return -1;
        h->v = v;
        h->cap = cap;
    }
    h->n++;
    up(h, h->n - 1, obj);
    return 0;
}

void heap_del(struct heap *h, void *obj)
{
    size_t i = *place_of(h, obj);
    void *last;

    if (i == 0)
        return;
    *place_of(h, obj) = 0;
    i--;
    last = h->v[--h->n];
    if (last == obj)
        return;
    if (i > 0 && h->before(last, h->v[(i - 1) / 2]))
        up(h, i, last);
    else
        down(h, i, last);
}

bool heap_has(const struct heap *h, const void *obj)
{
    return *(const size_t *)(const void *)((const char *)obj + h->place) != 0;
}

void heap_free(struct heap *h)
{
    free(h->v);
    h->v = NULL;
    h->n = h->cap = 0;
}
