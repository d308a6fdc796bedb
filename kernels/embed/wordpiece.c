/* SPDX-License-Identifier: Apache-2.0 */
/* wordpiece.c - a text's token ids
 *
 * The vocabulary is one trie over bytes with two roots: pieces that begin a
 * word hang from BEGIN, those that continue one, without their prefix, from
 * CONTINUE.  Its edges live in one open hash table.  A walk down finds the
 * longest piece in one pass and stops where no piece goes on, so a hostile
 * word costs its length times the longest piece and no more.
 */
#include "kernels/embed/wordpiece.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/embed/unicode_table.h"

#define NODES_MAX (1u << 23)
#define NO_ID (-1)

enum { BEGIN = 0, CONTINUE = 1, ROOTS = 2 };

/* key is node * 256 + byte + 1; 0 = empty. */
struct edge {
    uint32_t key;
    uint32_t to;
};

struct wordpiece {
    struct normalize_rules rules;
    char *prefix;
    char *special[3]; /* unknown, begin, end */
    uint16_t special_id[3];
    unsigned word_max;
    uint32_t ids;
    struct edge *edges;
    uint32_t edges_cap; /* a power of two */
    uint32_t edges_len;
    int32_t *node_id;
    uint32_t nodes_cap;
    uint32_t nodes_len;
};

enum { UNKNOWN = 0, FIRST = 1, LAST = 2 };

static uint32_t slot_of(const struct wordpiece *w, uint32_t key)
{
    uint32_t h = key * 0x9e3779b1u;
    uint32_t i = (h ^ h >> 15) & (w->edges_cap - 1);

    while (w->edges[i].key && w->edges[i].key != key)
        i = (i + 1) & (w->edges_cap - 1);
    return i;
}

static uint32_t edge_key(uint32_t node, uint8_t byte)
{
    return (node << 8 | byte) + 1;
}

/* The node below, or 0: no edge leads to the root BEGIN. */
static uint32_t step(const struct wordpiece *w, uint32_t node, uint8_t byte)
{
    return w->edges[slot_of(w, edge_key(node, byte))].to;
}

static int grow_edges(struct wordpiece *w)
{
    struct edge *old = w->edges;
    uint32_t cap = w->edges_cap;
    struct edge *new = calloc((size_t)cap * 2, sizeof(*new));

    if (!new)
        return -1;
    w->edges = new;
    w->edges_cap = cap * 2;
    for (uint32_t i = 0; i < cap; i++)
        if (old[i].key)
            new[slot_of(w, old[i].key)] = old[i];
    free(old);
    return 0;
}

static int grow_nodes(struct wordpiece *w)
{
    int32_t *new = realloc(w->node_id, sizeof(*new) * w->nodes_cap * 2);

    if (!new)
        return -1;
    w->node_id = new;
    w->nodes_cap *= 2;
    return 0;
}

/* The node below, made when it is not there; 0 when out of memory. */
static uint32_t step_or_make(struct wordpiece *w, uint32_t node, uint8_t byte)
{
    uint32_t key = edge_key(node, byte), slot = slot_of(w, key);

    if (w->edges[slot].key)
        return w->edges[slot].to;
    if (w->nodes_len == NODES_MAX)
        return 0;
    if (w->edges_len * 2 >= w->edges_cap && grow_edges(w) < 0)
        return 0;
    if (w->nodes_len == w->nodes_cap && grow_nodes(w) < 0)
        return 0;
    slot = slot_of(w, key);
    w->edges[slot].key = key;
    w->edges[slot].to = w->nodes_len;
    w->edges_len++;
    w->node_id[w->nodes_len] = NO_ID;
    return w->nodes_len++;
}

struct wordpiece *wordpiece_create(const struct wordpiece_model *m,
                                   struct fault *f)
{
    struct wordpiece *w;

    if (m->word_max == 0 || m->word_max > WORDPIECE_WORD_MAX) {
        fault_set(f, EINVAL,
                  "words of %u characters are not supported, only "
                  "1 to %d",
                  m->word_max, WORDPIECE_WORD_MAX);
        return NULL;
    }
    w = calloc(1, sizeof(*w));
    if (!w)
        goto error;
    w->rules = m->rules;
    w->word_max = m->word_max;
    w->prefix = strdup(m->prefix);
    w->special[UNKNOWN] = strdup(m->unknown);
    w->special[FIRST] = strdup(m->begin);
    w->special[LAST] = strdup(m->end);
    w->edges_cap = 1 << 8;
    w->nodes_cap = 1 << 7;
    w->edges = calloc(w->edges_cap, sizeof(*w->edges));
    w->node_id = calloc(w->nodes_cap, sizeof(*w->node_id));
    if (!w->prefix || !w->special[UNKNOWN] || !w->special[FIRST] ||
        !w->special[LAST] || !w->edges || !w->node_id)
        goto error;
    w->nodes_len = ROOTS;
    w->node_id[BEGIN] = w->node_id[CONTINUE] = NO_ID;
    return w;
error:
    wordpiece_destroy(w);
    fault_set(f, ENOMEM, "could not allocate a vocabulary");
    return NULL;
}

void wordpiece_destroy(struct wordpiece *w)
{
    if (w) {
        int saved_errno = errno;

        for (int i = 0; i < 3; i++)
            free(w->special[i]);
        free(w->prefix);
        free(w->edges);
        free(w->node_id);
        free(w);
        errno = saved_errno;
    }
}

static int add_below(struct wordpiece *w, uint32_t node, const char *piece,
                     size_t len, uint32_t id)
{
    for (size_t i = 0; i < len; i++) {
        node = step_or_make(w, node, (uint8_t)piece[i]);
        if (!node)
            return -1;
    }
    w->node_id[node] = (int32_t)id;
    return 0;
}

int wordpiece_add(struct wordpiece *w, const char *piece, size_t len,
                  uint32_t id, struct fault *f)
{
    size_t prefix = strlen(w->prefix);

    if (id > UINT16_MAX)
        return fault_set(f, EINVAL, "token id %u is above %d", id, UINT16_MAX);
    if (id >= w->ids)
        w->ids = id + 1;
    if (len == 0)
        return 0;
    if (add_below(w, BEGIN, piece, len, id) < 0)
        return fault_set(f, ENOMEM, "could not allocate a vocabulary");
    if (len > prefix && memcmp(piece, w->prefix, prefix) == 0 &&
        add_below(w, CONTINUE, piece + prefix, len - prefix, id) < 0)
        return fault_set(f, ENOMEM, "could not allocate a vocabulary");
    return 0;
}

int wordpiece_ready(struct wordpiece *w, struct fault *f)
{
    for (int i = 0; i < 3; i++) {
        uint32_t node = BEGIN;
        const char *p = w->special[i];

        while (*p && (node = step(w, node, (uint8_t)*p)))
            p++;
        if (*p || w->node_id[node] == NO_ID)
            return fault_set(f, EBADMSG, "the vocabulary lacks \"%s\"",
                             w->special[i]);
        w->special_id[i] = (uint16_t)w->node_id[node];
    }
    return 0;
}

uint32_t wordpiece_ids(const struct wordpiece *w)
{
    return w->ids;
}

/* Pieces of one text, as many as fit. */
struct pieces {
    uint16_t *ids;
    size_t len;
    size_t max;
    bool cut;
};

static void put(struct pieces *p, int32_t id)
{
    if (p->len < p->max)
        p->ids[p->len++] = (uint16_t)id;
    else
        p->cut = true;
}

/* The longest piece that text starts with; *id is NO_ID when there is none. */
static size_t longest(const struct wordpiece *w, uint32_t root,
                      const uint8_t *text, size_t len, int32_t *id)
{
    uint32_t node = root;
    size_t end = 0;

    *id = NO_ID;
    for (size_t i = 0; i < len; i++) {
        node = step(w, node, text[i]);
        if (!node)
            break;
        if (w->node_id[node] != NO_ID) {
            *id = w->node_id[node];
            end = i + 1;
        }
    }
    return end;
}

static void cover(const struct wordpiece *w, const uint8_t *word, size_t len,
                  struct pieces *p)
{
    const struct pieces before = *p;
    int32_t id;

    for (size_t at = 0; at < len;) {
        at += longest(w, at ? CONTINUE : BEGIN, word + at, len - at, &id);
        if (id == NO_ID) {
            *p = before;
            put(p, w->special_id[UNKNOWN]);
            return;
        }
        put(p, id);
    }
}

size_t wordpiece_encode(const struct wordpiece *w, const char *text, size_t len,
                        uint16_t *ids, size_t max, bool *cut)
{
    struct pieces p = {.ids = ids + 1, .max = max - 2};
    uint8_t word[4 * WORDPIECE_WORD_MAX];
    size_t word_len = 0, word_chars = 0;
    struct normalize it;
    bool more = true;

    assert(max >= WORDPIECE_LENGTH_MIN);
    normalize_start(&it, &w->rules, text, len);
    while (more && !p.cut) {
        uint32_t cp = ' ';
        unsigned flags;

        more = normalize_next(&it, &cp);
        flags = more ? normalize_flags(cp) : UC_SPACE;
        if ((flags & (UC_SPACE | UC_PUNCT)) && word_chars) {
            if (word_chars > w->word_max)
                put(&p, w->special_id[UNKNOWN]);
            else
                cover(w, word, word_len, &p);
            word_len = word_chars = 0;
        }
        if (flags & UC_PUNCT) {
            uint8_t mark[4];

            cover(w, mark, utf8_encode(cp, mark), &p);
        } else if (!(flags & UC_SPACE) && ++word_chars <= w->word_max) {
            word_len += utf8_encode(cp, word + word_len);
        }
    }
    ids[0] = w->special_id[FIRST];
    ids[p.len + 1] = w->special_id[LAST];
    if (cut)
        *cut = p.cut;
    return p.len + 2;
}
