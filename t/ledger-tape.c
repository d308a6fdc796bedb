/* SPDX-License-Identifier: Apache-2.0 */
/* ledger-tape.c - play a fleet's tape into the store, and start from it
 *
 *   ledger-tape CONNINFO SCHEMA_DIR TAPE
 *
 * Every batch of the tape (t/fleet/fleet --tape) is committed as it was; then
 * all is read back into a fresh core, which must accept it and find no
 * contradiction in it.  Exit status: 0, or 1 with the reason.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/store.h"
#include "sched/core/cell.h"

static void fail(const char *what, const struct error *err)
{
    fprintf(stderr, "ledger-tape: %s: %s\n", what, err->text);
    exit(1);
}

static void get(FILE *tape, void *data, size_t len)
{
    if (fread(data, len, 1, tape) != 1) {
        fprintf(stderr, "ledger-tape: the tape is cut off\n");
        exit(1);
    }
}

/* Pointers on the tape mean nothing here: only the units of a job follow. */
static void get_record(FILE *tape, struct record *r)
{
    get(tape, r, sizeof(*r));
    if (r->type == REC_JOB) {
        r->job.blobs = NULL;
        if (r->job.task_units) {
            size_t size = r->job.tasks * sizeof(*r->job.task_units);
            int64_t *units = malloc(size);

            if (!units)
                abort();
            get(tape, units, size);
            r->job.task_units = units;
        }
    } else if (r->type == REC_RESULT) {
        r->result.bytes = r->result.map = NULL;
        r->result.len = r->result.map_len = 0;
    } else if (r->type == REC_VERDICT) {
        r->verdict.expected = NULL;
        r->verdict.expected_len = 0;
    }
}

static void commit(struct store *s, struct store_batch *b)
{
    enum store_status st = STORE_LOST;
    struct error err = {""};

    if (store_send(s, b, &err) == 0)
        while ((st = store_poll(s, &err)) == STORE_WAITING) {
            bool w;
            struct pollfd p = {.fd = store_fd(s, &w)};

            p.events = (short)(POLLIN | (w ? POLLOUT : 0));
            poll(&p, 1, 1000);
        }
    if (st != STORE_COMMITTED)
        fail("a batch was refused", &err);
    store_batch_reset(b);
}

static uint64_t play(struct store *s, FILE *tape)
{
    struct store_batch *b = store_batch_create(s);
    uint64_t batches = 0;
    uint32_t n;

    while (fread(&n, sizeof(n), 1, tape) == 1) {
        for (uint32_t i = 0; i < n; i++) {
            struct record r;

            get_record(tape, &r);
            if (store_put(b, &r, 1) < 0)
                abort();
            if (r.type == REC_JOB)
                free((void *)(uintptr_t)r.job.task_units);
        }
        commit(s, b);
        batches++;
    }
    store_batch_destroy(b);
    return batches;
}

struct restore {
    struct cell *cell;
    uint64_t records;
    int64_t last_us;
};

static int restore_one(void *arg, const struct record *r, struct error *err)
{
    struct restore *to = arg;

    to->records++;
    if (r->type == REC_RESULT && r->result.received_us > to->last_us)
        to->last_us = r->result.received_us;
    return cell_restore(to->cell, r, err);
}

static void start_again(struct store *s)
{
    struct cell_conf conf;
    struct restore to = {.last_us = 1};
    struct error err = {""};

    cell_conf_default(&conf);
    conf.cell_party = 1;
    conf.epoch = 1000;
    to.cell = cell_create(&conf);
    if (!to.cell)
        abort();
    if (store_load(s, INT64_MAX / 2, INT64_MAX / 2, restore_one, &to, &err) < 0)
        fail("could not start from what was stored", &err);
    if (cell_restored(to.cell, to.last_us, &err) < 0 ||
        cell_check(to.cell, false, &err) < 0)
        fail("the restored state contradicts itself", &err);
    printf("%ju records restored\n", (uintmax_t)to.records);
    cell_destroy(to.cell);
}

int main(int argc, char **argv)
{
    struct error err;
    struct store *s;
    FILE *tape;

    if (argc != 4) {
        fprintf(stderr, "usage: ledger-tape CONNINFO SCHEMA TAPE\n");
        return 2;
    }
    tape = fopen(argv[3], "re");
    if (!tape) {
        fprintf(stderr, "ledger-tape: %s: %s\n", argv[3], strerror(errno));
        return 2;
    }
    s = store_open(argv[1], argv[2], 5000000, &err);
    if (!s)
        fail("could not open the store", &err);
    printf("%ju batches played\n", (uintmax_t)play(s, tape));
    fclose(tape);
    start_again(s);
    store_close(s);
    return 0;
}
