/* SPDX-License-Identifier: Apache-2.0 */
/* up.c - fallow up: start what is missing of the private cell
 *
 * Order: programs staged, PostgreSQL, controller, gate, parties and tokens,
 * referee, workers.  Every step finds out by itself whether it was done, so
 * that the command may be repeated and may have been killed anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cert.h"
#include "common/conf.h"
#include "common/file.h"
#include "sched/cmd/cellstate.h"
#include "sched/cmd/client.h"
#include "sched/cmd/cluster.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/daemon.h"
#include "sched/cmd/layout.h"
#include "sched/cmd/parties.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/scratch.h"
#include "sched/cmd/staging.h"

#define WORKERS_MAX 64
#define READY_US 20000000
#define PLAY_MONEY INT64_C(10000000) /* 10.00 */
#define ENROL_TTL_S 600

static const char who[] = "fallow up";

struct up {
    struct cellstate cell;
    int64_t begun_us, step_us;
    int workers; /* -1 = as many as there were, or 1 */
    bool no_referee;
    const char *sandbox;
    const char *runner_of[WORKERS_MAX + 1]; /* by worker, 1 … */
    int64_t cores;                          /* of each worker, 0 = shared out */
    const char *failed;                     /* daemon whose log tells more */
    struct client admin;
    struct parties parties;
};

static int64_t monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* "postgres     started       0.9 s" */
__attribute__((format(printf, 3, 4))) static void step_done(struct up *u,
                                                            const char *what,
                                                            const char *fmt,
                                                            ...)
{
    int64_t now = monotonic_us();
    char text[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("%-12s %-48s %5.1f s\n", what, text,
           (double)(now - u->step_us) / 1e6);
    fflush(stdout);
    u->step_us = now;
}

static const char *started_word(int rc)
{
    return rc == 1 ? "runs already" : "started";
}

/* Wait until ready says 1; -1 when it never does, or the daemon died. */
static int wait_ready(struct up *u, const char *name,
                      int (*ready)(struct up *u), struct error *err)
{
    int64_t until = monotonic_us() + READY_US;

    for (;;) {
        struct timespec nap = {0, 20000000};

        if (ready(u))
            return 0;
        if (daemon_pid(u->cell.state, name) == 0)
            return error_set(err, ECHILD, "%s ended right after its start",
                             name);
        if (monotonic_us() > until)
            return error_set(err, ETIMEDOUT, "%s is not ready after %d s", name,
                             (int)(READY_US / 1000000));
        nanosleep(&nap, NULL);
    }
}

static int start(struct up *u, const char *name, char *const *argv,
                 struct error *err)
{
    struct daemon_spec spec = {u->cell.state, name, argv, &u->cell.as};
    int rc = daemon_start(&spec, err);

    u->failed = rc < 0 ? NULL : name;
    return rc;
}

/* ---- database, controller, gate ---------------------------------------- */

static int up_cluster(struct up *u, struct error *err)
{
    int made = cluster_make(u->cell.state, &u->cell.as, err), rc;

    if (made < 0)
        return -1;
    if (made)
        step_done(u, "postgres", "cluster made");
    u->failed = CLUSTER_DAEMON;
    rc = cluster_start(u->cell.state, u->cell.sockets, &u->cell.as, err);
    if (rc < 0)
        return -1;
    step_done(u, "postgres", "%s", started_word(rc));
    return 0;
}

static int socket_ready(struct up *u)
{
    return cellstate_answers(u->cell.ctld_socket) &&
           access(u->cell.admin_token, R_OK) == 0;
}

static int up_controller(struct up *u, struct error *err)
{
    char *argv[] = {staging_program(u->cell.state, "fallowctld"),
                    (char[]){"--config"}, u->cell.cell_conf, NULL};
    int rc = argv[0] ? start(u, "fallowctld", argv, err)
                     : error_set(err, ENOMEM, "could not allocate a path");

    free(argv[0]);
    if (rc < 0 || wait_ready(u, "fallowctld", socket_ready, err) < 0)
        return -1;
    step_done(u, "fallowctld", "%s", started_word(rc));
    return 0;
}

static int port_ready(struct up *u)
{
    return cellstate_read_port(&u->cell) > 0;
}

static int up_gate(struct up *u, struct error *err)
{
    char listen[48];
    char *argv[] = {staging_program(u->cell.state, "fallow-gate"),
                    (char[]){"--listen"},
                    listen,
                    (char[]){"--cert"},
                    u->cell.server_pem,
                    (char[]){"--key"},
                    u->cell.server_key,
                    (char[]){"--ctld"},
                    u->cell.ctld_socket,
                    (char[]){"--port-file"},
                    u->cell.port_file,
                    NULL};
    int rc = 0;

    /* The port it had, so that workers and client.conf stay true. */
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", u->cell.port);
    if (daemon_pid(u->cell.state, "gate") == 0)
        unlink(u->cell.port_file);
    if (!argv[0])
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0)
        rc = start(u, "gate", argv, err);
    if (rc >= 0 && wait_ready(u, "gate", port_ready, err) < 0) {
        rc = -1;
        if (u->cell.port) { /* somebody else has it now */
            snprintf(listen, sizeof(listen), "127.0.0.1:0");
            rc = start(u, "gate", argv, err);
            if (rc >= 0 && wait_ready(u, "gate", port_ready, err) < 0)
                rc = -1;
        }
    }
    free(argv[0]);
    if (rc < 0)
        return -1;
    u->cell.port = cellstate_read_port(&u->cell);
    if (cellstate_write_client(&u->cell, err) < 0)
        return -1;
    step_done(u, "gate", "%s on port %d", started_word(rc), u->cell.port);
    return 0;
}

/* ---- parties ------------------------------------------------------------ */

/* A client with the operator's token. */
static int open_admin(struct up *u, struct error *err)
{
    struct client *c = &u->admin;
    void *token;
    size_t len;

    if (file_read(u->cell.admin_token, 4096, &token, &len, err) < 0)
        return -1;
    c->token = token;
    c->token[strcspn(c->token, "\r\n")] = '\0';
    c->patience_us = READY_US;
    c->url = strdup(u->cell.url);
    if (!c->url)
        return error_set(err, ENOMEM, "could not allocate an address");
    c->http = http_create(c->url, u->cell.ca_pem, c->token, err);
    return c->http ? 0 : -1;
}

static int up_parties(struct up *u, struct error *err)
{
    int64_t me;
    int rc;

    u->failed = "fallowctld";
    if (open_admin(u, err) < 0 ||
        parties_open(&u->parties, u->cell.state, &u->admin, err) < 0)
        return -1;
    me = parties_get(&u->parties, "me", "customer", err);
    if (me < 0)
        return -1;
    if (!u->cell.token) {
        u->cell.token = parties_token(&u->parties, me, "user", 0, err);
        if (!u->cell.token || cellstate_write_client(&u->cell, err) < 0)
            return -1;
    }
    rc = parties_fund(&u->parties, me, "USD", PLAY_MONEY, err);
    if (rc < 0)
        return -1;
    if (rc)
        step_done(u, "ledger", "bank -> prepaid 10.00 USD (play money) for me");
    return 0;
}

/* ---- workers ------------------------------------------------------------ */

static int64_t online_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return CPU_COUNT(&set);
}

/* Where a worker keeps itself: STATE/workers/NAME, of the cell's user. */
static int worker_dir(struct up *u, const char *name, char path[PATH_MAX],
                      struct error *err)
{
    snprintf(path, PATH_MAX, "%s/workers/%s", u->cell.state, name);
    if (scratch_mkdir(path, 0700, err) < 0)
        return -1;
    return account_give(&u->cell.as, path, err);
}

/* A one-time token in a file of the worker's own, unless it has enrolled. */
static int worker_token(struct up *u, const char *name, const char *dir,
                        char path[PATH_MAX], struct error *err)
{
    int64_t party = 1; /* the cell's own */
    char *token, identity[PATH_MAX];
    int rc;

    path[0] = '\0';
    if (snprintf(identity, sizeof(identity), "%s/identity.conf", dir) >=
            (int)sizeof(identity) ||
        access(identity, F_OK) == 0)
        return 0;
    if (strcmp(name, "referee") != 0)
        party = parties_get(&u->parties, name, "owner", err);
    if (party < 0)
        return -1;
    token = parties_token(&u->parties, party, "enrol", ENROL_TTL_S, err);
    if (!token)
        return -1;
    snprintf(path, PATH_MAX, "@%.*s/enrol.token", PATH_MAX - 16, dir);
    rc = cellstate_write_secret(&u->cell, path + 1, token, true, err);
    free(token);
    return rc;
}

static int start_worker(struct up *u, const char *name, const char *runner,
                        struct error *err)
{
    char dir[PATH_MAX], token[PATH_MAX], cores[16];
    char enrol[] = "--enrol", sandbox[] = "--sandbox", referee[] = "--referee";
    const char *const words[] = {
        "--state",      dir,       "--cell-url", u->cell.url, "--ca",
        u->cell.ca_pem, "--cores", cores,        "--runner",  runner};
    char *argv[24] = {staging_program(u->cell.state, "fallowd")};
    int n = 1, rc;

    if (!argv[0])
        return error_set(err, ENOMEM, "could not allocate a path");
    if (worker_dir(u, name, dir, err) < 0 ||
        worker_token(u, name, dir, token, err) < 0) {
        free(argv[0]);
        return -1;
    }
    snprintf(cores, sizeof(cores), "%" PRId64, u->cores);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        argv[n++] = (char *)(uintptr_t)words[i];
    if (*token) {
        argv[n++] = enrol;
        argv[n++] = token;
    }
    if (u->sandbox) {
        argv[n++] = sandbox;
        argv[n++] = (char *)(uintptr_t)u->sandbox;
    }
    if (strcmp(name, "referee") == 0)
        argv[n++] = referee;
    rc = start(u, name, argv, err);
    free(argv[0]);
    return rc;
}

/* It has its identity: the cell knows it. */
static int wait_enrolled(struct up *u, const char *name, struct error *err)
{
    int64_t until = monotonic_us() + READY_US;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/workers/%s/identity.conf", u->cell.state,
             name);
    while (access(path, F_OK) < 0) {
        struct timespec nap = {0, 20000000};

        if (daemon_pid(u->cell.state, name) == 0)
            return error_set(err, ECHILD, "%s ended right after its start",
                             name);
        if (monotonic_us() > until)
            return error_set(err, ETIMEDOUT, "%s has not enrolled after %d s",
                             name, (int)(READY_US / 1000000));
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* A runner of the caller's choice is copied too, for the same reasons. */
static char *worker_runner(struct up *u, int k, struct error *err)
{
    char *to = NULL;

    if (k == 0 || !u->runner_of[k])
        return staging_program(u->cell.state, "fallow-runner");
    if (asprintf(&to, "%s/bin/runner-of-%d", u->cell.state, k) < 0)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (staging_copy(u->runner_of[k], to, 0755, err) < 0) {
        free(to);
        return NULL;
    }
    return to;
}

static int up_workers(struct up *u, struct error *err)
{
    int first = u->no_referee ? 1 : 0, rc = 0;

    if (!u->cores)
        u->cores = online_cores() / (u->workers ? u->workers : 1);
    if (u->cores < 1)
        u->cores = 1;
    for (int k = first; rc >= 0 && k <= u->workers; k++) {
        char name[24];
        char *runner = worker_runner(u, k, err);

        if (k == 0)
            snprintf(name, sizeof(name), "referee");
        else
            snprintf(name, sizeof(name), "owner-%d", k);
        rc = runner ? start_worker(u, name, runner, err) : -1;
        free(runner);
        if (rc >= 0 && wait_enrolled(u, name, err) < 0)
            rc = -1;
        if (rc >= 0)
            step_done(u, name, "%s%s", started_word(rc),
                      k && u->runner_of[k] ? " with a runner of its own" : "");
    }
    return rc < 0 ? -1 : 0;
}

/* ---- the command -------------------------------------------------------- */

static const char usage_text[] =
    "usage: fallow up [--workers N] [--state DIR] [--no-referee]\n"
    "                 [--sandbox bwrap|none] [--cores N]\n"
    "                 [--liar K] [--runner-of K=PATH]\n"
    "\n"
    "Start what is missing of the private cell on this machine.\n"
    "\n"
    "  --workers N         workers of N owners (as before, or 1)\n"
    "  --state DIR         where it lives (FALLOW_STATE, /var/lib/fallow)\n"
    "  --cores N           cores each worker sells (all, shared out)\n"
    "  --liar K            worker K gets a runner that lies, for tests\n"
    "  --runner-of K=PATH  worker K gets this runner\n";

static int parse_worker(const char *option, const char *text, int *k,
                        const char **rest)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (end == text || v < 0 || v > WORKERS_MAX || (*end && *end != '='))
        return cmd_usage(who, "%s %s names no worker from 1 to %d", option,
                         text, WORKERS_MAX);
    *k = (int)v;
    *rest = *end ? end + 1 : end;
    return 0;
}

static char *liar_runner(void)
{
    struct error err = {""};
    char *path = layout_program("liar-runner", &err);

    if (!path && access(FALLOW_SOURCE_DIR "/t/liar-runner", X_OK) == 0)
        path = strdup(FALLOW_SOURCE_DIR "/t/liar-runner");
    if (!path)
        cmd_usage(who, "--liar: %s", err.text);
    return path;
}

static int take_option(struct up *u, int c)
{
    const char *rest = "";
    int k = 0, rc;

    switch (c) {
    case 'w':
        rc = parse_worker("--workers", optarg, &u->workers, &rest);
        return rc || !*rest ? rc : cmd_usage(who, "--workers %s", optarg);
    case 's': return setenv("FALLOW_STATE", optarg, 1) < 0 ? EXIT_FAILED : 0;
    case 'r': return 0;
    case 'n': u->no_referee = true; return 0;
    case 'b': u->sandbox = optarg; return 0;
    case 'c':
        rc = parse_worker("--cores", optarg, &k, &rest);
        u->cores = k;
        return rc;
    case 'l':
        rc = parse_worker("--liar", optarg, &k, &rest);
        if (rc == 0 && !(u->runner_of[k] = liar_runner()))
            rc = EXIT_USAGE;
        return rc;
    case 'R':
        rc = parse_worker("--runner-of", optarg, &k, &rest);
        if (rc == 0 && (k < 1 || !*rest))
            rc = cmd_usage(who, "--runner-of %s is not K=PATH", optarg);
        u->runner_of[k] = rest;
        return rc;
    default: return cmd_usage(who, "unknown option %s", optarg);
    }
}

/* Returns 0 to go on, else 1 + exit status. */
static int parse(struct up *u, int argc, char **argv)
{
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'},
        {"state", required_argument, NULL, 's'},
        {"referee", no_argument, NULL, 'r'},
        {"no-referee", no_argument, NULL, 'n'},
        {"sandbox", required_argument, NULL, 'b'},
        {"cores", required_argument, NULL, 'c'},
        {"liar", required_argument, NULL, 'l'},
        {"runner-of", required_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c, rc;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:h", options, NULL)) >= 0) {
        if (c == 'h') {
            fputs(usage_text, stdout);
            return 1;
        }
        if (c == ':' || c == '?')
            return 1 + cmd_usage(who,
                                 c == ':' ? "%s needs a value"
                                          : "unknown option %s",
                                 argv[optind - 1]);
        rc = take_option(u, c);
        if (rc)
            return 1 + rc;
    }
    if (optind < argc)
        return 1 + cmd_usage(who, "\"%s\" is one word too many", argv[optind]);
    return 0;
}

/* As many as there were. */
static int known_workers(const char *state)
{
    int n = 0;

    for (int k = 1; k <= WORKERS_MAX; k++) {
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/workers/owner-%d", state, k);
        if (access(path, F_OK) == 0)
            n = k;
    }
    return n;
}

static int bring_up(struct up *u, struct error *err)
{
    if (cellstate_open(&u->cell, true, err) < 0)
        return -1;
    if (u->workers < 0)
        u->workers = known_workers(u->cell.state);
    if (u->workers < 0 || (u->workers == 0 && !u->cell.token))
        u->workers = 1;
    if (staging_make(u->cell.state, err) < 0 ||
        cert_make(u->cell.tls, NULL, err) < 0 ||
        account_give(&u->cell.as, u->cell.server_key, err) < 0 ||
        cellstate_write_conf(&u->cell, err) < 0)
        return -1;
    step_done(u, "programs", "staged in %s", u->cell.state);
    if (up_cluster(u, err) < 0 || up_controller(u, err) < 0 ||
        up_gate(u, err) < 0 || up_parties(u, err) < 0)
        return -1;
    return up_workers(u, err);
}

int cmd_up(int argc, char **argv)
{
    struct up u = {.workers = -1};
    struct error err = {""};
    int rc = parse(&u, argc, argv);

    if (rc)
        return rc - 1;
    u.begun_us = u.step_us = monotonic_us();
    rc = bring_up(&u, &err);
    if (rc < 0) {
        cmd_failed(who, &err);
        if (u.failed)
            daemon_show_log(u.cell.state, u.failed, 8);
    } else {
        printf("cell \"%s\" is up at %s after %.1f s; state in %s\n",
               u.cell.name, u.cell.url,
               (double)(monotonic_us() - u.begun_us) / 1e6, u.cell.state);
    }
    parties_close(&u.parties);
    client_close(&u.admin);
    cellstate_close(&u.cell);
    return rc < 0 ? EXIT_FAILED : 0;
}
