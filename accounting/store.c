/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - connection, writer's lock, epoch, and the batch in flight
 *
 * Two connections: one in pipeline mode that carries batches and holds the
 * advisory lock, one for reads.  A batch is BEGIN, the fence, its statements,
 * COMMIT and one synchronisation point; the answer is known when that point
 * comes back.  After an error the transaction is rolled back through the same
 * pipeline before FAILED is reported, so the connection stays usable.
 */
#include "accounting/store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_LOCK "7420"

int store_pg_error(struct error *err, PGconn *conn, const PGresult *res,
                   const char *what)
{
    const char *text =
        res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *detail =
        res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
    int len;

    if (text)
        return error_set(err, EPROTO, "%s: %s%s%s (%s)", what, text,
                         detail ? ": " : "", detail ? detail : "",
                         state ? state : "?");
    text = PQerrorMessage(conn);
    len = (int)strcspn(text, "\n");
    return error_set(err, ECONNRESET, "%s: %.*s", what, len, text);
}

PGconn *store_connect(const char *conninfo, struct error *err)
{
    /* dbname first: what conninfo says overrides what precedes it */
    const char *keys[] = {"application_name", "tcp_user_timeout",
                          "connect_timeout",  "client_encoding",
                          "dbname",           NULL};
    const char *values[] = {"fallow", "15000", "10", "UTF8", conninfo, NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);

    if (PQstatus(conn) != CONNECTION_OK) {
        store_pg_error(err, conn, NULL, "could not connect to PostgreSQL");
        PQfinish(conn);
        errno = ECONNREFUSED;
        return NULL;
    }
    return conn;
}

PGresult *store_query(PGconn *conn, const char *sql, const struct params *p,
                      struct error *err)
{
    static const struct params none;
    PGresult *res;

    if (!p)
        p = &none;
    res = PQexecParams(conn, sql, p->n, NULL, (const char *const *)p->values,
                       p->lengths, p->formats, 1);
    if (PQresultStatus(res) == PGRES_TUPLES_OK ||
        PQresultStatus(res) == PGRES_COMMAND_OK)
        return res;
    store_pg_error(err, conn, res, "could not read from PostgreSQL");
    PQclear(res);
    return NULL;
}

static int run(PGconn *conn, const char *sql, struct error *err)
{
    PGresult *res = store_query(conn, sql, NULL, err);

    PQclear(res);
    return res ? 0 : -1;
}

/* A setting must be on; a store that loses commits is refused. */
static int need_on(PGconn *conn, const char *sql, const char *name,
                   struct error *err)
{
    PGresult *res = store_query(conn, sql, NULL, err);
    int rc = 0;

    if (!res)
        return -1;
    if (strcmp(PQgetvalue(res, 0, 0), "on") != 0)
        rc = error_set(err, EPERM,
                       "PostgreSQL runs with %s = %s: acknowledged work would "
                       "be lost; set it to on",
                       name, PQgetvalue(res, 0, 0));
    PQclear(res);
    return rc;
}

static int take_lock(PGconn *conn, int64_t wait_us, struct error *err)
{
    struct params p = {0};
    char text[32];
    PGresult *res;
    int rc = 0;

    snprintf(text, sizeof(text), "%jd",
             (intmax_t)(wait_us < 1000 ? 1 : wait_us / 1000));
    p.values[0] = text;
    p.lengths[0] = (int)strlen(text);
    p.n = 1;
    res = store_query(conn, "SELECT set_config('lock_timeout', $1, false)", &p,
                      err);
    PQclear(res);
    if (!res)
        return -1;
    res = PQexec(conn, "SELECT pg_advisory_lock(" WRITER_LOCK ")");
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

        if (state && strcmp(state, "55P03") == 0)
            rc = error_set(err, EBUSY, "another controller holds this cell");
        else
            rc = store_pg_error(err, conn, res, "could not take the lock");
    }
    PQclear(res);
    return rc < 0 ? -1 : run(conn, "SET lock_timeout = 0", err);
}

static int begin_epoch(struct store *s, struct error *err)
{
    PGresult *res =
        store_query(s->conn, "SELECT cell.begin_epoch()", NULL, err);

    if (!res)
        return -1;
    s->epoch = (int32_t)pg_int(res, 0, 0);
    PQclear(res);
    /* the head this start found: a witness against a cut-off tail */
    if (run(s->conn,
            "SELECT acct.add_witness(batch_no, hash, 'start of epoch ' ||"
            " (SELECT epoch FROM cell.writer)) FROM acct.batch"
            " ORDER BY batch_no DESC LIMIT 1",
            err) < 0)
        return -1;
    res = store_query(s->conn,
                      "SELECT coalesce(max(job_id), 0)::bigint FROM cell.job",
                      NULL, err);
    if (!res)
        return -1;
    s->job_mark = s->job_committed = pg_int(res, 0, 0);
    PQclear(res);
    return 0;
}

/* Every statement of a batch finds its rows by an index and should keep doing
 * so: a plan made while a table was small must not scan it when it has grown.
 */
static int fix_plans(PGconn *conn, struct error *err)
{
    static const char *const settings[] = {
        "SET jit = off",
        "SET plan_cache_mode = force_generic_plan",
        "SET enable_seqscan = off",
        "SET enable_hashjoin = off",
        "SET enable_mergejoin = off",
        "SET client_connection_check_interval = 5000",
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (run(conn, settings[i], err) < 0)
            return -1;
    return 0;
}

static int settle_in(struct store *s, const char *schema_dir, int64_t wait_us,
                     struct error *err)
{
    if (need_on(s->conn, "SELECT current_setting('fsync')", "fsync", err) < 0 ||
        need_on(s->conn, "SELECT current_setting('synchronous_commit')",
                "synchronous_commit", err) < 0 ||
        need_on(s->conn, "SELECT current_setting('full_page_writes')",
                "full_page_writes", err) < 0 ||
        take_lock(s->conn, wait_us, err) < 0 ||
        store_apply_schema(s->conn, schema_dir, err) < 0 ||
        run(s->conn, "SET ROLE fallow_ctl", err) < 0 ||
        fix_plans(s->conn, err) < 0 || begin_epoch(s, err) < 0 ||
        store_prepare_all(s->conn, err) < 0)
        return -1;
    if (PQsetnonblocking(s->conn, 1) != 0 || !PQenterPipelineMode(s->conn))
        return error_set(err, EPROTO, "could not enter pipeline mode: %s",
                         PQerrorMessage(s->conn));
    return 0;
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

struct store *store_open(const char *conninfo, const char *schema_dir,
                         int64_t wait_us, struct error *err)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return error_null(err, ENOMEM, "out of memory");
    s->milliwatts = 65000;
    s->price_kwh = 170000;
    s->next_serial = 1;
    s->conninfo = strdup(conninfo);
    if (!s->conninfo) {
        error_set(err, ENOMEM, "out of memory");
        goto error;
    }
    s->conn = store_connect(conninfo, err);
    if (!s->conn)
        goto error;
    PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
    if (settle_in(s, schema_dir, wait_us, err) < 0)
        goto error;
    return s;
error:
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    if (s) {
        int saved_errno = errno;

        if (s->conn)
            PQfinish(s->conn);
        if (s->rd)
            PQfinish(s->rd);
        free(s->conninfo);
        free(s);
        errno = saved_errno;
    }
}

int32_t store_epoch(const struct store *s)
{
    return s->epoch;
}

PGconn *store_reader(struct store *s, struct error *err)
{
    if (s->rd && PQstatus(s->rd) == CONNECTION_OK)
        return s->rd;
    if (s->rd)
        PQfinish(s->rd);
    s->rd = store_connect(s->conninfo, err);
    if (!s->rd)
        return NULL;
    PQsetNoticeReceiver(s->rd, ignore_notice, NULL);
    if (run(s->rd, "SET ROLE fallow_ctl", err) < 0 ||
        run(s->rd, "SET default_transaction_read_only = on", err) < 0 ||
        run(s->rd, "SET jit = off", err) < 0) {
        PQfinish(s->rd);
        s->rd = NULL;
    }
    return s->rd;
}

/* ---- the batch in flight ------------------------------------------- */

static int flush(struct store *s)
{
    int left = PQflush(s->conn);

    s->want_write = left > 0;
    return left < 0 ? -1 : 0;
}

int store_send(struct store *s, struct store_batch *b, struct error *err)
{
    int rc;

    if (s->flying)
        return error_set(err, EBUSY, "a batch is in flight");
    if (!s->conn || PQstatus(s->conn) != CONNECTION_OK)
        return error_set(err, ECONNRESET,
                         "the connection to PostgreSQL is "
                         "gone");
    b->serial = s->next_serial++;
    s->failed = s->rolling_back = s->committed = false;
    s->ready = false;
    rc = store_send_rows(s->conn, b, err);
    if (rc == 0 && (!PQpipelineSync(s->conn) || flush(s) < 0))
        rc = error_set(err, ECONNRESET, "could not send to PostgreSQL: %s",
                       PQerrorMessage(s->conn));
    if (rc < 0) {
        int saved_errno = errno;

        /* half a batch is in the buffer: this connection is spent */
        PQfinish(s->conn);
        s->conn = NULL;
        errno = saved_errno;
        return -1;
    }
    s->flying = b;
    return 0;
}

int store_fd(const struct store *s, bool *want_write)
{
    *want_write = s->want_write;
    return s->conn ? PQsocket(s->conn) : -1;
}

/* Classes 08, 53 and 57: PostgreSQL is going away or has no room; the same
 * batch may succeed later.
 */
static bool may_work_later(const char *state)
{
    return !state ||
           (strncmp(state, "08", 2) == 0 && strcmp(state, "08P01") != 0) ||
           strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0;
}

static enum store_status lost(struct store *s, struct error *err)
{
    store_pg_error(err, s->conn, NULL, "lost PostgreSQL");
    PQfinish(s->conn);
    s->conn = NULL;
    s->flying = NULL;
    s->want_write = false;
    errno = ECONNRESET;
    return STORE_LOST;
}

static enum store_status landed(struct store *s, struct error *err)
{
    struct store_batch *b = s->flying;

    s->flying = NULL;
    if (!s->failed) {
        if (b->max_job > s->job_committed)
            s->job_committed = b->max_job;
        return STORE_COMMITTED;
    }
    s->job_mark = s->job_committed;
    if (err)
        *err = s->failure;
    errno = EPROTO;
    return STORE_FAILED;
}

/* Note one result; returns -1 when the connection must be given up. */
static int take_result(struct store *s, PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_PIPELINE_SYNC: s->ready = true; return 0;
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
        if (may_work_later(PQresultErrorField(res, PG_DIAG_SQLSTATE)))
            return -1;
        if (!s->failed)
            store_pg_error(&s->failure, s->conn, res, "commit failed");
        s->failed = true;
        return 0;
    case PGRES_COMMAND_OK:
        if (strcmp(PQcmdStatus(res), "COMMIT") == 0)
            s->committed = true;
        return 0;
    default: return 0;
    }
}

static int roll_back(struct store *s)
{
    s->rolling_back = true;
    s->ready = false;
    if (!PQsendQueryPrepared(s->conn, "rollback", 0, NULL, NULL, NULL, 1) ||
        !PQpipelineSync(s->conn))
        return -1;
    return flush(s);
}

enum store_status store_poll(struct store *s, struct error *err)
{
    int nulls = 0;

    if (!s->flying) /* nothing is expected: what is readable is the end */
        return PQconsumeInput(s->conn) ? STORE_IDLE : lost(s, err);
    if ((s->want_write && flush(s) < 0) || !PQconsumeInput(s->conn))
        return lost(s, err);
    while (!PQisBusy(s->conn) && nulls < 2) {
        PGresult *res = PQgetResult(s->conn);
        int rc;

        if (!res) {
            nulls++;
            continue;
        }
        nulls = 0;
        rc = take_result(s, res);
        PQclear(res);
        if (rc < 0)
            return lost(s, err);
        if (!s->ready)
            continue;
        if (s->failed && !s->rolling_back) {
            if (roll_back(s) < 0)
                return lost(s, err);
            continue;
        }
        if (!s->failed && !s->committed)
            return lost(s, err);
        return landed(s, err);
    }
    return PQstatus(s->conn) == CONNECTION_BAD ? lost(s, err) : STORE_WAITING;
}

int store_was_committed(struct store *s, int32_t epoch, int64_t serial,
                        struct error *err)
{
    PGconn *rd = store_reader(s, err);
    struct params p = {0};
    PGresult *res = NULL;
    int rc = -1;

    if (!rd)
        return -1;
    if (params_int(&p, epoch, 4) == 0 && params_int(&p, serial, 8) == 0)
        res = store_query(rd, "SELECT cell.was_committed($1::int, $2::bigint)",
                          &p, err);
    params_free(&p);
    if (res)
        rc = (int)pg_int(res, 0, 0);
    PQclear(res);
    return rc;
}
