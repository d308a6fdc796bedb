/* SPDX-License-Identifier: Apache-2.0 */
/* jobspec.c - the customers' side of the wire, both directions side by side */
#include "common/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/member.h"

/* Most tasks a job may have; an array of a million must fit. */
#define TASKS_MAX 10000000
#define BLOB_TASKS_MAX 12000 /* what 1 MiB of JSON can name */

static json_t *input_encode(const struct rec_job *job)
{
    json_t *a;

    if (job->input == INPUT_INDEX)
        return json_string("index");
    a = json_array();
    for (uint32_t i = 0; a && i < job->tasks; i++)
        if (json_array_append_new(a, json_digest(&job->blobs[i])) < 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static int input_decode(const json_t *j, struct rec_job *job, struct error *err)
{
    const json_t *a = json_object_get(j, "input");
    struct digest *v;

    if (json_is_string(a) && strcmp(json_string_value(a), "index") == 0) {
        job->input = INPUT_INDEX;
        return 0;
    }
    if (member_array(j, "input", BLOB_TASKS_MAX, &a, err) < 0)
        return -1;
    if (json_array_size(a) != job->tasks)
        return error_set(err, EBADMSG, "\"input\" names %zu blobs for %u tasks",
                         json_array_size(a), job->tasks);
    v = calloc(job->tasks, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "out of memory");
    job->input = INPUT_BLOBS;
    job->blobs = v;
    for (uint32_t i = 0; i < job->tasks; i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (!s || digest_from_hex(s, &v[i]) < 0)
            return error_set(err, EBADMSG, "blob %u of \"input\" is no digest",
                             i);
    }
    return 0;
}

static json_t *units_encode(const struct rec_job *job)
{
    json_t *a;

    if (!job->task_units)
        return json_integer(job->units_per_item);
    a = json_array();
    for (uint32_t i = 0; a && i < job->tasks; i++)
        if (json_array_append_new(a, json_integer(job->task_units[i])) < 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static int units_list(const json_t *a, struct rec_job *job, struct error *err)
{
    int64_t *v;

    if (json_array_size(a) != job->tasks)
        return error_set(err, EBADMSG, "\"units\" has %zu values for %u tasks",
                         json_array_size(a), job->tasks);
    v = calloc(job->tasks, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "out of memory");
    job->task_units = v;
    for (uint32_t i = 0; i < job->tasks; i++) {
        v[i] = json_integer_value(json_array_get(a, i));
        if (v[i] < 1 || __builtin_add_overflow(job->units, v[i], &job->units))
            return error_set(err, EBADMSG, "\"units\" of task %u: %jd", i,
                             (intmax_t)v[i]);
    }
    return 0;
}

static int units_decode(const json_t *j, struct rec_job *job, struct error *err)
{
    const json_t *a = json_object_get(j, "units");

    if (json_is_array(a))
        return units_list(a, job, err);
    if (member_int(j, "units", 1, INT64_MAX, &job->units_per_item, err) < 0)
        return -1;
    if (__builtin_mul_overflow(job->units_per_item, (int64_t)job->items,
                               &job->units))
        return error_set(err, EBADMSG,
                         "\"units\" times \"items\" exceeds 2^63");
    return 0;
}

json_t *msg_jobspec_encode(const struct msg_jobspec *m)
{
    const struct rec_job *b = &m->job;
    json_t *o = json_pack(
        "{s:o,s:s,s:s,s:s,s:o,s:o,s:I,s:I,s:I,s:s,s:I,s:I,s:b,s:I}",
        "submission_id", json_hex(b->submission_id, sizeof(b->submission_id)),
        "name", b->name, "user", b->user_name, "kernel", b->kernel, "spec",
        json_digest(&b->spec), "params", json_digest(&b->params), "tasks",
        (json_int_t)b->tasks, "items_per_task", (json_int_t)b->items_per_task,
        "items", (json_int_t)b->items, "zone", b->zone, "nice",
        (json_int_t)b->nice, "time_limit_us", (json_int_t)b->time_limit_us,
        "hold", m->hold, "max_amount", (json_int_t)m->max_amount);

    o = json_put(o, "input", input_encode(b));
    o = json_put(o, "units", units_encode(b));
    return json_put(o, "array",
                    b->is_array ? json_pack("{s:I,s:I}", "first",
                                            (json_int_t)b->array_first, "step",
                                            (json_int_t)b->array_step)
                                : json_null());
}

static int shape_decode(const json_t *j, struct rec_job *b, struct error *err)
{
    int64_t tasks, per, items;

    if (member_int(j, "tasks", 1, TASKS_MAX, &tasks, err) < 0 ||
        member_int(j, "items_per_task", 1, 1000000, &per, err) < 0 ||
        member_int(j, "items", 1, INT64_MAX, &items, err) < 0)
        return -1;
    if (items > tasks * per || items <= (tasks - 1) * per)
        return error_set(err, EBADMSG,
                         "%jd items do not fill %jd tasks of %jd items",
                         (intmax_t)items, (intmax_t)tasks, (intmax_t)per);
    b->tasks = (uint32_t)tasks;
    b->items_per_task = (uint32_t)per;
    b->items = (uint64_t)items;
    return 0;
}

static int rest_decode(const json_t *j, struct msg_jobspec *out,
                       struct error *err)
{
    struct rec_job *b = &out->job;
    const json_t *array = json_object_get(j, "array");
    int64_t nice;

    if (member_int(j, "nice", -2147483645, 2147483645, &nice, err) < 0 ||
        member_int(j, "time_limit_us", 0, INT64_MAX, &b->time_limit_us, err) <
            0 ||
        member_int(j, "max_amount", 0, INT64_MAX, &out->max_amount, err) < 0)
        return -1;
    b->nice = (int32_t)nice;
    b->array_step = 1;
    out->hold = json_is_true(json_object_get(j, "hold"));
    if (json_is_null(array))
        return 0;
    b->is_array = true;
    if (member_int(array, "first", 0, INT32_MAX, &b->array_first, err) < 0 ||
        member_int(array, "step", 1, INT32_MAX, &b->array_step, err) < 0)
        return error_prefix(err, "array");
    return 0;
}

static int zone_known(const char *zone)
{
    static const char *const zones[] = {"own", "site", "cell", "public"};

    for (size_t i = 0; i < 4; i++)
        if (strcmp(zone, zones[i]) == 0)
            return 1;
    return 0;
}

int msg_jobspec_decode(const json_t *j, struct msg_jobspec *out,
                       struct error *err)
{
    struct rec_job *b = &out->job;

    if (!json_is_object(j))
        return error_set(err, EBADMSG, "job specification is not an object");
    if (member_hex(j, "submission_id", b->submission_id,
                   sizeof(b->submission_id), err) < 0 ||
        member_text(j, "name", b->name, sizeof(b->name), err) < 0 ||
        member_text(j, "user", b->user_name, sizeof(b->user_name), err) < 0 ||
        member_text(j, "kernel", b->kernel, sizeof(b->kernel), err) < 0 ||
        member_text(j, "zone", b->zone, sizeof(b->zone), err) < 0 ||
        member_digest(j, "spec", &b->spec, err) < 0 ||
        member_digest(j, "params", &b->params, err) < 0)
        return -1;
    if (!zone_known(b->zone))
        return error_set(err, EBADMSG,
                         "zone \"%s\" is unknown: own, site, cell or public",
                         b->zone);
    if (shape_decode(j, b, err) < 0 || input_decode(j, b, err) < 0 ||
        units_decode(j, b, err) < 0 || rest_decode(j, out, err) < 0) {
        msg_jobspec_clear(out);
        return -1;
    }
    return 0;
}

void msg_jobspec_clear(struct msg_jobspec *m)
{
    int saved_errno = errno;

    free((void *)(uintptr_t)m->job.blobs);
    free((void *)(uintptr_t)m->job.task_units);
    m->job.blobs = NULL;
    m->job.task_units = NULL;
    errno = saved_errno;
}

/* ---- JOB ------------------------------------------------------------ */

/* The integer members of a JOB, once for both directions. */
enum member_size { SIZE_8, SIZE_32, SIZE_U32, SIZE_64 };

static const struct {
    const char *key;
    size_t offset;
    enum member_size size;
} job_ints[] = {
    {"job_id", offsetof(struct rec_job, job_id), SIZE_64},
    {"party_id", offsetof(struct rec_job, party_id), SIZE_64},
    {"input", offsetof(struct rec_job, input), SIZE_8},
    {"tasks", offsetof(struct rec_job, tasks), SIZE_U32},
    {"items_per_task", offsetof(struct rec_job, items_per_task), SIZE_U32},
    {"items", offsetof(struct rec_job, items), SIZE_64},
    {"units_per_item", offsetof(struct rec_job, units_per_item), SIZE_64},
    {"units", offsetof(struct rec_job, units), SIZE_64},
    {"array_first", offsetof(struct rec_job, array_first), SIZE_64},
    {"array_step", offsetof(struct rec_job, array_step), SIZE_64},
    {"nice", offsetof(struct rec_job, nice), SIZE_32},
    {"time_limit_us", offsetof(struct rec_job, time_limit_us), SIZE_64},
    {"submitted_us", offsetof(struct rec_job, submitted_us), SIZE_64},
    {"started_us", offsetof(struct rec_job, started_us), SIZE_64},
    {"ended_us", offsetof(struct rec_job, ended_us), SIZE_64},
    {"state_id", offsetof(struct rec_job, state), SIZE_8},
    {"tasks_done", offsetof(struct rec_job, tasks_done), SIZE_U32},
    {"tasks_failed", offsetof(struct rec_job, tasks_failed), SIZE_U32},
    {"tasks_cancelled", offsetof(struct rec_job, tasks_cancelled), SIZE_U32},
    {"tariff_id", offsetof(struct rec_job, tariff_id), SIZE_64},
    {"quote_amount_micro", offsetof(struct rec_job, quote_amount), SIZE_64},
    {"quote_fee_micro", offsetof(struct rec_job, quote_fee), SIZE_64},
    {"reserved_micro", offsetof(struct rec_job, reserved), SIZE_64},
    {"spent_amount_micro", offsetof(struct rec_job, spent_amount), SIZE_64},
    {"spent_fee_micro", offsetof(struct rec_job, spent_fee), SIZE_64},
    {"checked_items", offsetof(struct rec_job, checked_items), SIZE_64},
    {"caught_items", offsetof(struct rec_job, caught_items), SIZE_64},
};

#define JOB_INTS (sizeof(job_ints) / sizeof(job_ints[0]))

static int64_t int_get(const struct rec_job *job, size_t i)
{
    const uint8_t *p = (const uint8_t *)job + job_ints[i].offset;
    int64_t v64;
    int32_t v32;

    switch (job_ints[i].size) {
    case SIZE_8: return *p;
    case SIZE_32: memcpy(&v32, p, 4); return v32;
    case SIZE_U32: memcpy(&v32, p, 4); return (int64_t)(uint32_t)v32;
    case SIZE_64: break;
    }
    memcpy(&v64, p, 8);
    return v64;
}

static void int_set(struct rec_job *job, size_t i, int64_t v)
{
    uint8_t *p = (uint8_t *)job + job_ints[i].offset;
    uint32_t v32 = (uint32_t)v;

    switch (job_ints[i].size) {
    case SIZE_8: *p = (uint8_t)v; return;
    case SIZE_32:
    case SIZE_U32: memcpy(p, &v32, 4); return;
    case SIZE_64: break;
    }
    memcpy(p, &v, 8);
}

json_t *msg_job_encode(const struct rec_job *b)
{
    json_t *o =
        json_pack("{s:o,s:s,s:s,s:s,s:o,s:o,s:s,s:s,s:b,s:s}", "submission_id",
                  json_hex(b->submission_id, sizeof(b->submission_id)), "name",
                  b->name, "user", b->user_name, "kernel", b->kernel, "spec",
                  json_digest(&b->spec), "params", json_digest(&b->params),
                  "zone", b->zone, "reason", b->reason, "is_array", b->is_array,
                  "state", job_state_name(b->state));

    for (size_t i = 0; i < JOB_INTS; i++)
        o = json_put(o, job_ints[i].key, json_integer(int_get(b, i)));
    return o;
}

int msg_job_decode(const json_t *j, struct rec_job *b, struct error *err)
{
    if (member_hex(j, "submission_id", b->submission_id,
                   sizeof(b->submission_id), err) < 0 ||
        member_text(j, "name", b->name, sizeof(b->name), err) < 0 ||
        member_text(j, "user", b->user_name, sizeof(b->user_name), err) < 0 ||
        member_text(j, "kernel", b->kernel, sizeof(b->kernel), err) < 0 ||
        member_text(j, "zone", b->zone, sizeof(b->zone), err) < 0 ||
        member_text(j, "reason", b->reason, sizeof(b->reason), err) < 0 ||
        member_digest(j, "spec", &b->spec, err) < 0 ||
        member_digest(j, "params", &b->params, err) < 0)
        return error_prefix(err, "job");
    b->is_array = json_is_true(json_object_get(j, "is_array"));
    for (size_t i = 0; i < JOB_INTS; i++) {
        int64_t v;

        if (member_int(j, job_ints[i].key, INT64_MIN, INT64_MAX, &v, err) < 0)
            return error_prefix(err, "job");
        int_set(b, i, v);
    }
    return 0;
}

/* ---- quotes, results, errors ---------------------------------------- */

json_t *msg_quote_encode(const struct msg_quote *m)
{
    return json_pack("{s:I,s:{s:I,s:I,s:s,s:I,s:I,s:I}}", "job_id",
                     (json_int_t)m->job_id, "quote", "amount",
                     (json_int_t)m->amount, "fee", (json_int_t)m->fee, "unit",
                     m->unit, "tariff_id", (json_int_t)m->tariff_id, "units",
                     (json_int_t)m->units, "prepaid", (json_int_t)m->prepaid);
}

int msg_quote_decode(const json_t *j, struct msg_quote *out, struct error *err)
{
    const json_t *q;

    if (member_int(j, "job_id", 0, INT64_MAX, &out->job_id, err) < 0 ||
        member_object(j, "quote", &q, err) < 0 ||
        member_int(q, "amount", 0, INT64_MAX, &out->amount, err) < 0 ||
        member_int(q, "fee", 0, INT64_MAX, &out->fee, err) < 0 ||
        member_int(q, "tariff_id", 0, INT64_MAX, &out->tariff_id, err) < 0 ||
        member_int(q, "units", 0, INT64_MAX, &out->units, err) < 0 ||
        member_int(q, "prepaid", INT64_MIN, INT64_MAX, &out->prepaid, err) < 0)
        return -1;
    return member_text(q, "unit", out->unit, sizeof(out->unit), err);
}

json_t *msg_task_results_encode(const struct msg_task_results *m)
{
    json_t *a = json_array();

    for (size_t i = 0; a && i < m->n; i++) {
        json_t *o = json_pack("{s:I,s:I,s:o}", "task", (json_int_t)m->v[i].task,
                              "items", (json_int_t)m->v[i].items, "bytes",
                              json_bytes(m->v[i].bytes, m->v[i].len));

        if (json_array_append_new(a, o) < 0) {
            json_decref(a);
            a = NULL;
        }
    }
    return json_put(json_put(json_object(), "results", a), "next",
                    json_integer(m->next));
}

int msg_task_results_decode(const json_t *j, struct msg_task_results *out,
                            struct error *err)
{
    const json_t *a;

    if (member_array(j, "results", 100000, &a, err) < 0 ||
        member_int(j, "next", -1, TASKS_MAX, &out->next, err) < 0)
        return -1;
    out->v = calloc(json_array_size(a) + 1, sizeof(*out->v));
    if (!out->v)
        return error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        struct msg_task_result *r = &out->v[i];

        out->n = i + 1;
        if (member_int(o, "task", 0, TASKS_MAX, &r->task, err) < 0 ||
            member_int(o, "items", 1, UINT32_MAX, &r->items, err) < 0 ||
            member_bytes(o, "bytes", &r->bytes, &r->len, err) < 0) {
            msg_task_results_clear(out);
            return error_prefix(err, "result %zu", i);
        }
    }
    return 0;
}

void msg_task_results_clear(struct msg_task_results *m)
{
    int saved_errno = errno;

    for (size_t i = 0; i < m->n; i++)
        free(m->v[i].bytes);
    free(m->v);
    memset(m, 0, sizeof(*m));
    errno = saved_errno;
}

json_t *msg_error_encode(int code, const char *text)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {EINVAL, "EINVAL"}, {EBADMSG, "EBADMSG"},     {EACCES, "EACCES"},
        {EPERM, "EPERM"},   {ENOENT, "ENOENT"},       {EEXIST, "EEXIST"},
        {EDQUOT, "EDQUOT"}, {EFBIG, "EFBIG"},         {EAGAIN, "EAGAIN"},
        {ENOSYS, "ENOSYS"}, {ECANCELED, "ECANCELED"}, {ESTALE, "ESTALE"},
        {EBUSY, "EBUSY"},
    };
    const char *name = "EIO";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code)
            name = names[i].name;
    return json_pack("{s:s,s:s}", "error", text, "errno", name);
}
