/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - objects by a 64-bit key
 *
 * Open addressing with linear probing and backward-shift deletion; a key is
 * in the map at most once.  The map owns neither keys nor objects.
 */
#ifndef FALLOW_SCHED_CORE_MAP_H
#define FALLOW_SCHED_CORE_MAP_H

#include <stddef.h>
#include <stdint.h>

/* One place of the table: obj NULL = free. */
struct map_slot {
    uint64_t key; /* meaningless when obj is NULL */
    void *obj;    /* never NULL for a key in the map */
};

/* Zero bytes are a valid empty map. */
struct map {
    struct map_slot *slots; /* cap of them */
    size_t cap;             /* zero or a power of two */
    size_t n;               /* keys in the map */
};

/* The object under key, or NULL. */
void *map_get(const struct map *m, uint64_t key);

/* Put obj (not NULL) under key, replacing.  Returns 0 or -1, errno ENOMEM. */
int map_put(struct map *m, uint64_t key, void *obj);

/* Take key out; returns the object that was there, or NULL. */
void *map_del(struct map *m, uint64_t key);

/* The i-th slot's object or NULL, for walking 0 <= i < cap. */
static inline void *map_at(const struct map *m, size_t i)
{
    return m->slots[i].obj;
}

/* Free the table, not the objects. */
void map_free(struct map *m);

#endif
