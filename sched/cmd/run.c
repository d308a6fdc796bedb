/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - fallow run: a kernel on this machine, without any cell
 *
 * The same three steps as through a cell (split, run, assemble) and the same
 * bytes in the end.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/kernel.h"
#include "sched/cmd/pieces.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/progress.h"
#include "sched/cmd/scratch.h"

static const char who[] = "fallow run";

static const char usage_text[] =
    "usage: fallow run [--threads N] [--processes N] KERNEL [WORDS...]\n"
    "       fallow run KERNEL --help\n"
    "\n"
    "  --threads N     threads of each process (all cores)\n"
    "  --processes N   processes that share the items (1)\n"
    "  --variant V     this one instead of the best usable\n"
    "  --quiet         no summary\n";

struct run {
    const char *kernel;
    int argc; /* the kernel's words */
    char **argv;
    int threads, processes;
    int quiet;
    const char *variant; /* NULL = the best usable */
    char *dir;           /* scratch */
    json_t *plan;
    struct kernel_piece *pieces;
    struct progress bar;
    struct kernel_watch watch;
};

static int online_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) < 1)
        return 1;
    return CPU_COUNT(&set);
}

static int print_kernels(void)
{
    struct error err = {""};
    json_t *list = kernel_list(&err), *name;
    size_t i;

    fputs(usage_text, stdout);
    if (!list)
        return cmd_failed(who, &err);
    puts("\nkernels:");
    json_array_foreach(json_object_get(list, "kernels"), i, name)
    {
        json_t *d = kernel_describe(json_string_value(name), &err);
        const char *s = json_string_value(json_object_get(d, "summary"));

        printf("  %-16s %s\n", json_string_value(name), s ? s : err.text);
        json_decref(d);
    }
    json_decref(list);
    return 0;
}

static int print_kernel(const char *kernel)
{
    struct error err = {""};
    json_t *d = kernel_describe(kernel, &err), *v;
    const char *usage = json_string_value(json_object_get(d, "usage"));
    const char *summary = json_string_value(json_object_get(d, "summary"));
    const char *unit = json_string_value(json_object_get(d, "unit"));
    size_t i;

    if (!d)
        return cmd_failed(who, &err);
    printf("usage: fallow run %s [WORDS...]\n%s %s\n\n%s\nvariants:", kernel,
           kernel, summary ? summary : "", usage ? usage : "");
    json_array_foreach(json_object_get(d, "variants"), i, v)
        printf(" %s", json_string_value(v));
    printf("\nunit: %s\n", unit ? unit : "");
    json_decref(d);
    return 0;
}

static int parse_count(const char *option, const char *text, int *out)
{
    char *end;
    long v = strtol(text, &end, 10);

    if (end == text || *end || v < 1 || v > 1024)
        return cmd_usage(who, "%s %s is not a number from 1 to 1024", option,
                         text);
    *out = (int)v;
    return 0;
}

/* Returns 0 to go on, else 1 + exit status. */
static int parse(struct run *r, int argc, char **argv)
{
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'},
        {"processes", required_argument, NULL, 'p'},
        {"variant", required_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c, rc = 0;

    opterr = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "+:qh", options, NULL)) >= 0)
        switch (c) {
        case 't': rc = parse_count("--threads", optarg, &r->threads); break;
        case 'p': rc = parse_count("--processes", optarg, &r->processes); break;
        case 'v': r->variant = optarg; break;
        case 'q': r->quiet = 1; break;
        case 'h': return 1 + print_kernels();
        case ':':
            rc = cmd_usage(who, "%s needs a value", argv[optind - 1]);
            break;
        default: rc = cmd_usage(who, "unknown option %s", argv[optind - 1]);
        }
    if (rc == 0 && optind >= argc)
        rc = cmd_usage(who, "no kernel is named");
    if (rc)
        return 1 + rc;
    r->kernel = argv[optind];
    r->argc = argc - optind - 1;
    r->argv = argv + optind + 1;
    for (int i = 0; i < r->argc; i++)
        if (strcmp(r->argv[i], "--help") == 0)
            return 1 + print_kernel(r->kernel);
    return 0;
}

static void show(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total, NULL);
}

static uint64_t plan_number(const json_t *plan, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(plan, name));

    return v > 0 ? (uint64_t)v : 0;
}

static const char *plan_output(const json_t *plan)
{
    return json_string_value(
        json_object_get(json_object_get(plan, "output"), "path"));
}

static int split(struct run *r, struct error *err)
{
    const char *output;
    char *dir = file_path(r->dir, "split");

    if (!dir || scratch_mkdir(dir, 0700, err) < 0) {
        free(dir);
        return -1;
    }
    progress_begin(&r->bar, "prepare");
    r->plan = kernel_split(r->kernel, dir, r->argc, r->argv, &r->watch, err);
    progress_end(&r->bar);
    free(dir);
    if (!r->plan)
        return -1;
    kernel_say(who, r->plan, !r->quiet);
    output = plan_output(r->plan);
    return output ? scratch_check_output(output, err) : 0;
}

/* One items file a process. */
static int cut(struct run *r, const char *items, struct error *err)
{
    struct pieces all;
    size_t at = 0, n = (size_t)r->processes;
    int rc = pieces_open(&all, items, err);

    if (rc < 0)
        return -1;
    if (n > all.n)
        r->processes = (int)(n = all.n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t end = all.n * (i + 1) / n, len;
        void *buf;

        if (asprintf(&r->pieces[i].input, "%s/items-%zu", r->dir, i) < 0 ||
            asprintf(&r->pieces[i].output, "%s/results-%zu", r->dir, i) < 0) {
            rc = error_set(err, ENOMEM, "could not allocate a path");
            break;
        }
        rc = pieces_format(&all, at, end - at, &buf, &len, err);
        if (rc == 0) {
            rc = file_write(r->pieces[i].input, buf, len, false, err);
            free(buf);
        }
        at = end;
    }
    pieces_close(&all);
    return rc;
}

static int join(struct run *r, const char *results, struct error *err)
{
    struct joiner *j = joiner_create(err);
    int rc = j ? 0 : -1;

    for (int i = 0; rc == 0 && i < r->processes; i++)
        rc = joiner_add_file(j, r->pieces[i].output, err);
    if (rc == 0)
        rc = joiner_write(j, results, err);
    joiner_destroy(j);
    return rc;
}

static int compute(struct run *r, const char *results, char variant[32],
                   struct error *err)
{
    char *items = NULL, *params = NULL;
    int rc = 0;

    if (asprintf(&items, "%s/split/items", r->dir) < 0 ||
        asprintf(&params, "%s/split/params", r->dir) < 0)
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0)
        rc = cut(r, items, err);
    progress_begin(&r->bar, r->kernel);
    if (rc == 0)
        rc = kernel_run(r->kernel, params, r->pieces, (size_t)r->processes,
                        r->threads, plan_number(r->plan, "items"), &r->watch,
                        r->variant, variant, err);
    progress_end(&r->bar);
    if (rc == 0)
        rc = join(r, results, err);
    free(items);
    free(params);
    return rc;
}

static void summary(const struct run *r, const char *variant, double seconds)
{
    uint64_t items = plan_number(r->plan, "items");
    const char *output = plan_output(r->plan);

    if (r->quiet)
        return;
    fprintf(stderr, "%s: %ju items in %.2f s (%.0f/s, %s)%s%s\n", who,
            (uintmax_t)items, seconds, (double)items / seconds, variant,
            output ? " -> " : "", output ? output : "");
}

static int work(struct run *r, struct error *err)
{
    char variant[32] = "?", *results = NULL, *dir = NULL;
    int rc = split(r, err);

    if (rc == 0 && (asprintf(&results, "%s/results", r->dir) < 0 ||
                    asprintf(&dir, "%s/split", r->dir) < 0))
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0)
        rc = compute(r, results, variant, err);
    if (rc == 0) {
        double s = (double)(progress_elapsed_us(&r->bar) + 1) / 1e6;

        rc = kernel_assemble(r->kernel, dir, results, err);
        if (rc == 0)
            summary(r, variant, s);
    }
    free(results);
    free(dir);
    return rc;
}

static void run_clear(struct run *r)
{
    for (int i = 0; r->pieces && i < r->processes; i++) {
        free(r->pieces[i].input);
        free(r->pieces[i].output);
    }
    free(r->pieces);
    json_decref(r->plan);
    scratch_destroy(r->dir);
}

int cmd_run(int argc, char **argv)
{
    struct run r = {.processes = 1};
    struct error err = {""};
    int rc = parse(&r, argc, argv), interrupted;

    if (rc)
        return rc - 1;
    if (!r.threads)
        r.threads = (online_cores() + r.processes - 1) / r.processes;
    r.watch = (struct kernel_watch){show, &r.bar, proc_catch_stop()};
    r.pieces = calloc((size_t)r.processes, sizeof(*r.pieces));
    r.dir = scratch_create("fallow-run", &err);
    rc = r.pieces && r.dir ? work(&r, &err) : -1;
    interrupted = rc < 0 && errno == ECANCELED;
    run_clear(&r);
    if (interrupted) {
        cmd_failed(who, &err);
        return EXIT_INTERRUPTED;
    }
    return rc < 0 ? cmd_failed(who, &err) : 0;
}
