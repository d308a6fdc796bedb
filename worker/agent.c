/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c - the worker's loop: signals, the owner's rules, what is ready
 *
 * The main thread forks all tasks and decides everything; it waits only in
 * poll().  Whatever the network does, the owner's switch is obeyed within a
 * turn of the loop.
 */
#include "worker/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/file.h"
#include "worker/facts.h"
#include "worker/sandbox.h"
#include "worker/stage.h"
#include "worker/when.h"

#define RULES_US 250000   /* how often the owner's rules are looked at */
#define STATUS_US 2000000 /* how often status.json is written */
#define TURN_MAX_US 1000000
#define LEAVE_US 5000000 /* to tell the cell what is left, at the end */
#define THREADS_MAX 64   /* of one task */

void agent_say(const char *fmt, ...)
{
    char line[700];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fprintf(stderr, "fallowd: %s\n", line);
}

void agent_wake(struct agent *a, int64_t at_us)
{
    if (at_us < a->wake_us)
        a->wake_us = at_us;
}

/* ---- rules and signals --------------------------------------------------- */

static void judge(struct agent *a)
{
    struct verdict was = a->verdict;
    struct facts f;

    if (a->now_us < a->rules_at_us)
        return;
    a->rules_at_us = a->now_us + RULES_US;
    facts_read(a->set->state, a->set->sysroot ? a->set->sysroot : "",
               a->wall_us, &f);
    policy_judge(a->policy, &f, &a->verdict);
    if (a->leaving && a->verdict.action != ACT_STOP)
        a->verdict =
            (struct verdict){a->now_us < a->leave_by_us ? ACT_DRAIN : ACT_STOP,
                             WHY_LEAVING, 0, 0};
    if (was.action != a->verdict.action || was.reason != a->verdict.reason ||
        was.rule != a->verdict.rule) {
        if (a->verdict.rule)
            agent_say("%s: %s %d", action_name(a->verdict.action),
                      reason_name(a->verdict.reason), a->verdict.rule);
        else
            agent_say("%s: %s", action_name(a->verdict.action),
                      reason_name(a->verdict.reason));
        a->status_at_us = 0;
    }
    if (a->verdict.action != ACT_SELL)
        courier_cancel(a->lines[LINE_POLL]);
}

/* The owner's switch, by signal: the file is what makes it last. */
static void switch_off(struct agent *a)
{
    char *path = file_path(a->set->state, "stopped");

    if (path && file_write(path, "", 0, false, NULL) < 0)
        agent_say("could not write %s; stopping all the same", path);
    free(path);
}

static void take_signals(struct agent *a)
{
    struct signalfd_siginfo s;

    while (read(a->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
        if (s.ssi_signo == SIGUSR1)
            switch_off(a);
        if ((s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) && !a->leaving) {
            a->leaving = true;
            a->leave_by_us = a->now_us + a->set->drain_us;
        }
        a->rules_at_us = 0;
    }
}

/* ---- the loop ------------------------------------------------------------ */

/* Whether there is nothing left to wait for. */
static bool is_over(const struct agent *a)
{
    if (a->leaving)
        return dialog_is_done(a) || a->now_us > a->leave_by_us + LEAVE_US;
    return a->set->once && (a->unwelcome || (a->emptied && dialog_is_done(a)));
}

static void wait_for_something(struct agent *a)
{
    struct pollfd p[1 + LINES + 2 * SLOTS_MAX];
    unsigned slot[SLOTS_MAX];
    int64_t us = a->wake_us - when_mono_us();
    nfds_t n = 0, runs = 0;

    p[n++] = (struct pollfd){.fd = a->signal_fd, .events = POLLIN};
    for (int i = 0; i < LINES; i++)
        p[n++] =
            (struct pollfd){.fd = courier_fd(a->lines[i]), .events = POLLIN};
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        const struct run *r = a->slot[i].run;

        if (!r)
            continue;
        slot[runs++] = i;
        p[n++] = (struct pollfd){.fd = run_out(r), .events = POLLIN};
        p[n++] = (struct pollfd){.fd = run_pidfd(r), .events = POLLIN};
    }
    if (poll(p, n, us < 0 ? 0 : (int)((us + 999) / 1000)) < 0)
        return;
    a->now_us = when_mono_us();
    a->wall_us = when_wall_us();
    take_signals(a);
    for (nfds_t i = 0; i < runs; i++) {
        if (a->slot[slot[i]].run && p[1 + LINES + 2 * i].revents)
            tasks_heard(a, slot[i]);
        if (a->slot[slot[i]].run && p[2 + LINES + 2 * i].revents)
            tasks_ended(a, slot[i]);
    }
    for (int i = 0; i < LINES; i++)
        if (p[1 + i].revents)
            dialog_take(a, (enum line)i);
}

static void turn(struct agent *a)
{
    a->now_us = when_mono_us();
    a->wall_us = when_wall_us();
    a->wake_us = a->now_us + TURN_MAX_US;
    judge(a);
    agent_wake(a, a->rules_at_us);
    tasks_step(a);
    dialog_step(a);
    if (a->now_us >= a->status_at_us) {
        a->status_at_us = a->now_us + STATUS_US;
        status_write(a);
        head_save(a);
    }
    a->ended = is_over(a);
    if (!a->ended)
        wait_for_something(a);
}

/* ---- beginning and end ----------------------------------------------------
 */

static void end(struct agent *a)
{
    if (a->lines[LINE_ACT]) {
        status_write(a);
        head_save(a);
    }
    for (int i = 0; i < LINES; i++)
        courier_destroy(a->lines[i]);
    slots_end_all(a);
    leases_clear(&a->leases);
    if (a->kernels.path)
        kernels_save(&a->kernels, NULL);
    kernels_clear(&a->kernels);
    journal_request_clear(&a->pending);
    journal_destroy(a->journal);
    params_destroy(a->params);
    policy_destroy(a->policy);
    machine_destroy(a->machine);
    identity_clear(&a->id);
    free((char *)(uintptr_t)a->place.stage);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
}

static int catch_signals(struct agent *a, struct error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return a->signal_fd < 0
               ? error_set(err, errno, "could not watch for signals: %s",
                           strerror(errno))
               : 0;
}

/* One worker a state directory. */
static int lock(const struct setting *s, struct error *err)
{
    char *path = file_path(s->state, "lock");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    free(path);
    if (fd < 0)
        return error_set(err, errno, "could not open the lock in %s: %s",
                         s->state, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return error_set(err, EWOULDBLOCK, "another fallowd runs in %s",
                         s->state);
    }
    return fd;
}

/* Still as whoever started us: what that user alone may read. */
static int begin_outside(struct agent *a, struct error *err)
{
    const struct setting *s = a->set;
    char *ca = file_path(s->state, "ca.pem");
    int rc = ca ? stage_make_dir(s->state, err) : -1;

    if (rc == 0 && s->ca)
        rc = stage_copy(s->ca, ca, 0600, err);
    free(ca);
    if (rc < 0)
        return -1;
    a->place.stage = stage_make(s->state, s->runner, err);
    if (!a->place.stage)
        return -1;
    return stage_drop_root(s->state, s->user, err);
}

static int begin_identity(struct agent *a, struct error *err)
{
    const struct setting *s = a->set;

    if (identity_load(s->state, &a->id, err) == 0)
        return s->cell_url ? identity_move(s->state, s->cell_url, &a->id, err)
                           : 0;
    if (errno != ENOENT)
        return -1;
    if (!s->enrol || !s->cell_url)
        return error_set(err, ENOENT,
                         "this worker is not enrolled; --cell-url URL --enrol "
                         "TOKEN, with a token from the cell's operator");
    if (identity_enrol(s->state, s->cell_url, s->enrol, &a->id, err) < 0)
        return -1;
    agent_say("enrolled as worker %jd of cell %s", (intmax_t)a->id.worker_id,
              a->id.cell);
    return 0;
}

static void tell_kernel(const char *line)
{
    agent_say("%s", line);
}

/* What a server's tasks are confined by, where they can read it. */
static int write_filter(const struct run_place *p, struct error *err)
{
    char buf[65536], *path;
    ssize_t n = -1;
    int rc, fd;

    if (!p->sandbox->filter)
        return 0;
    fd = p->sandbox->filter(err);
    if (fd < 0)
        return -1;
    n = read(fd, buf, sizeof(buf));
    close(fd);
    path = file_path(p->stage, "filter");
    rc = n > 0 && path
             ? file_write(path, buf, (size_t)n, false, err)
             : error_set(err, EIO, "could not read the seccomp filter");
    free(path);
    return rc;
}

static int begin_place(struct agent *a, struct error *err)
{
    const struct setting *s = a->set;
    struct run_place *p = &a->place;
    const struct kernels_ask ask = {
        .place = p,
        .dir = s->state,
        .model = machine_model(a->machine),
        .referee = s->referee,
        .names = (const char *const *)s->kernels,
        .tell = tell_kernel,
    };

    p->sandbox = sandbox_find(s->sandbox, err);
    if (!p->sandbox)
        return -1;
    if (p->sandbox->probe(err) < 0)
        return error_prefix(err, "nothing can be sold here");
    if (!p->sandbox->confines)
        agent_say("tasks run without a sandbox: for tests only");
    p->machine = a->machine;
    p->cgroup = s->cgroup;
    p->stop_fd = a->signal_fd;
    run_sweep(p->stage);
    if (write_filter(p, err) < 0)
        return -1;
    p->limits = (struct run_limits){
        .mem_bytes = s->memory, .file_bytes = s->disk, .threads = THREADS_MAX};
    a->slots = s->cores ? (unsigned)s->cores : machine_cores(a->machine);
    if (a->slots > SLOTS_MAX)
        a->slots = SLOTS_MAX;
    return kernels_load(&a->kernels, &ask, err);
}

static int begin_lines(struct agent *a, struct error *err)
{
    for (int i = 0; i < LINES; i++) {
        struct http *h = identity_http(&a->id, err);

        a->lines[i] = h ? courier_create(h, err) : NULL;
        if (!a->lines[i])
            return -1;
    }
    return 0;
}

static int begin(struct agent *a, struct error *err)
{
    const struct setting *s = a->set;

    a->policy = policy_create(s->rules, err);
    if (!a->policy || begin_outside(a, err) < 0)
        return -1;
    a->machine = machine_create(NULL, err);
    if (!a->machine || lock(s, err) < 0 || catch_signals(a, err) < 0 ||
        begin_identity(a, err) < 0 || begin_place(a, err) < 0)
        return -1;
    a->params = params_create(s->state, err);
    a->journal = journal_create(s->state, err);
    if (!a->params || !a->journal)
        return -1;
    a->now_us = when_mono_us();
    a->wall_us = when_wall_us();
    if (head_load(a, err) < 0 || tasks_recall(a, err) < 0 ||
        dialog_recall(a, err) < 0)
        return -1;
    return begin_lines(a, err);
}

int agent_run(const struct setting *set, struct error *err)
{
    struct agent a = {.set = set, .signal_fd = -1};
    int rc = begin(&a, err);

    if (rc < 0 && a.signal_fd >= 0) {
        take_signals(&a);
        if (a.leaving)
            agent_say("told to end while starting");
        rc = a.leaving ? 1 : -1;
    }

    if (rc == 0)
        agent_say("worker %jd of cell %s: %u cores, sandbox %s",
                  (intmax_t)a.id.worker_id, a.id.cell, a.slots,
                  a.place.sandbox->name);
    while (rc == 0 && !a.ended)
        turn(&a);
    if (rc == 0 && set->once && a.unwelcome)
        rc = error_set(err, EACCES, "%s", a.tally.trouble);
    end(&a);
    return rc < 0 ? -1 : 0;
}
