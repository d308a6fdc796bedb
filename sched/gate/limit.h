/* SPDX-License-Identifier: Apache-2.0 */
/* limit.h - how much one address, and all together, may ask of the gate
 *
 * Token buckets for handshakes (0.3 ms of CPU each) and a count of open
 * connections per address.  An IPv6 address stands for its /64.  Times are
 * passed in, milliseconds.
 */
#ifndef FALLOW_SCHED_GATE_LIMIT_H
#define FALLOW_SCHED_GATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct bucket {
    int64_t milli; /* thousandths of a token left */
    int64_t at_ms;
};

/* A full bucket. */
void bucket_init(struct bucket *b, int64_t burst, int64_t now_ms);

/* Take one token of a bucket that gains rate a second up to burst. */
bool bucket_take(struct bucket *b, int64_t rate, int64_t burst, int64_t now_ms);

/* Milliseconds until there is a token. */
int64_t bucket_wait_ms(const struct bucket *b, int64_t rate, int64_t now_ms);

struct limits {
    int64_t per_address; /* connections */
    int64_t rate, burst; /* handshakes of one address */
};

struct addresses;
struct address; /* one client address with an open connection */

struct addresses *addresses_create(const struct limits *l); /* NULL = ENOMEM */
void addresses_destroy(struct addresses *t);

/* A connection from sa: its address, held until address_leave; NULL with
 * errno EAGAIN (over a limit), EAFNOSUPPORT or ENOMEM.
 */
struct address *address_enter(struct addresses *t, const struct sockaddr *sa,
                              int64_t now_ms);
void address_leave(struct address *a);

#endif
