/* SPDX-License-Identifier: Apache-2.0 */
/* jobrow.c - a line of squeue or sacct, and what its fields say */
#include "sched/cmd/jobrow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    F_JOBARRAYID,
    F_JOBID,
    F_ARRAYJOBID,
    F_ARRAYTASKID,
    F_NAME,
    F_USER,
    F_ACCOUNT,
    F_PARTITION,
    F_STATE,
    F_STATECOMPACT,
    F_TIMEUSED,
    F_TIMELIMIT,
    F_TIMELEFT,
    F_NODES,
    F_CPUS,
    F_REASONLIST,
    F_REASON,
    F_NODELIST,
    F_SUBMIT,
    F_START,
    F_END,
    F_PRIORITY,
    F_NICE,
    F_COMMAND,
    F_DEPENDENCY,
    F_TRES,
    F_MINMEMORY,
    F_TASKS,
    F_BATCHHOST,
    F_QOS,
};

const struct field squeue_fields[] = {
    [F_JOBARRAYID] = {'i', "JobArrayId", "JOBID", 0},
    [F_JOBID] = {'A', "JobId", "JOBID", 0},
    [F_ARRAYJOBID] = {'F', "ArrayJobId", "ARRAY_JOB_ID", 0},
    [F_ARRAYTASKID] = {'K', "ArrayTaskId", "ARRAY_TASK_ID", 0},
    [F_NAME] = {'j', "Name", "NAME", 0},
    [F_USER] = {'u', "UserName", "USER", 0},
    [F_ACCOUNT] = {'a', "Account", "ACCOUNT", 0},
    [F_PARTITION] = {'P', "Partition", "PARTITION", 0},
    [F_STATE] = {'T', "State", "STATE", 0},
    [F_STATECOMPACT] = {'t', "StateCompact", "ST", 0},
    [F_TIMEUSED] = {'M', "TimeUsed", "TIME", 0},
    [F_TIMELIMIT] = {'l', "TimeLimit", "TIME_LIMIT", 0},
    [F_TIMELEFT] = {'L', "TimeLeft", "TIME_LEFT", 0},
    [F_NODES] = {'D', "NumNodes", "NODES", 0},
    [F_CPUS] = {'C', "NumCPUs", "CPUS", 0},
    [F_REASONLIST] = {'R', "ReasonList", "NODELIST(REASON)", 0},
    [F_REASON] = {'r', "Reason", "REASON", 0},
    [F_NODELIST] = {'N', "NodeList", "NODELIST", 0},
    [F_SUBMIT] = {'V', "SubmitTime", "SUBMIT_TIME", 0},
    [F_START] = {'S', "StartTime", "START_TIME", 0},
    [F_END] = {'e', "EndTime", "END_TIME", 0},
    [F_PRIORITY] = {'Q', "PriorityLong", "PRIORITY", 0},
    [F_NICE] = {'y', "Nice", "NICE", 0},
    [F_COMMAND] = {'o', "Command", "COMMAND", 0},
    [F_DEPENDENCY] = {'E', "Dependency", "DEPENDENCY", 0},
    [F_TRES] = {'b', "tres-per-node", "TRES_PER_NODE", 0},
    [F_MINMEMORY] = {'m', "MinMemory", "MIN_MEMORY", 0},
    [F_TASKS] = {0, "NumTasks", "TASKS", 0},
    [F_BATCHHOST] = {'B', "BatchHost", "EXEC_HOST", 0},
    [F_QOS] = {'q', "QOS", "QOS", 0},
};
const int squeue_n_fields = sizeof(squeue_fields) / sizeof(squeue_fields[0]);

static const char *reason_text(const struct job_row *r)
{
    if (r->job->state == JOB_HELD)
        return *r->job->reason ? r->job->reason : "JobHeldUser";
    return *r->job->reason ? r->job->reason : "None";
}

static int64_t used_us(const struct job_row *r)
{
    int64_t end = r->job->ended_us ? r->job->ended_us : r->now_us;

    return r->since_us && end > r->since_us ? end - r->since_us : 0;
}

static bool is_waiting(const struct job_row *r)
{
    return r->state == JOB_PENDING || r->state == JOB_HELD;
}

/* Identity and size of a line. */
static bool id_value(const struct job_row *r, int field, char *out)
{
    const struct rec_job *j = r->job;
    char text[COLUMN_TEXT];

    switch (field) {
    case F_JOBARRAYID:
        if (r->task < 0)
            job_id_text(j, out, COLUMN_TEXT);
        else
            job_task_text(j, r->task, out, COLUMN_TEXT);
        return true;
    case F_JOBID:
    case F_ARRAYJOBID:
        snprintf(out, COLUMN_TEXT, "%" PRId64, j->job_id);
        return true;
    case F_ARRAYTASKID:
        job_id_text(j, text, sizeof(text));
        if (!j->is_array)
            snprintf(out, COLUMN_TEXT, "N/A");
        else if (r->task >= 0)
            snprintf(out, COLUMN_TEXT, "%" PRId64,
                     j->array_first + r->task * j->array_step);
        else
            snprintf(out, COLUMN_TEXT, "%s", strchr(text, '[') + 1);
        if (j->is_array && r->task < 0)
            out[strcspn(out, "]")] = '\0';
        return true;
    case F_NODES:
    case F_CPUS:
        snprintf(out, COLUMN_TEXT, "%u", r->workers ? r->workers : 1);
        return true;
    case F_TASKS: snprintf(out, COLUMN_TEXT, "%u", j->tasks); return true;
    default: return false;
    }
}

static bool time_value(const struct job_row *r, int field, char *out)
{
    const struct rec_job *j = r->job;
    int64_t left;

    switch (field) {
    case F_TIMEUSED: short_time_text(used_us(r), out, COLUMN_TEXT); return true;
    case F_TIMELIMIT:
    case F_TIMELEFT:
        left = j->time_limit_us - (field == F_TIMELEFT ? used_us(r) : 0);
        if (j->time_limit_us)
            short_time_text(left, out, COLUMN_TEXT);
        else
            snprintf(out, COLUMN_TEXT, "UNLIMITED");
        return true;
    case F_SUBMIT: date_text(j->submitted_us, "N/A", out, COLUMN_TEXT); break;
    case F_START: date_text(r->since_us, "N/A", out, COLUMN_TEXT); break;
    case F_END: date_text(j->ended_us, "N/A", out, COLUMN_TEXT); break;
    default: return false;
    }
    return true;
}

static const char *plain_value(const struct job_row *r, int field)
{
    const struct rec_job *j = r->job;

    switch (field) {
    case F_NAME: return j->name;
    case F_USER: return j->user_name;
    case F_PARTITION: return j->zone;
    case F_STATE: return job_state_name(r->state);
    case F_STATECOMPACT: return job_state_code(r->state);
    case F_REASON: return is_waiting(r) ? reason_text(r) : "None";
    case F_NODELIST: return r->nodes;
    case F_COMMAND: return j->kernel;
    case F_PRIORITY: return "1";
    case F_TRES: return "N/A";
    case F_MINMEMORY: return "0";
    case F_BATCHHOST: return *r->nodes ? r->nodes : "n/a";
    case F_QOS: return "normal";
    default: return "(null)";
    }
}

void squeue_value(const void *row, int field, char *out)
{
    const struct job_row *r = row;

    if (id_value(r, field, out) || time_value(r, field, out))
        return;
    if (field == F_NICE)
        snprintf(out, COLUMN_TEXT, "%d", r->job->nice);
    else if (field == F_REASONLIST && (is_waiting(r) || r->state == JOB_FAILED))
        snprintf(out, COLUMN_TEXT, "(%s)", reason_text(r));
    else
        snprintf(out, COLUMN_TEXT, "%s",
                 plain_value(r, field == F_REASONLIST ? F_NODELIST : field));
}

/* ---- sacct --------------------------------------------------------------- */

enum {
    S_JOBID,
    S_JOBIDRAW,
    S_JOBNAME,
    S_PARTITION,
    S_ACCOUNT,
    S_ALLOCCPUS,
    S_NCPUS,
    S_REQCPUS,
    S_STATE,
    S_EXITCODE,
    S_DERIVED,
    S_ELAPSED,
    S_ELAPSEDRAW,
    S_SUBMIT,
    S_START,
    S_END,
    S_NTASKS,
    S_NNODES,
    S_USER,
    S_TIMELIMIT,
    S_TOTALCPU,
    S_MAXRSS,
    S_REQMEM,
    S_NODELIST,
    S_REASON,
    S_COMMENT,
    S_ADMINCOMMENT,
    S_CLUSTER,
    S_QOS,
    S_WORKDIR,
    S_ALLOCTRES,
};

const struct field sacct_fields[] = {
    [S_JOBID] = {0, "JobID", NULL, -12},
    [S_JOBIDRAW] = {0, "JobIDRaw", NULL, -12},
    [S_JOBNAME] = {0, "JobName", NULL, 10},
    [S_PARTITION] = {0, "Partition", NULL, 10},
    [S_ACCOUNT] = {0, "Account", NULL, 10},
    [S_ALLOCCPUS] = {0, "AllocCPUS", NULL, 10},
    [S_NCPUS] = {0, "NCPUS", NULL, 10},
    [S_REQCPUS] = {0, "ReqCPUS", NULL, 8},
    [S_STATE] = {0, "State", NULL, 10},
    [S_EXITCODE] = {0, "ExitCode", NULL, 8},
    [S_DERIVED] = {0, "DerivedExitCode", NULL, 15},
    [S_ELAPSED] = {0, "Elapsed", NULL, 10},
    [S_ELAPSEDRAW] = {0, "ElapsedRaw", NULL, 10},
    [S_SUBMIT] = {0, "Submit", NULL, 19},
    [S_START] = {0, "Start", NULL, 19},
    [S_END] = {0, "End", NULL, 19},
    [S_NTASKS] = {0, "NTasks", NULL, 8},
    [S_NNODES] = {0, "NNodes", NULL, 8},
    [S_USER] = {0, "User", NULL, 9},
    [S_TIMELIMIT] = {0, "Timelimit", NULL, 10},
    [S_TOTALCPU] = {0, "TotalCPU", NULL, 10},
    [S_MAXRSS] = {0, "MaxRSS", NULL, 10},
    [S_REQMEM] = {0, "ReqMem", NULL, 10},
    [S_NODELIST] = {0, "NodeList", NULL, 15},
    [S_REASON] = {0, "Reason", NULL, 22},
    [S_COMMENT] = {0, "Comment", NULL, 14},
    [S_ADMINCOMMENT] = {0, "AdminComment", NULL, 15},
    [S_CLUSTER] = {0, "Cluster", NULL, 10},
    [S_QOS] = {0, "QOS", NULL, 10},
    [S_WORKDIR] = {0, "WorkDir", NULL, 20},
    [S_ALLOCTRES] = {0, "AllocTRES", NULL, 10},
};
const int sacct_n_fields = sizeof(sacct_fields) / sizeof(sacct_fields[0]);

static void sacct_id(const struct job_row *r, bool raw, char *out)
{
    char id[COLUMN_TEXT];

    if (raw)
        snprintf(id, sizeof(id), "%" PRId64, r->job->job_id);
    else
        job_id_text(r->job, id, sizeof(id));
    if (r->step < 0)
        snprintf(out, COLUMN_TEXT, "%s", id);
    else
        snprintf(out, COLUMN_TEXT, "%.240s.%d", id, r->step);
}

static bool sacct_time(const struct job_row *r, int field, char *out)
{
    const struct rec_job *j = r->job;

    switch (field) {
    case S_ELAPSED: long_time_text(used_us(r), out, COLUMN_TEXT); break;
    case S_ELAPSEDRAW:
        snprintf(out, COLUMN_TEXT, "%" PRId64, used_us(r) / 1000000);
        break;
    case S_SUBMIT:
        date_text(j->submitted_us, "Unknown", out, COLUMN_TEXT);
        break;
    case S_START: date_text(r->since_us, "Unknown", out, COLUMN_TEXT); break;
    case S_END: date_text(j->ended_us, "Unknown", out, COLUMN_TEXT); break;
    case S_TIMELIMIT:
        if (j->time_limit_us)
            long_time_text(j->time_limit_us, out, COLUMN_TEXT);
        else
            snprintf(out, COLUMN_TEXT, "UNLIMITED");
        break;
    case S_TOTALCPU: snprintf(out, COLUMN_TEXT, "00:00:00"); break;
    default: return false;
    }
    return true;
}

static const char *sacct_text(const struct job_row *r, int field)
{
    const struct rec_job *j = r->job;

    switch (field) {
    case S_JOBNAME: return r->step < 0 ? j->name : j->kernel;
    case S_PARTITION: return r->step < 0 ? j->zone : "";
    case S_STATE: return job_state_name(r->state);
    case S_USER: return r->step < 0 ? j->user_name : "";
    case S_EXITCODE: return r->state == JOB_FAILED ? "1:0" : "0:0";
    case S_DERIVED:
        return r->step >= 0 ? "" : r->state == JOB_FAILED ? "1:0" : "0:0";
    case S_NODELIST:
        return *r->nodes ? r->nodes : r->since_us ? "" : "None assigned";
    case S_REASON: return *j->reason ? j->reason : "None";
    default: return "";
    }
}

void sacct_value(const void *row, int field, char *out)
{
    const struct job_row *r = row;

    if (sacct_time(r, field, out))
        return;
    switch (field) {
    case S_JOBID: sacct_id(r, false, out); break;
    case S_JOBIDRAW: sacct_id(r, true, out); break;
    case S_ALLOCCPUS:
    case S_NCPUS:
    case S_REQCPUS:
    case S_NNODES:
        snprintf(out, COLUMN_TEXT, "%u", r->workers ? r->workers : 1);
        break;
    case S_NTASKS:
        if (r->step >= 0)
            snprintf(out, COLUMN_TEXT, "%u", r->job->tasks);
        else
            out[0] = '\0';
        break;
    default: snprintf(out, COLUMN_TEXT, "%s", sacct_text(r, field));
    }
}

/* ---- rows ---------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

void node_list_text(const int64_t *numbers, size_t n, const char *prefix,
                    char *out, size_t cap)
{
    size_t used = 0, parts = 0;
    char body[160];

    out[0] = body[0] = '\0';
    for (size_t i = 0; i < n && used + 48 < sizeof(body);) {
        size_t k = i;

        while (k + 1 < n && numbers[k + 1] <= numbers[k] + 1)
            k++;
        used += (size_t)snprintf(body + used, sizeof(body) - used, "%s%" PRId64,
                                 parts++ ? "," : "", numbers[i]);
        if (numbers[k] > numbers[i])
            used += (size_t)snprintf(body + used, sizeof(body) - used,
                                     "-%" PRId64, numbers[k]);
        i = k + 1;
    }
    if (n && strpbrk(body, ",-"))
        snprintf(out, cap, "%s[%s]", prefix, body);
    else if (n)
        snprintf(out, cap, "%s%s", prefix, body);
}

/* The workers of a job, each once; their number. */
static uint32_t job_workers(const struct jobs *jobs, int64_t job_id, char *out,
                            size_t cap)
{
    int64_t *v = calloc(jobs->n_leases + 1, sizeof(*v));
    size_t n = 0, kept = 0;

    out[0] = '\0';
    for (size_t i = 0; v && i < jobs->n_leases; i++)
        if (jobs->leases[i].job_id == job_id && jobs->leases[i].worker[0])
            v[n++] = strtoll(jobs->leases[i].worker + 1, NULL, 10);
    if (v && n)
        qsort(v, n, sizeof(*v), compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || v[i] != v[kept - 1])
            v[kept++] = v[i];
    if (kept)
        node_list_text(v, kept, "v", out, cap);
    free(v);
    return (uint32_t)kept;
}

struct row_list {
    struct job_row *v;
    size_t n, cap;
};

static struct job_row *add_row(struct row_list *l, const struct rec_job *job,
                               int64_t now_us)
{
    struct job_row *r;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct job_row *more = reallocarray(l->v, cap, sizeof(*more));

        if (!more)
            return NULL;
        l->v = more;
        l->cap = cap;
    }
    r = &l->v[l->n++];
    memset(r, 0, sizeof(*r));
    r->job = job;
    r->task = -1;
    r->step = -1;
    r->state = job->state;
    r->since_us = job->started_us;
    r->now_us = now_us;
    return r;
}

/* Running tasks of an array; their number, or -1. */
static long add_leased(struct row_list *l, const struct jobs *jobs,
                       const struct rec_job *job, int64_t now_us)
{
    long n = 0;

    for (size_t i = 0; i < jobs->n_leases; i++) {
        const struct job_lease *lease = &jobs->leases[i];
        struct job_row *r;

        if (lease->job_id != job->job_id)
            continue;
        if (!(r = add_row(l, job, now_us)))
            return -1;
        r->task = lease->task;
        r->state = JOB_RUNNING;
        r->workers = 1;
        r->since_us = lease->granted_us;
        snprintf(r->nodes, sizeof(r->nodes), "%s", lease->worker);
        n++;
    }
    return n;
}

static int add_array(struct row_list *l, const struct jobs *jobs,
                     const struct rec_job *job, int64_t now_us, bool each)
{
    uint32_t ended = job->tasks_done + job->tasks_failed + job->tasks_cancelled;
    long running = add_leased(l, jobs, job, now_us);
    struct job_row *r;

    if (running < 0)
        return -1;
    if (!job_has_ended(job) && ended + (uint64_t)running >= job->tasks &&
        running)
        return 0;
    if (each && ended == 0 && running == 0) {
        for (uint32_t t = 0; t < job->tasks; t++) {
            if (!(r = add_row(l, job, now_us)))
                return -1;
            r->task = t;
        }
        return 0;
    }
    if (!(r = add_row(l, job, now_us)))
        return -1;
    /* What does not run waits, whatever the job as a whole does. */
    if (job->state == JOB_RUNNING && ended < job->tasks) {
        r->state = JOB_PENDING;
        r->since_us = 0;
    }
    return 0;
}

long squeue_rows(const struct jobs *jobs, int64_t now_us, bool each,
                 struct job_row **out)
{
    struct row_list l = {0};

    for (size_t i = 0; i < jobs->n; i++) {
        const struct rec_job *job = &jobs->v[i];
        struct job_row *r;

        if (job->is_array) {
            if (add_array(&l, jobs, job, now_us, each) < 0)
                goto error;
            continue;
        }
        if (!(r = add_row(&l, job, now_us)))
            goto error;
        r->workers = job_workers(jobs, job->job_id, r->nodes, sizeof(r->nodes));
    }
    *out = l.v;
    return (long)l.n;
error:
    free(l.v);
    *out = NULL;
    errno = ENOMEM;
    return -1;
}

/* Slurm's words, and which states of ours they are. */
int job_states_parse(const char *text, uint32_t *set, struct error *err)
{
    static const char *const never[] = {
        "SUSPENDED",     "S",   "TIMEOUT",     "TO",
        "NODE_FAIL",     "NF",  "PREEMPTED",   "PR",
        "BOOT_FAIL",     "BF",  "DEADLINE",    "DL",
        "OUT_OF_MEMORY", "OOM", "CONFIGURING", "CF",
        "REQUEUED",      "RQ",  "RESIZING",    "RS",
        "REVOKED",       "RV",  "SIGNALING",   "SI",
        "SPECIAL_EXIT",  "SE",  "STAGE_OUT",   "SO",
        "STOPPED",       "ST",  NULL};

    *set = 0;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        bool known = n == 3 && strncasecmp(p, "all", 3) == 0;

        if (known)
            *set = ~UINT32_C(0);
        for (int s = JOB_PENDING; n && s <= JOB_HELD; s++) {
            const char *name = job_state_name(s), *code = job_state_code(s);

            if ((strlen(name) == n && strncasecmp(p, name, n) == 0) ||
                (strlen(code) == n && strncasecmp(p, code, n) == 0)) {
                *set |= UINT32_C(1) << s;
                known = true;
            }
        }
        for (const char *const *w = never; n && *w; w++)
            known = known || (strlen(*w) == n && strncasecmp(p, *w, n) == 0);
        if (!known)
            return error_set(err, EINVAL, "Invalid job state specified: %.*s",
                             (int)n, p);
        p += n + (p[n] == ',');
    }
    return 0;
}
