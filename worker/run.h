/* SPDX-License-Identifier: Apache-2.0 */
/* run.h - one fallow-runner process for one task, confined and watched
 *
 * run_start forks from the calling thread; the task dies with that thread, so
 * it must be the main one.  The caller polls run_out and run_pidfd, reads
 * when the first is ready and reaps when the second is.  Everything inside
 * sees only: /fallow (runner and plug-ins), /params and /task (input and
 * results); doc/11-worker.md.
 */
#ifndef FALLOW_WORKER_RUN_H
#define FALLOW_WORKER_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/digest.h"
#include "common/error.h"
#include "common/machine.h"
#include "plugins/sandbox/sandbox.h"

/* Bounds of one task; 0 = none. */
struct run_limits {
    int64_t mem_bytes;  /* address space */
    int64_t file_bytes; /* each file, and all of the scratch together */
    int64_t cpu_s;      /* CPU seconds */
    int64_t threads;    /* processes and threads */
};

/* What does not change from task to task. */
struct run_place {
    const struct sandbox_plugin *sandbox;
    const struct machine *machine; /* NULL = bind nobody */
    const char *stage;             /* shown as /fallow */
    const char *cgroup;            /* a cgroup v2 directory of ours, or NULL */
    struct run_limits limits;
    int stop_fd; /* readable = told to end: breaks off run_wait; -1 = none */
};

struct run_spec {
    const char *kernel;
    const char *variant; /* NULL = the best usable */
    const char *params;  /* directory shown as /params, read-only */
    const char *dir;     /* shown as /task: `input` in, `results` out */
    bool filter;         /* RUN_SERVE: confine its tasks by stage/filter */
    int threads;
    int core; /* first core to bind to, -1 = anywhere */
};

enum run_call { RUN_TASK, RUN_SERVE, RUN_DESCRIBE, RUN_SELFTEST, RUN_LIST };

/* What became of it. */
struct run_outcome {
    bool done;              /* it said so, and ended well */
    int status;             /* 0, or 128 + signal, or the exit status */
    struct merkle_sum root; /* when done */
    int64_t items;          /* when done */
    int64_t busy_us;        /* wall clock from start to end */
    int64_t cpu_us;         /* CPU time it used */
    char variant[32];       /* when done */
    char why[256];          /* its last line on standard error */
};

struct run;

/* Start one.  NULL with errno; nothing is left. */
struct run *run_start(const struct run_place *place, enum run_call call,
                      const struct run_spec *spec, struct error *err);

/* Ready to read: something was said.  -1 once it has closed. */
int run_out(const struct run *r);
/* RUN_SERVE: whether it takes orders; once it does, run_order makes it do the
 * task that lies in its directory, run_answered says that this has ended, and
 * run_result what became of it.  0, or -1 with errno EPIPE.
 */
bool run_is_ready(const struct run *r);
int run_order(struct run *r);
bool run_answered(const struct run *r);
void run_result(const struct run *r, struct run_outcome *out);

/* Ready to read: it has ended.  A pidfd. */
int run_pidfd(const struct run *r);

/* Take in what was said, without blocking. */
void run_read(struct run *r);

/* Items done so far, as it reports. */
int64_t run_progress(const struct run *r);

/* Everything it wrote on standard output (describe, list); at most 64 KiB. */
const char *run_text(const struct run *r);

/* End it and all it started, at once.  The pidfd becomes ready. */
void run_kill(struct run *r);

/* Wait for it (at once when the pidfd is ready) and say what became of it. */
void run_reap(struct run *r, struct run_outcome *out);

/* Kill it if need be, and free.  NULL is allowed. */
void run_destroy(struct run *r);

/* End what a worker that was killed left behind under this stage: a sandbox
 * half set up when its parent died waits for ever.
 */
void run_sweep(const char *stage);

/* Start, read and wait, up to timeout_ms (errno ETIMEDOUT) or until stop_fd is
 * readable (ECANCELED): for describe, list, selftest and calibration.  *text,
 * when not NULL, is allocated.  0, or -1 when it did not end well.
 */
int run_wait(const struct run_place *place, enum run_call call,
             const struct run_spec *spec, int timeout_ms, char **text,
             struct run_outcome *out, struct error *err);

#endif
