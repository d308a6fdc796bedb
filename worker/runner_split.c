/* SPDX-License-Identifier: Apache-2.0 */
/* runner_split.c - what the customer asks: split and assemble */
#include "worker/runner.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

static int name_is_plain(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int compare_bytewise(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(const char *dir, const char *name, struct sha256 *sum,
                    json_t *list, struct error *err)
{
    char hex[DIGEST_HEX_LEN + 1], number[24];
    struct digest d;
    uint64_t size;
    char *path;
    int rc;

    if (strpbrk(name, " \n\r\t\"\\") ||
        json_array_append_new(list, json_object()) < 0)
        return error_set(err, EINVAL, "parameter file name \"%s\" is not plain",
                         name);
    path = file_path(dir, name);
    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = digest_of_file(path, &d, &size, err);
    free(path);
    if (rc < 0)
        return -1;
    digest_to_hex(&d, hex);
    snprintf(number, sizeof(number), " %ju ", (uintmax_t)size);
    sha256_update(sum, name, strlen(name));
    sha256_update(sum, number, strlen(number));
    sha256_update(sum, hex, DIGEST_HEX_LEN);
    sha256_update(sum, "\n", 1);
    if (json_object_update_new(json_array_get(list, json_array_size(list) - 1),
                               json_pack("{s:s, s:s, s:I}", "name", name,
                                         "sha256", hex, "size",
                                         (json_int_t)size)) < 0)
        return error_set(err, EINVAL, "parameter file name \"%s\" is not UTF-8",
                         name);
    return 0;
}

int runner_params_digest(const char *dir, struct digest *out, json_t **list,
                         struct error *err)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, name_is_plain, compare_bytewise);
    struct sha256 *sum = sha256_create();
    json_t *files = json_array();
    int rc = 0;

    if (n < 0)
        rc = error_set(err, errno, "could not read %s: %s", dir,
                       strerror(errno));
    else if (!sum || !files)
        rc = error_set(err, ENOMEM, "could not allocate a digest");
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = add_file(dir, names[i]->d_name, sum, files, err);
        free(names[i]);
    }
    free(names);
    if (rc == 0) {
        sha256_final(sum, out);
        if (list)
            *list = json_incref(files);
    }
    sha256_destroy(sum);
    json_decref(files);
    return rc;
}

/* The split's directory must be there and empty. */
static int prepare_dir(const char *dir, struct error *err)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, name_is_plain, NULL);
    char *params;
    int rc;

    if (n < 0)
        return error_set(err, errno, "could not read %s: %s", dir,
                         strerror(errno));
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (n > 0)
        return error_set(err, ENOTEMPTY, "%s is not empty", dir);
    params = file_path(dir, "params");
    if (!params)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = mkdir(params, 0777);
    if (rc < 0)
        error_set(err, errno, "could not make %s: %s", params, strerror(errno));
    free(params);
    return rc;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    fprintf(stderr, "progress %ju %ju\n", (uintmax_t)done, (uintmax_t)total);
}

static int read_in(const char *dir, const char *name, void **buf, size_t *len,
                   struct error *err)
{
    char *path = file_path(dir, name);
    int rc;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = file_read(path, RUNNER_FILE_MAX, buf, len, err);
    free(path);
    return rc;
}

/* Count what split wrote: items, and the sum of their units. */
static int check_items(const char *dir, size_t *n, uint64_t *units,
                       struct error *err)
{
    void *buf = NULL, *ubuf = NULL;
    struct item *items = NULL;
    size_t len, ulen;
    int rc = -1;

    *units = 0;
    if (read_in(dir, "items", &buf, &len, err) < 0 ||
        items_parse(buf, len, &items, n, err) < 0 ||
        read_in(dir, "units", &ubuf, &ulen, err) < 0)
        goto out;
    if (*n == 0 || ulen != *n * 8) {
        error_set(err, EBADMSG, "split wrote %zu items and %zu bytes of units",
                  *n, ulen);
        goto out;
    }
    for (size_t i = 0; i < *n; i++) {
        uint64_t u = get_u64be((uint8_t *)ubuf + 8 * i);

        if (u > INT64_MAX - *units) {
            error_set(err, EOVERFLOW, "the units of %zu items overflow", *n);
            goto out;
        }
        *units += u;
    }
    rc = 0;
out:
    free(items);
    free(ubuf);
    free(buf);
    return rc;
}

/* What a plugin left out of the plan, and what only the runner knows. */
static int complete_plan(const struct work_plugin *w, const char *dir,
                         json_t *plan, struct error *err)
{
    char spec_hex[DIGEST_HEX_LEN + 1], params_hex[DIGEST_HEX_LEN + 1];
    struct digest spec, params;
    json_t *files = NULL;
    uint64_t units;
    size_t n;
    char *path = NULL;
    int rc = check_items(dir, &n, &units, err);

    if (rc == 0 && json_integer_value(json_object_get(plan, "chunk")) < 1)
        rc = error_set(err, EBADMSG, "split of %s gave no chunk", w->name);
    if (rc == 0 && !(path = file_path(dir, "params")))
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0)
        rc = runner_params_digest(path, &params, &files, err);
    free(path);
    if (rc < 0)
        return -1;
    digest_of(w->spec, strlen(w->spec), &spec);
    digest_to_hex(&spec, spec_hex);
    digest_to_hex(&params, params_hex);
    json_object_update_missing_new(
        plan, json_pack("{s:{}, s:[]}", "output", "warnings"));
    return json_object_update_new(plan,
                                  json_pack("{s:s, s:s, s:I, s:I, s:o, s:s}",
                                            "kernel", w->name, "spec", spec_hex,
                                            "items", (json_int_t)n, "units",
                                            (json_int_t)units, "params", files,
                                            "params_digest", params_hex)) < 0
               ? error_set(err, ENOMEM, "could not build the plan")
               : 0;
}

static int write_plan(const char *dir, const json_t *plan, struct error *err)
{
    char *path = file_path(dir, "plan.json");
    char *text = json_dumps(plan, JSON_INDENT(1));
    int rc;

    if (!path || !text)
        rc = error_set(err, ENOMEM, "could not build the plan");
    else
        rc = file_write(path, text, strlen(text), false, err);
    free(text);
    free(path);
    return rc;
}

int runner_split(const struct work_plugin *w, const struct runner_args *a,
                 struct error *err)
{
    struct work_split s = {.dir = a->dir, .progress = on_progress};
    char **words = calloc((size_t)a->argc + 2, sizeof(*words));
    char *name = strdup(w->name);
    int rc = prepare_dir(a->dir, err);

    s.plan = json_object();
    if (rc == 0 && (!words || !name || !s.plan))
        rc = error_set(err, ENOMEM, "could not allocate a split");
    if (rc == 0) {
        words[0] = name;
        for (int i = 0; i < a->argc; i++)
            words[i + 1] = a->argv[i];
        s.argc = a->argc + 1;
        s.argv = words;
        rc = w->split(&s, err);
    }
    if (rc == 0)
        rc = complete_plan(w, a->dir, s.plan, err);
    if (rc == 0)
        rc = write_plan(a->dir, s.plan, err);
    if (rc == 0)
        rc = runner_print(json_incref(s.plan), err);
    json_decref(s.plan);
    free(name);
    free(words);
    return rc;
}

static json_t *read_plan(const struct work_plugin *w, const char *dir,
                         struct error *err)
{
    const char *kernel;
    json_error_t je;
    json_t *plan;
    void *buf;
    size_t len;

    if (read_in(dir, "plan.json", &buf, &len, err) < 0)
        return NULL;
    plan = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &je);
    free(buf);
    if (!plan)
        return error_null(err, EBADMSG, "%s/plan.json:%d: %s", dir, je.line,
                          je.text);
    kernel = json_string_value(json_object_get(plan, "kernel"));
    if (!kernel || strcmp(kernel, w->name) != 0) {
        json_decref(plan);
        return error_null(err, EBADMSG,
                          "%s/plan.json is a plan of \"%s\", "
                          "not of %s",
                          dir, kernel ? kernel : "", w->name);
    }
    return plan;
}

static int check_results(const struct runner_args *a, const json_t *plan,
                         const struct item_result *r, size_t n,
                         struct error *err)
{
    json_int_t want = json_integer_value(json_object_get(plan, "items"));

    if (want < 0 || (size_t)want != n)
        return error_set(err, EBADMSG, "%s has %zu results, the plan %jd items",
                         a->results, n, (intmax_t)want);
    for (size_t i = 0; i < n; i++)
        if (r[i].code)
            return error_set(err, EBADMSG, "item %zu failed with code %u", i,
                             r[i].code);
    return 0;
}

int runner_assemble(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err)
{
    struct item_result *r = NULL;
    struct work_assemble as = {.dir = a->dir};
    void *buf = NULL;
    size_t len, n = 0;
    json_t *plan = read_plan(w, a->dir, err);
    json_t *path;
    int rc = plan ? 0 : -1;

    if (rc == 0)
        rc = file_read(a->results, RUNNER_FILE_MAX, &buf, &len, err);
    if (rc == 0 && results_parse(buf, len, &r, &n, err) < 0)
        rc = error_prefix(err, "%s", a->results);
    if (rc == 0)
        rc = check_results(a, plan, r, n, err);
    if (rc == 0) {
        as.plan = plan;
        as.results = r;
        as.n = n;
        rc = w->assemble(&as, err);
    }
    if (rc == 0) {
        path = json_object_get(json_object_get(plan, "output"), "path");
        rc = runner_print(
            json_pack("{s:O?, s:I}", "output", path, "items", (json_int_t)n),
            err);
    }
    free(r);
    free(buf);
    json_decref(plan);
    return rc;
}
