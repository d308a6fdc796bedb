/* SPDX-License-Identifier: Apache-2.0 */
/* lease.c - what this worker holds: leases and where each one stands */
#include "worker/lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool lease_is_held(const struct lease *l)
{
    return l->state == LEASE_PARAMS || l->state == LEASE_READY ||
           l->state == LEASE_RUNNING;
}

struct lease *leases_add(struct leases *b, struct msg_lease *m)
{
    struct lease *l;

    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->v[i]->m.id, m->id) == 0) {
            errno = EEXIST;
            return NULL;
        }
    if (b->n == LEASES_MAX) {
        errno = ENOSPC;
        return NULL;
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->serial = ++b->next;
    l->m = *m;
    memset(m, 0, sizeof(*m));
    free(l->m.input);
    l->m.input = NULL;
    l->m.input_len = 0;
    l->slot = -1;
    b->v[b->n++] = l;
    return l;
}

void leases_remove(struct leases *b, struct lease *l)
{
    size_t i = 0;

    while (i < b->n && b->v[i] != l)
        i++;
    if (i == b->n)
        return;
    memmove(&b->v[i], &b->v[i + 1], (b->n - i - 1) * sizeof(b->v[0]));
    b->n--;
    free(l->m.token);
    free(l->m.input);
    free(l->claim.bytes);
    free(l->dir);
    free(l->params);
    free(l);
}

void leases_clear(struct leases *b)
{
    while (b->n)
        leases_remove(b, b->v[b->n - 1]);
}

struct lease *leases_find(const struct leases *b, uint64_t serial)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i]->serial == serial)
            return b->v[i];
    return NULL;
}

struct lease *leases_by_token(const struct leases *b, const char *token)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->v[i]->m.token, token) == 0)
            return b->v[i];
    return NULL;
}

size_t leases_count(const struct leases *b, enum lease_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->v[i]->state == state;
    return n;
}

size_t leases_held(const struct leases *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += lease_is_held(b->v[i]);
    return n;
}
