/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - what a task must not be able to do, it cannot
 *
 * Runs worker/test/hostile in the sandbox the worker uses, as an ordinary
 * user; every attempt must be refused, and what a kernel needs must work.
 */
#include "plugins/sandbox/sandbox.h"

#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <pwd.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/items.h"
#include "t/tap.h"
#include "worker/run.h"
#include "worker/sandbox.h"
#include "worker/stage.h"
#include "worker/when.h"

static char dir[] = "/tmp/fallow-sandbox.XXXXXX";
static char *stage, *task, *params, *secret;
static struct run_place place;
static struct machine *machine;

/* One attempt and how its refusal must read. */
static const struct {
    const char *what, *refusal;
} attempts[] = {
    {"network", "socket: Operation not permitted"},
    {"unix", "socket: Operation not permitted"},
    {"ptrace", "ptrace: Operation not permitted"},
    {"fork", "fork: Operation not permitted"},
    {"userns", "unshare: Operation not permitted"},
    {"mount", "mount: Operation not permitted"},
    {"uring", "io_uring: Operation not permitted"},
    {"bpf", "bpf: Operation not permitted"},
    {"keyctl", "keyctl: Operation not permitted"},
    {"kill", "kill: Operation not permitted"},
    {"read /etc/shadow", "No such file or directory"},
    {"read /etc/passwd", "No such file or directory"},
    {"read /etc/hostname", "No such file or directory"},
    {"read /proc/self/status", "No such file or directory"},
    {"read /sys/class/net", "No such file or directory"},
    {"read /dev/mem", "No such file or directory"},
    {"read /home", "No such file or directory"},
    {"read /tmp", "No such file or directory"},
    {"read /var", "No such file or directory"},
    {"write /usr/lib/mine", "Read-only file system"},
    {"write /fallow/runner", "Permission denied"},
    {"write /fallow/plugins/work/mine.so", "Read-only file system"},
    {"write /params/mine", "Read-only file system"},
    {"write /mine", "Read-only file system"},
    {"mkdir", "mkdir: Operation not permitted"},
    {"memory", "mmap: Cannot allocate memory"},
    {"disk", "write: File too large"},
    {"threads", "pthread_create: Resource temporarily unavailable"},
    {"inherited", "fcntl: Bad file descriptor"},
};

static int ask(const char *what, struct run_outcome *out)
{
    struct run_spec s = {.kernel = "echo",
                         .params = params,
                         .dir = task,
                         .threads = 1,
                         .core = 0};
    char *input = file_path(task, "input");
    struct error err = {""};
    int rc;

    memset(out, 0, sizeof(*out));
    file_write(input, what, strlen(what), false, NULL);
    free(input);
    rc = run_wait(&place, RUN_TASK, &s, 20000, NULL, out, &err);
    if (rc < 0 && !out->status)
        fprintf(stderr, "# %s\n", err.text);
    return rc;
}

static void test_refusals(void)
{
    char what[256];
    struct run_outcome out;

    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        ask(attempts[i].what, &out);
        is_int(out.status, 1, "a task cannot: %s", attempts[i].what);
        like(out.why, attempts[i].refusal, "it hears: %s", attempts[i].refusal);
    }
    snprintf(what, sizeof(what), "read %s", secret);
    ask(what, &out);
    is_int(out.status, 1, "the worker's key cannot be read");
    like(out.why, "No such file or directory", "it is not even there");
}

static void test_world(void)
{
    struct run_outcome out;

    ask("around", &out);
    ok(!strstr(out.why, "etc") && !strstr(out.why, "home") &&
           !strstr(out.why, "proc") && !strstr(out.why, "dev"),
       "around it is only: %s", out.why);
    ask("self", &out);
    is_str(out.why,
           "host fallow FALLOW_PLUGIN_DIR=/fallow/plugins LC_ALL=C "
           "PWD=/task ",
           "host name and environment say nothing of the machine");
    is_int(ask("code", &out), 0, "code made at run time works");
    is_int(out.status, 0, "as oneDNN needs");
    is_int(ask("write /task/mine", &out), 0, "its scratch can be written");
}

/* A hung kernel that ignores SIGTERM. */
static void test_kill(void)
{
    struct run_spec s = {.kernel = "echo",
                         .params = params,
                         .dir = task,
                         .threads = 1,
                         .core = -1};
    char *input = file_path(task, "input");
    struct error err = {""};
    struct run_outcome out;
    int64_t start;
    struct run *r;

    file_write(input, "FITM", 5, false, NULL);
    free(input);
    r = run_start(&place, RUN_TASK, &s, &err);
    ok(r, "a kernel that hangs is started");
    if (!r)
        return;
    usleep(200000);
    start = when_mono_us();
    run_kill(r);
    run_reap(r, &out);
    ok(when_mono_us() - start < 1000000,
       "and ends within a second of the kill");
    is_int(out.status, 128 + SIGKILL, "by SIGKILL");
    ok(!out.done, "without a result");
    run_destroy(r);
}

/* Wait until the server has said something of the kind asked for. */
static bool hears(struct run *r, bool (*what)(const struct run *))
{
    for (int i = 0; i < 2000 && !what(r); i++) {
        usleep(10000);
        run_read(r);
    }
    return what(r);
}

/* One attempt by a kernel in a task of a server; the code it came to. */
static int64_t served(struct run *r, const char *what)
{
    struct item item = {(const uint8_t *)what, (uint32_t)strlen(what)};
    char *input = file_path(task, "input"),
         *output = file_path(task, "results");
    struct item_result *v = NULL;
    struct run_outcome out = {0};
    int64_t code = -1;
    void *buf;
    size_t len, n;

    items_format(&item, 1, &buf, &len, NULL);
    file_write(input, buf, len, false, NULL);
    free(buf);
    if (run_order(r) == 0 && hears(r, run_answered))
        run_result(r, &out);
    if (out.done && file_read(output, 1 << 20, &buf, &len, NULL) == 0) {
        if (results_parse(buf, len, &v, &n, NULL) == 0 && n == 1)
            code = v[0].code;
        free(v);
        free(buf);
    }
    if (code < 0)
        fprintf(stderr, "# status %d: %s\n", out.status, out.why);
    unlink(output);
    free(input);
    free(output);
    return code;
}

static void test_served(void)
{
    static const char *const what[] = {"fork",    "network", "userns",
                                       "ptrace",  "kill",    "filter",
                                       "threads", "mount",   "write /mine"};
    struct run_spec s = {.kernel = "attempts",
                         .params = params,
                         .dir = task,
                         .filter = true,
                         .threads = 1,
                         .core = -1};
    struct error err = {""};
    struct run *r = run_start(&place, RUN_SERVE, &s, &err);

    ok(r && hears(r, run_is_ready), "a server stands ready %s", err.text);
    for (size_t i = 0; r && i < sizeof(what) / sizeof(what[0]); i++)
        is_int(served(r, what[i]), 1, "a task it serves cannot: %s", what[i]);
    if (r)
        is_int(served(r, "code"), 0, "but it can make code");
    run_destroy(r);
}

static void test_selftest(void)
{
    struct run_spec s = {.kernel = "echo", .core = -1};
    struct run_outcome out;
    struct error err = {""};
    char *text = NULL;

    is_int(run_wait(&place, RUN_SELFTEST, &s, 20000, &text, &out, &err), 0,
           "a kernel's self-test passes inside: %s", err.text);
    like(text, "\"match\":true", "with the known answer");
    free(text);
}

/* As the worker does it. */
static int write_filter(void)
{
    char buf[65536], *path = file_path(stage, "filter");
    int fd = sandbox_bwrap.filter(NULL);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
    int rc = n > 0 ? file_write(path, buf, (size_t)n, false, NULL) : -1;

    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

/* As root: become nobody, who must reach the files. */
static int prepare(const char *top)
{
    const struct passwd *pw = getpwnam("nobody");
    struct error err = {""};
    char *runner = file_path(top, "worker/test/hostile");
    char *plugins = file_path(top, "plugins");

    setenv("FALLOW_PLUGIN_DIR", plugins, 1);
    if (!mkdtemp(dir))
        return -1;
    stage = stage_make(dir, runner, &err);
    task = file_path(dir, "task");
    params = file_path(dir, "params");
    secret = file_path(dir, "node.key");
    free(runner);
    free(plugins);
    if (!stage || write_filter() < 0 || mkdir(task, 0700) < 0 ||
        mkdir(params, 0700) < 0 ||
        file_write(secret, "key", 3, false, &err) < 0 ||
        (geteuid() == 0 && (!pw || stage_drop_root(dir, "nobody", &err) < 0))) {
        fprintf(stderr, "# %s\n", err.text);
        return -1;
    }
    place.sandbox = sandbox_find("bwrap", &err);
    place.stage = stage;
    place.stop_fd = -1;
    place.limits = (struct run_limits){.mem_bytes = (int64_t)256 << 20,
                                       .file_bytes = 4 << 20,
                                       .cpu_s = 20,
                                       .threads = 16};
    place.machine = machine = machine_create(NULL, &err);
    return machine ? 0 : -1;
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
    const char *top = getenv("builddir");
    struct error err = {""};

#ifdef __SANITIZE_ADDRESS__
    skip_all("AddressSanitizer needs what the sandbox refuses");
#endif
    if (prepare(top ? top : ".") < 0)
        return 1;
    if (place.sandbox->probe(&err) < 0)
        skip_all("%s", err.text);
    test_refusals();
    test_world();
    test_kill();
    test_served();
    test_selftest();
    machine_destroy(machine);
    free(stage);
    free(task);
    free(params);
    free(secret);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    done_testing();
    return exit_status();
}
