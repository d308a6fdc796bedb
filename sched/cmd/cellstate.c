/* SPDX-License-Identifier: Apache-2.0 */
/* cellstate.c - the state directory of a private cell, and its files */
#include "sched/cmd/cellstate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/file.h"
#include "sched/cmd/client.h"
#include "sched/cmd/cluster.h"
#include "sched/cmd/scratch.h"

static int name_files(struct cellstate *s, struct error *err)
{
    struct {
        char **slot;
        const char *name;
    } files[] = {
        {&s->cell_conf, "cell.conf"},
        {&s->client_conf, "client.conf"},
        {&s->admin_token, "ctl/admin.token"},
        {&s->cell_key, "ctl/cell.key"},
        {&s->tls, "tls"},
        {&s->ca_pem, "tls/ca.pem"},
        {&s->server_pem, "tls/server.pem"},
        {&s->server_key, "tls/server.key"},
        {&s->blob, "blob"},
        {&s->schema, "share/fallow/schema"},
        {&s->plugins, "lib/fallow"},
        {&s->port_file, "ctl/gate.port"},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (!(*files[i].slot = file_path(s->state, files[i].name)))
            return error_set(err, ENOMEM, "could not allocate a path");
    s->as.state = s->state;
    s->as.plugins = s->plugins;
    return 0;
}

/* What root writes lies where nobody else can put links in its way. */
static int make_dirs(const struct cellstate *s, struct error *err)
{
    static const struct {
        const char *name;
        mode_t mode;
        bool give; /* the cell's user writes there */
    } dirs[] = {
        {"run", 0755, false},  {"log", 0755, false}, {"tls", 0755, false},
        {"ctl", 0700, true},   {"blob", 0700, true}, {"workers", 0755, false},
        {"jobs", 0700, false},
    };

    if (scratch_mkdir(s->state, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        char *path = file_path(s->state, dirs[i].name);
        int rc = path ? scratch_mkdir(path, dirs[i].mode, err) : -1;

        if (rc == 0 && dirs[i].give)
            rc = account_give(&s->as, path, err);
        free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int cellstate_lock(struct cellstate *s, struct error *err)
{
    char *path = file_path(s->state, "run/command.lock");

    s->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    free(path);
    if (s->lock < 0)
        return error_set(err, errno, "could not open a lock in %s: %s",
                         s->state, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, EBUSY,
                         "another fallow up or down works on %s; try again "
                         "when it is done",
                         s->state);
    return 0;
}

/* What client.conf says; a missing file is none yet. */
static int read_client(struct cellstate *s, struct error *err)
{
    char *ca = NULL, *token_file = NULL;
    const struct conf_key keys[] = {
        {"url", CONF_STRING, &s->url, 0, 0},
        {"ca", CONF_STRING, &ca, 0, 0},
        {"cell", CONF_STRING, &s->name, 0, 0},
        {"token", CONF_STRING, &s->token, 0, 0},
        {"token_file", CONF_STRING, &token_file, 0, 0},
        {NULL, 0, NULL, 0, 0},
    };
    const char *colon;
    int rc = 0;

    if (access(s->client_conf, F_OK) == 0)
        rc = conf_read(s->client_conf, keys, err);
    free(ca);
    free(token_file);
    colon = s->url ? strrchr(s->url, ':') : NULL;
    s->port = colon ? (int)strtol(colon + 1, NULL, 10) : 0;
    if (rc == 0 && !s->name && !(s->name = strdup("home")))
        rc = error_set(err, ENOMEM, "could not allocate a name");
    return rc;
}

static int open_sockets(struct cellstate *s, bool make, struct error *err)
{
    s->sockets = cluster_socket_dir(s->state, &s->as, make, err);
    if (!s->sockets)
        return -1;
    s->ctld_socket = file_path(s->sockets, "ctld.sock");
    s->conninfo = cluster_conninfo(s->sockets);
    return s->ctld_socket && s->conninfo
               ? 0
               : error_set(err, ENOMEM, "could not allocate a path");
}

int cellstate_open(struct cellstate *s, bool make, struct error *err)
{
    char *dir;
    int rc;

    memset(s, 0, sizeof(*s));
    s->lock = -1;
    dir = client_state_dir(err);
    if (!dir)
        return -1;
    s->state = scratch_absolute(dir);
    free(dir);
    if (!s->state)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (account_find(&s->as, make, err) < 0 || name_files(s, err) < 0)
        return -1;
    if (!make && access(s->cell_conf, F_OK) < 0)
        return error_set(err, ENOENT,
                         "there is no cell in %s; `fallow up` makes one, "
                         "--state names another place",
                         s->state);
    rc = make ? make_dirs(s, err) : 0;
    if (rc == 0 && make)
        rc = cellstate_lock(s, err);
    if (rc == 0)
        rc = read_client(s, err);
    if (rc == 0)
        rc = open_sockets(s, make, err);
    return rc;
}

void cellstate_close(struct cellstate *s)
{
    char **slots[] = {
        &s->state,       &s->sockets,     &s->ctld_socket, &s->cell_conf,
        &s->client_conf, &s->admin_token, &s->cell_key,    &s->tls,
        &s->ca_pem,      &s->server_pem,  &s->server_key,  &s->blob,
        &s->schema,      &s->plugins,     &s->port_file,   &s->conninfo,
        &s->name,        &s->url,         &s->token};
    int saved_errno = errno;

    for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++)
        free(*slots[i]);
    if (s->lock >= 0)
        close(s->lock);
    memset(s, 0, sizeof(*s));
    s->lock = -1;
    errno = saved_errno;
}

/* KEY = 'VALUE' lines, checked by the reader's own rules. */
static int add_line(char **text, const char *key, const char *value,
                    struct error *err)
{
    char *line = conf_line(key, value), *all = NULL;

    if (!line)
        return error_set(err, errno, "%s cannot be %s", key, value);
    if (asprintf(&all, "%s%s", *text ? *text : "", line) < 0)
        all = NULL;
    free(line);
    free(*text);
    *text = all;
    return all ? 0 : error_set(err, ENOMEM, "could not build a file");
}

static const char *const own_keys[] = {
    "cell_name",        "ctld_socket",   "db", "schema_dir", "blob_dir",
    "admin_token_file", "cell_key_file", NULL};

static bool is_own_line(const char *line)
{
    size_t n = strcspn(line, " \t=\n");

    if (*line == '#' || *line == '\n')
        return true;
    for (const char *const *k = own_keys; *k; k++)
        if (strlen(*k) == n && strncmp(line, *k, n) == 0)
            return true;
    return false;
}

/* What the operator added to cell.conf stays there. */
static int keep_policy(const struct cellstate *s, char **text,
                       struct error *err)
{
    void *old;
    size_t len;
    int rc = 0;

    if (file_read(s->cell_conf, 1u << 20, &old, &len, err) < 0)
        return errno == ENOENT ? 0 : -1;
    for (char *line = old, *next; rc == 0 && *line; line = next) {
        char *all = NULL;

        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (is_own_line(line))
            continue;
        if (asprintf(&all, "%s%.*s", *text, (int)(next - line), line) < 0)
            rc = error_set(err, ENOMEM, "could not build a file");
        free(*text);
        *text = rc == 0 ? all : NULL;
    }
    free(old);
    return rc;
}

int cellstate_write_conf(struct cellstate *s, struct error *err)
{
    const char *const values[] = {
        s->name, s->ctld_socket, s->conninfo, s->schema,
        s->blob, s->admin_token, s->cell_key,
    };
    char *text = strdup("# cell.conf(5): fallow up writes the lines with paths "
                        "and leaves all others\n");
    int rc = 0;

    for (size_t i = 0; rc == 0 && own_keys[i]; i++)
        rc = add_line(&text, own_keys[i], values[i], err);
    if (rc == 0)
        rc = keep_policy(s, &text, err);
    if (rc == 0)
        rc = file_write(s->cell_conf, text, strlen(text), true, err);
    free(text);
    return rc;
}

int cellstate_write_secret(const struct cellstate *s, const char *path,
                           const char *text, bool give, struct error *err)
{
    mode_t old = umask(077);
    int rc = file_write(path, text, strlen(text), true, err);

    umask(old);
    return rc == 0 && give ? account_give(&s->as, path, err) : rc;
}

int cellstate_write_client(struct cellstate *s, struct error *err)
{
    char *text = strdup("# client.conf(5), written by fallow up\n"), *url;
    int rc = 0;

    if (asprintf(&url, "https://127.0.0.1:%d", s->port) < 0)
        rc = error_set(err, ENOMEM, "could not allocate an address");
    if (rc == 0) {
        free(s->url);
        s->url = url;
        rc = add_line(&text, "url", s->url, err);
    }
    if (rc == 0)
        rc = add_line(&text, "ca", s->ca_pem, err);
    if (rc == 0)
        rc = add_line(&text, "cell", s->name, err);
    if (rc == 0 && s->token)
        rc = add_line(&text, "token", s->token, err);
    if (rc == 0)
        rc = cellstate_write_secret(s, s->client_conf, text, false, err);
    free(text);
    return rc;
}

int cellstate_read_port(const struct cellstate *s)
{
    void *text;
    size_t len;
    long port;

    if (file_read(s->port_file, 64, &text, &len, NULL) < 0)
        return 0;
    port = strtol(text, NULL, 10);
    free(text);
    return port > 0 && port < 65536 ? (int)port : 0;
}

bool cellstate_answers(const char *socket_path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = false;

    if (fd >= 0 && strlen(socket_path) < sizeof(sun.sun_path)) {
        memcpy(sun.sun_path, socket_path, strlen(socket_path) + 1);
        ok = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}
