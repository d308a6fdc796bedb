/* SPDX-License-Identifier: Apache-2.0 */
/* blob.c - blobs in and out
 *
 * A digest grants nothing: a user reads what his party uploaded, a worker the
 * parameters of leases it was granted; whether others have a blob is not told.
 */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/blob/blob.h"

#define UPLOADS_MAX 256
#define UPLOADS_PARTY_MAX 64 /* of them, so that one party does not fill it */
#define USER_BLOB_MAX ((uint64_t)4 << 30)
#define WORKER_BLOB_MAX ((uint64_t)256 << 20)

/* An upload between its head and its last byte. */
struct upload {
    struct upload *next;
    struct call call;
    struct digest digest;
    uint64_t size;
    int fd;
};

struct uploads {
    struct upload *first;
    size_t n;
};

/* Uploads outlive a dropped state: they only touch the blob store. */
static struct uploads uploads;

static int path_digest(struct call *call, struct digest *out)
{
    const char *hex = call->path + strlen("/v1/blob/");

    if (digest_from_hex(hex, out) == 0)
        return 0;
    call_refuse(call, EINVAL, "the path does not end in 64 hex digits");
    return -1;
}

struct wanted {
    struct ctl *c;
    const struct digest *d;
};

static bool names_it(void *arg, const struct digest *params)
{
    const struct wanted *w = arg;

    return inputs_in_manifest(w->c->inputs, params, w->d);
}

static bool may_read(struct call *call, const struct digest *d)
{
    struct wanted w = {call->ctl, d};

    if (call->who == WHO_WORKER)
        return book_any_grant(call->ctl->book, call->worker_id, names_it, &w);
    return book_owns_blob(call->ctl->book, call->party_id, d);
}

void route_blob_get(struct call *call)
{
    struct digest d;
    struct error err;
    uint64_t size;
    int fd;

    if (path_digest(call, &d) < 0)
        return;
    if (!may_read(call, &d)) {
        call_refuse(call, ENOENT, "no such blob");
        return;
    }
    fd = blob_dir.get(call->ctl->blobs, &d, &size, &err);
    if (fd < 0)
        call_refuse(call, ENOENT, err.text);
    else
        call_file(call, fd, size);
}

void route_blob_head(struct call *call)
{
    struct digest d;

    if (path_digest(call, &d) < 0)
        return;
    if (book_owns_blob(call->ctl->book, call->party_id, &d))
        call_bytes(call, 200, "application/octet-stream", "", 0);
    else
        call_refuse(call, ENOENT, "no such blob");
}

uint8_t *api_blob_bytes(struct ctl *c, const struct digest *d, size_t *len,
                        struct error *err)
{
    uint64_t size;
    int fd = blob_dir.get(c->blobs, d, &size, err);
    uint8_t *p = fd < 0 || size > WORKER_BLOB_MAX ? NULL : malloc(size + 1);
    size_t off = 0;

    while (p && off < size) {
        ssize_t k = read(fd, p + off, size - off);

        if (k <= 0) {
            free(p);
            p = NULL;
            break;
        }
        off += (size_t)k;
    }
    if (fd >= 0)
        close(fd);
    if (!p && fd >= 0)
        error_set(err, EIO, "could not read a results blob");
    *len = size;
    return p;
}

/* Uploads a party has under way. */
static size_t uploads_of(int64_t party_id)
{
    size_t n = 0;

    for (struct upload *u = uploads.first; u; u = u->next)
        n += u->call.party_id == party_id;
    return n;
}

/* FRAME_HEAD: open a file for it and let the gate fill it. */
void route_blob_put(struct call *call)
{
    uint64_t max = call->who == WHO_WORKER ? WORKER_BLOB_MAX : USER_BLOB_MAX;
    struct frame f = {.type = FRAME_ACCEPT, .req = call->req, .fd = -1};
    struct upload *u;
    struct error err;
    char text[96];

    if (call->in->blob_len > max) {
        snprintf(text, sizeof(text), "blob of %ju bytes, at most %ju",
                 (uintmax_t)call->in->blob_len, (uintmax_t)max);
        call_refuse(call, EFBIG, text);
        return;
    }
    u = uploads.n < UPLOADS_MAX &&
                uploads_of(call->party_id) < UPLOADS_PARTY_MAX
            ? calloc(1, sizeof(*u))
            : NULL;
    if (!u) {
        call_refuse(call, EAGAIN, "too many uploads at once");
        return;
    }
    if (path_digest(call, &u->digest) < 0) {
        free(u);
        return;
    }
    u->fd = blob_dir.begin(call->ctl->blobs, &err);
    if (u->fd < 0) {
        free(u);
        call_refuse(call, EAGAIN, err.text);
        return;
    }
    u->call = *call;
    u->call.in = NULL;
    u->call.query = NULL;
    u->size = call->in->blob_len;
    u->next = uploads.first;
    uploads.first = u;
    uploads.n++;
    f.flags = FRAME_FD;
    gates_send(call->ctl->gates, call->gate, &f, u->fd);
}

static struct upload **find_upload(uint64_t gate, uint64_t req)
{
    struct upload **p = &uploads.first;

    while (*p && ((*p)->call.gate != gate || (*p)->call.req != req))
        p = &(*p)->next;
    return p;
}

void api_body(struct ctl *c, uint64_t gate, const struct frame *f)
{
    struct upload **p = find_upload(gate, f->req), *u = *p;

    if (!u)
        return;
    *p = u->next;
    if (ingest_put(c->ingest, u->fd, &u->digest, u->size, u) == 0)
        return;
    call_refuse(&u->call, EAGAIN, "out of memory: try again");
    uploads.n--;
    close(u->fd);
    free(u);
}

static void uploaded(struct ctl *c, struct upload *u,
                     const struct ingested *done)
{
    struct record r = {.type = REC_BLOB};

    if (done->code) {
        call_refuse(&u->call, done->code == EBADMSG ? EEXIST : done->code,
                    done->err.text);
        return;
    }
    if (!c->commit) {
        call_refuse(&u->call, EAGAIN, "the cell's database is away");
        return;
    }
    r.blob.digest = u->digest;
    r.blob.party_id = u->call.party_id;
    r.blob.size = (int64_t)u->size;
    r.blob.at_us = ctl_now_us();
    if (book_owns_blob(c->book, r.blob.party_id, &u->digest) ||
        ctl_record(c, &r) == 0)
        call_json(&u->call, 200, json_object());
    else
        call_refuse(&u->call, ENOMEM, "out of memory");
}

void api_ingested(struct ctl *c)
{
    struct ingested done;

    while (ingest_next(c->ingest, &done)) {
        struct upload *u = done.arg;

        uploaded(c, u, &done);
        uploads.n--;
        free(u);
    }
}

void api_abort(struct ctl *c, uint64_t gate, uint64_t req)
{
    struct upload **p = &uploads.first;

    (void)c;
    while (*p) {
        struct upload *u = *p;

        if (u->call.gate == gate && (req == 0 || u->call.req == req)) {
            *p = u->next;
            uploads.n--;
            close(u->fd);
            free(u);
        } else {
            p = &u->next;
        }
    }
}
