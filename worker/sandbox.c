/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - the sandboxes this worker knows */
#include "worker/sandbox.h"

#include <errno.h>
#include <string.h>

const struct sandbox_plugin *sandbox_find(const char *name, struct error *err)
{
    static const struct sandbox_plugin *const all[] = {&sandbox_bwrap,
                                                       &sandbox_none};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return error_null(err, ENOENT,
                      "unknown sandbox \"%s\"; there are: bwrap none", name);
}
