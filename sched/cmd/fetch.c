/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c - fallow fetch: a job's results to the user's output file */
#include "sched/cmd/fetch.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/message.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/jobdir.h"
#include "sched/cmd/jobs.h"
#include "sched/cmd/kernel.h"
#include "sched/cmd/pieces.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/progress.h"
#include "sched/cmd/scratch.h"

static const char who[] = "fallow fetch";

/* Items of task t, by the job's shape. */
static int64_t items_of_task(const struct rec_job *job, int64_t t)
{
    int64_t first = t * (int64_t)job->items_per_task;
    int64_t n = (int64_t)job->items - first;

    return n > (int64_t)job->items_per_task ? (int64_t)job->items_per_task : n;
}

/* Take over one page; *next is the task that must come now. */
static int take_page(const struct rec_job *job, struct msg_task_results *page,
                     struct joiner *all, int64_t *next, struct error *err)
{
    for (size_t i = 0; i < page->n; i++) {
        struct msg_task_result *r = &page->v[i];
        size_t before = joiner_count(all);
        char from[48];
        int rc;

        snprintf(from, sizeof(from), "results of task %" PRId64, r->task);
        if (r->task != *next || r->items != items_of_task(job, r->task))
            return error_set(err, EPROTO,
                             "the cell sent %" PRId64 " items of task %" PRId64
                             " where task %" PRId64 " was due",
                             r->items, r->task, *next);
        rc = joiner_add(all, r->bytes, r->len, from, err);
        r->bytes = NULL;
        if (rc < 0)
            return -1;
        if (joiner_count(all) - before != (size_t)r->items)
            return error_set(err, EPROTO, "%s hold %zu items, not %" PRId64,
                             from, joiner_count(all) - before, r->items);
        (*next)++;
    }
    return 0;
}

static int download(struct client *c, const struct rec_job *job,
                    struct joiner *all, struct error *err)
{
    struct progress bar;
    int64_t next = 0;
    int rc = 0;

    progress_begin(&bar, "fetch");
    while (rc == 0 && next < (int64_t)job->tasks) {
        struct msg_task_results page = {0};
        int64_t before = next;
        json_t *reply;
        char path[96];

        if (c->stop && *c->stop) {
            rc = error_set(err, ECANCELED, "interrupted");
            break;
        }
        snprintf(path, sizeof(path),
                 "/v1/job/%" PRId64 "/results?first=%" PRId64, job->job_id,
                 next);
        rc = client_call(c, "GET", path, NULL, "results", &reply, err);
        if (rc < 0)
            break;
        rc = msg_task_results_decode(reply, &page, err);
        json_decref(reply);
        if (rc == 0)
            rc = take_page(job, &page, all, &next, err);
        msg_task_results_clear(&page);
        if (rc == 0 && next == before)
            rc = error_set(err, EPROTO,
                           "the cell sent no results from task %" PRId64 " on",
                           next);
        progress_show(&bar, (uint64_t)next, job->tasks, NULL);
    }
    progress_end(&bar);
    return rc;
}

static int assemble(struct client *c, const struct rec_job *job, json_t *plan,
                    const char *dir, struct error *err)
{
    struct joiner *all = joiner_create(err);
    char *results = file_path(dir, "results");
    int rc = all && results ? 0 : -1;

    if (rc == 0)
        rc = download(c, job, all, err);
    if (rc == 0)
        rc = joiner_write(all, results, err);
    joiner_destroy(all);
    if (rc == 0)
        rc = kernel_assemble(json_string_value(json_object_get(plan, "kernel")),
                             dir, results, err);
    if (results)
        scratch_remove(results, NULL);
    free(results);
    return rc;
}

static int fetch_array(struct client *c, const struct rec_job *job,
                       const char *output, struct error *err)
{
    struct joiner *all = joiner_create(err);
    int rc = all ? scratch_check_output(output, err) : -1;

    if (rc == 0)
        rc = download(c, job, all, err);
    if (rc == 0)
        rc = joiner_write(all, output, err);
    joiner_destroy(all);
    return rc;
}

/* The submission id, as the job's directory may be called by it. */
static void submission_text(const struct rec_job *job, char out[33])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", job->submission_id[i]);
}

/* Assemble to another path: the plan says so for as long as that takes. */
static int assemble_to(struct client *c, const struct rec_job *job,
                       json_t *plan, const char *dir, const char *output,
                       struct error *err)
{
    const char *old = jobdir_output(plan);
    char *home = old ? strdup(old) : NULL;
    int rc = scratch_check_output(output, err);

    if (rc == 0)
        rc = jobdir_set_output(dir, plan, output, err);
    if (rc == 0)
        rc = assemble(c, job, plan, dir, err);
    if (home) {
        int saved_errno = errno;

        jobdir_set_output(dir, plan, home, NULL);
        errno = saved_errno;
    }
    free(home);
    return rc;
}

static int fetch_planned(struct client *c, const struct rec_job *job,
                         const char *dir, const char *output, char **path,
                         struct error *err)
{
    json_t *plan = jobdir_plan(dir, err);
    const char *to = output ? output : plan ? jobdir_output(plan) : NULL;
    char *absolute = to ? scratch_absolute(to) : NULL;
    int rc = plan ? 0 : -1;

    if (rc == 0 && to && !absolute)
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0 && absolute)
        rc = assemble_to(c, job, plan, dir, absolute, err);
    if (rc == 0 && path && absolute)
        *path = strdup(absolute);
    free(absolute);
    json_decref(plan);
    return rc;
}

int fetch_job(struct client *c, const struct rec_job *job, const char *output,
              char **path, struct error *err)
{
    char hex[33], *dir;
    int rc = 0;

    if (path)
        *path = NULL;
    if (job->input == INPUT_INDEX) {
        if (!output)
            return 0;
        rc = fetch_array(c, job, output, err);
        if (rc == 0 && path)
            *path = strdup(output);
        return rc;
    }
    submission_text(job, hex);
    if (!(dir = jobdir_find(c, job->job_id, hex, err)))
        return -1;
    rc = fetch_planned(c, job, dir, output, path, err);
    free(dir);
    return rc;
}

int wait_job(struct client *c, int64_t job_id, struct rec_job *job,
             struct error *err)
{
    struct progress bar;
    int64_t pause_us = 50000;
    int rc;

    c->patience_us = 120000000;
    progress_begin(&bar, "compute");
    for (;;) {
        char extra[64];

        rc = jobs_get_one(c, job_id, job, err);
        if (rc < 0 || job_has_ended(job))
            break;
        snprintf(extra, sizeof(extra), "%u/%u tasks, %" PRIu64 " checked",
                 job->tasks_done, job->tasks, job->checked_items);
        progress_show(&bar,
                      (uint64_t)job->tasks_done * job->items /
                          (job->tasks ? job->tasks : 1),
                      job->items, extra);
        if (c->stop && *c->stop) {
            rc = error_set(err, ECANCELED, "interrupted");
            break;
        }
        client_pause(c->stop, pause_us);
        pause_us = pause_us * 3 / 2 > 1000000 ? 1000000 : pause_us * 3 / 2;
    }
    progress_end(&bar);
    return rc;
}

static const char usage_text[] =
    "usage: fallow fetch [--output FILE] JOB\n"
    "\n"
    "  --output FILE   write there instead of where the job said\n";

static int fetch_main(const char *id, const char *output)
{
    struct error err = {""};
    struct rec_job job;
    struct client c;
    int64_t job_id, task;
    char *path = NULL;
    int rc;

    if (job_id_parse(id, &job_id, &task, &err) < 0)
        return cmd_failed(who, &err);
    if (client_open(&c, &err) < 0)
        return cmd_failed(who, &err);
    c.stop = proc_catch_stop();
    rc = jobs_get_one(&c, job_id, &job, &err);
    if (rc == 0 && job.state != JOB_COMPLETED)
        rc = error_set(&err, EAGAIN,
                       "job %" PRId64 " is %s with %u of %u tasks done; its "
                       "output is there when it is COMPLETED",
                       job_id, job_state_name(job.state), job.tasks_done,
                       job.tasks);
    if (rc == 0 && job.input == INPUT_INDEX && !output)
        rc = error_set(&err, EINVAL,
                       "job %" PRId64 " is an array without an output of its "
                       "own: name a file with --output",
                       job_id);
    if (rc == 0)
        rc = fetch_job(&c, &job, output, &path, &err);
    client_close(&c);
    if (rc < 0)
        return cmd_failed(who, &err);
    if (path)
        puts(path);
    else
        fprintf(stderr,
                "%s: job %" PRId64 " has no output; name a file with "
                "--output\n",
                who, job_id);
    free(path);
    return 0;
}

int cmd_fetch(int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *output = NULL;
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
        if (c == 'o') {
            output = optarg;
        } else if (c == 'h') {
            fputs(usage_text, stdout);
            return 0;
        } else {
            return cmd_usage(
                who, c == ':' ? "%s needs a value" : "unknown option %s",
                argv[optind - 1]);
        }
    }
    if (argc - optind != 1)
        return cmd_usage(who, "one job is taken, %d are named", argc - optind);
    return fetch_main(argv[optind], output);
}
