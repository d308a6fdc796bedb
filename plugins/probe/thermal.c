/* SPDX-License-Identifier: Apache-2.0 */
/* thermal.c - the hottest sensor, from /sys/class/thermal */
#include "plugins/probe/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void thermal_read(const char *root, int64_t now_s, struct facts *f)
{
    struct dirent *e;
    char *path;
    DIR *d;

    (void)now_s;
    if (asprintf(&path, "%s/sys/class/thermal", root) < 0)
        return;
    d = opendir(path);
    free(path);
    while (d && (e = readdir(d))) {
        char name[300], text[32], *end;
        int64_t mc;
        ssize_t n;
        int fd;

        if (strncmp(e->d_name, "thermal_zone", 12) != 0)
            continue;
        snprintf(name, sizeof(name), "%s/temp", e->d_name);
        fd = openat(dirfd(d), name, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (fd >= 0)
            close(fd);
        if (n <= 0)
            continue;
        text[n] = '\0';
        mc = strtoll(text, &end, 10);
        if (end != text && (!f->has_temperature || mc > f->temperature_mc)) {
            f->has_temperature = true;
            f->temperature_mc = mc;
        }
    }
    if (d)
        closedir(d);
}

const struct probe_plugin probe_thermal = {
    .abi = PROBE_ABI,
    .name = "thermal",
    .summary = "the hottest zone of /sys/class/thermal",
    .read = thermal_read,
};
