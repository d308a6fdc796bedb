/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.c - programs that stay when the command has gone */
#include "sched/cmd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_TAIL 8192
#define ORPHANS_US 10000000

static int open_in(const char *state, const char *dir, const char *name,
                   const char *suffix, int flags)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s/%s.%s", state, dir, name, suffix) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC, 0600);
}

static void nap(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

/* A descriptor for the process, or -1. */
static int process_fd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Whether it has ended, be it a zombie. */
static bool has_ended(int pidfd)
{
    struct pollfd p = {pidfd, POLLIN, 0};

    return poll(&p, 1, 0) > 0;
}

static pid_t written_pid(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long v = n > 0 ? strtol(text, NULL, 10) : 0;

    return v > 1 && v < INT32_MAX ? (pid_t)v : 0;
}

/* A pidfd of the living daemon with its *pid; -1 when there is none.  *held
 * says whether anybody holds the lock.
 */
static int living(const char *state, const char *name, pid_t *pid, bool *held)
{
    int fd = open_in(state, "run", name, "lock", O_RDONLY), pidfd = -1;

    *pid = 0;
    *held = false;
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        *held = true;
        *pid = written_pid(fd);
        pidfd = *pid ? process_fd(*pid) : -1;
        if (pidfd >= 0 && has_ended(pidfd)) {
            close(pidfd);
            pidfd = -1;
        }
    }
    close(fd); /* an own lock goes with it */
    return pidfd;
}

pid_t daemon_pid(const char *state, const char *name)
{
    bool held;
    pid_t pid;
    int fd = living(state, name, &pid, &held);

    if (fd < 0)
        return held ? -1 : 0;
    close(fd);
    return pid;
}

/* In the child. */
static void become(const struct daemon_spec *spec, int lock, int log, int fail)
{
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (account_enter(spec->as) == 0) {
        fcntl(lock, F_SETFD, 0); /* stays open through exec */
        execv(spec->argv[0], spec->argv);
    }
    if (write(fail, &errno, sizeof(errno)) < 0)
        _exit(126);
    _exit(127);
}

static int launch(const struct daemon_spec *spec, int lock, int log,
                  struct error *err)
{
    int fail[2], code = 0;
    char text[24];
    pid_t pid;

    if (pipe2(fail, O_CLOEXEC) < 0)
        return error_set(err, errno, "could not make a pipe");
    pid = fork();
    if (pid < 0) {
        close(fail[0]);
        close(fail[1]);
        return error_set(err, errno, "could not fork");
    }
    if (pid == 0)
        become(spec, lock, log, fail[1]);
    close(fail[1]);
    snprintf(text, sizeof(text), "%d\n", (int)pid);
    if (ftruncate(lock, 0) < 0 ||
        pwrite(lock, text, strlen(text), 0) != (ssize_t)strlen(text))
        code = errno;
    if (read(fail[0], &code, sizeof(code)) > 0)
        waitpid(pid, NULL, 0);
    close(fail[0]);
    if (code)
        return error_set(err, code, "could not start %s as %s: %s",
                         spec->argv[0], spec->as->name, strerror(code));
    return 0;
}

int daemon_start(const struct daemon_spec *spec, struct error *err)
{
    int lock =
        open_in(spec->state, "run", spec->name, "lock", O_RDWR | O_CREAT);
    int log = open_in(spec->state, "log", spec->name, "log",
                      O_WRONLY | O_CREAT | O_APPEND);
    int rc = 0;

    if (lock < 0 || log < 0)
        rc = error_set(err, errno, "could not open the files of %s in %s: %s",
                       spec->name, spec->state, strerror(errno));
    for (int waited = 0; rc == 0 && flock(lock, LOCK_EX | LOCK_NB) < 0;
         waited += 100) {
        if (daemon_pid(spec->state, spec->name) > 0)
            rc = 1;
        else if (waited * 1000 >= ORPHANS_US)
            rc = error_set(err, EBUSY,
                           "children of a dead %s still run; end process "
                           "group %d",
                           spec->name, (int)written_pid(lock));
        else
            nap(100);
    }
    if (rc == 0)
        rc = launch(spec, lock, log, err);
    if (lock >= 0)
        close(lock);
    if (log >= 0)
        close(log);
    return rc;
}

int daemon_signal(const char *state, const char *name, int sig,
                  struct error *err)
{
    bool held;
    pid_t pid;
    int fd = living(state, name, &pid, &held), rc = 0;

    if (fd < 0)
        return error_set(err, ESRCH, "%s does not run", name);
    if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0)
        rc = error_set(err, errno, "could not signal %s: %s", name,
                       strerror(errno));
    close(fd);
    return rc;
}

/* Wait for the lock to be free: then the last child has gone too. */
static bool gone_within(const char *state, const char *name, int64_t us)
{
    for (int64_t waited = 0; waited <= us; waited += 20000) {
        if (daemon_pid(state, name) == 0)
            return true;
        nap(20);
    }
    return false;
}

int daemon_stop(const char *state, const char *name, int sig, int64_t limit_us,
                struct error *err)
{
    bool held;
    pid_t pid;
    int fd = living(state, name, &pid, &held);
    struct pollfd p = {fd, POLLIN, 0};

    if (fd >= 0) {
        syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
        poll(&p, 1, (int)(limit_us / 1000));
        close(fd);
    }
    if (!held || gone_within(state, name, 1000000))
        return 0;
    /* Its own session: the group holds it and what it started. */
    if (pid > 1)
        kill(-pid, SIGKILL);
    if (gone_within(state, name, 5000000))
        return 0;
    return error_set(err, EBUSY, "could not stop %s (process group %d)", name,
                     (int)pid);
}

void daemon_show_log(const char *state, const char *name, int lines)
{
    char buf[LOG_TAIL + 1];
    int fd = open_in(state, "log", name, "log", O_RDONLY);
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = end > LOG_TAIL ? end - LOG_TAIL : 0;
    ssize_t n = fd < 0 ? 0 : pread(fd, buf, LOG_TAIL, from);
    char *at;

    if (fd >= 0)
        close(fd);
    fprintf(stderr, "last lines of %s/log/%s.log:\n", state, name);
    if (n <= 0)
        return;
    buf[n] = '\0';
    if (buf[n - 1] == '\n')
        buf[n - 1] = '\0';
    for (at = buf + strlen(buf); at > buf && lines > 0; at--)
        if (at[-1] == '\n' && --lines == 0)
            break;
    for (char *nl; at && *at; at = nl ? nl + 1 : NULL) {
        nl = strchr(at, '\n');
        fprintf(stderr, "  | %.*s\n", (int)(nl ? nl - at : (long)strlen(at)),
                at);
    }
}
