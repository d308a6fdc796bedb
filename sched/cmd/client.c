/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a customer's connection to a cell */
#include "sched/cmd/client.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/file.h"
#include "common/message.h"

#define CALL_TIMEOUT_MS 60000
#define TOKEN_FILE_MAX 4096
#define PAUSE_MIN_US 100000
#define PAUSE_MAX_US 2000000

int64_t client_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void client_pause(const volatile sig_atomic_t *stop, int64_t us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    if (!stop || !*stop)
        nanosleep(&t, NULL); /* a signal ends it */
}

char *client_state_dir(struct error *err)
{
    const char *given = getenv("FALLOW_STATE");
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const struct passwd *pw = getpwuid(geteuid());
    char *dir = NULL;
    int n;

    if (given && *given)
        n = asprintf(&dir, "%s", given);
    else if (geteuid() == 0)
        n = asprintf(&dir, "/var/lib/fallow");
    else if (xdg && *xdg == '/')
        n = asprintf(&dir, "%s/fallow", xdg);
    else if ((home && *home == '/') || pw)
        n = asprintf(&dir, "%s/.local/state/fallow",
                     home && *home == '/' ? home : pw->pw_dir);
    else
        return error_null(err, ENOENT,
                          "no home directory; set FALLOW_STATE to a directory");
    return n < 0 ? error_null(err, ENOMEM, "could not allocate a path") : dir;
}

bool client_is_away(int code)
{
    return code == EAGAIN || code == ECONNREFUSED || code == ECONNRESET ||
           code == ETIMEDOUT;
}

static void trim(char *text)
{
    size_t n = strlen(text);

    while (n && strchr(" \t\r\n", text[n - 1]))
        text[--n] = '\0';
}

static int read_conf(struct client *c, const char *path, struct error *err)
{
    const struct conf_key keys[] = {
        {"url", CONF_STRING, &c->url, 0, 0},
        {"ca", CONF_STRING, &c->ca, 0, 0},
        {"cell", CONF_STRING, &c->cell, 0, 0},
        {"token", CONF_STRING, &c->token, 0, 0},
        {"token_file", CONF_STRING, &c->token_file, 0, 0},
        {NULL, 0, NULL, 0, 0},
    };
    void *text;
    size_t len;

    if (conf_read(path, keys, err) < 0) {
        if (errno == ENOENT)
            return error_set(err, ENOENT,
                             "%s is not there: no cell is known; `fallow up` "
                             "makes one, FALLOW_CONF names another file",
                             path);
        return -1;
    }
    if (!c->token && c->token_file) {
        if (file_read(c->token_file, TOKEN_FILE_MAX, &text, &len, err) < 0)
            return -1;
        c->token = text;
        trim(c->token);
    }
    if (!c->url || !c->cell || !c->token)
        return error_set(err, EINVAL, "%s lacks %s", path,
                         !c->url    ? "url"
                         : !c->cell ? "cell"
                                    : "token");
    return 0;
}

int client_open(struct client *c, struct error *err)
{
    const char *given = getenv("FALLOW_CONF");
    char *path = NULL;
    int rc = 0;

    memset(c, 0, sizeof(*c));
    c->patience_us = 3000000;
    c->state = client_state_dir(err);
    if (!c->state)
        return -1;
    path = given && *given ? strdup(given) : file_path(c->state, "client.conf");
    if (!path)
        rc = error_set(err, ENOMEM, "could not allocate a path");
    if (rc == 0)
        rc = read_conf(c, path, err);
    if (rc == 0) {
        c->http = http_create(c->url, c->ca, c->token, err);
        if (!c->http)
            rc = error_prefix(err, "%s", path);
    }
    c->conf = path;
    if (rc < 0)
        client_close(c);
    return rc;
}

int client_again(struct client *c, const struct client *like, struct error *err)
{
    memset(c, 0, sizeof(*c));
    c->patience_us = like->patience_us;
    c->stop = like->stop;
    c->conf = like->conf ? strdup(like->conf) : NULL; /* for messages */
    c->http = http_create(like->url, like->ca, like->token, err);
    return c->http ? 0 : -1;
}

void client_close(struct client *c)
{
    int saved_errno = errno;

    http_destroy(c->http);
    free(c->url);
    free(c->ca);
    free(c->cell);
    free(c->token);
    free(c->token_file);
    free(c->state);
    free(c->conf);
    memset(c, 0, sizeof(*c));
    errno = saved_errno;
}

/* One attempt; the cell's own words are in err when it refused. */
static int attempt(struct client *c, const char *method, const char *path,
                   const void *body, size_t len, const char *what,
                   struct http_reply *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (http_do(c->http, method, path, -1, body, len, CALL_TIMEOUT_MS,
                (const volatile int *)c->stop, out, err) < 0)
        return -1;
    if (http_check(out, what, err) == 0)
        return 0;
    http_reply_clear(out);
    if (errno == EACCES && c->conf)
        return error_set(err, EACCES,
                         "the cell does not accept the token in %s: it is "
                         "wrong or has expired; its operator gives a new one",
                         c->conf);
    return -1;
}

/* Ask until it answers, or patience ends. */
static int persist(struct client *c, const char *method, const char *path,
                   const void *body, size_t len, const char *what,
                   struct http_reply *out, struct error *err)
{
    int64_t until = monotonic_us() + c->patience_us, wait = PAUSE_MIN_US;

    for (;;) {
        if (attempt(c, method, path, body, len, what, out, err) == 0)
            return 0;
        if (!client_is_away(errno) || monotonic_us() + wait > until)
            return -1;
        if (c->stop && *c->stop)
            return error_set(err, ECANCELED, "interrupted");
        client_pause(c->stop, wait);
        wait = wait * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : wait * 2;
    }
}

int client_call(struct client *c, const char *method, const char *path,
                const json_t *body, const char *what, json_t **reply,
                struct error *err)
{
    struct http_reply r;
    size_t len = 0;
    char *text = body ? message_text(body, &len) : NULL;
    json_error_t je;
    int rc;

    if (reply)
        *reply = NULL;
    if (body && !text)
        return error_set(err, ENOMEM, "could not build a request");
    rc = persist(c, method, path, text, len, what, &r, err);
    free(text);
    if (rc < 0)
        return -1;
    if (reply) {
        *reply =
            json_loadb((char *)r.body, r.body_len, JSON_REJECT_DUPLICATES, &je);
        if (!*reply)
            rc = error_set(err, EPROTO, "%s: the cell's answer is no JSON: %s",
                           what, je.text);
    }
    http_reply_clear(&r);
    return rc;
}

/* 1 it is there, 0 not, -1 error. */
static int has_blob(struct client *c, const char *path, struct error *err)
{
    struct http_reply r;

    if (persist(c, "HEAD", path, NULL, 0, "blob", &r, err) == 0) {
        http_reply_clear(&r);
        return 1;
    }
    return errno == ENOENT ? 0 : -1;
}

int client_put(struct client *c, const char *digest_hex, const void *buf,
               size_t len, bool *sent, struct error *err)
{
    char path[96];
    struct http_reply r;
    int rc;

    snprintf(path, sizeof(path), "/v1/blob/%s", digest_hex);
    *sent = false;
    rc = has_blob(c, path, err);
    if (rc != 0)
        return rc > 0 ? 0 : -1;
    if (persist(c, "PUT", path, buf, len, "upload", &r, err) < 0)
        return -1;
    http_reply_clear(&r);
    *sent = true;
    return 0;
}

int client_put_file(struct client *c, const char *digest_hex, const char *file,
                    bool *sent, struct error *err)
{
    char path[96];
    struct http_reply r;
    int rc, tries = 0;

    snprintf(path, sizeof(path), "/v1/blob/%s", digest_hex);
    *sent = false;
    rc = has_blob(c, path, err);
    if (rc != 0)
        return rc > 0 ? 0 : -1;
    for (;;) {
        memset(&r, 0, sizeof(r));
        rc = http_put_file(c->http, path, file, NULL, NULL, &r, err);
        if (rc == 0)
            rc = http_check(&r, "upload", err);
        if (rc == 0 || !client_is_away(errno) || ++tries == 5)
            break;
        http_reply_clear(&r);
        client_pause(c->stop, PAUSE_MIN_US << tries);
    }
    {
        int saved_errno = errno;

        http_reply_clear(&r);
        errno = saved_errno;
    }
    *sent = rc == 0;
    return rc < 0 ? error_prefix(err, "%s", file) : 0;
}
