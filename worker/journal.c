/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - what a worker must not forget, on disk */
#include "worker/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

#define LEASE_FILE_MAX ((size_t)1 << 20)
#define CLAIM_FILE_MAX ((size_t)1 << 20)
#define REQUEST_FILE_MAX ((size_t)64 << 20)

struct journal {
    char *tasks;    /* DIR/task */
    char *request;  /* DIR/journal/request */
    char *answered; /* DIR/journal/answered */
};

static int make_dir(const char *path, struct error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set(err, errno, "could not make %s: %s", path,
                         strerror(errno));
    return 0;
}

struct journal *journal_create(const char *dir, struct error *err)
{
    struct journal *j = calloc(1, sizeof(*j));
    char *sub = file_path(dir, "journal");

    if (!j || !sub)
        goto nomem;
    j->tasks = file_path(dir, "task");
    j->request = file_path(sub, "request");
    j->answered = file_path(sub, "answered");
    if (!j->tasks || !j->request || !j->answered)
        goto nomem;
    if (make_dir(sub, err) < 0 || make_dir(j->tasks, err) < 0) {
        journal_destroy(j);
        j = NULL;
    }
    free(sub);
    return j;
nomem:
    free(sub);
    journal_destroy(j);
    return error_null(err, ENOMEM, "could not allocate a journal");
}

void journal_destroy(struct journal *j)
{
    if (j) {
        int saved_errno = errno;

        free(j->tasks);
        free(j->request);
        free(j->answered);
        free(j);
        errno = saved_errno;
    }
}

/* ---- leases ------------------------------------------------------------ */

char *journal_dir(const struct journal *j, const char *id, struct error *err)
{
    size_t n = strspn(id, "0123456789.");
    char *dir;

    if (n == 0 || id[n] || id[0] == '.')
        return error_null(err, EINVAL, "\"%s\" is not the id of a lease", id);
    dir = file_path(j->tasks, id);
    return dir ? dir : error_null(err, ENOMEM, "could not allocate a path");
}

static int put(const char *dir, const char *name, const void *buf, size_t len,
               bool durable, struct error *err)
{
    char *path = file_path(dir, name);
    int rc = path ? file_write(path, buf, len, durable, err)
                  : error_set(err, ENOMEM, "could not allocate a path");

    free(path);
    return rc;
}

static int put_json(const char *dir, const char *name, json_t *j, bool durable,
                    struct error *err)
{
    size_t len = 0;
    char *text = j ? message_text(j, &len) : NULL;
    int rc = text ? put(dir, name, text, len, durable, err)
                  : error_set(err, ENOMEM, "could not encode %s", name);

    free(text);
    json_decref(j);
    return rc;
}

static json_t *encode_lease(const struct msg_lease *l, int64_t until_us)
{
    char spec[DIGEST_HEX_LEN + 1], params[DIGEST_HEX_LEN + 1];

    digest_to_hex(&l->spec, spec);
    digest_to_hex(&l->params, params);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "id", l->id,
                     "kernel", l->kernel, "spec", spec, "params", params,
                     "items", (json_int_t)l->items, "until_us",
                     (json_int_t)until_us, "token", l->token);
}

static int decode_lease(const json_t *j, struct journal_lease *out)
{
    const char *id, *kernel, *spec, *params, *token;
    json_int_t items, until;

    if (json_unpack((json_t *)(uintptr_t)j,
                    "{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "id", &id, "kernel",
                    &kernel, "spec", &spec, "params", &params, "items", &items,
                    "until_us", &until, "token", &token) < 0 ||
        strlen(id) >= sizeof(out->lease.id) ||
        strlen(kernel) >= sizeof(out->lease.kernel) ||
        digest_from_hex(spec, &out->lease.spec) < 0 ||
        digest_from_hex(params, &out->lease.params) < 0)
        return -1;
    memcpy(out->lease.id, id, strlen(id) + 1);
    memcpy(out->lease.kernel, kernel, strlen(kernel) + 1);
    out->lease.items = items;
    out->until_us = until;
    out->lease.token = strdup(token);
    return out->lease.token ? 0 : -1;
}

int journal_take(struct journal *j, const struct msg_lease *l, int64_t until_us,
                 struct error *err)
{
    char *dir = journal_dir(j, l->id, err);
    int rc;

    if (!dir)
        return -1;
    rc = make_dir(dir, err) < 0 ||
                 put(dir, "input", l->input, l->input_len, false, err) < 0 ||
                 put_json(dir, "lease", encode_lease(l, until_us), false, err) <
                     0
             ? -1
             : 0;
    free(dir);
    if (rc < 0)
        journal_drop(j, l->id);
    return rc;
}

static int sync_file(const char *dir, const char *name, struct error *err)
{
    char *path = file_path(dir, name);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int rc = fd < 0 ? -1 : fsync(fd);

    if (rc < 0)
        error_set(err, errno, "could not sync %s: %s", path ? path : name,
                  strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

int journal_claim(struct journal *j, const char *id, const struct msg_result *m,
                  struct error *err)
{
    struct msg_results one = {.n = 1, .v = (struct msg_result *)(uintptr_t)m};
    char *dir = journal_dir(j, id, err);
    int rc;

    if (!dir)
        return -1;
    rc = m->has_blob ? sync_file(dir, "results", err) : 0;
    if (rc == 0)
        rc = put_json(dir, "claim", msg_results_encode(&one), true, err);
    free(dir);
    return rc;
}

/* A lease's directory is flat; whatever a runner left there goes with it. */
static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(dirfd(d), e->d_name, 0) < 0)
            unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    if (d)
        closedir(d);
    rmdir(dir);
}

/* The claim goes first: without it a half removed lease is only a lease. */
void journal_drop(struct journal *j, const char *id)
{
    char *dir = journal_dir(j, id, NULL);
    char *claim = dir ? file_path(dir, "claim") : NULL;

    if (claim) {
        unlink(claim);
        remove_dir(dir);
    }
    free(claim);
    free(dir);
}

static json_t *get_json(const char *dir, const char *name, size_t max)
{
    char *path = file_path(dir, name);
    json_t *j = NULL;
    void *buf;
    size_t len;

    if (path && file_read(path, max, &buf, &len, NULL) == 0) {
        j = message_parse(buf, len, NULL);
        free(buf);
    }
    free(path);
    return j;
}

static void clear_lease(struct journal_lease *l)
{
    struct msg_results one = {.n = 1};

    free(l->lease.token);
    if (l->has_claim) {
        one.v = malloc(sizeof(*one.v));
        if (one.v) {
            *one.v = l->claim;
            msg_results_clear(&one);
        }
    }
    memset(l, 0, sizeof(*l));
}

static int load_claim(const char *dir, struct journal_lease *out)
{
    json_t *j = get_json(dir, "claim", CLAIM_FILE_MAX);
    struct msg_results m = {0};
    int rc = -1;

    if (!j)
        return 0;
    if (msg_results_decode(j, &m, NULL) == 0 && m.n == 1) {
        out->claim = m.v[0];
        out->has_claim = true;
        free(m.v);
        rc = 0;
    }
    json_decref(j);
    return rc;
}

static int load_one(struct journal *j, const char *id,
                    struct journal_lease *out)
{
    char *dir = journal_dir(j, id, NULL);
    json_t *lease = dir ? get_json(dir, "lease", LEASE_FILE_MAX) : NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    rc =
        lease && decode_lease(lease, out) == 0 && strcmp(out->lease.id, id) == 0
            ? load_claim(dir, out)
            : -1;
    if (rc < 0)
        clear_lease(out);
    json_decref(lease);
    free(dir);
    return rc;
}

int journal_load(struct journal *j, struct journal_lease **v, size_t *n,
                 struct error *err)
{
    struct dirent **names;
    int count = scandir(j->tasks, &names, NULL, versionsort);

    *n = 0;
    *v = NULL;
    if (count < 0)
        return error_set(err, errno, "could not read %s: %s", j->tasks,
                         strerror(errno));
    *v = calloc((size_t)count + 1, sizeof(**v));
    for (int i = 0; i < count; i++) {
        const char *id = names[i]->d_name;

        if (*v && id[0] != '.') {
            if (load_one(j, id, &(*v)[*n]) == 0)
                (*n)++;
            else
                journal_drop(j, id);
        }
        free(names[i]);
    }
    free(names);
    return *v ? 0 : error_set(err, ENOMEM, "could not load the journal");
}

void journal_free(struct journal_lease *v, size_t n)
{
    for (size_t i = 0; v && i < n; i++)
        clear_lease(&v[i]);
    free(v);
}

/* ---- the one request in flight ------------------------------------------ */

/* First line "SEQ PATH", then the body as it is. */
int journal_request_put(struct journal *j, const struct journal_request *r,
                        struct error *err)
{
    char head[128];
    int n = snprintf(head, sizeof(head), "%" PRId64 " %s\n", r->seq, r->path);
    char *buf = malloc((size_t)n + r->len + 1);
    int rc;

    if (!buf)
        return error_set(err, ENOMEM, "could not allocate a request");
    memcpy(buf, head, (size_t)n);
    if (r->len)
        memcpy(buf + n, r->body, r->len);
    rc = file_write(j->request, buf, (size_t)n + r->len, true, err);
    free(buf);
    return rc;
}

int journal_request_done(struct journal *j, struct error *err)
{
    if (rename(j->request, j->answered) < 0 && errno != ENOENT)
        return error_set(err, errno, "could not rename %s: %s", j->request,
                         strerror(errno));
    return 0;
}

static int parse_request(char *buf, size_t len, struct journal_request *out)
{
    char *nl = memchr(buf, '\n', len), *path;
    intmax_t seq;

    if (!nl)
        return -1;
    *nl = '\0';
    errno = 0;
    seq = strtoimax(buf, &path, 10);
    if (errno || seq < 1 || *path != ' ')
        return -1;
    out->path = strdup(path + 1);
    out->len = len - (size_t)(nl + 1 - buf);
    out->body = malloc(out->len + 1);
    if (!out->path || !out->body) {
        journal_request_clear(out);
        return -1;
    }
    memcpy(out->body, nl + 1, out->len);
    out->body[out->len] = '\0';
    out->seq = seq;
    return 0;
}

static int get_request(const char *path, struct journal_request *out,
                       struct error *err)
{
    void *buf;
    size_t len;
    int rc;

    memset(out, 0, sizeof(*out));
    if (file_read(path, REQUEST_FILE_MAX, &buf, &len, err) < 0)
        return errno == ENOENT ? 0 : -1;
    rc = parse_request(buf, len, out);
    free(buf);
    return rc < 0 ? error_set(err, EBADMSG, "%s is damaged; remove it", path)
                  : 0;
}

int journal_request_get(struct journal *j, struct journal_request *out,
                        int64_t *last, struct error *err)
{
    struct journal_request old;

    if (get_request(j->answered, &old, err) < 0)
        return -1;
    *last = old.seq;
    journal_request_clear(&old);
    if (get_request(j->request, out, err) < 0)
        return -1;
    if (out->seq > *last)
        *last = out->seq;
    return 0;
}

void journal_request_clear(struct journal_request *r)
{
    free(r->path);
    free(r->body);
    memset(r, 0, sizeof(*r));
}
