/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - any bytes from the other end of the gate's socket
 *
 * The first byte chooses the size of the pieces they come in.  Every frame
 * that is read points into its own payload, and ends there.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/frame.h"
#include "t/fuzz/fuzz.h"

const char fuzz_subject[] = "frames";
/* \xff stands for a zero byte */
const char *const fuzz_samples[] = {
    "\x3f"
    "FLG1\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff\xff\xff\x09",
    "\x07"
    "FLG1\x05\xff\xff\xc8\xff\xff\xff\x13\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff\xff\xff\x09"
    "a: b\r\n\xff"
    "t\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xff{}",
    "\x20"
    "FLG1\x01\xff\xff\xff\xff\xff\xff\x19\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff\xff\xff\x01"
    "GET\xff/x\xff"
    "a\xff"
    "1\xff"
    "2\xff"
    "3\xff"
    "s\xff"
    "p\xff"
    "\xff\xff\xff\xff\xff\xff\xff\xff",
    NULL};

static size_t text_len(const char *s)
{
    return s ? strlen(s) : 0;
}

static void look(const struct frame *f)
{
    volatile uint8_t sum = 0;
    const uint8_t *body = NULL;
    size_t len = 0;

    assert(f->type >= FRAME_REQUEST && f->type <= FRAME_ACCEPT);
    if (f->type == FRAME_REQUEST || f->type == FRAME_HEAD) {
        const struct frame_request *r = &f->request;

        assert(text_len(r->method) + text_len(r->path) + text_len(r->auth) +
                   text_len(r->node) + text_len(r->seq) + text_len(r->time) +
                   text_len(r->sig) + text_len(r->peer) <=
               FRAME_PAYLOAD_MAX);
        body = r->body;
        len = r->body_len;
    } else if (f->type == FRAME_REPLY) {
        assert(text_len(f->reply.headers) + text_len(f->reply.type) <=
               FRAME_PAYLOAD_MAX);
        body = f->reply.body;
        len = f->reply.body_len;
    }
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + body[i]);
    if (f->fd >= 0)
        close(f->fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t step = n ? data[0] % 64 + 1u : 1;
    struct frame_conn *c;
    struct error err = {""};
    struct frame f;
    int fd[2], rc = 0;

    if (n < 2 || n > 65536)
        return 0;
    rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
    assert(rc == 0);
    c = frame_conn_create(fd[0]);
    assert(c);
    for (size_t at = 1; at < n && rc >= 0; at += step) {
        size_t k = n - at < step ? n - at : step;
        uint8_t piece[64];

        for (size_t i = 0; i < k; i++)
            piece[i] = data[at + i] == 0xff ? 0
                       : data[at + i] == 0  ? 0xff
                                            : data[at + i];
        rc = send(fd[1], piece, k, MSG_NOSIGNAL) == (ssize_t)k ? 0 : -1;
        assert(rc == 0 && frame_fill(c) >= 0);
        while ((rc = frame_next(c, &f, &err)) > 0)
            look(&f);
        assert(rc == 0 || (errno == EBADMSG && err.text[0]));
    }
    frame_conn_destroy(c);
    close(fd[1]);
    return 0;
}
