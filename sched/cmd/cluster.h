/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.h - the private PostgreSQL cluster of a cell
 *
 * STATE/pg is the cluster; it listens on a unix socket alone, in a 0700
 * directory under the temporary one (a socket's path must be short), whose
 * name STATE/run/socket.dir keeps.  Who may connect is who the system says:
 * peer authentication, mapped by pg_ident.
 */
#ifndef FALLOW_SCHED_CMD_CLUSTER_H
#define FALLOW_SCHED_CMD_CLUSTER_H

#include <stdbool.h>

#include "common/error.h"
#include "sched/cmd/account.h"

#define CLUSTER_DAEMON "postgres"

/* The directory for sockets; with make it is made when it is not there,
 * without it may be one that is gone.  Allocated.
 */
char *cluster_socket_dir(const char *state, const struct account *as, bool make,
                         struct error *err);

/* What libpq is told; allocated. */
char *cluster_conninfo(const char *socket_dir);

/* initdb when there is no cluster yet.  Returns 1 when it made one, 0 when it
 * was there, -1 with errno ENOENT (PostgreSQL is not installed) or ECHILD.
 */
int cluster_make(const char *state, const struct account *as,
                 struct error *err);

/* Start it unless it runs, wait until it answers (15 s at most), make the
 * database.  Returns as daemon_start.
 */
int cluster_start(const char *state, const char *socket_dir,
                  const struct account *as, struct error *err);

#endif
