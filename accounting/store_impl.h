/* SPDX-License-Identifier: Apache-2.0 */
/* store_impl.h - what the files of the store share; nobody else includes it
 *
 * store.c         connection, lock, epoch, the state of the batch in flight
 * store_schema.c  schema/NN-name.sql, each applied once
 * store_rows.c    the columns of every record: encode and decode
 * store_batch.c   records collected for one commit
 * store_read.c    reading back
 */
#ifndef FALLOW_ACCOUNTING_STORE_IMPL_H
#define FALLOW_ACCOUNTING_STORE_IMPL_H

#include <libpq-fe.h>
#include <stddef.h>

#include "accounting/store.h"

/* How one member of a record travels; "0 is NULL" where another row is named
 * or nothing was there.
 */
enum column_kind {
    COL_I64,
    COL_ID,     /* i64, 0 is NULL */
    COL_U64,    /* u64 as bigint */
    COL_I32,    /* i32 as int */
    COL_U32,    /* u32 as int: below 2^31 */
    COL_U32L,   /* u32 as bigint */
    COL_U8,     /* u8 as smallint */
    COL_BOOL,   /* */
    COL_TEXT,   /* char[] */
    COL_UUID,   /* 16 bytes */
    COL_HASH,   /* 32 bytes as bytea */
    COL_HASH0,  /* the same, all zero is NULL */
    COL_BYTES,  /* pointer and u32 length, a null pointer is NULL */
    COL_HASHES, /* pointer and u32 count of 32-byte digests */
    COL_UNITS,  /* pointer and u32 count of i64, stored u64be */
};

struct column {
    uint8_t kind;
    uint16_t at;     /* offset in the record's struct */
    uint16_t len_at; /* of the count, where there is one */
    uint16_t size;   /* of char[] */
};

/* One record type and its columns, in the order both statements use. */
struct table {
    enum record_type type;
    uint16_t size; /* of the record's struct */
    uint8_t n_cols, n_keys;
    bool append;
    const struct column *cols; /* the first n_keys are the key */
};

enum table_id {
    TABLE_PARTY,
    TABLE_TARIFF,
    TABLE_WORKER,
    TABLE_JOB,
    TABLE_JOB_INPUT,
    TABLE_TASK,
    TABLE_WINDOW,
    TABLE_RESULT,
    TABLE_CHECK,
    TABLE_VERDICT,
    TABLE_TRANSFER,
    TABLE_BILLING,
    TABLE_SEQ,
    TABLE_TOKEN,
    TABLE_BLOB,
    TABLES
};

#define POST_COLS_MAX 48

extern const struct table store_tables[TABLES];

/* Rows of one table in a batch: structs side by side, found by key. */
struct rows {
    char *v;
    uint32_t n, cap;
    uint32_t *index; /* open addressing, row + 1 */
    uint32_t index_cap;
};

struct arena_chunk;

struct store_batch {
    struct store *store;
    struct rows rows[TABLES];
    struct arena_chunk *arena;
    size_t records;
    int64_t serial;
    int64_t max_job; /* highest job id whose input is in here */
    struct rec_counter next;
};

struct store {
    PGconn *conn; /* pipeline mode: batches only */
    PGconn *rd;   /* synchronous reads, opened when needed */
    char *conninfo;
    int32_t epoch;
    int64_t next_serial;
    int64_t job_mark;      /* inputs up to this job are written or put */
    int64_t job_committed; /* … and committed */
    int64_t milliwatts, price_kwh;
    struct store_batch *flying;
    bool want_write, failed, rolling_back, committed, ready;
    struct error failure;
};

/* Parameters of one statement, binary; freed with params_free. */
struct params {
    int n;
    char *values[POST_COLS_MAX];
    int lengths[POST_COLS_MAX];
    int formats[POST_COLS_MAX];
};

void params_free(struct params *p);
int params_int(struct params *p, int64_t v, int bytes);

/* Append one array parameter a column of t over the n rows at v. */
int rows_encode(const struct table *t, const void *v, uint32_t n,
                struct params *p, struct error *err);

/* Fill the record's struct from row of res, columns from col on.  Pointers
 * borrow from res; *scratch is a buffer that is reused and freed by the caller
 * with free().
 */
int row_decode(const struct table *t, const PGresult *res, int row, int col,
               void *out, void **scratch, struct error *err);

int64_t pg_int(const PGresult *res, int row, int col);

/* store.c: open a connection; run statements that must succeed. */
PGconn *store_connect(const char *conninfo, struct error *err);
int store_pg_error(struct error *err, PGconn *conn, const PGresult *res,
                   const char *what);
PGresult *store_query(PGconn *conn, const char *sql, const struct params *p,
                      struct error *err);

/* The connection for reads, opened when needed; NULL on error. */
PGconn *store_reader(struct store *s, struct error *err);

/* store_schema.c */
int store_apply_schema(PGconn *conn, const char *dir, struct error *err);

/* store_batch.c: prepared statements, and sending them all. */
int store_prepare_all(PGconn *conn, struct error *err);
int store_send_rows(PGconn *conn, struct store_batch *b, struct error *err);

#endif
