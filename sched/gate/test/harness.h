/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - a gate, a fake controller and clients of all manners
 *
 * Everything lives in a scratch directory and ends with rig_destroy.
 */
#ifndef FALLOW_SCHED_GATE_TEST_HARNESS_H
#define FALLOW_SCHED_GATE_TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

struct rig {
    char dir[64];
    char base[64]; /* https://127.0.0.1:PORT */
    char ca[96];
    int port;
    pid_t gate, ctld;
    SSL_CTX *tls;
};

/* Start both; settings are NULL-terminated KEY=VALUE words.  Skips the whole
 * test when fallow-gate was not built.
 */
void rig_create(struct rig *r, const char *const *settings);
void rig_destroy(struct rig *r);
void rig_start_ctld(struct rig *r);
void rig_kill_ctld(struct rig *r);         /* -9, and waits for it */
int rig_stop_gate(struct rig *r, int sig); /* its wait status */
/* kill -9, and a new one on the same port. */
void rig_restart_gate(struct rig *r, const char *const *settings);
long rig_rss_kib(const struct rig *r); /* of the gate */
int rig_sockets(const struct rig *r);  /* descriptors of the gate */
/* A member of /count, asked over a connection of its own. */
int rig_count(struct rig *r, const char *member);
/* Wait up to 10 s until /count's member is n. */
bool rig_wait_count(struct rig *r, const char *member, int n);

/* A TLS client that says exactly what it is told. */
struct client {
    int fd;
    SSL *ssl;
};

int plain_connect(const struct rig *r); /* TCP alone: descriptor or -1 */
bool client_open(struct rig *r, struct client *c); /* with handshake */
void client_close(struct client *c);               /* politely */
void client_drop(struct client *c);                /* RST */
bool client_send(struct client *c, const void *p, size_t n);
bool client_say(struct client *c, const char *text);

struct heard {
    int status; /* -1 = the connection ended first */
    char head[2048];
    char *body; /* NUL-terminated, malloc'ed */
    size_t len;
};

/* Read one reply of at most 10 s; is_head: no body follows. */
void client_hear(struct client *c, struct heard *h, bool is_head);
void heard_clear(struct heard *h);
/* Wait up to ms for the other side to close: true when it did. */
bool client_closed(struct client *c, int ms);

/* Open, say, hear, close: the status. */
int once(struct rig *r, const char *text);
int once_n(struct rig *r, const void *p, size_t n);

void pause_ms(int ms);

#endif
