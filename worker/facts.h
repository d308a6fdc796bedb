/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h - what is known about this machine now */
#ifndef FALLOW_WORKER_FACTS_H
#define FALLOW_WORKER_FACTS_H

#include "plugins/probe/probe.h"

/* Ask every probe, below root ("" = this machine), and look for the owner's
 * switch, DIR/stopped.  Local time comes from wall_us and TZ.
 */
void facts_read(const char *dir, const char *root, int64_t wall_us,
                struct facts *out);

#endif
