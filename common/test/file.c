/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - outputs are complete or absent */
#include "common/file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/tap.h"

static char dir[] = "/tmp/fallow-file.XXXXXX";

int main(void)
{
    struct error err = {""};
    char *path, *missing;
    void *buf = NULL;
    size_t len = 0;

    if (!mkdtemp(dir))
        return 1;
    path = file_path(dir, "a");
    missing = file_path(dir, "no/such");
    is_int(file_write(path, "hello", 5, true, &err), 0, "a file is written");
    is_int(file_read(path, 5, &buf, &len, &err), 0, "and read");
    is_int(len, 5, "with its length");
    is_str(buf, "hello", "and its bytes, closed by a NUL");
    free(buf);
    ok(file_read(path, 4, &buf, &len, &err) < 0 && errno == EFBIG,
       "a file larger than allowed is refused");
    ok(file_read(dir, 4, &buf, &len, &err) < 0 && errno == EINVAL,
       "a directory is refused");
    ok(file_read("/dev/zero", 4, &buf, &len, &err) < 0 && errno == EINVAL,
       "a device is refused");
    ok(file_write(missing, "x", 1, false, &err) < 0 && errno == ENOENT &&
           strstr(err.text, missing),
       "an absent directory is an error that names the path");
    ok(file_write(dir, "x", 1, false, &err) < 0 && errno == EISDIR,
       "a directory is not replaced");
    unlink(path);
    is_int(rmdir(dir), 0, "no temporary file stayed behind");
    free(path);
    free(missing);
    done_testing();
    return exit_status();
}
