/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - one fallow-runner process for one task, confined and watched
 *
 * Between fork and exec only async-signal-safe calls are made: the agent has
 * other threads.  What can be set from outside is set by the parent while the
 * task waits for its go: binding, the number of processes, the cgroup.
 */
#include "worker/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "common/file.h"
#include "worker/when.h"

#define TEXT_CAP (64u << 10)
#define NOFILE_MAX 256
#define WORDS_MAX 20

struct run {
    pid_t child; /* what we forked, 0 once reaped */
    int pidfd;   /* of child */
    int inner;   /* pidfd of the task's innermost process, or -1 */
    int in, out, err;
    int64_t started_us;
    bool ready, answered; /* a server's */
    int exit;             /* of its last task */
    char *cgroup;         /* made for this task, or NULL */
    char *text;           /* what it said so far */
    size_t len, seen;
    char why[256];
    size_t why_len;
    int64_t progress;
    bool done;
    struct merkle_sum root;
    int64_t items;
    char variant[32];
};

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- in the child ----------------------------------------------------- */

static void limit(int what, int64_t value)
{
    struct rlimit r = {(rlim_t)value, (rlim_t)value};

    if (value > 0)
        setrlimit((__rlimit_resource_t)what, &r);
}

static void limit_all(const struct run_limits *l)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its shadow is terabytes of address space */
    limit(RLIMIT_AS, l->mem_bytes);
#endif
    limit(RLIMIT_FSIZE, l->file_bytes);
    limit(RLIMIT_CPU, l->cpu_s);
    limit(RLIMIT_NOFILE, NOFILE_MAX);
}

/* Last in line for CPU and memory. */
static void be_modest(void)
{
    struct sched_param p = {.sched_priority = 0};
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    sched_setscheduler(0, SCHED_IDLE, &p);
    if (fd >= 0) {
        if (write(fd, "1000", 4) < 0)
            sched_yield(); /* a container may forbid it; nothing to do */
        close(fd);
    }
}

static void default_signals(void)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing of the agent's is open in the task: all but the three standard
 * descriptors and what the sandbox named closes at exec.
 */
static void keep_only(const struct sandbox_command *c)
{
    if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) < 0)
        for (int fd = 3; fd < 1024; fd++)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    for (size_t i = 0; i < c->n_fds; i++)
        fcntl(c->fds[i], F_SETFD, 0);
}

static void become(const struct sandbox_command *c, const struct run_limits *l,
                   pid_t parent, int in, int out, int err)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126); /* it died before that */
    if (in < 0)
        in = open("/dev/null", O_RDONLY);
    default_signals();
    setpgid(0, 0);
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    keep_only(c);
    be_modest();
    limit_all(l);
    if (c->chdir && chdir(c->chdir) < 0)
        _exit(126);
    execve(c->argv[0], c->argv, c->env);
    _exit(127);
}

/* ---- cgroup v2, where we have one -------------------------------------- */

static int write_text(const char *dir, const char *name, const char *text)
{
    char *path = file_path(dir, name);
    int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0)
        close(fd);
    free(path);
    return n < 0 ? -1 : 0;
}

static void write_number(const char *dir, const char *name, int64_t v)
{
    char text[32];

    if (v > 0) {
        snprintf(text, sizeof(text), "%" PRId64, v);
        write_text(dir, name, text);
    }
}

/* A group of its own; its limits are those the kernel lets us set there. */
static void join_cgroup(struct run *r, const struct run_place *p, pid_t inner)
{
    if (!p->cgroup ||
        asprintf(&r->cgroup, "%s/task-%jd", p->cgroup, (intmax_t)inner) < 0) {
        r->cgroup = NULL;
        return;
    }
    if (mkdir(r->cgroup, 0755) < 0 && errno != EEXIST) {
        free(r->cgroup);
        r->cgroup = NULL;
        return;
    }
    write_number(r->cgroup, "memory.max", p->limits.mem_bytes);
    write_number(r->cgroup, "pids.max", p->limits.threads);
    write_text(r->cgroup, "cpu.idle", "1");
    write_number(r->cgroup, "cgroup.procs", inner);
}

/* ---- starting ---------------------------------------------------------- */

static const char *const inner_env[] = {"FALLOW_PLUGIN_DIR=/fallow/plugins",
                                        "LC_ALL=C", NULL};

/* The runner's words for a call; argv has room for WORDS_MAX. */
static void runner_words(enum run_call call, const struct run_spec *s,
                         const char **argv, char threads[16])
{
    size_t n = 0;

    argv[n++] = "/fallow/runner";
    if (call == RUN_LIST) {
        argv[n++] = "--list";
    } else {
        argv[n++] = call == RUN_TASK       ? "--run"
                    : call == RUN_SERVE    ? "--serve"
                    : call == RUN_DESCRIBE ? "--describe"
                                           : "--selftest";
        argv[n++] = s->kernel;
    }
    if (call == RUN_TASK || call == RUN_SERVE) {
        snprintf(threads, 16, "%d", s->threads > 0 ? s->threads : 1);
        argv[n++] = "--params";
        argv[n++] = "/params";
        argv[n++] = "--input";
        argv[n++] = "/task/input";
        argv[n++] = "--output";
        argv[n++] = "/task/results";
        argv[n++] = "--threads";
        argv[n++] = threads;
    }
    if (call == RUN_SERVE && s->filter) {
        argv[n++] = "--filter";
        argv[n++] = "/fallow/filter";
    }
    if (s && s->variant && call != RUN_DESCRIBE && call != RUN_LIST) {
        argv[n++] = "--variant";
        argv[n++] = s->variant;
    }
    argv[n] = NULL;
}

static int prepare(const struct run_place *p, enum run_call call,
                   const struct run_spec *s, struct sandbox_command *cmd,
                   struct error *err)
{
    const char *argv[WORDS_MAX];
    char threads[16];
    struct sandbox_bind binds[3] = {{p->stage, "/fallow", false}};
    struct sandbox_spec spec = {.argv = argv,
                                .env = inner_env,
                                .chdir = "/fallow",
                                .binds = binds,
                                .n_binds = 1,
                                .forks = call == RUN_SERVE};

    runner_words(call, s, argv, threads);
    if (call == RUN_TASK || call == RUN_SERVE) {
        binds[1] = (struct sandbox_bind){s->params, "/params", false};
        binds[2] = (struct sandbox_bind){s->dir, "/task", true};
        spec.n_binds = 3;
        spec.chdir = "/task";
    }
    return p->sandbox->prepare(&spec, cmd, err);
}

static void limit_inner(pid_t inner, int64_t threads)
{
    struct rlimit r = {(rlim_t)threads, (rlim_t)threads};

    if (threads > 0)
        prlimit(inner, RLIMIT_NPROC, &r, NULL);
}

/* From outside, while it waits.  A task that ended already says why itself. */
static int settle(struct run *r, const struct run_place *p,
                  const struct run_spec *s, const struct sandbox_command *cmd,
                  struct error *err)
{
    pid_t inner = p->sandbox->started(cmd, r->child, err);

    if (inner < 0)
        return errno == ECHILD ? 0 : -1;
    if (inner != r->child) {
        r->inner = pidfd_of(inner);
        limit_inner(inner, p->limits.threads);
    }
    join_cgroup(r, p, inner);
    if (s && s->core >= 0 && p->machine &&
        machine_bind(p->machine, inner, (unsigned)s->core,
                     s->threads > 0 ? (unsigned)s->threads : 1, err) < 0 &&
        errno != ESRCH)
        return -1;
    return p->sandbox->release(cmd, err);
}

static void close_fds(struct sandbox_command *c)
{
    for (size_t i = 0; i < c->n_fds; i++) {
        if (c->fds[i] >= 0)
            close(c->fds[i]);
        c->fds[i] = -1;
    }
}

/* The streams of a child: its ends are in theirs, -1 where there is none. */
static int open_streams(struct run *r, bool serves, int theirs[3],
                        struct error *err)
{
    int *const ours[] = {&r->in, &r->out, &r->err};

    for (int i = 0; i < 3; i++) {
        int p[2];

        theirs[i] = -1;
        if (i == 0 && !serves)
            continue;
        if (pipe2(p, O_CLOEXEC) < 0) {
            while (i-- > 0)
                if (theirs[i] >= 0)
                    close(theirs[i]);
            return error_set(err, errno, "could not make a pipe: %s",
                             strerror(errno));
        }
        *ours[i] = p[i == 0];
        theirs[i] = p[i != 0];
    }
    return 0;
}

static int spawn(struct run *r, const struct run_place *p, bool serves,
                 struct sandbox_command *cmd, struct error *err)
{
    pid_t self = getpid();
    int theirs[3];

    if (open_streams(r, serves, theirs, err) < 0)
        return -1;
    r->started_us = when_mono_us();
    r->child = fork();
    if (r->child == 0)
        become(cmd, &p->limits, self, theirs[0], theirs[1], theirs[2]);
    for (int i = 0; i < 3; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    if (r->child < 0) {
        r->child = 0;
        return error_set(err, errno, "could not fork: %s", strerror(errno));
    }
    close_fds(cmd);
    fcntl(r->out, F_SETFL, O_NONBLOCK);
    fcntl(r->err, F_SETFL, O_NONBLOCK);
    r->pidfd = pidfd_of(r->child);
    return r->pidfd < 0 ? error_set(err, errno, "could not watch a task: %s",
                                    strerror(errno))
                        : 0;
}

struct run *run_start(const struct run_place *place, enum run_call call,
                      const struct run_spec *spec, struct error *err)
{
    struct sandbox_command cmd;
    struct run *r = calloc(1, sizeof(*r));

    if (!r)
        return error_null(err, ENOMEM, "could not allocate a run");
    r->pidfd = r->inner = r->in = r->out = r->err = -1;
    if (prepare(place, call, spec, &cmd, err) < 0) {
        run_destroy(r);
        return NULL;
    }
    if (spawn(r, place, call == RUN_SERVE, &cmd, err) < 0 ||
        settle(r, place, spec, &cmd, err) < 0) {
        run_destroy(r);
        r = NULL;
    }
    place->sandbox->clear(&cmd);
    return r;
}

/* ---- watching ---------------------------------------------------------- */

int run_out(const struct run *r)
{
    return r->out;
}

int run_pidfd(const struct run *r)
{
    return r->pidfd;
}

int64_t run_progress(const struct run *r)
{
    return r->progress;
}

const char *run_text(const struct run *r)
{
    return r->text ? r->text : "";
}

/* The last line of a run that ended well. */
static void take_done(struct run *r, const json_t *j)
{
    const char *hex = json_string_value(json_object_get(j, "root"));
    const char *variant = json_string_value(json_object_get(j, "variant"));
    json_int_t units = json_integer_value(json_object_get(j, "units"));
    json_int_t bytes = json_integer_value(json_object_get(j, "bytes"));

    if (!hex || digest_from_hex(hex, &r->root.hash) < 0 || units < 0 ||
        bytes < 0)
        return;
    r->root.units = (uint64_t)units;
    r->root.bytes = (uint64_t)bytes;
    r->items = json_integer_value(json_object_get(j, "items"));
    snprintf(r->variant, sizeof(r->variant), "%s", variant ? variant : "");
    r->progress = r->items;
    r->done = true;
}

static void take_line(struct run *r, const char *line, size_t len)
{
    json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *progress = json_object_get(j, "progress");

    if (json_is_integer(progress))
        r->progress = json_integer_value(progress);
    if (json_is_true(json_object_get(j, "done")))
        take_done(r, j);
    if (json_is_true(json_object_get(j, "ready")))
        r->ready = true;
    if (json_is_integer(json_object_get(j, "exit"))) {
        r->exit = (int)json_integer_value(json_object_get(j, "exit"));
        r->answered = true;
    }
    json_decref(j);
}

static void take_lines(struct run *r)
{
    char *nl;

    while ((nl = memchr(r->text + r->seen, '\n', r->len - r->seen))) {
        take_line(r, r->text + r->seen, (size_t)(nl - r->text) - r->seen);
        r->seen = (size_t)(nl - r->text) + 1;
    }
    /* Progress of a long task must not fill the room of its last line. */
    if (r->seen > TEXT_CAP / 2) {
        r->len -= r->seen;
        memmove(r->text, r->text + r->seen, r->len + 1);
        r->seen = 0;
    }
}

/* What it complains about, printable and short. */
static void take_complaint(struct run *r)
{
    char buf[512];
    ssize_t n;

    while (r->err >= 0 && (n = read(r->err, buf, sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n && r->why_len < sizeof(r->why) - 1; i++)
            r->why[r->why_len++] = buf[i] >= ' ' && buf[i] < 127 ? buf[i] : ' ';
    r->why[r->why_len] = '\0';
}

void run_read(struct run *r)
{
    take_complaint(r);
    if (!r->text && !(r->text = malloc(TEXT_CAP + 1)))
        return;
    while (r->out >= 0) {
        char rest[4096];
        bool full = r->len >= TEXT_CAP;
        ssize_t n = read(r->out, full ? rest : r->text + r->len,
                         full ? sizeof(rest) : TEXT_CAP - r->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(r->out);
            r->out = -1;
            return;
        }
        if (full)
            continue;
        r->len += (size_t)n;
        r->text[r->len] = '\0';
        take_lines(r);
    }
}

void run_kill(struct run *r)
{
    if (r->cgroup)
        write_text(r->cgroup, "cgroup.kill", "1");
    if (r->inner >= 0)
        syscall(SYS_pidfd_send_signal, r->inner, SIGKILL, NULL, 0);
    if (r->child > 0) {
        kill(-r->child, SIGKILL);
        kill(r->child, SIGKILL);
    }
}

/* ---- a server's tasks ---------------------------------------------------- */

bool run_is_ready(const struct run *r)
{
    return r->ready;
}

bool run_answered(const struct run *r)
{
    return r->answered;
}

int run_order(struct run *r)
{
    r->answered = r->done = false;
    r->progress = 0;
    r->len = r->seen = r->why_len = 0;
    r->why[0] = '\0';
    r->started_us = when_mono_us();
    return write(r->in, "\n", 1) == 1 ? 0 : -1;
}

void run_result(const struct run *r, struct run_outcome *out)
{
    memset(out, 0, sizeof(*out));
    out->status = r->exit;
    out->done = r->done && r->exit == 0;
    out->root = r->root;
    out->items = r->items;
    out->busy_us = when_mono_us() - r->started_us;
    snprintf(out->variant, sizeof(out->variant), "%s", r->variant);
    snprintf(out->why, sizeof(out->why), "%s", r->why);
}

static int64_t cpu_us(const struct rusage *u)
{
    return ((int64_t)u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 +
           u->ru_utime.tv_usec + u->ru_stime.tv_usec;
}

void run_reap(struct run *r, struct run_outcome *out)
{
    struct rusage usage = {0};
    int status = 0;
    pid_t pid;

    memset(out, 0, sizeof(*out));
    do
        pid = r->child > 0 ? wait4(r->child, &status, 0, &usage) : -1;
    while (pid < 0 && errno == EINTR);
    r->child = 0;
    run_read(r);
    out->status = pid < 0               ? 255
                  : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                        : WEXITSTATUS(status);
    out->done = r->done && out->status == 0;
    out->root = r->root;
    out->items = r->items;
    out->busy_us = when_mono_us() - r->started_us;
    out->cpu_us = cpu_us(&usage);
    snprintf(out->variant, sizeof(out->variant), "%s", r->variant);
    snprintf(out->why, sizeof(out->why), "%s", r->why);
}

void run_destroy(struct run *r)
{
    if (r) {
        int saved_errno = errno;
        const int fds[] = {r->pidfd, r->inner, r->in, r->out, r->err};

        if (r->child > 0) {
            run_kill(r);
            while (waitpid(r->child, NULL, 0) < 0 && errno == EINTR)
                ;
        }
        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
            if (fds[i] >= 0)
                close(fds[i]);
        if (r->cgroup)
            rmdir(r->cgroup);
        free(r->cgroup);
        free(r->text);
        free(r);
        errno = saved_errno;
    }
}

/* ---- after a crash ------------------------------------------------------- */

/* Whether a process is a sandbox of ours: its command line names the stage. */
static bool is_left_over(const char *pid, const char *stage)
{
    char path[64], line[4096];
    bool found = false;
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, line, sizeof(line) - 1);
        close(fd);
    }
    if (n <= 0)
        return false;
    line[n] = '\0';
    for (char *w = line; !found && w < line + n; w += strlen(w) + 1)
        found = strcmp(w, stage) == 0;
    return found && strstr(line, "bwrap");
}

void run_sweep(const char *stage)
{
    DIR *d = opendir("/proc");
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);

        if (pid > 1 && !*end && is_left_over(e->d_name, stage))
            kill((pid_t)pid, SIGKILL);
    }
    if (d)
        closedir(d);
}

/* ---- in one go --------------------------------------------------------- */

static int watch(struct run *r, int stop_fd, int timeout_ms, struct error *err)
{
    int64_t end = when_mono_us() + (int64_t)timeout_ms * 1000;

    for (;;) {
        struct pollfd p[3] = {{.fd = run_pidfd(r), .events = POLLIN},
                              {.fd = stop_fd, .events = POLLIN},
                              {.fd = run_out(r), .events = POLLIN}};
        int64_t left = (end - when_mono_us()) / 1000;

        if (left <= 0)
            return error_set(err, ETIMEDOUT,
                             "the runner did not end within %d ms", timeout_ms);
        if (poll(p, 3, (int)left) < 0 && errno != EINTR)
            return error_set(err, errno, "could not wait: %s", strerror(errno));
        run_read(r);
        if (p[0].revents)
            return 0;
        if (p[1].revents)
            return error_set(err, ECANCELED, "told to end");
    }
}

int run_wait(const struct run_place *place, enum run_call call,
             const struct run_spec *spec, int timeout_ms, char **text,
             struct run_outcome *out, struct error *err)
{
    struct run *r = run_start(place, call, spec, err);
    int rc;

    if (!r)
        return -1;
    rc = watch(r, place->stop_fd, timeout_ms, err);
    if (rc < 0)
        run_kill(r);
    run_reap(r, out);
    if (rc == 0 && out->status)
        rc = error_set(err, EIO, "the runner ended with status %d%s%s",
                       out->status, *out->why ? ": " : "", out->why);
    if (rc == 0 && text && !(*text = strdup(run_text(r))))
        rc = error_set(err, ENOMEM, "could not keep what the runner said");
    run_destroy(r);
    return rc;
}
