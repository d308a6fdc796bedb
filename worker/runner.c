/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c - fallow-runner: the only program that loads a kernel
 *
 * Started by the customer's commands, by the worker inside its sandbox and by
 * the referee; it never opens a socket.  doc/3-runner.md is the contract.
 */
#include "worker/runner.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/plugin.h"

enum { EXIT_USAGE = 2, EXIT_STOPPED = 3, EXIT_DIFFERS = 4 };

static volatile sig_atomic_t stop_requested;

static void on_stop(int sig)
{
    (void)sig;
    stop_requested = 1;
}

/* Also where the parent had the signals blocked. */
static int catch_stop(void)
{
    struct sigaction sa = {.sa_handler = on_stop};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigaction(SIGTERM, &sa, NULL) < 0 || sigaction(SIGINT, &sa, NULL) < 0)
        return -1;
    return sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static const char usage_text[] =
    "usage: fallow-runner --list\n"
    "       fallow-runner --describe KERNEL\n"
    "       fallow-runner --selftest KERNEL [--variant V]\n"
    "       fallow-runner --split KERNEL --dir DIR -- WORDS...\n"
    "       fallow-runner --estimate KERNEL --params DIR --input ITEMS\n"
    "       fallow-runner --run KERNEL --params DIR --input ITEMS"
    " --output RESULTS\n"
    "                     [--variant V] [--threads N]\n"
    "       fallow-runner --serve KERNEL (as --run) [--filter FILE]\n"
    "       fallow-runner --assemble KERNEL --dir DIR --results RESULTS\n";

static const struct option options[] = {
    {"list", no_argument, NULL, 'l'},
    {"describe", required_argument, NULL, 'd'},
    {"selftest", required_argument, NULL, 't'},
    {"split", required_argument, NULL, 's'},
    {"estimate", required_argument, NULL, 'e'},
    {"run", required_argument, NULL, 'r'},
    {"serve", required_argument, NULL, 'S'},
    {"filter", required_argument, NULL, 'F'},
    {"assemble", required_argument, NULL, 'a'},
    {"variant", required_argument, NULL, 'V'},
    {"threads", required_argument, NULL, 'T'},
    {"dir", required_argument, NULL, 'D'},
    {"params", required_argument, NULL, 'P'},
    {"input", required_argument, NULL, 'I'},
    {"output", required_argument, NULL, 'O'},
    {"results", required_argument, NULL, 'R'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse_threads(const char *text, int *out, struct error *err)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < 1 || v > 1024)
        return error_set(err, EINVAL,
                         "--threads %s is not a number from 1 to 1024", text);
    *out = (int)v;
    return 0;
}

static int take_option(struct runner_args *a, int c, struct error *err)
{
    switch (c) {
    case 'V': a->variant = optarg; return 0;
    case 'D': a->dir = optarg; return 0;
    case 'P': a->params = optarg; return 0;
    case 'I': a->input = optarg; return 0;
    case 'O': a->output = optarg; return 0;
    case 'R': a->results = optarg; return 0;
    case 'F': a->filter = optarg; return 0;
    case 'T': return parse_threads(optarg, &a->threads, err);
    default: break;
    }
    if (a->call)
        return error_set(err, EINVAL, "more than one call is given");
    a->call = (char)c;
    a->kernel = c == 'l' || c == 'h' ? NULL : optarg;
    return 0;
}

/* The options each call cannot do without. */
static int check_options(const struct runner_args *a, struct error *err)
{
    const char *missing = NULL;

    if (!a->call)
        return error_set(err, EINVAL, "no call is given");
    if (a->argc && a->call != 's')
        return error_set(err, EINVAL, "\"%s\" is one word too many",
                         a->argv[0]);
    if (strchr("sa", a->call) && !a->dir)
        missing = "--dir";
    if (strchr("erS", a->call) && !a->input)
        missing = "--input";
    if (strchr("erS", a->call) && !a->params)
        missing = "--params";
    if (strchr("rS", a->call) && !a->output)
        missing = "--output";
    if (a->call == 'a' && !a->results)
        missing = "--results";
    return missing ? error_set(err, EINVAL, "%s is missing", missing) : 0;
}

static int parse(int argc, char **argv, struct runner_args *a,
                 struct error *err)
{
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        if (c == ':')
            return error_set(err, EINVAL, "%s needs a value", argv[optind - 1]);
        if (c == '?')
            return error_set(err, EINVAL, "unknown option %s",
                             argv[optind - 1]);
        if (take_option(a, c, err) < 0)
            return -1;
    }
    a->argc = argc - optind;
    a->argv = argv + optind;
    return check_options(a, err);
}

static int dispatch(const struct work_plugin *w, const struct runner_args *a,
                    struct error *err)
{
    switch (a->call) {
    case 'd': return runner_describe(w, err);
    case 't': return runner_selftest(w, a, err);
    case 's': return runner_split(w, a, err);
    case 'e': return runner_estimate(w, a, err);
    case 'r': return runner_run(w, a, err);
    case 'S': return runner_serve(w, a, err);
    default: return runner_assemble(w, a, err);
    }
}

static int run_call(const struct runner_args *a, struct error *err)
{
    struct plugin *p;
    int rc;

    if (a->call == 'l')
        return runner_list(err);
    p = plugin_create("work", a->kernel, WORK_SYMBOL, WORK_ABI, err);
    if (!p)
        return -1;
    rc = dispatch(plugin_struct(p), a, err);
    plugin_destroy(p);
    return rc;
}

static int complain(const struct error *err, int status)
{
    fprintf(stderr, "fallow-runner: %s\n", err->text);
    return status;
}

int main(int argc, char **argv)
{
    struct runner_args a = {.threads = 1, .stop = &stop_requested};
    struct error err = {""};

    if (parse(argc, argv, &a, &err) < 0) {
        complain(&err, EXIT_USAGE);
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    if (a.call == 'h')
        return fputs(usage_text, stdout) < 0 ? 1 : 0;
    if (catch_stop() < 0)
        return 1;
    /* Items run in parallel by our own threads; a library below must not
     * start more.
     */
    if (setenv("OMP_NUM_THREADS", "1", 1) < 0)
        return 1;
    if (run_call(&a, &err) == 0)
        return 0;
    if (errno == ECANCELED)
        return complain(&err, EXIT_STOPPED);
    if (errno == EILSEQ && a.call == 't')
        return complain(&err, EXIT_DIFFERS);
    return complain(&err, 1);
}
