/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c - what this computer is made of, by hwloc and /proc/meminfo */
#include "common/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

struct machine {
    hwloc_topology_t topology;
    bool here; /* the computer we run on */
    unsigned cores;
    const char *model;
};

/* CPUModel hangs on a package, or on the machine where packages are hidden. */
static const char *find_model(hwloc_topology_t t)
{
    static const hwloc_obj_type_t where[] = {HWLOC_OBJ_PACKAGE,
                                             HWLOC_OBJ_MACHINE};

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        hwloc_obj_t o = hwloc_get_obj_by_type(t, where[i], 0);
        const char *s = o ? hwloc_obj_get_info_by_name(o, "CPUModel") : NULL;

        if (s)
            return s;
    }
    return "unknown";
}

static int load(struct machine *m, const char *xml, struct error *err)
{
    int n;

    if (hwloc_topology_init(&m->topology) < 0)
        return error_set(err, ENOMEM, "could not allocate a topology");
    if (xml && hwloc_topology_set_xml(m->topology, xml) < 0)
        return error_set(err, errno ? errno : EINVAL, "could not read %s: %s",
                         xml, strerror(errno ? errno : EINVAL));
    if (hwloc_topology_load(m->topology) < 0)
        return error_set(err, EINVAL, "could not load the topology of %s",
                         xml ? xml : "this machine");
    n = hwloc_get_nbobjs_by_type(m->topology, HWLOC_OBJ_CORE);
    if (n < 1)
        n = hwloc_get_nbobjs_by_type(m->topology, HWLOC_OBJ_PU);
    m->cores = n < 1 ? 1 : (unsigned)n;
    m->model = find_model(m->topology);
    m->here = xml == NULL;
    return 0;
}

struct machine *machine_create(const char *xml, struct error *err)
{
    struct machine *m = calloc(1, sizeof(*m));

    if (!m)
        return error_null(err, ENOMEM, "could not allocate a machine");
    errno = 0;
    if (load(m, xml, err) < 0) {
        machine_destroy(m);
        return NULL;
    }
    return m;
}

void machine_destroy(struct machine *m)
{
    if (m) {
        int saved_errno = errno;

        if (m->topology)
            hwloc_topology_destroy(m->topology);
        free(m);
        errno = saved_errno;
    }
}

unsigned machine_cores(const struct machine *m)
{
    return m->cores;
}

const char *machine_model(const struct machine *m)
{
    return m->model;
}

static hwloc_obj_t core(const struct machine *m, unsigned i)
{
    hwloc_obj_t o = hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_CORE, i);

    return o ? o : hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_PU, i);
}

int machine_bind(const struct machine *m, pid_t pid, unsigned first, unsigned n,
                 struct error *err)
{
    hwloc_bitmap_t set;
    int rc;

    if (n < 1 || first >= m->cores || n > m->cores - first)
        return error_set(err, EINVAL,
                         "cannot bind to %u cores from core %u on: there are "
                         "%u",
                         n, first, m->cores);
    if (!m->here)
        return error_set(err, ENOTSUP, "cannot bind on another machine");
    set = hwloc_bitmap_alloc();
    if (!set)
        return error_set(err, ENOMEM, "could not allocate a cpu set");
    for (unsigned i = first; i < first + n; i++)
        hwloc_bitmap_or(set, set, core(m, i)->cpuset);
    rc = pid ? hwloc_set_proc_cpubind(m->topology, pid, set, 0)
             : hwloc_set_cpubind(m->topology, set, HWLOC_CPUBIND_PROCESS);
    if (rc < 0)
        rc = error_set(err, errno, "could not bind process %jd: %s",
                       (intmax_t)pid, strerror(errno));
    hwloc_bitmap_free(set);
    return rc;
}

int64_t machine_mem_available(const char *meminfo, struct error *err)
{
    const char *path = meminfo ? meminfo : "/proc/meminfo";
    FILE *f = fopen(path, "re");
    char line[128];
    int64_t kib = -1;

    if (!f)
        return error_set(err, errno, "could not read %s: %s", path,
                         strerror(errno));
    while (kib < 0 && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %" SCNd64 " kB", &kib) != 1)
            kib = -1;
    fclose(f);
    if (kib < 0 || kib > INT64_MAX / 1024)
        return error_set(err, EBADMSG, "%s does not tell MemAvailable", path);
    return kib * 1024;
}
