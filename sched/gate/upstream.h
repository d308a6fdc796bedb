/* SPDX-License-Identifier: Apache-2.0 */
/* upstream.h - the gate's side of the controller's socket
 *
 * Connects, and connects again with growing pauses when the controller went
 * away.  Requests in flight then end with 503, except polls for work: those
 * are kept and sent again to the next controller.
 */
#ifndef FALLOW_SCHED_GATE_UPSTREAM_H
#define FALLOW_SCHED_GATE_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/frame.h"
#include "sched/gate/gate.h"

struct upstream *upstream_create(struct gate *g); /* NULL = ENOMEM */
void upstream_destroy(struct upstream *u);

/* Send c's request, of type FRAME_REQUEST or FRAME_HEAD; *slot is its handle
 * from now on.  A poll is accepted also while there is no controller.
 * -1 with errno ENOTCONN (no controller), EAGAIN (it does not read), ENOMEM.
 */
int upstream_request(struct upstream *u, struct conn *c, enum frame_type type,
                     bool is_poll, const struct frame_request *r,
                     uint32_t *slot);

/* All bytes of c's blob are in the descriptor. */
int upstream_body(struct upstream *u, uint32_t slot);

/* The client of this request is gone: no reply is wanted. */
void upstream_abort(struct upstream *u, uint32_t slot);

/* epoll saw something on the socket. */
void upstream_event(struct upstream *u, uint32_t events);

/* At the end of every turn: write what is queued, connect if it is time. */
void upstream_turn(struct upstream *u);

/* Milliseconds until upstream_turn has to be called; -1 = only on events. */
int64_t upstream_wait_ms(const struct upstream *u);

#endif
