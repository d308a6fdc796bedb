/* SPDX-License-Identifier: Apache-2.0 */
/* slurp.c - the few file operations of a model folder */
#include "kernels/embed/slurp.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_in(const char *dir, const char *name, int flags,
                   struct fault *f)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd;

    if (n < 0 || (size_t)n >= sizeof(path))
        return fault_set(f, ENAMETOOLONG, "the path %.80s… is too long", dir);
    fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0)
        return fault_set(f, errno, "could not open %.300s: %s", path,
                         strerror(errno));
    return fd;
}

/* The size of an open regular file, or -1. */
static off_t regular_size(int fd, const char *dir, const char *name,
                          struct fault *f)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fault_set(f, errno, "could not stat %.250s/%s: %s", dir, name,
                         strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(f, EINVAL, "%.250s/%s is not a regular file", dir,
                         name);
    return st.st_size;
}

static ssize_t read_up_to(int fd, char *buf, size_t want)
{
    size_t got = 0;

    while (got < want) {
        ssize_t n = read(fd, buf + got, want - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
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

int slurp(const char *dir, const char *name, size_t max, char **text,
          size_t *len, struct fault *f)
{
    int fd = open_in(dir, name, O_RDONLY, f);
    char *buf = NULL;
    off_t size;
    ssize_t got;
    int rc = -1;

    if (fd < 0)
        return -1;
    size = regular_size(fd, dir, name, f);
    if (size < 0)
        goto out;
    if ((uintmax_t)size > max) {
        fault_set(f, EFBIG, "%.250s/%s has %jd bytes, at most %zu are read",
                  dir, name, (intmax_t)size, max);
        goto out;
    }
    buf = malloc((size_t)size + 1);
    if (!buf) {
        fault_set(f, ENOMEM, "could not allocate %jd bytes", (intmax_t)size);
        goto out;
    }
    got = read_up_to(fd, buf, (size_t)size);
    if (got < 0) {
        fault_set(f, errno, "could not read %.250s/%s: %s", dir, name,
                  strerror(errno));
        goto out;
    }
    buf[got] = 0;
    *text = buf;
    *len = (size_t)got;
    buf = NULL;
    rc = 0;
out:
    free(buf);
    close(fd);
    return rc;
}

int spill(const char *dir, const char *name, const char *text, size_t len,
          struct fault *f)
{
    int fd = open_in(dir, name, O_WRONLY | O_CREAT | O_EXCL, f);
    int rc;

    if (fd < 0)
        return -1;
    rc = write_all(fd, text, len);
    if (rc == 0)
        rc = close(fd);
    else
        close(fd);
    if (rc < 0)
        fault_set(f, errno, "could not write %.250s/%s: %s", dir, name,
                  strerror(errno));
    return rc;
}

static int copy_bytes(int in, int out)
{
    char buf[65536];
    ssize_t n;

    while ((n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0)) > 0)
        ;
    if (n == 0)
        return 0;
    while ((n = read_up_to(in, buf, sizeof(buf))) > 0)
        if (write_all(out, buf, (size_t)n) < 0)
            return -1;
    return n < 0 ? -1 : 0;
}

int copy_file(const char *from, const char *to, const char *name,
              struct fault *f)
{
    int in = open_in(from, name, O_RDONLY, f);
    int out, rc = -1;

    if (in < 0)
        return -1;
    out = open_in(to, name, O_WRONLY | O_CREAT | O_EXCL, f);
    if (out >= 0 && regular_size(in, from, name, f) >= 0) {
        rc = copy_bytes(in, out);
        if (rc < 0)
            fault_set(f, errno, "could not copy %.150s/%s to %.150s: %s", from,
                      name, to, strerror(errno));
    }
    if (out >= 0)
        close(out);
    close(in);
    return rc;
}
