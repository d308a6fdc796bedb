/* SPDX-License-Identifier: Apache-2.0 */
/* params.c - a cell that lies about files gets none of its own way */
#include "worker/params.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "t/tap.h"

static char dir[] = "/tmp/fallow-params.XXXXXX";

/* As if fetched: the bytes where params_part says, then taken in. */
static int fetch(struct params *p, const struct digest *d, const char *bytes,
                 struct error *err)
{
    char *part = params_part(p, d);
    int rc = file_write(part, bytes, strlen(bytes), false, err);

    free(part);
    return rc < 0 ? -1 : params_take(p, d, err);
}

static void digest_text(const char *text, struct digest *d)
{
    digest_of(text, strlen(text), d);
}

static void test_empty(struct params *p)
{
    struct digest none, missing;
    struct error err = {""};
    struct stat st;
    char *path = NULL;

    digest_of("", 0, &none);
    is_int(params_ready(p, &none, &path, &missing, &err), 0,
           "a kernel without parameters needs nothing");
    ok(path && stat(path, &st) == 0 && S_ISDIR(st.st_mode),
       "and has an empty directory");
    free(path);
}

static void test_set(struct params *p)
{
    char manifest[256], hex[DIGEST_HEX_LEN + 1], *path = NULL, *file;
    struct digest set, blob, missing;
    struct error err = {""};
    struct stat st;

    digest_text("weights", &blob);
    digest_to_hex(&blob, hex);
    snprintf(manifest, sizeof(manifest), "config.json 7 %s\nmodel.bin 7 %s\n",
             hex, hex);
    digest_text(manifest, &set);
    is_int(params_ready(p, &set, &path, &missing, &err), 1,
           "a new set is to be fetched");
    ok(digest_equal(&missing, &set), "first its manifest");
    ok(fetch(p, &set, "another text", &err) < 0 && errno == EBADMSG,
       "other bytes than asked for are refused");
    like(err.text, "not the one asked for", "and named");
    is_int(fetch(p, &set, manifest, &err), 0, "the right ones are taken");
    is_int(params_ready(p, &set, &path, &missing, &err), 1, "then its files");
    ok(digest_equal(&missing, &blob), "by digest");
    fetch(p, &blob, "weights", &err);
    is_int(params_ready(p, &set, &path, &missing, &err), 0, "then it is whole");
    file = path ? file_path(path, "model.bin") : NULL;
    ok(file && stat(file, &st) == 0 && st.st_size == 7 &&
           (st.st_mode & 0777) == 0400,
       "files have their names and are read-only");
    free(file);
    free(path);
}

/* One malformed manifest each; %s is a digest. */
static const char *const bad[] = {
    "../evil 7 %s\n",
    "/etc/passwd 7 %s\n",
    "a/b 7 %s\n",
    ".hidden 7 %s\n",
    "name 7 %s",
    "name 7\n",
    "name -7 %s\n",
    "name seven %s\n",
    "name 7 123\n",
    "name 8 %s\n",
    "b 7 %s\na 7 %.64s\n",
    " 7 %s\n",
    "\n",
};

static void test_bad(struct params *p)
{
    char hex[DIGEST_HEX_LEN + 1];
    struct digest blob;

    digest_text("weights", &blob);
    digest_to_hex(&blob, hex);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char manifest[256] = "", *path = NULL, *to = manifest;
        struct digest set, missing;
        struct error err = {""};

        for (const char *s = bad[i]; *s; s++) {
            size_t skip = strncmp(s, "%s", 2) == 0      ? 1
                          : strncmp(s, "%.64s", 5) == 0 ? 4
                                                        : 0;

            to = skip ? stpcpy(to, hex) : (*to = *s, to + 1);
            s += skip;
        }
        digest_text(manifest, &set);
        fetch(p, &set, manifest, &err);
        ok(params_ready(p, &set, &path, &missing, &err) < 0 && errno == EBADMSG,
           "manifest %zu is refused: %s", i + 1, err.text);
        free(path);
    }
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(void)
{
    struct error err = {""};
    struct params *p = mkdtemp(dir) ? params_create(dir, &err) : NULL;
    char *evil = file_path(dir, "evil");

    ok(p, "a cache is made: %s", err.text);
    if (!p)
        return 1;
    test_empty(p);
    test_set(p);
    test_bad(p);
    ok(access(evil, F_OK) < 0, "nothing was made outside of it");
    free(evil);
    params_destroy(p);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    done_testing();
    return exit_status();
}
