/* SPDX-License-Identifier: Apache-2.0 */
/* book.c - what the api must remember: tokens, blob owners, sequence numbers
 *
 * One hash table; a key is a kind byte and up to 47 bytes.  Entries are only
 * ever added or replaced, so open addressing needs no tombstones.
 */
#include "sched/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

enum kind { KIND_TOKEN = 1, KIND_BLOB, KIND_SEQ, KIND_GRANT };

#define KEY_LEN 48
#define GRANTS_MAX 8

/* The parameter sets a worker was granted last, newest first. */
struct grants {
    size_t n;
    struct digest v[GRANTS_MAX];
};

struct entry {
    uint8_t key[KEY_LEN];
    union {
        struct rec_token *token;
        struct rec_seq *seq; /* reply allocated */
        struct grants *grants;
    };
};

struct book {
    struct entry **slots;
    size_t cap, n;
};

static void key_make(uint8_t key[KEY_LEN], enum kind kind, int64_t id,
                     const struct digest *d)
{
    memset(key, 0, KEY_LEN);
    key[0] = (uint8_t)kind;
    put_u64be(key + 1, (uint64_t)id);
    if (d)
        memcpy(key + 9, d->b, DIGEST_LEN);
}

static size_t hash_of(const uint8_t key[KEY_LEN])
{
    uint64_t h = 1469598103934665603u;

    for (int i = 0; i < KEY_LEN; i++)
        h = (h ^ key[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static struct entry **slot_of(const struct book *b, const uint8_t *key)
{
    size_t i = hash_of(key) & (b->cap - 1);

    while (b->slots[i] && memcmp(b->slots[i]->key, key, KEY_LEN) != 0)
        i = (i + 1) & (b->cap - 1);
    return &b->slots[i];
}

static int grow(struct book *b)
{
    struct book bigger = {calloc(b->cap * 2, sizeof(*b->slots)), b->cap * 2,
                          b->n};

    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < b->cap; i++)
        if (b->slots[i])
            *slot_of(&bigger, b->slots[i]->key) = b->slots[i];
    free(b->slots);
    *b = bigger;
    return 0;
}

struct book *book_create(void)
{
    struct book *b = calloc(1, sizeof(*b));

    if (b) {
        b->cap = 1024;
        b->slots = calloc(b->cap, sizeof(*b->slots));
        if (!b->slots) {
            free(b);
            b = NULL;
        }
    }
    return b;
}

static void entry_free(struct entry *e)
{
    if (e->key[0] == KIND_SEQ && e->seq)
        free((void *)(uintptr_t)e->seq->reply);
    if (e->key[0] != KIND_BLOB)
        free(e->token);
    free(e);
}

void book_destroy(struct book *b)
{
    if (b) {
        for (size_t i = 0; i < b->cap; i++)
            if (b->slots[i])
                entry_free(b->slots[i]);
        free(b->slots);
        free(b);
    }
}

static struct entry *find(const struct book *b, enum kind kind, int64_t id,
                          const struct digest *d)
{
    uint8_t key[KEY_LEN];

    key_make(key, kind, id, d);
    return *slot_of(b, key);
}

/* The entry of a key, made when it is missing; size bytes of value. */
static struct entry *obtain(struct book *b, enum kind kind, int64_t id,
                            const struct digest *d, size_t size)
{
    struct entry *e = find(b, kind, id, d);

    if (e)
        return e;
    if (b->n * 2 >= b->cap && grow(b) < 0)
        return NULL;
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    if (size) {
        e->token = calloc(1, size);
        if (!e->token) {
            free(e);
            return NULL;
        }
    }
    key_make(e->key, kind, id, d);
    *slot_of(b, e->key) = e;
    b->n++;
    return e;
}

static int seq_put(struct book *b, const struct rec_seq *r)
{
    struct entry *e = obtain(b, KIND_SEQ, r->worker_id, NULL, sizeof(*r));
    uint8_t *copy = malloc(r->reply_len + 1);

    if (!e || !copy) {
        free(copy);
        errno = ENOMEM;
        return -1;
    }
    if (r->reply_len)
        memcpy(copy, r->reply, r->reply_len);
    free((void *)(uintptr_t)e->seq->reply);
    *e->seq = *r;
    e->seq->reply = copy;
    return 0;
}

int book_put(struct book *b, const struct record *r)
{
    struct entry *e = NULL;

    switch (r->type) {
    case REC_SEQ: return seq_put(b, &r->seq);
    case REC_TOKEN:
        e = obtain(b, KIND_TOKEN, 0, &r->token.hash, sizeof(r->token));
        if (e)
            *e->token = r->token;
        break;
    case REC_BLOB:
        e = obtain(b, KIND_BLOB, r->blob.party_id, &r->blob.digest, 0);
        break;
    default: errno = EINVAL; return -1;
    }
    return e ? 0 : -1;
}

const struct rec_token *book_token(const struct book *b,
                                   const struct digest *hash)
{
    struct entry *e = find(b, KIND_TOKEN, 0, hash);

    return e ? e->token : NULL;
}

bool book_owns_blob(const struct book *b, int64_t party_id,
                    const struct digest *d)
{
    return find(b, KIND_BLOB, party_id, d) != NULL;
}

const struct rec_seq *book_seq(const struct book *b, int64_t worker_id)
{
    struct entry *e = find(b, KIND_SEQ, worker_id, NULL);

    return e ? e->seq : NULL;
}

bool book_granted(const struct book *b, int64_t worker_id,
                  const struct digest *params)
{
    struct entry *e = find(b, KIND_GRANT, worker_id, NULL);

    for (size_t i = 0; e && i < e->grants->n; i++)
        if (digest_equal(&e->grants->v[i], params))
            return true;
    return false;
}

void book_grant(struct book *b, int64_t worker_id, const struct digest *params)
{
    struct entry *e =
        obtain(b, KIND_GRANT, worker_id, NULL, sizeof(struct grants));
    struct grants *g;

    if (!e || book_granted(b, worker_id, params))
        return;
    g = e->grants;
    if (g->n < GRANTS_MAX)
        g->n++;
    memmove(g->v + 1, g->v, (g->n - 1) * sizeof(g->v[0]));
    g->v[0] = *params;
}

bool book_any_grant(const struct book *b, int64_t worker_id,
                    bool (*fn)(void *arg, const struct digest *params),
                    void *arg)
{
    struct entry *e = find(b, KIND_GRANT, worker_id, NULL);

    for (size_t i = 0; e && i < e->grants->n; i++)
        if (fn(arg, &e->grants->v[i]))
            return true;
    return false;
}
