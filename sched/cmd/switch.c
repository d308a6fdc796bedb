/* SPDX-License-Identifier: Apache-2.0 */
/* switch.c - fallow stop and fallow start: the owner's switch
 *
 * The switch is the file DIR/stopped of a worker, which it looks for several
 * times a second and obeys before any rule; a signal makes it look at once.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/cmd/cellstate.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/daemon.h"

static int set_switch(const char *dir, bool off, const struct account *as,
                      struct error *err)
{
    char *path;
    int rc = 0;

    if (access(dir, W_OK) < 0)
        return error_set(err, errno, "%s is no worker's directory: %s", dir,
                         strerror(errno));
    path = file_path(dir, "stopped");
    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (off) {
        rc = file_write(path, "", 0, true, err);
        if (rc == 0 && as)
            rc = account_give(as, path, err);
    } else if (unlink(path) < 0 && errno != ENOENT) {
        rc = error_set(err, errno, "could not remove %s: %s", path,
                       strerror(errno));
    }
    free(path);
    return rc;
}

static int switch_worker(const struct cellstate *s, const char *name, bool off,
                         struct error *err)
{
    char dir[PATH_MAX];

    if (strchr(name, '/'))
        return error_set(err, EINVAL, "\"%s\" is no worker's name", name);
    snprintf(dir, sizeof(dir), "%s/workers/%s", s->state, name);
    if (access(dir, F_OK) < 0)
        return error_set(err, ENOENT, "there is no worker %s in %s", name,
                         s->state);
    if (set_switch(dir, off, &s->as, err) < 0)
        return -1;
    if (off)
        daemon_signal(s->state, name, SIGUSR1, NULL);
    printf("%-12s %s\n", name, off ? "stopped" : "may work");
    return 0;
}

static int switch_all(const struct cellstate *s, bool off, struct error *err)
{
    char dir[PATH_MAX];
    const struct dirent *e;
    int rc = 0;
    DIR *d;

    snprintf(dir, sizeof(dir), "%s/workers", s->state);
    d = opendir(dir);
    if (!d)
        return error_set(err, errno, "could not read %s: %s", dir,
                         strerror(errno));
    while (rc == 0 && (e = readdir(d)))
        if (strncmp(e->d_name, "owner-", 6) == 0)
            rc = switch_worker(s, e->d_name, off, err);
    closedir(d);
    return rc;
}

static int run_switch(int argc, char **argv, bool off)
{
    static const struct option options[] = {
        {"state", required_argument, NULL, 's'},
        {"dir", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *dir = NULL;
    struct cellstate s;
    struct error err = {""};
    char who[24];
    int c, rc;

    snprintf(who, sizeof(who), "fallow %s", argv[0]);
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:h", options, NULL)) >= 0) {
        switch (c) {
        case 's': setenv("FALLOW_STATE", optarg, 1); break;
        case 'd': dir = optarg; break;
        case 'h':
            printf("usage: fallow %s [--state DIR] [WORKER...]\n"
                   "       fallow %s --dir WORKER_STATE\n",
                   argv[0], argv[0]);
            return 0;
        default:
            return cmd_usage(
                who, c == ':' ? "%s needs a value" : "unknown option %s",
                argv[optind - 1]);
        }
    }
    if (dir)
        return set_switch(dir, off, NULL, &err) < 0 ? cmd_failed(who, &err) : 0;
    rc = cellstate_open(&s, false, &err);
    if (rc == 0 && optind == argc)
        rc = switch_all(&s, off, &err);
    for (int i = optind; rc == 0 && i < argc; i++)
        rc = switch_worker(&s, argv[i], off, &err);
    cellstate_close(&s);
    return rc < 0 ? cmd_failed(who, &err) : 0;
}

int cmd_stop(int argc, char **argv)
{
    return run_switch(argc, argv, true);
}

int cmd_start(int argc, char **argv)
{
    return run_switch(argc, argv, false);
}
