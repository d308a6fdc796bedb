/* SPDX-License-Identifier: Apache-2.0 */
/* jobdir.c - what the client keeps of a job until its output is assembled */
#include "sched/cmd/jobdir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/cmd/scratch.h"

#define PLAN_MAX ((size_t)64 << 20)

static char *submission_path(const struct client *c, const char *hex)
{
    char *path = NULL;

    return asprintf(&path, "%s/jobs/%s/new-%s", c->state, c->cell, hex) < 0
               ? NULL
               : path;
}

static char *job_path(const struct client *c, int64_t job_id)
{
    char *path = NULL;

    return asprintf(&path, "%s/jobs/%s/%" PRId64, c->state, c->cell, job_id) < 0
               ? NULL
               : path;
}

char *jobdir_create(const struct client *c, const char *submission_hex,
                    struct error *err)
{
    char *path = submission_path(c, submission_hex);

    if (!path)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (scratch_mkdir(path, 0700, err) < 0) {
        free(path);
        return NULL;
    }
    return path;
}

int jobdir_settle(const struct client *c, const char *submission_hex,
                  int64_t job_id, struct error *err)
{
    static const char *const spent[] = {"params", "items", "units"};
    char *from = submission_path(c, submission_hex);
    char *to = job_path(c, job_id), *path;
    int rc = 0;

    if (!from || !to)
        rc = error_set(err, ENOMEM, "could not allocate a path");
    for (size_t i = 0; rc == 0 && i < sizeof(spent) / sizeof(*spent); i++) {
        path = file_path(from, spent[i]);
        if (path)
            scratch_remove(path, NULL);
        free(path);
    }
    /* A directory of that number is of a cell of this name that is no more. */
    if (rc == 0)
        rc = scratch_remove(to, err);
    if (rc == 0 && rename(from, to) < 0)
        rc = error_set(err, errno, "could not rename %s to %s: %s", from, to,
                       strerror(errno));
    free(from);
    free(to);
    return rc;
}

char *jobdir_find(const struct client *c, int64_t job_id,
                  const char *submission_hex, struct error *err)
{
    char *to = job_path(c, job_id), *from = submission_path(c, submission_hex);
    struct error why = {""};

    if (!to || !from) {
        error_set(err, ENOMEM, "could not allocate a path");
    } else if (access(from, F_OK) == 0 &&
               jobdir_settle(c, submission_hex, job_id, &why) < 0) {
        error_set(err, errno, "%s", why.text);
    } else if (access(to, R_OK | X_OK) < 0) {
        error_set(err, errno,
                  "job %" PRId64 " was not submitted from here: %s: %s", job_id,
                  to, strerror(errno));
    } else {
        free(from);
        return to;
    }
    free(to);
    free(from);
    return NULL;
}

json_t *jobdir_plan(const char *dir, struct error *err)
{
    char *path = file_path(dir, "plan.json");
    json_error_t je;
    json_t *plan;
    void *buf;
    size_t len;

    if (!path)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (file_read(path, PLAN_MAX, &buf, &len, err) < 0) {
        free(path);
        return NULL;
    }
    plan = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &je);
    free(buf);
    if (!plan)
        error_set(err, EBADMSG, "%s:%d: %s", path, je.line, je.text);
    free(path);
    return plan;
}

const char *jobdir_output(const json_t *plan)
{
    return json_string_value(
        json_object_get(json_object_get(plan, "output"), "path"));
}

int jobdir_set_output(const char *dir, json_t *plan, const char *output,
                      struct error *err)
{
    char *path = file_path(dir, "plan.json"), *text = NULL;
    json_t *name = json_string(output);
    int rc = 0;

    if (!name)
        rc = error_set(err, EINVAL, "output %s is not UTF-8", output);
    else if (!path ||
             json_object_set(json_object_get(plan, "output"), "path", name) < 0)
        rc = error_set(err, ENOMEM, "could not change the plan");
    if (rc == 0 && !(text = json_dumps(plan, JSON_INDENT(1))))
        rc = error_set(err, ENOMEM, "could not build the plan");
    if (rc == 0)
        rc = file_write(path, text, strlen(text), false, err);
    json_decref(name);
    free(text);
    free(path);
    return rc;
}
