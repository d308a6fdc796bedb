/* SPDX-License-Identifier: Apache-2.0 */
/* scancel.c - fallow scancel: end jobs, or tasks of an array */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sched/cmd/client.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/jobrow.h"
#include "sched/cmd/jobs.h"
#include "sched/cmd/listing.h"

struct scancel {
    struct id_list ids;
    const char *users, *names, *zones, *signal;
    uint32_t states;
    bool filters, me, quiet, verbose;
};

static const char usage_text[] =
    "usage: fallow scancel [-Qv] JOB[_INDEX]...\n"
    "       fallow scancel [--me] [-u USER] [-n NAME] [-p ZONE] [-t STATE]\n";

static int take(struct scancel *s, int c, struct error *err)
{
    s->filters = s->filters || strchr("mnptu", c);
    switch (c) {
    case 'u': s->users = optarg; return 0;
    case 'n': s->names = optarg; return 0;
    case 'p': s->zones = optarg; return 0;
    case 's': s->signal = optarg; return 0;
    case 'm': s->me = true; return 0;
    case 'Q': s->quiet = true; return 0;
    case 'v': s->verbose = true; return 0;
    case 't': return job_states_parse(optarg, &s->states, err);
    default: return 0;
    }
}

/* Returns 0 to go on, 1 when all was said, -1. */
static int parse(struct scancel *s, int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"batch", no_argument, NULL, 'x'},
        {"clusters", required_argument, NULL, 'x'},
        {"full", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'H'},
        {"jobname", required_argument, NULL, 'n'},
        {"me", no_argument, NULL, 'm'},
        {"name", required_argument, NULL, 'n'},
        {"partition", required_argument, NULL, 'p'},
        {"quiet", no_argument, NULL, 'Q'},
        {"signal", required_argument, NULL, 's'},
        {"state", required_argument, NULL, 't'},
        {"usage", no_argument, NULL, 'H'},
        {"user", required_argument, NULL, 'u'},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":bfM:n:p:Qs:t:u:vV", options, NULL)) >=
           0) {
        if (c == 'H')
            return fputs(usage_text, stdout), 1;
        if (c == 'V')
            return puts("slurm 23.11.0"), 1;
        if (c == ':' || c == '?')
            return error_set(err, EINVAL,
                             c == ':' ? "%s needs a value"
                                      : "unknown option %s",
                             argv[optind - 1]);
        if (take(s, c, err) < 0)
            return -1;
    }
    for (int i = optind; i < argc; i++)
        if (id_list_add(&s->ids, argv[i], err) < 0)
            return error_set(err, EINVAL, "Invalid job id %s", argv[i]);
    if (s->ids.n == 0 && !s->filters)
        return error_set(err, EINVAL,
                         "No job identification provided: name a job, or "
                         "--me, --user, --name, --partition, --state");
    if (s->signal && strcasecmp(s->signal, "KILL") != 0 &&
        strcasecmp(s->signal, "SIGKILL") != 0 &&
        strcasecmp(s->signal, "TERM") != 0 &&
        strcasecmp(s->signal, "SIGTERM") != 0)
        return error_set(err, EINVAL,
                         "--signal=%s: kernels take no signals; without it "
                         "the job is cancelled",
                         s->signal);
    return 0;
}

/* A job that ended, or that nobody knows, is no error: it does not run. */
static int cancel(const struct scancel *s, struct client *c, int64_t job_id,
                  int64_t task, struct error *err)
{
    char path[96];

    if (s->verbose)
        fprintf(stderr, "scancel: Terminating job %" PRId64 "\n", job_id);
    if (task < 0)
        snprintf(path, sizeof(path), "/v1/job/%" PRId64, job_id);
    else
        snprintf(path, sizeof(path), "/v1/job/%" PRId64 "?task=%" PRId64,
                 job_id, task);
    if (client_call(c, "DELETE", path, NULL, "job", NULL, err) == 0)
        return 0;
    if (errno == ENOENT || errno == EEXIST) {
        if (s->verbose)
            fprintf(stderr, "scancel: %s\n", err->text);
        return 0;
    }
    return -1;
}

/* The task that has this index. */
static int cancel_index(const struct scancel *s, struct client *c,
                        int64_t job_id, int64_t index, struct error *err)
{
    struct rec_job job;
    int64_t off;

    if (jobs_get_one(c, job_id, &job, err) < 0)
        return errno == ENOENT ? 0 : -1;
    off = index - job.array_first;
    if (!job.is_array || off < 0 || off % job.array_step != 0 ||
        off / job.array_step >= (int64_t)job.tasks)
        return error_set(err, EINVAL,
                         "Invalid job id %" PRId64 "_%" PRId64
                         ": there is no such task",
                         job_id, index);
    return cancel(s, c, job_id, off / job.array_step, err);
}

static bool wanted(const struct scancel *s, const struct rec_job *j)
{
    const struct passwd *pw = s->me ? getpwuid(geteuid()) : NULL;

    return !job_has_ended(j) && word_listed(s->users, j->user_name) &&
           (!s->me || (pw && strcmp(pw->pw_name, j->user_name) == 0)) &&
           word_listed(s->names, j->name) && word_listed(s->zones, j->zone) &&
           (!s->states || (s->states >> j->state & 1)) &&
           id_listed(&s->ids, j->job_id, j, -1);
}

static int cancel_matching(const struct scancel *s, struct client *c,
                           struct error *err)
{
    struct jobs jobs;
    size_t n = 0;
    int rc = jobs_get(c, "/v1/job?state=PD,R,CG", &jobs, err);

    if (rc < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < jobs.n; i++)
        if (wanted(s, &jobs.v[i])) {
            rc = cancel(s, c, jobs.v[i].job_id, -1, err);
            n++;
        }
    if (n == 0 && s->verbose)
        fprintf(stderr, "scancel: No active jobs match ALL job filters\n");
    jobs_clear(&jobs);
    return rc;
}

int cmd_scancel(int argc, char **argv)
{
    struct scancel s = {0};
    struct error err = {""};
    struct client c;
    int rc = parse(&s, argc, argv, &err);

    if (rc == 0)
        rc = client_open(&c, &err);
    if (rc == 0) {
        if (s.filters)
            rc = cancel_matching(&s, &c, &err);
        for (size_t i = 0; rc == 0 && !s.filters && i < s.ids.n; i++)
            rc = s.ids.v[i].index >= 0
                     ? cancel_index(&s, &c, s.ids.v[i].job_id, s.ids.v[i].index,
                                    &err)
                     : cancel(&s, &c, s.ids.v[i].job_id, -1, &err);
        client_close(&c);
    }
    id_list_clear(&s.ids);
    if (rc < 0)
        fprintf(stderr, "scancel: error: %s\n", err.text);
    return rc < 0 ? EXIT_FAILED : 0;
}
