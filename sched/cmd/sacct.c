/* SPDX-License-Identifier: Apache-2.0 */
/* sacct.c - fallow sacct: jobs of the past and the present */
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
#include "sched/cmd/joboptions.h"
#include "sched/cmd/listing.h"

#define DEFAULT_FIELDS                                                         \
    "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
#define BRIEF_FIELDS "JobID,State,ExitCode"

struct sacct {
    const char *format, *users, *names, *partitions;
    struct id_list ids;
    uint32_t states; /* 0 = all */
    int64_t since_us, until_us;
    bool has_since, has_until, allocations, all_users;
    struct sacct_style style;
};

static const char usage_text[] =
    "usage: fallow sacct [-X] [-n] [-p | -P] [--delimiter TEXT] [-b]\n"
    "                    [-o FIELD[%N],...] [-j JOB,...] [-s STATE,...]\n"
    "                    [-S TIME] [-E TIME] [-u USER,...] [-a]\n"
    "                    [--name NAME,...] [-r ZONE,...]\n";

static int take_style(struct sacct *s, int c)
{
    switch (c) {
    case 'n': s->style.header = false; break;
    case 'p':
        s->style.delimiter = s->style.delimiter ? s->style.delimiter : "|";
        s->style.trailing = true;
        break;
    case 'P':
        s->style.delimiter = s->style.delimiter ? s->style.delimiter : "|";
        s->style.trailing = false;
        break;
    case 'X': s->allocations = true; break;
    case 'a': s->all_users = true; break;
    case 'b': s->format = BRIEF_FIELDS; break;
    default: break;
    }
    return 0;
}

static int take(struct sacct *s, int c, int64_t now_us, struct error *err)
{
    switch (c) {
    case 'o': s->format = optarg; return 0;
    case 'u': s->users = optarg; return 0;
    case 'N': s->names = optarg; return 0;
    case 'r': s->partitions = optarg; return 0;
    case 'D': s->style.delimiter = optarg; return 0;
    case 's': return job_states_parse(optarg, &s->states, err);
    case 'j': return id_list_add(&s->ids, optarg, err);
    case 'S':
        s->has_since = true;
        return parse_date(optarg, now_us, &s->since_us, err);
    case 'E':
        s->has_until = true;
        return parse_date(optarg, now_us, &s->until_us, err);
    default: return take_style(s, c);
    }
}

/* Returns 0 to go on, 1 when all was said, -1. */
static int parse(struct sacct *s, int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"accounts", required_argument, NULL, 'x'},
        {"allocations", no_argument, NULL, 'X'},
        {"allusers", no_argument, NULL, 'a'},
        {"brief", no_argument, NULL, 'b'},
        {"clusters", required_argument, NULL, 'x'},
        {"delimiter", required_argument, NULL, 'D'},
        {"duplicates", no_argument, NULL, 'x'},
        {"endtime", required_argument, NULL, 'E'},
        {"format", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'H'},
        {"helpformat", no_argument, NULL, 'F'},
        {"jobs", required_argument, NULL, 'j'},
        {"name", required_argument, NULL, 'N'},
        {"noconvert", no_argument, NULL, 'x'},
        {"noheader", no_argument, NULL, 'n'},
        {"parsable", no_argument, NULL, 'p'},
        {"parsable2", no_argument, NULL, 'P'},
        {"partition", required_argument, NULL, 'r'},
        {"starttime", required_argument, NULL, 'S'},
        {"state", required_argument, NULL, 's'},
        {"units", required_argument, NULL, 'x'},
        {"usage", no_argument, NULL, 'H'},
        {"user", required_argument, NULL, 'u'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int64_t now_us = client_now_us();
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":A:abDE:hej:M:no:PpS:s:r:u:VX",
                            options, NULL)) >= 0) {
        if (c == 'H' || c == 'h')
            return fputs(usage_text, stdout), 1;
        if (c == 'F' || c == 'e')
            return columns_help(sacct_fields, sacct_n_fields, stdout), 1;
        if (c == 'V')
            return puts("slurm 23.11.0"), 1;
        if (c == ':' || c == '?')
            return error_set(err, EINVAL,
                             c == ':' ? "%s needs a value"
                                      : "unknown option %s",
                             argv[optind - 1]);
        if (c == 'D' && !optarg)
            continue;
        if (take(s, c, now_us, err) < 0)
            return -1;
    }
    if (optind < argc)
        return error_set(err, EINVAL, "\"%s\" is one word too many",
                         argv[optind]);
    return 0;
}

/* Slurm's default window: today, unless jobs are named. */
static int window(struct sacct *s, struct error *err)
{
    int64_t now_us = client_now_us();

    if (!s->has_since && s->ids.n == 0 &&
        parse_date("today", now_us, &s->since_us, err) < 0)
        return -1;
    if (!s->has_until)
        s->until_us = now_us + 60000000;
    return 0;
}

static bool in_window(const struct sacct *s, const struct rec_job *j)
{
    return (!j->ended_us || j->ended_us >= s->since_us) &&
           j->submitted_us <= s->until_us;
}

static bool wanted(const struct sacct *s, const struct rec_job *j)
{
    const struct passwd *pw = getpwuid(geteuid());
    const char *me = pw ? pw->pw_name : NULL;

    if (s->users ? !word_listed(s->users, j->user_name)
                 : !s->all_users && !word_listed(me, j->user_name))
        return false;
    return (!s->states || (s->states >> j->state & 1)) &&
           word_listed(s->names, j->name) &&
           word_listed(s->partitions, j->zone) &&
           id_listed(&s->ids, j->job_id, j, -1) &&
           (s->ids.n || in_window(s, j));
}

static void print_job(const struct sacct *s, const struct columns *c,
                      const struct rec_job *j)
{
    struct job_row row = {.job = j, .task = -1, .state = j->state, .step = -1};

    row.since_us = j->started_us;
    row.now_us = client_now_us();
    sacct_row(c, &s->style, &row, stdout);
    if (s->allocations || !j->started_us)
        return;
    row.step = 0;
    sacct_row(c, &s->style, &row, stdout);
}

static int compare_jobs(const void *a, const void *b)
{
    int64_t x = ((const struct rec_job *)a)->job_id;
    int64_t y = ((const struct rec_job *)b)->job_id;

    return x < y ? -1 : x > y;
}

static int show(struct sacct *s, const struct columns *c, struct error *err)
{
    struct client client;
    struct jobs jobs = {0};
    char path[128];
    int rc = client_open(&client, err);

    if (rc < 0)
        return -1;
    if (s->ids.n == 1)
        snprintf(path, sizeof(path), "/v1/sacct?job=%" PRId64,
                 s->ids.v[0].job_id);
    else
        snprintf(path, sizeof(path), "/v1/sacct?since_us=0&until_us=%" PRId64,
                 s->ids.n ? INT64_MAX : s->until_us);
    rc = jobs_get(&client, path, &jobs, err);
    if (rc == 0) {
        if (jobs.n)
            qsort(jobs.v, jobs.n, sizeof(*jobs.v), compare_jobs);
        sacct_header(c, &s->style, stdout);
        for (size_t i = 0; i < jobs.n; i++)
            if (wanted(s, &jobs.v[i]))
                print_job(s, c, &jobs.v[i]);
    }
    jobs_clear(&jobs);
    client_close(&client);
    return rc;
}

int cmd_sacct(int argc, char **argv)
{
    struct sacct s = {.style = {.header = true}};
    struct columns c = {.fields = sacct_fields,
                        .n_fields = sacct_n_fields,
                        .value = sacct_value};
    struct error err = {""};
    int rc = parse(&s, argc, argv, &err);

    if (rc == 0 && !s.format)
        s.format = getenv("SACCT_FORMAT");
    if (rc == 0)
        rc = columns_sacct(&c, s.format ? s.format : DEFAULT_FIELDS, &err);
    if (rc == 0)
        rc = window(&s, &err);
    if (rc == 0)
        rc = show(&s, &c, &err);
    id_list_clear(&s.ids);
    if (rc < 0)
        fprintf(stderr, "sacct: error: %s\n", err.text);
    return rc < 0 ? EXIT_FAILED : 0;
}
