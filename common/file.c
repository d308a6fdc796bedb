/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - whole files in and out */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_path(const char *dir, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static int read_all(int fd, char *buf, size_t want, size_t *got)
{
    *got = 0;
    while (*got < want) {
        ssize_t n = read(fd, buf + *got, want - *got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int file_read(const char *path, size_t max, void **buf, size_t *len,
              struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *b = NULL;
    int rc = -1;

    if (fd < 0)
        return error_set(err, errno, "could not open %s: %s", path,
                         strerror(errno));
    if (fstat(fd, &st) < 0) {
        error_set(err, errno, "could not stat %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error_set(err, EINVAL, "%s is not a regular file", path);
    } else if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
        error_set(err, EFBIG, "%s has %jd bytes, at most %zu are read", path,
                  (intmax_t)st.st_size, max);
    } else if (!(b = malloc((size_t)st.st_size + 1))) {
        error_set(err, ENOMEM, "could not allocate %jd bytes for %s",
                  (intmax_t)st.st_size, path);
    } else if (read_all(fd, b, (size_t)st.st_size, len) < 0) {
        error_set(err, errno, "could not read %s: %s", path, strerror(errno));
    } else {
        b[*len] = 0;
        *buf = b;
        b = NULL;
        rc = 0;
    }
    free(b);
    close(fd);
    return rc;
}

static int write_all(int fd, const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, buf, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = !slash          ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    int fd, rc;

    if (!dir)
        return -1;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

int file_write(const char *path, const void *buf, size_t len, bool durable,
               struct error *err)
{
    char *tmp;
    int fd, saved_errno;

    if (asprintf(&tmp, "%s.tmp%ld", path, (long)getpid()) < 0)
        return error_set(err, ENOMEM, "could not allocate a path");
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        error_set(err, errno, "could not write %s: %s", path, strerror(errno));
        free(tmp);
        return -1;
    }
    if (write_all(fd, buf, len) < 0 || (durable && fsync(fd) < 0)) {
        saved_errno = errno;
        close(fd);
        goto error;
    }
    if (close(fd) < 0 || rename(tmp, path) < 0 ||
        (durable && sync_parent(path) < 0)) {
        saved_errno = errno;
        goto error;
    }
    free(tmp);
    return 0;
error:
    unlink(tmp);
    free(tmp);
    return error_set(err, saved_errno, "could not write %s: %s", path,
                     strerror(saved_errno));
}
