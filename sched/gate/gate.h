/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - what the files of fallow-gate share
 *
 * One thread, one epoll.  Clients' connections (conn.c) and the socket of the
 * controller (upstream.c) meet here; neither knows the other's insides.
 */
#ifndef FALLOW_SCHED_GATE_GATE_H
#define FALLOW_SCHED_GATE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "sched/gate/limit.h"
#include "sched/gate/tls.h"
#include "sched/gate/wheel.h"

#define GATE_SCRATCH (64u << 10)

/* What doc/man/fallow-gate.8 calls the configuration. */
struct gate_conf {
    char *listen; /* ADDRESS:PORT */
    char *cert, *key;
    char *ctld;      /* the controller's socket */
    char *port_file; /* or NULL */
    char *user;      /* or NULL */
    bool reuse_port; /* several gates on one port */
    bool confine;    /* system-call filter */
    int64_t max_connections;
    int64_t per_address;
    int64_t handshakes_per_s, handshake_burst;
    int64_t address_handshakes_per_s, address_handshake_burst;
    int64_t header_us, idle_us, reply_us, linger_us;
    int64_t keepalive_us; /* a silent peer is asked whether it lives */
    int64_t min_rate;     /* bytes a second, either way */
    int64_t json_max;     /* request body */
    int64_t blob_max;     /* blob */
    int64_t memory_max;   /* bodies and unsent replies, all together */
    int64_t backlog_max;  /* bytes the controller has not read yet */
};

enum source { SOURCE_LISTEN, SOURCE_SIGNAL, SOURCE_UPSTREAM, SOURCE_CONN };

/* First member of whatever epoll points to. */
struct watched {
    enum source source;
};

struct conn;
struct upstream;

struct gate {
    struct gate_conf conf;
    struct tls *tls;
    struct upstream *up;
    struct addresses *addresses;
    struct wheel wheel;
    struct bucket handshakes;
    int epoll, listener, signals;
    struct watched on_listener, on_signal;
    bool listening; /* the listener is in the epoll */
    int64_t listen_again_ms;
    bool draining; /* SIGTERM came */
    int64_t drain_until_ms;
    int64_t now_ms;
    int64_t n_conns;
    int64_t held;      /* bytes of bodies and unsent replies */
    struct conn *run;  /* have work although their socket is quiet */
    struct conn *all;  /* every connection */
    struct conn *dead; /* closed in this turn; freed at its end */
    uint8_t scratch[GATE_SCRATCH];
};

/* listen.c: open the listening socket, write the port file. */
int gate_listen(struct gate *g, struct error *err);
/* Take what waits at the listener, as far as the limits allow. */
void gate_accept(struct gate *g);
/* Listen again when the limits allow it. */
void gate_listen_more(struct gate *g);
void gate_stop_listening(struct gate *g);

/* confine.c: raise the limit of descriptors; become another user; allow from
 * now on only the system calls that serving needs.
 */
int confine_files(int64_t *max_connections, struct error *err);
int confine_user(const char *name, struct error *err);
int confine_calls(struct error *err);

#endif
