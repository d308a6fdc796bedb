/* SPDX-License-Identifier: Apache-2.0 */
/* store_rows.c - the columns of every record: encode and decode
 *
 * One list of columns a record serves both directions.  Rows go out as one
 * binary array a column (UNNEST puts them together again) and come back as
 * binary rows in the same order.
 */
#include "accounting/store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define COL(kind, st, f)                                                       \
    {                                                                          \
        kind, offsetof(struct st, f), 0, sizeof(((struct st *)0)->f)           \
    }
#define VAR(kind, st, f, count)                                                \
    {                                                                          \
        kind, offsetof(struct st, f), offsetof(struct st, count), 0            \
    }

static const struct column party_cols[] = {
    COL(COL_I64, rec_party, party_id),
    COL(COL_TEXT, rec_party, name),
    COL(COL_U32L, rec_party, roles),
    COL(COL_I64, rec_party, beneficial_owner),
    COL(COL_BOOL, rec_party, locked),
    COL(COL_I64, rec_party, accepted_tasks),
    COL(COL_I32, rec_party, strict_tasks),
    COL(COL_I64, rec_party, fund_serial),
    COL(COL_I64, rec_party, created_us),
};

static const struct column tariff_cols[] = {
    COL(COL_I64, rec_tariff, tariff_id),
    COL(COL_TEXT, rec_tariff, kernel),
    COL(COL_TEXT, rec_tariff, zone),
    COL(COL_TEXT, rec_tariff, unit),
    COL(COL_TEXT, rec_tariff, credit_unit),
    COL(COL_I64, rec_tariff, price_micro),
    COL(COL_I64, rec_tariff, rate_num),
    COL(COL_I64, rec_tariff, rate_den),
    COL(COL_I32, rec_tariff, fee_ppm),
    COL(COL_I64, rec_tariff, valid_from_us),
    COL(COL_I64, rec_tariff, valid_to_us),
};

static const struct column worker_cols[] = {
    COL(COL_I64, rec_worker, worker_id),
    COL(COL_I64, rec_worker, party_id),
    COL(COL_HASH, rec_worker, pubkey),
    COL(COL_BOOL, rec_worker, referee),
    COL(COL_U8, rec_worker, state),
    COL(COL_I64, rec_worker, enrolled_us),
    COL(COL_I64, rec_worker, last_seen_us),
};

static const struct column job_cols[] = {
    COL(COL_I64, rec_job, job_id),
    COL(COL_I64, rec_job, party_id),
    COL(COL_UUID, rec_job, submission_id),
    COL(COL_TEXT, rec_job, name),
    COL(COL_TEXT, rec_job, user_name),
    COL(COL_TEXT, rec_job, kernel),
    COL(COL_HASH, rec_job, spec),
    COL(COL_HASH0, rec_job, params),
    COL(COL_U8, rec_job, input),
    COL(COL_U32L, rec_job, tasks),
    COL(COL_U32L, rec_job, items_per_task),
    COL(COL_U64, rec_job, items),
    COL(COL_I64, rec_job, units_per_item),
    COL(COL_I64, rec_job, units),
    COL(COL_I64, rec_job, array_first),
    COL(COL_I64, rec_job, array_step),
    COL(COL_BOOL, rec_job, is_array),
    COL(COL_TEXT, rec_job, zone),
    COL(COL_I32, rec_job, nice),
    COL(COL_I64, rec_job, time_limit_us),
    COL(COL_I64, rec_job, submitted_us),
    COL(COL_I64, rec_job, started_us),
    COL(COL_I64, rec_job, ended_us),
    COL(COL_U8, rec_job, state),
    COL(COL_TEXT, rec_job, reason),
    COL(COL_U32L, rec_job, tasks_done),
    COL(COL_U32L, rec_job, tasks_failed),
    COL(COL_U32L, rec_job, tasks_cancelled),
    COL(COL_ID, rec_job, tariff_id),
    COL(COL_I64, rec_job, quote_amount),
    COL(COL_I64, rec_job, quote_fee),
    COL(COL_I64, rec_job, reserved),
    COL(COL_I64, rec_job, spent_amount),
    COL(COL_I64, rec_job, spent_fee),
    COL(COL_U64, rec_job, checked_items),
    COL(COL_U64, rec_job, caught_items),
};

/* Read back beside the job, so it is decoded into the same struct. */
static const struct column job_input_cols[] = {
    COL(COL_I64, rec_job, job_id),
    VAR(COL_HASHES, rec_job, blobs, tasks),
    VAR(COL_UNITS, rec_job, task_units, tasks),
};

static const struct column task_cols[] = {
    COL(COL_I64, rec_task, job_id),     COL(COL_U32, rec_task, task),
    COL(COL_U8, rec_task, state),       COL(COL_U32, rec_task, attempt),
    COL(COL_I64, rec_task, worker_id),  COL(COL_I64, rec_task, window_id),
    COL(COL_I64, rec_task, units),      COL(COL_U32L, rec_task, code),
    COL(COL_I64, rec_task, started_us), COL(COL_I64, rec_task, ended_us),
};

static const struct column window_cols[] = {
    COL(COL_I64, rec_window, window_id),  COL(COL_ID, rec_window, job_id),
    COL(COL_I64, rec_window, worker_id),  COL(COL_I64, rec_window, party_id),
    COL(COL_U8, rec_window, state),       COL(COL_U32L, rec_window, tasks),
    COL(COL_U64, rec_window, items),      COL(COL_I64, rec_window, units),
    COL(COL_U64, rec_window, salt_items), COL(COL_I64, rec_window, salt_units),
    COL(COL_I64, rec_window, fee_units),  COL(COL_I64, rec_window, amount),
    COL(COL_U32L, rec_window, steps),     COL(COL_BOOL, rec_window, newcomer),
    COL(COL_U32L, rec_window, drawn),     COL(COL_U32L, rec_window, equal),
    COL(COL_U32L, rec_window, wrong),     COL(COL_I64, rec_window, busy_us),
    COL(COL_I64, rec_window, opened_us),  COL(COL_I64, rec_window, closed_us),
};

static const struct column result_cols[] = {
    COL(COL_I64, rec_result, job_id),
    COL(COL_U32, rec_result, task),
    COL(COL_I32, rec_result, epoch),
    COL(COL_U32, rec_result, attempt),
    COL(COL_I64, rec_result, worker_id),
    COL(COL_I64, rec_result, window_id),
    COL(COL_HASH, rec_result, root.hash),
    COL(COL_U64, rec_result, root.units),
    COL(COL_U64, rec_result, root.bytes),
    COL(COL_U32, rec_result, n_items),
    COL(COL_I64, rec_result, units),
    COL(COL_HASH0, rec_result, blob),
    VAR(COL_BYTES, rec_result, bytes, len),
    VAR(COL_BYTES, rec_result, map, map_len),
    COL(COL_I64, rec_result, received_us),
};

static const struct column check_cols[] = {
    COL(COL_I64, rec_check, job_id),
    COL(COL_I64, rec_check, check_id),
    COL(COL_I64, rec_check, window_id),
    COL(COL_U32, rec_check, task),
    COL(COL_U32, rec_check, attempt),
    COL(COL_I32, rec_check, epoch),
    COL(COL_U32L, rec_check, item),
    COL(COL_U32, rec_check, position),
    COL(COL_HASH, rec_check, committed),
    COL(COL_I64, rec_check, units),
    COL(COL_U8, rec_check, state),
    COL(COL_BOOL, rec_check, referee_only),
    COL(COL_I64, rec_check, checker_id),
    COL(COL_HASH0, rec_check, answer),
    COL(COL_ID, rec_check, checker_window_id),
    COL(COL_ID, rec_check, checker_job_id),
    COL(COL_U32N, rec_check, checker_task),
    COL(COL_U32N, rec_check, checker_attempt),
    COL(COL_U32N, rec_check, checker_epoch),
    COL(COL_U32N, rec_check, checker_position),
    COL(COL_I64, rec_check, drawn_us),
    COL(COL_I64, rec_check, answered_us),
};

static const struct column verdict_cols[] = {
    COL(COL_I64, rec_verdict, verdict_id),
    COL(COL_U8, rec_verdict, kind),
    COL(COL_I64, rec_verdict, worker_id),
    COL(COL_I64, rec_verdict, party_id),
    COL(COL_I64, rec_verdict, job_id),
    COL(COL_U32, rec_verdict, task),
    COL(COL_U32, rec_verdict, attempt),
    COL(COL_I32, rec_verdict, epoch),
    COL(COL_U32, rec_verdict, position),
    COL(COL_I64, rec_verdict, source_job_id),
    COL(COL_U32, rec_verdict, source_task),
    COL(COL_U32L, rec_verdict, source_item),
    COL(COL_U32L, rec_verdict, expected_code),
    COL(COL_I64, rec_verdict, expected_units),
    VAR(COL_BYTES, rec_verdict, expected, expected_len),
    COL(COL_I64, rec_verdict, at_us),
};

static const struct column transfer_cols[] = {
    COL(COL_UUID, rec_transfer, transfer_id),
    COL(COL_U8, rec_transfer, kind),
    COL(COL_I64, rec_transfer, dr_party),
    COL(COL_U8, rec_transfer, dr_purpose),
    COL(COL_I64, rec_transfer, cr_party),
    COL(COL_U8, rec_transfer, cr_purpose),
    COL(COL_TEXT, rec_transfer, unit),
    COL(COL_I64, rec_transfer, amount),
    COL(COL_I64, rec_transfer, ref),
    COL(COL_I64, rec_transfer, event_us),
};

static const struct column billing_cols[] = {
    COL(COL_I64, rec_billing, billing_id),
    COL(COL_ID, rec_billing, window_id),
    COL(COL_ID, rec_billing, job_id),
    COL(COL_I64, rec_billing, owner),
    COL(COL_I64, rec_billing, customer),
    COL(COL_U8, rec_billing, purpose),
    COL(COL_ID, rec_billing, tariff_id),
    COL(COL_U32L, rec_billing, tasks),
    COL(COL_U64, rec_billing, items),
    COL(COL_I64, rec_billing, units),
    COL(COL_I64, rec_billing, credit_micro),
    COL(COL_I64, rec_billing, amount),
    COL(COL_I64, rec_billing, fee),
    COL(COL_I64, rec_billing, busy_us),
    COL(COL_I64, rec_billing, at_us),
};

static const struct column seq_cols[] = {
    COL(COL_I64, rec_seq, worker_id),
    COL(COL_I64, rec_seq, seq),
    COL(COL_HASH, rec_seq, body),
    VAR(COL_BYTES, rec_seq, reply, reply_len),
};

static const struct column token_cols[] = {
    COL(COL_HASH, rec_token, hash),      COL(COL_U8, rec_token, kind),
    COL(COL_I64, rec_token, party_id),   COL(COL_I64, rec_token, created_us),
    COL(COL_I64, rec_token, expires_us), COL(COL_I64, rec_token, used_us),
    COL(COL_BOOL, rec_token, revoked),
};

static const struct column blob_cols[] = {
    COL(COL_HASH, rec_blob, digest),
    COL(COL_I64, rec_blob, party_id),
    COL(COL_I64, rec_blob, size),
    COL(COL_I64, rec_blob, at_us),
};

#define TABLE(rec, st, cols, keys, append)                                     \
    {                                                                          \
        rec, sizeof(struct st), sizeof(cols) / sizeof((cols)[0]), keys,        \
            append, cols                                                       \
    }

const struct table store_tables[TABLES] = {
    [TABLE_PARTY] = TABLE(REC_PARTY, rec_party, party_cols, 1, false),
    [TABLE_TARIFF] = TABLE(REC_TARIFF, rec_tariff, tariff_cols, 1, true),
    [TABLE_WORKER] = TABLE(REC_WORKER, rec_worker, worker_cols, 1, false),
    [TABLE_JOB] = TABLE(REC_JOB, rec_job, job_cols, 1, false),
    [TABLE_JOB_INPUT] = TABLE(REC_TYPES, rec_job, job_input_cols, 1, true),
    [TABLE_TASK] = TABLE(REC_TASK, rec_task, task_cols, 2, false),
    [TABLE_WINDOW] = TABLE(REC_WINDOW, rec_window, window_cols, 1, false),
    [TABLE_RESULT] = TABLE(REC_RESULT, rec_result, result_cols, 4, true),
    [TABLE_CHECK] = TABLE(REC_CHECK, rec_check, check_cols, 2, false),
    [TABLE_VERDICT] = TABLE(REC_VERDICT, rec_verdict, verdict_cols, 1, true),
    [TABLE_TRANSFER] =
        TABLE(REC_TRANSFER, rec_transfer, transfer_cols, 1, true),
    [TABLE_BILLING] = TABLE(REC_BILLING, rec_billing, billing_cols, 1, true),
    [TABLE_SEQ] = TABLE(REC_SEQ, rec_seq, seq_cols, 1, false),
    [TABLE_TOKEN] = TABLE(REC_TOKEN, rec_token, token_cols, 1, false),
    [TABLE_BLOB] = TABLE(REC_BLOB, rec_blob, blob_cols, 2, false),
};

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21 };
enum { OID_INT4 = 23, OID_TEXT = 25, OID_UUID = 2950 };

static uint32_t column_oid(uint8_t kind)
{
    switch (kind) {
    case COL_I32:
    case COL_U32:
    case COL_U32N: return OID_INT4;
    case COL_U8: return OID_INT2;
    case COL_BOOL: return OID_BOOL;
    case COL_TEXT: return OID_TEXT;
    case COL_UUID: return OID_UUID;
    case COL_HASH:
    case COL_HASH0:
    case COL_BYTES:
    case COL_HASHES:
    case COL_UNITS: return OID_BYTEA;
    default: return OID_INT8;
    }
}

/* Bytes of one value, or -1 for NULL. */
static int64_t value_len(const struct column *c, const char *row)
{
    static const struct digest zero;
    const void *ptr;
    uint32_t count;

    switch (c->kind) {
    case COL_ID: {
        int64_t id;

        memcpy(&id, row + c->at, sizeof(id));
        return id ? 8 : -1;
    }
    case COL_U32N:
        memcpy(&count, row + c->at, sizeof(count));
        return count ? 4 : -1;
    case COL_I32:
    case COL_U32: return 4;
    case COL_U8: return 2;
    case COL_BOOL: return 1;
    case COL_TEXT: return (int64_t)strnlen(row + c->at, c->size);
    case COL_UUID: return 16;
    case COL_HASH: return DIGEST_LEN;
    case COL_HASH0:
        return memcmp(row + c->at, &zero, sizeof(zero)) ? DIGEST_LEN : -1;
    case COL_BYTES:
    case COL_HASHES:
    case COL_UNITS:
        memcpy(&ptr, row + c->at, sizeof(ptr));
        memcpy(&count, row + c->len_at, sizeof(count));
        if (!ptr)
            return -1;
        return (int64_t)count * (c->kind == COL_BYTES    ? 1
                                 : c->kind == COL_HASHES ? DIGEST_LEN
                                                         : 8);
    default: return 8;
    }
}

static int out_of_range(const struct column *c, uint64_t v, struct error *err)
{
    return error_set(err, EINVAL, "value %ju does not fit column kind %d",
                     (uintmax_t)v, c->kind);
}

static int put_number(const struct column *c, const char *row, uint8_t *out,
                      struct error *err)
{
    uint64_t v8;
    uint32_t v4;

    switch (c->kind) {
    case COL_I32:
    case COL_U32:
    case COL_U32N:
    case COL_U32L:
        memcpy(&v4, row + c->at, sizeof(v4));
        if (c->kind != COL_I32 && c->kind != COL_U32L && v4 > INT32_MAX)
            return out_of_range(c, v4, err);
        if (c->kind == COL_U32L)
            put_u64be(out, v4);
        else
            put_u32be(out, v4);
        return 0;
    case COL_U8:
        out[0] = 0;
        out[1] = (uint8_t)row[c->at];
        return 0;
    default:
        memcpy(&v8, row + c->at, sizeof(v8));
        if (c->kind == COL_U64 && v8 > INT64_MAX)
            return out_of_range(c, v8, err);
        put_u64be(out, v8);
        return 0;
    }
}

static int put_value(const struct column *c, const char *row, uint8_t *out,
                     size_t len, struct error *err)
{
    const void *ptr;
    int64_t unit;

    switch (c->kind) {
    case COL_BOOL: out[0] = row[c->at] ? 1 : 0; return 0;
    case COL_TEXT:
        memcpy(out, row + c->at, len);
        store_clean_text(out, len);
        return 0;
    case COL_UUID:
    case COL_HASH:
    case COL_HASH0: memcpy(out, row + c->at, len); return 0;
    case COL_BYTES:
    case COL_HASHES:
        memcpy(&ptr, row + c->at, sizeof(ptr));
        if (len > 0)
            memcpy(out, ptr, len);
        return 0;
    case COL_UNITS:
        memcpy(&ptr, row + c->at, sizeof(ptr));
        for (size_t i = 0; i < len / 8; i++) {
            memcpy(&unit, (const char *)ptr + 8 * i, sizeof(unit));
            put_u64be(out + 8 * i, (uint64_t)unit);
        }
        return 0;
    default: return put_number(c, row, out, err);
    }
}

/* A one-dimensional array: dimensions, has-NULL flag, element type, length,
 * lower bound, then each element's length (-1 is NULL) and bytes.
 */
static int encode_column(const struct table *t, const struct column *c,
                         const char *v, uint32_t n, struct params *p,
                         struct error *err)
{
    size_t total = 20;
    bool has_null = false;
    uint8_t *buf, *w;

    for (uint32_t i = 0; i < n; i++) {
        int64_t len = value_len(c, v + (size_t)i * t->size);

        has_null |= len < 0;
        total += 4 + (size_t)(len < 0 ? 0 : len);
    }
    if (total > INT32_MAX / 2)
        return error_set(err, EFBIG, "a column of %zu bytes is too large",
                         total);
    buf = malloc(total);
    if (!buf)
        return error_set(err, ENOMEM, "out of memory");
    p->values[p->n] = (char *)buf;
    p->lengths[p->n] = (int)total;
    p->formats[p->n++] = 1;
    put_u32be(buf, n > 0);
    put_u32be(buf + 4, has_null);
    put_u32be(buf + 8, column_oid(c->kind));
    put_u32be(buf + 12, n);
    put_u32be(buf + 16, 1);
    if (n == 0)
        p->lengths[p->n - 1] = 12;
    w = buf + 20;
    for (uint32_t i = 0; i < n; i++) {
        const char *row = v + (size_t)i * t->size;
        int64_t len = value_len(c, row);

        put_u32be(w, (uint32_t)len);
        w += 4;
        if (len < 0)
            continue;
        if (put_value(c, row, w, (size_t)len, err) < 0)
            return -1;
        w += len;
    }
    return 0;
}

int rows_encode(const struct table *t, const void *v, uint32_t n,
                struct params *p, struct error *err)
{
    for (int i = 0; i < t->n_cols; i++)
        if (encode_column(t, &t->cols[i], v, n, p, err) < 0)
            return -1;
    return 0;
}

void params_free(struct params *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->values[i]);
    p->n = 0;
}

int params_int(struct params *p, int64_t v, int bytes)
{
    uint8_t *b = malloc(8);

    if (!b)
        return -1;
    if (bytes == 4)
        put_u32be(b, (uint32_t)v);
    else
        put_u64be(b, (uint64_t)v);
    p->values[p->n] = (char *)b;
    p->lengths[p->n] = bytes;
    p->formats[p->n++] = 1;
    return 0;
}

int64_t pg_int(const PGresult *res, int row, int col)
{
    const uint8_t *b = (const uint8_t *)PQgetvalue(res, row, col);

    if (PQgetisnull(res, row, col))
        return 0;
    switch (PQgetlength(res, row, col)) {
    case 1: return b[0];
    case 2: return (int16_t)(b[0] << 8 | b[1]);
    case 4: return (int32_t)get_u32be(b);
    case 8: return (int64_t)get_u64be(b);
    default: return 0;
    }
}

static int get_units(const uint8_t *in, size_t n, void **scratch,
                     const void **out)
{
    int64_t *v = realloc(*scratch, n * 8 + 8);

    if (!v)
        return -1;
    *scratch = v;
    for (size_t i = 0; i < n; i++)
        v[i] = (int64_t)get_u64be(in + 8 * i);
    *out = v;
    return 0;
}

static int get_bytes(const struct column *c, const PGresult *res, int row,
                     int col, char *out, void **scratch)
{
    uint32_t count = (uint32_t)PQgetlength(res, row, col);
    const void *ptr = PQgetvalue(res, row, col);

    if (PQgetisnull(res, row, col)) {
        if (c->kind != COL_BYTES)
            return 0; /* the count is another column's */
        ptr = NULL;
        count = 0;
    } else if (c->kind == COL_HASHES) {
        count /= DIGEST_LEN;
    } else if (c->kind == COL_UNITS) {
        count /= 8;
        if (get_units(ptr, count, scratch, &ptr) < 0)
            return -1;
    }
    memcpy(out + c->at, &ptr, sizeof(ptr));
    memcpy(out + c->len_at, &count, sizeof(count));
    return 0;
}

static void get_number(const struct column *c, int64_t v, char *out)
{
    int32_t v4 = (int32_t)v;

    switch (c->kind) {
    case COL_I32:
    case COL_U32:
    case COL_U32N:
    case COL_U32L: memcpy(out + c->at, &v4, sizeof(v4)); break;
    case COL_U8: out[c->at] = (char)v; break;
    case COL_BOOL: {
        bool b = v != 0;

        memcpy(out + c->at, &b, sizeof(b));
        break;
    }
    default: memcpy(out + c->at, &v, sizeof(v));
    }
}

int row_decode(const struct table *t, const PGresult *res, int row, int col,
               void *out, void **scratch, struct error *err)
{
    for (int i = 0; i < t->n_cols; i++, col++) {
        const struct column *c = &t->cols[i];
        int len = PQgetlength(res, row, col);

        switch (c->kind) {
        case COL_TEXT:
        case COL_UUID:
        case COL_HASH:
        case COL_HASH0:
            if (len > c->size || (c->kind == COL_TEXT && len == c->size))
                return error_set(err, EBADMSG,
                                 "column %d of a row is %d bytes long", i, len);
            memset((char *)out + c->at, 0, c->size);
            memcpy((char *)out + c->at, PQgetvalue(res, row, col), (size_t)len);
            break;
        case COL_BYTES:
        case COL_HASHES:
        case COL_UNITS:
            if (get_bytes(c, res, row, col, out, scratch) < 0)
                return error_set(err, ENOMEM, "out of memory");
            break;
        default: get_number(c, pg_int(res, row, col), out);
        }
    }
    return 0;
}
