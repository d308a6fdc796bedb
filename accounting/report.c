/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - documents made from the ledger: what they share, and the audit */
#include "accounting/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accounting/store_impl.h"

static const struct report_kind *const kinds[] = {
    &report_audit,   &report_statement,     &report_invoice, &report_tonight,
    &report_balance, &report_trial_balance, &report_journal, &report_chain,
};

/* ---- rows ------------------------------------------------------------ */

static json_t *cell_value(const PGresult *res, int row, int col)
{
    const char *bytes = PQgetvalue(res, row, col);
    size_t len = (size_t)PQgetlength(res, row, col);
    char *hex;
    json_t *v;

    if (PQgetisnull(res, row, col))
        return json_null();
    switch (PQftype(res, col)) {
    case 16: return json_boolean(bytes[0] != 0);
    case 20:
    case 21:
    case 23: return json_integer((json_int_t)pg_int(res, row, col));
    case 17:
        hex = malloc(2 * len + 1);
        if (!hex)
            return NULL;
        for (size_t i = 0; i < len; i++)
            snprintf(hex + 2 * i, 3, "%02x", (uint8_t)bytes[i]);
        v = json_stringn(hex, 2 * len);
        free(hex);
        return v;
    default: return json_stringn(bytes, len);
    }
}

json_t *report_rows(PGconn *conn, const char *sql, const int64_t *v, int n,
                    struct error *err)
{
    struct params p = {0};
    PGresult *res = NULL;
    json_t *rows = json_array();

    for (int i = 0; i < n; i++)
        if (params_int(&p, v[i], 8) < 0)
            goto memory;
    if (!rows)
        goto memory;
    res = store_query(conn, sql, &p, err);
    if (!res)
        goto error;
    for (int i = 0; i < PQntuples(res); i++) {
        json_t *o = json_object();

        for (int k = 0; k < PQnfields(res); k++)
            if (json_object_set_new(o, PQfname(res, k), cell_value(res, i, k)) <
                0)
                goto memory;
        if (json_array_append_new(rows, o) < 0)
            goto memory;
    }
    PQclear(res);
    params_free(&p);
    return rows;
memory:
    error_set(err, ENOMEM, "out of memory");
error:
    PQclear(res);
    params_free(&p);
    json_decref(rows);
    return NULL;
}

int64_t report_int(const json_t *o, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(o, name));
}

const char *report_str(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

const char *report_time(int64_t us, char out[32])
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;

    if (us <= 0 || us > INT64_C(253402300799000000) || !gmtime_r(&t, &tm))
        snprintf(out, 32, "-");
    else
        strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return out;
}

json_t *report_party(PGconn *conn, int64_t party_id, struct error *err)
{
    json_t *rows = report_rows(conn,
                               "SELECT party_id, name, roles FROM cell.party"
                               " WHERE party_id = $1::bigint",
                               &party_id, 1, err);
    json_t *o = json_incref(json_array_get(rows, 0));

    if (rows && !o)
        error_set(err, ENOENT, "no such party: %" PRId64, party_id);
    json_decref(rows);
    return o;
}

/* ---- making ----------------------------------------------------------- */

static json_t *head(PGconn *conn, struct error *err)
{
    json_t *rows = report_rows(conn,
                               "SELECT batch_no AS batch, last_seq, hash"
                               " FROM acct.batch ORDER BY batch_no DESC"
                               " LIMIT 1",
                               NULL, 0, err);
    json_t *o = json_incref(json_array_get(rows, 0));

    json_decref(rows);
    return o;
}

static int command(PGconn *conn, const char *sql, struct error *err)
{
    PGresult *res = PQexec(conn, sql);
    int rc = 0;

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        rc = store_pg_error(err, conn, res, "could not read the ledger");
    PQclear(res);
    return rc;
}

static json_t *build(PGconn *conn, const struct report_kind *kind,
                     const struct report_ask *ask, struct error *err)
{
    json_t *doc, *h;

    if (command(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) <
        0)
        return NULL;
    doc = kind->build(conn, ask, err);
    h = doc ? head(conn, err) : NULL;
    if (doc && (!h || json_object_set_new(doc, "head", h) < 0)) {
        json_decref(doc);
        doc = NULL;
    }
    PQclear(PQexec(conn, "ROLLBACK"));
    return doc;
}

static int print(const struct report_kind *kind, const json_t *doc, bool json,
                 char **out, struct error *err)
{
    const json_t *h = json_object_get(doc, "head");
    size_t len;
    FILE *f = open_memstream(out, &len);

    if (!f)
        return error_set(err, ENOMEM, "out of memory");
    if (json) {
        json_dumpf(doc, f, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        fputc('\n', f);
    } else {
        kind->print(f, doc);
        if (kind != &report_audit && kind != &report_journal)
            fprintf(f, "chain head: batch %" PRId64 " %s\n",
                    report_int(h, "batch"), report_str(h, "hash"));
    }
    if (fclose(f) != 0)
        return error_set(err, ENOMEM, "out of memory");
    return 0;
}

static const struct report_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

int report_make(PGconn *conn, const struct report_ask *ask, char **out,
                int *broken, struct error *err)
{
    const struct report_kind *kind = find_kind(ask->kind);
    bool json = strcmp(ask->format, "json") == 0;
    struct report_ask a = *ask;
    json_t *doc;
    int rc;

    if (!kind)
        return error_set(err, EINVAL,
                         "no report \"%s\": there are audit, statement, "
                         "invoice, tonight, balance, trial-balance, journal "
                         "and verify-chain",
                         ask->kind);
    if (!json && strcmp(ask->format, "text") != 0)
        return error_set(err, EINVAL, "no format \"%s\": text or json",
                         ask->format);
    if (kind->needs_party && a.party_id <= 0)
        return error_set(err, EINVAL, "report %s needs a party", kind->name);
    if (a.until_us <= 0)
        a.until_us = INT64_MAX;
    doc = build(conn, kind, &a, err);
    if (!doc)
        return -1;
    if (broken)
        *broken = (int)report_int(doc, "broken");
    rc = print(kind, doc, json, out, err);
    json_decref(doc);
    return rc;
}

int store_report(struct store *s, const char *kind, const char *format,
                 int64_t party_id, int64_t since_us, int64_t until_us,
                 char **out, struct error *err)
{
    struct report_ask ask = {kind,     format,        party_id,     since_us,
                             until_us, s->milliwatts, s->price_kwh, NULL};
    PGconn *rd = store_reader(s, err);

    return rd ? report_make(rd, &ask, out, NULL, err) : -1;
}

void store_report_power(struct store *s, int64_t milliwatts, int64_t price_kwh)
{
    s->milliwatts = milliwatts;
    s->price_kwh = price_kwh;
}

/* ---- the audit -------------------------------------------------------- */

/* The head a reader holds must be in the chain: "BATCH:HASH". */
static int check_held(PGconn *conn, const char *held, json_t *list,
                      struct error *err)
{
    struct digest want;
    char *colon;
    int64_t no = strtoll(held, &colon, 10);
    char hex[DIGEST_HEX_LEN + 1];
    json_t *rows;
    int bad;

    if (colon == held || *colon != ':' || digest_from_hex(colon + 1, &want) < 0)
        return error_set(err, EINVAL, "head \"%s\" is not BATCH:HASH", held);
    rows = report_rows(conn,
                       "SELECT hash FROM acct.batch"
                       " WHERE batch_no = $1::bigint",
                       &no, 1, err);
    if (!rows)
        return -1;
    digest_to_hex(&want, hex);
    bad = strcmp(report_str(json_array_get(rows, 0), "hash"), hex) != 0;
    json_decref(rows);
    return json_array_append_new(
        list, json_pack("{s:s,s:s,s:i}", "id", "I99", "title",
                        "the head you hold is in the chain", "bad", bad));
}

static json_t *audit_build(PGconn *conn, const struct report_ask *ask,
                           struct error *err)
{
    json_t *list = report_rows(
        conn, "SELECT id, title, bad FROM audit.invariant ORDER BY id", NULL, 0,
        err);
    int broken = 0;
    json_t *o;
    size_t i;

    if (!list)
        return NULL;
    if (ask->head && check_held(conn, ask->head, list, err) < 0) {
        json_decref(list);
        return NULL;
    }
    json_array_foreach(list, i, o) broken += report_int(o, "bad") != 0;
    return json_pack("{s:o,s:i,s:i}", "invariants", list, "checked",
                     (int)json_array_size(list), "broken", broken);
}

static void audit_print(FILE *out, const json_t *doc)
{
    const json_t *h = json_object_get(doc, "head"), *o;
    size_t i;

    json_array_foreach(json_object_get(doc, "invariants"), i, o)
    {
        int64_t bad = report_int(o, "bad");

        if (bad)
            fprintf(out, "BROKEN %s %s: %" PRId64 " rows\n",
                    report_str(o, "id"), report_str(o, "title"), bad);
        else
            fprintf(out, "ok %s %s\n", report_str(o, "id"),
                    report_str(o, "title"));
    }
    fprintf(out, "chain head: batch %" PRId64 " %s\n", report_int(h, "batch"),
            report_str(h, "hash"));
    fprintf(out, "audit: %" PRId64 " invariants, %" PRId64 " broken\n",
            report_int(doc, "checked"), report_int(doc, "broken"));
}

const struct report_kind report_audit = {"audit", false, audit_build,
                                         audit_print};
