/* SPDX-License-Identifier: Apache-2.0 */
/* parties.c - who is who in a private cell */
#include "sched/cmd/parties.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define KNOWN_MAX (1u << 20)

int parties_open(struct parties *p, const char *state, struct client *admin,
                 struct error *err)
{
    json_error_t je;
    void *text;
    size_t len;

    memset(p, 0, sizeof(*p));
    p->admin = admin;
    p->path = file_path(state, "parties.json");
    if (!p->path)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (file_read(p->path, KNOWN_MAX, &text, &len, err) < 0) {
        if (errno != ENOENT)
            return -1;
        p->known = json_object();
        return p->known ? 0 : error_set(err, ENOMEM, "out of memory");
    }
    p->known = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    free(text);
    if (!p->known)
        return error_set(err, EBADMSG, "%s:%d: %s", p->path, je.line, je.text);
    return 0;
}

void parties_close(struct parties *p)
{
    int saved_errno = errno;

    free(p->path);
    json_decref(p->known);
    memset(p, 0, sizeof(*p));
    errno = saved_errno;
}

static int remember(struct parties *p, const char *name, json_int_t value,
                    struct error *err)
{
    char *text = NULL;
    int rc;

    if (json_object_set_new(p->known, name, json_integer(value)) < 0 ||
        !(text = json_dumps(p->known, JSON_INDENT(1))))
        return error_set(err, ENOMEM, "could not keep party %s", name);
    rc = file_write(p->path, text, strlen(text), true, err);
    free(text);
    return rc;
}

static int64_t known_id(const struct parties *p, const char *name)
{
    return json_integer_value(json_object_get(p->known, name));
}

int64_t parties_get(struct parties *p, const char *name, const char *role,
                    struct error *err)
{
    int64_t id = known_id(p, name);
    json_t *body, *reply = NULL;
    int rc;

    if (id > 0)
        return id;
    body = json_pack("{s:s, s:[s]}", "name", name, "roles", role);
    rc = body ? client_call(p->admin, "POST", "/v1/admin/party", body, name,
                            &reply, err)
              : error_set(err, ENOMEM, "could not build a request");
    id = json_integer_value(json_object_get(reply, "party_id"));
    json_decref(body);
    json_decref(reply);
    if (rc < 0)
        return -1;
    if (id < 1)
        return error_set(err, EPROTO, "the cell gave party %s no number", name);
    return remember(p, name, id, err) < 0 ? -1 : id;
}

char *parties_token(struct parties *p, int64_t party_id, const char *kind,
                    int64_t ttl_s, struct error *err)
{
    json_t *body =
        json_pack("{s:I, s:s, s:I}", "party_id", (json_int_t)party_id, "kind",
                  kind, "ttl_s", (json_int_t)ttl_s);
    json_t *reply = NULL;
    const char *text;
    char *token = NULL;

    if (!body)
        error_set(err, ENOMEM, "could not build a request");
    else if (client_call(p->admin, "POST", "/v1/admin/token", body, "token",
                         &reply, err) == 0) {
        text = json_string_value(json_object_get(reply, "token"));
        if (!text || !(token = strdup(text)))
            error_set(err, EPROTO, "the cell gave no token");
    }
    json_decref(body);
    json_decref(reply);
    return token;
}

int parties_fund(struct parties *p, int64_t party_id, const char *unit,
                 int64_t amount_micro, struct error *err)
{
    json_t *body;
    int rc;

    if (known_id(p, "funded"))
        return 0;
    /* The same serial is the same transfer: a repetition posts nothing. */
    body = json_pack("{s:I, s:s, s:I, s:I}", "party_id", (json_int_t)party_id,
                     "unit", unit, "amount", (json_int_t)amount_micro, "serial",
                     (json_int_t)1);
    rc = body ? client_call(p->admin, "POST", "/v1/admin/fund", body, "fund",
                            NULL, err)
              : error_set(err, ENOMEM, "could not build a request");
    json_decref(body);
    if (rc < 0 && errno != EEXIST)
        return -1;
    return remember(p, "funded", 1, err) < 0 ? -1 : 1;
}
