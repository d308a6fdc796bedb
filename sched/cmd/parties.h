/* SPDX-License-Identifier: Apache-2.0 */
/* parties.h - who is who in a private cell
 *
 * What `fallow up` asked of the operator's routes is written down at once in
 * STATE/parties.json, so that a second call asks nothing twice.
 */
#ifndef FALLOW_SCHED_CMD_PARTIES_H
#define FALLOW_SCHED_CMD_PARTIES_H

#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "sched/cmd/client.h"

struct parties {
    char *path;
    json_t *known; /* {"me": 2, "owner-1": 3, …, "funded": 1} */
    struct client *admin;
};

/* admin is a client with the operator's token.  Returns 0 or -1. */
int parties_open(struct parties *p, const char *state, struct client *admin,
                 struct error *err);
void parties_close(struct parties *p);

/* The party of that name, made with that role when it is new; -1 on error. */
int64_t parties_get(struct parties *p, const char *name, const char *role,
                    struct error *err);

/* A fresh token: kind "user" or "enrol"; allocated, NULL on error. */
char *parties_token(struct parties *p, int64_t party_id, const char *kind,
                    int64_t ttl_s, struct error *err);

/* Post play money once.  Returns 1 when it was posted now, 0 when it had been,
 * -1 on error.
 */
int parties_fund(struct parties *p, int64_t party_id, const char *unit,
                 int64_t amount_micro, struct error *err);

#endif
