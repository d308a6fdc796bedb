/* SPDX-License-Identifier: Apache-2.0 */
/* runner.h - the calls of fallow-runner, one function each
 *
 * doc/3-runner.md is the contract.  Each function prints its answer on
 * standard output and returns 0, or -1 with errno and err; nothing here ends
 * the process.
 */
#ifndef FALLOW_WORKER_RUNNER_H
#define FALLOW_WORKER_RUNNER_H

#include <signal.h>

#include "common/error.h"
#include "plugins/work/work.h"

/* Larger inputs and results are refused before they are mapped. */
#define RUNNER_FILE_MAX ((size_t)4 << 30)

/* The command line, decoded. */
struct runner_args {
    char call;           /* which of the calls, 0 = none yet */
    const char *kernel;  /* NAME of DIR/work/NAME.so */
    const char *variant; /* NULL = the best usable */
    const char *dir;     /* of --split and --assemble */
    const char *params;  /* directory, read-only */
    const char *input;
    const char *output;
    const char *results;
    const char *filter; /* of --serve: a seccomp program for its tasks */
    int threads;
    int argc; /* split: the kernel's own words */
    char **argv;
    const volatile sig_atomic_t *stop;
};

int runner_list(struct error *err);
int runner_describe(const struct work_plugin *w, struct error *err);

/* errno EILSEQ: the digest differs from the committed one. */
int runner_selftest(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err);
int runner_estimate(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err);

/* errno ECANCELED: *a->stop became non-zero. */
int runner_run(const struct work_plugin *w, const struct runner_args *a,
               struct error *err);

/* --run again and again: a line feed on standard input starts a process that
 * does it, and {"exit": status} says that it ended.  Returns 0 at the end of
 * the input.
 */
int runner_serve(const struct work_plugin *w, const struct runner_args *a,
                 struct error *err);
int runner_split(const struct work_plugin *w, const struct runner_args *a,
                 struct error *err);
int runner_assemble(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err);

/* Print one JSON object as one line, flush, and drop the reference.  Returns
 * 0, or -1 with errno (ENOMEM, or of the write).
 */
int runner_print(json_t *object, struct error *err);

/* SHA-256 over the lines NAME SIZE SHA256 of the files in dir sorted by name;
 * list, when not NULL, receives a new array of {"name", "sha256", "size"}.
 * errno EINVAL: something there is no regular file or has an odd name.
 */
int runner_params_digest(const char *dir, struct digest *out, json_t **list,
                         struct error *err);

#endif
