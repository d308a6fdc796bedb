/* SPDX-License-Identifier: Apache-2.0 */
/* joboptions.c - the options of sbatch, srun and their directives */
#include "sched/cmd/joboptions.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is honoured; then what is taken in silence, because it changes nothing
 * here; then what gives a warning.  Above every letter.
 */
enum {
    OPT_NAME = 256,
    OPT_ARRAY,
    OPT_TIME,
    OPT_NICE,
    OPT_HOLD,
    OPT_WAIT,
    OPT_PARSABLE,
    OPT_TEST_ONLY,
    OPT_QUIET,
    OPT_CHDIR,
    OPT_COMMENT,
    OPT_WRAP,
    OPT_FALLOW,
    OPT_QUOTE,
    OPT_MAX_COST,
    OPT_ZONE,
    OPT_CHUNK,
    OPT_HELP,
    OPT_VERSION,
    OPT_SILENT,
    OPT_OTHER,
};

#define NEEDS required_argument
#define MAYBE optional_argument
#define BARE no_argument

static const struct option long_options[] = {
    {"job-name", NEEDS, NULL, OPT_NAME},
    {"array", NEEDS, NULL, OPT_ARRAY},
    {"time", NEEDS, NULL, OPT_TIME},
    {"nice", MAYBE, NULL, OPT_NICE},
    {"hold", BARE, NULL, OPT_HOLD},
    {"wait", BARE, NULL, OPT_WAIT},
    {"parsable", BARE, NULL, OPT_PARSABLE},
    {"test-only", BARE, NULL, OPT_TEST_ONLY},
    {"quiet", BARE, NULL, OPT_QUIET},
    {"chdir", NEEDS, NULL, OPT_CHDIR},
    {"comment", NEEDS, NULL, OPT_COMMENT},
    {"wrap", NEEDS, NULL, OPT_WRAP},
    {"fallow", NEEDS, NULL, OPT_FALLOW},
    {"quote", BARE, NULL, OPT_QUOTE},
    {"max-cost", NEEDS, NULL, OPT_MAX_COST},
    {"zone", NEEDS, NULL, OPT_ZONE},
    {"chunk", NEEDS, NULL, OPT_CHUNK},
    {"help", BARE, NULL, OPT_HELP},
    {"usage", BARE, NULL, OPT_HELP},
    {"version", BARE, NULL, OPT_VERSION},
    {"get-user-env", MAYBE, NULL, OPT_SILENT},
    {"hint", NEEDS, NULL, OPT_SILENT},
    {"mail-type", NEEDS, NULL, OPT_SILENT},
    {"mail-user", NEEDS, NULL, OPT_SILENT},
    {"open-mode", NEEDS, NULL, OPT_SILENT},
    {"requeue", MAYBE, NULL, OPT_SILENT},
    {"unbuffered", BARE, NULL, OPT_SILENT},
    {"verbose", BARE, NULL, OPT_SILENT},
    {"wckey", NEEDS, NULL, OPT_SILENT},
    {"account", NEEDS, NULL, OPT_OTHER},
    {"acctg-freq", NEEDS, NULL, OPT_OTHER},
    {"batch", NEEDS, NULL, OPT_OTHER},
    {"bb", NEEDS, NULL, OPT_OTHER},
    {"bbf", NEEDS, NULL, OPT_OTHER},
    {"begin", NEEDS, NULL, OPT_OTHER},
    {"cluster-constraint", NEEDS, NULL, OPT_OTHER},
    {"clusters", NEEDS, NULL, OPT_OTHER},
    {"constraint", NEEDS, NULL, OPT_OTHER},
    {"container", NEEDS, NULL, OPT_OTHER},
    {"container-id", NEEDS, NULL, OPT_OTHER},
    {"contiguous", BARE, NULL, OPT_OTHER},
    {"core-spec", NEEDS, NULL, OPT_OTHER},
    {"cores-per-socket", NEEDS, NULL, OPT_OTHER},
    {"cpu-bind", NEEDS, NULL, OPT_OTHER},
    {"cpu-freq", NEEDS, NULL, OPT_OTHER},
    {"cpus-per-gpu", NEEDS, NULL, OPT_OTHER},
    {"cpus-per-task", NEEDS, NULL, OPT_OTHER},
    {"deadline", NEEDS, NULL, OPT_OTHER},
    {"delay-boot", NEEDS, NULL, OPT_OTHER},
    {"dependency", NEEDS, NULL, OPT_OTHER},
    {"distribution", NEEDS, NULL, OPT_OTHER},
    {"error", NEEDS, NULL, OPT_OTHER},
    {"exclude", NEEDS, NULL, OPT_OTHER},
    {"exclusive", MAYBE, NULL, OPT_OTHER},
    {"export", NEEDS, NULL, OPT_OTHER},
    {"export-file", NEEDS, NULL, OPT_OTHER},
    {"extra", NEEDS, NULL, OPT_OTHER},
    {"extra-node-info", NEEDS, NULL, OPT_OTHER},
    {"gid", NEEDS, NULL, OPT_OTHER},
    {"gpu-bind", NEEDS, NULL, OPT_OTHER},
    {"gpu-freq", NEEDS, NULL, OPT_OTHER},
    {"gpus", NEEDS, NULL, OPT_OTHER},
    {"gpus-per-node", NEEDS, NULL, OPT_OTHER},
    {"gpus-per-socket", NEEDS, NULL, OPT_OTHER},
    {"gpus-per-task", NEEDS, NULL, OPT_OTHER},
    {"gres", NEEDS, NULL, OPT_OTHER},
    {"gres-flags", NEEDS, NULL, OPT_OTHER},
    {"ignore-pbs", BARE, NULL, OPT_OTHER},
    {"input", NEEDS, NULL, OPT_OTHER},
    {"kill-on-invalid-dep", NEEDS, NULL, OPT_OTHER},
    {"label", BARE, NULL, OPT_OTHER},
    {"licenses", NEEDS, NULL, OPT_OTHER},
    {"mcs-label", NEEDS, NULL, OPT_OTHER},
    {"mem", NEEDS, NULL, OPT_OTHER},
    {"mem-bind", NEEDS, NULL, OPT_OTHER},
    {"mem-per-cpu", NEEDS, NULL, OPT_OTHER},
    {"mem-per-gpu", NEEDS, NULL, OPT_OTHER},
    {"mincpus", NEEDS, NULL, OPT_OTHER},
    {"network", NEEDS, NULL, OPT_OTHER},
    {"no-kill", MAYBE, NULL, OPT_OTHER},
    {"no-requeue", BARE, NULL, OPT_OTHER},
    {"nodefile", NEEDS, NULL, OPT_OTHER},
    {"nodelist", NEEDS, NULL, OPT_OTHER},
    {"nodes", NEEDS, NULL, OPT_OTHER},
    {"ntasks", NEEDS, NULL, OPT_OTHER},
    {"ntasks-per-core", NEEDS, NULL, OPT_OTHER},
    {"ntasks-per-gpu", NEEDS, NULL, OPT_OTHER},
    {"ntasks-per-node", NEEDS, NULL, OPT_OTHER},
    {"ntasks-per-socket", NEEDS, NULL, OPT_OTHER},
    {"output", NEEDS, NULL, OPT_OTHER},
    {"overcommit", BARE, NULL, OPT_OTHER},
    {"oversubscribe", BARE, NULL, OPT_OTHER},
    {"partition", NEEDS, NULL, OPT_OTHER},
    {"power", NEEDS, NULL, OPT_OTHER},
    {"prefer", NEEDS, NULL, OPT_OTHER},
    {"priority", NEEDS, NULL, OPT_OTHER},
    {"profile", NEEDS, NULL, OPT_OTHER},
    {"propagate", MAYBE, NULL, OPT_OTHER},
    {"qos", NEEDS, NULL, OPT_OTHER},
    {"reboot", BARE, NULL, OPT_OTHER},
    {"reservation", NEEDS, NULL, OPT_OTHER},
    {"segment", NEEDS, NULL, OPT_OTHER},
    {"signal", NEEDS, NULL, OPT_OTHER},
    {"sockets-per-node", NEEDS, NULL, OPT_OTHER},
    {"spread-job", BARE, NULL, OPT_OTHER},
    {"switches", NEEDS, NULL, OPT_OTHER},
    {"thread-spec", NEEDS, NULL, OPT_OTHER},
    {"threads-per-core", NEEDS, NULL, OPT_OTHER},
    {"time-min", NEEDS, NULL, OPT_OTHER},
    {"tmp", NEEDS, NULL, OPT_OTHER},
    {"tres-bind", NEEDS, NULL, OPT_OTHER},
    {"tres-per-task", NEEDS, NULL, OPT_OTHER},
    {"uid", NEEDS, NULL, OPT_OTHER},
    {"use-min-nodes", BARE, NULL, OPT_OTHER},
    {"wait-all-nodes", NEEDS, NULL, OPT_OTHER},
    {NULL, 0, NULL, 0},
};

/* Slurm's letters; which long option each one is. */
static const char short_options[] =
    "+:A:a:B:b:C:c:D:d:e:F:G:Hhi:J:k::L:lM:m:N:n:Oo:p:Qq:S:st:uVvWw:x:";

static const struct {
    char letter;
    const char *name;
} letters[] = {
    {'A', "account"},    {'a', "array"},         {'B', "extra-node-info"},
    {'b', "begin"},      {'C', "constraint"},    {'c', "cpus-per-task"},
    {'D', "chdir"},      {'d', "dependency"},    {'e', "error"},
    {'F', "nodefile"},   {'G', "gpus"},          {'H', "hold"},
    {'h', "help"},       {'i', "input"},         {'J', "job-name"},
    {'k', "no-kill"},    {'L', "licenses"},      {'l', "label"},
    {'M', "clusters"},   {'m', "distribution"},  {'N', "nodes"},
    {'n', "ntasks"},     {'O', "overcommit"},    {'o', "output"},
    {'p', "partition"},  {'Q', "quiet"},         {'q', "qos"},
    {'S', "core-spec"},  {'s', "oversubscribe"}, {'t', "time"},
    {'u', "unbuffered"}, {'V', "version"},       {'v', "verbose"},
    {'W', "wait"},       {'w', "nodelist"},      {'x', "exclude"},
};

static const struct option *option_named(const char *name)
{
    for (const struct option *o = long_options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static const struct option *option_of_letter(int c)
{
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        if (letters[i].letter == c)
            return option_named(letters[i].name);
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void warn(
    const struct job_options *o, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (!o->warn)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    o->warn(o->warn_arg, text);
}

/* Bytes of s that fit in max without cutting a UTF-8 sequence. */
static size_t whole_chars(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
        n--;
    return n;
}

static int take_name(struct job_options *o, const char *text, struct error *err)
{
    size_t n = whole_chars(text, NAME_MAX_LEN);

    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return error_set(err, EINVAL,
                             "--job-name has a control character at byte %zu",
                             (size_t)(p - text) + 1);
    if (text[n])
        warn(o, "--job-name is cut to %zu bytes: %.*s", n, (int)n, text);
    memcpy(o->name, text, n);
    o->name[n] = '\0';
    return 0;
}

/* Digits only, at most max. */
static int parse_number(const char *what, const char *text, int64_t max,
                        int64_t *out, struct error *err)
{
    char *end;
    intmax_t v;

    errno = 0;
    v = strtoimax(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || errno || *end || v > max)
        return error_set(err, EINVAL,
                         "%s %s is not a number from 0 to %" PRId64, what, text,
                         max);
    *out = v;
    return 0;
}

static int take_nice(struct job_options *o, const char *text, struct error *err)
{
    char *end;
    long v;

    if (!text) {
        o->nice = 100;
        return 0;
    }
    errno = 0;
    v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < -2147483645 || v > 2147483645)
        return error_set(err, EINVAL,
                         "--nice=%s is not a number from -2147483645 to "
                         "2147483645",
                         text);
    o->nice = (int32_t)v;
    return 0;
}

/* One part of a list: A, A-B or A-B:STEP. */
static int parse_range(const char *text, const char **end, int64_t *first,
                       int64_t *last, int64_t *step)
{
    char *e;

    if (!isdigit((unsigned char)*text))
        return -1;
    *first = *last = strtoimax(text, &e, 10);
    *step = 1;
    if (*e == '-') {
        if (!isdigit((unsigned char)e[1]))
            return -1;
        *last = strtoimax(e + 1, &e, 10);
        if (*e == ':') {
            if (!isdigit((unsigned char)e[1]))
                return -1;
            *step = strtoimax(e + 1, &e, 10);
        }
    }
    *end = e;
    return *last < *first || *step < 1 || *last >= ARRAY_TASKS_MAX ? -1 : 0;
}

/* The parts together must be one arithmetic sequence: that is what a cell's
 * job row holds.
 */
static int take_array(struct job_options *o, const char *text,
                      struct error *err)
{
    int64_t first = 0, step = 1, n = 0, a, b, s;
    const char *p = text;

    for (;;) {
        if (parse_range(p, &p, &a, &b, &s) < 0)
            return error_set(err, EINVAL,
                             "--array=%s is no list of N, A-B or A-B:STEP with "
                             "indices from 0 to %d",
                             text, ARRAY_TASKS_MAX - 1);
        for (; a <= b; a += s, n++) {
            if (n == 0)
                first = a;
            else if (n == 1)
                step = a - first;
            if (step < 1 || a != first + n * step)
                return error_set(err, EINVAL,
                                 "--array=%s: the indices are not evenly "
                                 "spaced; submit one array for each range",
                                 text);
        }
        if (*p != ',')
            break;
        p++;
    }
    if (*p == '%')
        warn(o, "--array=%s: the limit after %% is not honoured yet", text);
    else if (*p)
        return error_set(err, EINVAL, "--array=%s: \"%s\" is not understood",
                         text, p);
    o->is_array = true;
    o->array_first = first;
    o->array_step = step;
    o->array_tasks = (uint32_t)n;
    return 0;
}

static int set_text(char **slot, const char *text, struct error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return error_set(err, ENOMEM, "could not allocate an option");
    free(*slot);
    *slot = copy;
    return 0;
}

static int take_zone(struct job_options *o, const char *text, struct error *err)
{
    static const char *const zones[] = {"own", "site", "cell", "public"};

    for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
        if (strcmp(text, zones[i]) == 0) {
            snprintf(o->zone, sizeof(o->zone), "%s", text);
            return 0;
        }
    return error_set(err, EINVAL,
                     "zone=%s is not one of own, site, cell, public", text);
}

/* A sum of money with at most six decimals, above zero. */
static int take_max_cost(struct job_options *o, const char *text,
                         struct error *err)
{
    int64_t whole = 0, part = 0, scale = 100000;
    const char *p = text;

    for (; isdigit((unsigned char)*p) && whole < 1000000000; p++)
        whole = whole * 10 + (*p - '0');
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p) && scale > 0; p++, scale /= 10)
            part += (*p - '0') * scale;
    if (p == text || *p || whole * 1000000 + part < 1)
        return error_set(err, EINVAL,
                         "max-cost=%s is not a sum of money like 2.50", text);
    o->max_cost_micro = whole * 1000000 + part;
    return 0;
}

static int take_chunk(struct job_options *o, const char *text,
                      struct error *err)
{
    int64_t v = 0;

    if (parse_number("chunk", text, 1000000, &v, err) < 0)
        return -1;
    if (v < 1)
        return error_set(err, EINVAL, "chunk=%s: a task has at least one item",
                         text);
    o->chunk = (uint32_t)v;
    return 0;
}

int job_options_fallow(struct job_options *o, const char *word,
                       struct error *err)
{
    if (strncmp(word, "zone=", 5) == 0)
        return take_zone(o, word + 5, err);
    if (strncmp(word, "max-cost=", 9) == 0)
        return take_max_cost(o, word + 9, err);
    if (strncmp(word, "chunk=", 6) == 0)
        return take_chunk(o, word + 6, err);
    if (strcmp(word, "quote") == 0) {
        o->quote = true;
        return 0;
    }
    return error_set(err, EINVAL,
                     "unknown directive \"%s\"; there are zone=, max-cost=, "
                     "chunk= and quote",
                     word);
}

static int take_flag(struct job_options *o, int val)
{
    switch (val) {
    case OPT_HOLD: o->hold = true; break;
    case OPT_WAIT: o->wait = true; break;
    case OPT_PARSABLE: o->parsable = true; break;
    case OPT_TEST_ONLY: o->test_only = true; break;
    case OPT_QUIET: o->quiet = true; break;
    case OPT_QUOTE: o->quote = true; break;
    case OPT_HELP: o->help = true; break;
    case OPT_VERSION: o->version = true; break;
    default: break;
    }
    return 0;
}

static int take(struct job_options *o, const struct option *opt,
                const char *value, struct error *err)
{
    switch (opt->val) {
    case OPT_NAME: return take_name(o, value, err);
    case OPT_ARRAY: return take_array(o, value, err);
    case OPT_TIME: return parse_time_limit(value, &o->time_limit_us, err);
    case OPT_NICE: return take_nice(o, value, err);
    case OPT_CHDIR: return set_text(&o->chdir, value, err);
    case OPT_COMMENT: return set_text(&o->comment, value, err);
    case OPT_WRAP: return set_text(&o->wrap, value, err);
    case OPT_FALLOW: return job_options_fallow(o, value, err);
    case OPT_MAX_COST: return take_max_cost(o, value, err);
    case OPT_ZONE: return take_zone(o, value, err);
    case OPT_CHUNK: return take_chunk(o, value, err);
    case OPT_OTHER:
        warn(o, "--%s is not honoured yet and changes nothing", opt->name);
        return 0;
    default: return take_flag(o, opt->val);
    }
}

/* What getopt left in optopt: 0, a letter, or the code of a flag that was
 * given a value.
 */
static int unknown_option(const char *text, int code, struct error *err)
{
    if (code >= OPT_NAME)
        return error_set(err, EINVAL, "option %s takes no value", text);
    if (code)
        return error_set(err, EINVAL,
                         "unknown option -%c: Slurm's sbatch has no such "
                         "letter",
                         code);
    return error_set(err, EINVAL,
                     "unknown option %s: Slurm's sbatch has none of this name",
                     text);
}

int job_options_take(struct job_options *o, int argc, char **argv, int *rest,
                     struct error *err)
{
    int c, index = -1;

    opterr = 0;
    optind = 0;
    while ((c = getopt_long(argc, argv, short_options, long_options, &index)) >=
           0) {
        const struct option *opt;

        if (c == ':')
            return error_set(err, EINVAL, "option %s needs a value",
                             argv[optind - 1]);
        if (c == '?')
            return unknown_option(argv[optind - 1], optopt, err);
        opt = index >= 0 ? &long_options[index] : option_of_letter(c);
        if (!opt)
            return unknown_option(argv[optind - 1], c, err);
        if (take(o, opt, optarg, err) < 0)
            return -1;
        index = -1;
    }
    *rest = optind;
    return 0;
}

int job_options_environment(struct job_options *o, struct error *err)
{
    static const struct {
        const char *variable, *option;
    } table[] = {
        {"SBATCH_JOB_NAME", "job-name"},
        {"SBATCH_ARRAY_INX", "array"},
        {"SBATCH_TIMELIMIT", "time"},
        {"SBATCH_WAIT", "wait"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const char *value = getenv(table[i].variable);

        if (value && take(o, option_named(table[i].option), value, err) < 0)
            return error_prefix(err, "%s", table[i].variable);
    }
    return 0;
}

void job_options_clear(struct job_options *o)
{
    free(o->chdir);
    free(o->comment);
    free(o->wrap);
    memset(o, 0, sizeof(*o));
}
