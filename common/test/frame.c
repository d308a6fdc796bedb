/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - frames cross a socket pair, whole, in pieces and hostile */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/frame.h"
#include "t/tap.h"

struct pair {
    struct frame_conn *a, *b;
};

static struct pair pair_create(void)
{
    struct pair p = {0};
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        skip_all("no socket pair");
    p.a = frame_conn_create(sv[0]);
    p.b = frame_conn_create(sv[1]);
    return p;
}

static void pair_destroy(struct pair *p)
{
    frame_conn_destroy(p->a);
    frame_conn_destroy(p->b);
}

static struct frame request(const void *body, size_t len)
{
    struct frame f = {.type = FRAME_REQUEST, .req = 0x1122334455667788u};

    f.request = (struct frame_request){.method = "POST",
                                       .path = "/v1/lease?x=1",
                                       .auth = "Bearer a",
                                       .node = "7",
                                       .seq = "12",
                                       .time = "1790000000000",
                                       .sig = "c2ln",
                                       .peer = "::1",
                                       .body = body,
                                       .body_len = len};
    return f;
}

/* Move bytes until b has a frame: 1, or 0 when nothing more comes. */
static int pump(struct pair *p, struct frame *f, struct error *err)
{
    for (;;) {
        int flushed = frame_flush(p->a), n, got;

        if (flushed < 0)
            return -1;
        got = frame_fill(p->b);
        n = frame_next(p->b, f, err);
        if (n != 0)
            return n;
        if (got <= 0 && flushed == 1)
            return got;
    }
}

static void a_request_arrives_as_it_was_sent(void)
{
    struct pair p = pair_create();
    struct error err;
    struct frame f = request("{\"want\":1}", 10), g;

    is_int(frame_send(p.a, &f, -1), 0, "a request is queued");
    is_int(pump(&p, &g, &err), 1, "and arrives");
    is_int(g.type, FRAME_REQUEST, "its type is kept");
    ok(g.req == f.req, "its handle is kept");
    is_str(g.request.path, "/v1/lease?x=1", "its path is kept");
    is_str(g.request.node, "7", "its node is kept");
    is_str(g.request.peer, "::1", "its peer is kept");
    ok(g.request.body_len == 10 &&
           memcmp(g.request.body, "{\"want\":1}", 10) == 0,
       "its body is kept");
    is_int(g.fd, -1, "no descriptor came along");
    is_int(frame_next(p.b, &g, &err), 0, "there is no second frame");
    pair_destroy(&p);
}

static void absent_texts_are_empty(void)
{
    struct pair p = pair_create();
    struct error err;
    struct frame f = {.type = FRAME_HEAD, .req = 1}, g;

    f.request.method = "PUT";
    f.request.blob_len = 1ull << 32;
    frame_send(p.a, &f, -1);
    is_int(pump(&p, &g, &err), 1, "a head without texts arrives");
    is_str(g.request.auth, "", "an absent text is empty");
    ok(g.request.blob_len == 1ull << 32, "the blob's length is kept");
    pair_destroy(&p);
}

static void descriptors_stay_with_their_frames(void)
{
    struct pair p = pair_create();
    struct error err;
    struct frame f = {.type = FRAME_ACCEPT}, g;
    int n_ok = 0;

    for (int i = 0; i < 20; i++) {
        int fd[2];
        char text[16];
        int len = snprintf(text, sizeof(text), "fd %d", i);

        if (pipe(fd) < 0 || write(fd[1], text, (size_t)len) != len)
            break;
        f.req = (uint64_t)i;
        f.type = i % 3 == 2 ? FRAME_BODY : FRAME_ACCEPT;
        frame_send(p.a, &f, f.type == FRAME_ACCEPT ? fd[0] : -1);
        close(fd[0]);
        close(fd[1]);
    }
    for (int i = 0; i < 20; i++) {
        char text[16] = "", want[16];

        if (pump(&p, &g, &err) != 1 || g.req != (uint64_t)i)
            break;
        snprintf(want, sizeof(want), "fd %d", i);
        if (i % 3 == 2) {
            n_ok += g.fd == -1;
        } else {
            n_ok += read(g.fd, text, 15) > 0 && strcmp(text, want) == 0;
            close(g.fd);
        }
    }
    is_int(n_ok, 20, "each of 20 frames has its own descriptor or none");
    pair_destroy(&p);
}

static void a_large_frame_arrives_in_pieces(void)
{
    struct pair p = pair_create();
    struct error err;
    size_t len = 5u << 20;
    uint8_t *body = malloc(len);
    struct frame f, g;

    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    f = request(body, len);
    frame_send(p.a, &f, -1);
    f.type = FRAME_ABORT;
    frame_send(p.a, &f, -1);
    is_int(frame_flush(p.a), 0, "a socket buffer does not hold 5 MiB");
    ok(frame_conn_pending(p.a) > 0, "the rest is pending");
    is_int(pump(&p, &g, &err), 1, "the whole frame arrives all the same");
    ok(g.request.body_len == len && memcmp(g.request.body, body, len) == 0,
       "byte for byte");
    is_int(pump(&p, &g, &err), 1, "the next frame follows");
    is_int(g.type, FRAME_ABORT, "and is an abort");
    is_int(frame_conn_pending(p.a), 0, "nothing is pending");
    free(body);
    pair_destroy(&p);
}

static void a_large_reply_is_passed_as_a_descriptor(void)
{
    struct pair p = pair_create();
    struct error err;
    size_t len = FRAME_PAYLOAD_MAX + 4321;
    char *body = malloc(len), *got = malloc(len);
    struct frame f = {.type = FRAME_REPLY, .req = 5}, g;

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i % 251);
    f.reply = (struct frame_reply){.status = 200,
                                   .headers = "A: b\r\n",
                                   .type = "x/y",
                                   .body = (uint8_t *)body,
                                   .body_len = len};
    is_int(frame_send(p.a, &f, -1), 0, "a reply over 32 MiB is queued");
    ok(frame_conn_pending(p.a) < 200, "its body takes no room in the socket");
    is_int(pump(&p, &g, &err), 1, "it arrives");
    ok(g.fd >= 0 && g.reply.blob_len == len && g.reply.body_len == 0,
       "as a descriptor and a length");
    is_str(g.reply.headers, "A: b\r\n", "with its headers");
    ok(pread(g.fd, got, len, 0) == (ssize_t)len && memcmp(got, body, len) == 0,
       "byte for byte");
    close(g.fd);
    free(got);
    free(body);
    pair_destroy(&p);
}

static void too_large_is_refused_at_once(void)
{
    struct pair p = pair_create();
    struct frame f = request("", FRAME_PAYLOAD_MAX);

    is_int(frame_send(p.a, &f, -1), -1, "a frame over 32 MiB is refused");
    is_int(errno, EMSGSIZE, "with EMSGSIZE");
    is_int(frame_conn_pending(p.a), 0, "and nothing was queued");
    pair_destroy(&p);
}

static void header(uint8_t h[24], int type, int flags, uint32_t len)
{
    memset(h, 0, 24);
    put_u32be(h, 0x464c4731u);
    h[4] = (uint8_t)type;
    h[5] = (uint8_t)flags;
    put_u32be(h + 8, len);
}

static void hostile(const char *what, const uint8_t *bytes, size_t n)
{
    struct error err = {""};
    struct frame_conn *c;
    struct frame f;
    int sv[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        return;
    c = frame_conn_create(sv[1]);
    rc = write(sv[0], bytes, n) == (ssize_t)n ? 0 : -2;
    if (rc == 0 && frame_fill(c) == 1) {
        rc = frame_next(c, &f, &err);
        ok(rc == -1 && errno == EBADMSG && err.text[0], "%s is refused: %s",
           what, err.text);
    } else {
        ok(false, "%s was sent", what);
    }
    close(sv[0]);
    frame_conn_destroy(c);
}

static void hostile_bytes_are_refused(void)
{
    uint8_t b[256];

    header(b, FRAME_REQUEST, 0, 0xffffffffu);
    hostile("a length of 4 GiB", b, 24);
    header(b, FRAME_REQUEST, 0, FRAME_PAYLOAD_MAX + 1);
    hostile("a length one over the limit", b, 24);
    header(b, FRAME_REQUEST, 0, 16);
    memset(b + 24, 'x', 16);
    hostile("a text without end", b, 40);
    header(b, FRAME_REQUEST, 0, 12);
    memset(b + 24, 0, 12);
    hostile("a payload too short for its length field", b, 36);
    header(b, FRAME_REQUEST, 0, 0);
    hostile("a request without payload", b, 24);
    header(b, FRAME_BODY, 0, 1);
    hostile("a payload where none belongs", b, 25);
    header(b, 0, 0, 0);
    hostile("type 0", b, 24);
    header(b, 7, 0, 0);
    hostile("type 7", b, 24);
    header(b, FRAME_ACCEPT, FRAME_FD, 0);
    hostile("a descriptor that was only promised", b, 24);
    header(b, FRAME_ACCEPT, 0, 0);
    hostile("an accept without descriptor", b, 24);
    header(b, FRAME_BODY, 2, 0);
    hostile("an unknown flag", b, 24);
    header(b, FRAME_BODY, 0, 0);
    b[0] = 'G';
    hostile("a wrong magic", b, 24);
    header(b, FRAME_BODY, 0, 0);
    b[15] = 1;
    hostile("a reserved field that is not zero", b, 24);
}

static void a_closed_peer_is_told_from_nothing_now(void)
{
    struct pair p = pair_create();

    is_int(frame_fill(p.b), 0, "nothing there is 0");
    frame_conn_destroy(p.a);
    errno = EIO;
    ok(frame_fill(p.b) == -1 && errno == 0, "closed is -1 with errno 0");
    frame_conn_destroy(p.b);
}

int main(void)
{
    a_request_arrives_as_it_was_sent();
    absent_texts_are_empty();
    descriptors_stay_with_their_frames();
    a_large_frame_arrives_in_pieces();
    a_large_reply_is_passed_as_a_descriptor();
    too_large_is_refused_at_once();
    hostile_bytes_are_refused();
    a_closed_peer_is_told_from_nothing_now();
    done_testing();
    return exit_status();
}
