/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - what was written down is read back, whatever happened between */
#include "worker/journal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "t/tap.h"

static char dir[] = "/tmp/fallow-journal.XXXXXX";

static struct msg_lease lease(const char *id, const char *token)
{
    static uint8_t input[] = "FITM";
    struct msg_lease l = {.items = 3, .input = input, .input_len = 4};

    snprintf(l.id, sizeof(l.id), "%s", id);
    snprintf(l.kernel, sizeof(l.kernel), "echo");
    digest_of("spec", 4, &l.spec);
    digest_of("", 0, &l.params);
    l.token = (char *)(uintptr_t)token;
    return l;
}

static void put_file(const char *sub, const char *name, const char *text)
{
    char *d = file_path(dir, sub), *path = file_path(d, name);

    file_write(path, text, strlen(text), false, NULL);
    free(path);
    free(d);
}

static bool exists(const char *name)
{
    char *path = file_path(dir, name);
    bool found = access(path, F_OK) == 0;

    free(path);
    return found;
}

static void test_leases(struct journal *j)
{
    struct msg_lease a = lease("1.10", "ten"), b = lease("1.9", "nine");
    struct msg_result c = {
        .token = a.token, .busy_us = 5, .root = {.units = 7, .bytes = 2}};
    uint8_t bytes[] = "xy";
    struct journal_lease *v;
    struct error err = {""};
    size_t n;

    c.bytes = bytes;
    c.len = 2;
    is_int(journal_take(j, &a, 1000, &err), 0, "a lease is kept");
    is_int(journal_take(j, &b, 2000, &err), 0, "and another");
    is_int(journal_claim(j, "1.10", &c, &err), 0, "a claim is kept");
    is_int(journal_load(j, &v, &n, &err), 0, "both are read back");
    is_int(n, 2, "two of them");
    if (n == 2) {
        is_str(v[0].lease.id, "1.9", "in the order they were granted");
        is_str(v[0].lease.token, "nine", "with the token");
        is_int(v[0].until_us, 2000, "and the deadline");
        ok(!v[0].has_claim, "the one without a claim");
        ok(v[1].has_claim && v[1].claim.len == 2 &&
               memcmp(v[1].claim.bytes, "xy", 2) == 0,
           "the other with its bytes");
        is_int(v[1].claim.root.units, 7, "and units");
    }
    journal_free(v, n);
    journal_drop(j, "1.10");
    ok(!exists("task/1.10"), "a dropped lease leaves nothing");
    journal_drop(j, "1.9");
}

static void test_damage(struct journal *j)
{
    struct msg_lease a = lease("2.1", "t"), b = lease("2.2", "u");
    struct journal_lease *v;
    struct error err = {""};
    size_t n;

    journal_take(j, &a, 1, &err);
    journal_take(j, &b, 1, &err);
    put_file("task/2.1", "lease", "{\"id\":\"2.1\",\"kern");
    put_file("task/2.2", "claim", "{");
    put_file("task", "stray", "x");
    is_int(journal_load(j, &v, &n, &err), 0, "a damaged journal is read");
    is_int(n, 1, "a torn lease is dropped");
    ok(n == 1 && !v[0].has_claim, "a torn claim is none: it is run again");
    journal_free(v, n);
    ok(!exists("task/2.1"), "what is dropped is gone");
    journal_drop(j, "2.2");
}

static void test_ids(struct journal *j)
{
    static const char *const bad[] = {"../x", "",    ".",    "..",
                                      "1/2",  "a.1", "1.2\n"};
    struct error err = {""};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(!journal_dir(j, bad[i], &err) && errno == EINVAL,
           "an id that is no id makes no path (%zu)", i + 1);
}

static void test_requests(struct journal *j)
{
    char path[] = "/v1/result", body[] = "{\"a\n\": 1}";
    struct journal_request r = {
        .seq = 41, .path = path, .body = body, .len = strlen(body)};
    struct journal_request got;
    struct error err = {""};
    int64_t last = -1;

    is_int(journal_request_get(j, &got, &last, &err), 0, "an empty journal");
    is_int(last, 0, "has used no number");
    is_int(journal_request_put(j, &r, &err), 0, "a request is written down");
    journal_request_get(j, &got, &last, &err);
    ok(got.seq == 41 && last == 41, "and is to be sent again after a crash");
    is_str(got.path, "/v1/result", "to the same path");
    ok(got.len == r.len && memcmp(got.body, body, r.len) == 0, "byte for byte");
    journal_request_clear(&got);
    journal_request_done(j, &err);
    journal_request_get(j, &got, &last, &err);
    ok(got.seq == 0, "once answered it is not");
    is_int(last, 41, "but its number is used");
    put_file("journal", "request", "forty-two /v1/result\n{}");
    ok(journal_request_get(j, &got, &last, &err) < 0 && errno == EBADMSG,
       "a damaged request is not guessed at");
    like(err.text, "journal/request is damaged", "but named");
}

int main(void)
{
    struct error err = {""};
    struct journal *j = mkdtemp(dir) ? journal_create(dir, &err) : NULL;
    static const char *const left[] = {"journal/request", "journal/answered",
                                       "journal", "task/stray", "task"};

    ok(j, "a journal is made: %s", err.text);
    if (!j)
        return 1;
    test_leases(j);
    test_damage(j);
    test_ids(j);
    test_requests(j);
    journal_destroy(j);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        char *path = file_path(dir, left[i]);

        remove(path);
        free(path);
    }
    ok(rmdir(dir) == 0, "nothing else was left");
    done_testing();
    return exit_status();
}
