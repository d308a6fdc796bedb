/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.h - programs that stay when the command has gone
 *
 * A daemon holds a lock on STATE/run/NAME.lock as long as it or a child of it
 * lives: the descriptor is inherited, so the kernel keeps the truth and no
 * stale file can lie.  The process id in the file is believed only while the
 * lock is held, and signals go through a pidfd.  Standard output and error go
 * to STATE/log/NAME.log.
 */
#ifndef FALLOW_SCHED_CMD_DAEMON_H
#define FALLOW_SCHED_CMD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "sched/cmd/account.h"

struct daemon_spec {
    const char *state;
    const char *name; /* "gate", "owner-1" … */
    char *const *argv;
    const struct account *as;
};

/* Start it unless it runs.  Returns 1 when it ran already, 0 when started, or
 * -1 with errno EBUSY (children of a dead one still hold the lock) or of exec.
 */
int daemon_start(const struct daemon_spec *spec, struct error *err);

/* Its process id while it lives, else 0; -1 when only children of it do. */
pid_t daemon_pid(const char *state, const char *name);

/* Send sig, wait up to limit_us for the end, then SIGKILL the process group.
 * Returns 0 (also when it did not run), or -1 with errno.
 */
int daemon_stop(const char *state, const char *name, int sig, int64_t limit_us,
                struct error *err);

/* Send sig to it.  Returns 0, or -1 with errno ESRCH. */
int daemon_signal(const char *state, const char *name, int sig,
                  struct error *err);

/* The last lines of its log on standard error, each after "  | ". */
void daemon_show_log(const char *state, const char *name, int lines);

#endif
