/* SPDX-License-Identifier: Apache-2.0 */
/* proc.h - child processes whose output is read line by line
 *
 * Standard input of a child is empty.  Its lines come to two functions,
 * without their newline; the last one it wrote to standard error is kept, for
 * that is where our programs say what was wrong.
 */
#ifndef FALLOW_SCHED_CMD_PROC_H
#define FALLOW_SCHED_CMD_PROC_H

#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

struct proc_spec {
    char *const *argv; /* argv[0] is the path of the program */
    void (*out)(void *arg, const char *line); /* NULL: not wanted */
    void (*err)(void *arg, const char *line); /* NULL: not wanted */
    void *arg;
    int (*prepare)(const void *as); /* NULL, or called in the child before
                                     * exec; non-zero: errno says why not */
    const void *as;                 /* for prepare */
};

struct proc;

/* Start it.  NULL with errno of pipe, fork or exec. */
struct proc *proc_start(const struct proc_spec *spec, struct error *err);

/* Read what n children say until all have ended.  When *stop becomes non-zero
 * (stop may be NULL), or one of them fails, the others get SIGTERM.  Returns
 * 0, or -1 with errno ECANCELED (stopped), ECHILD (one failed: err has its
 * last words) or of poll.
 */
int proc_wait_all(struct proc **v, size_t n, const volatile sig_atomic_t *stop,
                  struct error *err);

/* Exit status, 128 + signal, or -1 while it runs. */
int proc_status(const struct proc *p);
pid_t proc_pid(const struct proc *p);

/* Kills and reaps it if it still runs; NULL is allowed. */
void proc_destroy(struct proc *p);

/* One child from start to end. */
int proc_run(const struct proc_spec *spec, const volatile sig_atomic_t *stop,
             struct error *err);

/* SIGINT, SIGTERM and SIGHUP make the returned flag non-zero from now on. */
const volatile sig_atomic_t *proc_catch_stop(void);

#endif
