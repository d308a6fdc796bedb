/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - documents made from the ledger, as text or JSON
 *
 * A document is built once as a JSON object and then printed either as it is
 * or as lines for people, so both say the same.  Amounts in JSON are integers
 * in micro-units.  Every document ends with the head of the chain it was made
 * from; all its numbers come from one snapshot.
 *
 *   audit          every invariant, and how many are broken
 *   statement      what an owner earned: escrow, verified, paid
 *   invoice        what a customer's jobs cost
 *   tonight        the morning line of an owner
 *   balance        the accounts of a party
 *   trial-balance  all accounts, debits and credits
 *   journal        every transfer, for hledger
 *   verify-chain   the hash chain, computed again outside of PostgreSQL
 */
#ifndef FALLOW_ACCOUNTING_REPORT_H
#define FALLOW_ACCOUNTING_REPORT_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/digest.h"
#include "common/error.h"

struct report_ask {
    const char *kind;
    const char *format;         /* "text" or "json" */
    int64_t party_id;           /* 0 where it does not apply */
    int64_t since_us, until_us; /* half open; until 0 = no end */
    int64_t milliwatts;         /* for the estimate of electricity */
    int64_t price_kwh;          /* micro-fiat */
    const char *head;           /* audit: "BATCH:HASH" the reader holds */
};

/* One kind of document: build makes the object, print writes it for people. */
struct report_kind {
    const char *name;
    bool needs_party;
    json_t *(*build)(PGconn *conn, const struct report_ask *ask,
                     struct error *err);
    void (*print)(FILE *out, const json_t *doc);
};

/* Make a document in one read-only snapshot.  *out is allocated; *broken (may
 * be NULL) is how many things in it are wrong: invariants, or batches of the
 * chain.  Returns 0, or -1 with errno EINVAL (no such kind or format), ENOENT
 * (no such party), or what the connection says.
 */
int report_make(PGconn *conn, const struct report_ask *ask, char **out,
                int *broken, struct error *err);

/* ---- for the makers of documents ----------------------------------- */

/* Rows of a query as an array of objects, a member a column: integers, text,
 * booleans; bytea as hex.  $1 … are the n int64 at v.  NULL with err filled.
 */
json_t *report_rows(PGconn *conn, const char *sql, const int64_t *v, int n,
                    struct error *err);

/* The party's row, or NULL with errno ENOENT. */
json_t *report_party(PGconn *conn, int64_t party_id, struct error *err);

/* Members of an object; 0 or "" where it is missing. */
int64_t report_int(const json_t *o, const char *name);
const char *report_str(const json_t *o, const char *name);

/* "2026-11-20 06:00:00 UTC", or "-" for 0. */
const char *report_time(int64_t us, char out[32]);

extern const struct report_kind report_audit, report_statement, report_invoice,
    report_tonight, report_balance, report_trial_balance, report_journal,
    report_chain;

#endif
