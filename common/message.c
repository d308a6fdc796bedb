/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - the workers' side of the wire, both directions side by side */
#include "common/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/member.h"

/* Deeper nesting than this is refused before Jansson recurses into it. */
static int depth_ok(const char *s, size_t len)
{
    int depth = 0, in_text = 0;

    for (size_t i = 0; i < len; i++) {
        if (in_text) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                in_text = 0;
        } else if (s[i] == '"') {
            in_text = 1;
        } else if (s[i] == '{' || s[i] == '[') {
            if (++depth > MESSAGE_DEPTH_MAX)
                return 0;
        } else if (s[i] == '}' || s[i] == ']') {
            depth--;
        }
    }
    return 1;
}

json_t *message_parse(const void *text, size_t len, struct error *err)
{
    json_error_t je;
    json_t *j;

    if (!depth_ok(text, len))
        return error_null(err, EBADMSG, "JSON is nested deeper than %d levels",
                          MESSAGE_DEPTH_MAX);
    j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        return error_null(err, EBADMSG, "line %d column %d: %s", je.line,
                          je.column, je.text);
    return j;
}

char *message_text(const json_t *j, size_t *len)
{
    char *s = json_dumps(j, JSON_COMPACT);

    if (s)
        *len = strlen(s);
    else
        errno = ENOMEM;
    return s;
}

static json_t *append(json_t *a, json_t *v)
{
    if (a && json_array_append_new(a, v) == 0)
        return a;
    if (!a)
        json_decref(v);
    json_decref(a);
    errno = ENOMEM;
    return NULL;
}

/* ---- tokens --------------------------------------------------------- */

static json_t *texts_encode(char *const *v, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        a = append(a, json_string_nocheck(v[i]));
    return a;
}

static void texts_clear(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

static int texts_decode(const json_t *o, const char *key, char ***out,
                        size_t *n, struct error *err)
{
    const json_t *a;
    char **v;

    if (member_array(o, key, MESSAGE_BATCH_MAX, &a, err) < 0)
        return -1;
    v = calloc(json_array_size(a) + 1, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        v[i] = s ? strdup(s) : NULL;
        if (!v[i]) {
            texts_clear(v, i);
            return error_set(err, EBADMSG, "element %zu of \"%s\" is no text",
                             i, key);
        }
    }
    *out = v;
    *n = json_array_size(a);
    return 0;
}

json_t *msg_tokens_encode(const struct msg_tokens *m)
{
    return json_put(json_object(), "leases", texts_encode(m->v, m->n));
}

int msg_tokens_decode(const json_t *j, struct msg_tokens *out,
                      struct error *err)
{
    return texts_decode(j, "leases", &out->v, &out->n, err);
}

void msg_tokens_clear(struct msg_tokens *m)
{
    texts_clear(m->v, m->n);
    memset(m, 0, sizeof(*m));
}

/* ---- offers and asks ------------------------------------------------ */

static json_t *offer_encode(const struct msg_offer *m)
{
    json_t *a = json_array();
    json_t *o;

    for (size_t i = 0; i < m->n_kernels; i++) {
        const struct msg_kernel *k = &m->kernels[i];

        o = json_pack("{s:s,s:o,s:I}", "name", k->name, "spec",
                      json_digest(&k->spec), "units_per_s",
                      (json_int_t)k->units_per_s);
        a = append(a, o);
    }
    o = json_pack("{s:I,s:I,s:I,s:I,s:s}", "cores", (json_int_t)m->cores, "mem",
                  (json_int_t)m->mem, "seconds", (json_int_t)m->seconds,
                  "floor_micro", (json_int_t)m->floor_micro, "zone", m->zone);
    return json_put(o, "kernels", a);
}

static int offer_decode(const json_t *j, struct msg_offer *out,
                        struct error *err)
{
    const json_t *a;

    if (member_int(j, "cores", 1, 65536, &out->cores, err) < 0 ||
        member_int(j, "mem", 0, INT64_MAX, &out->mem, err) < 0 ||
        member_int(j, "seconds", 0, INT64_MAX / 1000000, &out->seconds, err) <
            0 ||
        member_int(j, "floor_micro", 0, INT64_MAX, &out->floor_micro, err) <
            0 ||
        member_text(j, "zone", out->zone, sizeof(out->zone), err) < 0 ||
        member_array(j, "kernels", MESSAGE_KERNELS_MAX, &a, err) < 0)
        return error_prefix(err, "offer");
    out->n_kernels = json_array_size(a);
    for (size_t i = 0; i < out->n_kernels; i++) {
        const json_t *o = json_array_get(a, i);
        struct msg_kernel *k = &out->kernels[i];

        if (member_text(o, "name", k->name, sizeof(k->name), err) < 0 ||
            member_digest(o, "spec", &k->spec, err) < 0 ||
            member_int(o, "units_per_s", 0, INT64_MAX / 4, &k->units_per_s,
                       err) < 0)
            return error_prefix(err, "kernel %zu of the offer", i);
    }
    return 0;
}

json_t *msg_ask_encode(const struct msg_ask *m)
{
    json_t *o = json_pack("{s:I,s:I}", "want", (json_int_t)m->want, "wait_s",
                          (json_int_t)m->wait_s);

    o = json_put(o, "offer", offer_encode(&m->offer));
    return json_put(o, "held", texts_encode(m->held, m->n_held));
}

int msg_ask_decode(const json_t *j, struct msg_ask *out, struct error *err)
{
    const json_t *offer;

    if (member_int(j, "want", 0, MESSAGE_BATCH_MAX, &out->want, err) < 0 ||
        member_int(j, "wait_s", 0, 60, &out->wait_s, err) < 0 ||
        member_object(j, "offer", &offer, err) < 0 ||
        offer_decode(offer, &out->offer, err) < 0)
        return -1;
    return texts_decode(j, "held", &out->held, &out->n_held, err);
}

void msg_ask_clear(struct msg_ask *m)
{
    texts_clear(m->held, m->n_held);
    memset(m, 0, sizeof(*m));
}

/* ---- results -------------------------------------------------------- */

static json_t *root_encode(const struct merkle_sum *m)
{
    return json_pack("{s:o,s:I,s:I}", "hash", json_digest(&m->hash), "units",
                     (json_int_t)m->units, "bytes", (json_int_t)m->bytes);
}

static int root_decode(const json_t *o, struct merkle_sum *out,
                       struct error *err)
{
    const json_t *r;
    int64_t units, bytes;

    if (member_object(o, "root", &r, err) < 0 ||
        member_digest(r, "hash", &out->hash, err) < 0 ||
        member_int(r, "units", 0, INT64_MAX, &units, err) < 0 ||
        member_int(r, "bytes", 0, INT64_MAX, &bytes, err) < 0)
        return -1;
    out->units = (uint64_t)units;
    out->bytes = (uint64_t)bytes;
    return 0;
}

static json_t *result_encode(const struct msg_result *m)
{
    json_t *o = json_pack("{s:s,s:I,s:o,s:I}", "token", m->token, "status",
                          (json_int_t)m->status, "root", root_encode(&m->root),
                          "busy_us", (json_int_t)m->busy_us);

    o = json_put(o, "inline",
                 m->bytes ? json_bytes(m->bytes, m->len) : json_null());
    return json_put(o, "blob",
                    m->has_blob ? json_digest(&m->blob) : json_null());
}

static int result_decode(const json_t *o, struct msg_result *out,
                         struct error *err)
{
    if (member_dup(o, "token", &out->token, err) < 0 ||
        member_int(o, "status", 0, 255, &out->status, err) < 0 ||
        root_decode(o, &out->root, err) < 0 ||
        member_int(o, "busy_us", 0, INT64_MAX, &out->busy_us, err) < 0)
        return -1;
    if (!json_is_null(json_object_get(o, "inline")) &&
        member_bytes(o, "inline", &out->bytes, &out->len, err) < 0)
        return -1;
    if (out->len > MESSAGE_INLINE_MAX)
        return error_set(err, EBADMSG, "\"inline\" has %zu bytes, at most %u",
                         out->len, MESSAGE_INLINE_MAX);
    out->has_blob = !json_is_null(json_object_get(o, "blob"));
    if (out->has_blob && member_digest(o, "blob", &out->blob, err) < 0)
        return -1;
    if (out->status == 0 && !out->bytes == !out->has_blob)
        return error_set(err, EBADMSG,
                         "one of \"inline\" and \"blob\" is "
                         "needed");
    return 0;
}

json_t *msg_results_encode(const struct msg_results *m)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->n; i++)
        a = append(a, result_encode(&m->v[i]));
    return json_put(json_put(json_object(), "results", a), "ask",
                    m->has_ask ? msg_ask_encode(&m->ask) : json_null());
}

int msg_results_decode(const json_t *j, struct msg_results *out,
                       struct error *err)
{
    const json_t *a;

    if (member_array(j, "results", MESSAGE_BATCH_MAX, &a, err) < 0)
        return -1;
    out->v = calloc(json_array_size(a) + 1, sizeof(*out->v));
    if (!out->v)
        return error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < json_array_size(a); i++) {
        out->n = i + 1;
        if (result_decode(json_array_get(a, i), &out->v[i], err) < 0) {
            error_prefix(err, "result %zu", i);
            goto error;
        }
    }
    out->has_ask = !json_is_null(json_object_get(j, "ask"));
    if (out->has_ask) {
        const json_t *o;

        if (member_object(j, "ask", &o, err) < 0 ||
            msg_ask_decode(o, &out->ask, err) < 0)
            goto error;
    }
    return 0;
error:
    msg_results_clear(out);
    return -1;
}

void msg_results_clear(struct msg_results *m)
{
    int saved_errno = errno;

    for (size_t i = 0; i < m->n; i++) {
        free(m->v[i].token);
        free(m->v[i].bytes);
    }
    free(m->v);
    msg_ask_clear(&m->ask);
    memset(m, 0, sizeof(*m));
    errno = saved_errno;
}

/* ---- grants --------------------------------------------------------- */

static json_t *head_encode(const struct msg_head *m)
{
    return json_pack("{s:I,s:o}", "batch", (json_int_t)m->batch, "hash",
                     json_digest(&m->hash));
}

static int head_decode(const json_t *j, struct msg_head *out, struct error *err)
{
    const json_t *o;

    if (member_object(j, "head", &o, err) < 0 ||
        member_int(o, "batch", 0, INT64_MAX, &out->batch, err) < 0)
        return -1;
    return member_digest(o, "hash", &out->hash, err);
}

static json_t *lease_encode(const struct msg_lease *m)
{
    return json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:o,s:s}", "id", m->id, "kernel",
                     m->kernel, "spec", json_digest(&m->spec), "params",
                     json_digest(&m->params), "items", (json_int_t)m->items,
                     "deadline_us", (json_int_t)m->deadline_us, "input",
                     json_bytes(m->input, m->input_len), "token", m->token);
}

static int lease_decode(const json_t *o, struct msg_lease *out,
                        struct error *err)
{
    if (member_text(o, "id", out->id, sizeof(out->id), err) < 0 ||
        member_text(o, "kernel", out->kernel, sizeof(out->kernel), err) < 0 ||
        member_digest(o, "spec", &out->spec, err) < 0 ||
        member_digest(o, "params", &out->params, err) < 0 ||
        member_int(o, "items", 1, UINT32_MAX, &out->items, err) < 0 ||
        member_int(o, "deadline_us", 0, INT64_MAX, &out->deadline_us, err) <
            0 ||
        member_bytes(o, "input", &out->input, &out->input_len, err) < 0)
        return -1;
    return member_dup(o, "token", &out->token, err);
}

json_t *msg_grant_encode(const struct msg_grant *m)
{
    json_t *leases = json_array(), *fates = json_array();
    json_t *o;

    for (size_t i = 0; i < m->n_leases; i++)
        leases = append(leases, lease_encode(&m->leases[i]));
    for (size_t i = 0; i < m->n_fates; i++)
        fates = append(fates, json_pack("{s:s,s:s}", "fate", m->fates[i].fate,
                                        "reason", m->fates[i].reason));
    o = json_put(json_object(), "leases", leases);
    o = json_put(o, "results", fates);
    return json_put(o, "head", head_encode(&m->head));
}

static int grant_parts(const json_t *leases, const json_t *fates,
                       struct msg_grant *out, struct error *err)
{
    for (size_t i = 0; i < json_array_size(leases); i++) {
        out->n_leases = i + 1;
        if (lease_decode(json_array_get(leases, i), &out->leases[i], err) < 0)
            return error_prefix(err, "lease %zu", i);
    }
    for (size_t i = 0; i < json_array_size(fates); i++) {
        const json_t *o = json_array_get(fates, i);
        struct msg_fate *f = &out->fates[i];

        out->n_fates = i + 1;
        if (member_text(o, "fate", f->fate, sizeof(f->fate), err) < 0 ||
            member_text(o, "reason", f->reason, sizeof(f->reason), err) < 0)
            return error_prefix(err, "fate %zu", i);
    }
    return 0;
}

int msg_grant_decode(const json_t *j, struct msg_grant *out, struct error *err)
{
    const json_t *leases, *fates;

    if (member_array(j, "leases", MESSAGE_BATCH_MAX, &leases, err) < 0 ||
        member_array(j, "results", MESSAGE_BATCH_MAX, &fates, err) < 0 ||
        head_decode(j, &out->head, err) < 0)
        return -1;
    out->leases = calloc(json_array_size(leases) + 1, sizeof(*out->leases));
    out->fates = calloc(json_array_size(fates) + 1, sizeof(*out->fates));
    if (!out->leases || !out->fates) {
        msg_grant_clear(out);
        return error_set(err, ENOMEM, "out of memory");
    }
    if (grant_parts(leases, fates, out, err) < 0) {
        msg_grant_clear(out);
        return -1;
    }
    return 0;
}

void msg_grant_clear(struct msg_grant *m)
{
    int saved_errno = errno;

    for (size_t i = 0; i < m->n_leases; i++) {
        free(m->leases[i].input);
        free(m->leases[i].token);
    }
    free(m->leases);
    free(m->fates);
    memset(m, 0, sizeof(*m));
    errno = saved_errno;
}

json_t *msg_gone_encode(const struct msg_gone *m)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->n; i++)
        a = append(a, json_integer(m->v[i]));
    return json_put(json_put(json_object(), "gone", a), "head",
                    head_encode(&m->head));
}

int msg_gone_decode(const json_t *j, struct msg_gone *out, struct error *err)
{
    const json_t *a;

    if (member_array(j, "gone", MESSAGE_BATCH_MAX, &a, err) < 0 ||
        head_decode(j, &out->head, err) < 0)
        return -1;
    out->v = calloc(json_array_size(a) + 1, sizeof(*out->v));
    if (!out->v)
        return error_set(err, ENOMEM, "out of memory");
    out->n = json_array_size(a);
    for (size_t i = 0; i < out->n; i++)
        out->v[i] = json_integer_value(json_array_get(a, i));
    return 0;
}

void msg_gone_clear(struct msg_gone *m)
{
    free(m->v);
    memset(m, 0, sizeof(*m));
}

/* ---- enrolment ------------------------------------------------------ */

json_t *msg_enrol_encode(const struct msg_enrol *m)
{
    return json_pack("{s:s,s:o}", "token", m->token, "pubkey",
                     json_hex(m->pubkey, sizeof(m->pubkey)));
}

int msg_enrol_decode(const json_t *j, struct msg_enrol *out, struct error *err)
{
    if (member_text(j, "token", out->token, sizeof(out->token), err) < 0)
        return -1;
    return member_hex(j, "pubkey", out->pubkey, sizeof(out->pubkey), err);
}

json_t *msg_enrolled_encode(const struct msg_enrolled *m)
{
    return json_pack("{s:I,s:I,s:s,s:o}", "worker_id", (json_int_t)m->worker_id,
                     "party_id", (json_int_t)m->party_id, "cell", m->cell,
                     "cell_key", json_hex(m->cell_key, sizeof(m->cell_key)));
}

int msg_enrolled_decode(const json_t *j, struct msg_enrolled *out,
                        struct error *err)
{
    if (member_int(j, "worker_id", 1, INT64_MAX, &out->worker_id, err) < 0 ||
        member_int(j, "party_id", 1, INT64_MAX, &out->party_id, err) < 0 ||
        member_text(j, "cell", out->cell, sizeof(out->cell), err) < 0)
        return -1;
    return member_hex(j, "cell_key", out->cell_key, sizeof(out->cell_key), err);
}
