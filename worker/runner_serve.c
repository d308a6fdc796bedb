/* SPDX-License-Identifier: Apache-2.0 */
/* runner_serve.c - one process after another for tasks of one kernel and one
 * set of parameters
 *
 * Starting a sandbox and linking a kernel cost more than a small task.  The
 * server does both once; every task still has a process of its own, forked
 * from one that has never seen a task, and the process first gives up the
 * right to fork (--filter).  Nothing of a task outlives it.
 */
#include "worker/runner.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"

#define FILTER_MAX ((size_t)64 << 10)

enum { EXIT_FAILED = 1, EXIT_STOPPED = 3 };

/* A seccomp program read before the first task. */
struct filter {
    void *buf;
    struct sock_fprog prog;
};

static int read_filter(const char *path, struct filter *f, struct error *err)
{
    size_t len;

    if (!path)
        return 0;
    if (file_read(path, FILTER_MAX, &f->buf, &len, err) < 0)
        return -1;
    if (len == 0 || len % sizeof(struct sock_filter))
        return error_set(err, EINVAL, "%s is no seccomp program", path);
    f->prog.len = (unsigned short)(len / sizeof(struct sock_filter));
    f->prog.filter = f->buf;
    return 0;
}

/* In the process of one task; its exit status. */
static int do_task(const struct work_plugin *w, const struct runner_args *a,
                   const struct filter *f)
{
    struct error err = {""};

    close(STDIN_FILENO);
    if (f->buf &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f->prog, 0, 0) < 0) {
        fprintf(stderr, "fallow-runner: could not confine a task: %s\n",
                strerror(errno));
        return EXIT_FAILED;
    }
    if (runner_run(w, a, &err) == 0)
        return 0;
    fprintf(stderr, "fallow-runner: %s\n", err.text);
    return errno == ECANCELED ? EXIT_STOPPED : EXIT_FAILED;
}

static int serve_one(const struct work_plugin *w, const struct runner_args *a,
                     const struct filter *f, struct error *err)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        return error_set(err, errno, "could not fork: %s", strerror(errno));
    if (pid == 0) {
        int rc = do_task(w, a, f);

        fflush(stdout);
        _exit(rc);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, errno, "could not wait: %s", strerror(errno));
    status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return runner_print(json_pack("{s:i}", "exit", status), err);
}

int runner_serve(const struct work_plugin *w, const struct runner_args *a,
                 struct error *err)
{
    struct filter f = {NULL, {0, NULL}};
    int rc = read_filter(a->filter, &f, err);

    if (rc == 0)
        rc = runner_print(json_pack("{s:b}", "ready", 1), err);
    while (rc == 0 && !*a->stop) {
        char order;
        ssize_t n = read(STDIN_FILENO, &order, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (order == '\n')
            rc = serve_one(w, a, &f, err);
    }
    free(f.buf);
    return rc;
}
