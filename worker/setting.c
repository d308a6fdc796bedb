/* SPDX-License-Identifier: Apache-2.0 */
/* setting.c - what the owner wants: the command line and worker.conf */
#include "config.h"

#include "worker/setting.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/file.h"

#define GB ((int64_t)1 << 30)
#define TOKEN_FILE_MAX 4096

static const char usage_text[] =
    "usage: fallowd --state DIR [--cell-url URL] [--ca FILE]"
    " [--enrol TOKEN|@FILE]\n"
    "               [--config FILE] [--cores N] [--sandbox bwrap|none]"
    " [--user NAME]\n"
    "               [--runner PATH] [--referee] [--once] [--verbose]\n";

enum {
    OPT_STATE = 256,
    OPT_CONFIG,
    OPT_URL,
    OPT_CA,
    OPT_ENROL,
    OPT_CORES,
    OPT_SANDBOX,
    OPT_USER,
    OPT_RUNNER,
    OPT_REFEREE,
    OPT_ONCE,
    OPT_VERBOSE,
    OPT_HELP,
    OPT_VERSION
};

static const struct option options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"cell-url", required_argument, NULL, OPT_URL},
    {"ca", required_argument, NULL, OPT_CA},
    {"enrol", required_argument, NULL, OPT_ENROL},
    {"cores", required_argument, NULL, OPT_CORES},
    {"sandbox", required_argument, NULL, OPT_SANDBOX},
    {"user", required_argument, NULL, OPT_USER},
    {"runner", required_argument, NULL, OPT_RUNNER},
    {"referee", no_argument, NULL, OPT_REFEREE},
    {"once", no_argument, NULL, OPT_ONCE},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

/* What the command line said about keys of the file. */
struct overrides {
    const char *url, *sandbox, *cores;
};

static int keep(char **to, const char *value, struct error *err)
{
    char *copy = strdup(value);

    if (!copy)
        return error_set(err, ENOMEM, "could not keep \"%s\"", value);
    free(*to);
    *to = copy;
    return 0;
}

/* A token, or @FILE with one: read now, while we may still be root. */
static int keep_token(struct setting *s, const char *value, struct error *err)
{
    void *buf;
    size_t len;
    int rc;

    if (*value != '@')
        return keep(&s->enrol, value, err);
    if (file_read(value + 1, TOKEN_FILE_MAX, &buf, &len, err) < 0)
        return -1;
    ((char *)buf)[strcspn(buf, " \t\r\n")] = '\0';
    rc = keep(&s->enrol, buf, err);
    free(buf);
    return rc;
}

static int take_option(struct setting *s, struct overrides *o, int c,
                       struct error *err)
{
    switch (c) {
    case OPT_STATE: return keep(&s->state, optarg, err);
    case OPT_CONFIG: return keep(&s->config, optarg, err);
    case OPT_CA: return keep(&s->ca, optarg, err);
    case OPT_ENROL: return keep_token(s, optarg, err);
    case OPT_USER: return keep(&s->user, optarg, err);
    case OPT_RUNNER: return keep(&s->runner, optarg, err);
    case OPT_URL: o->url = optarg; return 0;
    case OPT_SANDBOX: o->sandbox = optarg; return 0;
    case OPT_CORES: o->cores = optarg; return 0;
    case OPT_REFEREE: s->referee = true; return 0;
    case OPT_ONCE: s->once = true; return 0;
    case OPT_VERBOSE: s->verbose = true; return 0;
    case OPT_HELP: fputs(usage_text, stdout); return 1;
    case OPT_VERSION: puts("fallowd " PACKAGE_VERSION); return 1;
    default: return error_set(err, EINVAL, "unknown option");
    }
}

/* A sandbox is shown directories by absolute paths. */
static int make_absolute(char **path, struct error *err)
{
    char *here, *whole;

    if (**path == '/')
        return 0;
    here = getcwd(NULL, 0);
    whole = here ? file_path(here, *path) : NULL;
    free(here);
    if (!whole)
        return error_set(err, errno, "could not find the current directory: %s",
                         strerror(errno));
    free(*path);
    *path = whole;
    return 0;
}

static int parse(struct setting *s, struct overrides *o, int argc, char **argv,
                 struct error *err)
{
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        int rc;

        if (c == ':')
            return error_set(err, EINVAL, "%s needs a value", argv[optind - 1]);
        if (c == '?')
            return error_set(err, EINVAL, "unknown option %s",
                             argv[optind - 1]);
        rc = take_option(s, o, c, err);
        if (rc)
            return rc;
    }
    if (optind < argc)
        return error_set(err, EINVAL, "\"%s\" is one word too many",
                         argv[optind]);
    return s->state ? make_absolute(&s->state, err)
                    : error_set(err, EINVAL, "--state is missing");
}

/* The file's keys; the command line is laid over them as a second text. */
static int read_file(struct setting *s, const struct overrides *o,
                     struct error *err)
{
    const struct conf_key keys[] = {
        {"cell_url", CONF_STRING, &s->cell_url, 0, 0},
        {"sandbox", CONF_STRING, &s->sandbox, 0, 0},
        {"cores", CONF_INT, &s->cores, 0, 64},
        {"zone", CONF_STRING, &s->zone, 0, 0},
        {"floor", CONF_MONEY, &s->floor, 0, INT64_MAX},
        {"memory", CONF_SIZE, &s->memory, 64 << 20, INT64_MAX},
        {"disk", CONF_SIZE, &s->disk, 1 << 20, INT64_MAX},
        {"kernel", CONF_LIST, &s->kernels, 0, 0},
        {"rule", CONF_LIST, &s->rules, 0, 0},
        {"sysroot", CONF_STRING, &s->sysroot, 0, 0},
        {"cgroup", CONF_STRING, &s->cgroup, 0, 0},
        {"renew", CONF_TIME, &s->renew_us, 100000, 60000000},
        {"wait", CONF_TIME, &s->wait_us, 0, 60000000},
        {"drain", CONF_TIME, &s->drain_us, 0, 3600000000},
        {NULL, 0, NULL, 0, 0},
    };
    char *path =
        s->config ? strdup(s->config) : file_path(s->state, "worker.conf");
    char text[64];
    int rc = 0;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    if (s->config || access(path, F_OK) == 0)
        rc = conf_read(path, keys, err);
    free(path);
    if (rc == 0 && o->url)
        rc = keep(&s->cell_url, o->url, err);
    if (rc == 0 && o->sandbox)
        rc = keep(&s->sandbox, o->sandbox, err);
    if (rc == 0 && o->cores) {
        snprintf(text, sizeof(text), "cores = %.40s", o->cores);
        rc = conf_parse("--cores", text, keys, err);
    }
    return rc;
}

static int check_zone(const struct setting *s, struct error *err)
{
    static const char *const zones[] = {"own", "site", "cell", "public"};

    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
        if (strcmp(s->zone, zones[i]) == 0)
            return 0;
    return error_set(err, EINVAL,
                     "zone = %s is unknown; there are: own site cell public",
                     s->zone);
}

int setting_load(struct setting *s, int argc, char **argv, struct error *err)
{
    struct overrides o = {NULL, NULL, NULL};
    int rc;

    memset(s, 0, sizeof(*s));
    s->memory = 4 * GB;
    s->disk = 2 * GB;
    s->renew_us = 5000000;
    s->wait_us = 50000000;
    s->drain_us = 0;
    if (keep(&s->user, "fallow", err) < 0 ||
        keep(&s->sandbox, "bwrap", err) < 0 ||
        keep(&s->zone, "public", err) < 0)
        return -1;
    rc = parse(s, &o, argc, argv, err);
    if (rc == 0)
        rc = read_file(s, &o, err);
    if (rc == 0)
        rc = check_zone(s, err);
    return rc;
}

static void free_list(char **v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

void setting_clear(struct setting *s)
{
    free(s->state);
    free(s->config);
    free(s->enrol);
    free(s->ca);
    free(s->user);
    free(s->runner);
    free(s->cell_url);
    free(s->sandbox);
    free(s->zone);
    free(s->sysroot);
    free(s->cgroup);
    free_list(s->kernels);
    free_list(s->rules);
    memset(s, 0, sizeof(*s));
}
