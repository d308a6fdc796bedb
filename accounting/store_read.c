/* SPDX-License-Identifier: Apache-2.0 */
/* store_read.c - reading back: everything at a start, a little for the api
 *
 * Statements select the columns of store_rows.c in their order.  Rows stream
 * in single-row mode, so a restart needs no memory for all of them at once.
 */
#include "accounting/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOB_COLS                                                               \
    "j.job_id, j.party_id, j.submission_id, j.name, j.user_name, j.kernel,"    \
    " j.spec, j.params, j.input, j.tasks, j.items_per_task, j.items,"          \
    " j.units_per_item, j.units, j.array_first, j.array_step, j.is_array,"     \
    " j.zone, j.nice, j.time_limit_us, j.submitted_us, j.started_us,"          \
    " j.ended_us, j.state, j.reason, j.tasks_done, j.tasks_failed,"            \
    " j.tasks_cancelled, j.tariff_id, j.quote_amount, j.quote_fee,"            \
    " j.reserved, j.spent_amount, j.spent_fee, j.checked_items,"               \
    " j.caught_items, i.job_id, i.blobs, i.task_units"                         \
    " FROM cell.job j LEFT JOIN cell.job_input i USING (job_id)"
#define RESULT_COLS                                                            \
    "r.job_id, r.task, r.epoch, r.attempt, r.worker_id, r.window_id, r.root,"  \
    " r.root_units, r.root_bytes, r.n_items, r.units, r.blob, r.bytes,"        \
    " r.map, r.received_us FROM cell.result r"
#define VERDICT_COLS                                                           \
    "verdict_id, kind, worker_id, party_id, job_id, task, attempt, epoch,"     \
    " position, source_job_id, source_task, source_item, expected_code,"       \
    " expected_units, expected, at_us FROM cell.verdict"

/* jobs a restart needs; $1 = the oldest end of an ended one */
#define KEPT                                                                   \
    "WITH kept AS MATERIALIZED (SELECT job_id FROM cell.job"                   \
    " WHERE ended_us = 0 OR ended_us >= $1::bigint) "

struct load {
    enum record_type type;
    int tables[2]; /* the second, when >= 0, fills the same struct */
    bool kept;
    const char *sql;
};

static const struct load loads[] = {
    {REC_PARTY,
     {TABLE_PARTY, -1},
     false,
     "SELECT party_id, name, roles, beneficial_owner, locked, "
     "accepted_tasks,"
     " strict_tasks, fund_serial, created_us FROM cell.party ORDER BY "
     "party_id"},
    {REC_TARIFF,
     {TABLE_TARIFF, -1},
     false,
     "SELECT tariff_id, kernel, zone, unit, credit_unit, price_micro,"
     " rate_num, rate_den, fee_ppm, valid_from_us, valid_to_us"
     " FROM acct.tariff ORDER BY tariff_id"},
    {REC_WORKER,
     {TABLE_WORKER, -1},
     false,
     "SELECT worker_id, party_id, pubkey, referee, state, enrolled_us,"
     " last_seen_us FROM cell.worker ORDER BY worker_id"},
    {REC_JOB,
     {TABLE_JOB, TABLE_JOB_INPUT},
     true,
     KEPT "SELECT " JOB_COLS " JOIN kept USING (job_id) ORDER BY j.job_id"},
    {REC_TASK,
     {TABLE_TASK, -1},
     true,
     KEPT "SELECT job_id, task, state, attempt, worker_id, window_id, units,"
          " code, started_us, ended_us FROM cell.task"
          " JOIN kept USING (job_id) ORDER BY job_id, task"},
    {REC_WINDOW,
     {TABLE_WINDOW, -1},
     true,
     KEPT "SELECT window_id, job_id, worker_id, party_id, state, tasks, items,"
          " units, salt_items, salt_units, fee_units, amount, steps, newcomer,"
          " drawn, equal, wrong, busy_us, opened_us, closed_us"
          " FROM cell.work_window WHERE state IN (1, 2)"
          " OR job_id IN (SELECT job_id FROM kept) ORDER BY window_id"},
    {REC_CHECK,
     {TABLE_CHECK, -1},
     true,
     KEPT "SELECT job_id, check_id, window_id, task, attempt, epoch, item,"
          " position, committed, units, state, referee_only, checker_id,"
          " answer, checker_window_id, checker_job_id, checker_task,"
          " checker_attempt, checker_epoch, checker_position,"
          " drawn_us, answered_us FROM cell.draw JOIN kept USING (job_id)"
          " WHERE state IN (1, 3) ORDER BY job_id, check_id"},
    {REC_VERDICT,
     {TABLE_VERDICT, -1},
     false,
     "SELECT " VERDICT_COLS " ORDER BY verdict_id"},
    {REC_BILLING,
     {TABLE_BILLING, -1},
     true,
     KEPT "SELECT billing_id, window_id, job_id, owner, customer, purpose,"
          " tariff_id, tasks, items, units, credit_micro, amount, fee,"
          " busy_us, at_us FROM acct.billing WHERE job_id IS NULL"
          " OR job_id IN (SELECT job_id FROM kept) ORDER BY billing_id"},
    {REC_SEQ,
     {TABLE_SEQ, -1},
     false,
     "SELECT worker_id, seq, body, reply FROM cell.request"
     " ORDER BY worker_id"},
    {REC_TOKEN,
     {TABLE_TOKEN, -1},
     false,
     "SELECT hash, kind, party_id, created_us, expires_us, used_us, revoked"
     " FROM cell.token ORDER BY hash"},
    {REC_BLOB,
     {TABLE_BLOB, -1},
     false,
     "SELECT digest, party_id, size, at_us FROM cell.blob"
     " ORDER BY digest, party_id"},
};

typedef int (*record_fn)(void *arg, const struct record *r, struct error *err);

/* Where the members of struct record's union lie: all at one place. */
static void *record_body(struct record *r)
{
    return &r->party;
}

struct stream {
    const int *tables;
    void **scratch;
    record_fn fn;
    void *arg;
};

/* One row into a record, and that to fn. */
static int stream_row(const struct stream *st, const PGresult *res, int row,
                      enum record_type type, struct error *err)
{
    struct record r;
    int col = 0;

    memset(&r, 0, sizeof(r));
    r.type = type;
    for (int k = 0; k < 2 && st->tables[k] >= 0; k++) {
        const struct table *t = &store_tables[st->tables[k]];

        if (k > 0 && PQgetisnull(res, row, col))
            break; /* a job without input of its own */
        if (row_decode(t, res, row, col, record_body(&r), st->scratch, err) < 0)
            return -1;
        col += t->n_cols;
    }
    return st->fn(st->arg, &r, err);
}

/* Run sql and hand every row on; a stop by fn drains the rest. */
static int stream(PGconn *rd, const char *sql, const struct params *p,
                  enum record_type type, const struct stream *st,
                  struct error *err)
{
    PGresult *res;
    int rc = 0;

    if (!PQsendQueryParams(rd, sql, p->n, NULL, (const char *const *)p->values,
                           p->lengths, p->formats, 1) ||
        !PQsetSingleRowMode(rd))
        return store_pg_error(err, rd, NULL, "could not read from PostgreSQL");
    while ((res = PQgetResult(rd))) {
        ExecStatusType status = PQresultStatus(res);

        if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK) {
            if (rc == 0)
                rc = store_pg_error(err, rd, res,
                                    "could not read from PostgreSQL");
        } else {
            for (int i = 0; rc == 0 && i < PQntuples(res); i++)
                rc = stream_row(st, res, i, type, err);
        }
        PQclear(res);
    }
    return rc < 0 ? -1 : 0;
}

static int load_balances(PGconn *rd, record_fn fn, void *arg, struct error *err)
{
    PGresult *res =
        store_query(rd,
                    "SELECT party_id, purpose, unit, (bal * sign)::bigint"
                    " FROM acct.account JOIN acct.balance USING (account_id)"
                    " ORDER BY party_id, purpose, unit",
                    NULL, err);
    int rc = res ? 0 : -1;

    for (int i = 0; res && rc == 0 && i < PQntuples(res); i++) {
        struct record r = {.type = REC_BALANCE};

        r.balance.party_id = pg_int(res, i, 0);
        r.balance.purpose = (uint8_t)pg_int(res, i, 1);
        memcpy(r.balance.unit, PQgetvalue(res, i, 2),
               strnlen(PQgetvalue(res, i, 2), sizeof(r.balance.unit) - 1));
        r.balance.amount = pg_int(res, i, 3);
        rc = fn(arg, &r, err);
    }
    PQclear(res);
    return rc;
}

static int load_counter(PGconn *rd, record_fn fn, void *arg, struct error *err)
{
    struct record r = {.type = REC_COUNTER};
    PGresult *res = store_query(
        rd,
        "SELECT next_job, next_window, next_check, next_verdict, next_billing,"
        " next_party, next_worker FROM cell.writer",
        NULL, err);

    if (!res)
        return -1;
    r.counter.next_job = pg_int(res, 0, 0);
    r.counter.next_window = pg_int(res, 0, 1);
    r.counter.next_check = pg_int(res, 0, 2);
    r.counter.next_verdict = pg_int(res, 0, 3);
    r.counter.next_billing = pg_int(res, 0, 4);
    r.counter.next_party = pg_int(res, 0, 5);
    r.counter.next_worker = pg_int(res, 0, 6);
    PQclear(res);
    return fn(arg, &r, err);
}

static int load_all(PGconn *rd, int64_t oldest_us, record_fn fn, void *arg,
                    struct error *err)
{
    struct params p = {0};
    void *scratch = NULL;
    int rc = params_int(&p, oldest_us, 8);
    bool balances = false, counter = false;

    for (size_t i = 0; rc == 0 && i < sizeof(loads) / sizeof(loads[0]); i++) {
        const struct load *l = &loads[i];
        struct stream st = {l->tables, &scratch, fn, arg};

        if (l->type > REC_BALANCE && !balances) {
            balances = true;
            rc = load_balances(rd, fn, arg, err);
        }
        if (rc == 0 && l->type > REC_COUNTER && !counter) {
            counter = true;
            rc = load_counter(rd, fn, arg, err);
        }
        p.n = l->kept ? 1 : 0;
        if (rc == 0)
            rc = stream(rd, l->sql, &p, l->type, &st, err);
        p.n = 1;
    }
    params_free(&p);
    free(scratch);
    return rc;
}

int store_load(struct store *s, int64_t now_us, int64_t keep_us, record_fn fn,
               void *arg, struct error *err)
{
    PGconn *rd = store_reader(s, err);
    PGresult *res;
    int rc;

    if (!rd)
        return -1;
    res = store_query(rd, "BEGIN ISOLATION LEVEL REPEATABLE READ", NULL, err);
    PQclear(res);
    if (!res)
        return -1;
    rc = load_all(rd, now_us > keep_us ? now_us - keep_us : 0, fn, arg, err);
    PQclear(PQexec(rd, "ROLLBACK"));
    return rc;
}

/* ---- the api's ------------------------------------------------------ */

typedef int (*job_fn)(void *arg, const struct rec_job *job, struct error *err);
typedef int (*result_fn)(void *arg, const struct rec_result *r,
                         struct error *err);
typedef int (*verdict_fn)(void *arg, const struct rec_verdict *v,
                          struct error *err);

struct typed {
    job_fn job;
    result_fn result;
    verdict_fn verdict;
    void *arg;
};

static int to_typed(void *arg, const struct record *r, struct error *err)
{
    const struct typed *t = arg;

    if (t->job)
        return t->job(t->arg, &r->job, err);
    if (t->result)
        return t->result(t->arg, &r->result, err);
    return t->verdict(t->arg, &r->verdict, err);
}

static int read_rows(struct store *s, enum record_type type, const char *sql,
                     struct params *p, struct typed *t, struct error *err)
{
    static const int tables[][2] = {
        [REC_JOB] = {TABLE_JOB, TABLE_JOB_INPUT},
        [REC_RESULT] = {TABLE_RESULT, -1},
        [REC_VERDICT] = {TABLE_VERDICT, -1},
    };
    void *scratch = NULL;
    struct stream st = {tables[type], &scratch, to_typed, t};
    PGconn *rd = store_reader(s, err);
    int rc = rd ? stream(rd, sql, p, type, &st, err) : -1;

    free(scratch);
    params_free(p);
    return rc;
}

static int params_add(struct params *p, const int64_t *v, int n,
                      struct error *err)
{
    for (int i = 0; i < n; i++)
        if (params_int(p, v[i], 8) < 0) {
            params_free(p);
            return error_set(err, ENOMEM, "out of memory");
        }
    return 0;
}

int store_jobs(struct store *s, int64_t party_id, int64_t job_id,
               int64_t since_us, int64_t until_us, int limit, job_fn fn,
               void *arg, struct error *err)
{
    const int64_t v[] = {party_id, job_id, since_us,
                         until_us ? until_us : INT64_MAX,
                         limit > 0 ? limit : INT64_MAX};
    struct typed t = {.job = fn, .arg = arg};
    struct params p = {0};

    if (params_add(&p, v, 5, err) < 0)
        return -1;
    return read_rows(s, REC_JOB,
                     "SELECT " JOB_COLS
                     " WHERE ($1::bigint = 0 OR j.party_id = $1)"
                     " AND ($2::bigint = 0 OR j.job_id = $2)"
                     " AND j.submitted_us >= $3::bigint"
                     " AND j.submitted_us < $4::bigint"
                     " ORDER BY j.job_id DESC LIMIT $5::bigint",
                     &p, &t, err);
}

int store_results(struct store *s, int64_t job_id, uint32_t first, uint32_t n,
                  result_fn fn, void *arg, struct error *err)
{
    const int64_t v[] = {job_id, first, (int64_t)first + n};
    struct typed t = {.result = fn, .arg = arg};
    struct params p = {0};

    if (params_add(&p, v, 3, err) < 0)
        return -1;
    return read_rows(s, REC_RESULT,
                     "SELECT DISTINCT ON (r.task) " RESULT_COLS
                     " JOIN cell.task t ON t.job_id = r.job_id"
                     " AND t.task = r.task AND t.attempt = r.attempt"
                     " AND t.window_id = r.window_id"
                     " AND t.worker_id = r.worker_id AND t.state IN (2, 3)"
                     " WHERE r.job_id = $1::bigint AND r.task >= $2::bigint"
                     " AND r.task < $3::bigint"
                     " ORDER BY r.task, r.epoch DESC",
                     &p, &t, err);
}

int store_result(struct store *s, int64_t job_id, uint32_t task, int32_t epoch,
                 uint32_t attempt, result_fn fn, void *arg, struct error *err)
{
    const int64_t v[] = {job_id, task, epoch, attempt};
    struct typed t = {.result = fn, .arg = arg};
    struct params p = {0};

    if (params_add(&p, v, 4, err) < 0)
        return -1;
    return read_rows(s, REC_RESULT,
                     "SELECT " RESULT_COLS " WHERE r.job_id = $1::bigint"
                     " AND r.task = $2::bigint AND r.epoch = $3::bigint"
                     " AND r.attempt = $4::bigint",
                     &p, &t, err);
}

int store_verdicts(struct store *s, int64_t job_id, verdict_fn fn, void *arg,
                   struct error *err)
{
    struct typed t = {.verdict = fn, .arg = arg};
    struct params p = {0};

    if (params_add(&p, &job_id, 1, err) < 0)
        return -1;
    return read_rows(s, REC_VERDICT,
                     "SELECT " VERDICT_COLS
                     " WHERE $1::bigint = 0 OR job_id = $1"
                     " ORDER BY verdict_id",
                     &p, &t, err);
}

int store_head(struct store *s, int64_t *batch_no, struct digest *hash,
               struct error *err)
{
    PGconn *rd = store_reader(s, err);
    PGresult *res = rd ? store_query(rd,
                                     "SELECT batch_no, hash FROM acct.batch"
                                     " ORDER BY batch_no DESC LIMIT 1",
                                     NULL, err)
                       : NULL;

    if (!res)
        return -1;
    *batch_no = pg_int(res, 0, 0);
    memcpy(hash->b, PQgetvalue(res, 0, 1), sizeof(hash->b));
    PQclear(res);
    return 0;
}
