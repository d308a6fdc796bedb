/* SPDX-License-Identifier: Apache-2.0 */
/* scontrol.c - fallow scontrol: look at one thing, hold and release jobs */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sched/cmd/client.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/jobs.h"
#include "sched/cmd/listing.h"
#include "sched/cmd/money.h"
#include "sched/cmd/noderow.h"

static const char usage_text[] =
    "usage: fallow scontrol [-o] show job [JOB]\n"
    "       fallow scontrol [-o] show node [NAME]\n"
    "       fallow scontrol [-o] show partition [ZONE]\n"
    "       fallow scontrol show config | ping | version\n"
    "       fallow scontrol hold JOB,... | release JOB,...\n";

/* Between lines of a record, and behind it. */
struct shape {
    const char *line, *end;
};

static void print_times(const struct rec_job *j, const struct shape *s)
{
    char run[32], limit[32], submit[32], start[32], end[32];
    int64_t until = j->ended_us ? j->ended_us : client_now_us();

    long_time_text(j->started_us ? until - j->started_us : 0, run, sizeof(run));
    snprintf(limit, sizeof(limit), "UNLIMITED");
    if (j->time_limit_us)
        long_time_text(j->time_limit_us, limit, sizeof(limit));
    date_text(j->submitted_us, "Unknown", submit, sizeof(submit));
    date_text(j->started_us, "Unknown", start, sizeof(start));
    date_text(j->ended_us, "Unknown", end, sizeof(end));
    printf("RunTime=%s TimeLimit=%s TimeMin=N/A%s", run, limit, s->line);
    printf("SubmitTime=%s EligibleTime=%s%s", submit, submit, s->line);
    printf("StartTime=%s EndTime=%s Deadline=N/A%s", start, end, s->line);
}

static void print_money(const struct rec_job *j, const struct shape *s)
{
    char quote[32], fee[32], spent[32], reserved[32];

    money_text(j->quote_amount, quote, sizeof(quote));
    money_text(j->quote_fee, fee, sizeof(fee));
    money_text(j->spent_amount + j->spent_fee, spent, sizeof(spent));
    money_text(j->reserved, reserved, sizeof(reserved));
    printf("Kernel=%s Units=%" PRId64 " Tariff=%" PRId64 "%s", j->kernel,
           j->units, j->tariff_id, s->line);
    printf("Quote=%s QuoteFee=%s Reserved=%s Spent=%s%s", quote, fee, reserved,
           spent, s->line);
    printf("Items=%" PRIu64 " TasksDone=%u TasksFailed=%u TasksCancelled=%u%s",
           j->items, j->tasks_done, j->tasks_failed, j->tasks_cancelled,
           s->line);
    printf("CheckedItems=%" PRIu64 " CaughtItems=%" PRIu64, j->checked_items,
           j->caught_items);
}

static void print_job(const struct rec_job *j, bool oneline)
{
    const struct shape s = {oneline ? " " : "\n   ", oneline ? "\n" : "\n\n"};
    const char *reason = *j->reason             ? j->reason
                         : j->state == JOB_HELD ? "JobHeldUser"
                                                : "None";
    char id[64];

    printf("JobId=%" PRId64 " ", j->job_id);
    if (j->is_array) {
        job_id_text(j, id, sizeof(id));
        id[strcspn(id, "]")] = '\0';
        printf("ArrayJobId=%" PRId64 " ArrayTaskId=%s ", j->job_id,
               strchr(id, '[') + 1);
    }
    printf("JobName=%s%s", j->name, s.line);
    printf("UserId=%s GroupId=(null) MCS_label=N/A%s", j->user_name, s.line);
    printf("Priority=%d Nice=%d Account=(null) QOS=normal%s",
           j->state == JOB_HELD ? 0 : 1, j->nice, s.line);
    printf("JobState=%s Reason=%s Dependency=(null)%s",
           job_state_name(j->state), reason, s.line);
    printf("Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=%s%s",
           j->state == JOB_FAILED ? "1:0" : "0:0", s.line);
    print_times(j, &s);
    printf("Partition=%s AllocNode:Sid=N/A%s", j->zone, s.line);
    printf("NumNodes=1 NumCPUs=1 NumTasks=%u CPUs/Task=1%s", j->tasks, s.line);
    print_money(j, &s);
    fputs(s.end, stdout);
}

static int show_job(struct client *c, const char *name, bool oneline,
                    struct error *err)
{
    struct jobs jobs = {0};
    struct rec_job job;
    int64_t id, task;
    int rc;

    if (name) {
        const char *eq = strchr(name, '=');

        if (job_id_parse(eq ? eq + 1 : name, &id, &task, err) < 0)
            return error_set(err, EINVAL, "Invalid job id specified");
        rc = jobs_get_one(c, id, &job, err);
        if (rc < 0)
            return errno == ENOENT
                       ? error_set(err, ENOENT, "Invalid job id specified")
                       : -1;
        print_job(&job, oneline);
        return 0;
    }
    rc = jobs_get(c, "/v1/job?state=all", &jobs, err);
    for (size_t i = 0; rc == 0 && i < jobs.n; i++)
        print_job(&jobs.v[i], oneline);
    if (rc == 0 && jobs.n == 0)
        puts("No jobs in the system");
    jobs_clear(&jobs);
    return rc;
}

static void print_node(const struct node *n, bool oneline)
{
    const char *sep = oneline ? " " : "\n   ";
    char state[24];
    size_t k;

    snprintf(state, sizeof(state), "%s", node_state_long(n->state));
    for (k = 0; state[k]; k++)
        if (state[k] >= 'a' && state[k] <= 'z')
            state[k] = (char)(state[k] - 'a' + 'A');
    printf("NodeName=v%" PRId64 " CPUTot=%" PRId64 " CPUAlloc=%" PRId64 "%s",
           n->number, n->cores, n->leases ? n->cores : 0, sep);
    printf("AvailableFeatures=%s ActiveFeatures=%s%s",
           *n->kernels ? n->kernels : "(null)",
           *n->kernels ? n->kernels : "(null)", sep);
    printf("RealMemory=%" PRId64 " State=%s Leases=%" PRId64 "%s", n->mem >> 20,
           state, n->leases, sep);
    printf("Partitions=%s%s", n->zone, oneline ? "\n" : "\n\n");
}

static int get_nodes(struct client *c, struct nodes *nodes, struct error *err)
{
    json_t *reply;
    int rc = client_call(c, "GET", "/v1/node", NULL, "nodes", &reply, err);

    if (rc == 0) {
        rc = nodes_decode(reply, nodes, err);
        json_decref(reply);
    }
    return rc;
}

static int show_node(struct client *c, const char *name, bool oneline,
                     struct error *err)
{
    struct nodes nodes = {0};
    bool found = !name;
    int rc = get_nodes(c, &nodes, err);

    for (size_t i = 0; rc == 0 && i < nodes.n; i++) {
        char own[32];

        snprintf(own, sizeof(own), "v%" PRId64, nodes.v[i].number);
        if (name && strcmp(name, own) != 0)
            continue;
        found = true;
        print_node(&nodes.v[i], oneline);
    }
    nodes_clear(&nodes);
    if (rc == 0 && !found)
        rc = error_set(err, ENOENT, "Node %s not found", name);
    return rc;
}

/* A zone with its workers, as Slurm shows a partition. */
static int show_partition(struct client *c, const char *name, bool oneline,
                          struct error *err)
{
    const char *sep = oneline ? " " : "\n   ";
    struct node_row *rows = NULL;
    struct nodes nodes = {0};
    bool found = !name;
    long n = -1;
    int rc = get_nodes(c, &nodes, err);

    for (size_t i = 0; rc == 0 && i < nodes.n; i++)
        snprintf(nodes.v[i].state, sizeof(nodes.v[i].state), "up");
    if (rc == 0)
        n = sinfo_rows(&nodes, true, false, NULL, &rows);
    if (rc == 0 && n < 0)
        rc = error_set(err, ENOMEM, "could not allocate rows");
    for (long i = 0; rc == 0 && i < n; i++) {
        const struct node_row *r = &rows[i];

        if (name && strcmp(name, r->zone) != 0)
            continue;
        found = true;
        printf("PartitionName=%s%s", r->zone, sep);
        printf("Default=%s DefaultTime=NONE MaxTime=UNLIMITED "
               "MaxNodes=UNLIMITED%s",
               strcmp(r->zone, "cell") == 0 ? "YES" : "NO", sep);
        printf("Nodes=%s State=UP TotalCPUs=%" PRId64
               " TotalNodes=%zu DefMemPerCPU=UNLIMITED%s",
               r->list, r->cores, r->n, oneline ? "\n" : "\n\n");
    }
    free(rows);
    nodes_clear(&nodes);
    if (rc == 0 && !found)
        rc = error_set(err, ENOENT, "Partition %s not found", name);
    return rc;
}

static int show_config(const struct client *c)
{
    char now[32];

    date_text(client_now_us(), "", now, sizeof(now));
    printf("Configuration data as of %s\n", now);
    printf("%-23s = %s\n", "ClusterName", c->cell);
    printf("%-23s = %d\n", "MaxArraySize", 4000001);
    printf("%-23s = %s\n", "MinJobAge", "300 sec");
    printf("%-23s = %s\n", "SlurmctldHost[0]", c->url);
    return 0;
}

static int ping(struct client *c)
{
    struct error err = {""};
    json_t *reply = NULL;
    int rc = client_call(c, "GET", "/v1/ping", NULL, "ping", &reply, &err);

    printf("Slurmctld(primary) at %s is %s\n", c->url, rc < 0 ? "DOWN" : "UP");
    if (rc < 0)
        fprintf(stderr, "scontrol: %s\n", err.text);
    json_decref(reply);
    return rc < 0 ? EXIT_FAILED : 0;
}

static int show(struct client *c, int argc, char **argv, bool oneline)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *name = argc > 2 ? argv[2] : NULL;
    const char *call = "slurm_load_jobs";
    struct error err = {""};
    int rc;

    if (strncasecmp(what, "job", 3) == 0) {
        if (strchr(what, '='))
            name = what;
        rc = show_job(c, name, oneline, &err);
    } else if (strncasecmp(what, "node", 4) == 0) {
        call = "slurm_load_node";
        rc = show_node(c, name, oneline, &err);
    } else if (strncasecmp(what, "part", 4) == 0) {
        call = "slurm_load_partitions";
        rc = show_partition(c, name, oneline, &err);
    } else if (strncasecmp(what, "conf", 4) == 0) {
        return show_config(c);
    } else {
        return cmd_usage("fallow scontrol",
                         "show \"%s\": job, node, partition and config can be "
                         "shown",
                         what);
    }
    return rc < 0 ? slurm_failed(call, &err) : 0;
}

/* hold and release */
static int change(struct client *c, int argc, char **argv)
{
    struct id_list ids = {0};
    struct error err = {""};
    int rc = 0;

    for (int i = 1; rc == 0 && i < argc; i++)
        rc = id_list_add(&ids, argv[i], &err);
    if (rc == 0 && ids.n == 0)
        rc = error_set(&err, EINVAL, "no job is named");
    for (size_t i = 0; rc == 0 && i < ids.n; i++) {
        char path[80];

        snprintf(path, sizeof(path), "/v1/job/%" PRId64 "/%s", ids.v[i].job_id,
                 argv[0]);
        rc = client_call(c, "POST", path, NULL, "job", NULL, &err);
        if (rc < 0)
            fprintf(stderr, "%s for job %" PRId64 "\n", err.text,
                    ids.v[i].job_id);
    }
    if (rc < 0 && ids.n == 0)
        cmd_failed("scontrol", &err);
    id_list_clear(&ids);
    return rc < 0 ? EXIT_FAILED : 0;
}

static int act(struct client *c, int argc, char **argv, bool oneline)
{
    if (strcasecmp(argv[0], "show") == 0)
        return show(c, argc, argv, oneline);
    if (strcasecmp(argv[0], "ping") == 0)
        return ping(c);
    if (strcasecmp(argv[0], "hold") == 0 || strcasecmp(argv[0], "release") == 0)
        return change(c, argc, argv);
    return cmd_usage("fallow scontrol",
                     "\"%s\" is not taken yet: show, ping, hold, release, "
                     "version",
                     argv[0]);
}

int cmd_scontrol(int argc, char **argv)
{
    static const struct option options[] = {
        {"oneliner", no_argument, NULL, 'o'},
        {"all", no_argument, NULL, 'a'},
        {"details", no_argument, NULL, 'd'},
        {"cluster", required_argument, NULL, 'M'},
        {"clusters", required_argument, NULL, 'M'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct error err = {""};
    struct client client;
    bool oneline = false;
    int c, rc;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":adhM:oV", options, NULL)) >= 0) {
        if (c == 'o')
            oneline = true;
        if (c == 'h')
            return fputs(usage_text, stdout), 0;
        if (c == 'V')
            return puts("slurm 23.11.0"), 0;
        if (c == ':' || c == '?')
            return cmd_usage("fallow scontrol",
                             c == ':' ? "%s needs a value"
                                      : "unknown option %s",
                             argv[optind - 1]);
    }
    if (optind >= argc)
        return cmd_usage("fallow scontrol", "no command is named");
    if (strcasecmp(argv[optind], "version") == 0)
        return puts("slurm 23.11.0"), 0;
    if (client_open(&client, &err) < 0)
        return cmd_failed("scontrol", &err);
    rc = act(&client, argc - optind, argv + optind, oneline);
    client_close(&client);
    return rc;
}
