/* SPDX-License-Identifier: Apache-2.0 */
/* columns.c - tables as Slurm prints them, to the byte */
#include "sched/cmd/columns.h"

#include <errno.h>

#include "sched/cmd/jobrow.h"
#include "sched/cmd/noderow.h"
#include "sched/cmd/listing.h"
#include "sched/cmd/money.h"
#include "sched/cmd/progress.h"
#include "t/tap.h"

#define NOW INT64_C(1795176000000000) /* 2026-11-20T12:00:00 UTC */
#define SECOND INT64_C(1000000)

static struct rec_job jobs_v[4];
static struct job_lease leases_v[3];

/* A running job of three workers, an array, a held job, a finished one. */
static struct jobs some_jobs(void)
{
    struct rec_job *j = jobs_v;

    memset(jobs_v, 0, sizeof(jobs_v));
    for (int i = 0; i < 4; i++) {
        j[i].job_id = 7 + i;
        j[i].submitted_us = NOW - 600 * SECOND;
        j[i].tasks = 10;
        j[i].array_step = 1;
        snprintf(j[i].name, sizeof(j[i].name), "%s",
                 i == 0 ? "a long job name" : "glosses");
        snprintf(j[i].user_name, sizeof(j[i].user_name), "ada");
        snprintf(j[i].zone, sizeof(j[i].zone), "cell");
        snprintf(j[i].kernel, sizeof(j[i].kernel), "embed");
    }
    j[0].state = JOB_RUNNING;
    j[0].started_us = NOW - 3725 * SECOND;
    j[1].state = JOB_RUNNING;
    j[1].is_array = true;
    j[1].array_first = 5;
    j[1].array_step = 5;
    j[1].started_us = NOW - 60 * SECOND;
    j[2].state = JOB_HELD;
    j[3].state = JOB_COMPLETED;
    j[3].started_us = NOW - 500 * SECOND;
    j[3].ended_us = NOW - 435 * SECOND;
    leases_v[0] = (struct job_lease){7, 0, "v3", NOW - SECOND};
    leases_v[1] = (struct job_lease){7, 1, "v2", NOW - SECOND};
    leases_v[2] = (struct job_lease){8, 2, "v12", NOW - 5 * SECOND};
    return (struct jobs){4, jobs_v, 3, leases_v};
}

static char printed[4096];

/* All rows through one format, into printed. */
static void print_squeue(const char *format, bool list)
{
    struct columns c = {.fields = squeue_fields,
                        .n_fields = squeue_n_fields,
                        .value = squeue_value};
    struct jobs jobs = some_jobs();
    struct job_row *rows;
    struct error err = {""};
    long n = squeue_rows(&jobs, NOW, false, &rows);
    FILE *out = fmemopen(printed, sizeof(printed), "w");
    int rc = list ? columns_list(&c, format, &err)
                  : columns_percent(&c, format, &err);

    if (rc == 0) {
        columns_fit(&c, rows, (size_t)n, sizeof(*rows));
        columns_header(&c, out);
        for (long i = 0; i < n; i++)
            columns_row(&c, &rows[i], out);
    } else {
        fputs(err.text, out);
    }
    fputc('\0', out);
    fclose(out);
    free(rows);
}

static const struct {
    const char *format;
    bool list;
    const char *want, *title;
} squeues[] = {
    {"%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R", false,
     "             JOBID PARTITION     NAME     USER ST       TIME  NODES "
     "NODELIST(REASON)\n"
     "                 7      cell a long j      ada  R    1:02:05      2 "
     "v[2-3]\n"
     "              8_15      cell  glosses      ada  R       0:05      1 "
     "v12\n"
     "        8_[5-50:5]      cell  glosses      ada PD       0:00      1 "
     "(None)\n"
     "                 9      cell  glosses      ada PD       0:00      1 "
     "(JobHeldUser)\n"
     "                10      cell  glosses      ada CD       1:05      1 \n",
     "Slurm's default columns"},
    {"%i|%T", false,
     "JOBID|STATE\n7|RUNNING\n8_15|RUNNING\n8_[5-50:5]|PENDING\n9|PENDING\n"
     "10|COMPLETED\n",
     "natural widths and a suffix"},
    {" %A,%t", false, " JOBID,ST\n 7,R\n 8,R\n 8,PD\n 9,PD\n 10,CD\n",
     "a prefix stands in every line"},
    {"%#j|%4u|%.1t", false,
     "NAME           |USER|S\na long job name|ada |R\n"
     "glosses        |ada |R\nglosses        |ada |P\n"
     "glosses        |ada |P\nglosses        |ada |C\n",
     "as wide as the longest, padded, cut"},
    {"%K %l %L %V", false,
     "ARRAY_TASK_ID TIME_LIMIT TIME_LEFT SUBMIT_TIME\n"
     "N/A UNLIMITED UNLIMITED 2026-11-20T11:50:00\n"
     "15 UNLIMITED UNLIMITED 2026-11-20T11:50:00\n"
     "5-50:5 UNLIMITED UNLIMITED 2026-11-20T11:50:00\n"
     "N/A UNLIMITED UNLIMITED 2026-11-20T11:50:00\n"
     "N/A UNLIMITED UNLIMITED 2026-11-20T11:50:00\n",
     "indices, limits and dates"},
    {"JobId:6,State:.10|", true,
     "JOBID      STATE|\n7        RUNNING|\n8        RUNNING|\n"
     "8        PENDING|\n9        PENDING|\n10     COMPLETED|\n",
     "the language of -O"},
    {"jobarrayid:,statecompact", true,
     "JOBIDST                  \n7R                   \n"
     "8_15R                   \n8_[5-50:5]PD                  \n"
     "9PD                  \n10CD                  \n",
     "-O without a width is 20 wide, with : natural"},
    {"%z", false, "Invalid job format specification: z", "an unknown letter"},
    {"JobId,Colour", true,
     "Invalid field requested: \"Colour\"; --helpformat lists what there is",
     "an unknown field"},
};

static void test_squeue(void)
{
    for (size_t i = 0; i < sizeof(squeues) / sizeof(*squeues); i++) {
        print_squeue(squeues[i].format, squeues[i].list);
        is_str(printed, squeues[i].want, "squeue %s: %s", squeues[i].format,
               squeues[i].title);
    }
}

static void test_expanded(void)
{
    struct jobs jobs = some_jobs();
    struct job_row *rows;
    char text[COLUMN_TEXT];

    jobs_v[1].state = JOB_PENDING;
    jobs.n_leases = 0;
    is_int(squeue_rows(&jobs, NOW, true, &rows), 13,
           "-r parts an array that has not begun");
    squeue_value(&rows[10], 0, text);
    is_str(text, "8_50", "its last task has the last index");
    free(rows);
}

static void print_sacct(const char *format, const struct sacct_style *style)
{
    struct columns c = {.fields = sacct_fields,
                        .n_fields = sacct_n_fields,
                        .value = sacct_value};
    struct jobs jobs = some_jobs();
    struct job_row row = {.task = -1, .step = -1, .now_us = NOW};
    struct error err = {""};
    FILE *out = fmemopen(printed, sizeof(printed), "w");

    if (columns_sacct(&c, format, &err) == 0) {
        row.job = &jobs.v[3];
        row.state = row.job->state;
        row.since_us = row.job->started_us;
        sacct_header(&c, style, out);
        sacct_row(&c, style, &row, out);
        row.step = 0;
        sacct_row(&c, style, &row, out);
    } else {
        fputs(err.text, out);
    }
    fputc('\0', out);
    fclose(out);
}

static void test_sacct(void)
{
    struct sacct_style padded = {true, NULL, false};
    struct sacct_style parsable = {true, "|", true};
    struct sacct_style bare = {false, "|", false};
    struct sacct_style odd = {false, "^|^", true};

    print_sacct("JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode",
                &padded);
    is_str(printed,
           "JobID           JobName  Partition    Account  AllocCPUS      "
           "State ExitCode \n"
           "------------ ---------- ---------- ---------- ---------- "
           "---------- -------- \n"
           "10              glosses       cell                     1  "
           "COMPLETED      0:0 \n"
           "10.0              embed                                1  "
           "COMPLETED      0:0 \n",
           "sacct's default columns");
    print_sacct("jobid%5,State%6,NTasks%-8", &padded);
    is_str(printed,
           "JobID  State NTasks   \n----- ------ -------- \n"
           "   10 COMPL+          \n 10.0 COMPL+ 10       \n",
           "widths of one's own, cut with +");
    print_sacct("JobID,Elapsed,Start,End", &parsable);
    is_str(printed,
           "JobID|Elapsed|Start|End|\n"
           "10|00:01:05|2026-11-20T11:51:40|2026-11-20T11:52:45|\n"
           "10.0|00:01:05|2026-11-20T11:51:40|2026-11-20T11:52:45|\n",
           "-p ends every line with its delimiter");
    print_sacct("JobIDRaw,State,User", &bare);
    is_str(printed, "10|COMPLETED|ada\n10.0|COMPLETED|\n",
           "-P -n has neither header nor end");
    print_sacct("JobID,State", &odd);
    is_str(printed, "10^|^COMPLETED^|^\n10.0^|^COMPLETED^|^\n",
           "a delimiter of three characters");
    print_sacct("JobID,Shoes", &padded);
    like(printed, "Invalid field requested: \"Shoes\"", "an unknown field");
}

static void test_sinfo(void)
{
    struct node v[] = {{1, "idle", "public", 2, 4 << 20, 0, "echo"},
                       {2, "alloc", "public", 4, 8 << 20, 1, "echo"},
                       {3, "idle", "cell", 1, 2 << 20, 0, "echo"}};
    struct nodes nodes = {3, v};
    struct columns c = {.fields = sinfo_fields,
                        .n_fields = sinfo_n_fields,
                        .value = sinfo_value};
    struct error err;
    struct node_row *rows;
    long n = sinfo_rows(&nodes, true, false, NULL, &rows);
    FILE *out = fmemopen(printed, sizeof(printed), "w");

    columns_percent(&c, "%#P %.5a %.10l %.6D %.6t %N", &err);
    columns_fit(&c, rows, (size_t)n, sizeof(*rows));
    columns_header(&c, out);
    for (long i = 0; i < n; i++)
        columns_row(&c, &rows[i], out);
    free(rows);
    n = sinfo_rows(&nodes, false, false, NULL, &rows);
    columns_percent(&c, "%C %F", &err);
    for (long i = 0; i < n; i++)
        columns_row(&c, &rows[i], out);
    free(rows);
    fputc('\0', out);
    fclose(out);
    is_str(printed,
           "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"
           "cell*        up   infinite      2   idle v[1,3]\n"
           "cell*        up   infinite      1  alloc v2\n"
           "public       up   infinite      1   idle v1\n"
           "public       up   infinite      1  alloc v2\n"
           "4/3/0/7 1/2/0/3\n",
           "sinfo's default columns, and all workers in one line");
}

static const struct {
    int64_t v[6];
    size_t n;
    const char *want;
} lists[] = {
    {{1}, 1, "v1"},        {{1, 2, 3}, 3, "v[1-3]"},
    {{1, 3}, 2, "v[1,3]"}, {{1, 2, 4, 7, 8, 9}, 6, "v[1-2,4,7-9]"},
    {{0}, 0, ""},
};

static void test_texts(void)
{
    static const struct {
        int64_t micro;
        const char *want;
    } sums[] = {{0, "0.00"},           {1, "0.000001"},   {9999, "0.009999"},
                {10000, "0.01"},       {1234567, "1.23"}, {1235000, "1.24"},
                {-10000000, "-10.00"}, {-5, "-0.000005"}};
    char text[160];
    uint32_t set;
    struct error err;

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        node_list_text(lists[i].v, lists[i].n, "v", text, sizeof(text));
        is_str(text, lists[i].want, "node list %zu", i);
    }
    for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
        money_text(sums[i].micro, text, sizeof(text));
        is_str(text, sums[i].want, "money %zu", i);
    }
    count_text(1234567, text, sizeof(text));
    is_str(text, "1,234,567", "thousands are parted");
    is_int(job_states_parse("pd,Running,TO", &set, &err), 0,
           "states in any case, long and compact");
    is_int(set, 1u << JOB_PENDING | 1u << JOB_HELD | 1u << JOB_RUNNING,
           "a held job is pending, and nothing of ours times out");
    is_int(job_states_parse("R,sleeping", &set, &err), -1,
           "an unknown state is refused");
    progress_line(text, sizeof(text), 80, "run", 30, 120, 3000000, "x");
    is_str(text,
           "run       [######------------------] 30/120  10/s  0:09 left"
           "  x",
           "a progress line");
    progress_line(text, sizeof(text), 60, "run", 30, 120, 3000000,
                  "12 checked");
    is_str(text, "run       [##---------] 30/120  10/s  0:09 left  12 checked",
           "the bar is what gives way");
    progress_line(text, sizeof(text), 20, "run", 30, 120, 3000000, NULL);
    is_int(strlen(text), 19, "is cut to the terminal");
}

static void test_ids(void)
{
    struct id_list l = {0};
    struct error err;
    int64_t id, task;

    is_int(job_id_parse("12_3", &id, &task, &err), 0, "N_INDEX is an id");
    ok(id == 12 && task == 3, "of job 12, index 3");
    is_int(job_id_parse("12.0", &id, &task, &err), 0, "N.STEP is one");
    is_int(job_id_parse("0", &id, &task, &err), -1, "0 is none");
    is_int(job_id_parse("12x", &id, &task, &err), -1, "12x is none");
    is_int(id_list_add(&l, "4,5 6", &err), 0, "ids by comma or blank");
    is_int(l.n, 3, "are three");
    ok(id_listed(&l, 5, NULL, -1) && !id_listed(&l, 7, NULL, -1),
       "5 is listed, 7 is not");
    id_list_clear(&l);
    ok(word_listed("a,bc", "bc") && !word_listed("a,bc", "b") &&
           word_listed(NULL, "x"),
       "words match whole, no list matches all");
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    test_squeue();
    test_expanded();
    test_sacct();
    test_sinfo();
    test_texts();
    test_ids();
    done_testing();
    return exit_status();
}
