/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap.c - what a cell has from its first start
 *
 * Party 1 is the cell itself; one tariff per kernel; one operator's token,
 * written to admin_token_file (0600) and stored as its hash.
 */
#include "sched/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "sched/api/api.h"

/* Tariffs of a new cell, for every zone.  embed: 1 GPUC = 1.0e17
 * multiply-accumulates (kernels.md "Units"), 0.24 USD (accounting.md, worked
 * example), so micro-credits = units / 1e11.  echo: 1 CPUC = 10,000 items, 0.04
 * USD.
 */
static const struct rec_tariff first_tariffs[] = {
    {.kernel = "embed",
     .unit = "USD",
     .credit_unit = "GPUC",
     .price_micro = 240000,
     .rate_num = 1,
     .rate_den = 100000000000,
     .fee_ppm = 100000},
    {.kernel = "echo",
     .unit = "USD",
     .credit_unit = "CPUC",
     .price_micro = 40000,
     .rate_num = 100,
     .rate_den = 1,
     .fee_ppm = 100000},
};

static int first_party(struct ctl *c, struct error *err)
{
    struct event ev = {.type = EV_PARTY, .req = 1};
    const struct answer *a;

    snprintf(ev.party.name, sizeof(ev.party.name), "%s", c->conf.cell_name);
    ev.party.party_id = 1;
    ev.party.roles = ROLE_CELL | ROLE_OWNER | ROLE_CUSTOMER;
    a = ctl_step(c, &ev);
    if (!a || a->code != 0 || a->id != 1)
        return error_set(err, EPROTO, "could not make the cell's party: %s",
                         a ? a->err.text : "no answer");
    for (size_t i = 0; i < sizeof(first_tariffs) / sizeof(first_tariffs[0]);
         i++) {
        struct event t = {.type = EV_TARIFF, .req = 1};

        t.tariff = first_tariffs[i];
        t.tariff.tariff_id = (int64_t)i + 1;
        a = ctl_step(c, &t);
        if (!a || a->code != 0)
            return error_set(err, EPROTO, "could not add the tariff of %s: %s",
                             t.tariff.kernel, a ? a->err.text : "no answer");
    }
    return 0;
}

static int write_token(const char *path, const char *hex, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || dprintf(fd, "%s\n", hex) != 65 || fsync(fd) < 0) {
        int code = errno;

        if (fd >= 0)
            close(fd);
        return error_set(err, code, "could not write \"%s\": %s", path,
                         strerror(code));
    }
    close(fd);
    return 0;
}

/* The token in the file, if it is one the cell knows. */
static bool token_stands(struct ctl *c)
{
    char hex[80] = "";
    struct digest hash;
    FILE *f = fopen(c->conf.admin_token_file, "re");
    bool known = false;

    if (f && fgets(hex, sizeof(hex), f) && strlen(hex) == 65) {
        digest_of(hex, 64, &hash);
        known = book_token(c->book, &hash) != NULL;
    }
    if (f)
        fclose(f);
    return known;
}

static int first_token(struct ctl *c, struct error *err)
{
    struct record r = {.type = REC_TOKEN};
    uint8_t secret[32];
    char hex[65];

    if (random_bytes(secret, sizeof(secret)) < 0)
        return error_set(err, errno, "no random bytes");
    bytes_to_hex(secret, sizeof(secret), hex);
    digest_of(hex, 64, &r.token.hash);
    r.token.kind = TOKEN_ADMIN;
    r.token.party_id = 1;
    r.token.created_us = ctl_now_us();
    if (ctl_record(c, &r) < 0)
        return error_set(err, ENOMEM, "out of memory");
    return write_token(c->conf.admin_token_file, hex, err);
}

int ctl_bootstrap(struct ctl *c, struct error *err)
{
    struct rec_party cell;

    if (!cell_party(c->cell, 1, &cell) && first_party(c, err) < 0)
        return -1;
    if (!token_stands(c) && first_token(c, err) < 0)
        return -1;
    return 0;
}
