/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - what the commands ask of a kernel */
#include "sched/cmd/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/cmd/layout.h"
#include "sched/cmd/proc.h"

#define PIECES_MAX 1024

/* What a runner printed: all of it, or only its last line. */
struct answer {
    char *text;
    const struct kernel_watch *watch;
};

static void keep_line(void *arg, const char *line)
{
    struct answer *a = arg;

    free(a->text);
    a->text = strdup(line);
}

/* `progress DONE TOTAL` on standard error, while it splits. */
static void split_progress(void *arg, const char *line)
{
    struct answer *a = arg;
    uint64_t done, total;

    if (a->watch && a->watch->progress &&
        sscanf(line, "progress %" SCNu64 " %" SCNu64, &done, &total) == 2)
        a->watch->progress(a->watch->arg, done, total);
}

static json_t *ask(char **argv, const struct kernel_watch *watch,
                   struct error *err)
{
    struct answer a = {.watch = watch};
    struct proc_spec spec = {
        .argv = argv, .out = keep_line, .err = split_progress, .arg = &a};
    json_error_t je;
    json_t *j = NULL;

    argv[0] = layout_program("fallow-runner", err);
    if (argv[0] && proc_run(&spec, watch ? watch->stop : NULL, err) == 0) {
        j = json_loads(a.text ? a.text : "", JSON_REJECT_DUPLICATES, &je);
        if (!j)
            error_set(err, EBADMSG, "fallow-runner %s did not answer: %s",
                      argv[1], je.text);
    }
    free(argv[0]);
    free(a.text);
    return j;
}

json_t *kernel_list(struct error *err)
{
    char *argv[] = {NULL, (char[]){"--list"}, NULL};

    return ask(argv, NULL, err);
}

json_t *kernel_describe(const char *kernel, struct error *err)
{
    char *name = strdup(kernel);
    char *argv[] = {NULL, (char[]){"--describe"}, name, NULL};
    json_t *j = name ? ask(argv, NULL, err)
                     : error_null(err, ENOMEM, "could not allocate a name");

    free(name);
    return j;
}

json_t *kernel_split(const char *kernel, const char *dir, int argc,
                     char *const *argv, const struct kernel_watch *watch,
                     struct error *err)
{
    char **v = calloc((size_t)argc + 8, sizeof(*v));
    char *name = strdup(kernel), *where = strdup(dir);
    json_t *plan;

    if (!v || !name || !where) {
        plan = error_null(err, ENOMEM, "could not allocate words");
    } else {
        v[1] = (char[]){"--split"};
        v[2] = name;
        v[3] = (char[]){"--dir"};
        v[4] = where;
        v[5] = (char[]){"--"};
        for (int i = 0; i < argc; i++)
            v[6 + i] = argv[i];
        plan = ask(v, watch, err);
    }
    free(v);
    free(name);
    free(where);
    return plan;
}

void kernel_say(const char *who, const json_t *plan, bool notes)
{
    const json_t *line;
    size_t i;

    json_array_foreach(json_object_get(plan, "notes"), i, line)
    {
        if (notes)
            fprintf(stderr, "%s: %s\n", who, json_string_value(line));
    }
    json_array_foreach(json_object_get(plan, "warnings"), i, line)
        fprintf(stderr, "%s: warning: %s\n", who, json_string_value(line));
}

json_t *kernel_estimate(const char *kernel, const char *params,
                        const char *items, struct error *err)
{
    char *name = strdup(kernel), *p = strdup(params), *i = strdup(items);
    char *argv[] = {NULL, (char[]){"--estimate"}, name, (char[]){"--params"},
                    p,    (char[]){"--input"},    i,    NULL};
    json_t *j = NULL;

    if (!name || !p || !i)
        error_set(err, ENOMEM, "could not allocate words");
    else
        j = ask(argv, NULL, err);
    free(name);
    free(p);
    free(i);
    return j;
}

int kernel_assemble(const char *kernel, const char *dir, const char *results,
                    struct error *err)
{
    char *name = strdup(kernel), *d = strdup(dir), *r = strdup(results);
    char *argv[] = {NULL, (char[]){"--assemble"}, name, (char[]){"--dir"},
                    d,    (char[]){"--results"},  r,    NULL};
    json_t *j = NULL;

    if (!name || !d || !r)
        error_set(err, ENOMEM, "could not allocate words");
    else
        j = ask(argv, NULL, err);
    free(name);
    free(d);
    free(r);
    json_decref(j);
    return j ? 0 : -1;
}

/* All pieces together, while they run. */
struct crowd {
    struct kernel_piece *pieces;
    size_t n;
    uint64_t total;
    const struct kernel_watch *watch;
    char *variant; /* of the first that ends; 32 bytes, or NULL */
};

struct member {
    struct crowd *crowd;
    size_t i;
};

static void run_line(void *arg, const char *line)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;
    json_t *j = json_loads(line, 0, NULL);
    json_t *done = json_object_get(j, "progress");
    const char *variant = json_string_value(json_object_get(j, "variant"));
    uint64_t sum = 0;

    if (!done)
        done = json_object_get(j, "items");
    if (json_is_integer(done))
        c->pieces[m->i].done = (uint64_t)json_integer_value(done);
    if (variant && c->variant)
        snprintf(c->variant, 32, "%s", variant);
    json_decref(j);
    for (size_t i = 0; i < c->n; i++)
        sum += c->pieces[i].done;
    if (c->watch && c->watch->progress)
        c->watch->progress(c->watch->arg, sum, c->total);
}

static struct proc *start_piece(char *runner, const char *kernel,
                                const char *params, struct member *m,
                                int threads, const char *want,
                                struct error *err)
{
    struct kernel_piece *piece = &m->crowd->pieces[m->i];
    char number[16], *name = strdup(kernel), *dir = strdup(params);
    char variant_word[] = "--variant";
    char *argv[] = {runner,
                    (char[]){"--run"},
                    name,
                    (char[]){"--params"},
                    dir,
                    (char[]){"--input"},
                    piece->input,
                    (char[]){"--output"},
                    piece->output,
                    (char[]){"--threads"},
                    number,
                    want ? variant_word : NULL,
                    (char *)(uintptr_t)want,
                    NULL};
    struct proc_spec spec = {.argv = argv, .out = run_line, .arg = m};
    struct proc *p = NULL;

    snprintf(number, sizeof(number), "%d", threads);
    if (name && dir)
        p = proc_start(&spec, err);
    else
        error_set(err, ENOMEM, "could not allocate words");
    free(name);
    free(dir);
    return p;
}

int kernel_run(const char *kernel, const char *params,
               struct kernel_piece *pieces, size_t n, int threads,
               uint64_t total, const struct kernel_watch *watch,
               const char *want, char variant[32], struct error *err)
{
    struct crowd crowd = {pieces, n, total, watch, variant};
    struct proc **v = calloc(n, sizeof(struct proc *));
    struct member *m = calloc(n, sizeof(*m));
    char *runner = layout_program("fallow-runner", err);
    int rc = runner ? 0 : -1;
    size_t started = 0;

    if (rc == 0 && (!v || !m || n > PIECES_MAX))
        rc = error_set(err, ENOMEM, "could not start %zu processes", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        m[i] = (struct member){&crowd, i};
        v[i] = start_piece(runner, kernel, params, &m[i], threads, want, err);
        if (v[i])
            started++;
        else
            rc = -1;
    }
    if (rc == 0)
        rc = proc_wait_all(v, n, watch ? watch->stop : NULL, err);
    for (size_t i = 0; i < started; i++)
        proc_destroy(v[i]);
    free(v);
    free(m);
    free(runner);
    return rc;
}
