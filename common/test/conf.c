/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - configuration files are read strictly or not at all */
#include "common/conf.h"

#include <errno.h>
#include <unistd.h>

#include "common/file.h"
#include "t/tap.h"

struct values {
    char *name;
    char **rules;
    bool enabled;
    int64_t count, size, time, money, ratio;
};

static struct values v;
static const struct conf_key keys[] = {
    {"name", CONF_STRING, &v.name, 0, 0},
    {"rule", CONF_LIST, &v.rules, 0, 0},
    {"enabled", CONF_BOOL, &v.enabled, 0, 0},
    {"count", CONF_INT, &v.count, 1, 10},
    {"size", CONF_SIZE, &v.size, 0, 0},
    {"time", CONF_TIME, &v.time, 0, 0},
    {"money", CONF_MONEY, &v.money, 0, 0},
    {"ratio", CONF_RATIO, &v.ratio, 0, 1000000},
    {NULL, 0, NULL, 0, 0},
};

static void test_values(void)
{
    struct error err = {""};
    const char *text = "# a comment\n"
                       "name = 'it''s # here'  # not this\n"
                       "\n"
                       "rule = sell when idle > 5 min\r\n"
                       "rule=stop\n"
                       "enabled = yes\n"
                       "count = 10\n"
                       "size = 512MB\n"
                       "time = 1.5 min\n"
                       "money = -0.000001\n"
                       "ratio = 20%";

    is_int(conf_parse("x.conf", text, keys, &err), 0, "a full file is read");
    is_str(v.name, "it's # here", "quotes keep a quote and a hash");
    is_str(v.rules ? v.rules[0] : NULL, "sell when idle > 5 min",
           "a bare value may have spaces");
    is_str(v.rules ? v.rules[1] : NULL, "stop", "a list grows line by line");
    ok(v.rules && !v.rules[2], "and ends with NULL");
    ok(v.enabled, "yes is true");
    is_int(v.count, 10, "a whole number at its upper bound");
    is_int(v.size, 512 << 20, "a size in MB");
    is_int(v.time, 90000000, "a time with a decimal");
    is_int(v.money, -1, "a millionth, negative");
    is_int(v.ratio, 200000, "a percentage in ppm");
}

/* One bad line each, and what the error must say. */
static const struct {
    const char *text, *error;
} bad[] = {
    {"nam = x\n", "x.conf:1: unknown key \"nam\"; there are: name rule"},
    {"count\n", "x.conf:1: expected KEY = VALUE"},
    {"\ncount = 11\n", "x.conf:2: count = 11 is out of range (1 to 10)"},
    {"count = 3 apples\n", "count = 3 apples is not a whole number"},
    {"count = 2.5\n", "count = 2.5 is not a whole number"},
    {"size = 12 XB\n", "size = 12 XB is not a size such as 512MB"},
    {"size = 99999999999999999999\n", "is not a size"},
    {"size = 9000000000TB\n", "is not a size"},
    {"money = 0.0000001\n", "is not an amount with at most six decimals"},
    {"enabled = maybe\n", "enabled = maybe is not on or off"},
    {"name = 'open\n", "x.conf:1: the quote is not closed"},
    {"name = 'a' b\n", "x.conf:1: unexpected text after the value: b"},
    {"name =\n", "x.conf:1: name has no value"},
    {"name = a\nname = b\n", "x.conf:2: name was already given in line 1"},
    {"Name = a\n", "x.conf:1: expected KEY = VALUE"},
    {"ratio = 2\n", "ratio = 2 is out of range (0 to 1000000 ppm)"},
};

static void test_bad(void)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {""};

        errno = 0;
        ok(conf_parse("x.conf", bad[i].text, keys, &err) == -1 &&
               errno == EINVAL,
           "bad line %zu is refused", i + 1);
        like(err.text, bad[i].error, "and named: %s", bad[i].error);
    }
}

static void test_all_or_nothing(void)
{
    struct error err = {""};

    v.count = 7;
    ok(conf_parse("x.conf", "count = 3\nname = new\nbogus = 1\n", keys, &err) <
           0,
       "a file with an error in its last line fails");
    is_int(v.count, 7, "and leaves numbers alone");
    is_str(v.name, "it's # here", "and strings");
}

static void test_file(void)
{
    char dir[] = "/tmp/fallow-conf.XXXXXX", *path, *line;
    struct error err = {""};

    if (!mkdtemp(dir))
        return;
    path = file_path(dir, "w.conf");
    ok(conf_read(path, keys, &err) < 0 && errno == ENOENT,
       "a missing file is an error of its own");
    line = conf_line("name", "a 'quoted' \\ value #1");
    ok(line && file_write(path, line, strlen(line), false, &err) == 0 &&
           conf_read(path, keys, &err) == 0,
       "a written line is read back");
    is_str(v.name, "a 'quoted' \\ value #1", "unchanged");
    free(line);
    ok(!conf_line("name", "two\nlines") && errno == EINVAL,
       "a value with a line feed cannot be written");
    ok(file_write(path, "count = 1\0x", 11, false, &err) == 0 &&
           conf_read(path, keys, &err) < 0,
       "a NUL byte in the file is refused");
    unlink(path);
    rmdir(dir);
    free(path);
}

int main(void)
{
    test_values();
    test_bad();
    test_all_or_nothing();
    test_file();
    conf_clear(keys);
    ok(!v.name && !v.rules, "clearing frees what was read");
    done_testing();
    return exit_status();
}
