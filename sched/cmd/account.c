/* SPDX-License-Identifier: Apache-2.0 */
/* account.c - as whom a private cell runs */
#include "sched/cmd/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/cmd/proc.h"

#define SYSTEM_USER "fallow"

static int make_user(struct error *err)
{
    static const char *const programs[] = {"/usr/sbin/useradd", "/sbin/useradd",
                                           NULL};
    char *argv[] = {NULL,
                    (char[]){"--system"},
                    (char[]){"--user-group"},
                    (char[]){"--no-create-home"},
                    (char[]){"--home-dir"},
                    (char[]){"/var/lib/fallow"},
                    (char[]){"--shell"},
                    (char[]){"/usr/sbin/nologin"},
                    (char[]){SYSTEM_USER},
                    NULL};
    struct proc_spec spec = {.argv = argv};
    char path[64];

    for (const char *const *p = programs; *p; p++)
        if (access(*p, X_OK) == 0) {
            snprintf(path, sizeof(path), "%s", *p);
            argv[0] = path;
            if (proc_run(&spec, NULL, err) < 0)
                return error_prefix(err, "could not make the user %s",
                                    SYSTEM_USER);
            return 0;
        }
    return error_set(err, ENOENT,
                     "there is no user %s, and no useradd to make it",
                     SYSTEM_USER);
}

int account_find(struct account *a, bool make, struct error *err)
{
    const struct passwd *pw;

    memset(a, 0, sizeof(*a));
    a->other = geteuid() == 0;
    pw = a->other ? getpwnam(SYSTEM_USER) : getpwuid(geteuid());
    if (!pw && a->other && make) {
        if (make_user(err) < 0)
            return -1;
        pw = getpwnam(SYSTEM_USER);
    }
    if (!pw && a->other)
        return error_set(err, ENOENT, "there is no user %s", SYSTEM_USER);
    if (!pw)
        return error_set(err, ENOENT, "user id %u has no name",
                         (unsigned)geteuid());
    snprintf(a->name, sizeof(a->name), "%s", pw->pw_name);
    a->uid = pw->pw_uid;
    a->gid = pw->pw_gid;
    return 0;
}

static void plain_environment(const struct account *a)
{
    static const char *const unwanted[] = {"PGHOST",
                                           "PGPORT",
                                           "PGUSER",
                                           "PGDATABASE",
                                           "PGDATA",
                                           "PGSERVICE",
                                           "PGOPTIONS",
                                           "PGPASSFILE",
                                           "XDG_STATE_HOME",
                                           "XDG_CONFIG_HOME",
                                           "XDG_CACHE_HOME",
                                           "XDG_DATA_HOME",
                                           "XDG_RUNTIME_DIR",
                                           "FALLOW_CONF",
                                           "FALLOW_STATE",
                                           "MAIL",
                                           "LANG",
                                           "LANGUAGE",
                                           "LC_MESSAGES",
                                           NULL};

    for (const char *const *v = unwanted; *v; v++)
        unsetenv(*v);
    setenv("LC_ALL", "C.UTF-8", 1);
    if (a->other) {
        unsetenv("TMPDIR"); /* may be shut to others */
        setenv("USER", a->name, 1);
        setenv("LOGNAME", a->name, 1);
    }
    if (a->state)
        setenv("HOME", a->state, 1);
    if (a->plugins)
        setenv("FALLOW_PLUGIN_DIR", a->plugins, 1);
}

int account_enter(const void *account)
{
    const struct account *a = account;

    if (a->other &&
        (setgroups(1, &a->gid) < 0 || setgid(a->gid) < 0 || setuid(a->uid) < 0))
        return -1;
    plain_environment(a);
    umask(077);
    return a->state ? chdir(a->state) : 0;
}

int account_give(const struct account *a, const char *path, struct error *err)
{
    if (a->other && lchown(path, a->uid, a->gid) < 0)
        return error_set(err, errno, "could not give %s to %s: %s", path,
                         a->name, strerror(errno));
    return 0;
}
