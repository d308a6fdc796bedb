/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - leases as sealed tokens
 *
 * A lease is soft state: everything needed to take its result travels in the
 * token, sealed under the cell's key, so that a worker cannot see which of its
 * items are salt, and a restarted cell can still take the result.
 *
 *   u8 version=1  u32 epoch  u64 lease  u64 worker  u64 job  u32 task
 *   u32 attempt  u64 granted  u64 deadline  u32 n
 *   then per item: u64 check  u64 job  u32 task  u32 item; when check is 0 and
 *   job, task are the lease's, just u8 0 and u32 item (u8 1 = full form)
 */
#include "sched/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define HEAD_LEN (1 + 4 + 8 * 3 + 4 * 2 + 8 * 2 + 4)
#define SHORT_LEN 5
#define FULL_LEN 25

static uint8_t *put_item(uint8_t *p, const struct lease *l,
                         const struct lease_item *it)
{
    if (it->check_id == 0 && it->job_id == l->job_id && it->task == l->task) {
        *p = 0;
        put_u32be(p + 1, it->item);
        return p + SHORT_LEN;
    }
    *p = 1;
    put_u64be(p + 1, (uint64_t)it->check_id);
    put_u64be(p + 9, (uint64_t)it->job_id);
    put_u32be(p + 17, it->task);
    put_u32be(p + 21, it->item);
    return p + FULL_LEN;
}

static uint8_t *put_head(uint8_t *p, const struct lease *l)
{
    *p++ = 1;
    put_u32be(p, (uint32_t)l->epoch);
    put_u64be(p + 4, (uint64_t)l->lease_id);
    put_u64be(p + 12, (uint64_t)l->worker_id);
    put_u64be(p + 20, (uint64_t)l->job_id);
    put_u32be(p + 28, l->task);
    put_u32be(p + 32, l->attempt);
    put_u64be(p + 36, (uint64_t)l->granted_us);
    put_u64be(p + 44, (uint64_t)l->deadline_us);
    put_u32be(p + 52, l->n_items);
    return p + 56;
}

/* Sealed in place: the plain token lies behind where the nonce goes. */
char *token_seal(const struct ctl *c, const struct lease *l)
{
    size_t cap = HEAD_LEN + (size_t)l->n_items * FULL_LEN + SEAL_OVERHEAD;
    uint8_t small[1024], *box = cap <= sizeof(small) ? small : malloc(cap), *p;
    char *text = NULL;
    int n = -1;

    if (box) {
        p = put_head(box + SEAL_NONCE, l);
        for (uint32_t i = 0; i < l->n_items; i++)
            p = put_item(p, l, &l->items[i]);
        n = seal(c->seal_key, box + SEAL_NONCE, (size_t)(p - box) - SEAL_NONCE,
                 box);
    }
    if (n >= 0)
        text = malloc(base64_len((size_t)n));
    if (text)
        base64_encode(box, (size_t)n, text);
    if (box != small)
        free(box);
    return text;
}

static void get_head(const uint8_t *p, struct lease *l)
{
    p++;
    l->epoch = (int32_t)get_u32be(p);
    l->lease_id = (int64_t)get_u64be(p + 4);
    l->worker_id = (int64_t)get_u64be(p + 12);
    l->job_id = (int64_t)get_u64be(p + 20);
    l->task = get_u32be(p + 28);
    l->attempt = get_u32be(p + 32);
    l->granted_us = (int64_t)get_u64be(p + 36);
    l->deadline_us = (int64_t)get_u64be(p + 44);
    l->n_items = get_u32be(p + 52);
}

static int get_items(const uint8_t *p, size_t len, struct lease *l)
{
    if (l->n_items > len / SHORT_LEN)
        return -1;
    l->items = calloc(l->n_items ? l->n_items : 1, sizeof(*l->items));
    if (!l->items)
        return -1;
    for (uint32_t i = 0; i < l->n_items; i++) {
        struct lease_item *it = &l->items[i];
        size_t size = len && *p ? FULL_LEN : SHORT_LEN;

        if (len < size)
            return -1;
        if (size == FULL_LEN) {
            it->check_id = (int64_t)get_u64be(p + 1);
            it->job_id = (int64_t)get_u64be(p + 9);
            it->task = get_u32be(p + 17);
            it->item = get_u32be(p + 21);
        } else {
            it->job_id = l->job_id;
            it->task = l->task;
            it->item = get_u32be(p + 1);
        }
        p += size;
        len -= size;
    }
    return len == 0 ? 0 : -1;
}

int token_open(const struct ctl *c, const char *text, struct lease *out,
               struct error *err)
{
    uint8_t *box = NULL, *plain;
    size_t len;
    int n = -1, rc = -1;

    memset(out, 0, sizeof(*out));
    if (base64_decode(text, strlen(text), &box, &len) == 0 &&
        len >= SEAL_OVERHEAD + HEAD_LEN) {
        plain = box + SEAL_NONCE;
        n = unseal(c->seal_key, box, len, plain);
        if (n >= HEAD_LEN && plain[0] == 1) {
            get_head(plain, out);
            rc = get_items(plain + HEAD_LEN, (size_t)n - HEAD_LEN, out);
        }
    }
    free(box);
    if (rc < 0) {
        token_clear(out);
        return error_set(err, EBADMSG, "token was not made by this cell");
    }
    return 0;
}

void token_clear(struct lease *l)
{
    free(l->items);
    l->items = NULL;
}
