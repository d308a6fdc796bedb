/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - a ring of nodes that live inside what they link
 *
 * A head is a node too; an empty ring points at itself.  A node that is in no
 * ring has next NULL, so list_del() may be called twice.
 */
#ifndef FALLOW_SCHED_CORE_LIST_H
#define FALLOW_SCHED_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct node {
    struct node *next, *prev; /* NULL while in no ring */
};

/* The object of TYPE whose member MEMBER is the node P. */
#define list_of(p, type, member)                                               \
    ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* Walk the ring HEAD; the current object may be unlinked inside the loop. */
#define list_each(it, tmp, head, type, member)                                 \
    for (struct node *tmp##_n = (head)->next, *tmp##_x = tmp##_n->next;        \
         tmp##_n != (head) && ((it) = list_of(tmp##_n, type, member), true);   \
         tmp##_n = tmp##_x, tmp##_x = tmp##_n->next)

/* Make h an empty ring. */
static inline void list_init(struct node *h)
{
    h->next = h->prev = h;
}

/* Whether the ring h has no object. */
static inline bool list_empty(const struct node *h)
{
    return h->next == h;
}

/* Whether n is in a ring. */
static inline bool list_linked(const struct node *n)
{
    return n->next != NULL;
}

/* Put n last; n must be in no ring. */
static inline void list_add(struct node *h, struct node *n)
{
    n->prev = h->prev;
    n->next = h;
    h->prev->next = n;
    h->prev = n;
}

/* Put n first; n must be in no ring. */
static inline void list_push(struct node *h, struct node *n)
{
    list_add(h->next, n);
}

/* Take n out of its ring, if it is in one. */
static inline void list_del(struct node *n)
{
    if (n->next) {
        n->next->prev = n->prev;
        n->prev->next = n->next;
        n->next = n->prev = NULL;
    }
}

#endif
