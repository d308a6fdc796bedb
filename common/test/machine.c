/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c - cores are counted as hwloc counts them, and bound as asked */
#include "common/machine.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "t/tap.h"

static char dir[] = "/tmp/fallow-machine.XXXXXX";

/* A computer that never was, as an XML file. */
static char *fixture(const char *description)
{
    hwloc_topology_t t;
    char *path = file_path(dir, "machine.xml");

    hwloc_topology_init(&t);
    if (hwloc_topology_set_synthetic(t, description) < 0 ||
        hwloc_topology_load(t) < 0 || hwloc_topology_export_xml(t, path, 0) < 0)
        fprintf(stderr, "# no XML of \"%s\"\n", description);
    hwloc_topology_destroy(t);
    return path;
}

static const struct {
    const char *description;
    unsigned cores;
} machines[] = {
    {"pack:1 core:4 pu:2", 4}, /* a laptop */
    {"pack:1 [numa] core:16 pu:2", 16},
    {"pack:2 [numa] core:64 pu:2", 128}, /* a server */
    {"pack:1 core:1 pu:1", 1},
};

static void test_fixtures(void)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        struct error err = {""};
        char *xml = fixture(machines[i].description);
        struct machine *m = machine_create(xml, &err);

        is_int(m ? machine_cores(m) : 0, machines[i].cores, "%s has %u cores",
               machines[i].description, machines[i].cores);
        if (m)
            ok(machine_bind(m, 0, 0, 1, &err) < 0 && errno == ENOTSUP,
               "nobody is bound on a machine out of a file");
        machine_destroy(m);
        unlink(xml);
        free(xml);
    }
}

/* Runs in a child: bind to one core and look at the mask. */
static int bound_to_one(const struct machine *m)
{
    struct error err = {""};
    cpu_set_t set, all;

    sched_getaffinity(0, sizeof(all), &all);
    if (machine_bind(m, getpid(), machine_cores(m) - 1, 1, &err) < 0 ||
        sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return machine_cores(m) == 1 || CPU_COUNT(&set) < CPU_COUNT(&all) ? 0 : 2;
}

static void test_here(void)
{
    struct error err = {""};
    struct machine *m = machine_create(NULL, &err);
    int status = -1;
    pid_t pid;

    ok(m && machine_cores(m) >= 1, "this machine has a core");
    if (!m)
        return;
    ok(*machine_model(m), "its processor has a name");
    ok(machine_bind(m, 0, machine_cores(m), 1, &err) < 0 && errno == EINVAL,
       "a core that is not there is refused");
    like(err.text, "cannot bind to 1 cores from core", "by name");
    pid = fork();
    if (pid == 0)
        _exit(bound_to_one(m));
    waitpid(pid, &status, 0);
    is_int(status, 0, "a process is bound to one core");
    machine_destroy(m);
    ok(!machine_create("/no/such.xml", &err), "a missing XML file is refused");
    like(err.text, "/no/such.xml", "by name");
}

static void test_memory(void)
{
    struct error err = {""};
    char *path = file_path(dir, "meminfo");
    const char *text = "MemTotal: 100 kB\nMemAvailable:     48 kB\n";

    ok(machine_mem_available(NULL, &err) > 0, "this machine has memory");
    file_write(path, text, strlen(text), false, &err);
    is_int(machine_mem_available(path, &err), 49152, "MemAvailable in bytes");
    file_write(path, text, 17, false, &err);
    is_int(machine_mem_available(path, &err), -1, "unknown is no number");
    unlink(path);
    free(path);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    test_fixtures();
    test_here();
    test_memory();
    rmdir(dir);
    done_testing();
    return exit_status();
}
