/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - outputs are complete or absent */
#include "common/file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/tap.h"

/* Somebody who may write here could lay a link where the temporary file goes.
 */
static void test_planted_link(void)
{
    char path[64], tmp[96], victim[96];
    struct error err = {""};
    void *buf = NULL;
    size_t len = 0;

    snprintf(path, sizeof(path), "/tmp/fallow-link.%ld", (long)getpid());
    snprintf(victim, sizeof(victim), "%s.victim", path);
    snprintf(tmp, sizeof(tmp), "%s.tmp%ld", path, (long)getpid());
    file_write(victim, "safe", 4, false, &err);
    ok(symlink(victim, tmp) == 0 && file_write(path, "x", 1, false, &err) < 0,
       "a link at the temporary name is not followed");
    ok(file_read(victim, 9, &buf, &len, &err) == 0 && len == 4,
       "and what it points to keeps its bytes");
    free(buf);
    unlink(tmp);
    unlink(victim);
    unlink(path);
}

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
    test_planted_link();
    done_testing();
    return exit_status();
}
