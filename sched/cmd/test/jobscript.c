/* SPDX-License-Identifier: Apache-2.0 */
/* jobscript.c - job scripts, line by line, and what is wrong with them */
#include "sched/cmd/jobscript.h"

#include <errno.h>

#include "t/tap.h"

#define HEAD "#!/bin/sh\n"

static char warnings[1024];

static void keep_warning(void *arg, const char *text)
{
    size_t n = strlen(warnings);

    (void)arg;
    snprintf(warnings + n, sizeof(warnings) - n, "%s\n", text);
}

static int parse(const char *text, size_t len, struct job_options *o,
                 struct jobscript *s, struct error *err)
{
    memset(o, 0, sizeof(*o));
    o->warn = keep_warning;
    warnings[0] = '\0';
    return jobscript_parse("job.sh", text, len, o, s, err);
}

/* Words as <a><b c>. */
static void show_words(const struct jobscript *s, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (int i = 0; i < s->argc && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "<%s>", s->argv[i]);
}

static const struct {
    const char *text, *words, *title;
} bodies[] = {
    {"srun echo\n", "<echo>", "one word"},
    {"srun echo", "<echo>", "no newline at the end"},
    {"\n\n# x\n  # y\nset -eu\nsrun echo --count 3\n\n#end\n",
     "<echo><--count><3>", "blank lines, comments and set"},
    {"srun echo 'a b' \"c d\" e\\ f\n", "<echo><a b><c d><e f>",
     "three ways to quote a blank"},
    {"srun echo a'b'\"c\"d\n", "<echo><abcd>", "parts of one word"},
    {"srun echo '' \"\"\n", "<echo><><>", "empty words"},
    {"srun echo '$HOME *' \"\\$x \\\"y\\\" \\\\\"\n",
     "<echo><$HOME *><$x \"y\" \\>", "what quotes protect"},
    {"srun echo \"a\\b\" 'c\\d'\n", "<echo><a\\b><c\\d>",
     "a backslash that protects nothing"},
    {"srun echo --input a \\\n  --output b\n",
     "<echo><--input><a><--output><b>", "a continued line"},
    {"srun echo ab\\\ncd \"e\\\nf\"\n", "<echo><abcd><ef>", "a continued word"},
    {"srun echo 'a\nb'\n", "<echo><a\nb>", "a newline in quotes"},
    {"srun echo a#b # tail\n", "<echo><a#b>", "a comment behind the words"},
    {"srun echo x~ a=~b\n", "<echo><x~><a=~b>", "a tilde inside a word"},
    {"srun --unbuffered echo --count 1\n", "<echo><--count><1>",
     "an option of srun's own"},
    {"srun -u -- echo\n", "<echo>", "two dashes end srun's options"},
    {"  srun   echo\t1  \n", "<echo><1>", "blanks and tabs"},
};

static void test_bodies(void)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        char text[512], words[512];
        struct job_options o;
        struct jobscript s;
        struct error err = {""};

        snprintf(text, sizeof(text), HEAD "%s", bodies[i].text);
        parse(text, strlen(text), &o, &s, &err);
        show_words(&s, words, sizeof(words));
        is_str(*err.text ? err.text : words, bodies[i].words, "words: %s",
               bodies[i].title);
        jobscript_clear(&s);
        job_options_clear(&o);
    }
}

static const struct {
    const char *text, *want, *title;
} mistakes[] = {
    {"srun echo\n", "job.sh:1: this does not look like a batch script",
     "no shebang"},
    {HEAD, "job.sh:2: no `srun KERNEL words` line", "no body"},
    {HEAD "# srun echo\n", "job.sh:3: no `srun KERNEL words` line",
     "only a comment"},
    {HEAD "srun\n", "job.sh:2: srun names no kernel", "a bare srun"},
    {HEAD "srun echo\nsrun echo\n",
     "job.sh:3: a second srun; the first is in "
     "line 2",
     "two sruns"},
    {HEAD "\nmodule load x\n", "job.sh:3: \"module\" is not taken",
     "another command"},
    {HEAD "X=1 srun echo\n", "job.sh:2: \"X=1\" is not taken", "an assignment"},
    {HEAD "srun echo $X\n", "job.sh:2: \"$\" would be expanded", "a variable"},
    {HEAD "srun echo \\\n a \\\n \"$X\"\n", "job.sh:4: \"$\" would be expanded",
     "a variable in double quotes"},
    {HEAD "srun echo `date`\n", "\"`\" would be expanded", "a backtick"},
    {HEAD "srun echo *.txt\n", "\"*\" would be matched", "a pattern"},
    {HEAD "srun echo {a,b}\n", "\"{\" would be matched", "braces"},
    {HEAD "srun echo ~/x\n", "\"~\" would be matched", "a tilde"},
    {HEAD "srun echo; date\n", "\";\" would begin another command",
     "two commands in a line"},
    {HEAD "srun echo | cat\n", "\"|\" would begin another command", "a pipe"},
    {HEAD "srun echo > out\n", "\">\" would redirect", "a redirection"},
    {HEAD "srun echo 'a\n\n", "job.sh:2: the quote ' is never closed",
     "an open quote"},
    {HEAD "srun echo\r\n", "job.sh:2: DOS line break", "DOS line breaks"},
    {HEAD "#SBATCH --frobnicate=3\nsrun echo\n",
     "job.sh:2: unknown option --frobnicate=3", "an unknown option"},
    {HEAD "#SBATCH -Z\nsrun echo\n", "job.sh:2: unknown option -Z",
     "an unknown letter"},
    {HEAD "#SBATCH --hold=3\nsrun echo\n",
     "job.sh:2: option --hold=3 takes no value", "a flag with a value"},
    {HEAD "#SBATCH --time\nsrun echo\n",
     "job.sh:2: option --time needs a value", "an option without its value"},
    {HEAD "#SBATCH --time=soon\nsrun echo\n",
     "job.sh:2: time soon is none of M, M:S", "a bad time"},
    {HEAD "#SBATCH name\nsrun echo\n", "job.sh:2: \"name\" is not an option",
     "a stray word"},
    {HEAD "#SBATCH --array=3-1\nsrun echo\n",
     "job.sh:2: --array=3-1 is no list", "a range backwards"},
    {HEAD "#SBATCH --array=1,2,4\nsrun echo\n", "are not evenly spaced",
     "uneven indices"},
    {HEAD "#SBATCH --array=0-9999999\nsrun echo\n", "--array=0-9999999",
     "indices beyond the most"},
    {HEAD "#SBATCH --array=1x\nsrun echo\n", "\"x\" is not understood",
     "letters behind an index"},
    {HEAD "#SBATCH --nice=much\nsrun echo\n", "--nice=much is not a number",
     "a bad nice"},
    {HEAD "#FALLOW zone=moon\nsrun echo\n", "job.sh:2: zone=moon is not one",
     "an unknown zone"},
    {HEAD "#FALLOW max-cost=-1\nsrun echo\n",
     "job.sh:2: max-cost=-1 is not a sum", "a negative bound"},
    {HEAD "#FALLOW max-cost=0.0000001\nsrun echo\n", "is not a sum of money",
     "less than a micro-unit"},
    {HEAD "#FALLOW chunk=0\nsrun echo\n", "at least one item", "no items"},
    {HEAD "#FALLOW colour=red\nsrun echo\n",
     "job.sh:2: unknown directive \"colour=red\"", "an unknown directive"},
    {HEAD "srun --frob echo\n", "job.sh:2: srun: unknown option --frob",
     "an option srun does not have"},
};

static void test_mistakes(void)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        struct job_options o;
        struct jobscript s;
        struct error err = {""};
        int rc =
            parse(mistakes[i].text, strlen(mistakes[i].text), &o, &s, &err);

        ok(rc == -1 && errno == EINVAL && s.argc == 0,
           "refused, and nothing is kept: %s", mistakes[i].title);
        like(err.text, mistakes[i].want, "it says so: %s", mistakes[i].title);
        job_options_clear(&o);
    }
}

static void test_directives(void)
{
    static const char text[] = "#!/bin/bash\n"
                               "# nothing\n"
                               "#SBATCH -J 'my job'   # a name\n"
                               "#SBATCH --time 1:30 --nice\n"
                               "\n"
                               "#SBATCH --array=10-50:20\n"
                               "##SBATCH --hold\n"
                               "#SBATCHx --hold\n"
                               "#SBATCH -D /tmp --comment=hello\\ there\n"
                               "#SBATCH --mem=4G -p long --mail-type=END\n"
                               "#FALLOW zone=site max-cost=2.5 chunk=16\n"
                               "set -e\n"
                               "#SBATCH --hold\n"
                               "srun echo\n";
    struct job_options o;
    struct jobscript s;
    struct error err = {""};

    is_int(parse(text, strlen(text), &o, &s, &err), 0, "directives are read");
    is_str(o.name, "my job", "-J with quotes and a comment behind it");
    is_int(o.time_limit_us, 120000000, "--time is rounded up to minutes");
    is_int(o.nice, 100, "--nice alone is 100");
    is_int(o.array_tasks, 3, "--array=10-50:20 has three tasks");
    is_int(o.array_first, 10, "the first is 10");
    is_int(o.array_step, 20, "the step is 20");
    ok(!o.hold, "neither a comment nor a directive behind a command counts");
    is_str(o.chdir, "/tmp", "-D names a directory");
    is_str(o.comment, "hello there", "--comment with an escaped blank");
    is_str(o.zone, "site", "#FALLOW zone");
    is_int(o.max_cost_micro, 2500000, "#FALLOW max-cost in micro-units");
    is_int(o.chunk, 16, "#FALLOW chunk");
    like(warnings, "--mem is not honoured", "Slurm's --mem gives a warning");
    like(warnings, "--partition is not honoured", "and so does -p");
    like(warnings, "job.sh:13: a directive behind the first command",
         "and a directive that stands too late");
    ok(!strstr(warnings, "mail"), "--mail-type is taken in silence");
    is_int(s.line, 14, "the body's line is known");
    jobscript_clear(&s);
    job_options_clear(&o);
}

static const struct {
    const char *text;
    int64_t minutes;
} limits[] = {
    {"1", 1},         {"90", 90},           {"1:00", 1},
    {"0:01", 1},      {"48:00:00", 2880},   {"1-0", 1440},
    {"1-1:30", 1530}, {"2-00:00:01", 2881}, {"-1", 0},
    {"UNLIMITED", 0}, {"infinite", 0},      {"0", 0},
};

static void test_limits(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "1:",
                                      ":1",
                                      "1:2:3:4",
                                      "1-",
                                      "-2",
                                      "1 ",
                                      "1.5",
                                      "1-2-3",
                                      "99999999999999999999"};
    struct error err;
    int64_t us;

    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        us = -1;
        parse_time_limit(limits[i].text, &us, &err);
        is_int(us, limits[i].minutes * 60000000, "limit %s is %d minutes",
               limits[i].text, (int)limits[i].minutes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        is_int(parse_time_limit(bad[i], &us, &err), -1, "limit \"%s\" is none",
               bad[i]);
}

static void test_dates(void)
{
    const int64_t noon = 1795176000; /* 2026-11-20T12:00:00 UTC */
    static const struct {
        const char *text;
        int64_t at;
    } good[] = {
        {"now", 0},
        {"now-1hour", -3600},
        {"now+90", 90},
        {"now-2days", -172800},
        {"today", -43200},
        {"noon", 0},
        {"tomorrow", 43200},
        {"2026-11-20", -43200},
        {"2026-11-20T13:30", 5400},
        {"2026-11-20T13:30:05", 5405},
        {"11/21", 43200},
        {"11/19/26", -129600},
        {"112126", 43200},
        {"09:15", -9900},
    };
    static const char *const bad[] = {"then",  "now1", "2026-13-01",
                                      "25:00", "now-", "2026-11-20T"};
    struct error err;
    int64_t us;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        us = 0;
        parse_date(good[i].text, noon * 1000000, &us, &err);
        is_int(us / 1000000 - noon, good[i].at, "date %s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        is_int(parse_date(bad[i], noon * 1000000, &us, &err), -1,
               "date \"%s\" is none", bad[i]);
}

/* A small generator, so that a failure can be repeated. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_mutations(void)
{
    static const char seed_text[] =
        HEAD "#SBATCH -J 'x y' --time=1:2 --array=0-9:3,12 -Dd\n"
             "#FALLOW zone=own max-cost=1.5 chunk=3 quote\n"
             "set -e\nsrun -u echo \"a \\\" b\" c\\\nd 'e' # f\n";
    static const char bytes[] = "\0\n\\'\"#$ =-:,%\t\r\xff"
                                "9A;";
    uint32_t state = 7;
    int sane = 0, rounds = 20000;

    for (int i = 0; i < rounds; i++) {
        char text[sizeof(seed_text)];
        size_t len = sizeof(seed_text) - 1;
        struct job_options o;
        struct jobscript s;
        struct error err = {""};
        int rc;

        memcpy(text, seed_text, sizeof(text));
        for (uint32_t k = 1 + next_random(&state) % 4; k > 0; k--)
            text[next_random(&state) % len] =
                bytes[next_random(&state) % (sizeof(bytes) - 1)];
        if (next_random(&state) % 4 == 0)
            len = next_random(&state) % len;
        rc = parse(text, len, &o, &s, &err);
        sane += rc == 0 ? s.argc > 0 && s.argv[s.argc] == NULL
                        : s.argc == 0 && strncmp(err.text, "job.sh:", 7) == 0;
        jobscript_clear(&s);
        job_options_clear(&o);
    }
    is_int(sane, rounds, "%d damaged scripts give words or a line's number",
           rounds);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    test_bodies();
    test_mistakes();
    test_directives();
    test_limits();
    test_dates();
    test_mutations();
    done_testing();
    return exit_status();
}
