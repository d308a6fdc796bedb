/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c - the programs a task may see, in a directory of their own */
#include "worker/stage.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/plugin.h"

#define PROGRAM_MAX ((size_t)1 << 30)

int stage_make_dir(const char *dir, struct error *err)
{
    char *path = strdup(dir);

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    for (char *s = path + 1;; s++) {
        char was = *s;

        if (was && was != '/')
            continue;
        *s = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            error_set(err, errno, "could not make %s: %s", path,
                      strerror(errno));
            free(path);
            return -1;
        }
        *s = was;
        if (!was)
            break;
    }
    free(path);
    return 0;
}

int stage_copy(const char *from, const char *to, mode_t mode, struct error *err)
{
    void *buf;
    size_t len;
    int rc;

    if (file_read(from, PROGRAM_MAX, &buf, &len, err) < 0)
        return -1;
    rc = file_write(to, buf, len, false, err);
    free(buf);
    if (rc == 0 && chmod(to, mode) < 0)
        rc = error_set(err, errno, "could not set the mode of %s: %s", to,
                       strerror(errno));
    return rc;
}

static int copy_plugin(const char *from_dir, const char *to_dir,
                       const char *name, struct error *err)
{
    char *from = NULL, *to = NULL;
    int rc = -1;

    if (asprintf(&from, "%s/%s.so", from_dir, name) < 0)
        from = NULL;
    if (asprintf(&to, "%s/%s.so", to_dir, name) < 0)
        to = NULL;
    if (from && to)
        rc = stage_copy(from, to, 0555, err);
    else
        error_set(err, ENOMEM, "could not allocate a path");
    free(from);
    free(to);
    return rc;
}

static int copy_plugins(const char *stage, struct error *err)
{
    char *from = plugin_dir("work"), *to = file_path(stage, "plugins/work");
    char **names = NULL;
    size_t n = 0;
    int rc = -1;

    if (!from || !to)
        error_set(err, ENOMEM, "could not allocate a path");
    else if (plugin_names("work", &names, &n, err) == 0)
        rc = n ? stage_make_dir(to, err)
               : error_set(err, ENOENT, "there are no kernels in %s", from);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = copy_plugin(from, to, names[i], err);
    plugin_names_free(names, n);
    free(from);
    free(to);
    return rc;
}

char *stage_make(const char *dir, const char *runner, struct error *err)
{
    char *stage = file_path(dir, "stage"), *to = NULL;

    if (stage)
        to = file_path(stage, "runner");
    if (!to)
        error_set(err, ENOMEM, "could not allocate a path");
    else if (stage_make_dir(stage, err) == 0 &&
             stage_copy(runner ? runner : FALLOW_LIBEXEC_DIR "/fallow-runner",
                        to, 0555, err) == 0 &&
             copy_plugins(stage, err) == 0) {
        free(to);
        return stage;
    }
    free(to);
    free(stage);
    return NULL;
}

/* nftw has no argument to pass on; set for one walk on the main thread. */
static uid_t walk_uid;
static gid_t walk_gid;

static int give(const char *path, const struct stat *st, int type,
                struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return lchown(path, walk_uid, walk_gid) < 0 ? errno : 0;
}

int stage_drop_root(const char *dir, const char *user, struct error *err)
{
    const struct passwd *pw;
    int rc;

    if (geteuid() != 0)
        return 0;
    errno = 0;
    pw = getpwnam(user);
    if (!pw)
        return error_set(err, ENOENT,
                         "cannot run as root: there is no user \"%s\" to "
                         "become; useradd --system %s, or --user NAME",
                         user, user);
    if (pw->pw_uid == 0)
        return error_set(err, EPERM,
                         "cannot run as root: a task's sandbox would keep "
                         "root's rights; use --user NAME of an ordinary user");
    walk_uid = pw->pw_uid;
    walk_gid = pw->pw_gid;
    rc = nftw(dir, give, 16, FTW_PHYS | FTW_MOUNT);
    if (rc != 0)
        return error_set(err, rc > 0 ? rc : errno,
                         "could not give %s to user %s: %s", dir, user,
                         strerror(rc > 0 ? rc : errno));
    if (setgroups(0, NULL) < 0 || setgid(walk_gid) < 0 || setuid(walk_uid) < 0)
        return error_set(err, errno, "could not become user %s: %s", user,
                         strerror(errno));
    return 0;
}
