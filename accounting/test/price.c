/* SPDX-License-Identifier: Apache-2.0 */
/* price.c - the database prices as C does, and paper says what is stored */
#include <inttypes.h>

#include "accounting/money.h"
#include "accounting/store_impl.h"
#include "common/tariff.h"
#include "t/pg.h"

#define N 100000

/* The columns of store_rows.c: units lie in valid_from_us. */
#define TARIFFS                                                                \
    "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],"            \
    " $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::int[],"        \
    " $10::bigint[], $11::bigint[]) AS i (id, kernel, zone, unit, credit,"     \
    " price, num, den, fee, units, valid_to)"

static uint64_t state = 20261120;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Any number of bits up to max is as likely as any other. */
static int64_t draw_bits(int max)
{
    return (int64_t)(draw() >> (64 - 1 - (int)(draw() % (uint64_t)max)));
}

/* What PostgreSQL makes of n tariffs and units, as it does in the audit. */
static PGresult *sql_prices(PGconn *conn, const struct rec_tariff *t,
                            uint32_t n, struct error *err)
{
    struct params p = {0};
    PGresult *res = NULL;

    if (rows_encode(&store_tables[TABLE_TARIFF], t, n, &p, err) == 0)
        res = store_query(conn,
                          "SELECT c, a, acct.ppm(a, fee)"
                          " FROM (SELECT *, acct.gross(c, price) a"
                          "  FROM (SELECT *, acct.credits(units, num, den) c"
                          "   " TARIFFS ") x) y ORDER BY id",
                          &p, err);
    params_free(&p);
    return res;
}

/* Tariffs and units that can be priced at all. */
static void draw_all(struct rec_tariff *t, struct price *want, uint32_t n)
{
    for (uint32_t i = 0; i < n;) {
        t[i].tariff_id = i + 1;
        t[i].price_micro = draw_bits(45);
        t[i].rate_num = draw_bits(40) + 1;
        t[i].rate_den = draw_bits(60) + 1;
        t[i].fee_ppm = (int32_t)(draw() % 500001);
        t[i].valid_from_us = draw_bits(62);
        if (tariff_price(&t[i], t[i].valid_from_us, &want[i], NULL) == 0)
            i++;
    }
}

static void test_same(PGconn *conn)
{
    struct rec_tariff *t = calloc(N, sizeof(*t));
    struct price *want = calloc(N, sizeof(*want));
    struct error err = {""};
    PGresult *res;
    int differ = 0;

    draw_all(t, want, N);
    res = sql_prices(conn, t, N, &err);
    ok(res && PQntuples(res) == N, "%d random lines are priced: %s", N,
       err.text);
    for (int i = 0; res && i < PQntuples(res); i++)
        if (pg_int(res, i, 0) != want[i].credit_micro ||
            pg_int(res, i, 1) != want[i].amount ||
            pg_int(res, i, 2) != want[i].fee)
            differ++;
    is_int(differ, 0, "credit, amount and fee are the same in SQL and in C");
    PQclear(res);
    free(want);
    free(t);
}

static void test_energy(PGconn *conn)
{
    static struct rec_tariff t[1000];
    struct params p = {0};
    struct error err = {""};
    PGresult *res;
    int differ = 0;

    for (int i = 0; i < 1000; i++) {
        t[i].tariff_id = i;
        t[i].price_micro = draw_bits(45);
        t[i].rate_num = draw_bits(22);
        t[i].rate_den = draw_bits(22);
    }
    rows_encode(&store_tables[TABLE_TARIFF], t, 1000, &p, &err);
    res = store_query(conn,
                      "SELECT acct.energy_cost(price, num, den)"
                      " " TARIFFS " ORDER BY id",
                      &p, &err);
    params_free(&p);
    ok(res && PQntuples(res) == 1000, "estimates are made: %s", err.text);
    for (int i = 0; res && i < PQntuples(res); i++)
        differ += pg_int(res, i, 0) !=
                  energy_cost(t[i].price_micro, t[i].rate_num, t[i].rate_den);
    is_int(differ, 0, "of the same electricity in SQL and in C");
    PQclear(res);
}

static void test_purposes(PGconn *conn)
{
    struct error err = {""};
    PGresult *res = store_query(conn,
                                "SELECT purpose, name, normal = 'D',"
                                " floor_zero FROM acct.purpose",
                                NULL, &err);
    int differ = 0;

    ok(res && PQntuples(res) == ACC_QTY_EARNED, "there are as many purposes");
    for (int i = 0; res && i < PQntuples(res); i++) {
        int p = (int)pg_int(res, i, 0);

        differ += strcmp(PQgetvalue(res, i, 1), purpose_name(p)) != 0 ||
                  pg_int(res, i, 2) != purpose_is_debit(p) ||
                  pg_int(res, i, 3) != purpose_has_floor(p);
    }
    is_int(differ, 0, "of the same name, side and floor");
    PQclear(res);
}

static void test_paper(void)
{
    static const struct {
        int64_t micro;
        const char *unit, *text;
    } v[] =
        {
            {576000, "USD", "$0.58"},
            {310080, "USD", "$0.31"},
            {0, "USD", "$0.00"},
            {9999, "USD", "$0.009999"},
            {10000, "USD", "$0.01"},
            {-310080, "USD", "-$0.31"},
            {-42, "EUR", "-EUR 0.000042"},
            {12345678, "CHF", "CHF 12.35"},
            {14999, "USD", "$0.01"},
            {15000, "USD", "$0.02"},
            {INT64_MIN, "USD", "-$9223372036854.78"},
        },
      c[] = {
          {2400000, "GPUC", "2.4 GPU credits"},
          {2419999, "GPUC", "2.41 GPU credits"},
          {0, "CPUC", "0.0 CPU credits"},
          {42, "CPUC", "0.000042 CPU credits"},
          {1000000, "CPUC", "1.0 CPU credits"},
      };
    char out[MONEY_LEN];

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
        is_str(money_text(v[i].micro, v[i].unit, out), v[i].text,
               "%" PRId64 " micro-%s is %s", v[i].micro, v[i].unit, v[i].text);
    for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
        is_str(credits_text(c[i].micro, c[i].unit, out), c[i].text,
               "%" PRId64 " micro-%s are %s", c[i].micro, c[i].unit, c[i].text);
    is_int(muldiv(INT64_MAX, INT64_MAX, 1), INT64_MAX, "a scale saturates");
    is_int(muldiv(-7, 3, 2), -10, "and is cut towards zero");
}

int main(void)
{
    const char *conninfo = pg_start(), *src = getenv("srcdir");
    struct error err;
    char dir[512];
    struct store *s;
    PGconn *conn;

    snprintf(dir, sizeof(dir), "%s/accounting/schema", src ? src : ".");
    s = store_open(conninfo, dir, 1000000, &err);
    ok(s != NULL, "the schema is there");
    if (!s)
        return 1;
    conn = store_reader(s, &err);
    test_same(conn);
    test_energy(conn);
    test_purposes(conn);
    test_paper();
    store_close(s);
    done_testing();
    return exit_status();
}
