/* SPDX-License-Identifier: Apache-2.0 */
/* embed_output.c - vectors arrive whole or not at all */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/work/embed_output.h"
#include "t/tap.h"

#define WIDTH 4

static char dir[] = "/tmp/fallow-output.XXXXXX";
static char npy[64], ids[64], from[64];

static void put_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    if (out) {
        fputs(text, out);
        fclose(out);
    }
}

static size_t get_file(const char *path, char *buf, size_t size)
{
    FILE *in = fopen(path, "r");
    size_t n = in ? fread(buf, 1, size - 1, in) : 0;

    buf[n] = '\0';
    if (in)
        fclose(in);
    return n;
}

static void test_names(void)
{
    static const char *const rows[][2] = {{"/x/v.npy", "/x/v.ids"},
                                          {"/x/v", "/x/v.ids"},
                                          {"/x.y/v.bin", "/x.y/v.bin.ids"},
                                          {".npy", ".npy.ids"}};
    struct error err;
    char *p;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        p = output_ids_path(rows[i][0], NULL);
        is_str(p, rows[i][1], "the ids of %s", rows[i][0]);
        free(p);
    }
    p = output_absolute("/./tmp/../tmp/new.npy", NULL);
    is_str(p, "/tmp/new.npy", "a path is made absolute");
    free(p);
    p = output_absolute("/new.npy", NULL);
    is_str(p, "/new.npy", "also in the root");
    free(p);
    ok(!output_absolute("/nonexistent/d/v.npy", &err), "a missing directory");
    is_str(err.text,
           "could not find the directory of --output \"/nonexistent/d/v.npy\": "
           "No such file or directory",
           "is named");
    ok(!output_absolute("/tmp/", &err) && !output_absolute("", &err),
       "neither a directory nor nothing is an output");
}

static void test_check(void)
{
    struct stat st;
    struct error err;

    ok(output_check(npy, from, &err) == 0, "a new file can be written");
    ok(stat(npy, &st) < 0 && stat(ids, &st) < 0, "and nothing was left");
    ok(output_check(dir, from, &err) < 0, "a directory cannot");
    like(err.text, "is a directory, not a regular file", "and it says so");
    ok(output_check("/dev/null", from, &err) < 0, "a device cannot");
    like(err.text, "is special, not a regular file", "and it says so");
    ok(output_check(from, from, &err) < 0, "the input cannot");
    like(err.text, "would replace the input", "and it says so");
    mkdir(ids, 0777);
    ok(output_check(npy, from, &err) < 0, "a directory in the ids' place");
    like(err.text, "v.ids is a directory", "is found before any work");
    rmdir(ids);
}

static void test_vectors(void)
{
    /* Scales 0.5 and 2^-149, the least float; values to both ends. */
    static const uint8_t a[] = {1, 0xff, 127, 0x80, 0, 0, 0, 0x3f};
    static const uint8_t b[] = {0, 2, 3, 0xfe, 1, 0, 0, 0};
    const struct item_result r[] = {{0, 9, a, sizeof(a)}, {0, 9, b, sizeof(b)}};
    static const float want[] = {0.5f, -0.5f,     63.5f,       -64.0f,
                                 0.0f, 0x1p-148f, 0x1.8p-148f, -0x1p-148f};
    char buf[512];
    size_t n;

    put_file(from, "first\n2\n");
    is_int(output_write(npy, from, r, 2, WIDTH, NULL), 0,
           "vectors are written");
    n = get_file(npy, buf, sizeof(buf));
    is_int(n, 128 + sizeof(want), "header and two rows");
    ok(memcmp(buf, "\x93NUMPY\x01\x00v\x00", 10) == 0, "NumPy's first bytes");
    like(buf + 10,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
         "and its description");
    is_int(buf[127], '\n', "which ends on a multiple of 64");
    ok(memcmp(buf + 128, want, sizeof(want)) == 0, "each value is s8 x scale");
    get_file(ids, buf, sizeof(buf));
    is_str(buf, "first\n2\n", "the ids are beside them");
    unlink(npy);
    unlink(ids);
}

static void test_failures(void)
{
    static const uint8_t good[8] = {1};
    struct item_result r[12] = {{0, 1, good, 8}, {7, 1, NULL, 0}};
    struct error err;
    struct stat st;

    put_file(from, "1\n2\n");
    ok(output_write(npy, from, r, 2, WIDTH, &err) < 0 && errno == EBADMSG,
       "an item without a vector is an error");
    is_str(err.text,
           "1 of 2 items have no vector (the first with code 7): items 1",
           "that names it");
    ok(output_write(npy, from, r, 12, WIDTH, &err) < 0, "so are many");
    is_str(err.text,
           "11 of 12 items have no vector (the first with code 7): items "
           "1, 2, 3, 4, 5, 6, 7, 8, \xe2\x80\xa6",
           "of which some are named");
    r[1] = (struct item_result){0, 1, good, 7};
    ok(output_write(npy, from, r, 2, WIDTH, &err) < 0, "so is a short one");
    r[1] = r[0];
    put_file(from, "1\n");
    ok(output_write(npy, from, r, 2, WIDTH, &err) < 0, "and an id too few");
    like(err.text, "has 1 ids for 2 vectors", "which is counted");
    ok(stat(npy, &st) < 0 && stat(ids, &st) < 0,
       "nothing was left by any of them");
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(npy, sizeof(npy), "%s/v.npy", dir);
    snprintf(ids, sizeof(ids), "%s/v.ids", dir);
    snprintf(from, sizeof(from), "%s/ids", dir);
    put_file(from, "");
    test_names();
    test_check();
    test_vectors();
    test_failures();
    unlink(from);
    is_int(rmdir(dir), 0, "no temporary file stayed behind");
    done_testing();
    return exit_status();
}
