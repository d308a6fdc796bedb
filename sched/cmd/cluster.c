/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.c - the private PostgreSQL cluster of a cell */
#include "sched/cmd/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "sched/cmd/daemon.h"
#include "sched/cmd/proc.h"
#include "sched/cmd/scratch.h"

#define SOCKET_PATH_MAX 90 /* of 107, with room for a name */
#define START_TRIES 150    /* times 0.1 s */

/* Durability is not negotiable: the controller refuses to start without. */
static const char settings[] = "\n"
                               "# Fallow\n"
                               "listen_addresses = ''\n"
                               "unix_socket_permissions = 0700\n"
                               "fsync = on\n"
                               "synchronous_commit = on\n"
                               "full_page_writes = on\n"
                               "wal_compression = on\n"
                               "max_wal_size = 2GB\n"
                               "min_wal_size = 256MB\n"
                               "checkpoint_completion_target = 0.9\n"
                               "shared_buffers = 128MB\n"
                               "max_connections = 20\n"
                               "client_connection_check_interval = 10s\n"
                               "logging_collector = off\n"
                               "log_line_prefix = '%m [%p] '\n"
                               "timezone = 'UTC'\n"
                               "log_timezone = 'UTC'\n";

static const char hba[] = "# Fallow: who may connect is who the system says\n"
                          "local all all peer map=cell\n";

/* DIR/NAME of the newest PostgreSQL here. */
static char *pg_program(const char *name, struct error *err)
{
    char pattern[128], *path = NULL;
    glob_t g = {0};

    snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc > 0)
        path = strdup(g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
    if (!path) {
        snprintf(pattern, sizeof(pattern), "/usr/bin/%s", name);
        if (access(pattern, X_OK) == 0)
            path = strdup(pattern);
    }
    if (!path)
        return error_null(err, ENOENT,
                          "%s is not installed; contrib/install-deps run "
                          "installs PostgreSQL",
                          name);
    return path;
}

static int keep_socket_dir(const char *state, const char *dir,
                           struct error *err)
{
    char *note = NULL;
    int rc;

    if (asprintf(&note, "%s/run/socket.dir", state) < 0)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = file_write(note, dir, strlen(dir), true, err);
    free(note);
    return rc;
}

char *cluster_socket_dir(const char *state, const struct account *as, bool make,
                         struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *note = NULL, *dir = NULL;
    void *text = NULL;
    struct stat st;
    size_t len;

    if (asprintf(&note, "%s/run/socket.dir", state) < 0)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (file_read(note, PATH_MAX, &text, &len, NULL) == 0 &&
        lstat(text, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == as->uid) {
        free(note);
        return text;
    }
    free(note);
    if (!make)
        return text ? text : strdup("/nonexistent");
    free(text);
    /* Root's own temporary directory may be shut to others. */
    if (!tmp || *tmp != '/' || as->other || strlen(tmp) + 16 > SOCKET_PATH_MAX)
        tmp = "/tmp";
    if (asprintf(&dir, "%s/fallow.XXXXXX", tmp) < 0)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (!mkdtemp(dir)) {
        error_set(err, errno, "could not make a directory in %s: %s", tmp,
                  strerror(errno));
        free(dir);
        return NULL;
    }
    if (account_give(as, dir, err) < 0 ||
        keep_socket_dir(state, dir, err) < 0) {
        rmdir(dir);
        free(dir);
        return NULL;
    }
    return dir;
}

char *cluster_conninfo(const char *socket_dir)
{
    char *text = NULL;

    return asprintf(&text, "host=%s dbname=fallow user=fallow", socket_dir) < 0
               ? NULL
               : text;
}

/* Write a file of the new cluster as its owner would. */
static int write_in(const char *dir, const char *name, const char *text,
                    const struct account *as, bool append, struct error *err)
{
    char *path = file_path(dir, name);
    int fd = path ? open(path,
                         O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                             (append ? O_APPEND : O_TRUNC),
                         0600)
                  : -1;
    int rc = 0;

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
        fsync(fd) < 0)
        rc = error_set(err, errno, "could not write %s/%s: %s", dir, name,
                       strerror(errno));
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = account_give(as, path, err);
    free(path);
    return rc;
}

static int initdb(const char *dir, const struct account *as, struct error *err)
{
    char *copy = strdup(dir);
    char *argv[] = {pg_program("initdb", err),
                    (char[]){"-D"},
                    copy,
                    (char[]){"-U"},
                    (char[]){"fallow"},
                    (char[]){"-A"},
                    (char[]){"peer"},
                    (char[]){"-E"},
                    (char[]){"UTF8"},
                    (char[]){"--locale=C"},
                    (char[]){"--no-instructions"},
                    NULL};
    struct proc_spec spec = {.argv = argv, .prepare = account_enter, .as = as};
    char map[256];
    int rc = argv[0] && copy ? proc_run(&spec, NULL, err) : -1;

    if (rc < 0 && argv[0])
        error_prefix(err, "initdb");
    snprintf(map, sizeof(map), "cell %s fallow\ncell root fallow\n", as->name);
    if (rc == 0)
        rc = write_in(dir, "postgresql.conf", settings, as, true, err);
    if (rc == 0)
        rc = write_in(dir, "pg_hba.conf", hba, as, false, err);
    if (rc == 0)
        rc = write_in(dir, "pg_ident.conf", map, as, false, err);
    free(argv[0]);
    free(copy);
    return rc;
}

int cluster_make(const char *state, const struct account *as, struct error *err)
{
    char *dir = file_path(state, "pg"), *fresh = file_path(state, "pg.new");
    int rc = 0;

    if (!dir || !fresh)
        rc = error_set(err, ENOMEM, "could not allocate a path");
    else if (access(dir, F_OK) == 0)
        goto out;
    /* Half a cluster is no cluster: it gets its name when it is whole. */
    if (rc == 0)
        rc = scratch_remove(fresh, err);
    if (rc == 0)
        rc = scratch_mkdir(fresh, 0700, err);
    if (rc == 0)
        rc = account_give(as, fresh, err);
    if (rc == 0)
        rc = initdb(fresh, as, err);
    if (rc == 0 && rename(fresh, dir) < 0)
        rc = error_set(err, errno, "could not rename %s to %s: %s", fresh, dir,
                       strerror(errno));
    if (rc == 0)
        rc = 1;
out:
    free(dir);
    free(fresh);
    return rc;
}

static void nap_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

/* Run a client program of PostgreSQL against the socket. */
static int client(const char *program, const char *socket_dir, const char *db,
                  const struct account *as, struct error *err)
{
    char *dir = strdup(socket_dir), *name = strdup(db);
    char *argv[] = {
        pg_program(program, err), (char[]){"-h"}, dir, (char[]){"-U"},
        (char[]){"fallow"},       name,           NULL};
    struct proc_spec spec = {.argv = argv, .prepare = account_enter, .as = as};
    int rc;

    if (strcmp(program, "pg_isready") == 0)
        argv[5] = NULL;
    rc = argv[0] && dir && name ? proc_run(&spec, NULL, err) : -1;
    free(argv[0]);
    free(dir);
    free(name);
    return rc;
}

static int make_database(const char *socket_dir, const struct account *as,
                         struct error *err)
{
    if (client("createdb", socket_dir, "fallow", as, err) == 0)
        return 0;
    if (strstr(err->text, "already exists"))
        return 0;
    return error_prefix(err, "createdb");
}

int cluster_start(const char *state, const char *socket_dir,
                  const struct account *as, struct error *err)
{
    char *data = file_path(state, "pg"), *dir = strdup(socket_dir);
    char *argv[] = {pg_program("postgres", err),
                    (char[]){"-D"},
                    data,
                    (char[]){"-k"},
                    dir,
                    NULL};
    struct daemon_spec spec = {state, CLUSTER_DAEMON, argv, as};
    struct error why = {""};
    int rc = -1, ready = -1;

    /* After a kill -9 orphans hold the shared memory for about a second, and
     * a postmaster that meets them gives up: try again. */
    for (int i = 0; argv[0] && ready < 0 && i < START_TRIES; i++) {
        int started = daemon_start(&spec, err);

        if (i == 0 || rc < 0)
            rc = started;
        if (started < 0)
            break;
        ready = client("pg_isready", socket_dir, "", as, &why);
        if (ready < 0)
            nap_ms(100);
    }
    free(argv[0]);
    free(data);
    free(dir);
    if (rc < 0)
        return -1;
    if (ready < 0)
        return error_set(err, ETIMEDOUT,
                         "PostgreSQL does not answer after 15 s: %s", why.text);
    return make_database(socket_dir, as, err) < 0 ? -1 : rc;
}
