/* SPDX-License-Identifier: Apache-2.0 */
/* staging.c - programs where another user can reach them */
#include "sched/cmd/staging.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "sched/cmd/layout.h"
#include "sched/cmd/scratch.h"

#define PROGRAM_MAX ((size_t)1 << 30)

/* What a cell cannot do without, and what it may. */
static const struct {
    const char *name;
    int needed;
} programs[] = {
    {"fallowctld", 1},    {"fallow-gate", 1},   {"fallowd", 1},
    {"fallow-runner", 1}, {"fallow-ledger", 0},
};

char *staging_program(const char *state, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/bin/%s", state, name) < 0 ? NULL : path;
}

static int same(const char *a, const char *b)
{
    struct digest x, y;

    return digest_of_file(a, &x, NULL, NULL) == 0 &&
           digest_of_file(b, &y, NULL, NULL) == 0 && digest_equal(&x, &y);
}

int staging_copy(const char *from, const char *to, mode_t mode,
                 struct error *err)
{
    void *buf;
    size_t len;
    int rc;

    if (access(to, F_OK) == 0 && same(from, to))
        return 0;
    if (file_read(from, PROGRAM_MAX, &buf, &len, err) < 0)
        return -1;
    rc = file_write(to, buf, len, false, err);
    free(buf);
    if (rc == 0 && chmod(to, mode) < 0)
        rc = error_set(err, errno, "could not chmod %s: %s", to,
                       strerror(errno));
    return rc;
}

/* All files of a directory that end so. */
static int copy_all(const char *from, const char *to, const char *suffix,
                    struct error *err)
{
    DIR *dir = opendir(from);
    const struct dirent *e;
    int rc = dir ? scratch_mkdir(to, 0755, err)
                 : error_set(err, errno, "could not read %s: %s", from,
                             strerror(errno));

    while (rc == 0 && (e = readdir(dir))) {
        size_t n = strlen(e->d_name), k = strlen(suffix);
        char *a, *b;

        if (n <= k || strcmp(e->d_name + n - k, suffix) != 0)
            continue;
        a = file_path(from, e->d_name);
        b = file_path(to, e->d_name);
        rc = a && b ? staging_copy(a, b, 0644, err)
                    : error_set(err, ENOMEM, "could not allocate a path");
        free(a);
        free(b);
    }
    if (dir)
        closedir(dir);
    return rc;
}

static int copy_programs(const char *state, struct error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(programs) / sizeof(*programs);
         i++) {
        char *from = layout_program(programs[i].name, err);
        char *to = staging_program(state, programs[i].name);

        if (!from)
            rc = programs[i].needed ? -1 : 0;
        else
            rc = to ? staging_copy(from, to, 0755, err)
                    : error_set(err, ENOMEM, "could not allocate a path");
        free(from);
        free(to);
    }
    return rc;
}

int staging_make(const char *state, struct error *err)
{
    char path[PATH_MAX], *from, *work;
    int rc;

    snprintf(path, sizeof(path), "%s/bin", state);
    if (scratch_mkdir(path, 0755, err) < 0 || copy_programs(state, err) < 0)
        return -1;
    if (!(from = layout_plugins(err)))
        return -1;
    work = file_path(from, "work");
    snprintf(path, sizeof(path), "%s/lib/fallow/work", state);
    rc = work ? copy_all(work, path, ".so", err)
              : error_set(err, ENOMEM, "could not allocate a path");
    free(work);
    free(from);
    if (rc < 0 || !(from = layout_schema(err)))
        return -1;
    snprintf(path, sizeof(path), "%s/share/fallow/schema", state);
    rc = copy_all(from, path, ".sql", err);
    free(from);
    return rc;
}
