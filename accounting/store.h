/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the only store of record: a PostgreSQL database
 *
 * What the controller sees of accounting/.  All records of a group commit are
 * one transaction; nothing is acknowledged before store_poll() said COMMITTED.
 * One writer: the store holds an advisory lock and a fencing epoch.  Not
 * thread-safe; one store object a thread.
 *
 *   batch = store_batch_create(store)
 *   store_put(batch, records, n)           copies, so effects may be cleared
 *   store_send(store, batch)               BEGIN … COMMIT in pipeline mode
 *   poll(store_fd(store)) → store_poll()   COMMITTED, or FAILED, or LOST
 *
 * The schema lives in accounting/schema/NN-name.sql and is applied in order,
 * each file once, in a transaction of its own.
 */
#ifndef FALLOW_ACCOUNTING_STORE_H
#define FALLOW_ACCOUNTING_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/record.h"

struct store;
struct store_batch;

/* Connect, refuse to start unless fsync and synchronous_commit are on, apply
 * the schema (from schema_dir), take the writer's advisory lock (wait up to
 * wait_us for a dead controller's to be released), raise the epoch by one and
 * commit it.  NULL with errno ECONNREFUSED (could not connect: may work next
 * time), EBUSY (another controller holds the lock), EPERM (settings).
 */
struct store *store_open(const char *conninfo, const char *schema_dir,
                         int64_t wait_us, struct error *err);
void store_close(struct store *s);

/* The epoch this controller writes with. */
int32_t store_epoch(const struct store *s);

/* Read every record a restart needs, in the order of enum record_type, calling
 * fn for each (strings valid during the call).  Ended jobs older than keep_us
 * before now_us are left out, and their tasks, windows and billing lines;
 * of the checks come those without a last word.  Results and transfers are
 * never among them: store_results and store_result read the former.
 * Stops with -1 when fn returns -1.
 */
int store_load(struct store *s, int64_t now_us, int64_t keep_us,
               int (*fn)(void *arg, const struct record *r, struct error *err),
               void *arg, struct error *err);

/* NULL with errno ENOMEM.  A batch may be filled again after store_reset. */
struct store_batch *store_batch_create(struct store *s);
void store_batch_reset(struct store_batch *b);
void store_batch_destroy(struct store_batch *b);

/* Copy n records into the batch.  Later records of the same key win.  A job's
 * blobs and task_units are copied and written once, when its id is first seen:
 * new jobs have ascending ids.  Returns 0 or -1 with errno ENOMEM, or EINVAL
 * for a record that is only read back.
 */
int store_put(struct store_batch *b, const struct record *r, size_t n);
size_t store_batch_records(const struct store_batch *b);

/* Send the batch as one transaction.  At most one batch is in flight.
 * Returns 0, or -1 with errno EBUSY (one is) or ECONNRESET.
 */
int store_send(struct store *s, struct store_batch *b, struct error *err);

enum store_status {
    STORE_IDLE,    /* nothing in flight */
    STORE_WAITING, /* in flight, nothing to report yet */
    STORE_COMMITTED,
    STORE_FAILED, /* rolled back for a reason that will repeat: a bug or a
                   * breached constraint; err has PostgreSQL's message */
    STORE_LOST,   /* connection gone, outcome unknown: reopen, then ask
                   * store_was_committed */
};

/* File descriptor to wait on for reading, and whether for writing as well;
 * poll then, in flight or not: a connection that ends is noticed so.
 */
int store_fd(const struct store *s, bool *want_write);
enum store_status store_poll(struct store *s, struct error *err);

/* Every batch carries (epoch, serial).  After STORE_LOST and a fresh
 * store_open: 1 when that batch was committed, 0 when not, -1 error.
 */
int64_t store_batch_serial(const struct store_batch *b);
int store_was_committed(struct store *s, int32_t epoch, int64_t serial,
                        struct error *err);

/* ---- reading for the api, synchronous, on a connection of its own ---- */

/* Jobs that match, newest first, for sacct and for jobs the core forgot.
 * party_id 0 = all; job_id 0 = all; since_us on submit time.
 */
int store_jobs(struct store *s, int64_t party_id, int64_t job_id,
               int64_t since_us, int64_t until_us, int limit,
               int (*fn)(void *arg, const struct rec_job *job,
                         struct error *err),
               void *arg, struct error *err);

/* The accepted results of tasks first … first + n - 1 of a job, in order. */
int store_results(struct store *s, int64_t job_id, uint32_t first, uint32_t n,
                  int (*fn)(void *arg, const struct rec_result *r,
                            struct error *err),
                  void *arg, struct error *err);

/* One result by its commitment; used to draw items again and for evidence. */
int store_result(struct store *s, int64_t job_id, uint32_t task, int32_t epoch,
                 uint32_t attempt,
                 int (*fn)(void *arg, const struct rec_result *r,
                           struct error *err),
                 void *arg, struct error *err);

/* Verdicts of a job (0 = all), oldest first. */
int store_verdicts(struct store *s, int64_t job_id,
                   int (*fn)(void *arg, const struct rec_verdict *v,
                             struct error *err),
                   void *arg, struct error *err);

/* Head of the ledger's hash chain: batch number and hash. */
int store_head(struct store *s, int64_t *batch_no, struct digest *hash,
               struct error *err);

/* Named documents for commands, made by accounting/ and passed through as
 * text: kind "audit" | "statement" | "invoice" | "tonight" | "balance" |
 * "trial-balance" | "journal" | "verify-chain", format "text" | "json";
 * party_id 0 where it does not apply.  *out is allocated, freed by the caller.
 * ENOENT: no such party; EINVAL: no such kind.
 */
int store_report(struct store *s, const char *kind, const char *format,
                 int64_t party_id, int64_t since_us, int64_t until_us,
                 char **out, struct error *err);

/* What "tonight" estimates electricity with: the power of one busy device and
 * micro-fiat a kWh.  Display only; 65 W and 0.17 until it is called.
 */
void store_report_power(struct store *s, int64_t milliwatts, int64_t price_kwh);

#endif
