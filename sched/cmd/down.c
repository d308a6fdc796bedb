/* SPDX-License-Identifier: Apache-2.0 */
/* down.c - fallow down and fallow status: end the private cell, look at it */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/cmd/cellstate.h"
#include "sched/cmd/cluster.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/daemon.h"
#include "sched/cmd/scratch.h"

#define DAEMONS_MAX 128
#define WORKER_LIMIT_US 15000000
#define LIMIT_US 20000000

static const char who[] = "fallow down";

/* The cell's own, in the order they start. */
static const char *const fixed[] = {CLUSTER_DAEMON, "fallowctld", "gate",
                                    "referee", NULL};

struct names {
    int n;
    char v[DAEMONS_MAX][32];
};

static int compare(const void *a, const void *b)
{
    size_t x = strlen(a), y = strlen(b);

    return x == y ? strcmp(a, b) : x < y ? -1 : 1;
}

/* All daemons this state knows of, in the order they start. */
static void list_daemons(const char *state, struct names *out)
{
    char *path = file_path(state, "run");
    DIR *dir = path ? opendir(path) : NULL;
    const struct dirent *e;
    int first;

    out->n = 0;
    for (const char *const *f = fixed; *f; f++)
        snprintf(out->v[out->n++], sizeof(out->v[0]), "%s", *f);
    first = out->n;
    while (dir && (e = readdir(dir)) && out->n < DAEMONS_MAX) {
        size_t n = strlen(e->d_name);

        if (strncmp(e->d_name, "owner-", 6) == 0 && n > 11 && n < 32 &&
            strcmp(e->d_name + n - 5, ".lock") == 0)
            snprintf(out->v[out->n++], sizeof(out->v[0]), "%.*s", (int)(n - 5),
                     e->d_name);
    }
    qsort(out->v[first], (size_t)(out->n - first), sizeof(out->v[0]), compare);
    if (dir)
        closedir(dir);
    free(path);
}

static int stop_one(const struct cellstate *s, const char *name,
                    struct error *err)
{
    bool worker =
        strncmp(name, "owner-", 6) == 0 || strcmp(name, "referee") == 0;
    struct timespec a, b;
    int rc;

    if (daemon_pid(s->state, name) == 0)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    /* SIGINT asks PostgreSQL to end its sessions and to write all down. */
    rc = daemon_stop(s->state, name,
                     strcmp(name, CLUSTER_DAEMON) == 0 ? SIGINT : SIGTERM,
                     worker ? WORKER_LIMIT_US : LIMIT_US, err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (rc == 0)
        printf("%-12s %-48s %5.1f s\n", name, "stopped",
               (double)(b.tv_sec - a.tv_sec) +
                   (double)(b.tv_nsec - a.tv_nsec) / 1e9);
    fflush(stdout);
    return rc;
}

static int stop_all(const struct cellstate *s, struct error *err)
{
    struct names names;
    int rc = 0;

    list_daemons(s->state, &names);
    for (int i = names.n - 1; i >= 0; i--)
        if (stop_one(s, names.v[i], err) < 0)
            rc = -1;
    /* Nobody listens there any more; fallow up makes another. */
    return rc == 0 ? scratch_remove(s->sockets, err) : rc;
}

/* Everything, after the operator has typed the cell's name. */
static int destroy(const struct cellstate *s, bool yes, struct error *err)
{
    char line[128] = "";

    if (!yes) {
        fprintf(stderr,
                "This deletes %s with all jobs, results and the ledger.\n"
                "Type the cell's name (%s) to go on: ",
                s->state, s->name);
        if (!fgets(line, sizeof(line), stdin))
            line[0] = '\0';
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, s->name) != 0)
            return error_set(err, ECANCELED, "nothing was deleted");
    }
    if (scratch_remove(s->sockets, err) < 0 ||
        scratch_remove(s->state, err) < 0)
        return -1;
    printf("%s is deleted\n", s->state);
    return 0;
}

static const char usage_text[] =
    "usage: fallow down [--state DIR] [--destroy [--yes]]\n"
    "\n"
    "Stop the private cell; its data stay.\n"
    "\n"
    "  --state DIR   where it lives (FALLOW_STATE, /var/lib/fallow)\n"
    "  --destroy     then delete all of it, after a question\n"
    "  --yes         without the question\n";

static int parse_common(const char *name, const char *usage, int argc,
                        char **argv, bool *wants_destroy, bool *yes)
{
    static const struct option options[] = {
        {"state", required_argument, NULL, 's'},
        {"destroy", no_argument, NULL, 'd'},
        {"yes", no_argument, NULL, 'y'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:h", options, NULL)) >= 0) {
        switch (c) {
        case 's': setenv("FALLOW_STATE", optarg, 1); break;
        case 'd': *wants_destroy = true; break;
        case 'y': *yes = true; break;
        case 'h': fputs(usage, stdout); return 1;
        default:
            return 1 + cmd_usage(name,
                                 c == ':' ? "%s needs a value"
                                          : "unknown option %s",
                                 argv[optind - 1]);
        }
    }
    if (optind < argc)
        return 1 + cmd_usage(name, "\"%s\" is one word too many", argv[optind]);
    return 0;
}

int cmd_down(int argc, char **argv)
{
    struct cellstate s;
    struct error err = {""};
    bool wants_destroy = false, yes = false;
    int rc = parse_common(who, usage_text, argc, argv, &wants_destroy, &yes);

    if (rc)
        return rc - 1;
    rc = cellstate_open(&s, false, &err);
    if (rc == 0)
        rc = cellstate_lock(&s, &err);
    if (rc == 0)
        rc = stop_all(&s, &err);
    if (rc == 0 && wants_destroy)
        rc = destroy(&s, yes, &err);
    cellstate_close(&s);
    return rc < 0 ? cmd_failed(who, &err) : 0;
}

static const char status_usage[] = "usage: fallow status [--state DIR]\n"
                                   "\n"
                                   "Which programs of the private cell run; "
                                   "exit status 3 when one does not.\n";

int cmd_status(int argc, char **argv)
{
    struct names names;
    struct cellstate s;
    struct error err = {""};
    bool destroys = false, yes = false;
    int missing = 0;
    int rc = parse_common("fallow status", status_usage, argc, argv, &destroys,
                          &yes);

    if (rc)
        return rc - 1;
    if (cellstate_open(&s, false, &err) < 0) {
        cellstate_close(&s);
        return cmd_failed("fallow status", &err);
    }
    printf("cell         %s\nurl          %s\nstate        %s\n", s.name,
           s.url ? s.url : "-", s.state);
    list_daemons(s.state, &names);
    for (int i = 0; i < names.n; i++) {
        pid_t pid = daemon_pid(s.state, names.v[i]);

        missing += pid <= 0;
        if (pid > 0)
            printf("%-12s runs, process %d\n", names.v[i], (int)pid);
        else
            printf("%-12s does not run\n", names.v[i]);
    }
    cellstate_close(&s);
    return missing ? 3 : 0;
}
