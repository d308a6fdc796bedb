/* SPDX-License-Identifier: Apache-2.0 */
/* echo.c - the smallest kernel: an item's bytes are its result
 *
 * Template for new kernels and test double for everything around them; one
 * unit an item.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "plugins/work/work.h"

#define INPUT_MAX ((size_t)1 << 30)
#define COUNT_MAX 100000000

struct echo {
    int threads;
};

/* The words after `srun echo`. */
struct words {
    const char *input;
    const char *output;
    uint64_t count;
    uint64_t chunk;
};

static int parse_number(const char *option, const char *text, uint64_t *out,
                        struct error *err)
{
    char *end;

    errno = 0;
    *out = strtoumax(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || *out < 1 ||
        *out > COUNT_MAX)
        return error_set(err, EINVAL, "%s %s is not a number from 1 to %d",
                         option, text, COUNT_MAX);
    return 0;
}

static int parse_words(const struct work_split *s, struct words *w,
                       struct error *err)
{
    static const struct option options[] = {
        {"input", required_argument, NULL, 'i'},
        {"output", required_argument, NULL, 'o'},
        {"count", required_argument, NULL, 'n'},
        {"chunk", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    int c, rc = 0;

    opterr = 0;
    optind = 0;
    while (rc == 0 &&
           (c = getopt_long(s->argc, s->argv, "+:", options, NULL)) != -1) {
        if (c == 'i')
            w->input = optarg;
        else if (c == 'o')
            w->output = optarg;
        else if (c == 'n')
            rc = parse_number("--count", optarg, &w->count, err);
        else if (c == 'c')
            rc = parse_number("--chunk", optarg, &w->chunk, err);
        else if (c == ':')
            rc =
                error_set(err, EINVAL, "%s needs a value", s->argv[optind - 1]);
        else
            rc = error_set(err, EINVAL, "unknown option of echo: %s",
                           s->argv[optind - 1]);
    }
    if (rc == 0 && optind < s->argc)
        rc = error_set(err, EINVAL, "\"%s\" is one word too many",
                       s->argv[optind]);
    if (rc == 0 && !w->input == !w->count)
        rc = error_set(err, EINVAL, "echo needs either --input or --count");
    return rc;
}

/* --count N: item i is the decimal number i. */
static int items_of_count(uint64_t count, struct item **out, size_t *n,
                          void **text, struct error *err)
{
    struct item *v = calloc(count, sizeof(*v));
    char *buf = malloc(count * 10);
    size_t used = 0;

    if (!v || !buf) {
        free(v);
        free(buf);
        return error_set(err, ENOMEM, "could not allocate %ju items",
                         (uintmax_t)count);
    }
    for (size_t i = 0; i < count; i++) {
        int k = snprintf(buf + used, 10, "%zu", i);

        v[i].bytes = (uint8_t *)buf + used;
        v[i].len = (uint32_t)k;
        used += (size_t)k;
    }
    *out = v;
    *n = count;
    *text = buf;
    return 0;
}

/* --input FILE: one line, one item; a last line may lack its newline. */
static int items_of_file(const char *path, struct item **out, size_t *n,
                         void **text, struct error *err)
{
    struct item *v = NULL;
    size_t len, cap = 0, at = 0;

    *n = 0;
    if (file_read(path, INPUT_MAX, text, &len, err) < 0)
        return -1;
    while (at < len) {
        const char *line = (char *)*text + at;
        const char *end = memchr(line, '\n', len - at);
        size_t k = end ? (size_t)(end - line) : len - at;

        if (*n == cap) {
            struct item *more;

            cap = cap ? cap * 2 : 64;
            more = reallocarray(v, cap, sizeof(*v));
            if (!more) {
                free(v);
                return error_set(err, ENOMEM, "could not allocate items");
            }
            v = more;
        }
        if (k > ITEM_BYTES_MAX) {
            free(v);
            return error_set(err, EINVAL,
                             "%s:%zu: a line of %zu bytes, at "
                             "most %u are taken",
                             path, *n + 1, k, ITEM_BYTES_MAX);
        }
        v[*n].bytes = (const uint8_t *)line;
        v[(*n)++].len = (uint32_t)k;
        at += k + 1;
    }
    *out = v;
    return *n ? 0 : error_set(err, EINVAL, "%s has no lines", path);
}

static int write_in(const char *dir, const char *name, const void *buf,
                    size_t len, struct error *err)
{
    char *path = file_path(dir, name);
    int rc;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = file_write(path, buf, len, false, err);
    free(path);
    return rc;
}

static int write_split(const char *dir, const struct item *items, size_t n,
                       struct error *err)
{
    uint8_t *units = malloc(8 * n);
    void *buf = NULL;
    size_t len;
    int rc = units ? 0 : error_set(err, ENOMEM, "could not allocate units");

    for (size_t i = 0; rc == 0 && i < n; i++)
        put_u64be(units + 8 * i, 1);
    if (rc == 0)
        rc = items_format(items, n, &buf, &len, err);
    if (rc == 0)
        rc = write_in(dir, "items", buf, len, err);
    if (rc == 0)
        rc = write_in(dir, "units", units, 8 * n, err);
    free(buf);
    free(units);
    return rc;
}

static int echo_split(const struct work_split *s, struct error *err)
{
    struct words w = {.chunk = 64};
    struct item *items = NULL;
    void *text = NULL;
    size_t n = 0;
    int rc = parse_words(s, &w, err);

    if (rc == 0)
        rc = w.input ? items_of_file(w.input, &items, &n, &text, err)
                     : items_of_count(w.count, &items, &n, &text, err);
    if (rc == 0)
        rc = write_split(s->dir, items, n, err);
    if (rc == 0) {
        s->progress(s->progress_arg, n, n);
        json_object_set_new(s->plan, "chunk",
                            json_integer((json_int_t)w.chunk));
        json_object_set_new(s->plan, "output",
                            w.output ? json_pack("{s:s}", "path", w.output)
                                     : json_object());
        if (!json_object_get(s->plan, "output"))
            rc = error_set(err, EINVAL, "--output %s is not UTF-8", w.output);
    }
    free(items);
    free(text);
    return rc;
}

/* One line an item, in row order; without --output there is nothing to do. */
static int echo_assemble(const struct work_assemble *a, struct error *err)
{
    const json_t *output = json_object_get(a->plan, "output");
    const char *path = json_string_value(json_object_get(output, "path"));
    size_t len = 0, used = 0;
    char *buf;
    int rc;

    if (!path)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        len += a->results[i].len + 1u;
    buf = malloc(len + 1);
    if (!buf)
        return error_set(err, ENOMEM, "could not allocate %zu bytes", len);
    for (size_t i = 0; i < a->n; i++) {
        if (a->results[i].len)
            memcpy(buf + used, a->results[i].bytes, a->results[i].len);
        used += a->results[i].len;
        buf[used++] = '\n';
    }
    rc = file_write(path, buf, used, false, err);
    free(buf);
    return rc;
}

static void *echo_open(const struct work_open *o, struct error *err)
{
    struct echo *e = calloc(1, sizeof(*e));

    if (!e)
        return error_null(err, ENOMEM, "could not allocate a kernel");
    e->threads = o->threads;
    return e;
}

static const char *echo_variant(const void *ctx)
{
    (void)ctx;
    return "ref";
}

static int echo_estimate(void *ctx, const struct item *items, size_t n,
                         struct work_estimate *out, struct error *err)
{
    (void)ctx;
    (void)err;
    out->units = n;
    out->out_bytes = 0;
    for (size_t i = 0; i < n; i++)
        out->out_bytes += items[i].len;
    out->ram = (uint64_t)1 << 20;
    out->ram += 2 * out->out_bytes;
    return 0;
}

static int echo_run(void *ctx, const struct item *items, size_t n,
                    struct item_result *out, const struct work_control *ctl,
                    struct error *err)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        uint8_t *copy = malloc(items[i].len + 1u);

        if (!copy)
            return error_set(err, ENOMEM, "could not allocate item %zu", i);
        if (items[i].len)
            memcpy(copy, items[i].bytes, items[i].len);
        out[i] = (struct item_result){0, 1, copy, items[i].len};
        if (*ctl->stop)
            return error_set(err, ECANCELED, "stopped after %zu of %zu items",
                             i + 1, n);
        ctl->progress(ctl->arg, i + 1);
    }
    return 0;
}

static void echo_close(void *ctx)
{
    free(ctx);
}

static void no_progress(void *arg, uint64_t done)
{
    (void)arg;
    (void)done;
}

static int echo_selftest(const char *variant, struct digest *out,
                         struct error *err)
{
    static const uint8_t text[] = "fallow";
    const struct item item = {text, sizeof(text) - 1};
    const volatile sig_atomic_t stop = 0;
    const struct work_control ctl = {&stop, no_progress, NULL};
    struct item_result r;

    (void)variant;
    if (echo_run(NULL, &item, 1, &r, &ctl, err) < 0)
        return -1;
    digest_of(r.bytes, r.len, out);
    free((void *)(uintptr_t)r.bytes);
    return 0;
}

static const struct work_info echo_info = {
    .unit = "items",
    .summary = "returns every item as it is",
    .device = "cpu",
    .usage = "--input FILE   one line, one item\n"
             "--count N      N items, the numbers from 0\n"
             "--output FILE  write the results there, one a line\n"
             "--chunk N      items a task (64)\n",
};

static const char *const echo_variants[] = {"ref", NULL};

extern const struct work_plugin fallow_work;
const struct work_plugin fallow_work = {
    .abi = WORK_ABI,
    .name = "echo",
    .version = "1",
    .spec = "fallow echo 1: canonical bytes = item bytes; units = 1",
    .known_answer =
        "839345c938309b36b697ffcb46b070c37e691c3da4338681b194e47dc27d5b3e",
    .info = &echo_info,
    .variants = echo_variants,
    .split = echo_split,
    .assemble = echo_assemble,
    .open = echo_open,
    .variant = echo_variant,
    .estimate = echo_estimate,
    .run = echo_run,
    .close = echo_close,
    .selftest = echo_selftest,
};
