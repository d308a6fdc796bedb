/* SPDX-License-Identifier: Apache-2.0 */
/* slots.c - processes for tasks: a sandbox a task, or a server that is kept
 *
 * A server is a sandbox with the runner, one kernel and one set of parameters,
 * in which every task is a process of its own (fallow-runner --serve).  It
 * sees DIR/box/N as its /task: the input is linked there, the results are
 * taken away, and the rest is removed before the next task.  A runner that
 * does not serve gets a sandbox for every task.
 */
#include "worker/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define IDLE_US 20000000 /* a server without work for this long is ended */

static char *box_of(const struct agent *a, unsigned slot)
{
    char *path;

    return asprintf(&path, "%s/box/%u", a->set->state, slot) < 0 ? NULL : path;
}

/* Empty, there, ours. */
static int clean_box(const struct agent *a, unsigned slot)
{
    char *top = file_path(a->set->state, "box"), *box = box_of(a, slot);
    struct dirent *e;
    DIR *d = NULL;
    int rc = -1;

    if (top && box && (mkdir(top, 0700) == 0 || errno == EEXIST) &&
        (mkdir(box, 0700) == 0 || errno == EEXIST))
        d = opendir(box);
    if (d) {
        rc = 0;
        while ((e = readdir(d)))
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                unlinkat(dirfd(d), e->d_name, 0) < 0 &&
                unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
                rc = -1;
        closedir(d);
    }
    free(top);
    free(box);
    return rc;
}

/* Between the box and a lease's own directory. */
static int move(const struct agent *a, unsigned slot, const struct lease *l,
                const char *name, bool into)
{
    char *box = box_of(a, slot), *inside = box ? file_path(box, name) : NULL;
    char *kept = file_path(l->dir, name);
    int rc = -1;

    if (inside && kept)
        rc = into ? link(kept, inside) : rename(inside, kept);
    free(box);
    free(inside);
    free(kept);
    return rc;
}

int64_t slot_scratch(const struct agent *a, unsigned slot,
                     const struct lease *l)
{
    char *box = a->slot[slot].serves ? box_of(a, slot) : strdup(l->dir);
    DIR *d = box ? opendir(box) : NULL;
    struct dirent *e;
    int64_t sum = 0;

    while (d && (e = readdir(d))) {
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            sum += (int64_t)st.st_blocks * 512;
    }
    if (d)
        closedir(d);
    free(box);
    return sum;
}

void slot_end(struct agent *a, unsigned slot)
{
    run_destroy(a->slot[slot].run);
    memset(&a->slot[slot], 0, sizeof(a->slot[slot]));
}

void slots_end_all(struct agent *a)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        slot_end(a, i);
}

void slots_rest(struct agent *a)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &a->slot[i];

        if (s->run && !s->serial &&
            (a->verdict.action != ACT_SELL || a->now_us > s->idle_us + IDLE_US))
            slot_end(a, i);
    }
}

static bool serves_it(const struct slot *s, const struct lease *l)
{
    return s->run && s->serves && digest_equal(&s->spec, &l->m.spec) &&
           digest_equal(&s->params, &l->m.params);
}

/* A waiting server for just this, else an empty slot, else the server that
 * has waited longest makes room; -1 when all are at work.
 */
static int choose(const struct agent *a, const struct lease *l)
{
    int best = -1;

    for (unsigned i = 0; i < a->slots && i < SLOTS_MAX; i++) {
        const struct slot *s = &a->slot[i];

        if (s->serial)
            continue;
        if (serves_it(s, l))
            return (int)i;
        if (best < 0 || (a->slot[best].run &&
                         (!s->run || s->idle_us < a->slot[best].idle_us)))
            best = (int)i;
    }
    return best;
}

/* Slots are bound to cores when all cores are sold; else the system spreads
 * them better than we could.
 */
static int core_of(const struct agent *a, unsigned slot)
{
    return a->slots == machine_cores(a->machine) ? (int)slot : -1;
}

static int start(struct agent *a, unsigned slot, const struct lease *l,
                 struct error *err)
{
    struct slot *s = &a->slot[slot];
    char *box = box_of(a, slot);
    struct run_spec r = {.kernel = l->m.kernel,
                         .variant = l->kernel->variant,
                         .params = l->params,
                         .dir = a->plain ? l->dir : box,
                         .filter = a->place.sandbox->filter != NULL,
                         .threads = 1,
                         .core = core_of(a, slot)};

    slot_end(a, slot);
    if (!box || (!a->plain && clean_box(a, slot) < 0)) {
        free(box);
        return error_set(err, errno, "could not make a directory for a task");
    }
    s->run = run_start(&a->place, a->plain ? RUN_TASK : RUN_SERVE, &r, err);
    s->serves = !a->plain;
    s->spec = l->m.spec;
    s->params = l->m.params;
    free(box);
    return s->run ? 0 : -1;
}

/* The task lies ready and the server listens: tell it. */
static void order(struct slot *s)
{
    if (s->serves && !s->ordered && run_is_ready(s->run)) {
        s->ordered = true;
        if (run_order(s->run) < 0)
            run_kill(s->run); /* its end will be noticed */
    }
}

int slot_start(struct agent *a, struct lease *l, struct error *err)
{
    int slot = choose(a, l);
    struct slot *s;

    if (slot < 0)
        return 1;
    s = &a->slot[slot];
    if (!serves_it(s, l) && start(a, (unsigned)slot, l, err) < 0)
        return -1;
    if (s->serves && move(a, (unsigned)slot, l, "input", true) < 0) {
        error_set(err, errno, "could not hand a task over: %s",
                  strerror(errno));
        slot_end(a, (unsigned)slot);
        return -1;
    }
    s->serial = l->serial;
    s->ordered = false;
    l->slot = slot;
    order(s);
    return 0;
}

/* Back to waiting, with nothing of the task left. */
static void release(struct agent *a, unsigned slot)
{
    struct slot *s = &a->slot[slot];

    s->serial = 0;
    s->idle_us = a->now_us;
    if (clean_box(a, slot) < 0)
        slot_end(a, slot);
}

bool slot_heard(struct agent *a, unsigned slot, const struct lease *l,
                struct run_outcome *out)
{
    struct slot *s = &a->slot[slot];

    run_read(s->run);
    if (!s->serial || !s->serves)
        return false;
    if (!s->ordered) {
        order(s);
        return false;
    }
    if (!run_answered(s->run))
        return false;
    run_result(s->run, out);
    if (out->done && l)
        move(a, slot, l, "results", false);
    release(a, slot);
    return true;
}

bool slot_ended(struct agent *a, unsigned slot, struct run_outcome *out)
{
    struct slot *s = &a->slot[slot];
    bool serves = s->serves, ready;

    run_reap(s->run, out);
    ready = run_is_ready(s->run);
    slot_end(a, slot);
    if (serves && !ready && out->status < 128) {
        if (!a->plain)
            agent_say("the runner does not serve; each task gets a sandbox");
        a->plain = true;
        return false;
    }
    out->done = out->done && !serves;
    if (serves && !out->status)
        out->status = 1;
    return true;
}
