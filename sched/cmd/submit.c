/* SPDX-License-Identifier: Apache-2.0 */
/* submit.c - a job from its words to its number */
#include "sched/cmd/submit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/sign.h"
#include "sched/cmd/jobdir.h"
#include "sched/cmd/kernel.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/progress.h"
#include "sched/cmd/scratch.h"

#define UPLOADERS 8

static void show(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total, NULL);
}

static void user_name(char out[NAME_MAX_LEN + 1])
{
    const struct passwd *pw = getpwuid(geteuid());

    snprintf(out, NAME_MAX_LEN + 1, "%s", pw ? pw->pw_name : "unknown");
}

/* What every job says, however it comes by its items. */
static int begin_spec(struct submit *s, const struct job_options *o,
                      const struct jobscript *script, const char *name,
                      struct error *err)
{
    struct rec_job *job = &s->spec.job;

    if (random_bytes(job->submission_id, sizeof(job->submission_id)) < 0)
        return error_set(err, errno, "could not draw a submission id: %s",
                         strerror(errno));
    bytes_to_hex(job->submission_id, sizeof(job->submission_id),
                 s->submission_hex);
    if (strlen(script->argv[0]) > NAME_MAX_LEN)
        return error_set(err, EINVAL, "unknown kernel \"%s\"", script->argv[0]);
    snprintf(job->kernel, sizeof(job->kernel), "%s", script->argv[0]);
    snprintf(job->name, sizeof(job->name), "%s", o->name[0] ? o->name : name);
    snprintf(job->zone, sizeof(job->zone), "%s", o->zone[0] ? o->zone : "cell");
    user_name(job->user_name);
    job->nice = o->nice;
    job->time_limit_us = o->time_limit_us;
    job->array_step = 1;
    digest_of("", 0, &job->params); /* none, as the wire says it */
    s->spec.hold = o->hold;
    s->spec.max_amount = o->max_cost_micro;
    return 0;
}

static int take_digest(const json_t *j, const char *key, struct digest *out,
                       struct error *err)
{
    const char *hex = json_string_value(json_object_get(j, key));

    if (!hex || digest_from_hex(hex, out) < 0)
        return error_set(err, EBADMSG, "the kernel gave no %s", key);
    return 0;
}

static int64_t plan_int(const json_t *plan, const char *key)
{
    return json_integer_value(json_object_get(plan, key));
}

/* ---- arrays: item i is the number i ---------------------------------- */

/* Units of one item of eight bytes, as the kernel itself counts them. */
static int array_units(const char *kernel, int64_t *units, struct error *err)
{
    static const uint8_t zero[8];
    const struct item item = {zero, sizeof(zero)};
    char *dir = scratch_create("fallow-array", err), *path = NULL;
    char *params = NULL;
    json_t *j = NULL;
    void *buf = NULL;
    size_t len;
    int rc = dir ? 0 : -1;

    if (rc == 0)
        rc = items_format(&item, 1, &buf, &len, err);
    if (rc == 0 && (!(path = file_path(dir, "items")) ||
                    !(params = file_path(dir, "params"))))
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0 && (scratch_mkdir(params, 0700, err) < 0 ||
                    file_write(path, buf, len, false, err) < 0))
        rc = -1;
    if (rc == 0 && !(j = kernel_estimate(kernel, params, path, err)))
        rc = error_prefix(err, "kernel %s cannot run as an array", kernel);
    *units = plan_int(j, "units");
    json_decref(j);
    free(params);
    free(path);
    free(buf);
    scratch_destroy(dir);
    return rc;
}

static int prepare_array(struct submit *s, const struct job_options *o,
                         const struct jobscript *script, struct error *err)
{
    struct rec_job *job = &s->spec.job;
    json_t *d;
    int rc;

    if (script->argc > 1)
        return error_set(err, EINVAL,
                         "--array gives every task its index as input: kernel "
                         "%s takes no words then, and \"%s\" is one",
                         script->argv[0], script->argv[1]);
    if (!(d = kernel_describe(job->kernel, err)))
        return -1;
    rc = take_digest(d, "spec", &job->spec, err);
    json_decref(d);
    if (rc == 0)
        rc = array_units(job->kernel, &job->units_per_item, err);
    job->is_array = true;
    job->array_first = o->array_first;
    job->array_step = o->array_step;
    job->input = INPUT_INDEX;
    job->tasks = o->array_tasks;
    job->items_per_task = 1;
    job->items = o->array_tasks;
    return rc;
}

/* ---- jobs with items of their own ------------------------------------ */

static int run_split(struct submit *s, struct client *c,
                     const struct jobscript *script, struct error *err)
{
    struct progress bar;
    struct kernel_watch watch = {show, &bar, c->stop};
    const char *output;
    char *path;
    int rc;

    s->dir = jobdir_create(c, s->submission_hex, err);
    if (!s->dir)
        return -1;
    progress_begin(&bar, "prepare");
    s->plan = kernel_split(s->spec.job.kernel, s->dir, script->argc - 1,
                           script->argv + 1, &watch, err);
    progress_end(&bar);
    if (!s->plan)
        return -1;
    kernel_say(s->who, s->plan, isatty(STDERR_FILENO));
    output = jobdir_output(s->plan);
    if (output) {
        if (scratch_check_output(output, err) < 0)
            return -1;
        path = scratch_absolute(output);
        rc = path ? jobdir_set_output(s->dir, s->plan, path, err)
                  : error_set(err, ENOMEM, "could not allocate a path");
        free(path);
        if (rc < 0)
            return -1;
    }
    path = file_path(s->dir, "items");
    rc = path ? pieces_open(&s->items, path, err)
              : error_set(err, ENOMEM, "could not allocate a path");
    free(path);
    return rc;
}

/* Items a task: the user's wish or the kernel's, larger when the job would
 * have too many tasks.
 */
static uint32_t choose_chunk(const struct submit *s,
                             const struct job_options *o)
{
    uint64_t chunk = o->chunk, least;

    if (!chunk)
        chunk = (uint64_t)plan_int(s->plan, "chunk");
    least = (s->items.n + SUBMIT_TASKS_MAX - 1) / SUBMIT_TASKS_MAX;
    if (chunk < least) {
        fprintf(stderr,
                "%s: warning: tasks of %" PRIu64 " items would be more than "
                "%d tasks; taking %" PRIu64 " items each\n",
                s->who, chunk, SUBMIT_TASKS_MAX, least);
        chunk = least;
    }
    return chunk > 1000000 ? 1000000 : (uint32_t)chunk;
}

/* Exact units from the split: one number when all items cost the same. */
static int take_units(struct submit *s, struct error *err)
{
    struct rec_job *job = &s->spec.job;
    char *path = file_path(s->dir, "units");
    int64_t *per_task = calloc(job->tasks, sizeof(*per_task));
    void *buf = NULL;
    size_t len;
    bool uniform = true;

    if (!path || !per_task) {
        error_set(err, ENOMEM, "could not allocate units");
        goto error;
    }
    if (file_read(path, PIECES_FILE_MAX, &buf, &len, err) < 0)
        goto error;
    if (len != 8 * s->items.n) {
        error_set(err, EBADMSG, "%s has %zu bytes for %zu items", path, len,
                  s->items.n);
        goto error;
    }
    for (size_t i = 0; i < s->items.n; i++) {
        uint64_t u = get_u64be((uint8_t *)buf + 8 * i);

        per_task[i / job->items_per_task] += (int64_t)u;
        job->units += (int64_t)u;
        uniform = uniform && u == get_u64be(buf);
    }
    job->units_per_item = uniform ? (int64_t)get_u64be(buf) : 0;
    if (uniform)
        free(per_task);
    else
        job->task_units = per_task;
    free(buf);
    free(path);
    return 0;
error:
    free(per_task);
    free(buf);
    free(path);
    return -1;
}

/* The digest of every task's items file. */
static int name_blobs(struct submit *s, struct error *err)
{
    struct rec_job *job = &s->spec.job;
    struct digest *v = calloc(job->tasks, sizeof(*v));
    int rc = v ? 0 : error_set(err, ENOMEM, "could not allocate digests");

    job->blobs = v;
    for (uint32_t t = 0; rc == 0 && t < job->tasks; t++) {
        void *buf;
        size_t len;

        rc = submit_task_items(s, t, &buf, &len, err);
        if (rc < 0)
            break;
        digest_of(buf, len, &v[t]);
        free(buf);
        if (len > SUBMIT_TASK_BYTES)
            rc = error_set(err, EFBIG,
                           "task %u would have %zu bytes of items, at most %u "
                           "are taken; use a chunk smaller than %u (#FALLOW "
                           "chunk=N)",
                           t, len, SUBMIT_TASK_BYTES, job->items_per_task);
    }
    return rc;
}

int submit_task_items(const struct submit *s, uint32_t task, void **buf,
                      size_t *len, struct error *err)
{
    size_t per = s->spec.job.items_per_task, first = per * task;
    size_t n = s->items.n - first;

    return pieces_format(&s->items, first, n > per ? per : n, buf, len, err);
}

static int prepare_items(struct submit *s, struct client *c,
                         const struct job_options *o,
                         const struct jobscript *script, struct error *err)
{
    struct rec_job *job = &s->spec.job;

    if (run_split(s, c, script, err) < 0 ||
        take_digest(s->plan, "spec", &job->spec, err) < 0 ||
        take_digest(s->plan, "params_digest", &job->params, err) < 0)
        return -1;
    job->input = INPUT_BLOBS;
    job->items = s->items.n;
    job->items_per_task = choose_chunk(s, o);
    job->tasks = (uint32_t)((s->items.n + job->items_per_task - 1) /
                            job->items_per_task);
    if (take_units(s, err) < 0)
        return -1;
    return name_blobs(s, err);
}

int submit_prepare(struct submit *s, struct client *c,
                   const struct job_options *o, const struct jobscript *script,
                   const char *default_name, struct error *err)
{
    if (begin_spec(s, o, script, default_name, err) < 0)
        return -1;
    return o->is_array ? prepare_array(s, o, script, err)
                       : prepare_items(s, c, o, script, err);
}

/* ---- what travels ----------------------------------------------------- */

static int post(struct submit *s, struct client *c, const char *path,
                struct msg_quote *out, struct error *err)
{
    json_t *body = msg_jobspec_encode(&s->spec), *reply = NULL;
    int rc = body ? 0 : error_set(err, ENOMEM, "could not build a job");

    if (rc == 0)
        rc = client_call(c, "POST", path, body, "submit", &reply, err);
    memset(out, 0, sizeof(*out));
    if (rc == 0 && msg_quote_decode(reply, out, err) < 0)
        rc = error_prefix(err, "the cell's answer");
    json_decref(reply);
    json_decref(body);
    return rc;
}

int submit_quote(struct submit *s, struct client *c, struct msg_quote *out,
                 struct error *err)
{
    return post(s, c, "/v1/quote", out, err);
}

/* The parameter files and the manifest that names them. */
static int upload_params(struct submit *s, struct client *c, struct error *err)
{
    const json_t *list = json_object_get(s->plan, "params"), *f;
    char *manifest = NULL, *dir = file_path(s->dir, "params"), hex[65];
    size_t i, len = 0, cap = 0;
    FILE *out = open_memstream(&manifest, &cap);
    bool sent;
    int rc = dir && out ? 0 : error_set(err, ENOMEM, "could not allocate");

    json_array_foreach(list, i, f)
    {
        const char *name = json_string_value(json_object_get(f, "name"));
        const char *sum = json_string_value(json_object_get(f, "sha256"));
        char *path;

        if (rc < 0)
            break;
        path = file_path(dir, name);
        rc = path ? client_put_file(c, sum, path, &sent, err)
                  : error_set(err, ENOMEM, "could not allocate a path");
        free(path);
        fprintf(out, "%s %" JSON_INTEGER_FORMAT " %s\n", name,
                json_integer_value(json_object_get(f, "size")), sum);
    }
    if (out)
        fclose(out);
    len = cap;
    if (rc == 0 && json_array_size(list) > 0) {
        digest_to_hex(&s->spec.job.params, hex);
        rc = client_put(c, hex, manifest, len, &sent, err);
    }
    free(manifest);
    free(dir);
    return rc;
}

/* Several connections, each with a thread of its own: a blob is acknowledged
 * when it is on disk, and waiting for that is most of the work.
 */
struct uploads {
    const struct submit *submit;
    const struct client *client;
    pthread_mutex_t lock; /* of all below */
    uint32_t next, done;
    bool failed;
    int code;
    struct error err;
};

static bool take_task(struct uploads *u, uint32_t *task)
{
    bool got;

    pthread_mutex_lock(&u->lock);
    got = !u->failed && u->next < u->submit->spec.job.tasks;
    if (got)
        *task = u->next++;
    pthread_mutex_unlock(&u->lock);
    return got;
}

static int upload_task(struct uploads *u, struct client *c, uint32_t task,
                       struct error *err)
{
    char hex[DIGEST_HEX_LEN + 1];
    void *buf;
    size_t len;
    bool sent;
    int rc;

    if (c->stop && *c->stop)
        return error_set(err, ECANCELED, "interrupted");
    if (submit_task_items(u->submit, task, &buf, &len, err) < 0)
        return -1;
    digest_to_hex(&u->submit->spec.job.blobs[task], hex);
    rc = client_put(c, hex, buf, len, &sent, err);
    free(buf);
    return rc;
}

static void *upload_some(void *arg)
{
    struct uploads *u = arg;
    struct error err = {""};
    struct client c;
    uint32_t task;
    int rc = client_again(&c, u->client, &err);

    while (rc == 0 && take_task(u, &task)) {
        rc = upload_task(u, &c, task, &err);
        pthread_mutex_lock(&u->lock);
        u->done += rc == 0;
        pthread_mutex_unlock(&u->lock);
    }
    pthread_mutex_lock(&u->lock);
    if (rc < 0 && !u->failed) {
        u->failed = true;
        u->code = errno;
        u->err = err;
    }
    pthread_mutex_unlock(&u->lock);
    client_close(&c);
    return NULL;
}

static void watch_uploads(struct uploads *u, uint32_t tasks)
{
    struct progress bar;
    bool over = false;

    progress_begin(&bar, "upload");
    while (!over) {
        uint32_t done;

        client_pause(NULL, 20000);
        pthread_mutex_lock(&u->lock);
        done = u->done;
        over = u->failed || done == tasks;
        pthread_mutex_unlock(&u->lock);
        progress_show(&bar, done, tasks, NULL);
    }
    progress_end(&bar);
}

static int upload_items(struct submit *s, struct client *c, struct error *err)
{
    struct uploads u = {.submit = s, .client = c};
    uint32_t tasks = s->spec.job.tasks;
    pthread_t threads[UPLOADERS];
    size_t n = 0;

    pthread_mutex_init(&u.lock, NULL);
    while (n < UPLOADERS && n < tasks &&
           pthread_create(&threads[n], NULL, upload_some, &u) == 0)
        n++;
    if (n > 0)
        watch_uploads(&u, tasks);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&u.lock);
    if (n == 0)
        return error_set(err, EAGAIN, "could not start a thread");
    return u.failed ? error_set(err, u.code, "%s", u.err.text) : 0;
}

int submit_send(struct submit *s, struct client *c, struct msg_quote *out,
                struct error *err)
{
    struct error why = {""};

    c->patience_us = 60000000;
    if (s->dir && (upload_params(s, c, err) < 0 || upload_items(s, c, err) < 0))
        return -1;
    if (post(s, c, "/v1/job", out, err) < 0) {
        /* It may have been taken: keep what its output needs. */
        s->settled = client_is_away(errno);
        return -1;
    }
    s->settled = true;
    if (s->dir && jobdir_settle(c, s->submission_hex, out->job_id, &why) < 0)
        fprintf(stderr, "%s: warning: %s\n", s->who, why.text);
    return 0;
}

void submit_clear(struct submit *s)
{
    int saved_errno = errno;

    if (s->settled)
        free(s->dir);
    else
        scratch_destroy(s->dir);
    pieces_close(&s->items);
    json_decref(s->plan);
    msg_jobspec_clear(&s->spec);
    memset(s, 0, sizeof(*s));
    errno = saved_errno;
}
