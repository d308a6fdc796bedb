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

#include "common/conf.h"
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

/* ---- cell.conf ------------------------------------------------------ */

/* Policy constants of 32 bits, read through int64 variables. */
struct wide {
    int64_t window_new, window_tasks, new_equal_items, draw_items;
    int64_t mu, detect, gang, q_min, referee, one_customer;
    int64_t strict_tasks, check_fee_above, speed_cap;
    int64_t lease_factor, ahead, max_attempts;
};

static void widen(struct wide *w, const struct cell_conf *p)
{
    *w = (struct wide){
        p->window_new,       p->window_tasks, p->new_equal_items,
        p->draw_items,       p->mu_ppm,       p->detect_ppm,
        p->gang_ppm,         p->q_min_ppm,    p->referee_ppm,
        p->one_customer_ppm, p->strict_tasks, p->check_fee_above_ppm,
        p->speed_cap_ppm,    p->lease_factor, p->ahead,
        p->max_attempts,
    };
}

static void narrow(struct cell_conf *p, const struct wide *w)
{
    p->window_new = (uint32_t)w->window_new;
    p->window_tasks = (uint32_t)w->window_tasks;
    p->new_equal_items = (uint32_t)w->new_equal_items;
    p->draw_items = (uint32_t)w->draw_items;
    p->mu_ppm = (uint32_t)w->mu;
    p->detect_ppm = (uint32_t)w->detect;
    p->gang_ppm = (uint32_t)w->gang;
    p->q_min_ppm = (uint32_t)w->q_min;
    p->referee_ppm = (uint32_t)w->referee;
    p->one_customer_ppm = (uint32_t)w->one_customer;
    p->strict_tasks = (uint32_t)w->strict_tasks;
    p->check_fee_above_ppm = (uint32_t)w->check_fee_above;
    p->speed_cap_ppm = (uint32_t)w->speed_cap;
    p->lease_factor = (uint32_t)w->lease_factor;
    p->ahead = (uint32_t)w->ahead;
    p->max_attempts = (uint32_t)w->max_attempts;
}

static int conf_complete(const struct ctl_conf *conf, const char *path,
                         struct error *err)
{
    const struct {
        const char *key, *value;
    } need[] = {
        {"cell_name", conf->cell_name},
        {"ctld_socket", conf->ctld_socket},
        {"db", conf->db},
        {"schema_dir", conf->schema_dir},
        {"blob_dir", conf->blob_dir},
        {"admin_token_file", conf->admin_token_file},
        {"cell_key_file", conf->cell_key_file},
    };

    for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++)
        if (!need[i].value || !*need[i].value)
            return error_set(err, EINVAL, "%s: \"%s\" is not set", path,
                             need[i].key);
    if (strlen(conf->cell_name) > NAME_MAX_LEN)
        return error_set(err, EINVAL, "%s: cell_name is longer than %d bytes",
                         path, NAME_MAX_LEN);
    return 0;
}

int ctl_conf_read(struct ctl_conf *conf, const char *path, struct error *err)
{
    struct wide w;
    struct cell_conf *p = &conf->policy;
    const int64_t million = 1000000;

    cell_conf_default(p);
    widen(&w, p);
    const struct conf_key keys[] = {
        {"cell_name", CONF_STRING, &conf->cell_name, 0, 0},
        {"ctld_socket", CONF_STRING, &conf->ctld_socket, 0, 0},
        {"db", CONF_STRING, &conf->db, 0, 0},
        {"schema_dir", CONF_STRING, &conf->schema_dir, 0, 0},
        {"blob_dir", CONF_STRING, &conf->blob_dir, 0, 0},
        {"admin_token_file", CONF_STRING, &conf->admin_token_file, 0, 0},
        {"cell_key_file", CONF_STRING, &conf->cell_key_file, 0, 0},
        {"window_new", CONF_INT, &w.window_new, 1, 10000},
        {"window_tasks", CONF_INT, &w.window_tasks, 1, 10000},
        {"new_equal_items", CONF_INT, &w.new_equal_items, 1, million},
        {"draw_items", CONF_INT, &w.draw_items, 1, 1024},
        {"mu", CONF_RATIO, &w.mu, million, 100 * million},
        {"detect", CONF_RATIO, &w.detect, 1, million},
        {"gang", CONF_RATIO, &w.gang, 0, million - 1},
        {"q_min", CONF_RATIO, &w.q_min, 0, million},
        {"referee", CONF_RATIO, &w.referee, 0, million},
        {"one_customer", CONF_RATIO, &w.one_customer, 1, million},
        {"strict_tasks", CONF_INT, &w.strict_tasks, 0, million},
        {"check_fee_above", CONF_RATIO, &w.check_fee_above, 0, million},
        {"speed_cap", CONF_RATIO, &w.speed_cap, million, 100 * million},
        {"referee_after", CONF_TIME, &p->referee_after_us, 0, 0},
        {"lease_min", CONF_TIME, &p->lease_min_us, 1, INT64_MAX / 4},
        {"lease_unmeasured", CONF_TIME, &p->lease_unmeasured_us, 1,
         INT64_MAX / 4},
        {"lease_max", CONF_TIME, &p->lease_max_us, 1, INT64_MAX / 4},
        {"lease_factor", CONF_INT, &w.lease_factor, 1, 1000},
        {"grace", CONF_TIME, &p->grace_us, 0, INT64_MAX / 4},
        {"fence", CONF_TIME, &p->fence_us, 0, INT64_MAX / 4},
        {"ahead", CONF_INT, &w.ahead, 1, 64},
        {"max_attempts", CONF_INT, &w.max_attempts, 1, 1000},
        {NULL, 0, NULL, 0, 0},
    };

    if (conf_read(path, keys, err) < 0)
        return -1;
    narrow(p, &w);
    return conf_complete(conf, path, err);
}

void ctl_conf_clear(struct ctl_conf *conf)
{
    free(conf->cell_name);
    free(conf->ctld_socket);
    free(conf->db);
    free(conf->schema_dir);
    free(conf->blob_dir);
    free(conf->admin_token_file);
    free(conf->cell_key_file);
    memset(conf, 0, sizeof(*conf));
}
