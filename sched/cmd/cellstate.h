/* SPDX-License-Identifier: Apache-2.0 */
/* cellstate.h - the state directory of a private cell, and its files
 *
 *   bin lib share   staged programs, kernels, schema
 *   pg              the PostgreSQL cluster
 *   tls             ca.pem, server.pem and their keys
 *   ctl             admin.token, cell.key, gate.port: written by the daemons
 *   blob            inputs and results
 *   workers/NAME    one worker each
 *   run log         locks, and what daemons say
 *   cell.conf       what the controller reads, written once
 *   client.conf     what commands read: url, ca, cell, token
 *   jobs            what clients keep (jobdir.h)
 *
 * pg, blob, ctl, server.key and each worker belong to the cell's user; all
 * else to the caller, for root would write through links somebody else made.
 */
#ifndef FALLOW_SCHED_CMD_CELLSTATE_H
#define FALLOW_SCHED_CMD_CELLSTATE_H

#include <stdbool.h>

#include "common/error.h"
#include "sched/cmd/account.h"

struct cellstate {
    char *state; /* absolute */
    struct account as;
    int lock;          /* of commands that change it */
    char *sockets;     /* directory of unix sockets */
    char *ctld_socket; /* in it */
    char *cell_conf, *client_conf;
    char *admin_token, *cell_key; /* written by the controller */
    char *tls, *ca_pem, *server_pem, *server_key;
    char *blob, *schema, *plugins, *port_file;
    char *conninfo;
    char *name, *url, *token; /* of client.conf; url and token may be NULL */
    int port;                 /* of the gate, 0 = not known */
};

/* Find it; with make, create what is missing and take its lock.  Returns 0,
 * or -1 with errno ENOENT (there is no cell), EBUSY (another command changes
 * it) or of making it.
 */
int cellstate_open(struct cellstate *s, bool make, struct error *err);
void cellstate_close(struct cellstate *s);

/* Take the lock of commands that change it; errno EBUSY: another has it. */
int cellstate_lock(struct cellstate *s, struct error *err);

/* cell.conf, unless it is there. */
int cellstate_write_conf(struct cellstate *s, struct error *err);

/* client.conf, anew, with the url of s->port; 0600. */
int cellstate_write_client(struct cellstate *s, struct error *err);

/* A secret of the cell's user (give) or of ours, 0600. */
int cellstate_write_secret(const struct cellstate *s, const char *path,
                           const char *text, bool give, struct error *err);

/* The port in the port file, or 0. */
int cellstate_read_port(const struct cellstate *s);

/* Whether somebody listens on that unix socket. */
bool cellstate_answers(const char *socket_path);

#endif
