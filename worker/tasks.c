/* SPDX-License-Identifier: Apache-2.0 */
/* tasks.c - from a lease to a journalled claim
 *
 * Whatever goes wrong here ends in one of three ways: the task is claimed as
 * failed (the runner's doing), handed back (ours), or forgotten (the lease is
 * over).
 */
#include "worker/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define LATE_US 5000000           /* a lease over for this long is forgotten */
#define UNTIL_MAX_US 604800000000 /* no lease is longer than a week */
#define PAUSE_US 60000000 /* of a kernel that failed FAILURES_MAX times */
#define FAILURES_MAX 3
#define WATCH_US 1000000

void tasks_drop(struct agent *a, struct lease *l)
{
    if (l->slot >= 0)
        slot_end(a, (unsigned)l->slot);
    if (l->dir)
        journal_drop(a->journal, l->m.id);
    leases_remove(&a->leases, l);
}

void tasks_kill(struct agent *a, struct lease *l)
{
    if (l->slot >= 0)
        slot_end(a, (unsigned)l->slot);
    l->slot = -1;
    l->state = LEASE_BACK;
}

void tasks_grant(struct agent *a, struct msg_lease *m)
{
    struct error err = {""};
    int64_t left = m->deadline_us < 0 ? 0 : m->deadline_us;
    struct kernel *k = kernels_find(&a->kernels, m->kernel, &m->spec);
    bool kept = false;
    struct lease *l;
    char *dir;

    if (left > UNTIL_MAX_US)
        left = UNTIL_MAX_US;
    dir = journal_dir(a->journal, m->id, &err);
    if (dir && access(dir, F_OK) == 0) { /* the stored reply again */
        free(dir);
        return;
    }
    if (dir && k)
        kept = journal_take(a->journal, m, a->wall_us + left, &err) == 0;
    l = leases_add(&a->leases, m);
    if (!l) {
        free(dir);
        return;
    }
    l->until_us = a->now_us + left;
    l->kernel = k;
    l->dir = kept ? dir : NULL;
    if (!kept)
        free(dir);
    l->state = kept ? LEASE_PARAMS : LEASE_BACK;
    a->tally.granted++;
    if (!k)
        agent_say("a lease for kernel %s is handed back: its digest is not "
                  "that of any kernel here",
                  l->m.kernel);
    else if (!kept)
        agent_say("a lease is handed back: %s", err.text);
}

int tasks_recall(struct agent *a, struct error *err)
{
    struct journal_lease *v;
    size_t n;

    if (journal_load(a->journal, &v, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct kernel *k =
            kernels_find(&a->kernels, v[i].lease.kernel, &v[i].lease.spec);
        char *dir = journal_dir(a->journal, v[i].lease.id, NULL);
        struct lease *l = NULL;

        if (dir && (v[i].has_claim || (k && v[i].until_us > a->wall_us)))
            l = leases_add(&a->leases, &v[i].lease);
        if (!l) {
            journal_drop(a->journal, v[i].lease.id);
            free(dir);
            continue;
        }
        l->dir = dir;
        l->kernel = k;
        l->until_us = a->now_us + (v[i].until_us - a->wall_us);
        if (v[i].has_claim) {
            l->claim = v[i].claim;
            free(l->claim.token);
            l->claim.token = NULL;
            l->has_claim = true;
            v[i].has_claim = false;
            l->state = l->claim.has_blob ? LEASE_UPLOAD : LEASE_CLAIMED;
        }
    }
    journal_free(v, n);
    if (a->leases.n)
        agent_say("%zu leases of the run before are taken up again",
                  a->leases.n);
    return 0;
}

/* ---- starting ----------------------------------------------------------- */

static void start(struct agent *a, struct lease *l)
{
    struct error err = {""};
    int rc = slot_start(a, l, &err);

    if (rc < 0) {
        agent_say("a task could not be started and is handed back: %s",
                  err.text);
        l->state = LEASE_BACK;
    } else if (rc == 0) {
        l->state = LEASE_RUNNING;
        if (a->set->verbose)
            agent_say("task %s: %s begins", l->m.id, l->m.kernel);
    }
}

static void look_for_params(struct agent *a, struct lease *l)
{
    struct digest missing;
    struct error err = {""};
    int rc;

    if (l->state != LEASE_PARAMS)
        return;
    if (!l->kernel) {
        l->state = LEASE_BACK;
        return;
    }
    rc = params_ready(a->params, &l->m.params, &l->params, &missing, &err);
    if (rc == 0)
        l->state = LEASE_READY;
    if (rc < 0) {
        agent_say("a lease is handed back: %s", err.text);
        l->state = LEASE_BACK;
    }
}

static void watch(struct agent *a)
{
    if (a->now_us < a->watch_at_us)
        return;
    a->watch_at_us = a->now_us + WATCH_US;
    for (size_t i = 0; i < a->leases.n; i++) {
        struct lease *l = a->leases.v[i];

        if (l->state != LEASE_RUNNING ||
            slot_scratch(a, (unsigned)l->slot, l) <= a->set->disk)
            continue;
        agent_say("task %s has filled its scratch and is ended", l->m.id);
        run_kill(a->slot[l->slot].run);
    }
}

/* Leases that are over, as far as we know; a claim is never forgotten. */
static void forget_late(struct agent *a)
{
    for (size_t i = a->leases.n; i-- > 0;) {
        struct lease *l = a->leases.v[i];

        if ((lease_is_held(l) || l->state == LEASE_BACK) &&
            a->now_us > l->until_us + LATE_US) {
            agent_say("task %s is past its deadline and is given up", l->m.id);
            tasks_kill(a, l);
            tasks_drop(a, l);
        }
    }
}

void tasks_step(struct agent *a)
{
    forget_late(a);
    watch(a);
    slots_rest(a);
    for (size_t i = 0; i < a->leases.n; i++) {
        struct lease *l = a->leases.v[i];

        if (a->verdict.action != ACT_SELL && l->state != LEASE_RUNNING &&
            lease_is_held(l))
            l->state = LEASE_BACK;
        if (a->verdict.action == ACT_STOP && l->state == LEASE_RUNNING)
            tasks_kill(a, l);
        look_for_params(a, l);
        if (l->state == LEASE_READY)
            start(a, l);
    }
}

/* ---- ending ------------------------------------------------------------- */

/* The results as they will travel: inline when small, else by digest. */
static int read_results(struct lease *l, struct msg_result *c,
                        struct error *err)
{
    char *path = file_path(l->dir, "results");
    struct stat st;
    void *buf = NULL;
    int rc;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
        rc = error_set(err, EBADMSG, "the runner left no results");
    } else if (st.st_size <= MESSAGE_INLINE_MAX) {
        rc = file_read(path, MESSAGE_INLINE_MAX, &buf, &c->len, err);
        c->bytes = rc == 0 ? buf : NULL;
    } else {
        rc = digest_of_file(path, &c->blob, NULL, err);
        c->has_blob = rc == 0;
    }
    free(path);
    return rc;
}

static void claim(struct agent *a, struct lease *l,
                  const struct run_outcome *out)
{
    struct msg_result c = {.token = l->m.token,
                           .status = out->done     ? 0
                                     : out->status ? out->status
                                                   : 1,
                           .busy_us = out->busy_us};
    struct error err = {""};

    if (out->done)
        c.root = out->root;
    if ((out->done && read_results(l, &c, &err) < 0) ||
        journal_claim(a->journal, l->m.id, &c, &err) < 0) {
        agent_say("task %s is handed back: %s", l->m.id, err.text);
        free(c.bytes);
        l->state = LEASE_BACK;
        return;
    }
    l->claim = c;
    l->claim.token = NULL;
    l->has_claim = true;
    l->state = c.has_blob ? LEASE_UPLOAD : LEASE_CLAIMED;
}

static void count(struct agent *a, struct lease *l,
                  const struct run_outcome *out)
{
    if (out->done) {
        a->tally.done++;
        l->kernel->failures = 0;
        if (a->set->verbose)
            agent_say("task %s: %" PRId64 " items, %" PRIu64
                      " units in %" PRId64 " ms",
                      l->m.id, out->items, out->root.units,
                      out->busy_us / 1000);
        return;
    }
    a->tally.failed++;
    agent_say("task %s failed with status %d%s%s", l->m.id, out->status,
              *out->why ? ": " : "", out->why);
    if (++l->kernel->failures >= FAILURES_MAX) {
        l->kernel->failures = 0;
        l->kernel->paused_us = a->now_us + PAUSE_US;
        agent_say("kernel %s failed %d times in a row and rests for a minute",
                  l->kernel->name, FAILURES_MAX);
    }
}

void tasks_heard(struct agent *a, unsigned slot)
{
    struct lease *l = leases_find(&a->leases, a->slot[slot].serial);
    struct run_outcome out;

    if (!slot_heard(a, slot, l, &out) || !l)
        return;
    l->slot = -1;
    count(a, l, &out);
    claim(a, l, &out);
}

void tasks_ended(struct agent *a, unsigned slot)
{
    struct lease *l = leases_find(&a->leases, a->slot[slot].serial);
    struct run_outcome out;
    bool begun = slot_ended(a, slot, &out);

    if (!l)
        return;
    l->slot = -1;
    l->state = LEASE_READY;
    if (begun) {
        count(a, l, &out);
        claim(a, l, &out);
    }
}
