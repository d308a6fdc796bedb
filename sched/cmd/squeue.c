/* SPDX-License-Identifier: Apache-2.0 */
/* squeue.c - fallow squeue: jobs that wait and run */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched/cmd/cmd.h"
#include "sched/cmd/jobrow.h"
#include "sched/cmd/listing.h"

#define DEFAULT_FORMAT "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
#define LONG_FORMAT "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
#define DEFAULT_STATES                                                         \
    (1u << JOB_PENDING | 1u << JOB_RUNNING | 1u << JOB_COMPLETING |            \
     1u << JOB_HELD)

struct squeue {
    const char *format, *list_format;
    const char *users, *names, *partitions;
    struct id_list ids;
    uint32_t states;
    bool noheader, each, is_long;
};

static const char usage_text[] =
    "usage: fallow squeue [-h] [-r] [-l] [--me] [-j JOB,...] [-t STATE,...]\n"
    "                     [-u USER,...] [-n NAME,...] [-p ZONE,...]\n"
    "                     [-o FORMAT | -O FIELDS]\n";

/* --me, and what has no meaning in a cell. */
static int take_flag(struct squeue *q, int c)
{
    const struct passwd *pw;

    switch (c) {
    case 'h': q->noheader = true; break;
    case 'r': q->each = true; break;
    case 'l': q->is_long = true; break;
    case 'm':
        pw = getpwuid(geteuid());
        q->users = pw ? pw->pw_name : "";
        break;
    default: break;
    }
    return 0;
}

static int take(struct squeue *q, int c, struct error *err)
{
    switch (c) {
    case 'o': q->format = optarg; return 0;
    case 'O': q->list_format = optarg; return 0;
    case 'u': q->users = optarg; return 0;
    case 'n': q->names = optarg; return 0;
    case 'p': q->partitions = optarg; return 0;
    case 't': return job_states_parse(optarg, &q->states, err);
    case 'j': return id_list_add(&q->ids, optarg, err);
    default: return take_flag(q, c);
    }
}

/* Returns 0 to go on, 1 when all was said, -1. */
static int parse(struct squeue *q, int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'},
        {"array", no_argument, NULL, 'r'},
        {"clusters", required_argument, NULL, 'x'},
        {"Format", required_argument, NULL, 'O'},
        {"format", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'H'},
        {"helpformat", no_argument, NULL, 'F'},
        {"jobs", optional_argument, NULL, 'j'},
        {"long", no_argument, NULL, 'l'},
        {"me", no_argument, NULL, 'm'},
        {"name", required_argument, NULL, 'n'},
        {"noheader", no_argument, NULL, 'h'},
        {"only-job-state", no_argument, NULL, 'x'},
        {"partition", required_argument, NULL, 'p'},
        {"sort", required_argument, NULL, 'x'},
        {"states", required_argument, NULL, 't'},
        {"usage", no_argument, NULL, 'H'},
        {"user", required_argument, NULL, 'u'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":aAhj::lM:n:O:o:p:rS:t:u:vV", options,
                            NULL)) >= 0) {
        if (c == 'H')
            return fputs(usage_text, stdout), 1;
        if (c == 'F')
            return columns_help(squeue_fields, squeue_n_fields, stdout), 1;
        if (c == 'V')
            return puts("slurm 23.11.0"), 1;
        if (c == ':' || c == '?')
            return error_set(err, EINVAL,
                             c == ':' ? "%s needs a value"
                                      : "unknown option %s",
                             argv[optind - 1]);
        if (c == 'j' && !optarg) {
            if (optind >= argc || argv[optind][0] == '-')
                continue;
            optarg = argv[optind++];
        }
        if (take(q, c, err) < 0)
            return -1;
    }
    if (optind < argc)
        return error_set(err, EINVAL, "\"%s\" is one word too many",
                         argv[optind]);
    return 0;
}

static bool wanted(const struct squeue *q, const struct job_row *r)
{
    const struct rec_job *j = r->job;

    return (q->states >> r->state & 1) && word_listed(q->users, j->user_name) &&
           word_listed(q->names, j->name) &&
           word_listed(q->partitions, j->zone) &&
           id_listed(&q->ids, j->job_id, j, r->task);
}

static void print_rows(const struct squeue *q, struct columns *c,
                       struct job_row *rows, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (wanted(q, &rows[i]))
            rows[kept++] = rows[i];
    columns_fit(c, rows, kept, sizeof(*rows));
    if (!q->noheader)
        columns_header(c, stdout);
    for (size_t i = 0; i < kept; i++)
        columns_row(c, &rows[i], stdout);
}

/* Jobs that ended are in the answer only when they are asked for. */
static int fetch_rows(const struct squeue *q, struct client *client,
                      struct jobs *jobs, struct error *err)
{
    char path[96];

    snprintf(path, sizeof(path), "/v1/job?state=%s",
             q->states & ~DEFAULT_STATES ? "all" : "PD,R,CG");
    if (jobs_get(client, path, jobs, err) < 0)
        return -1;
    /* One job that nobody knows is an error, a list of them is not. */
    if (q->ids.n == 1) {
        struct rec_job job;

        for (size_t i = 0; i < jobs->n; i++)
            if (jobs->v[i].job_id == q->ids.v[0].job_id)
                return 0;
        if (jobs_get_one(client, q->ids.v[0].job_id, &job, err) < 0)
            return errno == ENOENT
                       ? error_set(err, ENOENT, "Invalid job id specified")
                       : -1;
    }
    return 0;
}

static int show(const struct squeue *q, struct columns *c, struct error *err)
{
    struct client client;
    struct jobs jobs = {0};
    struct job_row *rows = NULL;
    long n = -1;
    int rc = client_open(&client, err);

    if (rc < 0)
        return -1;
    rc = fetch_rows(q, &client, &jobs, err);
    if (rc == 0) {
        n = squeue_rows(&jobs, client_now_us(), q->each, &rows);
        if (n < 0)
            rc = error_set(err, ENOMEM, "could not allocate rows");
    }
    if (rc == 0)
        print_rows(q, c, rows, (size_t)n);
    free(rows);
    jobs_clear(&jobs);
    client_close(&client);
    return rc;
}

int cmd_squeue(int argc, char **argv)
{
    struct squeue q = {.states = DEFAULT_STATES};
    struct columns c = {.fields = squeue_fields,
                        .n_fields = squeue_n_fields,
                        .value = squeue_value};
    struct error err = {""};
    int rc = parse(&q, argc, argv, &err);

    if (rc == 0 && !q.format && !q.list_format)
        q.format = getenv("SQUEUE_FORMAT");
    if (rc == 0 && q.list_format)
        rc = columns_list(&c, q.list_format, &err);
    else if (rc == 0)
        rc = columns_percent(&c,
                             q.format    ? q.format
                             : q.is_long ? LONG_FORMAT
                                         : DEFAULT_FORMAT,
                             &err);
    if (rc != 0) {
        id_list_clear(&q.ids);
        if (rc > 0)
            return 0;
        fprintf(stderr, "squeue: error: %s\n", err.text);
        return EXIT_FAILED;
    }
    rc = show(&q, &c, &err);
    id_list_clear(&q.ids);
    return rc < 0 ? slurm_failed("slurm_load_jobs", &err) : 0;
}
