/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the kernels this machine can run, and how fast
 *
 * Asked of the staged runner, inside the sandbox.  A kernel is offered when
 * its best usable variant gives the known answer here (the referee always uses
 * "ref").  Speed is measured: first by a short run on made-up items where the
 * kernel takes such, then as a moving average of accepted units per busy
 * second of one core; 0 = not known yet.  It is kept in DIR/speed, keyed by
 * kernel digest, variant and processor model.
 */
#ifndef FALLOW_WORKER_KERNELS_H
#define FALLOW_WORKER_KERNELS_H

#include "common/message.h"
#include "worker/run.h"

/* One kernel that gave the known answer. */
struct kernel {
    char name[NAME_MAX_LEN + 1];
    struct digest spec;
    char variant[32];  /* the one to run */
    double units;      /* of the moving average: accepted units, */
    double busy_s;     /* and the busy seconds they took */
    int failures;      /* tasks in a row that did not end well */
    int64_t paused_us; /* not offered before, on the monotonic clock */
};

struct kernels {
    struct kernel v[MESSAGE_KERNELS_MAX];
    size_t n;
    char *path;  /* DIR/speed */
    char *model; /* processor */
};

/* Where to look, and what for. */
struct kernels_ask {
    const struct run_place *place;
    const char *dir;          /* state directory */
    const char *model;        /* machine_model */
    bool referee;             /* the variant "ref" of each */
    const char *const *names; /* NULL = all; ends with NULL */
    /* One line for the owner about each kernel. */
    void (*tell)(const char *line);
};

/* List, describe, self-test and, where needed, time them.  0, or -1 with errno
 * ENOENT (none works) or of the runner.
 */
int kernels_load(struct kernels *k, const struct kernels_ask *ask,
                 struct error *err);
void kernels_clear(struct kernels *k);

/* The kernel with this name and digest, or NULL. */
struct kernel *kernels_find(struct kernels *k, const char *name,
                            const struct digest *spec);

/* Units per second of one core, 0 = not known. */
int64_t kernel_speed(const struct kernel *k);

/* A task of it was accepted. */
void kernel_credit(struct kernel *k, int64_t units, int64_t busy_us);

/* Keep the speeds for the next start.  0 or -1 with errno. */
int kernels_save(const struct kernels *k, struct error *err);

#endif
