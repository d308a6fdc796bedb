/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - how much one address, and all together, may ask of the gate
 *
 * An address without connections is remembered until its bucket is full
 * again, or reconnecting would refill it; those are dropped a few at a time.
 */
#include "sched/gate/limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "common/sign.h"

#define START_SLOTS 256
#define SWEEP 8 /* chains looked at for leavers at every arrival */

void bucket_init(struct bucket *b, int64_t burst, int64_t now_ms)
{
    b->milli = burst * 1000;
    b->at_ms = now_ms;
}

static void refill(struct bucket *b, int64_t rate, int64_t burst,
                   int64_t now_ms)
{
    int64_t ms = now_ms - b->at_ms;

    if (ms <= 0)
        return;
    b->at_ms = now_ms;
    if (ms > burst * 1000 / rate)
        b->milli = burst * 1000;
    else
        b->milli += ms * rate;
    if (b->milli > burst * 1000)
        b->milli = burst * 1000;
}

bool bucket_take(struct bucket *b, int64_t rate, int64_t burst, int64_t now_ms)
{
    refill(b, rate, burst, now_ms);
    if (b->milli < 1000)
        return false;
    b->milli -= 1000;
    return true;
}

int64_t bucket_wait_ms(const struct bucket *b, int64_t rate, int64_t now_ms)
{
    int64_t lacks = 1000 - b->milli - (now_ms - b->at_ms) * rate;

    return lacks <= 0 ? 0 : (lacks + rate - 1) / rate;
}

struct address {
    struct address *next;
    uint64_t hi, lo;
    int64_t connections;
    struct bucket handshakes;
};

struct addresses {
    struct limits limits;
    struct address **slot;
    size_t n_slots, n, sweep;
    uint64_t salt; /* so that nobody can choose addresses that collide */
};

struct addresses *addresses_create(const struct limits *l)
{
    struct addresses *t = calloc(1, sizeof(*t));

    if (t) {
        t->limits = *l;
        t->n_slots = START_SLOTS;
        t->slot = calloc(t->n_slots, sizeof(*t->slot));
        if (!t->slot || random_bytes(&t->salt, sizeof(t->salt)) < 0) {
            addresses_destroy(t);
            return NULL;
        }
    }
    return t;
}

void addresses_destroy(struct addresses *t)
{
    if (t) {
        for (size_t i = 0; t->slot && i < t->n_slots; i++) {
            struct address *a = t->slot[i];

            while (a) {
                struct address *next = a->next;

                free(a);
                a = next;
            }
        }
        free(t->slot);
        free(t);
    }
}

static size_t hash(const struct addresses *t, uint64_t hi, uint64_t lo)
{
    uint64_t h = (hi ^ t->salt) * 0x9e3779b97f4a7c15u;

    h = ((h ^ (h >> 29)) + lo) * 0xbf58476d1ce4e5b9u;
    h ^= h >> 32;
    return (size_t)h & (t->n_slots - 1);
}

static int key_of(const struct sockaddr *sa, uint64_t *hi, uint64_t *lo)
{
    *hi = *lo = 0;
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        *lo = 1u | (uint64_t)in.sin_addr.s_addr << 8;
        return 0;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, sa, sizeof(in));
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
            uint32_t v4;

            memcpy(&v4, &in.sin6_addr.s6_addr[12], sizeof(v4));
            *lo = 1u | (uint64_t)v4 << 8;
        } else {
            memcpy(hi, &in.sin6_addr, 8);
        }
        return 0;
    }
    errno = EAFNOSUPPORT;
    return -1;
}

static void grow(struct addresses *t)
{
    size_t old = t->n_slots;
    struct address **from = t->slot, **to = calloc(old * 2, sizeof(*to));

    if (!to)
        return; /* longer chains */
    t->slot = to;
    t->n_slots = old * 2;
    for (size_t i = 0; i < old; i++) {
        while (from[i]) {
            struct address *a = from[i];
            size_t h = hash(t, a->hi, a->lo);

            from[i] = a->next;
            a->next = to[h];
            to[h] = a;
        }
    }
    free(from);
}

static bool idle(const struct addresses *t, const struct address *a,
                 int64_t now_ms)
{
    return a->connections == 0 && (now_ms - a->handshakes.at_ms) >=
                                      t->limits.burst * 1000 / t->limits.rate;
}

static void sweep(struct addresses *t, int64_t now_ms)
{
    for (int i = 0; i < SWEEP; i++) {
        struct address **p = &t->slot[t->sweep++ & (t->n_slots - 1)];

        while (*p) {
            struct address *a = *p;

            if (idle(t, a, now_ms)) {
                *p = a->next;
                free(a);
                t->n--;
            } else {
                p = &a->next;
            }
        }
    }
}

static struct address *find(struct addresses *t, uint64_t hi, uint64_t lo,
                            int64_t now_ms)
{
    struct address *a = t->slot[hash(t, hi, lo)];

    while (a && (a->hi != hi || a->lo != lo))
        a = a->next;
    if (a)
        return a;
    if (t->n >= t->n_slots)
        grow(t);
    a = calloc(1, sizeof(*a));
    if (a) {
        size_t h = hash(t, hi, lo);

        a->hi = hi;
        a->lo = lo;
        bucket_init(&a->handshakes, t->limits.burst, now_ms);
        a->next = t->slot[h];
        t->slot[h] = a;
        t->n++;
    }
    return a;
}

struct address *address_enter(struct addresses *t, const struct sockaddr *sa,
                              int64_t now_ms)
{
    uint64_t hi, lo;
    struct address *a;

    if (key_of(sa, &hi, &lo) < 0)
        return NULL;
    sweep(t, now_ms);
    a = find(t, hi, lo, now_ms);
    if (!a)
        return NULL;
    if (a->connections >= t->limits.per_address ||
        !bucket_take(&a->handshakes, t->limits.rate, t->limits.burst, now_ms)) {
        errno = EAGAIN;
        return NULL;
    }
    a->connections++;
    return a;
}

void address_leave(struct address *a)
{
    a->connections--;
}
