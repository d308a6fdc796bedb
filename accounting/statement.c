/* SPDX-License-Identifier: Apache-2.0 */
/* statement.c - what owners earned and what customers owe
 *
 * An owner's money is in one of three states that add up to his gross: escrow
 * (committed, not yet verified), verified (payable or held) and paid (settled
 * or spent here).  The fee is the customer's and is no part of it.
 */
#include "accounting/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/money.h"

#define HOURS_8_US INT64_C(28800000000)

#define TARIFF_COLS                                                            \
    " t.tariff_id, t.kernel, t.zone, t.unit, t.credit_unit,"                   \
    " t.price_micro::bigint, t.rate_num, t.rate_den, t.fee_ppm"

/* Lines of an owner by purpose and tariff; a check fee counts against him. */
static const char earned_sql[] =
    "SELECT b.purpose::bigint," TARIFF_COLS ", count(*) AS lines,"
    " sum(b.tasks)::bigint AS tasks, sum(b.items)::bigint AS items,"
    " sum(b.units)::bigint AS units,"
    " sum(b.credit_micro)::bigint AS credit_micro,"
    " sum(CASE b.purpose WHEN 3 THEN -b.amount ELSE b.amount END)::bigint"
    " AS amount, sum(b.busy_us)::bigint AS busy_us,"
    " min(b.billing_id) AS first_line, max(b.billing_id) AS last_line"
    " FROM acct.billing b LEFT JOIN acct.tariff t USING (tariff_id)"
    " WHERE b.owner = $1::bigint AND b.at_us >= $2::bigint"
    " AND b.at_us < $3::bigint"
    " GROUP BY b.purpose, t.tariff_id ORDER BY t.tariff_id, b.purpose";

/* Where an owner's money is, a row a fiat unit, over all time. */
static const char states_sql[] =
    "SELECT u.code AS unit,"
    " coalesce((SELECT sum(amount) FROM audit.standing s WHERE s.party_id = $1"
    "  AND s.unit = u.code AND s.purpose = 4), 0)::bigint AS escrow,"
    " coalesce((SELECT sum(amount) FROM audit.standing s WHERE s.party_id = $1"
    "  AND s.unit = u.code AND s.purpose IN (5, 6)), 0)::bigint AS verified,"
    " coalesce((SELECT sum(l.amount) FROM audit.leg l WHERE l.dr_party = $1"
    "  AND l.unit = u.code AND l.kind IN (8, 14) AND l.dr_purpose = 6), 0)"
    "  ::bigint AS paid,"
    " coalesce((SELECT sum(CASE b.purpose WHEN 3 THEN -b.amount"
    "  ELSE b.amount END) FROM acct.billing b JOIN acct.tariff t"
    "  USING (tariff_id) WHERE b.owner = $1 AND t.unit = u.code), 0)::bigint"
    " AS billed"
    " FROM acct.unit u WHERE u.kind = 'fiat'"
    " AND u.code IN (SELECT unit FROM acct.account WHERE party_id = $1::bigint"
    "  AND purpose IN (4, 5, 6)) ORDER BY u.code";

static const char open_sql[] =
    "SELECT count(*) AS windows, coalesce(sum(tasks), 0)::bigint AS tasks,"
    " coalesce(sum(units), 0)::bigint AS units FROM cell.work_window"
    " WHERE party_id = $1::bigint AND state IN (1, 2)";

static json_t *period(const struct report_ask *ask)
{
    return json_pack("{s:I,s:I}", "since_us", (json_int_t)ask->since_us,
                     "until_us", (json_int_t)ask->until_us);
}

/* {name: rows, …}: put rows, and give up the document when there are none. */
static json_t *with(json_t *doc, const char *name, json_t *rows)
{
    if (doc && rows && json_object_set_new(doc, name, rows) == 0)
        return doc;
    json_decref(doc);
    return NULL;
}

static void add_gross(json_t *states)
{
    json_t *o;
    size_t i;

    json_array_foreach(states, i, o) json_object_set_new(
        o, "gross",
        json_integer(report_int(o, "billed") + report_int(o, "escrow")));
}

static json_t *statement_build(PGconn *conn, const struct report_ask *ask,
                               struct error *err)
{
    const int64_t v[] = {ask->party_id, ask->since_us, ask->until_us};
    json_t *party = report_party(conn, ask->party_id, err), *doc;

    if (!party)
        return NULL;
    doc = json_pack("{s:s,s:o,s:o}", "document", "statement", "owner", party,
                    "period", period(ask));
    doc = with(doc, "lines", report_rows(conn, earned_sql, v, 3, err));
    doc = with(doc, "states", report_rows(conn, states_sql, v, 1, err));
    doc = with(doc, "unverified", report_rows(conn, open_sql, v, 1, err));
    if (doc)
        add_gross(json_object_get(doc, "states"));
    return doc;
}

static void print_period(FILE *out, const json_t *doc)
{
    const json_t *p = json_object_get(doc, "period");
    int64_t since = report_int(p, "since_us"),
            until = report_int(p, "until_us");
    char a[32], b[32];

    fprintf(out, "period      %s to %s\n",
            since > 0 ? report_time(since, a) : "the beginning",
            until < INT64_MAX ? report_time(until, b) : "now");
}

static void print_tariff(FILE *out, const json_t *o)
{
    char price[MONEY_LEN];

    if (json_is_null(json_object_get(o, "tariff_id")))
        return;
    fprintf(out,
            "  tariff %" PRId64 ": %s %s a %s; %" PRId64 "/%" PRId64
            " micro-%s a unit\n",
            report_int(o, "tariff_id"),
            micro_text(report_int(o, "price_micro"), price),
            report_str(o, "unit"), report_str(o, "credit_unit"),
            report_int(o, "rate_num"), report_int(o, "rate_den"),
            report_str(o, "credit_unit"));
}

static const char *purpose_words(int64_t purpose)
{
    switch (purpose) {
    case 1: return "work";
    case 2: return "checks answered";
    default: return "checks charged";
    }
}

static void print_states(FILE *out, const json_t *doc)
{
    const json_t *o;
    char e[MONEY_LEN], v[MONEY_LEN], p[MONEY_LEN], g[MONEY_LEN];
    size_t i;

    json_array_foreach(json_object_get(doc, "states"), i, o)
    {
        const char *unit = report_str(o, "unit");
        int64_t sum = report_int(o, "escrow") + report_int(o, "verified") +
                      report_int(o, "paid");

        fprintf(out, "escrow %s | verified %s | paid %s\n",
                money_text(report_int(o, "escrow"), unit, e),
                money_text(report_int(o, "verified"), unit, v),
                money_text(report_int(o, "paid"), unit, p));
        fprintf(out, "gross %s %s since the beginning%s\n",
                micro_text(report_int(o, "gross"), g), unit,
                sum == report_int(o, "gross") ? "" : " DOES NOT ADD UP");
    }
}

static void statement_print(FILE *out, const json_t *doc)
{
    const json_t *who = json_object_get(doc, "owner"), *o;
    const json_t *open = json_array_get(json_object_get(doc, "unverified"), 0);
    char money[MONEY_LEN], credit[MONEY_LEN];
    int64_t last = -1;
    size_t i;

    fprintf(out, "Statement of earnings\nowner       %" PRId64 " %s\n",
            report_int(who, "party_id"), report_str(who, "name"));
    print_period(out, doc);
    fprintf(out, "%-12s %-16s %9s %9s %18s %14s %14s\n", "kernel", "what",
            "tasks", "items", "units", "credits", "amount");
    json_array_foreach(json_object_get(doc, "lines"), i, o)
    {
        const char *kernel = report_str(o, "kernel");

        fprintf(out,
                "%-12s %-16s %9" PRId64 " %9" PRId64 " %18" PRId64
                " %14s %14s\n",
                *kernel ? kernel : "own",
                purpose_words(report_int(o, "purpose")), report_int(o, "tasks"),
                report_int(o, "items"), report_int(o, "units"),
                micro_text(report_int(o, "credit_micro"), credit),
                micro_text(report_int(o, "amount"), money));
        if (report_int(o, "tariff_id") != last)
            print_tariff(out, o);
        last = report_int(o, "tariff_id");
    }
    fprintf(out, "not yet verified: %" PRId64 " tasks in %" PRId64 " windows\n",
            report_int(open, "tasks"), report_int(open, "windows"));
    print_states(out, doc);
}

const struct report_kind report_statement = {"statement", true, statement_build,
                                             statement_print};

/* ---- the morning line ------------------------------------------------- */

static const char tonight_sql[] =
    "SELECT t.unit, t.credit_unit,"
    " sum(b.credit_micro)::bigint AS credit_micro,"
    " sum(CASE b.purpose WHEN 3 THEN -b.amount ELSE b.amount END)::bigint"
    " AS amount, sum(b.busy_us)::bigint AS busy_us"
    " FROM acct.billing b JOIN acct.tariff t USING (tariff_id)"
    " WHERE b.owner = $1::bigint AND b.at_us >= $2::bigint"
    " AND b.at_us < $3::bigint GROUP BY 1, 2"
    " HAVING sum(b.credit_micro) > 0 ORDER BY credit_unit DESC, unit";

static json_t *tonight_build(PGconn *conn, const struct report_ask *ask,
                             struct error *err)
{
    const int64_t v[] = {ask->party_id, ask->since_us, ask->until_us};
    json_t *party = report_party(conn, ask->party_id, err), *doc, *o;
    int64_t busy = 0;
    size_t i;

    if (!party)
        return NULL;
    doc = json_pack("{s:s,s:o,s:o}", "document", "tonight", "owner", party,
                    "period", period(ask));
    doc = with(doc, "earned", report_rows(conn, tonight_sql, v, 3, err));
    doc = with(doc, "states", report_rows(conn, states_sql, v, 1, err));
    if (!doc)
        return NULL;
    json_array_foreach(json_object_get(doc, "earned"), i, o) busy +=
        report_int(o, "busy_us");
    return with(doc, "estimate",
                json_pack("{s:I,s:I,s:I,s:I}", "busy_us", (json_int_t)busy,
                          "milliwatts", (json_int_t)ask->milliwatts,
                          "price_kwh_micro", (json_int_t)ask->price_kwh,
                          "electricity_micro",
                          (json_int_t)energy_cost(busy, ask->milliwatts,
                                                  ask->price_kwh)));
}

/* "2.4 GPU credits and 1.0 CPU credits", scaled by num / den. */
static void print_credits(FILE *out, const json_t *earned, int64_t num,
                          int64_t den)
{
    char text[MONEY_LEN];
    const json_t *o;
    size_t i;

    if (json_array_size(earned) == 0)
        fputs(credits_text(0, "CPUC", text), out);
    json_array_foreach(earned, i, o)
        fprintf(out, "%s%s", i ? " and " : "",
                credits_text(muldiv(report_int(o, "credit_micro"), num, den),
                             report_str(o, "credit_unit"), text));
}

static void tonight_print(FILE *out, const json_t *doc)
{
    const json_t *earned = json_object_get(doc, "earned"), *o;
    const json_t *e = json_object_get(doc, "estimate");
    const char *unit = report_str(json_array_get(earned, 0), "unit");
    int64_t busy = report_int(e, "busy_us");
    char cost[MONEY_LEN], worth[MONEY_LEN];
    size_t i;

    unit = *unit ? unit : "USD";
    fputs("Tonight: earned ", out);
    print_credits(out, earned, 1, 1);
    fprintf(out, ", estimated %s electricity cost\n",
            money_text(report_int(e, "electricity_micro"), unit, cost));
    if (busy <= 0) {
        fputs("A night (8 h): nothing was measured yet to go by\n", out);
    } else {
        fputs("A night (8 h) of this: ", out);
        print_credits(out, earned, HOURS_8_US, busy);
        json_array_foreach(earned, i, o) fprintf(
            out, "%s%s", i ? " and " : " worth ",
            money_text(muldiv(report_int(o, "amount"), HOURS_8_US, busy),
                       report_str(o, "unit"), worth));
        fprintf(out, ", estimated %s electricity cost\n",
                money_text(energy_cost(HOURS_8_US, report_int(e, "milliwatts"),
                                       report_int(e, "price_kwh_micro")),
                           unit, cost));
    }
    json_array_foreach(json_object_get(doc, "states"), i, o)
    {
        char paid[MONEY_LEN];

        unit = report_str(o, "unit");
        fprintf(out, "escrow %s | verified %s | paid %s\n",
                money_text(report_int(o, "escrow"), unit, cost),
                money_text(report_int(o, "verified"), unit, worth),
                money_text(report_int(o, "paid"), unit, paid));
    }
}

const struct report_kind report_tonight = {"tonight", true, tonight_build,
                                           tonight_print};

/* ---- the customer's --------------------------------------------------- */

static const char invoice_sql[] =
    "SELECT j.job_id, j.name, j.kernel AS job_kernel, j.state::bigint,"
    " j.tasks, j.tasks_done," TARIFF_COLS ","
    " coalesce(b.items, 0)::bigint AS items,"
    " coalesce(b.units, 0)::bigint AS units,"
    " coalesce(b.credit_micro, 0)::bigint AS credit_micro,"
    " coalesce(b.amount, 0)::bigint AS amount,"
    " coalesce(b.fee, 0)::bigint AS fee,"
    " j.quote_amount::bigint, j.quote_fee::bigint, j.reserved::bigint,"
    " j.checked_items, j.caught_items"
    " FROM cell.job j LEFT JOIN acct.tariff t USING (tariff_id)"
    " LEFT JOIN (SELECT job_id, sum(items) items, sum(units) units,"
    "  sum(credit_micro) credit_micro, sum(amount) amount, sum(fee) fee"
    "  FROM acct.billing WHERE purpose = 1 AND customer = $1::bigint"
    "  GROUP BY job_id) b USING (job_id)"
    " WHERE j.party_id = $1 AND j.submitted_us >= $2::bigint"
    " AND j.submitted_us < $3::bigint ORDER BY j.job_id";

static const char account_sql[] =
    "SELECT p.name AS account, s.unit, s.amount::bigint FROM audit.standing s"
    " JOIN acct.purpose p USING (purpose) WHERE s.party_id = $1::bigint"
    " ORDER BY s.purpose, s.unit";

static json_t *invoice_build(PGconn *conn, const struct report_ask *ask,
                             struct error *err)
{
    const int64_t v[] = {ask->party_id, ask->since_us, ask->until_us};
    json_t *party = report_party(conn, ask->party_id, err), *doc;

    if (!party)
        return NULL;
    doc = json_pack("{s:s,s:o,s:o}", "document", "invoice", "customer", party,
                    "period", period(ask));
    doc = with(doc, "jobs", report_rows(conn, invoice_sql, v, 3, err));
    return with(doc, "accounts", report_rows(conn, account_sql, v, 1, err));
}

static void print_accounts(FILE *out, const json_t *doc)
{
    char money[MONEY_LEN];
    const json_t *o;
    size_t i;

    json_array_foreach(json_object_get(doc, "accounts"), i, o) fprintf(
        out, "%-11s %14s %s\n", report_str(o, "account"),
        micro_text(report_int(o, "amount"), money), report_str(o, "unit"));
}

static void invoice_print(FILE *out, const json_t *doc)
{
    const json_t *who = json_object_get(doc, "customer"), *o;
    char a[MONEY_LEN], f[MONEY_LEN];
    int64_t amount = 0, fee = 0, last = -1;
    const char *unit = "USD";
    size_t i;

    fprintf(out, "Invoice\ncustomer    %" PRId64 " %s\n",
            report_int(who, "party_id"), report_str(who, "name"));
    print_period(out, doc);
    fprintf(out, "%9s %-16s %-12s %9s %18s %14s %14s\n", "job", "name",
            "kernel", "tasks", "units", "amount", "fee");
    json_array_foreach(json_object_get(doc, "jobs"), i, o)
    {
        fprintf(out,
                "%9" PRId64 " %-16.16s %-12s %9" PRId64 " %18" PRId64
                " %14s %14s\n",
                report_int(o, "job_id"), report_str(o, "name"),
                report_str(o, "job_kernel"), report_int(o, "tasks_done"),
                report_int(o, "units"), micro_text(report_int(o, "amount"), a),
                micro_text(report_int(o, "fee"), f));
        if (report_int(o, "tariff_id") != last)
            print_tariff(out, o);
        last = report_int(o, "tariff_id");
        if (*report_str(o, "unit"))
            unit = report_str(o, "unit");
        amount += report_int(o, "amount");
        fee += report_int(o, "fee");
    }
    fprintf(out, "work %s + fee %s", micro_text(amount, a), micro_text(fee, f));
    fprintf(out, " = total %s %s", micro_text(amount + fee, a), unit);
    fprintf(out, ", %s\n", money_text(amount + fee, unit, a));
    print_accounts(out, doc);
}

const struct report_kind report_invoice = {"invoice", true, invoice_build,
                                           invoice_print};

static json_t *balance_build(PGconn *conn, const struct report_ask *ask,
                             struct error *err)
{
    json_t *party = report_party(conn, ask->party_id, err), *doc;

    if (!party)
        return NULL;
    doc = json_pack("{s:s,s:o}", "document", "balance", "party", party);
    return with(doc, "accounts",
                report_rows(conn, account_sql, &ask->party_id, 1, err));
}

static void balance_print(FILE *out, const json_t *doc)
{
    const json_t *who = json_object_get(doc, "party");

    fprintf(out, "party       %" PRId64 " %s\n", report_int(who, "party_id"),
            report_str(who, "name"));
    print_accounts(out, doc);
}

const struct report_kind report_balance = {"balance", true, balance_build,
                                           balance_print};
