/* SPDX-License-Identifier: Apache-2.0 */
/* bwrap.c - a task alone in namespaces of its own, by bubblewrap
 *
 * Inside there is /usr read-only, the binds, and nothing else: no /etc, /home,
 * /proc, /sys, /dev, no network, no capability, a host name that says nothing,
 * and the system calls of filter.c.  The task is process 1 of its PID
 * namespace, so killing it leaves nobody behind; it dies with the thread that
 * forked it.  Called by root bubblewrap would keep root's rights, so the probe
 * refuses.
 */
#include "plugins/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugins/sandbox/filter.h"

#define BWRAP "/usr/bin/bwrap"
#define INFO_MAX 512

/* Words of a command line, all allocated. */
struct words {
    char **v;
    size_t n, cap;
    bool failed;
};

static void add(struct words *w, const char *word)
{
    if (w->n + 2 > w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        char **v = reallocarray(w->v, cap, sizeof(*v));

        if (!v) {
            w->failed = true;
            return;
        }
        w->v = v;
        w->cap = cap;
    }
    w->v[w->n] = strdup(word);
    w->v[w->n + 1] = NULL;
    if (w->v[w->n])
        w->n++;
    else
        w->failed = true;
}

static void add_all(struct words *w, const char *const *words)
{
    for (; *words; words++)
        add(w, *words);
}

static void add_fd(struct words *w, const char *option, int fd)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", fd);
    add(w, option);
    add(w, text);
}

/* /lib and its like: a link into /usr on a merged system, else the directory
 * itself.
 */
static void add_library_dirs(struct words *w)
{
    static const char *const dirs[] = {"/lib", "/lib64", "/lib32", "/bin"};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char target[PATH_MAX];
        struct stat st;
        ssize_t n = readlink(dirs[i], target, sizeof(target) - 1);

        if (n > 0) {
            target[n] = '\0';
            add_all(w,
                    (const char *const[]){"--symlink", target, dirs[i], NULL});
        } else if (stat(dirs[i], &st) == 0) {
            add_all(w,
                    (const char *const[]){"--ro-bind", dirs[i], dirs[i], NULL});
        }
    }
}

static void add_spec(struct words *w, const struct sandbox_spec *s)
{
    static const char *const base[] = {BWRAP,
                                       "--unshare-all",
                                       "--die-with-parent",
                                       "--new-session",
                                       "--cap-drop",
                                       "ALL",
                                       "--as-pid-1",
                                       "--hostname",
                                       "fallow",
                                       "--ro-bind",
                                       "/usr",
                                       "/usr",
                                       NULL};

    add_all(w, base);
    add_library_dirs(w);
    for (size_t i = 0; i < s->n_binds; i++)
        add_all(w, (const char *const[]){
                       s->binds[i].writable ? "--bind" : "--ro-bind",
                       s->binds[i].from, s->binds[i].to, NULL});
    if (s->chdir)
        add_all(w, (const char *const[]){"--chdir", s->chdir, NULL});
    add_all(w, (const char *const[]){"--remount-ro", "/", NULL});
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void bwrap_clear(struct sandbox_command *c)
{
    for (size_t i = 0; c->argv && c->argv[i]; i++)
        free(c->argv[i]);
    free(c->argv);
    for (size_t i = 0; c->env && c->env[i]; i++)
        free(c->env[i]);
    free(c->env);
    for (size_t i = 0; i < c->n_fds; i++)
        close_fd(&c->fds[i]);
    close_fd(&c->info);
    close_fd(&c->go);
    memset(c, 0, sizeof(*c));
    c->info = c->go = -1;
}

/* The filter, a pipe to hear the inner pid, a pipe to say go. */
static int open_fds(struct sandbox_command *c, bool forks, struct error *err)
{
    int info[2], go[2], filter = filter_open(forks, err);

    if (filter < 0)
        return -1;
    c->fds[c->n_fds++] = filter;
    if (pipe2(info, O_CLOEXEC) < 0)
        return error_set(err, errno, "could not make a pipe: %s",
                         strerror(errno));
    c->info = info[0];
    c->fds[c->n_fds++] = info[1];
    if (pipe2(go, O_CLOEXEC) < 0)
        return error_set(err, errno, "could not make a pipe: %s",
                         strerror(errno));
    c->go = go[1];
    c->fds[c->n_fds++] = go[0];
    return 0;
}

static int bwrap_prepare(const struct sandbox_spec *spec,
                         struct sandbox_command *out, struct error *err)
{
    struct words argv = {0}, env = {0};

    memset(out, 0, sizeof(*out));
    out->info = out->go = -1;
    if (open_fds(out, spec->forks, err) < 0) {
        bwrap_clear(out);
        return -1;
    }
    add_spec(&argv, spec);
    add_fd(&argv, "--add-seccomp-fd", out->fds[0]);
    add_fd(&argv, "--info-fd", out->fds[1]);
    add_fd(&argv, "--block-fd", out->fds[2]);
    add(&argv, "--");
    add_all(&argv, spec->argv);
    add_all(&env, spec->env);
    out->argv = argv.v;
    out->env = env.v ? env.v : calloc(1, sizeof(*env.v));
    if (argv.failed || env.failed || !out->env) {
        bwrap_clear(out);
        return error_set(err, ENOMEM, "could not prepare a command");
    }
    return 0;
}

/* What bubblewrap writes: a JSON object with "child-pid". */
static pid_t bwrap_started(const struct sandbox_command *c, pid_t child,
                           struct error *err)
{
    char text[INFO_MAX + 1], *at, *end;
    size_t len = 0;
    long pid;

    (void)child;
    for (;;) {
        ssize_t n = read(c->info, text + len, INFO_MAX - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
        if (memchr(text, '}', len) || len == INFO_MAX)
            break;
    }
    text[len] = '\0';
    at = strstr(text, "\"child-pid\":");
    if (!at)
        return error_set(err, ECHILD, "bubblewrap ended before the task began");
    pid = strtol(at + strlen("\"child-pid\":"), &end, 10);
    return pid > 1 && pid <= INT_MAX
               ? (pid_t)pid
               : error_set(err, ECHILD, "bubblewrap names no task");
}

static int bwrap_release(const struct sandbox_command *c, struct error *err)
{
    ssize_t n;

    do
        n = write(c->go, "g", 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0
                  : error_set(err, errno, "could not start the task: %s",
                              strerror(errno));
}

/* The first line of what was said, for the owner. */
static void first_line(int fd, char *out, size_t cap)
{
    ssize_t n = read(fd, out, cap - 1);

    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* /usr/bin/true inside; 0 when it ends well. */
static int try_true(char *why, size_t cap)
{
    static const char *const argv[] = {"/usr/bin/true", NULL};
    static const char *const env[] = {NULL};
    const struct sandbox_spec s = {.argv = argv, .env = env};
    struct sandbox_command c;
    struct error err = {""};
    int out[2], status = -1;
    pid_t pid;

    if (bwrap_prepare(&s, &c, &err) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        snprintf(why, cap, "%.*s", (int)cap - 1, err.text);
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        for (size_t i = 0; i < c.n_fds; i++)
            fcntl(c.fds[i], F_SETFD, 0);
        execve(c.argv[0], c.argv, c.env);
        _exit(127);
    }
    for (size_t i = 0; i < c.n_fds; i++)
        close_fd(&c.fds[i]);
    close(out[1]);
    if (pid > 0 && bwrap_started(&c, pid, NULL) > 0)
        bwrap_release(&c, NULL);
    first_line(out[0], why, cap);
    close(out[0]);
    bwrap_clear(&c);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int bwrap_probe(struct error *err)
{
    char why[256] = "";

    if (geteuid() == 0)
        return error_set(err, ENOTSUP,
                         "cannot run tasks as root: bubblewrap would leave "
                         "them root's rights; use --user NAME");
    if (access(BWRAP, X_OK) < 0)
        return error_set(err, ENOTSUP,
                         "%s is missing; apt-get install bubblewrap", BWRAP);
    if (try_true(why, sizeof(why)) < 0)
        return error_set(err, ENOTSUP,
                         "bubblewrap does not work here: %s (are user "
                         "namespaces switched off? sysctl "
                         "kernel.unprivileged_userns_clone=1)",
                         *why ? why : "it failed without a word");
    return 0;
}

static int bwrap_filter(struct error *err)
{
    return filter_open(false, err);
}

const struct sandbox_plugin sandbox_bwrap = {
    .abi = SANDBOX_ABI,
    .name = "bwrap",
    .summary = "namespaces, seccomp and limits, by bubblewrap",
    .confines = true,
    .probe = bwrap_probe,
    .prepare = bwrap_prepare,
    .started = bwrap_started,
    .release = bwrap_release,
    .filter = bwrap_filter,
    .clear = bwrap_clear,
};
