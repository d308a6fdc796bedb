/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - one line = rules, facts and what must come of them */
#include "worker/policy.h"

#include <errno.h>

#include "t/tap.h"

#define NIGHT "sell when time 22:00-06:00"
#define HOT "stop when temperature > 75"
#define MINUTE(h, m) ((h)*60 + (m))

/* Known and harmless, unless a line says otherwise. */
static const struct facts calm = {
    .minute = MINUTE(12, 0),
    .weekday = 3,
    .has_idle = true,
    .idle_s = 3600,
    .has_power = true,
    .on_ac = true,
    .has_charge = true,
    .charge = 90,
    .has_temperature = true,
    .temperature_mc = 50000,
    .has_load = true,
    .load_milli = 100,
};

static const struct {
    const char *name;
    const char *rules[4];
    enum {
        NOTHING,
        STOPPED,
        AT,
        DAY,
        IDLE,
        NO_IDLE,
        BATTERY,
        NO_POWER,
        CHARGE,
        HEAT,
        NO_HEAT,
        LOAD,
        NO_LOAD
    } change;
    int64_t to;
    enum action action;
    enum reason reason;
    int rule;
    int64_t seconds;
} lines[] = {
    {"without rules all is sold",
     {0},
     NOTHING,
     0,
     ACT_SELL,
     WHY_NO_RULES,
     0,
     0},
    {"the switch goes before all rules",
     {"sell"},
     STOPPED,
     0,
     ACT_STOP,
     WHY_SWITCH,
     0,
     0},
    {"the switch needs no rules", {0}, STOPPED, 0, ACT_STOP, WHY_SWITCH, 0, 0},
    {"a rule without conditions matches",
     {"sell"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"the first that matches decides",
     {"stop when ac", "sell"},
     NOTHING,
     0,
     ACT_STOP,
     WHY_RULE,
     1,
     0},
    {"one that does not is passed over",
     {"stop when battery", "sell"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     2,
     0},
    {"none matches: nothing new",
     {NIGHT},
     NOTHING,
     0,
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"a window's first minute counts",
     {NIGHT},
     AT,
     MINUTE(22, 0),
     ACT_SELL,
     WHY_RULE,
     1,
     8 * 3600},
    {"midnight is inside", {NIGHT}, AT, 0, ACT_SELL, WHY_RULE, 1, 6 * 3600},
    {"its last minute counts",
     {NIGHT},
     AT,
     MINUTE(5, 59),
     ACT_SELL,
     WHY_RULE,
     1,
     60},
    {"its end does not",
     {NIGHT},
     AT,
     MINUTE(6, 0),
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"the minute before does not",
     {NIGHT},
     AT,
     MINUTE(21, 59),
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"a window by day",
     {"sell when time 09:00-17:00"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     5 * 3600},
    {"two windows: the shorter one is told",
     {"sell when time 09:00-17:00 and time 11:00-13:00"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     3600},
    {"a weekday",
     {"sell when days mon-fri"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"no weekday",
     {"sell when days mon-fri"},
     DAY,
     0,
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"a list over the week's end",
     {"sell when days fri-sun,tue"},
     DAY,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"idle long enough",
     {"sell when idle > 10min"},
     IDLE,
     601,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"idle exactly as long is not longer",
     {"sell when idle > 10min"},
     IDLE,
     600,
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"at least is another comparison",
     {"sell when idle >= 10min"},
     IDLE,
     600,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"unknown idleness is not idle",
     {"sell when idle > 10min"},
     NO_IDLE,
     0,
     ACT_DRAIN,
     WHY_UNKNOWN,
     1,
     0},
    {"unknown idleness may be use",
     {"stop when idle < 1min", "sell"},
     NO_IDLE,
     0,
     ACT_STOP,
     WHY_UNKNOWN,
     1,
     0},
    {"a sure no goes before the unknown",
     {"stop when idle < 1min and battery", "sell"},
     NO_IDLE,
     0,
     ACT_SELL,
     WHY_RULE,
     2,
     0},
    {"unknown for one rule, another allows",
     {"sell when idle > 1h", "sell when ac"},
     NO_IDLE,
     0,
     ACT_SELL,
     WHY_RULE,
     2,
     0},
    {"on the battery",
     {"stop when battery", "sell"},
     BATTERY,
     0,
     ACT_STOP,
     WHY_RULE,
     1,
     0},
    {"unknown power may be a battery",
     {"drain when battery", "sell"},
     NO_POWER,
     0,
     ACT_DRAIN,
     WHY_UNKNOWN,
     1,
     0},
    {"a full battery",
     {"sell when charge >= 90%"},
     NOTHING,
     0,
     ACT_SELL,
     WHY_RULE,
     1,
     0},
    {"a lesser one",
     {"sell when charge >= 90"},
     CHARGE,
     89,
     ACT_DRAIN,
     WHY_NO_RULE_MATCH,
     0,
     0},
    {"cool enough", {HOT, "sell"}, HEAT, 75000, ACT_SELL, WHY_RULE, 2, 0},
    {"a thousandth too hot",
     {HOT, "sell"},
     HEAT,
     75001,
     ACT_STOP,
     WHY_RULE,
     1,
     0},
    {"unknown heat is too hot",
     {HOT, "sell"},
     NO_HEAT,
     0,
     ACT_STOP,
     WHY_UNKNOWN,
     1,
     0},
    {"load in decimals",
     {"drain when load > 1.5", "sell"},
     LOAD,
     1501,
     ACT_DRAIN,
     WHY_RULE,
     1,
     0},
    {"load at the bound",
     {"drain when load > 1.5", "sell"},
     LOAD,
     1500,
     ACT_SELL,
     WHY_RULE,
     2,
     0},
    {"unknown load is too much",
     {"drain when load > 1.5", "sell"},
     NO_LOAD,
     0,
     ACT_DRAIN,
     WHY_UNKNOWN,
     1,
     0},
};

static void apply(struct facts *f, int change, int64_t to)
{
    switch (change) {
    case STOPPED: f->stopped = true; break;
    case AT: f->minute = (int)to; break;
    case DAY: f->weekday = (int)to; break;
    case IDLE: f->idle_s = to; break;
    case NO_IDLE: f->has_idle = false; break;
    case BATTERY: f->on_ac = false; break;
    case NO_POWER: f->has_power = false; break;
    case CHARGE: f->charge = to; break;
    case HEAT: f->temperature_mc = to; break;
    case NO_HEAT: f->has_temperature = false; break;
    case LOAD: f->load_milli = to; break;
    case NO_LOAD: f->has_load = false; break;
    default: break;
    }
}

static void test_lines(void)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char *rules[5] = {NULL};
        struct error err = {""};
        struct facts f = calm;
        struct verdict v;
        struct policy *p;

        for (int r = 0; r < 4; r++)
            rules[r] = (char *)(uintptr_t)lines[i].rules[r];
        apply(&f, lines[i].change, lines[i].to);
        p = policy_create(rules, &err);
        if (!ok(p, "%s: understood %s", lines[i].name, err.text))
            continue;
        policy_judge(p, &f, &v);
        ok(v.action == lines[i].action && v.reason == lines[i].reason &&
               v.rule == lines[i].rule && v.seconds == lines[i].seconds,
           "%s: %s, %s, rule %d, %jd s", lines[i].name, action_name(v.action),
           reason_name(v.reason), v.rule, (intmax_t)v.seconds);
        policy_destroy(p);
    }
}

/* What is not understood is refused by name. */
static const struct {
    const char *rule, *at;
} bad[] = {
    {"sel when ac", "at \"sel\""},
    {"sell if ac", "at \"if\""},
    {"sell when", "rule 1 \"sell when\" is not understood"},
    {"sell when moon", "at \"moon\""},
    {"sell when ac or battery", "at \"or\""},
    {"sell when time 25:00-06:00", "at \"25:00-06:00\""},
    {"sell when time 06:00-06:00", "at \"06:00-06:00\""},
    {"sell when time 6-7", "at \"6-7\""},
    {"sell when days funday", "at \"funday\""},
    {"sell when idle 10min", "at \"10min\""},
    {"sell when idle > 10", "at \"10\""},
    {"sell when idle > 10parsec", "at \"10parsec\""},
    {"stop when temperature > hot", "at \"hot\""},
    {"stop when temperature = 75", "at \"=\""},
    {"stop when load > 1.2345", "at \"1.2345\""},
    {"stop when charge > 5x", "at \"5x\""},
};

static void test_bad(void)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *rules[2] = {(char *)(uintptr_t)bad[i].rule, NULL};
        struct error err = {""};

        ok(!policy_create(rules, &err) && errno == EINVAL, "refused: %s",
           bad[i].rule);
        like(err.text, bad[i].at, "and named");
    }
}

int main(void)
{
    test_lines();
    test_bad();
    done_testing();
    return exit_status();
}
