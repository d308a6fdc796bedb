/* SPDX-License-Identifier: Apache-2.0 */
/* power.c - mains or battery, from /sys/class/power_supply
 *
 * A machine without any supply listed there is one that has no battery: it
 * runs on the mains.  A machine whose directory cannot be read is unknown.
 */
#include "plugins/probe/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first word of DIR/NAME/FILE; "" when there is none. */
static void word(int dir, const char *name, const char *file, char *out,
                 size_t cap)
{
    char path[512];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", name, file);
    fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, out, cap - 1);
        close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, " \n")] = '\0';
}

static void power_read(const char *root, int64_t now_s, struct facts *f)
{
    bool mains = false, online = false, battery = false;
    struct dirent *e;
    char *path;
    DIR *d;

    (void)now_s;
    if (asprintf(&path, "%s/sys/class/power_supply", root) < 0)
        return;
    d = opendir(path);
    free(path);
    if (!d)
        return;
    while ((e = readdir(d))) {
        char type[16], value[16];

        if (e->d_name[0] == '.')
            continue;
        word(dirfd(d), e->d_name, "type", type, sizeof(type));
        word(dirfd(d), e->d_name, "online", value, sizeof(value));
        if (strcmp(type, "Mains") == 0 || strcmp(type, "USB") == 0) {
            mains = true;
            online = online || strcmp(value, "1") == 0;
        } else if (strcmp(type, "Battery") == 0) {
            long charge;

            battery = true;
            word(dirfd(d), e->d_name, "capacity", value, sizeof(value));
            charge = strtol(value, NULL, 10);
            if (*value && (!f->has_charge || charge < f->charge)) {
                f->has_charge = true;
                f->charge = charge;
            }
        }
    }
    closedir(d);
    f->has_power = mains || !battery;
    f->on_ac = mains ? online : !battery;
}

const struct probe_plugin probe_power = {
    .abi = PROBE_ABI,
    .name = "power",
    .summary = "mains or battery, from /sys/class/power_supply",
    .read = power_read,
};
