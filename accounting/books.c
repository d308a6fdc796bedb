/* SPDX-License-Identifier: Apache-2.0 */
/* books.c - the whole ledger: trial balance, journal, and the chain again */
#include "accounting/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/money.h"
#include "accounting/store_impl.h"
#include "common/bytes.h"

/* ---- trial balance ----------------------------------------------------- */

static const char trial_sql[] =
    "SELECT p.name AS account, a.party_id, q.name AS party, a.unit,"
    " greatest(b.bal, 0)::bigint AS debit, greatest(-b.bal, 0)::bigint"
    " AS credit, b.entries FROM acct.account a"
    " JOIN acct.balance b USING (account_id)"
    " JOIN acct.purpose p USING (purpose)"
    " JOIN cell.party q USING (party_id)"
    " ORDER BY a.unit, a.purpose, a.party_id";

static json_t *trial_build(PGconn *conn, const struct report_ask *ask,
                           struct error *err)
{
    json_t *rows = report_rows(conn, trial_sql, NULL, 0, err);

    (void)ask;
    return rows ? json_pack("{s:s,s:o}", "document", "trial-balance",
                            "accounts", rows)
                : NULL;
}

static void print_sum(FILE *out, const char *unit, int64_t debit,
                      int64_t credit)
{
    char d[MONEY_LEN], c[MONEY_LEN];

    fprintf(out, "%-12s %-24s %-5s %18s %18s%s\n", "", "sum", unit,
            micro_text(debit, d), micro_text(credit, c),
            debit == credit ? "" : " DOES NOT BALANCE");
}

static void trial_print(FILE *out, const json_t *doc)
{
    const char *unit = NULL;
    int64_t debit = 0, credit = 0;
    char d[MONEY_LEN], c[MONEY_LEN];
    const json_t *o;
    size_t i;

    fprintf(out, "%-12s %-24s %-5s %18s %18s\n", "account", "party", "unit",
            "debit", "credit");
    json_array_foreach(json_object_get(doc, "accounts"), i, o)
    {
        if (unit && strcmp(unit, report_str(o, "unit")) != 0) {
            print_sum(out, unit, debit, credit);
            debit = credit = 0;
        }
        unit = report_str(o, "unit");
        debit += report_int(o, "debit");
        credit += report_int(o, "credit");
        fprintf(out, "%-12s %-6" PRId64 " %-17.17s %-5s %18s %18s\n",
                report_str(o, "account"), report_int(o, "party_id"),
                report_str(o, "party"), unit,
                micro_text(report_int(o, "debit"), d),
                micro_text(report_int(o, "credit"), c));
    }
    if (unit)
        print_sum(out, unit, debit, credit);
}

const struct report_kind report_trial_balance = {"trial-balance", false,
                                                 trial_build, trial_print};

/* ---- journal ----------------------------------------------------------- */

static const char journal_sql[] =
    "SELECT l.seq, (date '1970-01-01' + (l.event_us / 86400000000)::int)::text"
    " AS day, e.name AS kind, l.ref, d.name AS dr, l.dr_party, c.name AS cr,"
    " l.cr_party, l.unit, l.amount::bigint FROM audit.leg l"
    " JOIN acct.purpose d ON d.purpose = l.dr_purpose"
    " JOIN acct.purpose c ON c.purpose = l.cr_purpose"
    " LEFT JOIN acct.edge e"
    "  ON (e.kind, e.dr, e.cr) = (l.kind, l.dr_purpose, l.cr_purpose)"
    " ORDER BY l.event_us / 86400000000, l.seq";

static json_t *journal_build(PGconn *conn, const struct report_ask *ask,
                             struct error *err)
{
    json_t *rows = report_rows(conn, journal_sql, NULL, 0, err), *doc, *acct;

    (void)ask;
    if (!rows)
        return NULL;
    acct = report_rows(conn, trial_sql, NULL, 0, err);
    doc = acct ? json_pack("{s:s,s:O,s:o}", "document", "journal", "transfers",
                           rows, "accounts", acct)
               : NULL;
    json_decref(rows);
    return doc;
}

static void print_declarations(FILE *out, const json_t *accounts)
{
    const char *unit = "";
    const json_t *o;
    size_t i;

    json_array_foreach(accounts, i, o)
    {
        fprintf(out, "account %s:%" PRId64 "\n", report_str(o, "account"),
                report_int(o, "party_id"));
        if (strcmp(unit, report_str(o, "unit")) != 0)
            fprintf(out, "commodity %s 1000.000000\n", report_str(o, "unit"));
        unit = report_str(o, "unit");
    }
    fputc('\n', out);
}

/* A transaction a transfer; at the end every balance is asserted, so that
 * hledger, which knows nothing of us, agrees or says where it does not.
 */
static void journal_print(FILE *out, const json_t *doc)
{
    const json_t *h = json_object_get(doc, "head"), *o;
    const char *day = "1970-01-01";
    char m[MONEY_LEN];
    size_t i;

    fprintf(out, "; chain head: batch %" PRId64 " %s\n", report_int(h, "batch"),
            report_str(h, "hash"));
    print_declarations(out, json_object_get(doc, "accounts"));
    json_array_foreach(json_object_get(doc, "transfers"), i, o)
    {
        day = report_str(o, "day");
        fprintf(out,
                "%s %s  ; seq:%" PRId64 ", ref:%" PRId64 "\n    %s:%" PRId64
                "  %s %s\n",
                day, report_str(o, "kind"), report_int(o, "seq"),
                report_int(o, "ref"), report_str(o, "dr"),
                report_int(o, "dr_party"), report_str(o, "unit"),
                micro_text(report_int(o, "amount"), m));
        fprintf(out, "    %s:%" PRId64 "  %s -%s\n\n", report_str(o, "cr"),
                report_int(o, "cr_party"), report_str(o, "unit"), m);
    }
    fprintf(out, "%s balances\n", day);
    json_array_foreach(json_object_get(doc, "accounts"), i, o) fprintf(
        out, "    %s:%" PRId64 "  %s 0 = %s %s\n", report_str(o, "account"),
        report_int(o, "party_id"), report_str(o, "unit"), report_str(o, "unit"),
        micro_text(report_int(o, "debit") - report_int(o, "credit"), m));
}

const struct report_kind report_journal = {"journal", false, journal_build,
                                           journal_print};

/* ---- the chain --------------------------------------------------------- */

/* Batches, their lines and their transfers in the order they are hashed. */
static const char chain_sql[] =
    "SELECT batch_no, 0 AS what, 0::bigint AS key, first_seq, n::bigint,"
    " n_lines::bigint, posted_us, 0::bigint, 0::bigint, 0::bigint, 0::bigint,"
    " 0::bigint, 0::bigint, 0::bigint, 0::bigint, NULL::uuid, NULL::text,"
    " prev_hash, hash FROM acct.batch"
    " UNION ALL SELECT batch_no, 1, billing_id, coalesce(window_id, 0),"
    " coalesce(job_id, 0), owner, customer, purpose::bigint,"
    " coalesce(tariff_id, 0), tasks, items, units, credit_micro::bigint,"
    " amount::bigint, fee::bigint, NULL,"
    " busy_us::text || ' ' || at_us::text, NULL, NULL FROM acct.billing"
    " UNION ALL SELECT batch_no, 2, seq, kind::bigint, dr_party,"
    " dr_purpose::bigint, cr_party, cr_purpose::bigint, amount::bigint, ref,"
    " event_us, period_id::bigint, 0, 0, 0, transfer_id, unit, NULL, NULL"
    " FROM audit.leg ORDER BY 1, 2, 3";

struct chain {
    struct sha256 *sha;
    struct digest prev, want;
    int64_t batch, batches, transfers, lines, first_bad;
    bool open;
    int broken;
};

static void feed(struct chain *c, int64_t v, size_t bytes)
{
    uint8_t b[8];

    put_u64be(b, (uint64_t)v);
    sha256_update(c->sha, b + 8 - bytes, bytes);
}

/* The batch is complete: what it hashes to must be what it says. */
static void chain_close(struct chain *c)
{
    struct digest got;

    if (!c->open)
        return;
    sha256_final(c->sha, &got);
    if (!digest_equal(&got, &c->want)) {
        if (!c->broken++)
            c->first_bad = c->batch;
    }
    c->prev = c->want;
    c->open = false;
}

static void chain_batch(struct chain *c, const PGresult *res)
{
    static const char genesis[] = "fallow-ledger-v1";
    int prev_len = PQgetlength(res, 0, 17);
    const char *prev = PQgetvalue(res, 0, 17);

    chain_close(c);
    c->batch = pg_int(res, 0, 0);
    c->batches++;
    if (PQgetlength(res, 0, 18) == DIGEST_LEN)
        memcpy(&c->want, PQgetvalue(res, 0, 18), DIGEST_LEN);
    c->open = true;
    if (c->batch == 0) {
        sha256_update(c->sha, genesis, strlen(genesis));
        return;
    }
    if ((prev_len != DIGEST_LEN || memcmp(prev, &c->prev, DIGEST_LEN)) &&
        !c->broken++)
        c->first_bad = c->batch;
    sha256_update(c->sha, &c->prev, DIGEST_LEN);
    feed(c, c->batch, 8);
    feed(c, pg_int(res, 0, 3), 8);
    feed(c, pg_int(res, 0, 4), 4);
    feed(c, pg_int(res, 0, 5), 4);
    feed(c, pg_int(res, 0, 6), 8);
}

static void chain_line(struct chain *c, const PGresult *res)
{
    char *end;

    c->lines++;
    for (int k = 2; k <= 14; k++)
        feed(c, pg_int(res, 0, k), k == 7 ? 2 : 8);
    feed(c, strtoll(PQgetvalue(res, 0, 16), &end, 10), 8);
    feed(c, strtoll(end, NULL, 10), 8);
}

static void chain_transfer(struct chain *c, const PGresult *res)
{
    char unit[9];

    c->transfers++;
    snprintf(unit, sizeof(unit), "%-8s", PQgetvalue(res, 0, 16));
    feed(c, pg_int(res, 0, 2), 8);
    sha256_update(c->sha, PQgetvalue(res, 0, 15), 16);
    feed(c, pg_int(res, 0, 3), 2);
    feed(c, pg_int(res, 0, 4), 8);
    feed(c, pg_int(res, 0, 5), 2);
    feed(c, pg_int(res, 0, 6), 8);
    feed(c, pg_int(res, 0, 7), 2);
    sha256_update(c->sha, unit, 8);
    feed(c, pg_int(res, 0, 8), 8);
    feed(c, pg_int(res, 0, 9), 8);
    feed(c, pg_int(res, 0, 10), 8);
    feed(c, pg_int(res, 0, 11), 4);
}

static int chain_run(PGconn *conn, struct chain *c, struct error *err)
{
    PGresult *res;
    int rc = 0;

    if (!PQsendQueryParams(conn, chain_sql, 0, NULL, NULL, NULL, NULL, 1) ||
        !PQsetSingleRowMode(conn))
        return store_pg_error(err, conn, NULL, "could not read the chain");
    while ((res = PQgetResult(conn))) {
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
            switch (pg_int(res, 0, 1)) {
            case 0: chain_batch(c, res); break;
            case 1: chain_line(c, res); break;
            default: chain_transfer(c, res); break;
            }
        } else if (PQresultStatus(res) != PGRES_TUPLES_OK && rc == 0) {
            rc = store_pg_error(err, conn, res, "could not read the chain");
        }
        PQclear(res);
    }
    chain_close(c);
    return rc;
}

static json_t *chain_build(PGconn *conn, const struct report_ask *ask,
                           struct error *err)
{
    struct chain c = {.sha = sha256_create(), .first_bad = -1};
    int rc;

    (void)ask;
    if (!c.sha) {
        error_set(err, ENOMEM, "out of memory");
        return NULL;
    }
    rc = chain_run(conn, &c, err);
    sha256_destroy(c.sha);
    if (rc < 0)
        return NULL;
    return json_pack("{s:s,s:I,s:I,s:I,s:i,s:I}", "document", "verify-chain",
                     "batches", (json_int_t)c.batches, "transfers",
                     (json_int_t)c.transfers, "lines", (json_int_t)c.lines,
                     "broken", c.broken, "first_bad", (json_int_t)c.first_bad);
}

static void chain_print(FILE *out, const json_t *doc)
{
    fprintf(out,
            "chain: %" PRId64 " batches, %" PRId64 " transfers, %" PRId64
            " lines, %" PRId64 " broken",
            report_int(doc, "batches"), report_int(doc, "transfers"),
            report_int(doc, "lines"), report_int(doc, "broken"));
    if (report_int(doc, "broken"))
        fprintf(out, ", first at batch %" PRId64, report_int(doc, "first_bad"));
    fputc('\n', out);
}

const struct report_kind report_chain = {"verify-chain", false, chain_build,
                                         chain_print};
