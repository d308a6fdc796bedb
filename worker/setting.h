/* SPDX-License-Identifier: Apache-2.0 */
/* setting.h - what the owner wants: the command line and worker.conf
 *
 * The command line wins.  fallowd(8) and worker.conf(5) name every one.
 */
#ifndef FALLOW_WORKER_SETTING_H
#define FALLOW_WORKER_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct setting {
    /* command line alone */
    char *state;  /* --state DIR */
    char *config; /* --config FILE, else DIR/worker.conf when it is there */
    char *enrol;  /* --enrol TOKEN or @FILE */
    char *ca;     /* --ca FILE, copied into the state at the start */
    char *user;   /* --user NAME: who to become when started as root */
    char *runner; /* --runner PATH */
    bool referee; /* --referee: only the variant "ref", widest zone */
    bool once;    /* --once: end when the cell has nothing more */
    bool verbose; /* --verbose: a line about every task */

    /* both */
    char *cell_url;   /* --cell-url, cell_url: https://host:port */
    char *sandbox;    /* --sandbox, sandbox: bwrap */
    int64_t cores;    /* --cores, cores: how many to sell, 0 = all */
    char *zone;       /* zone: the widest it serves */
    int64_t floor;    /* floor: least micro-fiat per credit */
    int64_t memory;   /* memory: of one task, bytes */
    int64_t disk;     /* disk: scratch of one task, bytes */
    char **kernels;   /* kernel: those to run, repeated; NULL = all */
    char **rules;     /* rule: see policy.h, in order */
    char *sysroot;    /* sysroot: where /sys and /proc are read, for tests */
    char *cgroup;     /* cgroup: a delegated cgroup v2 directory */
    int64_t renew_us; /* renew: how often leases are renewed */
    int64_t wait_us;  /* wait: how long a request for work is parked */
    int64_t drain_us; /* drain: how long SIGTERM lets running tasks finish */
};

/* Defaults, then argv, then the file.  Returns 0; 1 when --help or --version
 * was answered; -1 with errno EINVAL or of the file, err naming the place.
 */
int setting_load(struct setting *s, int argc, char **argv, struct error *err);

void setting_clear(struct setting *s);

#endif
