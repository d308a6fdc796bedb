/* SPDX-License-Identifier: Apache-2.0 */
/* store_batch.c - records collected for one commit, and how they are sent
 *
 * A batch keeps one list of structs a table.  A later record of the same key
 * replaces the earlier one, so that a window that changed a hundred times in a
 * group commit is written once.  Appended rows are never replaced: the same
 * key twice is a bug that PostgreSQL refuses.
 *
 * A job's input (digests and units of its tasks) can be 40 MB; it is copied
 * and written only when the job is first seen.  Ids ascend, so "first seen" is
 * an id above the highest so far.
 */
#include "accounting/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK (256u << 10)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, cap;
    char data[];
};

/* One prepared statement writes the rows of one table, or of two. */
struct statement {
    const char *name;
    enum table_id tables[2];
    int n;
    const char *sql;
};

static const struct statement statements[] = {
    {"party",
     {TABLE_PARTY},
     1,
     "INSERT INTO cell.party (party_id, name, roles, beneficial_owner, locked,"
     " accepted_tasks, strict_tasks, fund_serial, created_us)"
     " SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[],"
     " $4::bigint[], $5::bool[], $6::bigint[], $7::int[], $8::bigint[],"
     " $9::bigint[])"
     " ON CONFLICT (party_id) DO UPDATE SET name = excluded.name,"
     " roles = excluded.roles, beneficial_owner = excluded.beneficial_owner,"
     " locked = excluded.locked, accepted_tasks = excluded.accepted_tasks,"
     " strict_tasks = excluded.strict_tasks,"
     " fund_serial = excluded.fund_serial"},
    {"tariff",
     {TABLE_TARIFF},
     1,
     "SELECT acct.add_tariff($1::bigint[], $2::text[], $3::text[], $4::text[],"
     " $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::int[],"
     " $10::bigint[], $11::bigint[])"},
    {"worker",
     {TABLE_WORKER},
     1,
     "INSERT INTO cell.worker (worker_id, party_id, pubkey, referee, state,"
     " enrolled_us, last_seen_us)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[],"
     " $4::bool[], $5::smallint[], $6::bigint[], $7::bigint[])"
     " ON CONFLICT (worker_id) DO UPDATE SET party_id = excluded.party_id,"
     " pubkey = excluded.pubkey, referee = excluded.referee,"
     " state = excluded.state, last_seen_us = excluded.last_seen_us"},
    {"job",
     {TABLE_JOB},
     1,
     "INSERT INTO cell.job (job_id, party_id, submission_id, name, user_name,"
     " kernel, spec, params, input, tasks, items_per_task, items,"
     " units_per_item, units, array_first, array_step, is_array, zone, nice,"
     " time_limit_us, submitted_us, started_us, ended_us, state, reason,"
     " tasks_done, tasks_failed, tasks_cancelled, tariff_id, quote_amount,"
     " quote_fee, reserved, spent_amount, spent_fee, checked_items,"
     " caught_items)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[],"
     " $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],"
     " $9::smallint[], $10::bigint[], $11::bigint[], $12::bigint[],"
     " $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],"
     " $17::bool[], $18::text[], $19::int[], $20::bigint[], $21::bigint[],"
     " $22::bigint[], $23::bigint[], $24::smallint[], $25::text[],"
     " $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[],"
     " $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[],"
     " $34::bigint[], $35::bigint[], $36::bigint[])"
     " ON CONFLICT (job_id) DO UPDATE SET name = excluded.name,"
     " nice = excluded.nice, time_limit_us = excluded.time_limit_us,"
     " started_us = excluded.started_us, ended_us = excluded.ended_us,"
     " state = excluded.state, reason = excluded.reason,"
     " tasks_done = excluded.tasks_done,"
     " tasks_failed = excluded.tasks_failed,"
     " tasks_cancelled = excluded.tasks_cancelled,"
     " reserved = excluded.reserved, spent_amount = excluded.spent_amount,"
     " spent_fee = excluded.spent_fee,"
     " checked_items = excluded.checked_items,"
     " caught_items = excluded.caught_items"},
    {"job_input",
     {TABLE_JOB_INPUT},
     1,
     "INSERT INTO cell.job_input (job_id, blobs, task_units)"
     " SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])"},
    {"task",
     {TABLE_TASK},
     1,
     "INSERT INTO cell.task (job_id, task, state, attempt, worker_id,"
     " window_id, units, code, started_us, ended_us)"
     " SELECT * FROM unnest($1::bigint[], $2::int[], $3::smallint[],"
     " $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],"
     " $9::bigint[], $10::bigint[])"
     " ON CONFLICT (job_id, task) DO UPDATE SET state = excluded.state,"
     " attempt = excluded.attempt, worker_id = excluded.worker_id,"
     " window_id = excluded.window_id, units = excluded.units,"
     " code = excluded.code, started_us = excluded.started_us,"
     " ended_us = excluded.ended_us"},
    {"window",
     {TABLE_WINDOW},
     1,
     "INSERT INTO cell.work_window (window_id, job_id, worker_id, party_id,"
     " state, tasks, items, units, salt_items, salt_units, fee_units, amount,"
     " steps, newcomer, drawn, equal, wrong, busy_us, opened_us, closed_us)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],"
     " $4::bigint[], $5::smallint[], $6::bigint[], $7::bigint[],"
     " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],"
     " $12::bigint[], $13::bigint[], $14::bool[], $15::bigint[],"
     " $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],"
     " $20::bigint[])"
     " ON CONFLICT (window_id) DO UPDATE SET state = excluded.state,"
     " tasks = excluded.tasks, items = excluded.items,"
     " units = excluded.units, salt_items = excluded.salt_items,"
     " salt_units = excluded.salt_units, fee_units = excluded.fee_units,"
     " amount = excluded.amount, steps = excluded.steps,"
     " drawn = excluded.drawn, equal = excluded.equal,"
     " wrong = excluded.wrong, busy_us = excluded.busy_us,"
     " closed_us = excluded.closed_us"},
    {"result",
     {TABLE_RESULT},
     1,
     "INSERT INTO cell.result (job_id, task, epoch, attempt, worker_id,"
     " window_id, root, root_units, root_bytes, n_items, units, blob, bytes,"
     " map, received_us)"
     " SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[],"
     " $5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[], $9::bigint[],"
     " $10::int[], $11::bigint[], $12::bytea[], $13::bytea[], $14::bytea[],"
     " $15::bigint[])"},
    {"draw",
     {TABLE_CHECK},
     1,
     "INSERT INTO cell.draw (job_id, check_id, window_id, task, attempt,"
     " epoch, item, position, committed, units, state, referee_only,"
     " checker_id, answer, checker_window_id, checker_job_id, checker_task,"
     " checker_attempt, checker_epoch, checker_position, drawn_us,"
     " answered_us)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],"
     " $4::int[], $5::int[], $6::int[], $7::bigint[], $8::int[], $9::bytea[],"
     " $10::bigint[], $11::smallint[], $12::bool[], $13::bigint[],"
     " $14::bytea[], $15::bigint[], $16::bigint[], $17::int[], $18::int[],"
     " $19::int[], $20::int[], $21::bigint[], $22::bigint[])"
     " ON CONFLICT (job_id, check_id) DO UPDATE SET state = excluded.state,"
     " referee_only = excluded.referee_only,"
     " checker_id = excluded.checker_id, answer = excluded.answer,"
     " checker_window_id = excluded.checker_window_id,"
     " checker_job_id = excluded.checker_job_id,"
     " checker_task = excluded.checker_task,"
     " checker_attempt = excluded.checker_attempt,"
     " checker_epoch = excluded.checker_epoch,"
     " checker_position = excluded.checker_position,"
     " answered_us = excluded.answered_us"},
    {"verdict",
     {TABLE_VERDICT},
     1,
     "INSERT INTO cell.verdict (verdict_id, kind, worker_id, party_id, job_id,"
     " task, attempt, epoch, position, source_job_id, source_task,"
     " source_item, expected_code, expected_units, expected, at_us)"
     " SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[],"
     " $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::int[],"
     " $9::int[], $10::bigint[], $11::int[], $12::bigint[], $13::bigint[],"
     " $14::bigint[], $15::bytea[], $16::bigint[])"},
    {"post",
     {TABLE_TRANSFER, TABLE_BILLING},
     2,
     "SELECT acct.post($1::uuid[], $2::smallint[], $3::bigint[],"
     " $4::smallint[], $5::bigint[], $6::smallint[], $7::text[],"
     " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],"
     " $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],"
     " $16::smallint[], $17::bigint[], $18::bigint[], $19::bigint[],"
     " $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],"
     " $24::bigint[], $25::bigint[])"},
    {"request",
     {TABLE_SEQ},
     1,
     "INSERT INTO cell.request (worker_id, seq, body, reply)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[],"
     " $4::bytea[])"
     " ON CONFLICT (worker_id) DO UPDATE SET seq = excluded.seq,"
     " body = excluded.body, reply = excluded.reply"},
    {"token",
     {TABLE_TOKEN},
     1,
     "INSERT INTO cell.token (hash, kind, party_id, created_us, expires_us,"
     " used_us, revoked)"
     " SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::bigint[],"
     " $4::bigint[], $5::bigint[], $6::bigint[], $7::bool[])"
     " ON CONFLICT (hash) DO UPDATE SET used_us = excluded.used_us,"
     " expires_us = excluded.expires_us, revoked = excluded.revoked"},
    {"blob",
     {TABLE_BLOB},
     1,
     "INSERT INTO cell.blob (digest, party_id, size, at_us)"
     " SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[],"
     " $4::bigint[])"
     " ON CONFLICT (digest, party_id) DO NOTHING"},
};

#define N_STATEMENTS (sizeof(statements) / sizeof(statements[0]))

static int prepare(PGconn *conn, const char *name, const char *sql,
                   struct error *err)
{
    PGresult *res = PQprepare(conn, name, sql, 0, NULL);
    int rc = 0;

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        rc = store_pg_error(err, conn, res, name);
    PQclear(res);
    return rc;
}

int store_prepare_all(PGconn *conn, struct error *err)
{
    for (size_t i = 0; i < N_STATEMENTS; i++)
        if (prepare(conn, statements[i].name, statements[i].sql, err) < 0)
            return -1;
    if (prepare(conn, "fence",
                "SELECT cell.fence($1::int, $2::bigint, $3::bigint,"
                " $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint,"
                " $9::bigint)",
                err) < 0 ||
        prepare(conn, "begin", "BEGIN", err) < 0 ||
        prepare(conn, "commit", "COMMIT", err) < 0)
        return -1;
    return prepare(conn, "rollback", "ROLLBACK", err);
}

static void *arena_copy(struct store_batch *b, const void *data, size_t n)
{
    struct arena_chunk *a = b->arena;
    size_t need = (n + 7) & ~(size_t)7;
    void *p;

    if (!a || a->cap - a->used < need) {
        size_t cap = need > ARENA_CHUNK ? need : ARENA_CHUNK;

        a = malloc(sizeof(*a) + cap);
        if (!a)
            return NULL;
        a->used = 0;
        a->cap = cap;
        a->next = b->arena;
        b->arena = a;
    }
    p = a->data + a->used;
    memcpy(p, data, n);
    a->used += need;
    return p;
}

static void arena_free(struct store_batch *b)
{
    while (b->arena) {
        struct arena_chunk *next = b->arena->next;

        free(b->arena);
        b->arena = next;
    }
}

struct store_batch *store_batch_create(struct store *s)
{
    struct store_batch *b = calloc(1, sizeof(*b));

    if (b)
        b->store = s;
    return b;
}

void store_batch_reset(struct store_batch *b)
{
    for (int i = 0; i < TABLES; i++) {
        struct rows *r = &b->rows[i];

        if (r->n > 0 && r->index)
            memset(r->index, 0, r->index_cap * sizeof(*r->index));
        r->n = 0;
    }
    arena_free(b);
    b->records = 0;
    b->serial = 0;
    b->max_job = 0;
    memset(&b->next, 0, sizeof(b->next));
}

void store_batch_destroy(struct store_batch *b)
{
    if (b) {
        int saved_errno = errno;

        for (int i = 0; i < TABLES; i++) {
            free(b->rows[i].v);
            free(b->rows[i].index);
        }
        arena_free(b);
        free(b);
        errno = saved_errno;
    }
}

size_t store_batch_records(const struct store_batch *b)
{
    return b->records;
}

int64_t store_batch_serial(const struct store_batch *b)
{
    return b->serial;
}

static size_t key_len(const struct column *c)
{
    switch (c->kind) {
    case COL_I32:
    case COL_U32: return 4;
    case COL_UUID: return 16;
    case COL_HASH: return DIGEST_LEN;
    default: return 8;
    }
}

static uint64_t key_hash(const struct table *t, const char *row)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < t->n_keys; i++) {
        const char *p = row + t->cols[i].at;

        for (size_t k = key_len(&t->cols[i]); k-- > 0; p++)
            h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 29;
}

static bool key_equal(const struct table *t, const char *a, const char *b)
{
    for (int i = 0; i < t->n_keys; i++)
        if (memcmp(a + t->cols[i].at, b + t->cols[i].at, key_len(&t->cols[i])))
            return false;
    return true;
}

/* The index slot of row's key: an empty one when it is new. */
static uint32_t *key_slot(const struct table *t, struct rows *r,
                          const char *row)
{
    uint32_t mask = r->index_cap - 1;
    uint32_t i = (uint32_t)key_hash(t, row) & mask;

    while (r->index[i] &&
           !key_equal(t, r->v + (size_t)(r->index[i] - 1) * t->size, row))
        i = (i + 1) & mask;
    return &r->index[i];
}

static int rows_grow(const struct table *t, struct rows *r)
{
    uint32_t cap = r->cap ? r->cap * 2 : 16;
    char *v = realloc(r->v, (size_t)cap * t->size);
    uint32_t *index;

    if (!v)
        return -1;
    r->v = v;
    r->cap = cap;
    if (t->append)
        return 0;
    index = calloc((size_t)cap * 2, sizeof(*index));
    if (!index)
        return -1;
    free(r->index);
    r->index = index;
    r->index_cap = cap * 2;
    for (uint32_t i = 0; i < r->n; i++)
        *key_slot(t, r, v + (size_t)i * t->size) = i + 1;
    return 0;
}

/* Copy what the row points to into the batch. */
static int own_bytes(struct store_batch *b, const struct table *t, char *row)
{
    for (int i = 0; i < t->n_cols; i++) {
        const struct column *c = &t->cols[i];
        size_t size = c->kind == COL_BYTES    ? 1
                      : c->kind == COL_HASHES ? DIGEST_LEN
                      : c->kind == COL_UNITS  ? 8
                                              : 0;
        void *ptr;
        uint32_t n;

        if (size == 0)
            continue;
        memcpy(&ptr, row + c->at, sizeof(ptr));
        memcpy(&n, row + c->len_at, sizeof(n));
        if (!ptr)
            continue;
        ptr = arena_copy(b, ptr, size * n);
        if (!ptr)
            return -1;
        memcpy(row + c->at, &ptr, sizeof(ptr));
    }
    return 0;
}

static int put_row(struct store_batch *b, enum table_id id, const void *row)
{
    const struct table *t = &store_tables[id];
    struct rows *r = &b->rows[id];
    uint32_t *slot = NULL, at = r->n;
    char *dst;

    if (r->n == r->cap && rows_grow(t, r) < 0)
        return -1;
    if (!t->append) {
        slot = key_slot(t, r, row);
        if (*slot)
            at = *slot - 1;
    }
    dst = r->v + (size_t)at * t->size;
    memcpy(dst, row, t->size);
    if (own_bytes(b, t, dst) < 0)
        return -1;
    if (at == r->n) {
        r->n++;
        if (slot)
            *slot = r->n;
    }
    return 0;
}

static int put_job(struct store_batch *b, const struct rec_job *job)
{
    struct store *s = b->store;

    if (put_row(b, TABLE_JOB, job) < 0)
        return -1;
    if (job->job_id <= s->job_mark)
        return 0;
    if ((job->blobs || job->task_units) && put_row(b, TABLE_JOB_INPUT, job) < 0)
        return -1;
    s->job_mark = job->job_id;
    b->max_job = job->job_id;
    return 0;
}

static void raise_id(int64_t *next, int64_t id)
{
    if (id >= *next)
        *next = id + 1;
}

static void note_ids(struct rec_counter *c, const struct record *r)
{
    switch (r->type) {
    case REC_PARTY: raise_id(&c->next_party, r->party.party_id); break;
    case REC_WORKER: raise_id(&c->next_worker, r->worker.worker_id); break;
    case REC_JOB: raise_id(&c->next_job, r->job.job_id); break;
    case REC_WINDOW: raise_id(&c->next_window, r->window.window_id); break;
    case REC_CHECK: raise_id(&c->next_check, r->check.check_id); break;
    case REC_VERDICT: raise_id(&c->next_verdict, r->verdict.verdict_id); break;
    case REC_BILLING: raise_id(&c->next_billing, r->billing.billing_id); break;
    default: break;
    }
}

static int put_one(struct store_batch *b, const struct record *r)
{
    switch (r->type) {
    case REC_PARTY: return put_row(b, TABLE_PARTY, &r->party);
    case REC_TARIFF: return put_row(b, TABLE_TARIFF, &r->tariff);
    case REC_WORKER: return put_row(b, TABLE_WORKER, &r->worker);
    case REC_JOB: return put_job(b, &r->job);
    case REC_TASK: return put_row(b, TABLE_TASK, &r->task);
    case REC_WINDOW: return put_row(b, TABLE_WINDOW, &r->window);
    case REC_RESULT: return put_row(b, TABLE_RESULT, &r->result);
    case REC_CHECK: return put_row(b, TABLE_CHECK, &r->check);
    case REC_VERDICT: return put_row(b, TABLE_VERDICT, &r->verdict);
    case REC_BILLING: return put_row(b, TABLE_BILLING, &r->billing);
    case REC_TRANSFER: return put_row(b, TABLE_TRANSFER, &r->transfer);
    case REC_SEQ: return put_row(b, TABLE_SEQ, &r->seq);
    case REC_TOKEN: return put_row(b, TABLE_TOKEN, &r->token);
    case REC_BLOB: return put_row(b, TABLE_BLOB, &r->blob);
    default: errno = EINVAL; return -1; /* read back only */
    }
}

int store_put(struct store_batch *b, const struct record *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (put_one(b, &r[i]) < 0)
            return -1;
        note_ids(&b->next, &r[i]);
    }
    b->records += n;
    return 0;
}

static int send_one(PGconn *conn, const char *name, const struct params *p,
                    struct error *err)
{
    if (PQsendQueryPrepared(conn, name, p->n, (const char *const *)p->values,
                            p->lengths, p->formats, 1))
        return 0;
    return error_set(err, ECONNRESET, "could not send to PostgreSQL: %s",
                     PQerrorMessage(conn));
}

static int send_fence(PGconn *conn, struct store_batch *b, struct error *err)
{
    const struct rec_counter *c = &b->next;
    const int64_t ids[] = {c->next_job,     c->next_window,  c->next_check,
                           c->next_verdict, c->next_billing, c->next_party,
                           c->next_worker};
    struct params p = {0};
    int rc = 0;

    if (params_int(&p, b->store->epoch, 4) < 0 ||
        params_int(&p, b->serial, 8) < 0)
        rc = -1;
    for (size_t i = 0; rc == 0 && i < sizeof(ids) / sizeof(ids[0]); i++)
        rc = params_int(&p, ids[i], 8);
    if (rc < 0)
        rc = error_set(err, ENOMEM, "out of memory");
    else
        rc = send_one(conn, "fence", &p, err);
    params_free(&p);
    return rc;
}

int store_send_rows(PGconn *conn, struct store_batch *b, struct error *err)
{
    const struct params none = {0};

    if (send_one(conn, "begin", &none, err) < 0 || send_fence(conn, b, err) < 0)
        return -1;
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        const struct statement *st = &statements[i];
        struct params p = {0};
        uint32_t total = 0;
        int rc = 0;

        for (int k = 0; k < st->n; k++)
            total += b->rows[st->tables[k]].n;
        if (total == 0)
            continue;
        for (int k = 0; rc == 0 && k < st->n; k++)
            rc = rows_encode(&store_tables[st->tables[k]],
                             b->rows[st->tables[k]].v, b->rows[st->tables[k]].n,
                             &p, err);
        if (rc == 0)
            rc = send_one(conn, st->name, &p, err);
        params_free(&p);
        if (rc < 0)
            return -1;
    }
    return send_one(conn, "commit", &none, err);
}
