/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - what a kernel shows to fallow-runner
 *
 * One loadable object a kernel, plugins/work/NAME.so, exporting exactly one
 * symbol, `const struct work_plugin fallow_work`.  Only fallow-runner loads
 * it, one process a task, inside the sandbox; a crash costs that task and
 * nothing else.  Three parties call it, all through fallow-runner:
 *
 *   the customer   split: user's files and options -> parameters and items
 *                  assemble: results in item order -> the user's output file
 *   the worker     open, estimate, run on the items of one lease
 *   the referee    the same with the variant "ref"
 *
 * A plugin reads no clock, network or random source.  run() must give the same
 * canonical bytes and units for an item whatever the variant, thread count,
 * batch and neighbours (kernels.md, doc/5-exactness.md).
 */
#ifndef FALLOW_PLUGINS_WORK_WORK_H
#define FALLOW_PLUGINS_WORK_WORK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/digest.h"
#include "common/error.h"
#include "common/items.h"

#define WORK_ABI 1
#define WORK_SYMBOL "fallow_work"

/* One line of `fallow-runner --describe KERNEL`. */
struct work_info {
    const char *unit;    /* what is counted, e.g. "multiply-accumulates" */
    const char *summary; /* one line for people */
    const char *device;  /* "cpu" */
    const char *usage;   /* option lines shown by --help; ends with \n */
};

/* What split() writes.  dir holds, after success:
 *   params/…     files every task needs (the model), regular files without
 *                sub-directories; the runner makes the directory; may stay
 *                empty
 *   items        one items file with all items in row order
 *   units        u64be per item, the exact units run() will count
 *   plan.json    {"kernel", "spec", "items", "units", "chunk": items a task,
 *                 "params": [{"name", "sha256", "size"}…] sorted by name,
 *                 "params_digest", "output": {…kernel's own…},
 *                 "warnings": [text…], "notes": [text…]}
 * A plugin fills plan with what it knows: chunk (>= 1), output (an object
 * whose "path" is the user's output file), warnings, notes (what it decided,
 * such as a length); the runner adds the rest and writes the file.  A split
 * that fails may leave files in dir: the caller removes the directory.
 */
struct work_split {
    int argc;        /* the kernel's own words: --model X --input Y … */
    char **argv;     /* argv[0] is the kernel's name */
    const char *dir; /* an empty directory to fill */
    json_t *plan;    /* object to add to; owned by the caller */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
};

/* What assemble() reads: the plan made by split (with "output" as written
 * there) and every item's result in item order.
 */
struct work_assemble {
    const char *dir; /* split's directory */
    const json_t *plan;
    const struct item_result *results; /* plan's "items" of them */
    size_t n;
};

struct work_open {
    const char *params;  /* directory with the parameter files, read-only */
    const char *variant; /* NULL = best that works here, else a name */
    int threads;         /* >= 1; the caller has bound the process */
};

/* One lease's cost before it runs. */
struct work_estimate {
    uint64_t units;     /* sum over the items, exact */
    uint64_t ram;       /* bytes resident at peak */
    uint64_t out_bytes; /* of all results together, upper bound */
};

/* Per-call progress and stop.  run() looks at *stop at least every 50 ms of
 * work per thread and returns -1 with errno ECANCELED once it is non-zero.
 */
struct work_control {
    const volatile sig_atomic_t *stop;
    void (*progress)(void *arg, uint64_t done);
    void *arg;
};

struct work_plugin {
    uint32_t abi; /* WORK_ABI */
    const char *name;
    const char *version;
    const char *spec;         /* canonical text of the arithmetic: every
                               * constant and rule that changes bits; its
                               * SHA-256 is the kernel digest */
    const char *known_answer; /* hex digest selftest() must reproduce */
    const struct work_info *info;
    const char *const *variants; /* best first, "ref" last, NULL ends */

    /* Whether a listed variant works on this machine; NULL slot: all do. */
    bool (*usable)(const char *variant);

    /* Customer's side.  assemble writes plan's output path by temporary file
     * and rename (file_write); every result has code 0.  0, or -1 with errno
     * and err naming value, place (file:line) and remedy.
     */
    int (*split)(const struct work_split *s, struct error *err);
    int (*assemble)(const struct work_assemble *a, struct error *err);

    /* Worker's side.  open validates and loads the parameters; NULL + errno:
     * EBADMSG malformed, ENOTSUP variant not usable here, ENOMEM.
     */
    void *(*open)(const struct work_open *o, struct error *err);
    const char *(*variant)(const void *ctx); /* the one chosen */
    int (*estimate)(void *ctx, const struct item *items, size_t n,
                    struct work_estimate *out, struct error *err);
    /* Fill out[i] for every item.  out[i].bytes are allocated by run and
     * freed by the caller with free().  An item that cannot be computed is a
     * result: code != 0, units so far, no bytes; it is no error of run().
     */
    int (*run)(void *ctx, const struct item *items, size_t n,
               struct item_result *out, const struct work_control *ctl,
               struct error *err);
    void (*close)(void *ctx);

    /* Compute the known answer with a variant; 0 and the digest, or -1. */
    int (*selftest)(const char *variant, struct digest *out, struct error *err);
};

#endif
