/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - what is known about this machine now */
#include "worker/facts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"

/* Later ones overrule earlier ones; fixed is the last word. */
static const struct probe_plugin *const probes[] = {
    &probe_idle, &probe_power, &probe_thermal, &probe_fixed};

void facts_read(const char *dir, const char *root, int64_t wall_us,
                struct facts *out)
{
    char *flag = file_path(dir, "stopped");
    time_t now = (time_t)(wall_us / 1000000);
    struct tm tm;

    memset(out, 0, sizeof(*out));
    out->stopped = !flag || access(flag, F_OK) == 0;
    free(flag);
    if (localtime_r(&now, &tm)) {
        out->minute = tm.tm_hour * 60 + tm.tm_min;
        out->weekday = tm.tm_wday;
    }
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
        probes[i]->read(root, (int64_t)now, out);
}
