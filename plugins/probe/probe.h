/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - facts about this machine that the owner's rules may ask for
 *
 * A probe fills the members it knows and leaves the others alone; what no
 * probe fills stays unknown, and what is unknown is not allowed
 * (worker/policy.h).  A probe never blocks, never writes, and reads every path
 * below root, so that a directory tree can stand in for a machine.  `fixed` is
 * the template and the test double.
 */
#ifndef FALLOW_PLUGINS_PROBE_PROBE_H
#define FALLOW_PLUGINS_PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define PROBE_ABI 1

/* What is known now; has_* false = unknown. */
struct facts {
    bool stopped;           /* the owner's switch is off */
    int minute;             /* of the local day, 0 to 1439 */
    int weekday;            /* 0 = Sunday */
    bool has_idle;          /* seconds since the owner used the machine */
    int64_t idle_s;         /* valid with has_idle, as below */
    bool has_power;         /* on the mains, or on a battery */
    bool on_ac;             /* the mains */
    bool has_charge;        /* of the battery, percent */
    int64_t charge;         /* the lowest when there are several */
    bool has_temperature;   /* thousandths of a degree Celsius */
    int64_t temperature_mc; /* the hottest sensor */
    bool has_load;          /* runnable processes that are not ours, */
    int64_t load_milli;     /* thousandths, per core */
};

struct probe_plugin {
    unsigned abi;        /* PROBE_ABI */
    const char *name;    /* as in plugins/probe/NAME.c */
    const char *summary; /* one line: what it reads, from where */

    /* Fill in what is known, from paths below root ("" = this machine) at the
     * wall-clock second now_s.  A source that is not there is no error.
     */
    void (*read)(const char *root, int64_t now_s, struct facts *f);
};

extern const struct probe_plugin probe_fixed;
extern const struct probe_plugin probe_idle;
extern const struct probe_plugin probe_power;
extern const struct probe_plugin probe_thermal;

#endif
