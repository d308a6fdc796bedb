/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - the owner's rules: what is known about the machine -> sell or not
 *
 * Rules are tried in order, the first that matches decides; when there are
 * rules and none matches, nothing new is taken.  Without rules the worker
 * sells.  A rule is
 *
 *   sell | drain | stop  [when CONDITION [and CONDITION]...]
 *
 *   time 22:00-06:00       local time, the end excluded, over midnight or not
 *   days mon-fri           or sat,sun
 *   idle > 10min           since the owner last used the machine
 *   ac | battery           where the power comes from
 *   charge > 80            battery, percent
 *   temperature > 75       hottest sensor, degrees Celsius
 *   load > 1.5             runnable processes that are not ours, per core
 *
 * Comparisons are < <= > >=.  What is not known is not allowed: a condition
 * whose reading is unknown makes a `sell` rule fail and a `drain` or `stop`
 * rule match.  The owner's switch (DIR/stopped, `fallow stop`) goes before all
 * rules.  Pure: readings and times are passed in.
 */
#ifndef FALLOW_WORKER_POLICY_H
#define FALLOW_WORKER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "plugins/probe/probe.h"

enum action { ACT_SELL, ACT_DRAIN, ACT_STOP };

/* Why; shown to the owner and, in status.json, by name. */
enum reason {
    WHY_NO_RULES,      /* nothing forbids it */
    WHY_RULE,          /* a rule said so */
    WHY_NO_RULE_MATCH, /* there are rules, none of them allows it */
    WHY_UNKNOWN,       /* a rule needed a reading that is not known */
    WHY_SWITCH,        /* the owner's switch is off */
    WHY_LEAVING,       /* the worker was told to end */
    WHY_SANDBOX,       /* tasks cannot be confined here */
};

struct verdict {
    enum action action;
    enum reason reason;
    int rule;        /* which, from 1; 0 = none */
    int64_t seconds; /* until a time window may end it; 0 = no end known */
};

struct policy;

/* From rule texts (NULL-terminated list, or NULL).  NULL with errno EINVAL;
 * err names the rule and the word.
 */
struct policy *policy_create(char *const *rules, struct error *err);
void policy_destroy(struct policy *p);

/* What to do now. */
void policy_judge(const struct policy *p, const struct facts *f,
                  struct verdict *out);

/* "sell", "drain", "stop"; "no rules", "rule", …. */
const char *action_name(enum action a);
const char *reason_name(enum reason r);

#endif
