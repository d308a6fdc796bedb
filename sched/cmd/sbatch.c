/* SPDX-License-Identifier: Apache-2.0 */
/* sbatch.c - fallow sbatch and fallow srun: submit a job */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/fetch.h"
#include "sched/cmd/jobs.h"
#include "sched/cmd/money.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/submit.h"

/* What sbatch and srun differ in. */
struct batch {
    const char *who;
    struct job_options options;
    struct jobscript script;
    const char *default_name;
    bool is_srun;
};

static void warn_line(void *arg, const char *text)
{
    const struct batch *b = arg;

    fprintf(stderr, "%s: warning: %s\n", b->who, text);
}

static int batch_failed(const struct batch *b, const char *prefix,
                        const struct error *err)
{
    fprintf(stderr, "%s: error: %s%s\n", b->who, prefix, err->text);
    return EXIT_FAILED;
}

static void print_usage(const struct batch *b)
{
    printf("usage: fallow %s\n"
           "\n"
           "  -J, --job-name NAME     as squeue shows it\n"
           "  -a, --array A-B[:STEP]  a task for every index\n"
           "  -t, --time LIMIT        M, H:M:S, D-H…\n"
           "  -D, --chdir DIR         where relative paths begin\n"
           "  -H, --hold              wait for scontrol release\n"
           "      --nice[=N]          let others go first\n"
           "  -W, --wait              until it has ended; assemble its output\n"
           "      --parsable          print the number only\n"
           "      --test-only         check, and submit nothing\n"
           "      --wrap LINE         in place of a script: its srun line\n"
           "      --zone Z            own, site, cell or public\n"
           "      --max-cost SUM      refuse to cost more\n"
           "      --chunk N           items a task\n"
           "      --quote             print the price, and submit nothing\n",
           b->is_srun ? "srun [OPTIONS] KERNEL [WORDS...]"
                      : "sbatch [OPTIONS] [SCRIPT]");
}

/* A whole script from standard input. */
static int read_stdin(void **buf, size_t *len, struct error *err)
{
    size_t cap = 65536, n;
    char *text = malloc(cap + 1);

    *len = 0;
    while (text && (n = fread(text + *len, 1, cap - *len, stdin)) > 0) {
        *len += n;
        if (*len > JOBSCRIPT_MAX)
            break;
        if (*len == cap) {
            char *more = realloc(text, cap * 2 + 1);

            if (!more)
                free(text);
            text = more;
            cap *= 2;
        }
    }
    *buf = text;
    return text ? 0 : error_set(err, ENOMEM, "could not allocate a script");
}

static int read_script(struct batch *b, const char *path, struct error *err)
{
    bool from_stdin =
        !path || strcmp(path, "/dev/stdin") == 0 || strcmp(path, "-") == 0;
    const char *slash = path ? strrchr(path, '/') : NULL;
    void *text = NULL;
    size_t len;
    int rc;

    if (from_stdin) {
        path = "(standard input)";
        b->default_name = "sbatch";
        rc = read_stdin(&text, &len, err);
    } else {
        b->default_name = slash ? slash + 1 : path;
        rc = file_read(path, JOBSCRIPT_MAX, &text, &len, err);
    }
    if (rc == 0)
        rc = jobscript_parse(path, text, len, &b->options, &b->script, err);
    free(text);
    return rc;
}

/* Script, environment, command line: the later overrules. */
static int read_batch(struct batch *b, int argc, char **argv, int rest,
                      struct error *err)
{
    struct job_options first = {.warn = NULL};
    int rc = job_options_take(&first, argc, argv, &rest, err);
    const char *path = rest < argc ? argv[rest] : NULL;

    if (rc == 0 && first.wrap && path)
        rc = error_set(err, EINVAL, "script %s and --wrap exclude each other",
                       path);
    else if (rc == 0 && argc - rest > 1)
        rc = error_set(err, EINVAL,
                       "\"%s\": a kernel's script takes no arguments; write "
                       "them in its srun line",
                       argv[rest + 1]);
    if (rc == 0 && first.wrap) {
        b->default_name = "wrap";
        rc = jobscript_parse_line("--wrap", first.wrap, &b->options, &b->script,
                                  err);
    } else if (rc == 0) {
        rc = read_script(b, path, err);
    }
    job_options_clear(&first);
    if (rc == 0)
        rc = job_options_environment(&b->options, err);
    if (rc == 0)
        rc = job_options_take(&b->options, argc, argv, &rest, err);
    return rc;
}

static void print_quote(const struct batch *b, const struct submit *s,
                        const struct msg_quote *q)
{
    char total[32], work[32], fee[32], prepaid[32], units[32];

    money_text(q->amount + q->fee, total, sizeof(total));
    money_text(q->amount, work, sizeof(work));
    money_text(q->fee, fee, sizeof(fee));
    money_text(q->prepaid, prepaid, sizeof(prepaid));
    count_text((uint64_t)q->units, units, sizeof(units));
    printf("%s %s: %" PRIu64 " items in %u tasks, %s units\n", b->who,
           s->spec.job.kernel, s->spec.job.items, s->spec.job.tasks, units);
    printf("at most %s %s: work %s, fee %s; tariff %" PRId64
           ", prepaid %s %s\n",
           total, q->unit, work, fee, q->tariff_id, prepaid, q->unit);
}

/* Wait, assemble, and say how it ended; sbatch --wait's exit status. */
static int see_through(struct batch *b, struct client *c, int64_t job_id,
                       struct error *err)
{
    struct rec_job job;
    char *path = NULL;

    if (wait_job(c, job_id, &job, err) < 0 && errno == ECANCELED) {
        fprintf(stderr,
                "%s: job %" PRId64 " goes on; `fallow fetch %" PRId64
                "` gets its output, `fallow scancel %" PRId64 "` ends it\n",
                b->who, job_id, job_id, job_id);
        return EXIT_INTERRUPTED;
    }
    if (!job_has_ended(&job))
        return batch_failed(b, "", err);
    if (job.state != JOB_COMPLETED) {
        error_set(err, ECHILD, "job %" PRId64 " ended as %s%s%s", job_id,
                  job_state_name(job.state), *job.reason ? ": " : "",
                  job.reason);
        return batch_failed(b, "", err);
    }
    if (fetch_job(c, &job, NULL, &path, err) < 0)
        return batch_failed(b, "", err);
    free(path);
    return 0;
}

static int report(struct batch *b, struct client *c, const struct msg_quote *q,
                  struct error *err)
{
    if (b->options.parsable)
        printf("%" PRId64 "\n", q->job_id);
    else if (!b->options.quiet && !b->is_srun)
        printf("Submitted batch job %" PRId64 "\n", q->job_id);
    fflush(stdout);
    if (isatty(STDERR_FILENO) && !b->options.quiet && q->amount + q->fee > 0) {
        char sum[32];

        money_text(q->amount + q->fee, sum, sizeof(sum));
        fprintf(stderr, "%s: at most %s %s\n", b->who, sum, q->unit);
    }
    if (!b->options.wait && !b->is_srun)
        return 0;
    return see_through(b, c, q->job_id, err);
}

static int submit(struct batch *b, struct client *c, struct error *err)
{
    static const char failed[] = "Batch job submission failed: ";
    struct submit s = {.who = b->who};
    struct msg_quote q;
    int rc =
        submit_prepare(&s, c, &b->options, &b->script, b->default_name, err);

    if (rc == 0 && (b->options.quote || b->options.test_only)) {
        rc = submit_quote(&s, c, &q, err);
        if (rc == 0 && b->options.quote)
            print_quote(b, &s, &q);
        else if (rc == 0)
            fprintf(stderr, "%s: Job would be taken: %u tasks of kernel %s\n",
                    b->who, s.spec.job.tasks, s.spec.job.kernel);
        rc = rc < 0 ? batch_failed(b, "", err) : 0;
        submit_clear(&s);
        return rc;
    }
    if (rc == 0)
        rc = submit_send(&s, c, &q, err);
    submit_clear(&s);
    if (rc < 0 && errno == ECANCELED) {
        batch_failed(b, "", err);
        return EXIT_INTERRUPTED;
    }
    return rc < 0 ? batch_failed(b, failed, err) : report(b, c, &q, err);
}

static int run_batch(struct batch *b)
{
    struct error err = {""};
    struct client c;
    int rc;

    if (client_open(&c, &err) < 0)
        return batch_failed(b, "", &err);
    c.stop = proc_catch_stop();
    if (b->options.chdir && chdir(b->options.chdir) < 0) {
        error_set(&err, errno, "--chdir=%s: %s", b->options.chdir,
                  strerror(errno));
        rc = batch_failed(b, "", &err);
    } else {
        rc = submit(b, &c, &err);
    }
    client_close(&c);
    return rc;
}

/* Returns 0 to go on, else 1 + exit status. */
static int answer_questions(const struct batch *b)
{
    if (b->options.help) {
        print_usage(b);
        return 1;
    }
    if (b->options.version) {
        puts("slurm 23.11.0");
        return 1;
    }
    return 0;
}

int cmd_sbatch(int argc, char **argv)
{
    struct batch b = {.who = "sbatch"};
    struct job_options asked = {.warn = NULL};
    struct error err = {""};
    int rest = 1, rc;

    b.options.warn = warn_line;
    b.options.warn_arg = &b;
    rc = job_options_take(&asked, argc, argv, &rest, &err);
    if (rc == 0 && (asked.help || asked.version)) {
        b.options.help = asked.help;
        b.options.version = asked.version;
    } else if (rc == 0) {
        rc = read_batch(&b, argc, argv, rest, &err);
    }
    job_options_clear(&asked);
    if (rc < 0)
        rc = batch_failed(&b, "", &err);
    else if (!answer_questions(&b))
        rc = run_batch(&b);
    jobscript_clear(&b.script);
    job_options_clear(&b.options);
    return rc;
}

int cmd_srun(int argc, char **argv)
{
    struct batch b = {.who = "srun", .is_srun = true};
    struct error err = {""};
    int rest = 1, rc;

    b.options.warn = warn_line;
    b.options.warn_arg = &b;
    rc = job_options_take(&b.options, argc, argv, &rest, &err);
    if (rc == 0 && !b.options.help && !b.options.version && rest >= argc)
        rc = error_set(&err, EINVAL, "no kernel is named: srun KERNEL words");
    if (rc < 0) {
        rc = batch_failed(&b, "", &err);
    } else if (!answer_questions(&b)) {
        b.script.argc = argc - rest;
        b.script.argv = argv + rest;
        b.default_name = argv[rest];
        rc = run_batch(&b);
    }
    job_options_clear(&b.options);
    return rc;
}
