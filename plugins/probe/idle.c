/* SPDX-License-Identifier: Apache-2.0 */
/* idle.c - since when has nobody used this machine
 *
 * A session helper touches ROOT/run/fallow/idle when keyboard or mouse were
 * used; its time is the truth.  Without a helper the terminals' access times
 * tell about console and ssh, but say nothing of a graphical session: where
 * there is one, idleness is not known.
 */
#include "plugins/probe/probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The newest access or modification below ROOT/DIR of names with a prefix. */
static int64_t newest(const char *root, const char *dir, const char *prefix,
                      bool modified)
{
    char *path;
    struct dirent *e;
    int64_t best = -1;
    DIR *d;

    if (asprintf(&path, "%s%s", root, dir) < 0)
        return -1;
    d = opendir(path);
    while (d && (e = readdir(d))) {
        struct stat st;
        int64_t t;

        if (e->d_name[0] == '.' ||
            strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
            fstatat(dirfd(d), e->d_name, &st, 0) < 0)
            continue;
        t = modified ? st.st_mtim.tv_sec : st.st_atim.tv_sec;
        if (t > best)
            best = t;
    }
    if (d)
        closedir(d);
    free(path);
    return best;
}

static bool is_graphical(const char *root)
{
    return newest(root, "/tmp/.X11-unix", "X", true) >= 0 ||
           newest(root, "/run/user", "", true) >= 0;
}

static void idle_read(const char *root, int64_t now_s, struct facts *f)
{
    int64_t helper = newest(root, "/run/fallow", "idle", true);
    int64_t tty = newest(root, "/dev", "tty", false);
    int64_t pts = newest(root, "/dev/pts", "", false);
    int64_t last = tty > pts ? tty : pts;

    if (helper >= 0)
        last = helper > last ? helper : last;
    else if (is_graphical(root))
        return;
    if (last < 0)
        return;
    f->has_idle = true;
    f->idle_s = now_s > last ? now_s - last : 0;
}

const struct probe_plugin probe_idle = {
    .abi = PROBE_ABI,
    .name = "idle",
    .summary = "last use, from a session helper or the terminals",
    .read = idle_read,
};
