/* SPDX-License-Identifier: Apache-2.0 */
/* store_impl.h - what the files of the store share; nobody else includes it
 *
 * store.c         connection, lock, epoch, the state of the batch in flight
 * store_schema.c  schema/NN-name.sql, each applied once
 * store_rows.c    the columns of every record: encode and decode
 * store_batch.c   records collected for one commit
 * store_read.c    reading back
 * store_text.c    names as PostgreSQL takes them
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
    COL_U32N,   /* u32 as int, 0 is NULL */
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

/* Rows of one table in a batch: structs side by side, found by the hash of
 * their key columns.  Appended tables have no index, since a key
 * that comes twice must reach PostgreSQL and be refused.
 */
struct rows {
    char *v;
    uint32_t n, cap;
    uint32_t *index; /* open addressing, row + 1 */
    uint32_t index_cap;
};

struct arena_chunk;

/* Records of one commit.  What rows point to is copied into the arena, which
 * is emptied by store_batch_reset and never by a commit: a batch that was lost
 * can be sent again as it is.
 */
struct store_batch {
    struct store *store;
    struct rows rows[TABLES];
    struct arena_chunk *arena; /* newest first */
    size_t records;            /* put, replaced ones included */
    int64_t serial;            /* given when sent; 0 = not yet */
    int64_t max_job;           /* highest job id whose input is in here */
    struct rec_counter next;   /* ids seen, written by the fence */
};

/* A batch in flight passes through these states:
 *
 *   sent      flying set, ready false
 *   failed    a statement was refused; the rest comes back as aborted
 *   rolling   the synchronisation point came back and ROLLBACK was sent
 *   ready     the last point came back: COMMITTED, or FAILED when failed
 *
 * Neither committed nor failed at the end cannot happen, and counts as lost.
 */
struct store {
    PGconn *conn; /* pipeline mode: batches only */
    PGconn *rd;   /* synchronous reads, opened when needed */
    char *conninfo;
    int32_t epoch;
    int64_t next_serial;        /* from 1 in every epoch */
    int64_t job_mark;           /* inputs up to this job are written or put */
    int64_t job_committed;      /* … and committed */
    int64_t milliwatts;         /* for estimates of electricity: of a device */
    int64_t price_kwh;          /* and micro-fiat a kWh */
    struct store_batch *flying; /* borrowed from the caller */
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

/* Append one integer of 4 or 8 bytes.  Returns 0, or -1 with errno ENOMEM. */
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

/* Make n bytes UTF-8: what is none becomes '?', byte by byte.  A name cut off
 * in the middle of a character must not make PostgreSQL refuse a whole commit.
 */
void store_clean_text(uint8_t *s, size_t n);

/* An integer column of 1, 2, 4 or 8 bytes in binary form; NULL is 0. */
int64_t pg_int(const PGresult *res, int row, int col);

/* Open a connection.  NULL with errno ECONNREFUSED. */
PGconn *store_connect(const char *conninfo, struct error *err);

/* Say what PostgreSQL said, after "what: ".  res may be NULL: then it is the
 * connection's trouble.  Returns -1 with errno EPROTO or ECONNRESET.
 */
int store_pg_error(struct error *err, PGconn *conn, const PGresult *res,
                   const char *what);

/* Run a statement that must succeed; binary results.  NULL with err filled. */
PGresult *store_query(PGconn *conn, const char *sql, const struct params *p,
                      struct error *err);

/* The connection for reads, opened when needed; NULL on error. */
PGconn *store_reader(struct store *s, struct error *err);

/* Bring the database up to the schema in dir.  Returns 0, or -1 with errno
 * EPERM when an applied file has changed since, ENOENT, or as store_pg_error.
 */
int store_apply_schema(PGconn *conn, const char *dir, struct error *err);

/* Prepare every statement a batch may need; none is made at run time. */
int store_prepare_all(PGconn *conn, struct error *err);

/* Queue BEGIN, the fence, a statement for every table that has rows, COMMIT.
 * Returns 0, or -1 with errno ENOMEM, EFBIG, EINVAL (a value that does not fit
 * its column) or ECONNRESET; the connection is then spent.
 */
int store_send_rows(PGconn *conn, struct store_batch *b, struct error *err);

#endif
