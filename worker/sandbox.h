/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - choosing how tasks are confined */
#ifndef FALLOW_WORKER_SANDBOX_H
#define FALLOW_WORKER_SANDBOX_H

#include "plugins/sandbox/sandbox.h"

/* The member called name; NULL with errno ENOENT, err lists those there are. */
const struct sandbox_plugin *sandbox_find(const char *name, struct error *err);

#endif
