/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - a customer's connection to a cell
 *
 * What a command needs to know stands in client.conf, which `fallow up` writes
 * and a cell's operator hands out: url, ca (the cell's certificate), cell
 * (its name), token (or token_file).
 */
#ifndef FALLOW_SCHED_CMD_CLIENT_H
#define FALLOW_SCHED_CMD_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/error.h"
#include "common/http.h"

struct client {
    struct http *http;
    char *url, *ca, *cell, *token, *token_file;
    char *state;         /* directory, see client_state_dir */
    char *conf;          /* path of client.conf */
    int64_t patience_us; /* how long a cell may be away before we give up */
    const volatile sig_atomic_t *stop; /* or NULL */
};

/* The directory with a user's own state: $FALLOW_STATE, else
 * /var/lib/fallow for root, else $XDG_STATE_HOME/fallow, else
 * ~/.local/state/fallow.  Allocated; NULL with errno ENOENT (no home) or
 * ENOMEM.
 */
char *client_state_dir(struct error *err);

/* Read $FALLOW_CONF, else client.conf in the state directory.  Returns 0, or
 * -1 with errno of reading it; nothing is sent yet.
 */
int client_open(struct client *c, struct error *err);
void client_close(struct client *c);

/* Another connection to the same cell, for a thread of its own. */
int client_again(struct client *c, const struct client *like,
                 struct error *err);

/* One request with an optional JSON body (borrowed); *reply, which may be
 * NULL, receives the decoded answer.  Only for requests that may be repeated:
 * while the cell is away (connection refused or broken, 429, 503) it is asked
 * again for patience_us.  Returns 0, or -1 with errno as http_do and
 * http_check.
 */
int client_call(struct client *c, const char *method, const char *path,
                const json_t *body, const char *what, json_t **reply,
                struct error *err);

/* Upload len bytes under their digest, unless the cell has them from us:
 * *sent says whether they travelled.
 */
int client_put(struct client *c, const char *digest_hex, const void *buf,
               size_t len, bool *sent, struct error *err);
int client_put_file(struct client *c, const char *digest_hex, const char *path,
                    bool *sent, struct error *err);

/* Whether errno says that the cell could not be reached. */
bool client_is_away(int code);

/* Microseconds since 1970. */
int64_t client_now_us(void);

/* Sleep, at most; returns at once when *stop is set. */
void client_pause(const volatile sig_atomic_t *stop, int64_t us);

#endif
