/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h - who this worker is, and of which cell
 *
 *   DIR/node.key       its Ed25519 key, mode 0600, made here, never sent
 *   DIR/identity.conf  what the cell answered at enrolment
 *   DIR/ca.pem         the certificate the cell is known by
 *
 * One state directory is one identity in one cell.
 */
#ifndef FALLOW_WORKER_IDENTITY_H
#define FALLOW_WORKER_IDENTITY_H

#include "common/error.h"
#include "common/http.h"
#include "common/record.h"
#include "common/sign.h"

struct identity {
    char *cell_url;                 /* https://host:port */
    char *ca;                       /* DIR/ca.pem, or NULL: the system's */
    char cell[NAME_MAX_LEN + 1];    /* its name, signed with every request */
    int64_t worker_id, party_id;    /* as the cell numbers us */
    uint8_t cell_key[SIGN_KEY_LEN]; /* what its replies are checked with */
    struct sign_key *key;           /* ours */
};

/* Read it back.  0, or -1 with errno: ENOENT = not enrolled yet. */
int identity_load(const char *dir, struct identity *out, struct error *err);

/* Spend a one-time token and keep what the cell answers.  Safe to repeat with
 * the same token after a crash: the key is on disk before it is spent.
 * 0, or -1 with errno of http_do or http_check.
 */
int identity_enrol(const char *dir, const char *cell_url, const char *token,
                   struct identity *out, struct error *err);

/* Another address of the same cell, kept for next time. */
int identity_move(const char *dir, const char *cell_url, struct identity *i,
                  struct error *err);

/* A client that signs as this worker.  NULL with errno. */
struct http *identity_http(const struct identity *i, struct error *err);

void identity_clear(struct identity *i);

#endif
