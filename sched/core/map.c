/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - objects by a 64-bit key */
#include "sched/core/map.h"

#include <stdlib.h>

static size_t home(const struct map *m, uint64_t key)
{
    key ^= key >> 32;
    key *= UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 29;
    return (size_t)key & (m->cap - 1);
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
    size_t i;

    if (m->cap == 0)
        return NULL;
    for (i = home(m, key); m->slots[i].obj; i = (i + 1) & (m->cap - 1))
        if (m->slots[i].key == key)
            return &m->slots[i];
    return NULL;
}

void *map_get(const struct map *m, uint64_t key)
{
    struct map_slot *s = find(m, key);

    return s ? s->obj : NULL;
}

static void place(struct map *m, uint64_t key, void *obj)
{
    size_t i = home(m, key);

    while (m->slots[i].obj)
        i = (i + 1) & (m->cap - 1);
    m->slots[i].key = key;
    m->slots[i].obj = obj;
}

static int grow(struct map *m)
{
    struct map bigger = {NULL, m->cap ? m->cap * 2 : 64, m->n};

    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].obj)
            place(&bigger, m->slots[i].key, m->slots[i].obj);
    free(m->slots);
    *m = bigger;
    return 0;
}

int map_put(struct map *m, uint64_t key, void *obj)
{
    struct map_slot *s = find(m, key);

    if (s) {
        s->obj = obj;
        return 0;
    }
    if (m->n * 3 >= m->cap * 2 && grow(m) < 0)
        return -1;
    place(m, key, obj);
    m->n++;
    return 0;
}

void *map_del(struct map *m, uint64_t key)
{
    struct map_slot *s = find(m, key);
    size_t mask = m->cap - 1, i, j;
    void *obj;

    if (!s)
        return NULL;
    obj = s->obj;
    i = j = (size_t)(s - m->slots);
    for (;;) {
        size_t k;

        j = (j + 1) & mask;
        if (!m->slots[j].obj)
            break;
        k = home(m, m->slots[j].key);
        /* leave it where it is when its home lies in (i, j] */
        if (((j - k) & mask) < ((j - i) & mask))
            continue;
        m->slots[i] = m->slots[j];
        i = j;
    }
    m->slots[i].obj = NULL;
    m->n--;
    return obj;
}

void map_free(struct map *m)
{
    free(m->slots);
    *m = (struct map){NULL, 0, 0};
}
