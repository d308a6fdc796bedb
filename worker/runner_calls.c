/* SPDX-License-Identifier: Apache-2.0 */
/* runner_calls.c - what the worker asks: list, describe, selftest, estimate
 * and run
 */
#include "worker/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/file.h"
#include "common/plugin.h"

#define PROGRESS_NS 200000000

int runner_print(json_t *object, struct error *err)
{
    int rc;

    if (!object)
        return error_set(err, ENOMEM, "could not build an answer");
    rc = json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    if (rc < 0 || putchar('\n') == EOF || fflush(stdout) == EOF)
        return error_set(err, EIO, "could not write to standard output");
    return 0;
}

/* NAME-WHAT.so beside NAME.so is a part of that kernel, and none itself. */
static bool is_part(const char *name, char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(names[i]);

        if (strncmp(names[i], name, k) == 0 && name[k] == '-')
            return true;
    }
    return false;
}

int runner_list(struct error *err)
{
    json_t *kernels = json_array();
    char **names;
    size_t n;

    if (plugin_names("work", &names, &n, err) < 0) {
        json_decref(kernels);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (!is_part(names[i], names, n))
            json_array_append_new(kernels, json_string(names[i]));
    plugin_names_free(names, n);
    return runner_print(json_pack("{s:o}", "kernels", kernels), err);
}

static bool usable(const struct work_plugin *w, const char *variant)
{
    return !w->usable || w->usable(variant);
}

int runner_describe(const struct work_plugin *w, struct error *err)
{
    json_t *variants = json_array();
    char hex[DIGEST_HEX_LEN + 1];
    struct digest spec;

    digest_of(w->spec, strlen(w->spec), &spec);
    digest_to_hex(&spec, hex);
    for (size_t i = 0; w->variants[i]; i++)
        if (usable(w, w->variants[i]))
            json_array_append_new(variants, json_string(w->variants[i]));
    return runner_print(
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "name",
                  w->name, "version", w->version, "spec", hex, "unit",
                  w->info->unit, "summary", w->info->summary, "device",
                  w->info->device, "usage", w->info->usage, "variants",
                  variants, "known_answer", w->known_answer),
        err);
}

/* The wanted variant, else the best usable one; NULL with errno ENOTSUP. */
static const char *choose(const struct work_plugin *w, const char *wanted,
                          struct error *err)
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; w->variants[i]; i++) {
        const char *v = w->variants[i];
        int k;

        if (!usable(w, v))
            continue;
        if (!wanted || strcmp(wanted, v) == 0)
            return v;
        k = snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
                     v);
        used += k > 0 && (size_t)k < sizeof(list) - used ? (size_t)k : 0;
    }
    return error_null(err, ENOTSUP,
                      "variant \"%s\" of %s is not usable here; there are: %s",
                      wanted ? wanted : "", w->name, list);
}

int runner_selftest(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err)
{
    const char *variant = choose(w, a->variant, err);
    char hex[DIGEST_HEX_LEN + 1];
    struct digest got;
    int match;

    if (!variant || w->selftest(variant, &got, err) < 0)
        return -1;
    digest_to_hex(&got, hex);
    match = strcmp(hex, w->known_answer) == 0;
    if (runner_print(json_pack("{s:s, s:s, s:b}", "variant", variant, "digest",
                               hex, "match", match),
                     err) < 0)
        return -1;
    return match ? 0
                 : error_set(err, EILSEQ,
                             "kernel %s variant %s computes %s, the known "
                             "answer is %s",
                             w->name, variant, hex, w->known_answer);
}

/* An opened kernel with the items of one call. */
struct session {
    void *ctx;
    void *buf;
    struct item *items;
    size_t n;
};

static void session_end(const struct work_plugin *w, struct session *s)
{
    int saved_errno = errno;

    if (s->ctx)
        w->close(s->ctx);
    free(s->items);
    free(s->buf);
    errno = saved_errno;
}

static int session_begin(const struct work_plugin *w,
                         const struct runner_args *a, struct session *s,
                         struct error *err)
{
    struct work_open o = {.params = a->params, .threads = a->threads};
    size_t len;

    o.variant = choose(w, a->variant, err);
    if (!o.variant || file_read(a->input, RUNNER_FILE_MAX, &s->buf, &len, err))
        return -1;
    if (items_parse(s->buf, len, &s->items, &s->n, err) < 0)
        return error_prefix(err, "%s", a->input);
    s->ctx = w->open(&o, err);
    return s->ctx ? 0 : -1;
}

int runner_estimate(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err)
{
    struct session s = {0};
    struct work_estimate e = {0};
    int rc = session_begin(w, a, &s, err);

    if (rc == 0)
        rc = w->estimate(s.ctx, s.items, s.n, &e, err);
    if (rc == 0)
        rc = runner_print(
            json_pack("{s:I, s:I, s:I, s:I}", "units", (json_int_t)e.units,
                      "ram", (json_int_t)e.ram, "out_bytes",
                      (json_int_t)e.out_bytes, "items", (json_int_t)s.n),
            err);
    session_end(w, &s);
    return rc;
}

struct meter {
    struct timespec last;
    uint64_t of;
};

static int64_t elapsed_ns(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(now.tv_sec - since->tv_sec) * 1000000000 +
           (now.tv_nsec - since->tv_nsec);
}

static void on_progress(void *arg, uint64_t done)
{
    struct meter *m = arg;

    if (elapsed_ns(&m->last) < PROGRESS_NS)
        return;
    clock_gettime(CLOCK_MONOTONIC, &m->last);
    printf("{\"progress\":%ju,\"of\":%ju}\n", (uintmax_t)done,
           (uintmax_t)m->of);
    fflush(stdout);
}

static int write_results(const struct work_plugin *w,
                         const struct runner_args *a, const char *variant,
                         const struct item_result *r, size_t n, int64_t took_ns,
                         struct error *err)
{
    struct digest kernel, params;
    struct merkle_sum root = {0};
    char hex[DIGEST_HEX_LEN + 1];
    void *buf;
    size_t len;
    int rc;

    digest_of(w->spec, strlen(w->spec), &kernel);
    if (runner_params_digest(a->params, &params, NULL, err) < 0 ||
        results_root(r, n, &kernel, &params, &root, err) < 0 ||
        results_format(r, n, &buf, &len, err) < 0)
        return -1;
    rc = file_write(a->output, buf, len, false, err);
    free(buf);
    if (rc < 0)
        return -1;
    digest_to_hex(&root.hash, hex);
    return runner_print(json_pack("{s:b, s:I, s:I, s:s, s:I, s:s, s:f}", "done",
                                  1, "items", (json_int_t)n, "units",
                                  (json_int_t)root.units, "root", hex, "bytes",
                                  (json_int_t)root.bytes, "variant", variant,
                                  "seconds", (double)took_ns * 1e-9),
                        err);
}

int runner_run(const struct work_plugin *w, const struct runner_args *a,
               struct error *err)
{
    struct session s = {0};
    struct item_result *r = NULL;
    struct meter meter = {.last = {0}};
    struct work_control ctl = {a->stop, on_progress, &meter};
    struct timespec start;
    int rc = session_begin(w, a, &s, err);

    if (rc == 0 && s.n == 0)
        rc = error_set(err, EINVAL, "%s has no items", a->input);
    if (rc == 0 && !(r = calloc(s.n, sizeof(*r))))
        rc = error_set(err, ENOMEM, "could not allocate %zu results", s.n);
    if (rc == 0) {
        meter.of = s.n;
        clock_gettime(CLOCK_MONOTONIC, &start);
        meter.last = start;
        rc = w->run(s.ctx, s.items, s.n, r, &ctl, err);
    }
    if (rc == 0)
        rc = write_results(w, a, w->variant(s.ctx), r, s.n, elapsed_ns(&start),
                           err);
    for (size_t i = 0; r && i < s.n; i++)
        free((void *)(uintptr_t)r[i].bytes);
    free(r);
    session_end(w, &s);
    return rc;
}
