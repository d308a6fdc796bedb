/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c - who this worker is, and of which cell */
#include "worker/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/conf.h"
#include "common/file.h"
#include "common/message.h"

#define ENROL_MS 30000

/* DIR/ca.pem when it is there. */
static int find_ca(const char *dir, struct identity *i, struct error *err)
{
    i->ca = file_path(dir, "ca.pem");
    if (!i->ca)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (access(i->ca, F_OK) < 0) {
        free(i->ca);
        i->ca = NULL;
    }
    return 0;
}

static int open_key(const char *dir, struct identity *i, struct error *err)
{
    char *path = file_path(dir, "node.key");

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    i->key = sign_key_open(path, err);
    free(path);
    return i->key ? 0 : -1;
}

static int take(struct identity *i, char *cell, char *cell_key,
                struct error *err)
{
    if (!i->cell_url || !cell || !cell_key || i->worker_id < 1 ||
        strlen(cell) >= sizeof(i->cell) ||
        bytes_from_hex(cell_key, i->cell_key, sizeof(i->cell_key)) < 0)
        return error_set(err, EBADMSG,
                         "identity.conf is incomplete; enrol again into an "
                         "empty state directory");
    snprintf(i->cell, sizeof(i->cell), "%s", cell);
    return 0;
}

int identity_load(const char *dir, struct identity *out, struct error *err)
{
    char *cell = NULL, *cell_key = NULL;
    char *path = file_path(dir, "identity.conf");
    const struct conf_key keys[] = {
        {"cell_url", CONF_STRING, &out->cell_url, 0, 0},
        {"cell", CONF_STRING, &cell, 0, 0},
        {"cell_key", CONF_STRING, &cell_key, 0, 0},
        {"worker_id", CONF_INT, &out->worker_id, 0, 0},
        {"party_id", CONF_INT, &out->party_id, 0, 0},
        {NULL, 0, NULL, 0, 0},
    };
    int rc;

    memset(out, 0, sizeof(*out));
    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = conf_read(path, keys, err);
    if (rc == 0)
        rc = take(out, cell, cell_key, err);
    if (rc == 0)
        rc = find_ca(dir, out, err);
    if (rc == 0)
        rc = open_key(dir, out, err);
    if (rc < 0)
        identity_clear(out);
    free(cell);
    free(cell_key);
    free(path);
    return rc;
}

static int save(const char *dir, const struct identity *i, struct error *err)
{
    char key[2 * SIGN_KEY_LEN + 1], text[2048];
    char *path = file_path(dir, "identity.conf");
    char *url = conf_line("cell_url", i->cell_url);
    char *cell = conf_line("cell", i->cell);
    int n = -1, rc;

    bytes_to_hex(i->cell_key, SIGN_KEY_LEN, key);
    if (path && url && cell)
        n = snprintf(text, sizeof(text),
                     "# written by fallowd at enrolment\n%s%scell_key = %s\n"
                     "worker_id = %" PRId64 "\nparty_id = %" PRId64 "\n",
                     url, cell, key, i->worker_id, i->party_id);
    if (n < 0 || (size_t)n >= sizeof(text))
        rc = error_set(err, ENAMETOOLONG, "could not write identity.conf");
    else
        rc = file_write(path, text, (size_t)n, true, err);
    free(path);
    free(url);
    free(cell);
    return rc;
}

static int ask(struct identity *i, const char *token, struct error *err)
{
    struct http *h = http_create(i->cell_url, i->ca, NULL, err);
    struct msg_enrol m = {.token = ""};
    struct http_reply r = {.retry_after_s = -1};
    struct msg_enrolled got;
    json_t *j = NULL;
    char *text;
    size_t len;
    int rc = -1;

    if (!h)
        return -1;
    snprintf(m.token, sizeof(m.token), "%s", token);
    sign_key_public(i->key, m.pubkey);
    j = msg_enrol_encode(&m);
    text = j ? message_text(j, &len) : NULL;
    json_decref(j);
    if (!text)
        error_set(err, ENOMEM, "could not encode a request");
    else if (http_do(h, "POST", "/v1/enrol", -1, text, len, ENROL_MS, NULL, &r,
                     err) == 0 &&
             http_check(&r, "enrolment", err) == 0 &&
             (j = message_parse(r.body, r.body_len, err))) {
        rc = msg_enrolled_decode(j, &got, err);
        json_decref(j);
    }
    if (rc == 0) {
        i->worker_id = got.worker_id;
        i->party_id = got.party_id;
        snprintf(i->cell, sizeof(i->cell), "%s", got.cell);
        memcpy(i->cell_key, got.cell_key, sizeof(i->cell_key));
    }
    free(text);
    http_reply_clear(&r);
    http_destroy(h);
    return rc;
}

int identity_enrol(const char *dir, const char *cell_url, const char *token,
                   struct identity *out, struct error *err)
{
    int rc = -1;

    memset(out, 0, sizeof(*out));
    out->cell_url = strdup(cell_url);
    if (strlen(token) != 64)
        error_set(err, EINVAL,
                  "an enrolment token has 64 characters, this one %zu",
                  strlen(token));
    else if (!out->cell_url)
        error_set(err, ENOMEM, "could not allocate an address");
    else if (find_ca(dir, out, err) == 0 && open_key(dir, out, err) == 0 &&
             ask(out, token, err) == 0)
        rc = save(dir, out, err);
    if (rc < 0)
        identity_clear(out);
    return rc;
}

int identity_move(const char *dir, const char *cell_url, struct identity *i,
                  struct error *err)
{
    char *url;

    if (strcmp(cell_url, i->cell_url) == 0)
        return 0;
    url = strdup(cell_url);
    if (!url)
        return error_set(err, ENOMEM, "could not allocate an address");
    free(i->cell_url);
    i->cell_url = url;
    return save(dir, i, err);
}

struct http *identity_http(const struct identity *i, struct error *err)
{
    struct http *h = http_create(i->cell_url, i->ca, NULL, err);

    if (h && http_set_worker(h, i->cell, i->worker_id, i->key, i->cell_key,
                             err) < 0) {
        http_destroy(h);
        h = NULL;
    }
    return h;
}

void identity_clear(struct identity *i)
{
    int saved_errno = errno;

    free(i->cell_url);
    free(i->ca);
    sign_key_destroy(i->key);
    memset(i, 0, sizeof(*i));
    errno = saved_errno;
}
