/* SPDX-License-Identifier: Apache-2.0 */
/* proc.c - child processes whose output is read line by line */
#include "sched/cmd/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_CAP 65536
#define WORDS_CAP 400

struct stream {
    int fd; /* -1 = ended */
    size_t used;
    char *buf; /* LINE_CAP; longer lines come in parts */
};

struct proc {
    pid_t pid;
    int status;
    struct proc_spec spec;
    char name[64];
    char words[WORDS_CAP]; /* last line of standard error */
    struct stream s[2];    /* out, err */
};

static volatile sig_atomic_t stop_flag;

static void on_stop(int sig)
{
    (void)sig;
    stop_flag = 1;
}

const volatile sig_atomic_t *proc_catch_stop(void)
{
    struct sigaction sa = {.sa_handler = on_stop};

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    return &stop_flag;
}

void proc_destroy(struct proc *p)
{
    if (p) {
        int saved_errno = errno;

        if (p->pid > 0 && p->status < 0) {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
        }
        for (int i = 0; i < 2; i++) {
            if (p->s[i].fd >= 0)
                close(p->s[i].fd);
            free(p->s[i].buf);
        }
        free(p);
        errno = saved_errno;
    }
}

/* In the child: never returns.  The reason why exec failed goes to fail_fd. */
static void become(const struct proc_spec *spec, int out, int err, int fail_fd)
{
    int null = open("/dev/null", O_RDONLY);

    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    if (!spec->prepare || spec->prepare(spec->as) == 0)
        execv(spec->argv[0], spec->argv);
    if (write(fail_fd, &errno, sizeof(errno)) < 0)
        _exit(126);
    _exit(127);
}

/* 0 when the child got as far as its own program, else its errno. */
static int exec_outcome(int fd)
{
    int code = 0;
    ssize_t n;

    do
        n = read(fd, &code, sizeof(code));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(code) ? code : 0;
}

static int launch(struct proc *p, struct error *err)
{
    int out[2] = {-1, -1}, er[2] = {-1, -1}, fail[2] = {-1, -1};
    int rc = 0, code;

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(er, O_CLOEXEC) < 0 ||
        pipe2(fail, O_CLOEXEC) < 0)
        rc =
            error_set(err, errno, "could not make a pipe: %s", strerror(errno));
    if (rc == 0 && (p->pid = fork()) < 0)
        rc = error_set(err, errno, "could not fork: %s", strerror(errno));
    if (rc == 0 && p->pid == 0)
        become(&p->spec, out[1], er[1], fail[1]);
    for (int i = 0; i < 3; i++) {
        int fd = i == 0 ? out[1] : i == 1 ? er[1] : fail[1];

        if (fd >= 0)
            close(fd);
    }
    if (rc == 0 && (code = exec_outcome(fail[0])) != 0)
        rc = error_set(err, code, "could not run %s: %s", p->spec.argv[0],
                       strerror(code));
    if (fail[0] >= 0)
        close(fail[0]);
    p->s[0].fd = out[0];
    p->s[1].fd = er[0];
    return rc;
}

struct proc *proc_start(const struct proc_spec *spec, struct error *err)
{
    struct proc *p = calloc(1, sizeof(*p));
    const char *slash = strrchr(spec->argv[0], '/');

    if (!p)
        return error_null(err, ENOMEM, "could not allocate a process");
    p->status = -1;
    p->s[0].fd = p->s[1].fd = -1;
    p->spec = *spec;
    snprintf(p->name, sizeof(p->name), "%s", slash ? slash + 1 : spec->argv[0]);
    p->s[0].buf = malloc(LINE_CAP);
    p->s[1].buf = malloc(LINE_CAP);
    if (!p->s[0].buf || !p->s[1].buf) {
        error_set(err, ENOMEM, "could not allocate a buffer");
        goto error;
    }
    if (launch(p, err) < 0)
        goto error;
    return p;
error:
    proc_destroy(p);
    return NULL;
}

/* A line of stream i: to its function, and into the last words. */
static void take_line(struct proc *p, int i, const char *line)
{
    size_t k = strlen(p->name);

    if (i == 0) {
        if (p->spec.out)
            p->spec.out(p->spec.arg, line);
        return;
    }
    if (strncmp(line, p->name, k) == 0 && strncmp(line + k, ": ", 2) == 0)
        line += k + 2;
    if (*line)
        snprintf(p->words, sizeof(p->words), "%s", line);
    if (p->spec.err)
        p->spec.err(p->spec.arg, line);
}

static void take_bytes(struct proc *p, int i)
{
    struct stream *s = &p->s[i];
    ssize_t n = read(s->fd, s->buf + s->used, LINE_CAP - 1 - s->used);
    char *at = s->buf, *nl;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        s->used += (size_t)n;
    s->buf[s->used] = '\0';
    while ((nl = memchr(at, '\n', s->used - (size_t)(at - s->buf)))) {
        *nl = '\0';
        take_line(p, i, at);
        at = nl + 1;
    }
    s->used -= (size_t)(at - s->buf);
    memmove(s->buf, at, s->used);
    s->buf[s->used] = '\0';
    if ((n <= 0 || s->used == LINE_CAP - 1) && s->used) {
        take_line(p, i, s->buf);
        s->used = 0;
    }
    if (n <= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void reap(struct proc *p)
{
    int status;

    if (p->status >= 0 || waitpid(p->pid, &status, 0) < 0)
        return;
    p->status =
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void terminate_all(struct proc **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i]->status < 0)
            kill(v[i]->pid, SIGTERM);
}

/* Read once from every child; the number still open, or -1. */
static int pump(struct proc **v, size_t n, struct error *err)
{
    struct pollfd *fds = calloc(2 * n, sizeof(*fds));
    int open_streams = 0, rc;

    if (!fds)
        return error_set(err, ENOMEM, "could not allocate a poll set");
    for (size_t i = 0; i < 2 * n; i++) {
        fds[i] = (struct pollfd){v[i / 2]->s[i % 2].fd, POLLIN, 0};
        open_streams += fds[i].fd >= 0;
    }
    rc = open_streams ? poll(fds, (nfds_t)(2 * n), 250) : 0;
    if (rc < 0 && errno != EINTR) {
        error_set(err, errno, "could not poll: %s", strerror(errno));
        free(fds);
        return -1;
    }
    for (size_t i = 0; rc > 0 && i < 2 * n; i++)
        if (fds[i].revents)
            take_bytes(v[i / 2], (int)(i % 2));
    for (size_t i = 0; i < n; i++)
        if (v[i]->s[0].fd < 0 && v[i]->s[1].fd < 0)
            reap(v[i]);
    free(fds);
    return open_streams;
}

static int first_failure(struct proc **v, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i]->status <= 0)
            continue;
        if (v[i]->words[0] && v[i]->status < 128)
            return error_set(err, ECHILD, "%s", v[i]->words);
        if (v[i]->status > 128)
            return error_set(err, ECHILD, "%s was killed by signal %d (%s)",
                             v[i]->name, v[i]->status - 128,
                             strsignal(v[i]->status - 128));
        return error_set(err, ECHILD, "%s ended with status %d", v[i]->name,
                         v[i]->status);
    }
    return 0;
}

int proc_wait_all(struct proc **v, size_t n, const volatile sig_atomic_t *stop,
                  struct error *err)
{
    bool told = false, failed = false;
    int rc;

    do {
        rc = pump(v, n, err);
        if (rc < 0)
            return -1;
        if (!failed && first_failure(v, n, err) < 0)
            failed = true;
        if (!told && (failed || (stop && *stop))) {
            terminate_all(v, n);
            told = true;
        }
    } while (rc > 0);
    if (stop && *stop)
        return error_set(err, ECANCELED, "interrupted");
    if (failed) {
        errno = ECHILD;
        return -1;
    }
    return first_failure(v, n, err);
}

int proc_status(const struct proc *p)
{
    return p->status;
}

pid_t proc_pid(const struct proc *p)
{
    return p->pid;
}

int proc_run(const struct proc_spec *spec, const volatile sig_atomic_t *stop,
             struct error *err)
{
    struct proc *p = proc_start(spec, err);
    int rc;

    if (!p)
        return -1;
    rc = proc_wait_all(&p, 1, stop, err);
    proc_destroy(p);
    return rc;
}
