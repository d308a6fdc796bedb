/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h - the system calls a kernel needs, as a seccomp program */
#ifndef FALLOW_PLUGINS_SANDBOX_FILTER_H
#define FALLOW_PLUGINS_SANDBOX_FILTER_H

#include <stdbool.h>

#include "common/error.h"

/* A new descriptor (close-on-exec) positioned at the start of the BPF program
 * for bubblewrap's --add-seccomp-fd.  Everything not on the list is EPERM,
 * clone3 is ENOSYS (so that the C library falls back to clone), and clone
 * makes threads only.  With forks it also makes processes, without namespaces
 * of their own, and they may load a program that takes this away.  -1 with
 * errno ENOTSUP when this build has no libseccomp, else of memfd_create.
 */
int filter_open(bool forks, struct error *err);

#endif
