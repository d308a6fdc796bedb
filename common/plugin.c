/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - the one loader */
#include "common/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plugin {
    void *handle;
    const void *data;
};

/* How every plugin's struct begins. */
struct plugin_head {
    uint32_t abi;
    const char *name;
};

char *plugin_dir(const char *kind)
{
    const char *root = getenv("FALLOW_PLUGIN_DIR");
    char *dir;

    if (!root || !*root)
        root = FALLOW_PLUGIN_DIR;
    return asprintf(&dir, "%s/%s", root, kind) < 0 ? NULL : dir;
}

static int name_is_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n <= 64 && !name[n] && name[0] != '-';
}

/* DIR/NAME.so -> NAME, or NULL when the entry is no plugin. */
static char *entry_name(const char *file)
{
    size_t n = strlen(file);
    char *name;

    if (n < 4 || strcmp(file + n - 3, ".so") != 0)
        return NULL;
    name = strndup(file, n - 3);
    if (name && !name_is_valid(name)) {
        free(name);
        name = NULL;
    }
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void plugin_names_free(char **names, size_t n)
{
    int saved_errno = errno;

    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
    errno = saved_errno;
}

static int read_names(DIR *d, char ***names, size_t *n)
{
    char **v = NULL;
    size_t count = 0;
    struct dirent *e;

    while ((e = readdir(d))) {
        char *name = entry_name(e->d_name);
        char **more;

        if (!name)
            continue;
        more = reallocarray(v, count + 1, sizeof(*v));
        if (!more) {
            free(name);
            plugin_names_free(v, count);
            return -1;
        }
        v = more;
        v[count++] = name;
    }
    if (count)
        qsort(v, count, sizeof(*v), compare_names);
    *names = v;
    *n = count;
    return 0;
}

int plugin_names(const char *kind, char ***names, size_t *n, struct error *err)
{
    char *dir = plugin_dir(kind);
    DIR *d;
    int rc = 0;

    *names = NULL;
    *n = 0;
    if (!dir)
        return error_set(err, ENOMEM, "could not allocate a path");
    d = opendir(dir);
    if (!d && errno != ENOENT)
        rc = error_set(err, errno, "could not read %s: %s", dir,
                       strerror(errno));
    if (d && read_names(d, names, n) < 0)
        rc = error_set(err, ENOMEM, "could not list %s", dir);
    if (d)
        closedir(d);
    free(dir);
    return rc;
}

/* "unknown KIND plugin NAME; there are A, B" */
static void unknown(const char *kind, const char *name, struct error *err)
{
    char list[256] = "";
    char **names;
    size_t n, used = 0;

    if (plugin_names(kind, &names, &n, err) < 0)
        return;
    for (size_t i = 0; i < n && used < sizeof(list) - 1; i++) {
        int k = snprintf(list + used, sizeof(list) - used, "%s%s",
                         i ? ", " : "", names[i]);

        used += k > 0 ? (size_t)k : 0;
    }
    plugin_names_free(names, n);
    if (n)
        error_set(err, ENOENT, "unknown %s plugin \"%s\"; there are: %s", kind,
                  name, list);
    else
        error_set(err, ENOENT, "unknown %s plugin \"%s\"; there are none", kind,
                  name);
}

static int load(struct plugin *p, const char *path, const char *name,
                const char *symbol, uint32_t abi, struct error *err)
{
    const struct plugin_head *head;

    p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->handle)
        return error_set(err, ENOEXEC, "could not load %s: %s", path,
                         dlerror());
    head = p->data = dlsym(p->handle, symbol);
    if (!head)
        return error_set(err, ENOEXEC, "%s does not export %s", path, symbol);
    if (head->abi != abi)
        return error_set(err, EPROTO, "%s has plugin ABI %u, this program %u",
                         path, head->abi, abi);
    if (!head->name || strcmp(head->name, name) != 0)
        return error_set(err, EPROTO, "%s calls itself \"%s\"", path,
                         head->name ? head->name : "");
    return 0;
}

struct plugin *plugin_create(const char *kind, const char *name,
                             const char *symbol, uint32_t abi,
                             struct error *err)
{
    struct plugin *p = NULL;
    char *dir = NULL, *path = NULL;

    if (!name_is_valid(name))
        return error_null(err, EINVAL,
                          "\"%s\" is not a plugin name (a-z, 0-9 and -)", name);
    dir = plugin_dir(kind);
    if (!dir || asprintf(&path, "%s/%s.so", dir, name) < 0) {
        free(dir);
        return error_null(err, ENOMEM, "could not allocate a path");
    }
    if (access(path, F_OK) < 0) {
        unknown(kind, name, err);
        errno = ENOENT;
        goto error;
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        error_set(err, ENOMEM, "could not allocate a plugin");
        goto error;
    }
    if (load(p, path, name, symbol, abi, err) < 0)
        goto error;
    free(path);
    free(dir);
    return p;
error:
    plugin_destroy(p);
    free(path);
    free(dir);
    return NULL;
}

const void *plugin_struct(const struct plugin *p)
{
    return p->data;
}

void plugin_destroy(struct plugin *p)
{
    if (p) {
        int saved_errno = errno;

        if (p->handle)
            dlclose(p->handle);
        free(p);
        errno = saved_errno;
    }
}
