/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - what a cell says about jobs */
#include "sched/cmd/jobs.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/message.h"

static int take_lease(const json_t *j, struct job_lease *l, struct error *err)
{
    const char *worker = json_string_value(json_object_get(j, "worker"));

    l->job_id = json_integer_value(json_object_get(j, "job_id"));
    l->task = json_integer_value(json_object_get(j, "task"));
    l->granted_us = json_integer_value(json_object_get(j, "granted_us"));
    if (!worker || l->job_id < 1)
        return error_set(err, EPROTO,
                         "the cell's answer has a lease that is "
                         "none");
    snprintf(l->worker, sizeof(l->worker), "%s", worker);
    return 0;
}

static int decode(const json_t *reply, struct jobs *out, struct error *err)
{
    const json_t *jobs = json_object_get(reply, "jobs"), *j;
    const json_t *leases = json_object_get(reply, "leases");
    size_t i;

    if (!json_is_array(jobs))
        return error_set(err, EPROTO, "the cell's answer has no jobs");
    out->v = calloc(json_array_size(jobs) + 1, sizeof(*out->v));
    out->leases = calloc(json_array_size(leases) + 1, sizeof(*out->leases));
    if (!out->v || !out->leases)
        return error_set(err, ENOMEM, "could not allocate jobs");
    json_array_foreach(jobs, i, j)
    {
        if (msg_job_decode(j, &out->v[i], err) < 0)
            return error_prefix(err, "the cell's answer");
        out->n++;
    }
    json_array_foreach(leases, i, j)
    {
        if (take_lease(j, &out->leases[i], err) < 0)
            return -1;
        out->n_leases++;
    }
    return 0;
}

int jobs_get(struct client *c, const char *path, struct jobs *out,
             struct error *err)
{
    json_t *reply;
    int rc;

    memset(out, 0, sizeof(*out));
    if (client_call(c, "GET", path, NULL, "jobs", &reply, err) < 0)
        return -1;
    rc = decode(reply, out, err);
    json_decref(reply);
    if (rc < 0)
        jobs_clear(out);
    return rc;
}

void jobs_clear(struct jobs *j)
{
    int saved_errno = errno;

    free(j->v);
    free(j->leases);
    memset(j, 0, sizeof(*j));
    errno = saved_errno;
}

int jobs_get_one(struct client *c, int64_t job_id, struct rec_job *out,
                 struct error *err)
{
    char path[64], what[40];
    json_t *reply;
    int rc;

    memset(out, 0, sizeof(*out));
    snprintf(path, sizeof(path), "/v1/job/%" PRId64, job_id);
    snprintf(what, sizeof(what), "job %" PRId64, job_id);
    if (client_call(c, "GET", path, NULL, what, &reply, err) < 0)
        return -1;
    rc = msg_job_decode(reply, out, err);
    json_decref(reply);
    return rc < 0 ? error_prefix(err, "the cell's answer") : 0;
}

int job_id_parse(const char *text, int64_t *job_id, int64_t *task,
                 struct error *err)
{
    char *end = NULL;

    *task = -1;
    errno = 0;
    *job_id = isdigit((unsigned char)*text) ? strtoimax(text, &end, 10) : 0;
    if (*job_id > 0 && errno == 0 && *end == '_' &&
        isdigit((unsigned char)end[1]))
        *task = strtoimax(end + 1, &end, 10);
    else if (*job_id > 0 && errno == 0 && *end == '.')
        end += strlen(end);
    if (*job_id <= 0 || errno || *end)
        return error_set(err, EINVAL, "\"%s\" is no job id: N or N_INDEX",
                         text);
    return 0;
}

void job_id_text(const struct rec_job *job, char *out, size_t cap)
{
    int64_t last =
        job->array_first + ((int64_t)job->tasks - 1) * job->array_step;

    if (!job->is_array)
        snprintf(out, cap, "%" PRId64, job->job_id);
    else if (job->tasks == 1)
        snprintf(out, cap, "%" PRId64 "_[%" PRId64 "]", job->job_id,
                 job->array_first);
    else if (job->array_step == 1)
        snprintf(out, cap, "%" PRId64 "_[%" PRId64 "-%" PRId64 "]", job->job_id,
                 job->array_first, last);
    else
        snprintf(out, cap, "%" PRId64 "_[%" PRId64 "-%" PRId64 ":%" PRId64 "]",
                 job->job_id, job->array_first, last, job->array_step);
}

void job_task_text(const struct rec_job *job, int64_t task, char *out,
                   size_t cap)
{
    if (!job->is_array)
        snprintf(out, cap, "%" PRId64, job->job_id);
    else
        snprintf(out, cap, "%" PRId64 "_%" PRId64, job->job_id,
                 job->array_first + task * job->array_step);
}

int job_has_ended(const struct rec_job *job)
{
    return job->state == JOB_COMPLETED || job->state == JOB_CANCELLED ||
           job->state == JOB_FAILED;
}

void short_time_text(int64_t us, char *out, size_t cap)
{
    int64_t s = us < 0 ? 0 : us / 1000000;
    int64_t d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

    s %= 60;
    if (d)
        snprintf(out, cap, "%jd-%02d:%02d:%02d", (intmax_t)d, (int)h, (int)m,
                 (int)s);
    else if (h)
        snprintf(out, cap, "%d:%02d:%02d", (int)h, (int)m, (int)s);
    else
        snprintf(out, cap, "%d:%02d", (int)m, (int)s);
}

void long_time_text(int64_t us, char *out, size_t cap)
{
    int64_t s = us < 0 ? 0 : us / 1000000;
    int64_t d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

    s %= 60;
    if (d)
        snprintf(out, cap, "%jd-%02d:%02d:%02d", (intmax_t)d, (int)h, (int)m,
                 (int)s);
    else
        snprintf(out, cap, "%02d:%02d:%02d", (int)h, (int)m, (int)s);
}

void date_text(int64_t us, const char *instead, char *out, size_t cap)
{
    time_t t = (time_t)(us / 1000000);
    struct tm tm;

    if (us <= 0 || !localtime_r(&t, &tm) ||
        strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(out, cap, "%s", instead);
}
