/* SPDX-License-Identifier: Apache-2.0 */
/* pieces.h - one items file into several, several results files into one */
#ifndef FALLOW_SCHED_CMD_PIECES_H
#define FALLOW_SCHED_CMD_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/items.h"

/* Larger files are refused before they are read. */
#define PIECES_FILE_MAX ((size_t)4 << 30)

/* A whole items file in memory. */
struct pieces {
    void *buf;
    struct item *items;
    size_t n;
};

/* Read it.  Returns 0, or -1 with errno as file_read and items_parse. */
int pieces_open(struct pieces *p, const char *path, struct error *err);
void pieces_close(struct pieces *p);

/* Items first … first + n - 1 as an items file: *buf is freed by the caller.
 */
int pieces_format(const struct pieces *p, size_t first, size_t n, void **buf,
                  size_t *len, struct error *err);

/* Results files put one behind the other. */
struct joiner;

struct joiner *joiner_create(struct error *err);
void joiner_destroy(struct joiner *j);

/* Take over buf, a results file of len bytes that came from `from`.  Returns
 * 0, or -1 with errno EBADMSG, or ENOMEM; buf is then freed.
 */
int joiner_add(struct joiner *j, void *buf, size_t len, const char *from,
               struct error *err);
int joiner_add_file(struct joiner *j, const char *path, struct error *err);
size_t joiner_count(const struct joiner *j);

/* Write all results, in the order added. */
int joiner_write(const struct joiner *j, const char *path, struct error *err);

#endif
