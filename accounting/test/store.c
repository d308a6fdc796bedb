/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - every record comes back as it was put, or not at all */
#include "accounting/store.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "accounting/store_impl.h"
#include "t/pg.h"

#define NOW 1765000000000000 /* 2025-12-06 */

static char schema_dir[512];
static struct error err;

static enum store_status commit(struct store *s, struct store_batch *b)
{
    enum store_status st;

    if (store_send(s, b, &err) < 0)
        return STORE_LOST;
    while ((st = store_poll(s, &err)) == STORE_WAITING) {
        struct pollfd p = {.events = POLLIN};
        bool w;

        p.fd = store_fd(s, &w);
        p.events = (short)(POLLIN | (w ? POLLOUT : 0));
        poll(&p, 1, 10000);
    }
    return st;
}

static enum store_status put_commit(struct store *s, const struct record *r,
                                    size_t n)
{
    struct store_batch *b = store_batch_create(s);
    enum store_status st = STORE_LOST;

    if (store_put(b, r, n) == 0)
        st = commit(s, b);
    if (st == STORE_LOST)
        fprintf(stderr, "# %s\n", err.text);
    store_batch_destroy(b);
    return st;
}

static const struct digest blobs[3] = {{{1}}, {{2}}, {{3}}};
static const int64_t units[3] = {5, INT64_C(1) << 40, 7};
static const uint8_t bytes[] = {0, 1, 2, 255, 0};

static const struct record sample[] = {
    {REC_PARTY, .party = {.party_id = 1,
                          .name = "cell",
                          .roles = ROLE_CELL,
                          .beneficial_owner = 1,
                          .created_us = NOW}},
    {REC_PARTY, .party = {.party_id = 2,
                          .name = "Ann \"O'Wner\"",
                          .roles = ROLE_OWNER,
                          .beneficial_owner = 2,
                          .accepted_tasks = 7,
                          .strict_tasks = -1,
                          .created_us = NOW}},
    {REC_PARTY, .party = {.party_id = 3,
                          .roles = ROLE_CUSTOMER | ROLE_OWNER,
                          .beneficial_owner = 2,
                          .locked = true,
                          .strict_tasks = 50,
                          .fund_serial = 4,
                          .created_us = NOW}},
    {REC_TARIFF, .tariff = {.tariff_id = 1,
                            .kernel = "echo",
                            .zone = "cell",
                            .unit = "USD",
                            .credit_unit = "CPUC",
                            .price_micro = 240000,
                            .rate_num = 3,
                            .rate_den = 7,
                            .fee_ppm = 100000,
                            .valid_from_us = NOW}},
    {REC_WORKER, .worker = {.worker_id = 1,
                            .party_id = 2,
                            .pubkey = {9, 8},
                            .state = WORKER_ACTIVE,
                            .enrolled_us = NOW,
                            .last_seen_us = NOW + 1}},
    {REC_WORKER, .worker = {.worker_id = 2,
                            .party_id = 1,
                            .pubkey = {7},
                            .referee = true,
                            .state = WORKER_LOCKED,
                            .enrolled_us = NOW}},
    {REC_JOB, .job = {.job_id = 1,
                      .party_id = 3,
                      .submission_id = {1, 2, 3},
                      .name = "naïve",
                      .user_name = "ann",
                      .kernel = "echo",
                      .spec = {{4}},
                      .params = {{5}},
                      .input = INPUT_BLOBS,
                      .tasks = 3,
                      .items_per_task = 2,
                      .items = 5,
                      .blobs = blobs,
                      .task_units = units,
                      .units = 1000,
                      .array_first = -4,
                      .array_step = 2,
                      .is_array = true,
                      .zone = "cell",
                      .nice = -100,
                      .time_limit_us = 5,
                      .submitted_us = NOW,
                      .started_us = NOW + 1,
                      .state = JOB_RUNNING,
                      .reason = "None",
                      .tasks_done = 1,
                      .tasks_failed = 1,
                      .tasks_cancelled = 1,
                      .tariff_id = 1,
                      .quote_amount = 500,
                      .quote_fee = 50,
                      .reserved = 440,
                      .spent_amount = 100,
                      .spent_fee = 10,
                      .checked_items = 8,
                      .caught_items = 2}},
    {REC_JOB, .job = {.job_id = 2,
                      .party_id = 3,
                      .kernel = "echo",
                      .input = INPUT_INDEX,
                      .tasks = 4000000000u,
                      .items = 4000000000u,
                      .items_per_task = 1,
                      .units_per_item = 1,
                      .zone = "own",
                      .submitted_us = NOW,
                      .state = JOB_PENDING}},
    {REC_TASK, .task = {.job_id = 1,
                        .task = 0,
                        .state = TASK_DONE,
                        .attempt = 2,
                        .worker_id = 1,
                        .window_id = 1,
                        .units = 10,
                        .code = 0xffffffffu,
                        .started_us = NOW,
                        .ended_us = NOW + 5}},
    {REC_TASK,
     .task = {.job_id = 1, .task = 1, .state = TASK_QUEUED, .attempt = 9}},
    {REC_WINDOW, .window = {.window_id = 1,
                            .job_id = 1,
                            .worker_id = 1,
                            .party_id = 2,
                            .state = WINDOW_OPEN,
                            .tasks = 1,
                            .items = 4,
                            .units = 10,
                            .salt_items = 6,
                            .salt_units = 3,
                            .fee_units = 2,
                            .amount = 60,
                            .steps = 5,
                            .newcomer = true,
                            .drawn = 8,
                            .equal = 5,
                            .wrong = 2,
                            .busy_us = 12,
                            .opened_us = NOW}},
    {REC_WINDOW, .window = {.window_id = 2,
                            .worker_id = 2,
                            .party_id = 1,
                            .state = WINDOW_CHECKING,
                            .salt_units = 9,
                            .opened_us = NOW,
                            .closed_us = NOW + 9}},
    {REC_RESULT, .result = {.job_id = 1,
                            .task = 0,
                            .epoch = 1,
                            .attempt = 2,
                            .worker_id = 1,
                            .window_id = 1,
                            .root = {{{6}}, 10, 5},
                            .n_items = 3,
                            .units = 10,
                            .bytes = bytes,
                            .len = 5,
                            .map = bytes,
                            .map_len = 4,
                            .received_us = NOW}},
    {REC_RESULT, .result = {.job_id = 1,
                            .task = 1,
                            .epoch = 1,
                            .attempt = 1,
                            .worker_id = 1,
                            .window_id = 1,
                            .root = {{{6}}, 10, 5},
                            .n_items = 3,
                            .units = 10,
                            .blob = {{8}},
                            .received_us = NOW}},
    {REC_CHECK, .check = {.check_id = 1,
                          .window_id = 1,
                          .job_id = 1,
                          .task = 0,
                          .attempt = 2,
                          .epoch = 1,
                          .item = 1,
                          .position = 2,
                          .committed = {{9}},
                          .units = 5,
                          .state = CHECK_PENDING,
                          .referee_only = true,
                          .drawn_us = NOW}},
    {REC_CHECK, .check = {.check_id = 2,
                          .window_id = 1,
                          .job_id = 1,
                          .task = 0,
                          .attempt = 2,
                          .epoch = 1,
                          .item = 0,
                          .position = 0,
                          .committed = {{9}},
                          .units = 5,
                          .state = CHECK_DISPUTED,
                          .checker_id = 2,
                          .answer = {{1}},
                          .checker_window_id = 2,
                          .checker_job_id = 2,
                          .checker_task = 3,
                          .checker_attempt = 4,
                          .checker_epoch = 5,
                          .checker_position = 6,
                          .drawn_us = NOW,
                          .answered_us = NOW + 2}},
    {REC_VERDICT, .verdict = {.verdict_id = 1,
                              .kind = VERDICT_ERROR,
                              .worker_id = 1,
                              .party_id = 2,
                              .job_id = 1,
                              .task = 0,
                              .attempt = 2,
                              .epoch = 1,
                              .position = 2,
                              .source_job_id = 1,
                              .source_task = 1,
                              .source_item = 1,
                              .expected_units = 5,
                              .expected = bytes,
                              .expected_len = 5,
                              .at_us = NOW}},
    {REC_BILLING, .billing = {.billing_id = 1,
                              .window_id = 1,
                              .job_id = 1,
                              .owner = 2,
                              .customer = 3,
                              .purpose = BILL_PRIMARY,
                              .tariff_id = 1,
                              .tasks = 1,
                              .items = 2,
                              .units = 10,
                              .credit_micro = 4,
                              .amount = 60,
                              .fee = 6,
                              .busy_us = 1000000,
                              .at_us = NOW}},
    {REC_BILLING, .billing = {.billing_id = 2,
                              .window_id = 1,
                              .owner = 2,
                              .customer = 1,
                              .purpose = BILL_SALT,
                              .tariff_id = 1,
                              .items = 1,
                              .units = 10,
                              .credit_micro = 4,
                              .amount = 1,
                              .at_us = NOW}},
    {REC_SEQ, .seq = {.worker_id = 1,
                      .seq = 77,
                      .body = {{3}},
                      .reply = bytes,
                      .reply_len = 5}},
    {REC_SEQ, .seq = {.worker_id = 2, .seq = 1, .body = {{3}}, .reply = bytes}},
    {REC_TOKEN, .token = {.hash = {{1}},
                          .kind = TOKEN_ENROL,
                          .party_id = 2,
                          .created_us = NOW,
                          .expires_us = NOW + 10,
                          .used_us = NOW + 3,
                          .revoked = true}},
    {REC_BLOB,
     .blob = {.digest = {{1}}, .party_id = 3, .size = 1 << 20, .at_us = NOW}},
};

#define N_SAMPLE (sizeof(sample) / sizeof(sample[0]))

static const struct table *table_of(enum record_type type)
{
    for (int i = 0; i < TABLES; i++)
        if (store_tables[i].type == type)
            return &store_tables[i];
    return NULL;
}

/* Equal in every column, bytes compared by content. */
static bool same_cols(const struct table *t, const char *a, const char *b)
{
    for (int i = 0; i < t->n_cols; i++) {
        const struct column *c = &t->cols[i];
        const void *pa, *pb;
        uint32_t na, nb,
            size = c->kind == COL_BYTES    ? 1
                   : c->kind == COL_HASHES ? 32
                                           : 8;

        if (c->kind < COL_BYTES) {
            if (c->kind == COL_TEXT ? strcmp(a + c->at, b + c->at) != 0
                                    : memcmp(a + c->at, b + c->at, c->size))
                return false;
            continue;
        }
        memcpy(&pa, a + c->at, sizeof(pa));
        memcpy(&pb, b + c->at, sizeof(pb));
        memcpy(&na, a + c->len_at, sizeof(na));
        memcpy(&nb, b + c->len_at, sizeof(nb));
        if (na != nb || !pa != !pb || (pa && memcmp(pa, pb, na * size)))
            return false;
    }
    return true;
}

static bool same(const struct record *a, const struct record *b)
{
    const struct table *t = table_of(a->type);

    if (a->type != b->type || !t ||
        !same_cols(t, (const char *)&a->party, (const char *)&b->party))
        return false;
    return a->type != REC_JOB ||
           same_cols(&store_tables[TABLE_JOB_INPUT], (const char *)&a->party,
                     (const char *)&b->party);
}

struct seen {
    int count[REC_TYPES + 1];
    bool found[N_SAMPLE];
    int strangers, disorder;
    enum record_type last;
    struct rec_counter counter;
    int64_t prepaid;
};

static int look(void *arg, const struct record *r, struct error *e)
{
    struct seen *v = arg;

    (void)e;
    v->disorder += r->type < v->last;
    v->last = r->type;
    v->count[r->type]++;
    if (r->type == REC_COUNTER)
        v->counter = r->counter;
    if (r->type == REC_BALANCE && r->balance.party_id == 3 &&
        r->balance.purpose == ACC_PREPAID)
        v->prepaid = r->balance.amount;
    if (r->type == REC_COUNTER || r->type == REC_BALANCE)
        return 0;
    for (size_t i = 0; i < N_SAMPLE; i++)
        if (same(&sample[i], r)) {
            v->found[i] = true;
            return 0;
        }
    v->strangers++;
    return 0;
}

static int look_result(void *arg, const struct rec_result *res, struct error *e)
{
    const struct record r = {REC_RESULT, .result = *res};

    return look(arg, &r, e);
}

static struct record transfer(uint8_t kind, int64_t dp, uint8_t d, int64_t cp,
                              uint8_t c, int64_t amount, int64_t ref,
                              uint64_t serial)
{
    struct record r = {REC_TRANSFER, .transfer = {.kind = kind,
                                                  .dr_party = dp,
                                                  .dr_purpose = d,
                                                  .cr_party = cp,
                                                  .cr_purpose = c,
                                                  .unit = "USD",
                                                  .amount = amount,
                                                  .ref = ref,
                                                  .event_us = NOW}};

    transfer_make_id(&r.transfer, 0, serial);
    return r;
}

static void test_round_trip(struct store *s)
{
    struct seen v = {.last = 0};
    struct record money =
        transfer(TR_FUND, 1, ACC_BANK, 3, ACC_PREPAID, 10000000, 1, 1);

    is_int(put_commit(s, sample, N_SAMPLE), STORE_COMMITTED,
           "records of every type are committed together: %s", err.text);
    is_int(put_commit(s, &money, 1), STORE_COMMITTED, "and a transfer");
    is_int(store_load(s, NOW, 60000000, look, &v, &err), 0, "all are loaded");
    is_int(v.count[REC_RESULT], 0, "but the results");
    v.last = 0;
    for (uint32_t t = 0; t < 2; t++)
        is_int(store_result(s, 1, t, 1, 2 - t, look_result, &v, &err), 0,
               "a result is read by its commitment");
    for (size_t i = 0; i < N_SAMPLE; i++)
        if (!v.found[i])
            ok(false, "sample %zu of type %d came back changed", i,
               (int)sample[i].type);
    is_int(v.strangers, 0, "nothing else came back");
    is_int(v.disorder, 0, "in the order of the record types");
    is_int(v.counter.next_job, 3, "the next job id follows the highest");
    is_int(v.counter.next_check, 3, "so does the next check id");
    is_int(v.prepaid, 10000000, "the balance is what was funded");
}

static void test_update(struct store *s)
{
    struct record r[2] = {sample[6], sample[6]};
    struct seen v = {.last = 0};

    r[0].job.spent_amount = 200;
    r[1].job.blobs = NULL;
    r[1].job.task_units = NULL;
    is_int(put_commit(s, r, 2), STORE_COMMITTED,
           "one key twice in a batch is one row");
    is_int(store_load(s, NOW, 60000000, look, &v, &err), 0, "loaded again");
    ok(v.found[6], "the later record won and its input was kept");
}

static void test_refusals(struct store *s)
{
    struct record r = sample[12], over, edge;
    int64_t before, after;
    struct digest head;

    store_head(s, &before, &head, &err);
    is_int(put_commit(s, &r, 1), STORE_FAILED, "a result twice is refused");
    like(err.text, "duplicate key", "with PostgreSQL's words");
    over = transfer(TR_RESERVE, 3, ACC_PREPAID, 3, ACC_RESERVE, 10000001, 9, 1);
    is_int(put_commit(s, &over, 1), STORE_FAILED, "an overdraft is refused");
    like(err.text, "bal_floor", "and named");
    edge = transfer(TR_FUND, 1, ACC_BANK, 2, ACC_PAYABLE, 1, 9, 2);
    is_int(put_commit(s, &edge, 1), STORE_FAILED,
           "money cannot go from the bank to an owner's payable");
    like(err.text, "cannot go from account 1", "says which accounts");
    store_head(s, &after, &head, &err);
    is_int(after, before, "the chain is where it was");
    over.transfer.amount = 1000;
    is_int(put_commit(s, &over, 1), STORE_COMMITTED,
           "the connection works after refusals");
    is_int(put_commit(s, &over, 1), STORE_COMMITTED, "a repeat is accepted");
    store_head(s, &after, &head, &err);
    is_int(after, before + 1, "and posts nothing");
    over.transfer.amount = 999;
    is_int(put_commit(s, &over, 1), STORE_FAILED,
           "the same id with another amount is refused");
    like(err.text, "other content", "and says so");
}

static void test_committed(struct store *s, const char *conninfo)
{
    struct store_batch *b = store_batch_create(s);
    int32_t epoch = store_epoch(s);
    int64_t good, bad;
    struct store *other;
    struct record r = sample[19];

    r.seq.seq = 78;
    store_put(b, &r, 1);
    is_int(commit(s, b), STORE_COMMITTED, "a batch is committed");
    good = store_batch_serial(b);
    store_batch_reset(b);
    r = sample[12];
    store_put(b, &r, 1);
    is_int(commit(s, b), STORE_FAILED, "the next one fails");
    bad = store_batch_serial(b);
    other = store_open(conninfo, schema_dir, 50000, &err);
    ok(!other && errno == EBUSY, "a second controller waits in vain");
    like(err.text, "another controller", "and is told why");
    store_batch_destroy(b);
    store_close(s);
    s = store_open(conninfo, schema_dir, 5000000, &err);
    ok(s != NULL, "after the first has gone a new one starts");
    if (!s)
        return;
    is_int(store_epoch(s), epoch + 1, "with the next epoch");
    is_int(store_was_committed(s, epoch, good, &err), 1,
           "the committed batch is known");
    is_int(store_was_committed(s, epoch, bad, &err), 0,
           "the failed one is not");
    is_int(store_was_committed(s, epoch, bad + 1, &err), 0,
           "nor one never sent");
    store_close(s);
}

static void test_fence(const char *conninfo)
{
    struct store *s = store_open(conninfo, schema_dir, 5000000, &err);
    struct record r = sample[19];
    PGconn *thief = PQconnectdb(conninfo);

    PQclear(PQexec(thief, "SELECT cell.begin_epoch()"));
    is_int(put_commit(s, &r, 1), STORE_FAILED,
           "a controller of a passed epoch writes nothing");
    like(err.text, "fenced off", "it is fenced off");
    PQclear(PQexec(thief,
                   "SELECT pg_terminate_backend(pid) FROM"
                   " pg_stat_activity WHERE application_name = 'fallow'"));
    is_int(put_commit(s, &r, 1), STORE_LOST, "a broken connection is lost");
    PQfinish(thief);
    store_close(s);
}

struct first {
    int n;
    uint32_t len;
};

static int take_result(void *arg, const struct rec_result *r, struct error *e)
{
    struct first *f = arg;

    (void)e;
    f->n++;
    f->len = r->len;
    return 0;
}

static int take_job(void *arg, const struct rec_job *job, struct error *e)
{
    int64_t *first = arg;

    if (*first)
        return error_set(e, EINTR, "enough");
    *first = job->job_id;
    return 0;
}

static void test_reading(struct store *s)
{
    struct first f = {0};
    int64_t newest = 0;

    is_int(store_results(s, 1, 0, 3, take_result, &f, &err), 0,
           "results of a job are read");
    is_int(f.n, 1, "only the accepted one");
    is_int(f.len, 5, "with its bytes");
    f.n = 0;
    is_int(store_result(s, 1, 1, 1, 1, take_result, &f, &err), 0,
           "the result of a task that is queued again is still there");
    is_int(f.n, 1, "once");
    is_int(store_jobs(s, 3, 0, 0, 0, 10, take_job, &newest, &err), -1,
           "a reader may stop early");
    is_int(newest, 2, "the newest job comes first");
    like(err.text, "enough", "with its own error");
}

static int take_name(void *arg, const struct record *r, struct error *e)
{
    (void)e;
    if (r->type == REC_PARTY && r->party.party_id == 9)
        snprintf(arg, NAME_MAX_LEN + 1, "%s", r->party.name);
    return 0;
}

/* What a customer or an owner may have sent, and what is kept of it. */
static void test_names(struct store *s)
{
    static const char *const names[][2] = {
        {"'); DROP TABLE cell.job; --", "'); DROP TABLE cell.job; --"},
        {"$1 {\"a\",NULL} \\x00 %s", "$1 {\"a\",NULL} \\x00 %s"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"cut \xe2\x82", "cut ??"},
        {"\xff\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80", "??? ??? ????"},
        {"\x80\xc3", "??"},
        {"tab\tline\n\x01", "tab\tline\n\x01"},
    };
    char got[NAME_MAX_LEN + 1];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct record r = {REC_PARTY,
                           .party = {.party_id = 9, .beneficial_owner = 9}};

        snprintf(r.party.name, sizeof(r.party.name), "%s", names[i][0]);
        is_int(put_commit(s, &r, 1), STORE_COMMITTED, "hostile name %zu", i);
        got[0] = '\0';
        store_load(s, NOW, 1, take_name, got, &err);
        is_str(got, names[i][1], "is kept as text");
    }
}

int main(void)
{
    const char *conninfo = pg_start(), *src = getenv("srcdir");
    struct store *s;
    PGconn *c;

    snprintf(schema_dir, sizeof(schema_dir), "%s/accounting/schema",
             src ? src : ".");
    s = store_open(conninfo, schema_dir, 1000000, &err);
    ok(s != NULL, "the schema is applied to an empty database: %s",
       s ? "done" : err.text);
    if (!s)
        return 1;
    is_int(store_epoch(s), 1, "the first epoch is 1");
    test_round_trip(s);
    test_update(s);
    test_reading(s);
    test_names(s);
    test_refusals(s);
    test_committed(s, conninfo);
    test_fence(conninfo);
    c = PQconnectdb(conninfo);
    PQclear(PQexec(c, "ALTER SYSTEM SET fsync = off"));
    PQclear(PQexec(c, "SELECT pg_reload_conf()"));
    PQfinish(c);
    for (int i = 0; i < 100; i++) {
        s = store_open(conninfo, schema_dir, 1000000, &err);
        if (!s)
            break;
        store_close(s);
        usleep(20000);
    }
    ok(!s && errno == EPERM, "a cluster without fsync is refused");
    like(err.text, "fsync = off", "and the setting named");
    done_testing();
    return exit_status();
}
