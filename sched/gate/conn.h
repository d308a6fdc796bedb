/* SPDX-License-Identifier: Apache-2.0 */
/* conn.h - one client's connection
 *
 *   HANDSHAKE → HEAD → BODY → WAIT → REPLY → HEAD …
 *               HEAD → OFFER → UPLOAD → WAIT      a blob on its way in
 *                                REPLY → DOWNLOAD a blob on its way out
 *               any → LINGER → closed
 *
 * One request at a time: what a client sends ahead waits in the socket.  At
 * every moment a connection has one deadline.
 */
#ifndef FALLOW_SCHED_GATE_CONN_H
#define FALLOW_SCHED_GATE_CONN_H

#include <sys/socket.h>

#include "common/frame.h"
#include "sched/gate/gate.h"

/* Serve fd, whose peer is sa; the limits were asked.  -1 with errno ENOMEM,
 * and fd is still the caller's.
 */
int conn_create(struct gate *g, int fd, const struct sockaddr *sa,
                struct address *a);

/* epoll saw something. */
void conn_event(struct conn *c, uint32_t events);

/* Serve those of g->run, and free those of g->dead. */
void conn_run_queue(struct gate *g);
void conn_bury(struct gate *g);

/* Its deadline has passed. */
void conn_expired(struct wheel_node *n);

/* From the controller: a reply (f->fd is taken); go on with the blob into fd
 * (taken); there is no controller any more.
 */
void conn_replied(struct conn *c, struct frame *f);
void conn_accepted(struct conn *c, int fd);
void conn_deserted(struct conn *c);

/* The request of a poll again, as it came; peer holds INET6_ADDRSTRLEN. */
void conn_poll_request(struct conn *c, struct frame_request *r, char *peer);

/* SIGTERM: end what is idle, answer what is parked, finish the rest. */
void conn_drain_all(struct gate *g);
void conn_close_all(struct gate *g);

#endif
