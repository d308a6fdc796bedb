/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - the owner's rules: what is known about the machine -> sell or not
 */
#include "worker/policy.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 64
#define CONDITIONS_MAX 8
#define DAY 1440

enum subject {
    ON_TIME,
    ON_DAYS,
    ON_AC,
    ON_BATTERY,
    ON_IDLE,
    ON_CHARGE,
    ON_TEMPERATURE,
    ON_LOAD,
};

enum comparison { LESS, LESS_EQUAL, MORE, MORE_EQUAL };

struct condition {
    enum subject subject;
    int from, to; /* minutes of the day */
    unsigned days;
    enum comparison than;
    int64_t value; /* in the unit of the fact */
};

struct rule {
    enum action action;
    size_t n;
    struct condition v[CONDITIONS_MAX];
};

struct policy {
    size_t n;
    struct rule v[RULES_MAX];
};

const char *action_name(enum action a)
{
    static const char *const names[] = {"sell", "drain", "stop"};

    return names[a];
}

const char *reason_name(enum reason r)
{
    static const char *const names[] = {
        "no rules", "rule",    "no rule matches", "unknown reading",
        "switch",   "leaving", "sandbox",
    };

    return names[r];
}

/* ---- reading rules ------------------------------------------------------ */

/* Words of a rule; a comparison is a word of its own. */
struct scanner {
    const char *at;
    char word[32];
};

static const char *next_word(struct scanner *s)
{
    size_t n;

    s->at += strspn(s->at, " \t");
    if (strchr("<>", *s->at) && *s->at)
        n = s->at[1] == '=' ? 2 : 1;
    else
        n = strcspn(s->at, " \t<>");
    if (n == 0 || n >= sizeof(s->word))
        return NULL;
    memcpy(s->word, s->at, n);
    s->word[n] = '\0';
    s->at += n;
    return s->word;
}

static int parse_clock(const char **s, int *minute)
{
    int h, m;

    if (!isdigit((unsigned char)(*s)[0]) || !isdigit((unsigned char)(*s)[1]) ||
        (*s)[2] != ':' || !isdigit((unsigned char)(*s)[3]) ||
        !isdigit((unsigned char)(*s)[4]))
        return -1;
    h = ((*s)[0] - '0') * 10 + (*s)[1] - '0';
    m = ((*s)[3] - '0') * 10 + (*s)[4] - '0';
    *s += 5;
    *minute = h * 60 + m;
    return h < 24 && m < 60 ? 0 : -1;
}

static int parse_time(const char *word, struct condition *c)
{
    if (!word || parse_clock(&word, &c->from) < 0 || *word++ != '-' ||
        parse_clock(&word, &c->to) < 0 || *word || c->from == c->to)
        return -1;
    return 0;
}

static int parse_day(const char **s)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed",
                                        "thu", "fri", "sat"};

    for (int d = 0; d < 7; d++)
        if (strncmp(*s, names[d], 3) == 0) {
            *s += 3;
            return d;
        }
    return -1;
}

/* mon-fri, sat,sun, fri-mon */
static int parse_days(const char *word, struct condition *c)
{
    while (word && *word) {
        int from = parse_day(&word), to = from;

        if (from >= 0 && *word == '-') {
            word++;
            to = parse_day(&word);
        }
        if (from < 0 || to < 0)
            return -1;
        for (int d = from;; d = (d + 1) % 7) {
            c->days |= 1u << d;
            if (d == to)
                break;
        }
        if (*word == ',')
            word++;
        else if (*word)
            return -1;
    }
    return c->days ? 0 : -1;
}

static int parse_than(const char *word, enum comparison *out)
{
    static const char *const names[] = {"<", "<=", ">", ">="};

    for (int i = 0; word && i < 4; i++)
        if (strcmp(word, names[i]) == 0) {
            *out = (enum comparison)i;
            return 0;
        }
    return -1;
}

/* A number with up to three decimals, in thousandths, and its unit. */
static int parse_milli(const char *word, int64_t *milli, const char **unit)
{
    int64_t v = 0;
    int places = -1;

    if (!word || !isdigit((unsigned char)*word))
        return -1;
    for (; isdigit((unsigned char)*word) || (*word == '.' && places < 0);
         word++) {
        if (*word == '.') {
            places = 0;
            continue;
        }
        if (v > INT64_MAX / 100000 || places >= 3)
            return -1;
        v = v * 10 + (*word - '0');
        places += places >= 0;
    }
    for (places = places < 0 ? 0 : places; places < 3; places++)
        v *= 10;
    *milli = v;
    *unit = word;
    return 0;
}

static int parse_idle(const char *word, struct condition *c)
{
    static const struct {
        const char *name;
        int64_t s;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    const char *unit;
    int64_t milli;

    if (parse_milli(word, &milli, &unit) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(unit, units[i].name) == 0) {
            c->value = milli * units[i].s / 1000;
            return 0;
        }
    return -1;
}

static int parse_compared(struct scanner *s, struct condition *c)
{
    const char *unit;

    if (parse_than(next_word(s), &c->than) < 0)
        return -1;
    if (c->subject == ON_IDLE)
        return parse_idle(next_word(s), c);
    if (parse_milli(next_word(s), &c->value, &unit) < 0)
        return -1;
    if (c->subject == ON_CHARGE) {
        c->value /= 1000;
        unit += *unit == '%';
    }
    return *unit ? -1 : 0;
}

static int parse_condition(struct scanner *s, struct condition *c)
{
    static const char *const names[] = {"time",        "days", "ac",
                                        "battery",     "idle", "charge",
                                        "temperature", "load"};
    const char *word = next_word(s);
    int i = 0;

    memset(c, 0, sizeof(*c));
    while (word && i <= ON_LOAD && strcmp(word, names[i]) != 0)
        i++;
    if (!word || i > ON_LOAD)
        return -1;
    c->subject = (enum subject)i;
    switch (c->subject) {
    case ON_TIME: return parse_time(next_word(s), c);
    case ON_DAYS: return parse_days(next_word(s), c);
    case ON_AC:
    case ON_BATTERY: return 0;
    default: return parse_compared(s, c);
    }
}

static int parse_rule(struct scanner *s, struct rule *r)
{
    const char *word = next_word(s);
    int a = ACT_SELL;

    while (word && a <= ACT_STOP && strcmp(word, action_name((enum action)a)))
        a++;
    if (!word || a > ACT_STOP)
        return -1;
    r->action = (enum action)a;
    word = next_word(s);
    if (!word)
        return *s->at ? -1 : 0;
    if (strcmp(word, "when") != 0)
        return -1;
    for (;;) {
        if (r->n == CONDITIONS_MAX || parse_condition(s, &r->v[r->n]) < 0)
            return -1;
        r->n++;
        word = next_word(s);
        if (!word)
            return *s->at ? -1 : 0;
        if (strcmp(word, "and") != 0)
            return -1;
    }
}

struct policy *policy_create(char *const *rules, struct error *err)
{
    struct policy *p = calloc(1, sizeof(*p));

    if (!p)
        return error_null(err, ENOMEM, "could not allocate the rules");
    for (size_t i = 0; rules && rules[i]; i++) {
        struct scanner s = {.at = rules[i]};

        if (i == RULES_MAX || parse_rule(&s, &p->v[i]) < 0) {
            policy_destroy(p);
            return error_null(err, EINVAL,
                              "rule %zu \"%s\" is not understood at \"%s\"; "
                              "see worker.conf(5)",
                              i + 1, rules[i], *s.word ? s.word : s.at);
        }
        p->n++;
    }
    return p;
}

void policy_destroy(struct policy *p)
{
    free(p);
}

/* ---- judging ------------------------------------------------------------ */

enum truth { NO, YES, UNKNOWN };

static enum truth compared(enum comparison than, bool known, int64_t fact,
                           int64_t value)
{
    if (!known)
        return UNKNOWN;
    switch (than) {
    case LESS: return fact < value ? YES : NO;
    case LESS_EQUAL: return fact <= value ? YES : NO;
    case MORE: return fact > value ? YES : NO;
    default: return fact >= value ? YES : NO;
    }
}

/* Minutes left of the window [from, to), 0 = outside of it. */
static int window_left(const struct condition *c, int minute)
{
    int length = (c->to - c->from + DAY) % DAY;
    int into = (minute - c->from + DAY) % DAY;

    return into < length ? length - into : 0;
}

static enum truth holds(const struct condition *c, const struct facts *f)
{
    switch (c->subject) {
    case ON_TIME: return window_left(c, f->minute) ? YES : NO;
    case ON_DAYS: return c->days >> f->weekday & 1 ? YES : NO;
    case ON_AC: return !f->has_power ? UNKNOWN : f->on_ac ? YES : NO;
    case ON_BATTERY: return !f->has_power ? UNKNOWN : f->on_ac ? NO : YES;
    case ON_IDLE: return compared(c->than, f->has_idle, f->idle_s, c->value);
    case ON_CHARGE:
        return compared(c->than, f->has_charge, f->charge, c->value);
    case ON_TEMPERATURE:
        return compared(c->than, f->has_temperature, f->temperature_mc,
                        c->value);
    default: return compared(c->than, f->has_load, f->load_milli, c->value);
    }
}

/* A sure no goes before what is not known. */
static enum truth matches(const struct rule *r, const struct facts *f)
{
    enum truth all = YES;

    for (size_t i = 0; i < r->n; i++) {
        enum truth t = holds(&r->v[i], f);

        if (t == NO)
            return NO;
        if (t == UNKNOWN)
            all = UNKNOWN;
    }
    return all;
}

static int64_t seconds_left(const struct rule *r, const struct facts *f)
{
    int64_t least = 0;

    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].subject == ON_TIME) {
            int64_t s = (int64_t)window_left(&r->v[i], f->minute) * 60;

            if (!least || s < least)
                least = s;
        }
    return least;
}

void policy_judge(const struct policy *p, const struct facts *f,
                  struct verdict *out)
{
    int unknown = 0;

    *out = (struct verdict){ACT_STOP, WHY_SWITCH, 0, 0};
    if (f->stopped)
        return;
    for (size_t i = 0; i < p->n; i++) {
        const struct rule *r = &p->v[i];
        enum truth t = matches(r, f);

        if (t == UNKNOWN && r->action == ACT_SELL && !unknown)
            unknown = (int)i + 1;
        if (t == NO || (t == UNKNOWN && r->action == ACT_SELL))
            continue;
        out->action = r->action;
        out->reason = t == UNKNOWN ? WHY_UNKNOWN : WHY_RULE;
        out->rule = (int)i + 1;
        out->seconds = r->action == ACT_SELL ? seconds_left(r, f) : 0;
        return;
    }
    out->rule = unknown;
    out->action = p->n ? ACT_DRAIN : ACT_SELL;
    out->reason = !p->n     ? WHY_NO_RULES
                  : unknown ? WHY_UNKNOWN
                            : WHY_NO_RULE_MATCH;
}
