/* SPDX-License-Identifier: Apache-2.0 */
/* fallow-ledger.c - read the ledger: audit, statements, journal, chain
 *
 * Reads and never writes, but for `close` and `witness`, which go through the
 * ledger's own functions.  Works without a controller, on any copy of the
 * database.  Exit status: 0 clean, 1 something is broken, 2 could not tell.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/report.h"
#include "accounting/store_impl.h"

static const char usage_text[] =
    "usage: fallow-ledger [--db CONNINFO] COMMAND [OPTION]...\n"
    "  audit           every invariant; exit 1 if one is broken\n"
    "      --head BATCH:HASH   a chain head you hold must be in it\n"
    "  verify-chain    compute the hash chain again\n"
    "  statement       what an owner earned (--party)\n"
    "  invoice         what a customer's jobs cost (--party)\n"
    "  tonight         an owner's morning line (--party)\n"
    "      --watts W --price-kwh P   for the estimate of electricity\n"
    "  balance         accounts of a party (--party)\n"
    "  trial-balance   all accounts\n"
    "  journal         every transfer, for hledger\n"
    "  witness         keep --head, as seen by --name\n"
    "  close           close --period YYYYMM\n"
    "options: --party N, --since-us T, --until-us T, --json,\n"
    "         --format text|json; CONNINFO defaults to $FALLOW_DB\n";

struct options {
    const char *db, *name, *period;
    struct report_ask ask;
};

enum {
    OPT_DB = 256,
    OPT_PARTY,
    OPT_FORMAT,
    OPT_JSON,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_WATTS,
    OPT_PRICE,
    OPT_HEAD,
    OPT_NAME,
    OPT_PERIOD,
};

static const struct option long_options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"party", required_argument, NULL, OPT_PARTY},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"json", no_argument, NULL, OPT_JSON},
    {"since-us", required_argument, NULL, OPT_SINCE},
    {"until-us", required_argument, NULL, OPT_UNTIL},
    {"watts", required_argument, NULL, OPT_WATTS},
    {"price-kwh", required_argument, NULL, OPT_PRICE},
    {"head", required_argument, NULL, OPT_HEAD},
    {"name", required_argument, NULL, OPT_NAME},
    {"period", required_argument, NULL, OPT_PERIOD},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* A decimal number with up to digits after the point, times 10^digits. */
static int parse_scaled(const char *s, int digits, int64_t *out)
{
    int64_t v = 0;
    int after = -1;

    if (!*s)
        return -1;
    for (; *s; s++) {
        if (*s == '.' && after < 0) {
            after = 0;
            continue;
        }
        if (*s < '0' || *s > '9' || after == digits || v > (INT64_MAX - 9) / 10)
            return -1;
        v = v * 10 + (*s - '0');
        if (after >= 0)
            after++;
    }
    for (after = after < 0 ? 0 : after; after < digits; after++)
        if (__builtin_mul_overflow(v, 10, &v))
            return -1;
    *out = v;
    return 0;
}

static int bad_number(const char *what, const char *value)
{
    fprintf(stderr, "fallow-ledger: %s \"%s\" is not a number it can use\n",
            what, value);
    return -1;
}

static int take_number(int opt, struct report_ask *a)
{
    static const struct {
        int opt, digits;
        const char *what;
    } numbers[] = {{OPT_PARTY, 0, "party"},
                   {OPT_SINCE, 0, "time"},
                   {OPT_UNTIL, 0, "time"},
                   {OPT_WATTS, 3, "watts"},
                   {OPT_PRICE, 6, "price"}};
    int64_t *to[] = {&a->party_id, &a->since_us, &a->until_us, &a->milliwatts,
                     &a->price_kwh};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i].opt == opt)
            return parse_scaled(optarg, numbers[i].digits, to[i]) < 0
                       ? bad_number(numbers[i].what, optarg)
                       : 0;
    return -1;
}

/* 0 to go on, 1 after --help, -1 on error. */
static int take_options(int argc, char **argv, struct options *o)
{
    int c;

    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_DB: o->db = optarg; break;
        case OPT_FORMAT: o->ask.format = optarg; break;
        case OPT_JSON: o->ask.format = "json"; break;
        case OPT_HEAD: o->ask.head = optarg; break;
        case OPT_NAME: o->name = optarg; break;
        case OPT_PERIOD: o->period = optarg; break;
        case 'h': fputs(usage_text, stdout); return 1;
        default:
            if (take_number(c, &o->ask) < 0)
                return -1;
        }
    }
    return 0;
}

/* witness and close: one of the ledger's own functions, with two texts. */
static int change(PGconn *conn, const char *sql, const char *a, const char *b,
                  const char *c)
{
    const char *values[] = {a, b, c};
    PGresult *res;
    struct error err;
    int n = c ? 3 : b ? 2 : 1, rc = 0;

    if (!a) {
        fprintf(stderr, "fallow-ledger: close needs --period YYYYMM\n");
        return 2;
    }
    res = PQexecParams(conn, sql, n, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        store_pg_error(&err, conn, res, "could not change the ledger");
        fprintf(stderr, "fallow-ledger: %s\n", err.text);
        rc = 2;
    }
    PQclear(res);
    return rc;
}

static int witness(PGconn *conn, const struct options *o)
{
    char no[32] = "", hash[DIGEST_HEX_LEN + 3] = "\\x";
    struct digest d;
    const char *colon = o->ask.head ? strchr(o->ask.head, ':') : NULL;

    if (!colon || !o->name || digest_from_hex(colon + 1, &d) < 0 ||
        (size_t)(colon - o->ask.head) >= sizeof(no)) {
        fprintf(stderr, "fallow-ledger: witness needs --head BATCH:HASH and "
                        "--name\n");
        return 2;
    }
    memcpy(no, o->ask.head, (size_t)(colon - o->ask.head));
    digest_to_hex(&d, hash + 2);
    return change(conn, "SELECT acct.add_witness($1::bigint, $2::bytea, $3)",
                  no, hash, o->name);
}

static int report(PGconn *conn, const struct options *o)
{
    struct error err;
    char *text = NULL;
    int broken = 0;

    if (report_make(conn, &o->ask, &text, &broken, &err) < 0) {
        fprintf(stderr, "fallow-ledger: %s\n", err.text);
        return 2;
    }
    fputs(text, stdout);
    free(text);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fallow-ledger: could not write: %s\n",
                strerror(errno));
        return 2;
    }
    return broken ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options o = {
        .db = getenv("FALLOW_DB"),
        .ask = {.format = "text", .milliwatts = 65000, .price_kwh = 170000}};
    struct error err;
    PGconn *conn;
    int rc = take_options(argc, argv, &o);

    if (rc != 0)
        return rc > 0 ? 0 : 2;
    if (optind + 1 != argc) {
        fputs(usage_text, stderr);
        return 2;
    }
    o.ask.kind = argv[optind];
    if (!o.db || !*o.db) {
        fprintf(stderr, "fallow-ledger: no database: give --db or set "
                        "FALLOW_DB\n");
        return 2;
    }
    conn = store_connect(o.db, &err);
    if (!conn) {
        fprintf(stderr, "fallow-ledger: %s\n", err.text);
        return 2;
    }
    if (strcmp(o.ask.kind, "witness") == 0)
        rc = witness(conn, &o);
    else if (strcmp(o.ask.kind, "close") == 0)
        rc = change(conn, "SELECT acct.close_period($1::int)", o.period, NULL,
                    NULL);
    else
        rc = report(conn, &o);
    PQfinish(conn);
    return rc;
}
