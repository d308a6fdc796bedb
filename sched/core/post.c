/* SPDX-License-Identifier: Apache-2.0 */
/* post.c - postings and the balances they leave (doc/8-ledger.md)
 *
 * Balances are kept on their natural side.  A posting that would breach a
 * floor is a bug of the core: the store refuses it, and so does the assertion.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct bal *bal_find(const struct party *p, uint8_t purpose,
                            const char *unit)
{
    for (uint32_t i = 0; i < p->n_bals; i++)
        if (p->bals[i].purpose == purpose && !strcmp(p->bals[i].unit, unit))
            return &p->bals[i];
    return NULL;
}

struct bal *bal_get(struct cell *c, struct party *p, uint8_t purpose,
                    const char *unit)
{
    struct bal *b = bal_find(p, purpose, unit);

    if (b)
        return b;
    b = realloc(p->bals, (p->n_bals + 1) * sizeof(*b));
    if (!b)
        core_oom(c);
    p->bals = b;
    b += p->n_bals++;
    memset(b, 0, sizeof(*b));
    b->purpose = purpose;
    memccpy(b->unit, unit, 0, sizeof(b->unit) - 1);
    return b;
}

int64_t bal_amount(const struct party *p, uint8_t purpose, const char *unit)
{
    const struct bal *b = bal_find(p, purpose, unit);

    return b ? b->amount : 0;
}

static void move(struct cell *c, struct leg side, const char *unit,
                 int64_t debit)
{
    struct bal *b = bal_get(c, side.party, side.purpose, unit);

    b->amount += purpose_is_debit(side.purpose) ? debit : -debit;
    assert(!purpose_has_floor(side.purpose) || b->amount >= 0);
}

void post(struct cell *c, uint8_t kind, struct leg dr, struct leg cr,
          const char *unit, int64_t amount, int64_t ref, uint32_t leg,
          uint64_t serial)
{
    struct rec_transfer *t;

    assert(amount >= 0);
    if (amount == 0)
        return;
    t = &emit(c, REC_TRANSFER)->transfer;
    t->kind = kind;
    t->dr_party = dr.party->r.party_id;
    t->dr_purpose = dr.purpose;
    t->cr_party = cr.party->r.party_id;
    t->cr_purpose = cr.purpose;
    memccpy(t->unit, unit, 0, sizeof(t->unit) - 1);
    t->amount = amount;
    t->ref = ref;
    t->event_us = c->now_us;
    transfer_make_id(t, leg, serial);
    move(c, cr, unit, -amount);
    move(c, dr, unit, amount);
}

void price_of(const struct job *j, int64_t units, struct price *out)
{
    *out = (struct price){0, 0, 0};
    if (j->tariff) /* the quote of the whole did not overflow */
        tariff_price(j->tariff, units, out, NULL);
}

void due_add(struct cell *c, struct window *w, int64_t amount)
{
    struct benef *b = w->party->benef;
    const struct benef *customer = w->job->customer->benef;
    struct due *d;

    if (amount == 0)
        return; /* too little to price */
    for (uint32_t i = 0; i < b->n_dues; i++)
        if (b->dues[i].customer == customer) {
            b->dues[i].amount += amount;
            assert(b->dues[i].amount >= 0);
            if (b->dues[i].amount == 0)
                b->dues[i] = b->dues[--b->n_dues];
            return;
        }
    assert(amount > 0);
    d = realloc(b->dues, (b->n_dues + 1) * sizeof(*d));
    if (!d)
        core_oom(c);
    b->dues = d;
    d[b->n_dues++] = (struct due){customer, amount};
}

void due_recount(struct cell *c)
{
    for (size_t i = 0; i < c->benefs.cap; i++) {
        struct benef *b = map_at(&c->benefs, i);

        if (b)
            b->n_dues = 0;
    }
    for (size_t i = 0; i < c->windows.cap; i++) {
        struct window *w = map_at(&c->windows, i);

        if (w && w->r.state <= WINDOW_CHECKING)
            due_add(c, w, w->r.amount);
    }
}
