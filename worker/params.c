/* SPDX-License-Identifier: Apache-2.0 */
/* params.c - the parameter files of jobs, cached by digest */
#include "worker/params.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define MANIFEST_MAX ((size_t)1 << 20)

struct params {
    char *blobs, *sets;
};

/* One line of a manifest. */
struct entry {
    const char *name;
    int64_t size;
    struct digest blob;
};

struct params *params_create(const char *dir, struct error *err)
{
    struct params *p = calloc(1, sizeof(*p));

    if (p) {
        p->blobs = file_path(dir, "blobs");
        p->sets = file_path(dir, "params");
    }
    if (!p || !p->blobs || !p->sets) {
        params_destroy(p);
        return error_null(err, ENOMEM, "could not allocate a cache");
    }
    if ((mkdir(p->blobs, 0700) < 0 && errno != EEXIST) ||
        (mkdir(p->sets, 0700) < 0 && errno != EEXIST)) {
        error_set(err, errno, "could not make the cache in %s: %s", dir,
                  strerror(errno));
        params_destroy(p);
        return NULL;
    }
    return p;
}

void params_destroy(struct params *p)
{
    if (p) {
        int saved_errno = errno;

        free(p->blobs);
        free(p->sets);
        free(p);
        errno = saved_errno;
    }
}

static char *hex_path(const char *dir, const struct digest *d,
                      const char *suffix)
{
    char hex[DIGEST_HEX_LEN + 1], *path;

    digest_to_hex(d, hex);
    return asprintf(&path, "%s/%s%s", dir, hex, suffix) < 0 ? NULL : path;
}

char *params_part(const struct params *p, const struct digest *blob)
{
    return hex_path(p->blobs, blob, ".part");
}

int params_take(struct params *p, const struct digest *blob, struct error *err)
{
    char *part = params_part(p, blob), *path = hex_path(p->blobs, blob, "");
    struct digest got;
    int rc = -1;

    if (!part || !path) {
        error_set(err, ENOMEM, "could not allocate a path");
    } else if (digest_of_file(part, &got, NULL, err) == 0) {
        if (!digest_equal(&got, blob)) {
            char hex[DIGEST_HEX_LEN + 1];

            digest_to_hex(&got, hex);
            unlink(part);
            error_set(err, EBADMSG,
                      "a fetched blob has digest %.12s…, not the "
                      "one asked for",
                      hex);
        } else if (chmod(part, 0400) < 0 || rename(part, path) < 0) {
            error_set(err, errno, "could not rename %s: %s", part,
                      strerror(errno));
        } else {
            rc = 0;
        }
    }
    free(part);
    free(path);
    return rc;
}

static int name_is_plain(const char *name)
{
    return *name && *name != '.' && strlen(name) <= 255 &&
           !strpbrk(name, "/\\\n\r\t ");
}

/* Parse one line, NUL-terminated in place. */
static int parse_entry(char *line, struct entry *e)
{
    char *size = strchr(line, ' '), *hex, *end;

    if (!size)
        return -1;
    *size++ = '\0';
    hex = strchr(size, ' ');
    if (!hex)
        return -1;
    *hex++ = '\0';
    errno = 0;
    e->name = line;
    e->size = strtoll(size, &end, 10);
    if (errno || *end || end == size || *size == '-' || *size == '+')
        return -1;
    return name_is_plain(line) && digest_from_hex(hex, &e->blob) == 0 ? 0 : -1;
}

static int parse(char *text, size_t len, struct entry **out, size_t *n,
                 struct error *err)
{
    size_t lines = 0, i = 0;

    for (size_t k = 0; k < len; k++)
        lines += text[k] == '\n';
    if (memchr(text, '\0', len) || (len && text[len - 1] != '\n'))
        return error_set(err, EBADMSG, "a manifest does not end its last line");
    *out = calloc(lines + 1, sizeof(**out));
    if (!*out)
        return error_set(err, ENOMEM, "could not allocate %zu names", lines);
    for (char *s = text; i < lines; i++) {
        char *nl = strchr(s, '\n');

        *nl = '\0';
        if (parse_entry(s, &(*out)[i]) < 0 ||
            (i && strcmp((*out)[i - 1].name, (*out)[i].name) >= 0)) {
            free(*out);
            return error_set(err, EBADMSG,
                             "line %zu of a manifest is not "
                             "NAME SIZE SHA256 in order",
                             i + 1);
        }
        s = nl + 1;
    }
    *n = lines;
    return 0;
}

/* Whether a blob is here (1), not here (0) or here with another size (-1). */
static int have(struct params *p, const struct entry *e, struct error *err)
{
    char *path = hex_path(p->blobs, &e->blob, "");
    struct stat st;
    int rc;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = stat(path, &st) < 0 ? 0 : 1;
    free(path);
    if (rc == 1 && st.st_size != e->size)
        return error_set(err, EBADMSG,
                         "a manifest gives a file %jd bytes, it has %jd",
                         (intmax_t)e->size, (intmax_t)st.st_size);
    return rc;
}

static int link_one(struct params *p, const char *dir, const struct entry *e,
                    struct error *err)
{
    char *from = hex_path(p->blobs, &e->blob, ""),
         *to = file_path(dir, e->name);
    int rc = -1;

    if (!from || !to)
        error_set(err, ENOMEM, "could not allocate a path");
    else if (link(from, to) < 0 && errno != EEXIST)
        error_set(err, errno, "could not link %s: %s", to, strerror(errno));
    else
        rc = 0;
    free(from);
    free(to);
    return rc;
}

/* Build DIGEST.new, then give it its name. */
static int build(struct params *p, const struct digest *set, const char *dir,
                 const struct entry *v, size_t n, struct error *err)
{
    char *fresh = hex_path(p->sets, set, ".new");
    int rc = -1;

    if (!fresh)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (mkdir(fresh, 0700) < 0 && errno != EEXIST) {
        error_set(err, errno, "could not make %s: %s", fresh, strerror(errno));
    } else {
        rc = 0;
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = link_one(p, fresh, &v[i], err);
        if (rc == 0 && rename(fresh, dir) < 0 && errno != EEXIST)
            rc = error_set(err, errno, "could not rename %s: %s", fresh,
                           strerror(errno));
    }
    free(fresh);
    return rc;
}

/* 1 and *missing, or 0 when all are here and the directory was built. */
static int complete(struct params *p, const struct digest *set, const char *dir,
                    const struct entry *v, size_t n, struct digest *missing,
                    struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = have(p, &v[i], err);

        if (rc < 0)
            return -1;
        if (rc == 0) {
            *missing = v[i].blob;
            return 1;
        }
    }
    return build(p, set, dir, v, n, err);
}

/* The manifest's text: of the empty set without asking anybody.  1 when it
 * has to be fetched.
 */
static int manifest(struct params *p, const struct digest *set, void **text,
                    size_t *len, struct error *err)
{
    struct digest empty;
    char *path;
    int rc;

    digest_of("", 0, &empty);
    *len = 0;
    if (digest_equal(set, &empty) || digest_is_zero(set)) {
        *text = calloc(1, 1);
        return *text ? 0 : error_set(err, ENOMEM, "could not allocate a text");
    }
    path = hex_path(p->blobs, set, "");
    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = file_read(path, MANIFEST_MAX, text, len, err);
    if (rc < 0 && errno == ENOENT)
        rc = 1;
    free(path);
    return rc;
}

int params_ready(struct params *p, const struct digest *set, char **dir,
                 struct digest *missing, struct error *err)
{
    char *path = hex_path(p->sets, set, "");
    struct entry *v = NULL;
    void *text = NULL;
    size_t len, n = 0;
    int rc;

    *dir = NULL;
    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (access(path, F_OK) == 0) {
        *dir = path;
        return 0;
    }
    rc = manifest(p, set, &text, &len, err);
    if (rc == 1)
        *missing = *set;
    if (rc == 0)
        rc = parse(text, len, &v, &n, err);
    if (rc == 0) {
        rc = complete(p, set, path, v, n, missing, err);
        free(v);
    }
    free(text);
    if (rc == 0)
        *dir = path;
    else
        free(path);
    return rc;
}
