/* SPDX-License-Identifier: Apache-2.0 */
/* route.c - from a request to its route */
#include "sched/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who a route is for; anybody = authenticates by its body. */
enum access { FOR_ANYBODY, FOR_USERS, FOR_WORKERS, FOR_BOTH, FOR_ADMIN };

/* First match wins.  A path ending in '/' is followed by one name, and then by
 * the suffix alone.
 */
static const struct route {
    const char *method, *path, *suffix;
    enum access access;
    route_fn *fn;
} routes[] = {
    {"POST", "/v1/result", "", FOR_WORKERS, route_result},
    {"POST", "/v1/lease", "", FOR_WORKERS, route_lease},
    {"POST", "/v1/renew", "", FOR_WORKERS, route_renew},
    {"POST", "/v1/handback", "", FOR_WORKERS, route_handback},
    {"POST", "/v1/enrol", "", FOR_ANYBODY, route_enrol},
    {"GET", "/v1/blob/", "", FOR_BOTH, route_blob_get},
    {"HEAD", "/v1/blob/", "", FOR_USERS, route_blob_head},
    {"PUT", "/v1/blob/", "", FOR_BOTH, route_blob_put},
    {"POST", "/v1/job", "", FOR_USERS, route_job_submit},
    {"POST", "/v1/quote", "", FOR_USERS, route_job_quote},
    {"GET", "/v1/job", "", FOR_USERS, route_job_list},
    {"GET", "/v1/job/", "/results", FOR_USERS, route_job_results},
    {"GET", "/v1/job/", "/evidence", FOR_USERS, route_job_evidence},
    {"GET", "/v1/job/", "", FOR_USERS, route_job_one},
    {"DELETE", "/v1/job/", "", FOR_USERS, route_job_cancel},
    {"POST", "/v1/job/", "/hold", FOR_USERS, route_job_hold},
    {"POST", "/v1/job/", "/release", FOR_USERS, route_job_hold},
    {"GET", "/v1/sacct", "", FOR_USERS, route_sacct},
    {"GET", "/v1/node", "", FOR_USERS, route_node_list},
    {"GET", "/v1/explain", "", FOR_USERS, route_explain},
    {"GET", "/v1/report/", "", FOR_USERS, route_report},
    {"GET", "/v1/ping", "", FOR_ANYBODY, route_ping},
    {"POST", "/v1/admin/party", "", FOR_ADMIN, route_admin_party},
    {"POST", "/v1/admin/tariff", "", FOR_ADMIN, route_admin_tariff},
    {"POST", "/v1/admin/fund", "", FOR_ADMIN, route_admin_fund},
    {"POST", "/v1/admin/token", "", FOR_ADMIN, route_admin_token},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool matches(const struct route *r, const char *path)
{
    size_t n = strlen(r->path), len = strlen(path), s = strlen(r->suffix);

    if (r->path[n - 1] != '/')
        return strcmp(path, r->path) == 0;
    return len > n + s && strncmp(path, r->path, n) == 0 &&
           strcmp(path + len - s, r->suffix) == 0 &&
           !memchr(path + n, '/', len - n - s);
}

static const struct route *find_route(const char *method, const char *path)
{
    for (size_t i = 0; i < ROUTES; i++)
        if (strcmp(routes[i].method, method) == 0 && matches(&routes[i], path))
            return &routes[i];
    return NULL;
}

static bool allowed(struct call *call, enum access access)
{
    bool user = call->who == WHO_USER || call->who == WHO_ADMIN;

    if (access == FOR_ANYBODY ||
        (access != FOR_ADMIN && call->who == WHO_WORKER &&
         access != FOR_USERS) ||
        (user && (access == FOR_USERS || access == FOR_BOTH)) ||
        (access == FOR_ADMIN && call->who == WHO_ADMIN))
        return true;
    if (call->who == WHO_NOBODY)
        call_error(call, 401, EACCES,
                   "who asks? send a token or a signature (see client.conf)");
    else
        call_error(call, 403, EPERM,
                   access == FOR_ADMIN ? "only the cell's operator may do this"
                                       : "this is not for such a caller");
    return false;
}

/* Split path and query; the digest the worker's signature covers. */
static int prepare(struct call *call, const struct frame *f)
{
    const char *path = f->request.path, *q = strchr(path, '?');
    size_t n = q ? (size_t)(q - path) : strlen(path);

    if (n >= sizeof(call->path))
        return -1;
    memcpy(call->path, path, n);
    call->path[n] = '\0';
    call->query = (char *)(uintptr_t)(q ? q + 1 : "");
    if (f->type == FRAME_HEAD) {
        /* a blob's digest is in its path; blob_dir.commit checks it */
        if (digest_from_hex(n >= 64 ? call->path + n - 64 : "", &call->body) <
            0)
            return -1;
    } else {
        digest_of(f->request.body, f->request.body_len, &call->body);
    }
    return 0;
}

void api_request(struct ctl *c, uint64_t gate, const struct frame *f)
{
    struct call call = {.ctl = c, .gate = gate, .req = f->req};
    const struct route *r;

    call.in = &f->request;
    call.seq = -1;
    if (!c->cell) {
        call_error(&call, 503, EAGAIN,
                   "the cell's database is away: try again");
        return;
    }
    if (prepare(&call, f) < 0) {
        call_error(&call, 404, ENOENT, "no such path");
        return;
    }
    r = find_route(f->request.method, call.path);
    if (!r || (f->type == FRAME_HEAD) != (r->fn == route_blob_put)) {
        call_error(&call, 404, ENOENT, "no such method and path");
        return;
    }
    if (auth_call(&call) == 0 && allowed(&call, r->access))
        r->fn(&call);
}

json_t *api_json(struct call *call)
{
    struct error err;
    json_t *j = message_parse(call->in->body, call->in->body_len, &err);

    if (!j) {
        error_prefix(&err, "body");
        call_refuse(call, EINVAL, err.text);
    }
    return j;
}

void api_query_text(const struct call *call, const char *name, char *out,
                    size_t cap)
{
    size_t n = strlen(name);

    out[0] = '\0';
    for (const char *p = call->query; p && *p;) {
        const char *end = strchr(p, '&');
        size_t len = end ? (size_t)(end - p) : strlen(p);

        if (len > n && strncmp(p, name, n) == 0 && p[n] == '=' &&
            len - n - 1 < cap) {
            memcpy(out, p + n + 1, len - n - 1);
            out[len - n - 1] = '\0';
        }
        p = end ? end + 1 : NULL;
    }
}

int api_query_int(struct call *call, const char *name, int64_t min, int64_t max,
                  int64_t dflt, int64_t *out)
{
    char text[32], *end;
    struct error err;

    api_query_text(call, name, text, sizeof(text));
    *out = dflt;
    if (!*text)
        return 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!*end && !errno && *out >= min && *out <= max)
        return 0;
    error_set(&err, EINVAL, "\"%s=%s\" is not an integer from %jd to %jd", name,
              text, (intmax_t)min, (intmax_t)max);
    call_refuse(call, EINVAL, err.text);
    return -1;
}

int64_t api_path_id(const struct call *call, const char *prefix)
{
    const char *p = call->path + strlen(prefix);
    char *end;
    long long v;

    if (*p < '0' || *p > '9')
        return 0;
    errno = 0;
    v = strtoll(p, &end, 10);
    return errno || (*end && *end != '/') ? 0 : v;
}
