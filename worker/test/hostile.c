/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.c - a runner that tries what a task must not be able to do
 *
 * Given an items file, or told to serve, it computes for ever, as a hung kernel
 * would.  Given
 * another input, the first word there names an attempt: exit status 0 says it
 * succeeded, 1 that it was refused (and how, on standard error).  Whatever is
 * not --run is answered by fallow-runner's own code.
 */
#undef main

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/runner.h"

int runner_main(int argc, char **argv);

static int refused(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    return fd < 0 ? refused(path) : 0;
}

static int try_network(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? refused("socket") : 0;
}

static int try_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? refused("socket") : 0;
}

static int try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ? refused("ptrace") : 0;
}

static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? refused("fork") : 0;
}

static int try_userns(void)
{
    return unshare(CLONE_NEWUSER) < 0 ? refused("unshare") : 0;
}

static int try_mount(void)
{
    return mount("none", "/task", "tmpfs", 0, NULL) < 0 ? refused("mount") : 0;
}

static int try_uring(void)
{
    struct io_uring_params p = {0};

    return syscall(SYS_io_uring_setup, 4, &p) < 0 ? refused("io_uring") : 0;
}

static int try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) < 0 ? refused("bpf") : 0;
}

static int try_keyctl(void)
{
    return syscall(SYS_keyctl, 0, -3, 0) < 0 ? refused("keyctl") : 0;
}

static int try_kill(void)
{
    return kill(-1, SIGTERM) < 0 ? refused("kill") : 0;
}

/* More memory than the limit of the test (256 MB). */
static int try_memory(void)
{
    size_t n = (size_t)512 << 20;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    if (p == MAP_FAILED)
        return refused("mmap");
    memset(p, 1, n);
    return 0;
}

/* A larger file than the limit of the test (4 MB). */
static int try_disk(void)
{
    static char block[1 << 20];
    int fd = open("/task/big", O_CREAT | O_WRONLY, 0600);

    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 8; i++)
        if (write(fd, block, sizeof(block)) < 0)
            return refused("write");
    return 0;
}

static void *rest(void *arg)
{
    sleep(5);
    return arg;
}

/* More threads than the limit of the test (16). */
static int try_threads(void)
{
    pthread_attr_t small;
    pthread_t t;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < 40; i++) {
        errno = pthread_create(&t, &small, rest, NULL);
        if (errno)
            return refused("pthread_create");
    }
    return 0;
}

/* Anything open that is not ours: 0, 1, 2 are the three streams. */
static int try_inherited(void)
{
    for (int fd = 3; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0) {
            fprintf(stderr, "descriptor %d is open\n", fd);
            return 0;
        }
    errno = EBADF;
    return refused("fcntl");
}

/* A filter that lets everything through again. */
static int try_filter(void)
{
    struct sock_filter all = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog p = {1, &all};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p, 0, 0) < 0
               ? refused("prctl")
               : 0;
}

static int try_mkdir(void)
{
    return mkdir("/mine", 0700) < 0 ? refused("mkdir") : 0;
}

/* What names there are at the top, for the test to compare. */
static int look_around(void)
{
    DIR *d = opendir("/");
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            fprintf(stderr, "%s ", e->d_name);
    fputc('\n', stderr);
    return 1;
}

/* Who and where it believes to be; nothing of it is the machine's. */
static int look_at_self(void)
{
    extern char **environ;
    struct utsname u;

    uname(&u);
    fprintf(stderr, "host %s", u.nodename);
    for (char **e = environ; *e; e++)
        fprintf(stderr, " %s", *e);
    fputc('\n', stderr);
    return 1;
}

/* Code made at run time must work: oneDNN does that. */
static int make_code(void)
{
    static const unsigned char answer[] = {0xb8, 42, 0, 0, 0, 0xc3};
    unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int (*f)(void);

    if (p == MAP_FAILED)
        return refused("mmap");
    memcpy(p, answer, sizeof(answer));
    memcpy(&f, &p, sizeof(f));
    return f() == 42 ? 0 : 1;
}

static int attempt(const char *what)
{
    static const struct {
        const char *name;
        int (*call)(void);
    } all[] = {
        {"network", try_network}, {"unix", try_unix},
        {"ptrace", try_ptrace},   {"fork", try_fork},
        {"userns", try_userns},   {"mount", try_mount},
        {"uring", try_uring},     {"bpf", try_bpf},
        {"keyctl", try_keyctl},   {"kill", try_kill},
        {"memory", try_memory},   {"disk", try_disk},
        {"threads", try_threads}, {"inherited", try_inherited},
        {"mkdir", try_mkdir},     {"around", look_around},
        {"self", look_at_self},   {"filter", try_filter},
        {"code", make_code},
    };

    if (strncmp(what, "read ", 5) == 0)
        return try_open(what + 5, O_RDONLY);
    if (strncmp(what, "write ", 6) == 0)
        return try_open(what + 6, O_WRONLY | O_CREAT);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].name, what) == 0)
            return all[i].call();
    return 2;
}

/* ---- a kernel that is hostile itself, for the server ----------------------
 */

static void *kernel_open(const struct work_open *o, struct error *err)
{
    (void)o;
    (void)err;
    return strdup("open");
}

static const char *kernel_variant(const void *ctx)
{
    (void)ctx;
    return "ref";
}

/* An item is an attempt, its code how that ended. */
static int kernel_run(void *ctx, const struct item *items, size_t n,
                      struct item_result *out, const struct work_control *ctl,
                      struct error *err)
{
    (void)ctx;
    (void)ctl;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        char what[512] = "";

        memcpy(what, items[i].bytes, items[i].len);
        out[i].code = (uint32_t)attempt(what);
        out[i].units = 1;
    }
    return 0;
}

static int serve(int argc, char **argv)
{
    static const char *const variants[] = {"ref", NULL};
    static const struct work_plugin kernel = {
        .abi = WORK_ABI,
        .name = "attempts",
        .spec = "attempts",
        .variants = variants,
        .open = kernel_open,
        .variant = kernel_variant,
        .run = kernel_run,
        .close = free,
    };
    static const volatile sig_atomic_t never;
    struct runner_args a = {.threads = 1, .stop = &never};
    struct error err = {""};

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--params") == 0)
            a.params = argv[i + 1];
        if (strcmp(argv[i], "--input") == 0)
            a.input = argv[i + 1];
        if (strcmp(argv[i], "--output") == 0)
            a.output = argv[i + 1];
        if (strcmp(argv[i], "--filter") == 0)
            a.filter = argv[i + 1];
    }
    if (runner_serve(&kernel, &a, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}

static _Noreturn void hang(void)
{
    volatile unsigned spin = 0;

    signal(SIGTERM, SIG_IGN);
    printf("{\"progress\":0,\"of\":1}\n");
    fflush(stdout);
    for (;;)
        spin++;
}

int main(int argc, char **argv)
{
    char what[512] = "";
    const char *input = NULL;
    FILE *f;

    if (argc > 2 && strcmp(argv[1], "--serve") == 0 &&
        strcmp(argv[2], "attempts") == 0)
        return serve(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        puts("{\"ready\":true}");
        fflush(stdout);
        if (getchar() == '\n')
            hang();
        return 0;
    }
    if (argc < 2 || strcmp(argv[1], "--run") != 0)
        return runner_main(argc, argv);
    for (int i = 2; i + 1 < argc; i++)
        if (strcmp(argv[i], "--input") == 0)
            input = argv[i + 1];
    f = input ? fopen(input, "r") : NULL;
    if (!f || !fread(what, 1, sizeof(what) - 1, f))
        return 2;
    fclose(f);
    if (strncmp(what, "FITM", 4) == 0 &&
        what[14]) /* 256 items or more: the calibration */
        return runner_main(argc, argv);
    what[strcspn(what, "\n")] = '\0';
    if (strncmp(what, "FITM", 4) == 0)
        hang();
    return attempt(what);
}
