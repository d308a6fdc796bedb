/* SPDX-License-Identifier: Apache-2.0 */
/* fallowctld.c - the cell's controller: configuration and wiring, no policy */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "config.h"
#include "plugins/blob/blob.h"
#include "sched/api/api.h"
#include "sched/ctl.h"

#define POLL_MAX 80
#define TICK_US 250000
/* How often the head of the chain is read again while commits go on. */
#define HEAD_US 1000000
/* How long the last commit is waited for at the end. */
#define END_MS 10000

static volatile sig_atomic_t stopping;

static void on_stop(int sig)
{
    (void)sig;
    stopping = 1;
}

static void usage(FILE *out)
{
    fprintf(out,
            "usage: fallowctld --config FILE [--check]\n"
            "\n"
            "The controller of a Fallow cell.  Listens on ctld_socket for\n"
            "fallow-gate and keeps everything in the database.\n"
            "\n"
            "  -f, --config FILE   cell.conf(5)\n"
            "      --check         read the configuration and exit\n"
            "  -h, --help          this text\n"
            "  -V, --version       version\n");
}

/* Keys from cell_key_file: one signs, one (derived) seals tokens. */
static int open_keys(struct ctl *c, struct error *err)
{
    static const char label[] = "fallow-seal-key-v1";
    uint8_t sig[SIGN_SIG_LEN];
    struct digest d;

    c->key = sign_key_open(c->conf.cell_key_file, err);
    if (!c->key)
        return -1;
    if (sign_make(c->key, label, sizeof(label), sig) < 0)
        return error_set(err, errno, "could not derive the seal key");
    digest_of(sig, sizeof(sig), &d);
    memcpy(c->seal_key, d.b, sizeof(c->seal_key));
    return 0;
}

static int wire(struct ctl *c, struct error *err)
{
    uint64_t seed;

    if (open_keys(c, err) < 0)
        return -1;
    if (random_bytes(&seed, sizeof(seed)) < 0)
        return error_set(err, errno, "no random bytes");
    rng_seed(&c->rng, seed);
    effects_init(&c->fx);
    c->blobs = blob_dir.open(c->conf.blob_dir, err);
    if (!c->blobs)
        return -1;
    c->inputs = inputs_create(c->blobs);
    if (!c->inputs)
        return error_set(err, ENOMEM, "out of memory");
    c->ingest = ingest_create(c->blobs, err);
    if (!c->ingest)
        return -1;
    c->gates = gates_create(c, c->conf.ctld_socket, err);
    return c->gates ? 0 : -1;
}

/* Whether a database that cannot be used now may be usable later. */
static bool may_come_back(int code)
{
    return code == ECONNREFUSED || code == ECONNRESET || code == EBUSY ||
           code == EAGAIN || code == ETIMEDOUT;
}

/* Try to open the state.  -1 when trying again will not help. */
static int open_state(struct ctl *c, struct error *err)
{
    if (ctl_open(c, err) == 0)
        return 0;
    if (!may_come_back(errno))
        return -1;
    ctl_lost(c, err->text);
    return 0;
}

/* Every answer to a worker carries the head; it may be a second old. */
static void follow_head(struct ctl *c, int64_t now)
{
    struct digest hash;
    struct error err;
    int64_t batch;

    if (!c->head.stale || now < c->head.next_us)
        return;
    c->head.next_us = now + HEAD_US;
    if (store_head(c->store, &batch, &hash, &err) < 0) {
        ctl_log("could not read the head of the chain: %s", err.text);
        return;
    }
    c->head.stale = false;
    c->head.batch = batch;
    c->head.hash = hash;
}

/* What is due now.  Returns when something is due next. */
static int64_t run_timers(struct ctl *c, int64_t now)
{
    int64_t next;

    if (!c->store)
        return c->next_open_us;
    if (c->next_tick_us && now >= c->next_tick_us) {
        struct event ev = {.type = EV_TICK};

        c->next_tick_us = 0;
        ctl_step(c, &ev);
        if (c->next_tick_us == 0 || c->next_tick_us > now + 4 * TICK_US)
            c->next_tick_us = now + 4 * TICK_US;
    }
    follow_head(c, now);
    if (c->wake) {
        c->wake = false;
        park_wake(c->park, now);
    }
    next = c->next_tick_us ? c->next_tick_us : now + TICK_US;
    if (now >= c->next_expire_us) {
        int64_t soonest = park_expire(c->park, now);

        c->next_expire_us =
            soonest && soonest < now + TICK_US ? soonest : now + TICK_US;
    }
    return next < c->next_expire_us ? next : c->next_expire_us;
}

static int round_of(struct ctl *c, struct error *err)
{
    struct pollfd v[POLL_MAX];
    size_t n, gates;
    int64_t wait = run_timers(c, ctl_now_us()) - ctl_now_us();
    bool want_write = false;

    if (c->broken)
        return error_set(err, ENOMEM, "out of memory");
    if (c->commit && commit_pump(c->commit, err) < 0)
        return -1;
    n = gates = gates_poll_fill(c->gates, v, POLL_MAX - 2);
    v[n++] = (struct pollfd){.fd = ingest_fd(c->ingest), .events = POLLIN};
    if (c->store) {
        v[n].fd = store_fd(c->store, &want_write);
        v[n].events = (short)(POLLIN | (want_write ? POLLOUT : 0));
        v[n++].revents = 0;
    }
    if (wait < 0 || c->wake)
        wait = 0;
    if (poll(v, n, (int)(wait / 1000 + (wait % 1000 != 0))) < 0)
        return errno == EINTR ? 0 : error_set(err, errno, "poll");
    if (n > gates + 1 && v[n - 1].revents && commit_poll(c->commit, err) < 0)
        return -1;
    if (v[gates].revents)
        api_ingested(c);
    gates_poll_done(c->gates, v, gates);
    if (c->broken)
        return error_set(err, ENOMEM, "out of memory");
    if (c->commit)
        return commit_pump(c->commit, err);
    return 0;
}

/* Until a signal; -1 with err when the state can never be opened. */
static int serve(struct ctl *c, struct error *err)
{
    while (!stopping) {
        if (!c->store && ctl_now_us() >= c->next_open_us &&
            open_state(c, err) < 0)
            return -1;
        if (round_of(c, err) < 0)
            ctl_lost(c, err->text);
    }
    while (c->commit && commit_busy(c->commit)) {
        struct pollfd v = {.events = POLLIN};
        bool want_write = false;

        if (commit_pump(c->commit, err) < 0)
            break;
        v.fd = store_fd(c->store, &want_write);
        v.events = (short)(POLLIN | (want_write ? POLLOUT : 0));
        if (poll(&v, 1, END_MS) == 0 || commit_poll(c->commit, err) < 0)
            break;
    }
    return 0;
}

static int start(const char *path, bool check)
{
    struct ctl c = {0};
    struct error err;
    struct sigaction sa = {.sa_handler = on_stop};
    int rc;

    if (ctl_conf_read(&c.conf, path, &err) < 0) {
        fprintf(stderr, "fallowctld: %s\n", err.text);
        ctl_conf_clear(&c.conf);
        return 1;
    }
    if (check) {
        printf("%s: ok\n", path);
        ctl_conf_clear(&c.conf);
        return 0;
    }
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
    if (wire(&c, &err) < 0) {
        fprintf(stderr, "fallowctld: %s\n", err.text);
        ctl_close(&c);
        return 1;
    }
    rc = serve(&c, &err);
    ctl_log("stopped%s%s", rc < 0 ? ": " : "", rc < 0 ? err.text : "");
    ctl_close(&c);
    return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'f'},
        {"check", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    bool check = false;
    int o;

    while ((o = getopt_long(argc, argv, "f:hV", options, NULL)) != -1) {
        switch (o) {
        case 'f': path = optarg; break;
        case 'c': check = true; break;
        case 'h': usage(stdout); return 0;
        case 'V': puts(PACKAGE_STRING); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (!path || optind != argc) {
        usage(stderr);
        return 2;
    }
    return start(path, check);
}
