/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - what fallow-gate and fallowctld say to each other
 *
 * A descriptor travels with the first byte of its frame, so it has arrived
 * when the frame is whole; received ones wait in order in `got`.
 */
#include "common/frame.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"

#define MAGIC 0x464c4731u /* "FLG1" */
#define READ_CHUNK (64u << 10)
#define KEEP_MAX (1u << 20) /* an emptied buffer larger than this is freed */
#define FDS_MAX 64          /* descriptors received and not yet claimed */
#define STRINGS_MAX 8

struct buffer {
    uint8_t *p;
    size_t head, len, cap; /* bytes p[head .. head + len) */
};

struct passed {
    uint64_t at; /* stream offset of its frame's first byte */
    int fd;
};

struct frame_conn {
    int fd;
    struct buffer in, out;
    uint64_t sent; /* stream offset of out's first byte */
    struct passed *pass;
    size_t n_pass, cap_pass;
    int got[FDS_MAX];
    size_t n_got;
    size_t used; /* bytes of `in` the frame last returned takes */
};

struct frame_conn *frame_conn_create(int fd)
{
    struct frame_conn *c = calloc(1, sizeof(*c));
    int flags;

    if (!c)
        return NULL;
    c->fd = fd;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

void frame_conn_destroy(struct frame_conn *c)
{
    if (c) {
        int saved_errno = errno;

        for (size_t i = 0; i < c->n_pass; i++)
            close(c->pass[i].fd);
        for (size_t i = 0; i < c->n_got; i++)
            close(c->got[i]);
        close(c->fd);
        free(c->pass);
        free(c->in.p);
        free(c->out.p);
        free(c);
        errno = saved_errno;
    }
}

int frame_conn_fd(const struct frame_conn *c)
{
    return c->fd;
}

size_t frame_conn_pending(const struct frame_conn *c)
{
    return c->out.len;
}

/* Make room for n more bytes behind what is there. */
static int reserve(struct buffer *b, size_t n)
{
    size_t cap = b->cap ? b->cap : READ_CHUNK;
    uint8_t *p;

    if (b->cap - b->head - b->len >= n && b->p)
        return 0;
    if (b->head) {
        memmove(b->p, b->p + b->head, b->len);
        b->head = 0;
    }
    while (cap - b->len < n)
        cap *= 2;
    if (cap == b->cap)
        return 0;
    p = realloc(b->p, cap);
    if (!p)
        return -1;
    b->p = p;
    b->cap = cap;
    return 0;
}

static void consume(struct buffer *b, size_t n)
{
    b->head += n;
    b->len -= n;
    if (b->len > 0)
        return;
    b->head = 0;
    if (b->cap > KEEP_MAX) {
        free(b->p);
        b->p = NULL;
        b->cap = 0;
    }
}

/* ---- the payloads --------------------------------------------------- */

struct payload {
    const char *text[STRINGS_MAX];
    size_t n_text;
    uint64_t blob_len;
    const uint8_t *body;
    size_t body_len;
};

static void payload_of(const struct frame *f, struct payload *p)
{
    const struct frame_request *q = &f->request;

    memset(p, 0, sizeof(*p));
    if (f->type == FRAME_REQUEST || f->type == FRAME_HEAD) {
        const char *text[] = {q->method, q->path, q->auth, q->node,
                              q->seq,    q->time, q->sig,  q->peer};

        memcpy(p->text, text, sizeof(text));
        p->n_text = 8;
        p->blob_len = q->blob_len;
        p->body = q->body;
        p->body_len = q->body_len;
    } else if (f->type == FRAME_REPLY) {
        p->text[0] = f->reply.headers;
        p->text[1] = f->reply.type;
        p->n_text = 2;
        p->blob_len = f->reply.blob_len;
        p->body = f->reply.body;
        p->body_len = f->reply.body_len;
    }
}

static void payload_to(struct frame *f, const struct payload *p)
{
    if (f->type == FRAME_REQUEST || f->type == FRAME_HEAD)
        f->request = (struct frame_request){
            .method = p->text[0],
            .path = p->text[1],
            .auth = p->text[2],
            .node = p->text[3],
            .seq = p->text[4],
            .time = p->text[5],
            .sig = p->text[6],
            .peer = p->text[7],
            .blob_len = p->blob_len,
            .body = p->body,
            .body_len = p->body_len,
        };
    else if (f->type == FRAME_REPLY) {
        uint16_t status = f->reply.status;

        f->reply = (struct frame_reply){
            .status = status,
            .headers = p->text[0],
            .type = p->text[1],
            .blob_len = p->blob_len,
            .body = p->body,
            .body_len = p->body_len,
        };
    }
}

static size_t strings_of(uint8_t type)
{
    switch (type) {
    case FRAME_REQUEST:
    case FRAME_HEAD: return 8;
    case FRAME_REPLY: return 2;
    default: return 0;
    }
}

/* ---- out ------------------------------------------------------------ */

static int pass_queue(struct frame_conn *c, int fd)
{
    struct passed *v = c->pass;

    if (c->n_pass == c->cap_pass) {
        size_t cap = c->cap_pass ? c->cap_pass * 2 : 8;

        v = reallocarray(c->pass, cap, sizeof(*v));
        if (!v)
            return -1;
        c->pass = v;
        c->cap_pass = cap;
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    v[c->n_pass].at = c->sent + c->out.len;
    v[c->n_pass++].fd = fd;
    return 0;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

/* A reply with a large body: the body goes into memory of its own, which the
 * other side reads as a descriptor.
 */
static int send_apart(struct frame_conn *c, const struct frame *f)
{
    struct frame apart = *f;
    int fd = memfd_create("reply", MFD_CLOEXEC), rc = -1;

    if (fd < 0)
        return -1;
    apart.reply.blob_len = f->reply.body_len;
    apart.reply.body = NULL;
    apart.reply.body_len = 0;
    if (write_all(fd, f->reply.body, f->reply.body_len) == 0)
        rc = frame_send(c, &apart, fd);
    close(fd);
    return rc;
}

int frame_send(struct frame_conn *c, const struct frame *f, int pass_fd)
{
    struct payload p;
    size_t len = 0;
    uint8_t *o;

    if (f->type == FRAME_REPLY && pass_fd < 0 &&
        f->reply.body_len > FRAME_BODY_MAX)
        return send_apart(c, f);
    payload_of(f, &p);
    for (size_t i = 0; i < p.n_text; i++)
        len += strlen(p.text[i] ? p.text[i] : "") + 1;
    len += p.n_text ? 8 : 0;
    if (p.body_len > FRAME_PAYLOAD_MAX || len > FRAME_PAYLOAD_MAX ||
        len + p.body_len > FRAME_PAYLOAD_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    len += p.body_len;
    if (reserve(&c->out, FRAME_HEADER_LEN + len) < 0 ||
        (pass_fd >= 0 && pass_queue(c, pass_fd) < 0))
        return -1;
    o = c->out.p + c->out.head + c->out.len;
    put_u32be(o, MAGIC);
    o[4] = (uint8_t)f->type;
    o[5] = pass_fd >= 0 ? FRAME_FD : 0;
    o[6] = f->type == FRAME_REPLY ? (uint8_t)(f->reply.status >> 8) : 0;
    o[7] = f->type == FRAME_REPLY ? (uint8_t)f->reply.status : 0;
    put_u32be(o + 8, (uint32_t)len);
    put_u32be(o + 12, 0);
    put_u64be(o + 16, f->req);
    o += FRAME_HEADER_LEN;
    for (size_t i = 0; i < p.n_text; i++) {
        size_t n = strlen(p.text[i] ? p.text[i] : "") + 1;

        memcpy(o, p.text[i] ? p.text[i] : "", n);
        o += n;
    }
    if (p.n_text)
        put_u64be(o, p.blob_len);
    if (p.body_len)
        memcpy(o + 8, p.body, p.body_len);
    c->out.len += FRAME_HEADER_LEN + len;
    return 0;
}

static ssize_t send_some(struct frame_conn *c, size_t len, int pass_fd)
{
    struct iovec iov = {.iov_base = c->out.p + c->out.head, .iov_len = len};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } u = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    if (pass_fd >= 0) {
        struct cmsghdr *h;

        m.msg_control = u.buf;
        m.msg_controllen = sizeof(u.buf);
        h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &pass_fd, sizeof(int));
    }
    return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int frame_flush(struct frame_conn *c)
{
    while (c->out.len > 0) {
        int now = c->n_pass > 0 && c->pass[0].at == c->sent;
        size_t next = now ? 1 : 0, len = c->out.len;
        ssize_t n;

        if (next < c->n_pass && c->pass[next].at - c->sent < len)
            len = (size_t)(c->pass[next].at - c->sent);
        n = send_some(c, len, now ? c->pass[0].fd : -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        if (now && n > 0) {
            close(c->pass[0].fd);
            c->n_pass--;
            memmove(c->pass, c->pass + 1, c->n_pass * sizeof(*c->pass));
        }
        c->sent += (uint64_t)n;
        consume(&c->out, (size_t)n);
    }
    return 1;
}

/* ---- in ------------------------------------------------------------- */

/* Keep every descriptor that came, or close it and fail. */
static int take_fds(struct frame_conn *c, struct msghdr *m)
{
    int bad = (m->msg_flags & MSG_CTRUNC) != 0;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        size_t n;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (c->n_got < FDS_MAX) {
                c->got[c->n_got++] = fd;
            } else {
                close(fd);
                bad = 1;
            }
        }
    }
    if (bad) {
        errno = EBADMSG;
        return -1;
    }
    return 0;
}

/* Drop what the caller has seen. */
static void forget(struct frame_conn *c)
{
    if (c->used) {
        consume(&c->in, c->used);
        c->used = 0;
    }
}

static size_t wanted(const struct frame_conn *c)
{
    const uint8_t *p;
    size_t len;

    if (c->in.len < FRAME_HEADER_LEN)
        return READ_CHUNK;
    p = c->in.p + c->in.head;
    len = get_u32be(p + 8);
    if (len > FRAME_PAYLOAD_MAX || len + FRAME_HEADER_LEN <= c->in.len)
        return READ_CHUNK;
    len += FRAME_HEADER_LEN - c->in.len;
    return len > READ_CHUNK ? len : READ_CHUNK;
}

int frame_fill(struct frame_conn *c)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(4 * sizeof(int))];
    } u;
    struct iovec iov;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = u.buf,
                       .msg_controllen = sizeof(u.buf)};
    ssize_t n;

    forget(c);
    if (reserve(&c->in, wanted(c)) < 0)
        return -1;
    iov.iov_base = c->in.p + c->in.head + c->in.len;
    iov.iov_len = c->in.cap - c->in.head - c->in.len;
    do
        n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    if (n == 0) {
        errno = 0;
        return -1;
    }
    c->in.len += (size_t)n;
    return take_fds(c, &m) < 0 ? -1 : 1;
}

static int read_payload(struct frame *f, const uint8_t *p, size_t len,
                        struct error *err)
{
    size_t n = strings_of((uint8_t)f->type);
    struct payload out = {.n_text = n};

    if (n == 0)
        return len == 0
                   ? 0
                   : error_set(err, EBADMSG, "frame of type %d has a payload",
                               (int)f->type);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *end = memchr(p, 0, len);

        if (!end)
            return error_set(err, EBADMSG, "frame's text %zu does not end", i);
        out.text[i] = (const char *)p;
        len -= (size_t)(end - p) + 1;
        p = end + 1;
    }
    if (len < 8)
        return error_set(err, EBADMSG, "frame's payload is short");
    out.blob_len = get_u64be(p);
    out.body = p + 8;
    out.body_len = len - 8;
    payload_to(f, &out);
    return 0;
}

static int claim_fd(struct frame_conn *c, struct frame *f, struct error *err)
{
    int wants = f->type == FRAME_ACCEPT;
    int may = wants || f->type == FRAME_REPLY;

    if (!(f->flags & FRAME_FD))
        return wants ? error_set(err, EBADMSG, "frame lacks its descriptor")
                     : 0;
    if (!may || c->n_got == 0)
        return error_set(err, EBADMSG, "frame of type %d and no descriptor",
                         (int)f->type);
    f->fd = c->got[0];
    c->n_got--;
    memmove(c->got, c->got + 1, c->n_got * sizeof(c->got[0]));
    return 0;
}

int frame_next(struct frame_conn *c, struct frame *f, struct error *err)
{
    const uint8_t *p;
    size_t len;

    forget(c);
    if (c->in.len < FRAME_HEADER_LEN)
        return 0;
    p = c->in.p + c->in.head;
    len = get_u32be(p + 8);
    if (get_u32be(p) != MAGIC || get_u32be(p + 12) != 0)
        return error_set(err, EBADMSG, "not a frame");
    if (p[4] < FRAME_REQUEST || p[4] > FRAME_ACCEPT || (p[5] & ~FRAME_FD))
        return error_set(err, EBADMSG, "frame of unknown type %d", p[4]);
    if (len > FRAME_PAYLOAD_MAX)
        return error_set(err, EBADMSG, "frame of %zu bytes, at most %u", len,
                         FRAME_PAYLOAD_MAX);
    if (c->in.len < FRAME_HEADER_LEN + len)
        return 0;
    memset(f, 0, sizeof(*f));
    f->type = (enum frame_type)p[4];
    f->flags = p[5];
    f->req = get_u64be(p + 16);
    f->fd = -1;
    if (f->type == FRAME_REPLY)
        f->reply.status = (uint16_t)(p[6] << 8 | p[7]);
    if (read_payload(f, p + FRAME_HEADER_LEN, len, err) < 0 ||
        claim_fd(c, f, err) < 0)
        return -1;
    c->used = FRAME_HEADER_LEN + len;
    return 1;
}
