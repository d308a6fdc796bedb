/* SPDX-License-Identifier: Apache-2.0 */
/* dir.c - blobs as files: WHERE/ab/abcdef…, linked there when complete */
#include "plugins/blob/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct blobs {
    int dir; /* of WHERE */
};

static void dir_close(struct blobs *b)
{
    if (b) {
        int saved_errno = errno;

        if (b->dir >= 0)
            close(b->dir);
        free(b);
        errno = saved_errno;
    }
}

static struct blobs *dir_open(const char *where, struct error *err)
{
    struct blobs *b = calloc(1, sizeof(*b));

    if (!b)
        return error_null(err, ENOMEM, "out of memory");
    b->dir = -1;
    if (mkdir(where, 0700) == 0 || errno == EEXIST)
        b->dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dir < 0) {
        error_set(err, errno, "could not open blob directory \"%s\": %s", where,
                  strerror(errno));
        dir_close(b);
        return NULL;
    }
    return b;
}

static int dir_begin(struct blobs *b, struct error *err)
{
    int fd = openat(b->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        error_set(err, errno, "could not make a blob: %s", strerror(errno));
    return fd;
}

/* "ab/abcd…" of a digest; dir gets "ab". */
static void name_of(const struct digest *d, char name[68], char dir[3])
{
    char hex[DIGEST_HEX_LEN + 1];

    digest_to_hex(d, hex);
    memcpy(dir, hex, 2);
    dir[2] = '\0';
    snprintf(name, 68, "%.2s/%s", hex, hex);
}

static int same_bytes(int fd, const struct digest *d, uint64_t size,
                      struct error *err)
{
    char path[40], hex[DIGEST_HEX_LEN + 1];
    struct digest got;
    uint64_t n;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (digest_of_file(path, &got, &n, err) < 0)
        return -1;
    if (n == size && digest_equal(&got, d))
        return 0;
    digest_to_hex(&got, hex);
    return error_set(err, EBADMSG, "the %ju bytes received have digest %s",
                     (uintmax_t)n, hex);
}

static int link_blob(struct blobs *b, int fd, const struct digest *d)
{
    char path[40], name[68], dir[3];
    int sub, rc;

    name_of(d, name, dir);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (mkdirat(b->dir, dir, 0700) == 0)
        fsync(b->dir);
    else if (errno != EEXIST)
        return -1;
    rc = linkat(AT_FDCWD, path, b->dir, name, AT_SYMLINK_FOLLOW);
    if (rc < 0)
        return errno == EEXIST ? 0 : -1;
    sub = openat(b->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sub < 0)
        return -1;
    rc = fsync(sub);
    close(sub);
    return rc;
}

static int dir_commit(struct blobs *b, int fd, const struct digest *d,
                      uint64_t size, struct error *err)
{
    int rc = same_bytes(fd, d, size, err);

    if (rc == 0 && (fsync(fd) < 0 || link_blob(b, fd, d) < 0))
        rc = error_set(err, errno, "could not store a blob: %s",
                       strerror(errno));
    close(fd);
    return rc;
}

static int dir_get(struct blobs *b, const struct digest *d, uint64_t *size,
                   struct error *err)
{
    char name[68], dir[3];
    struct stat st;
    int fd;

    name_of(d, name, dir);
    fd = openat(b->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int code = errno;

        if (fd >= 0)
            close(fd);
        return error_set(err, code, "no blob %s", name + 3);
    }
    *size = (uint64_t)st.st_size;
    return fd;
}

const struct blob_plugin blob_dir = {
    .name = "blob/dir",
    .open = dir_open,
    .close = dir_close,
    .begin = dir_begin,
    .commit = dir_commit,
    .get = dir_get,
};
