/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - how one task is confined
 *
 * A member turns "this program may see these directories" into a command line
 * and the descriptors it needs; the worker forks, sets limits and executes it
 * (worker/run.c).  Members are linked into the worker: nothing is loaded into
 * an agent that holds keys.  `none` is the template and the test double; the
 * worker sells nothing under it unless it was named on the command line.
 *
 * Paths in argv, env and chdir are those inside.  A member without a file
 * system of its own (none) translates them by the binds.
 */
#ifndef FALLOW_PLUGINS_SANDBOX_SANDBOX_H
#define FALLOW_PLUGINS_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

#define SANDBOX_ABI 1
#define SANDBOX_FDS_MAX 4

/* One directory or file shown inside. */
struct sandbox_bind {
    const char *from; /* here, absolute */
    const char *to;   /* inside, absolute, without a final slash */
    bool writable;    /* else read-only */
};

/* What is to run, seen from inside. */
struct sandbox_spec {
    const char *const *argv; /* argv[0] an absolute path; ends with NULL */
    const char *const *env;  /* NAME=VALUE; nothing else is inherited */
    const char *chdir;
    const struct sandbox_bind *binds; /* the writable one holds results */
    size_t n_binds;
    bool forks; /* argv starts a process for each task, and confines it by
                 * the program of `filter` */
};

/* What to execute for it.  Descriptors in fds are inherited under their own
 * numbers and closed by the parent after the fork.  info, when >= 0, is the
 * reading end of a pipe on which the sandbox tells its innermost process (see
 * started); go, when >= 0, the writing end of one on which it waits.
 */
struct sandbox_command {
    char **argv;
    char **env;
    const char *chdir; /* NULL = wherever */
    int fds[SANDBOX_FDS_MAX];
    size_t n_fds;
    int info, go;
    void *data; /* the member's own */
};

struct sandbox_plugin {
    unsigned abi; /* SANDBOX_ABI */
    const char *name;
    const char *summary; /* one line for people */
    bool confines;       /* whether strangers' work may run in it */

    /* Whether it works on this machine: 0, or -1 with errno ENOTSUP and err
     * saying what to install, switch on or do instead.
     */
    int (*probe)(struct error *err);

    /* Fill out (whole), allocated.  0, or -1 with errno; nothing is left. */
    int (*prepare)(const struct sandbox_spec *spec, struct sandbox_command *out,
                   struct error *err);

    /* After the fork, in the parent: the process inside that stands for the
     * whole task (killing it ends all of it); child is what was forked.  May
     * wait for the sandbox to be set up, not for the task.  Returns a pid, or
     * -1 with errno: ECHILD = it ended before, its status will tell.
     */
    pid_t (*started)(const struct sandbox_command *c, pid_t child,
                     struct error *err);

    /* Let it run, when go >= 0.  0 or -1 with errno. */
    int (*release)(const struct sandbox_command *c, struct error *err);

    /* The seccomp program of a task that a server forked: a new descriptor.
     * NULL slot: none.  -1 with errno.
     */
    int (*filter)(struct error *err);

    /* Close and free what prepare made. */
    void (*clear)(struct sandbox_command *c);
};

extern const struct sandbox_plugin sandbox_none;
extern const struct sandbox_plugin sandbox_bwrap;

#endif
