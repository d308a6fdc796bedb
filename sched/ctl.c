/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.c - the controller's state: opened from the store, stepped, dropped
 *
 * When the database goes away, or refuses a commit, everything in memory is
 * dropped and read again: there is one way to get a state, and a restart uses
 * the same.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/blob/blob.h"
#include "sched/api/api.h"

/* How long a lost database is waited for between tries. */
#define REOPEN_US 500000
/* Ended jobs stay in memory this long (Slurm's MinJobAge). */
#define KEEP_US 300000000

int64_t ctl_now_us(void)
{
    struct timespec ts;
    static int64_t last;
    int64_t now;

    clock_gettime(CLOCK_REALTIME, &ts);
    now = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    if (now < last)
        now = last;
    last = now;
    return now;
}

void ctl_log(const char *fmt, ...)
{
    int64_t us = ctl_now_us();
    time_t s = (time_t)(us / 1000000);
    struct tm tm;
    char when[32], text[1024];
    va_list ap;

    gmtime_r(&s, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s.%03dZ fallowctld: %s\n", when,
            (int)(us % 1000000 / 1000), text);
}

int ctl_record(struct ctl *c, const struct record *r)
{
    if (book_put(c->book, r) < 0)
        return -1;
    return commit_put(c->commit, r, 1);
}

const struct answer *ctl_step(struct ctl *c, const struct event *ev)
{
    int64_t now = ctl_now_us();

    if (c->broken)
        return NULL;
    effects_clear(&c->fx);
    if (cell_step(c->cell, ev, now, &c->rng, &c->fx) < 0 ||
        commit_put(c->commit, c->fx.records, c->fx.n_records) < 0) {
        c->broken = true;
        return NULL;
    }
    if (c->fx.next_tick_us &&
        (c->next_tick_us == 0 || c->fx.next_tick_us < c->next_tick_us))
        c->next_tick_us = c->fx.next_tick_us;
    if (c->fx.wake)
        c->wake = true;
    return c->fx.n_answers ? &c->fx.answers[0] : NULL;
}

static int restore_one(void *arg, const struct record *r, struct error *err)
{
    struct ctl *c = arg;

    switch (r->type) {
    case REC_TOKEN:
    case REC_BLOB:
    case REC_SEQ:
        if (book_put(c->book, r) < 0)
            return error_set(err, ENOMEM, "out of memory");
        return 0;
    default: return cell_restore(c->cell, r, err);
    }
}

static void drop_state(struct ctl *c)
{
    commit_destroy(c->commit);
    c->commit = NULL; /* what park_destroy refuses leaves at once */
    park_destroy(c->park);
    cell_destroy(c->cell);
    book_destroy(c->book);
    store_close(c->store);
    c->park = NULL;
    c->cell = NULL;
    c->book = NULL;
    c->store = NULL;
    c->next_tick_us = 0;
    c->wake = false;
    c->broken = false;
}

/* The core's policy with what only a start knows. */
static int make_cell(struct ctl *c, struct error *err)
{
    struct cell_conf p = c->conf.policy;
    static const char label[] = "fallow-day-key-v1";
    struct digest day;

    snprintf(p.cell_name, sizeof(p.cell_name), "%s", c->conf.cell_name);
    p.cell_party = 1;
    p.epoch = store_epoch(c->store);
    digest_hmac(c->seal_key, sizeof(c->seal_key), label, sizeof(label), &day);
    memcpy(p.day_key, day.b, sizeof(p.day_key));
    c->cell = cell_create(&p);
    c->book = book_create();
    c->park = park_create(c);
    c->commit = commit_create(c);
    if (!c->cell || !c->book || !c->park || !c->commit)
        return error_set(err, ENOMEM, "out of memory");
    return 0;
}

int ctl_open(struct ctl *c, struct error *err)
{
    int64_t now = ctl_now_us();

    c->store = store_open(c->conf.db, c->conf.schema_dir, 10000000, err);
    if (!c->store)
        return -1;
    if (make_cell(c, err) < 0 ||
        store_load(c->store, now, KEEP_US, restore_one, c, err) < 0 ||
        cell_restored(c->cell, now, err) < 0 || ctl_bootstrap(c, err) < 0 ||
        store_head(c->store, &c->head.batch, &c->head.hash, err) < 0) {
        int saved_errno = errno;

        drop_state(c);
        errno = saved_errno;
        return -1;
    }
    c->next_tick_us = now + 1000000;
    ctl_log("epoch %d of cell \"%s\" is open", store_epoch(c->store),
            c->conf.cell_name);
    return 0;
}

void ctl_lost(struct ctl *c, const char *why)
{
    ctl_log("dropped the state: %s", why);
    drop_state(c);
    c->next_open_us = ctl_now_us() + REOPEN_US;
}

void ctl_close(struct ctl *c)
{
    drop_state(c);
    ingest_destroy(c->ingest);
    gates_destroy(c->gates);
    inputs_destroy(c->inputs);
    if (c->blobs)
        blob_dir.close(c->blobs);
    effects_free(&c->fx);
    sign_key_destroy(c->key);
    ctl_conf_clear(&c->conf);
    memset(c, 0, sizeof(*c));
}
