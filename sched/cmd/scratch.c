/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.c - directories that are gone when we are, and paths */
#include "sched/cmd/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *scratch_create(const char *prefix, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *dir;

    if (!tmp || !*tmp)
        tmp = "/tmp";
    if (asprintf(&dir, "%s/%s.XXXXXX", tmp, prefix) < 0)
        return error_null(err, ENOMEM, "could not allocate a path");
    if (!mkdtemp(dir)) {
        error_set(err, errno, "could not make a directory in %s: %s", tmp,
                  strerror(errno));
        free(dir);
        return NULL;
    }
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int scratch_remove(const char *dir, struct error *err)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return error_set(err, errno, "could not remove %s: %s", dir,
                         strerror(errno));
    return 0;
}

void scratch_destroy(char *dir)
{
    if (dir) {
        int saved_errno = errno;

        scratch_remove(dir, NULL);
        free(dir);
        errno = saved_errno;
    }
}

int scratch_mkdir(const char *dir, mode_t mode, struct error *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
        return error_set(err, ENAMETOOLONG, "path %s is too long", dir);
    for (char *p = path + 1;; p++) {
        char c = *p;

        if (c && c != '/')
            continue;
        *p = '\0';
        if (mkdir(path, c ? 0755 : mode) < 0 && errno != EEXIST)
            return error_set(err, errno, "could not make %s: %s", path,
                             strerror(errno));
        *p = c;
        if (!c)
            break;
    }
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return error_set(err, ENOTDIR, "%s is no directory", dir);
    return 0;
}

int scratch_check_output(const char *path, struct error *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct stat st;

    if (strlen(path) >= sizeof(dir))
        return error_set(err, ENAMETOOLONG, "output %s is too long a path",
                         path);
    if (!slash)
        snprintf(dir, sizeof(dir), ".");
    else
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path);
    if (stat(dir, &st) < 0)
        return error_set(err, errno,
                         "cannot write output %s: directory %s: %s; make it "
                         "first",
                         path, dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ENOTDIR,
                         "cannot write output %s: %s is no directory", path,
                         dir);
    if (access(dir, W_OK | X_OK) < 0)
        return error_set(err, errno,
                         "cannot write output %s: directory %s: %s; choose "
                         "another --output",
                         path, dir, strerror(errno));
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return error_set(err, EISDIR,
                         "cannot write output %s: it is a directory; name a "
                         "file",
                         path);
    return 0;
}

char *scratch_absolute(const char *path)
{
    char *cwd, *out = NULL;

    if (path[0] == '/')
        return strdup(path);
    cwd = getcwd(NULL, 0);
    if (cwd && asprintf(&out, "%s/%s", cwd, path) < 0)
        out = NULL;
    free(cwd);
    return out;
}
