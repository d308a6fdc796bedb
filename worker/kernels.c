/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.c - the kernels this machine can run, and how fast */
#include "worker/kernels.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/items.h"

#define ASK_MS 10000
#define SELFTEST_MS 120000
#define CALIBRATE_MS 30000
#define CALIBRATE_BUSY_S 1.0
#define CALIBRATE_ITEMS_MAX (1u << 18)
#define SPEED_FILE_MAX ((size_t)1 << 20)
/* The moving average forgets half of what it knew after about this much. */
#define SPEED_KEEP_S 600.0

int64_t kernel_speed(const struct kernel *k)
{
    return k->busy_s > 0 ? (int64_t)(k->units / k->busy_s) : 0;
}

void kernel_credit(struct kernel *k, int64_t units, int64_t busy_us)
{
    if (units <= 0 || busy_us <= 0)
        return;
    k->units += (double)units;
    k->busy_s += (double)busy_us * 1e-6;
    if (k->busy_s > SPEED_KEEP_S) {
        k->units *= SPEED_KEEP_S / 2 / k->busy_s;
        k->busy_s = SPEED_KEEP_S / 2;
    }
}

struct kernel *kernels_find(struct kernels *k, const char *name,
                            const struct digest *spec)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->v[i].name, name) == 0 &&
            digest_equal(&k->v[i].spec, spec))
            return &k->v[i];
    return NULL;
}

void kernels_clear(struct kernels *k)
{
    free(k->path);
    free(k->model);
    memset(k, 0, sizeof(*k));
}

/* ---- the cache ---------------------------------------------------------- */

int kernels_save(const struct kernels *k, struct error *err)
{
    json_t *list = json_array(), *top;
    char *text;
    size_t len;
    int rc;

    for (size_t i = 0; i < k->n; i++) {
        char hex[DIGEST_HEX_LEN + 1];

        if (k->v[i].busy_s <= 0)
            continue;
        digest_to_hex(&k->v[i].spec, hex);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:f, s:f}", "kernel",
                            k->v[i].name, "spec", hex, "variant",
                            k->v[i].variant, "model", k->model, "units",
                            k->v[i].units, "busy_s", k->v[i].busy_s));
    }
    top = json_pack("{s:o}", "speeds", list);
    text = top ? message_text(top, &len) : NULL;
    json_decref(top);
    if (!text)
        return error_set(err, ENOMEM, "could not encode the speeds");
    rc = file_write(k->path, text, len, false, err);
    free(text);
    return rc;
}

static const char *text_of(const json_t *j, const char *member)
{
    const char *s = json_string_value(json_object_get(j, member));

    return s ? s : "";
}

static void recall_one(const struct kernels *k, struct kernel *to,
                       const json_t *j)
{
    char hex[DIGEST_HEX_LEN + 1];
    double units = json_number_value(json_object_get(j, "units"));
    double busy = json_number_value(json_object_get(j, "busy_s"));

    digest_to_hex(&to->spec, hex);
    if (strcmp(text_of(j, "spec"), hex) == 0 &&
        strcmp(text_of(j, "variant"), to->variant) == 0 &&
        strcmp(text_of(j, "model"), k->model) == 0 && units > 0 && busy > 0) {
        to->units = units;
        to->busy_s = busy;
    }
}

static void recall_all(struct kernels *k, const json_t *speeds)
{
    for (size_t at = 0; at < json_array_size(speeds); at++)
        for (size_t i = 0; i < k->n; i++)
            recall_one(k, &k->v[i], json_array_get(speeds, at));
}

/* A cache that cannot be read is measured anew. */
static void recall(struct kernels *k)
{
    json_t *top;
    void *buf;
    size_t len;

    if (file_read(k->path, SPEED_FILE_MAX, &buf, &len, NULL) < 0)
        return;
    top = message_parse(buf, len, NULL);
    recall_all(k, json_object_get(top, "speeds"));
    json_decref(top);
    free(buf);
}

/* ---- asking the runner -------------------------------------------------- */

/* run_wait, then its one JSON object. */
static json_t *ask_runner(const struct run_place *place, enum run_call call,
                          const char *kernel, const char *variant, int ms,
                          struct error *err)
{
    struct run_spec s = {.kernel = kernel, .variant = variant, .core = -1};
    struct run_outcome out;
    char *text = NULL;
    json_t *j;

    if (run_wait(place, call, &s, ms, &text, &out, err) < 0)
        return NULL;
    j = message_parse(text, strlen(text), err);
    free(text);
    return j;
}

static void say(const struct kernels_ask *ask, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct kernels_ask *ask, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (ask->tell)
        ask->tell(line);
}

/* The best variant that gives the known answer; the referee has no choice. */
static int choose(struct kernel *k, const struct kernels_ask *ask,
                  const json_t *variants)
{
    const json_t *v;
    size_t i;

    json_array_foreach(variants, i, v)
    {
        const char *name = json_string_value(v);
        struct error err = {""};
        json_t *j;

        if (!name || strlen(name) >= sizeof(k->variant) ||
            (ask->referee && strcmp(name, "ref") != 0))
            continue;
        j = ask_runner(ask->place, RUN_SELFTEST, k->name, name, SELFTEST_MS,
                       &err);
        if (json_is_true(json_object_get(j, "match"))) {
            json_decref(j);
            snprintf(k->variant, sizeof(k->variant), "%s", name);
            return 0;
        }
        json_decref(j);
        say(ask, "kernel %s variant %s is left out: %s", k->name, name,
            err.text);
    }
    return -1;
}

static int describe(struct kernel *k, const struct kernels_ask *ask,
                    const char *name)
{
    struct error err = {""};
    json_t *j = ask_runner(ask->place, RUN_DESCRIBE, name, NULL, ASK_MS, &err);
    int rc = -1;

    memset(k, 0, sizeof(*k));
    snprintf(k->name, sizeof(k->name), "%s", name);
    if (!j)
        say(ask, "kernel %s is left out: %s", name, err.text);
    else if (digest_from_hex(text_of(j, "spec"), &k->spec) < 0)
        say(ask, "kernel %s is left out: it has no digest", name);
    else
        rc = choose(k, ask, json_object_get(j, "variants"));
    json_decref(j);
    return rc;
}

/* ---- a short timing run -------------------------------------------------- */

static int write_items(const char *dir, uint32_t n, struct error *err)
{
    struct item *v = calloc(n, sizeof(*v));
    uint8_t *bytes = malloc((size_t)n * 8);
    char *path = file_path(dir, "input");
    void *buf = NULL;
    size_t len;
    int rc = -1;

    for (uint32_t i = 0; v && bytes && i < n; i++) {
        put_u64be(bytes + (size_t)i * 8, i);
        v[i] = (struct item){bytes + (size_t)i * 8, 8};
    }
    if (v && bytes && path && items_format(v, n, &buf, &len, err) == 0)
        rc = file_write(path, buf, len, false, err);
    free(buf);
    free(path);
    free(bytes);
    free(v);
    return rc;
}

/* Rows as items and no parameters: some kernels take that, the others have
 * their speed measured by their first tasks.
 */
static void calibrate_in(struct kernel *k, const struct kernels_ask *ask,
                         const char *dir, const char *params)
{
    struct run_spec s = {.kernel = k->name,
                         .variant = k->variant,
                         .params = params,
                         .dir = dir,
                         .threads = 1,
                         .core = -1};

    for (uint32_t n = 1024; n <= CALIBRATE_ITEMS_MAX; n *= 16) {
        struct run_outcome out = {0};
        struct error err = {""};

        if (write_items(dir, n, &err) < 0 ||
            run_wait(ask->place, RUN_TASK, &s, CALIBRATE_MS, NULL, &out, &err) <
                0 ||
            !out.done)
            return;
        k->units = (double)out.root.units;
        k->busy_s = (double)out.busy_us * 1e-6;
        if (k->busy_s >= CALIBRATE_BUSY_S)
            return;
    }
}

static void calibrate(struct kernel *k, const struct kernels_ask *ask)
{
    static const char *const files[] = {"input", "results"};
    char *dir = file_path(ask->dir, "calibrate");
    char *params = file_path(ask->dir, "calibrate/params");

    if (dir && params && (mkdir(dir, 0700) == 0 || errno == EEXIST) &&
        (mkdir(params, 0700) == 0 || errno == EEXIST)) {
        calibrate_in(k, ask, dir, params);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
            char *path = file_path(dir, files[i]);

            if (path)
                unlink(path);
            free(path);
        }
        rmdir(params);
        rmdir(dir);
    }
    free(params);
    free(dir);
}

/* ---- all of them --------------------------------------------------------- */

static bool is_wanted(const struct kernels_ask *ask, const char *name)
{
    if (!ask->names)
        return true;
    for (size_t i = 0; ask->names[i]; i++)
        if (strcmp(ask->names[i], name) == 0)
            return true;
    return false;
}

static int load_all(struct kernels *k, const struct kernels_ask *ask,
                    const json_t *names, struct error *err)
{
    const json_t *j;
    size_t i;

    json_array_foreach(names, i, j)
    {
        const char *name = json_string_value(j);

        if (name && strlen(name) <= NAME_MAX_LEN &&
            k->n < MESSAGE_KERNELS_MAX && is_wanted(ask, name) &&
            describe(&k->v[k->n], ask, name) == 0)
            k->n++;
    }
    return k->n ? 0
                : error_set(err, ENOENT,
                            "no kernel gives its known answer on this machine");
}

int kernels_load(struct kernels *k, const struct kernels_ask *ask,
                 struct error *err)
{
    json_t *j;
    int rc;

    memset(k, 0, sizeof(*k));
    k->path = file_path(ask->dir, "speed");
    k->model = strdup(ask->model);
    if (!k->path || !k->model)
        return error_set(err, ENOMEM, "could not allocate kernels");
    j = ask_runner(ask->place, RUN_LIST, NULL, NULL, ASK_MS, err);
    if (!j)
        return -1;
    rc = load_all(k, ask, json_object_get(j, "kernels"), err);
    json_decref(j);
    if (rc < 0)
        return -1;
    recall(k);
    for (size_t i = 0; i < k->n; i++) {
        if (k->v[i].busy_s <= 0)
            calibrate(&k->v[i], ask);
        say(ask, "kernel %s variant %s: %" PRId64 " units/s per core%s",
            k->v[i].name, k->v[i].variant, kernel_speed(&k->v[i]),
            k->v[i].busy_s > 0 ? "" : " (not measured yet)");
    }
    return kernels_save(k, err);
}
