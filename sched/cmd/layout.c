/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - where the other programs and the data of this installation are */
#include "sched/cmd/layout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the build tree keeps what an installation has in one directory. */
static const char *const build_dirs[] = {
    "worker", "sched", "sched/gate", "accounting", "sched/cmd", "t", ".", NULL,
};

static const char *const near_dirs[] = {
    "libexec/fallow",
    "sbin",
    "bin",
    NULL,
};

/* The directory of the running program, without its last part. */
static int own_dir(char dir[PATH_MAX], struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
    char *slash;

    if (n < 0)
        return error_set(err, errno, "could not read /proc/self/exe: %s",
                         strerror(errno));
    dir[n] = '\0';
    slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

/* The top of the build tree when dir is its sched/cmd, else "". */
static void build_top(const char *dir, char top[PATH_MAX])
{
    static const char tail[] = "/sched/cmd";
    size_t len = strlen(dir), k = sizeof(tail) - 1;

    top[0] = '\0';
    if (len > k && strcmp(dir + len - k, tail) == 0)
        snprintf(top, PATH_MAX, "%.*s", (int)(len - k), dir);
}

/* DIR/MIDDLE/NAME when it can be used so, else NULL. */
static char *try_path(const char *dir, const char *middle, const char *name,
                      int mode)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s%s%s", dir, middle, *middle ? "/" : "", name) < 0)
        return NULL;
    if (access(path, mode) == 0)
        return path;
    free(path);
    return NULL;
}

char *layout_program(const char *name, struct error *err)
{
    const char *first = getenv("FALLOW_LIBEXEC");
    char dir[PATH_MAX], top[PATH_MAX], *path = NULL, *slash;

    if (own_dir(dir, err) < 0)
        return NULL;
    build_top(dir, top);
    if (first && *first)
        path = try_path(first, "", name, X_OK);
    for (const char *const *d = build_dirs; !path && *top && *d; d++)
        path = try_path(top, *d, name, X_OK);
    if (!path)
        path = try_path(dir, "", name, X_OK);
    if ((slash = strrchr(dir, '/')))
        *slash = '\0';
    for (const char *const *d = near_dirs; !path && *d; d++)
        path = try_path(dir, *d, name, X_OK);
    if (!path)
        path = try_path(FALLOW_LIBEXEC_DIR, "", name, X_OK);
    if (!path)
        return error_null(err, ENOENT,
                          "%s is not installed: neither below %s nor in %s",
                          name, dir, FALLOW_LIBEXEC_DIR);
    return path;
}

/* What the build tree has at BUILD, an installation at NEAR below its prefix
 * or at COMPILED.
 */
static char *find_dir(const char *build, const char *near, const char *compiled,
                      struct error *err)
{
    char dir[PATH_MAX], top[PATH_MAX], *path = NULL, *slash;

    if (own_dir(dir, err) < 0)
        return NULL;
    build_top(dir, top);
    if (*top)
        path = build[0] == '/' ? try_path(build, "", ".", R_OK)
                               : try_path(top, "", build, R_OK);
    if ((slash = strrchr(dir, '/')))
        *slash = '\0';
    if (!path)
        path = try_path(dir, "", near, R_OK);
    if (!path && access(compiled, R_OK) == 0)
        path = strdup(compiled);
    if (!path)
        return error_null(err, ENOENT, "neither %s/%s nor %s is there", dir,
                          near, compiled);
    return path;
}

char *layout_plugins(struct error *err)
{
    const char *given = getenv("FALLOW_PLUGIN_DIR");

    if (given && *given)
        return strdup(given);
    return find_dir("plugins", "lib/fallow", FALLOW_PLUGIN_DIR, err);
}

char *layout_schema(struct error *err)
{
    return find_dir(FALLOW_SOURCE_DIR "/accounting/schema",
                    "share/fallow/schema", FALLOW_DATA_DIR "/schema", err);
}

int layout_environment(struct error *err)
{
    char *dir = layout_plugins(NULL);
    int rc = 0;

    if (dir && setenv("FALLOW_PLUGIN_DIR", dir, 1) < 0)
        rc = error_set(err, errno, "could not set the environment");
    free(dir);
    return rc;
}
