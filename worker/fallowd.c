/* SPDX-License-Identifier: Apache-2.0 */
/* fallowd.c - the owner's side: sells idle time to a cell, under its rules
 *
 * Dials out and never listens.  Wiring only; agent.c is the worker.
 */
#include <stdio.h>

#include "worker/agent.h"
#include "worker/setting.h"

int main(int argc, char **argv)
{
    struct setting set;
    struct error err = {""};
    int rc = setting_load(&set, argc, argv, &err);

    if (rc == 0)
        rc = agent_run(&set, &err);
    if (rc < 0)
        fprintf(stderr, "fallowd: %s\n", err.text);
    setting_clear(&set);
    return rc < 0 ? 1 : 0;
}
