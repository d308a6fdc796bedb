/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h - what this computer is made of, and who runs where on it
 *
 * The sole includer of hwloc.h is machine.c.  Cores are physical ones that
 * this process may use (an affinity mask or cgroup may hide others), counted
 * from 0 in hwloc's logical order.  Nothing here yields a host name, a MAC, a
 * serial number or any other text that identifies the computer.
 */
#ifndef FALLOW_COMMON_MACHINE_H
#define FALLOW_COMMON_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct machine;

/* Look at this computer; or, with xml, at the one hwloc wrote that file on
 * (for tests: binding is then refused).  NULL with errno ENOMEM, EINVAL or of
 * the file.
 */
struct machine *machine_create(const char *xml, struct error *err);
void machine_destroy(struct machine *m);

/* Physical cores, at least 1. */
unsigned machine_cores(const struct machine *m);

/* The processor's model name as it calls itself, "unknown" when it does not;
 * owned by m.  It keys measured speeds and never leaves the machine.
 */
const char *machine_model(const struct machine *m);

/* Let a process (0 = the caller) run on cores [first, first + n) alone, every
 * hardware thread of them.  Returns 0, or -1 with errno EINVAL (no such
 * cores), ESRCH, EPERM or ENOTSUP.
 */
int machine_bind(const struct machine *m, pid_t pid, unsigned first, unsigned n,
                 struct error *err);

/* Bytes that can be used without swapping (MemAvailable; hwloc misses memory
 * added later).  meminfo NULL is /proc/meminfo.  -1 with errno ENOENT or
 * EBADMSG.
 */
int64_t machine_mem_available(const char *meminfo, struct error *err);

#endif
