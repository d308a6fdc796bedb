/* SPDX-License-Identifier: Apache-2.0 */
/* fixed.c - facts out of a file: the template, and for tests
 *
 * ROOT/run/fallow/facts holds `key = value` lines; a key that is missing is a
 * fact that is not known.  Root alone can write there on a real machine.
 */
#include "plugins/probe/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/conf.h"

#define UNSET INT64_MIN

static void take(int64_t value, bool *has, int64_t *to)
{
    if (value != UNSET) {
        *has = true;
        *to = value;
    }
}

static void fixed_read(const char *root, int64_t now_s, struct facts *f)
{
    int64_t idle = UNSET, charge = UNSET, temperature = UNSET, load = UNSET;
    int64_t minute = UNSET, ac = UNSET;
    const struct conf_key keys[] = {
        {"idle_s", CONF_INT, &idle, 0, INT64_MAX},
        {"charge", CONF_INT, &charge, 0, 100},
        {"temperature_mc", CONF_INT, &temperature, -100000, 200000},
        {"load_milli", CONF_INT, &load, 0, INT64_MAX},
        {"minute", CONF_INT, &minute, 0, 1439},
        {"ac", CONF_INT, &ac, 0, 1},
        {NULL, 0, NULL, 0, 0},
    };
    char *path;

    (void)now_s;
    if (asprintf(&path, "%s/run/fallow/facts", root) < 0)
        return;
    if (conf_read(path, keys, NULL) == 0) {
        take(idle, &f->has_idle, &f->idle_s);
        take(charge, &f->has_charge, &f->charge);
        take(temperature, &f->has_temperature, &f->temperature_mc);
        take(load, &f->has_load, &f->load_milli);
        if (minute != UNSET)
            f->minute = (int)minute;
        if (ac != UNSET) {
            f->has_power = true;
            f->on_ac = ac == 1;
        }
    }
    free(path);
}

const struct probe_plugin probe_fixed = {
    .abi = PROBE_ABI,
    .name = "fixed",
    .summary = "facts from /run/fallow/facts",
    .read = fixed_read,
};
