/* SPDX-License-Identifier: Apache-2.0 */
/* embed_output.c - vectors as a NumPy file, with the rows' ids beside it */
#include "plugins/work/embed_output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAILED_SHOWN 8
#define NPY_ALIGN 64
#define SCALE_BYTES 4

/* A file that appears complete or not at all. */
struct draft {
    const char *path;
    char *tmp;
    FILE *out;
};

char *output_absolute(const char *path, struct error *err)
{
    char *copy = strdup(path), *dir = NULL, *name, *out = NULL;

    if (copy && *path)
        dir = realpath(dirname(copy), NULL);
    if (!copy || !dir) {
        error_set(err, *path ? errno : EINVAL,
                  "could not find the directory of --output \"%s\": %s", path,
                  *path ? strerror(errno) : "an empty name");
        free(copy);
        return NULL;
    }
    name = strrchr(path, '/');
    name = name ? name + 1 : (char *)(uintptr_t)path;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        error_set(err, EISDIR, "--output %s is a directory", path);
    else if (asprintf(&out, "%s/%s", dir[1] ? dir : "", name) < 0)
        out = error_null(err, ENOMEM, "could not allocate a path");
    free(copy);
    free(dir);
    return out;
}

char *output_ids_path(const char *path, struct error *err)
{
    size_t len = strlen(path);
    char *ids;

    if (len > 4 && strcmp(path + len - 4, ".npy") == 0)
        len -= 4;
    if (asprintf(&ids, "%.*s.ids", (int)len, path) < 0)
        return error_null(err, ENOMEM, "could not allocate a path");
    return ids;
}

static int check_target(const char *path, const char *input, struct error *err)
{
    struct stat st, in;

    if (stat(path, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        return error_set(err, errno, "could not look at --output %s: %s", path,
                         strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, EINVAL, "--output %s is %s, not a regular file",
                         path, S_ISDIR(st.st_mode) ? "a directory" : "special");
    if (stat(input, &in) == 0 && in.st_dev == st.st_dev &&
        in.st_ino == st.st_ino)
        return error_set(err, EINVAL, "--output %s would replace the input",
                         path);
    return 0;
}

static char *draft_name(const char *path)
{
    char *tmp;

    return asprintf(&tmp, "%s.tmp%ld", path, (long)getpid()) < 0 ? NULL : tmp;
}

static int draft_open(struct draft *d, const char *path, struct error *err)
{
    int fd;

    d->path = path;
    d->out = NULL;
    d->tmp = draft_name(path);
    if (!d->tmp)
        return error_set(err, ENOMEM, "could not allocate a path");
    fd = open(d->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0666);
    if (fd >= 0)
        d->out = fdopen(fd, "w");
    if (!d->out) {
        error_set(err, errno, "could not write --output %s: %s", path,
                  strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(d->tmp);
        }
        free(d->tmp);
        d->tmp = NULL;
        return -1;
    }
    return 0;
}

static void draft_drop(struct draft *d)
{
    if (d->out)
        fclose(d->out);
    if (d->tmp)
        unlink(d->tmp);
    free(d->tmp);
    d->out = NULL;
    d->tmp = NULL;
}

/* Everything reached the disk; the name is not changed yet. */
static int draft_finish(struct draft *d, struct error *err)
{
    FILE *out = d->out;
    int rc = fflush(out) == 0 && fsync(fileno(out)) == 0 ? 0 : -1;

    d->out = NULL;
    if (fclose(out) != 0 || rc < 0)
        return error_set(err, errno, "could not write --output %s: %s", d->path,
                         strerror(errno));
    return 0;
}

static int draft_rename(struct draft *d, struct error *err)
{
    if (rename(d->tmp, d->path) < 0)
        return error_set(err, errno, "could not rename %s to %s: %s", d->tmp,
                         d->path, strerror(errno));
    free(d->tmp);
    d->tmp = NULL;
    return 0;
}

static int sync_directory(const char *path, struct error *err)
{
    char *copy = strdup(path);
    int fd =
        copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = fd < 0 || fsync(fd) < 0 ? -1 : 0;

    if (rc < 0)
        error_set(err, errno, "could not sync the directory of %s: %s", path,
                  strerror(errno));
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

int output_check(const char *path, const char *input, struct error *err)
{
    char *ids = output_ids_path(path, err);
    const char *const targets[] = {path, ids};
    int rc = ids ? 0 : -1;

    for (int i = 0; rc == 0 && i < 2; i++) {
        struct draft d;

        rc = check_target(targets[i], input, err);
        if (rc == 0)
            rc = draft_open(&d, targets[i], err);
        if (rc == 0)
            draft_drop(&d);
    }
    free(ids);
    return rc;
}

static float get_scale(const uint8_t *p)
{
    uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                    (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

static void put_f32le(uint8_t *p, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(bits >> (8 * i));
}

/* Every item succeeded and has the width; else a list of those that did not. */
static int check_results(const struct item_result *r, size_t n, size_t width,
                         struct error *err)
{
    char list[160] = "";
    size_t bad = 0, used = 0;
    uint32_t code = 0;

    for (size_t i = 0; i < n; i++) {
        if (r[i].code == 0 && r[i].len == width + SCALE_BYTES)
            continue;
        if (bad++ == 0)
            code = r[i].code;
        if (bad <= FAILED_SHOWN)
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%zu",
                                     used ? ", " : "", i);
    }
    if (bad == 0)
        return 0;
    return error_set(err, EBADMSG,
                     "%zu of %zu items have no vector (the first with code "
                     "%u): items %s%s",
                     bad, n, code, list, bad > FAILED_SHOWN ? ", …" : "");
}

static int write_header(FILE *out, size_t n, size_t width)
{
    char dict[128];
    int len = snprintf(dict, sizeof(dict),
                       "{'descr': '<f4', 'fortran_order': False, "
                       "'shape': (%zu, %zu), }",
                       n, width);
    int pad = NPY_ALIGN - (10 + len + 1) % NPY_ALIGN;
    int size = len + pad + 1;

    fwrite("\x93NUMPY\x01\x00", 1, 8, out);
    putc(size & 0xff, out);
    putc(size >> 8, out);
    fprintf(out, "%s%*s\n", dict, pad, "");
    return ferror(out) ? -1 : 0;
}

static int write_vectors(FILE *out, const struct item_result *r, size_t n,
                         size_t width)
{
    uint8_t *row = malloc(width * 4);
    int rc = row ? write_header(out, n, width) : -1;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        float scale = get_scale(r[i].bytes + width);

        for (size_t k = 0; k < width; k++)
            put_f32le(row + 4 * k, (float)(int8_t)r[i].bytes[k] * scale);
        if (fwrite(row, 4, width, out) != width)
            rc = -1;
    }
    free(row);
    return rc;
}

/* Copy the file of ids; it has as many lines as there are rows. */
static int copy_ids(FILE *out, const char *from, size_t n, struct error *err)
{
    FILE *in = fopen(from, "re");
    size_t lines = 0;
    int c;

    if (!in)
        return error_set(err, errno, "could not open %s: %s", from,
                         strerror(errno));
    while ((c = getc_unlocked(in)) != EOF) {
        lines += c == '\n';
        putc_unlocked(c, out);
    }
    fclose(in);
    if (lines != n)
        return error_set(err, EBADMSG, "%s has %zu ids for %zu vectors", from,
                         lines, n);
    return 0;
}

int output_write(const char *path, const char *ids,
                 const struct item_result *results, size_t n, size_t width,
                 struct error *err)
{
    struct draft v = {0}, w = {0};
    char *beside = output_ids_path(path, err);
    int rc = beside ? check_results(results, n, width, err) : -1;

    if (rc == 0)
        rc = draft_open(&w, beside, err);
    if (rc == 0)
        rc = copy_ids(w.out, ids, n, err);
    if (rc == 0)
        rc = draft_open(&v, path, err);
    if (rc == 0 && write_vectors(v.out, results, n, width) < 0)
        rc = error_set(err, errno, "could not write --output %s: %s", path,
                       strerror(errno));
    if (rc == 0)
        rc = draft_finish(&w, err);
    if (rc == 0)
        rc = draft_finish(&v, err);
    if (rc == 0)
        rc = draft_rename(&w, err);
    if (rc == 0)
        rc = draft_rename(&v, err);
    if (rc == 0)
        rc = sync_directory(path, err);
    draft_drop(&v);
    draft_drop(&w);
    free(beside);
    return rc;
}
