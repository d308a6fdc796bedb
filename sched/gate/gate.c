/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - fallow-gate, the cell's door: options, start and the loop */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "sched/gate/conn.h"
#include "sched/gate/upstream.h"

#define EVENTS 256
#define DRAIN_MS 5000

static const char usage[] =
    "usage: fallow-gate [--config FILE] [--listen ADDRESS:PORT] [--cert FILE]\n"
    "                   [--key FILE] [--ctld SOCKET] [--port-file FILE]\n"
    "                   [--user NAME] [--reuse-port] [--set KEY=VALUE]...\n";

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"cert", required_argument, NULL, 'e'},
    {"key", required_argument, NULL, 'k'},
    {"ctld", required_argument, NULL, 's'},
    {"port-file", required_argument, NULL, 'p'},
    {"user", required_argument, NULL, 'u'},
    {"reuse-port", no_argument, NULL, 'r'},
    {"set", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void conf_defaults(struct gate_conf *c)
{
    *c = (struct gate_conf){
        .confine = true,
        .max_connections = 16384,
        .per_address = 4096,
        .handshakes_per_s = 1000,
        .handshake_burst = 2000,
        .address_handshakes_per_s = 200,
        .address_handshake_burst = 4096,
        .header_us = 10000000,
        .idle_us = 75000000,
        .reply_us = 300000000,
        .linger_us = 2000000,
        .keepalive_us = 30000000,
        .min_rate = 2048,
        .json_max = 1 << 20,
        .blob_max = 4ll << 30,
        .memory_max = 512ll << 20,
        .backlog_max = 64ll << 20,
    };
}

#define KEYS 23

static void conf_keys(struct gate_conf *c, struct conf_key k[KEYS])
{
    const int64_t day = 86400000000, big = 1ll << 40;
    const struct conf_key all[KEYS] = {
        {"listen", CONF_STRING, &c->listen, 0, 0},
        {"cert", CONF_STRING, &c->cert, 0, 0},
        {"key", CONF_STRING, &c->key, 0, 0},
        {"ctld", CONF_STRING, &c->ctld, 0, 0},
        {"port_file", CONF_STRING, &c->port_file, 0, 0},
        {"user", CONF_STRING, &c->user, 0, 0},
        {"reuse_port", CONF_BOOL, &c->reuse_port, 0, 0},
        {"confine", CONF_BOOL, &c->confine, 0, 0},
        {"max_connections", CONF_INT, &c->max_connections, 1, 10000000},
        {"per_address", CONF_INT, &c->per_address, 1, 10000000},
        {"handshakes_per_s", CONF_INT, &c->handshakes_per_s, 1, 1000000},
        {"handshake_burst", CONF_INT, &c->handshake_burst, 1, 1000000},
        {"address_handshakes_per_s", CONF_INT, &c->address_handshakes_per_s, 1,
         1000000},
        {"address_handshake_burst", CONF_INT, &c->address_handshake_burst, 1,
         1000000},
        {"header_timeout", CONF_TIME, &c->header_us, 1000, day},
        {"idle_timeout", CONF_TIME, &c->idle_us, 1000, day},
        {"reply_timeout", CONF_TIME, &c->reply_us, 1000, day},
        {"keepalive", CONF_TIME, &c->keepalive_us, 1000000, day},
        {"min_rate", CONF_SIZE, &c->min_rate, 1, big},
        {"json_max", CONF_SIZE, &c->json_max, 1, 16 << 20},
        {"blob_max", CONF_SIZE, &c->blob_max, 1, big},
        {"memory_max", CONF_SIZE, &c->memory_max, 1, big},
        {NULL, CONF_INT, NULL, 0, 0},
    };

    memcpy(k, all, sizeof(all));
}

static int set_text(char **to, const char *text, struct error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return error_set(err, ENOMEM, "could not allocate a setting");
    free(*to);
    *to = copy;
    return 0;
}

static int set_key(struct gate_conf *c, const char *text, struct error *err)
{
    struct conf_key keys[KEYS];

    conf_keys(c, keys);
    return conf_parse("--set", text, keys, err);
}

static int set_option(struct gate_conf *c, int o, struct error *err)
{
    struct conf_key keys[KEYS];

    conf_keys(c, keys);
    switch (o) {
    case 'c': return conf_read(optarg, keys, err);
    case 'l': return set_text(&c->listen, optarg, err);
    case 'e': return set_text(&c->cert, optarg, err);
    case 'k': return set_text(&c->key, optarg, err);
    case 's': return set_text(&c->ctld, optarg, err);
    case 'p': return set_text(&c->port_file, optarg, err);
    case 'u': return set_text(&c->user, optarg, err);
    case 'r': c->reuse_port = true; return 0;
    default: return set_key(c, optarg, err);
    }
}

/* 0 go on, 1 done, 2 wrong usage. */
static int read_options(struct gate_conf *c, int argc, char **argv)
{
    struct error err;
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (o == 'h' || o == 'V') {
            fputs(o == 'h' ? usage : "fallow-gate " PACKAGE_VERSION "\n",
                  stdout);
            return 1;
        }
        if (o == '?') {
            fputs(usage, stderr);
            return 2;
        }
        if (set_option(c, o, &err) < 0) {
            fprintf(stderr, "fallow-gate: %s\n", err.text);
            return 2;
        }
    }
    if (optind == argc && c->listen && c->cert && c->key && c->ctld)
        return 0;
    fprintf(stderr, "fallow-gate: listen, cert, key and ctld are needed\n%s",
            usage);
    return 2;
}

static int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int watch_signals(struct gate *g, struct error *err)
{
    struct epoll_event e = {.events = EPOLLIN};
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (g->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return error_set(err, errno, "could not wait for signals");
    g->on_signal.source = SOURCE_SIGNAL;
    e.data.ptr = &g->on_signal;
    return epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->signals, &e) < 0
               ? error_set(err, errno, "could not wait for signals")
               : 0;
}

static int start(struct gate *g, struct error *err)
{
    struct limits l = {.per_address = g->conf.per_address,
                       .rate = g->conf.address_handshakes_per_s,
                       .burst = g->conf.address_handshake_burst};

    g->now_ms = clock_ms();
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    wheel_init(&g->wheel, g->now_ms);
    if (confine_files(&g->conf.max_connections, err) < 0)
        return -1;
    g->tls = tls_create(g->conf.cert, g->conf.key, err);
    if (!g->tls)
        return -1;
    g->addresses = addresses_create(&l);
    g->up = upstream_create(g);
    if (g->epoll < 0 || !g->addresses || !g->up)
        return error_set(err, ENOMEM, "could not allocate the gate");
    if (watch_signals(g, err) < 0 || gate_listen(g, err) < 0)
        return -1;
    if (g->conf.user && confine_user(g->conf.user, err) < 0)
        return -1;
    prctl(PR_SET_DUMPABLE, 0);
    return g->conf.confine ? confine_calls(err) : 0;
}

static void drain(struct gate *g)
{
    struct signalfd_siginfo s;

    if (read(g->signals, &s, sizeof(s)) != sizeof(s) || g->draining)
        return;
    g->draining = true;
    g->drain_until_ms = g->now_ms + DRAIN_MS;
    gate_stop_listening(g);
    conn_drain_all(g);
}

static void handle(struct gate *g, const struct epoll_event *e)
{
    const struct watched *w = e->data.ptr;

    switch (w->source) {
    case SOURCE_LISTEN: gate_accept(g); break;
    case SOURCE_SIGNAL: drain(g); break;
    case SOURCE_UPSTREAM: upstream_event(g->up, e->events); break;
    case SOURCE_CONN: conn_event(e->data.ptr, e->events); break;
    }
}

static int pause_ms(const struct gate *g)
{
    int64_t ms = g->n_conns ? WHEEL_STEP_MS : 1000, other;

    if (g->run)
        return 0;
    other = upstream_wait_ms(g->up);
    if (other >= 0 && other < ms)
        ms = other;
    other = g->listen_again_ms - g->now_ms;
    if (!g->listening && !g->draining && other < ms)
        ms = other > 0 ? other : 0;
    return (int)ms;
}

static void serve(struct gate *g)
{
    struct epoll_event e[EVENTS];

    while (!g->draining || (g->n_conns > 0 && g->now_ms < g->drain_until_ms)) {
        int n = epoll_wait(g->epoll, e, EVENTS, pause_ms(g));
        struct wheel_node *late;

        g->now_ms = clock_ms();
        for (int i = 0; i < n; i++)
            handle(g, &e[i]);
        conn_run_queue(g);
        while ((late = wheel_due(&g->wheel, g->now_ms)))
            conn_expired(late);
        upstream_turn(g->up);
        gate_listen_more(g);
        conn_bury(g);
    }
}

static void stop(struct gate *g)
{
    struct conf_key keys[KEYS];

    if (g->up)
        conn_close_all(g);
    upstream_destroy(g->up);
    addresses_destroy(g->addresses);
    tls_destroy(g->tls);
    conf_keys(&g->conf, keys);
    conf_clear(keys);
}

int main(int argc, char **argv)
{
    static struct gate g;
    struct error err = {""};
    int rc;

    conf_defaults(&g.conf);
    rc = read_options(&g.conf, argc, argv);
    if (rc != 0)
        return rc == 2 ? 2 : 0;
    mallopt(M_ARENA_MAX, 1);
    rc = start(&g, &err) < 0;
    if (rc)
        fprintf(stderr, "fallow-gate: %s\n", err.text);
    else
        serve(&g);
    stop(&g);
    return rc;
}
