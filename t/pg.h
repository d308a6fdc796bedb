/* SPDX-License-Identifier: Apache-2.0 */
/* pg.h - a private PostgreSQL cluster for a C test (t/pg.sh does the work)
 *
 * pg_start() returns a conninfo, or skips the whole test when there is no
 * PostgreSQL here; the cluster is stopped and removed at exit.
 */
#ifndef FALLOW_T_PG_H
#define FALLOW_T_PG_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/tap.h"

static char pg_dir[256];
static pid_t pg_owner;

/* Run t/pg.sh VERB [DIR]; its first line of output goes to line. */
static inline int pg_script(const char *verb, char *line, size_t len)
{
    const char *src = getenv("srcdir");
    char path[512];
    int fd[2], status;
    FILE *f;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/t/pg.sh", src ? src : ".");
    if (pipe(fd) < 0 || (pid = fork()) < 0)
        return -1;
    if (pid == 0) {
        dup2(fd[1], 1);
        close(fd[0]);
        close(fd[1]);
        execl("/bin/sh", "sh", path, verb, pg_dir, (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    f = fdopen(fd[0], "r");
    if (f && line && fgets(line, (int)len, f))
        line[strcspn(line, "\n")] = '\0';
    waitpid(pid, &status, 0);
    if (f)
        fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void pg_stop(void)
{
    if (pg_owner == getpid() && pg_dir[0])
        pg_script("stop", NULL, 0);
}

static inline const char *pg_start(void)
{
    static char conninfo[512];
    int rc = pg_script("start", pg_dir, sizeof(pg_dir));

    if (rc == 77)
        skip_all("PostgreSQL is not installed");
    if (rc != 0 || !pg_dir[0]) {
        printf("Bail out! could not start PostgreSQL (%d)\n", rc);
        exit(1);
    }
    pg_owner = getpid();
    signal(SIGPIPE, SIG_IGN); /* a reader that left must not leave a cluster */
    atexit(pg_stop);
    snprintf(conninfo, sizeof(conninfo), "host=%s user=test dbname=postgres",
             pg_dir);
    return conninfo;
}

#endif
