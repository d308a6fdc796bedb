/* SPDX-License-Identifier: Apache-2.0 */
/* fakectld.c - a controller for tests of the gate: it speaks frames
 *
 *   fakectld SOCKET DIR
 *
 * Answers by path: /echo (what it was asked), /v1/lease (parked until /wake),
 * /count (parked, asked and aborted so far), /big?N (N bytes), /silent (no
 * answer), /die (its own end), /v1/blob/NAME (a file of DIR; a PUT of refuse…
 * gets 409), /signed /forged /unsigned /two (with or without the cell's
 * signature, key seed 7…, cell "test"); anything else gets "{}".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "common/bytes.h"
#include "common/frame.h"
#include "common/sign.h"

#define GATES_MAX 8
#define PARKED_MAX 200000

struct parked {
    struct frame_conn *fc;
    uint64_t req;
};

struct ctld {
    const char *dir;
    struct frame_conn *gate[GATES_MAX];
    struct parked parked[PARKED_MAX];
    int n_parked, asked, aborted;
    struct {
        uint64_t req;
        uint64_t len;
    } blob[64];
    struct sign_key *key;
};

static void reply(struct frame_conn *fc, uint64_t req, int status,
                  const char *headers, const void *body, size_t len)
{
    struct frame f = {.type = FRAME_REPLY, .req = req};

    f.reply = (struct frame_reply){.status = (uint16_t)status,
                                   .headers = headers,
                                   .type = "application/json",
                                   .body = body,
                                   .body_len = len};
    frame_send(fc, &f, -1);
}

static void reply_json(struct frame_conn *fc, uint64_t req, json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

    reply(fc, req, text ? 200 : 500, "", text, text ? strlen(text) : 0);
    free(text);
    json_decref(j);
}

static void echo(struct frame_conn *fc, const struct frame *f)
{
    const struct frame_request *r = &f->request;
    struct digest d;
    char hex[DIGEST_HEX_LEN + 1];

    digest_of(r->body_len ? (const void *)r->body : "", r->body_len, &d);
    digest_to_hex(&d, hex);
    reply_json(fc, f->req,
               json_pack("{ss ss ss ss ss ss ss ss sI ss}", "method", r->method,
                         "path", r->path, "auth", r->auth, "node", r->node,
                         "seq", r->seq, "time", r->time, "sig", r->sig, "peer",
                         r->peer, "length", (json_int_t)r->body_len, "sha256",
                         hex));
}

static void signed_reply(struct ctld *s, struct frame_conn *fc,
                         const struct frame *f)
{
    const struct frame_request *r = &f->request;
    const char *body = "{\"gone\":[]}";
    char text[1024], b64[96], headers[400];
    uint8_t sig[SIGN_SIG_LEN];
    struct digest d;
    int n;

    digest_of(body, strlen(body), &d);
    n = sign_reply_text(text, sizeof(text), "test", strtoll(r->node, NULL, 10),
                        r->seq[0] ? strtoll(r->seq, NULL, 10) : -1,
                        strtoll(r->time, NULL, 10), &d);
    if (n < 0 || sign_make(s->key, text, (size_t)n, sig) < 0)
        return;
    if (strcmp(r->path, "/forged") == 0)
        sig[5] ^= 1;
    base64_encode(sig, sizeof(sig), b64);
    snprintf(headers, sizeof(headers), "Fallow-Cell-Sig: %s\r\n%s%s%s", b64,
             strcmp(r->path, "/two") ? "" : "Fallow-Cell-Sig: ",
             strcmp(r->path, "/two") ? "" : b64,
             strcmp(r->path, "/two") ? "" : "\r\n");
    reply(fc, f->req, 200, headers, body, strlen(body));
}

static void wake(struct ctld *s)
{
    for (int i = 0; i < s->n_parked; i++)
        reply(s->parked[i].fc, s->parked[i].req, 200, "", "{\"leases\":[]}",
              13);
    s->n_parked = 0;
}

static void count(struct ctld *s, struct frame_conn *fc, uint64_t req)
{
    reply_json(fc, req,
               json_pack("{si si si}", "parked", s->n_parked, "asked", s->asked,
                         "aborted", s->aborted));
}

static void big(struct frame_conn *fc, const struct frame *f)
{
    const char *q = strchr(f->request.path, '?');
    size_t n = q ? (size_t)strtoul(q + 1, NULL, 10) : 0;
    char *b = malloc(n + 1);

    if (!b)
        return;
    for (size_t i = 0; i < n; i++)
        b[i] = (char)('a' + i % 23);
    reply(fc, f->req, 200, "", b, n);
    free(b);
}

static int open_blob(struct ctld *s, const char *path, int flags)
{
    char file[512];

    if (strchr(path + 9, '/') || snprintf(file, sizeof(file), "%s/%s", s->dir,
                                          path + 9) >= (int)sizeof(file))
        return -1;
    return open(file, flags | O_CLOEXEC, 0600);
}

static void get_blob(struct ctld *s, struct frame_conn *fc,
                     const struct frame *f)
{
    struct frame out = {.type = FRAME_REPLY, .req = f->req};
    int fd = open_blob(s, f->request.path, O_RDONLY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        reply(fc, f->req, 404, "", "{\"error\":\"no such blob\"}", 24);
        return;
    }
    out.reply.status = 200;
    out.reply.type = "application/octet-stream";
    out.reply.blob_len = (uint64_t)st.st_size;
    frame_send(fc, &out, fd);
    close(fd);
}

static void put_blob(struct ctld *s, struct frame_conn *fc,
                     const struct frame *f)
{
    struct frame out = {.type = FRAME_ACCEPT, .req = f->req};
    int fd;

    if (strncmp(f->request.path + 9, "refuse", 6) == 0) {
        reply(fc, f->req, 409, "", "{\"error\":\"another digest\"}", 26);
        return;
    }
    fd = strcmp(f->request.path + 9, "full") == 0
             ? open("/dev/full", O_WRONLY | O_CLOEXEC)
             : open_blob(s, f->request.path, O_WRONLY | O_CREAT | O_TRUNC);
    s->blob[f->req % 64].req = f->req;
    s->blob[f->req % 64].len = f->request.blob_len;
    frame_send(fc, &out, fd);
    close(fd);
}

static void request(struct ctld *s, struct frame_conn *fc,
                    const struct frame *f)
{
    const char *path = f->request.path;

    s->asked++;
    if (strncmp(path, "/echo", 5) == 0)
        echo(fc, f);
    else if (strcmp(path, "/v1/lease") == 0 && s->n_parked < PARKED_MAX)
        s->parked[s->n_parked++] = (struct parked){fc, f->req};
    else if (strcmp(path, "/count") == 0)
        count(s, fc, f->req);
    else if (strncmp(path, "/big", 4) == 0)
        big(fc, f);
    else if (strncmp(path, "/v1/blob/", 9) == 0)
        get_blob(s, fc, f);
    else if (!strcmp(path, "/signed") || !strcmp(path, "/forged") ||
             !strcmp(path, "/two"))
        signed_reply(s, fc, f);
    else if (strcmp(path, "/die") == 0)
        _exit(9);
    else if (strcmp(path, "/silent") != 0)
        reply(fc, f->req, 200, "", "{}", 2);
    if (strcmp(path, "/wake") == 0)
        wake(s);
}

static void aborted(struct ctld *s, const struct frame_conn *fc, uint64_t req)
{
    s->aborted++;
    for (int i = 0; i < s->n_parked; i++) {
        if (s->parked[i].fc == fc && s->parked[i].req == req) {
            s->parked[i] = s->parked[--s->n_parked];
            return;
        }
    }
}

static void blob_is_in(struct ctld *s, struct frame_conn *fc, uint64_t req)
{
    uint64_t len = s->blob[req % 64].req == req ? s->blob[req % 64].len : 0;

    reply_json(fc, req, json_pack("{sI}", "stored", (json_int_t)len));
}

static void take(struct ctld *s, struct frame_conn *fc, const struct frame *f)
{
    switch (f->type) {
    case FRAME_REQUEST: request(s, fc, f); break;
    case FRAME_HEAD:
        s->asked++;
        put_blob(s, fc, f);
        break;
    case FRAME_BODY: blob_is_in(s, fc, f->req); break;
    case FRAME_ABORT: aborted(s, fc, f->req); break;
    default: break;
    }
}

static int serve_gate(struct ctld *s, struct frame_conn *fc)
{
    struct error err;
    struct frame f;
    int rc;

    while ((rc = frame_fill(fc)) == 1)
        while ((rc = frame_next(fc, &f, &err)) == 1)
            take(s, fc, &f);
    if (rc < 0 && errno != 0)
        fprintf(stderr, "fakectld: %s\n", strerror(errno));
    return rc;
}

static void forget_gate(struct ctld *s, int g)
{
    int n = 0;

    for (int i = 0; i < s->n_parked; i++)
        if (s->parked[i].fc != s->gate[g])
            s->parked[n++] = s->parked[i];
    s->n_parked = n;
    frame_conn_destroy(s->gate[g]);
    s->gate[g] = NULL;
}

static void loop(struct ctld *s, int listener)
{
    struct pollfd p[GATES_MAX + 1];

    for (;;) {
        p[GATES_MAX] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < GATES_MAX; i++) {
            short out =
                s->gate[i] && frame_conn_pending(s->gate[i]) ? POLLOUT : 0;

            p[i] = (struct pollfd){.fd = s->gate[i] ? frame_conn_fd(s->gate[i])
                                                    : -1,
                                   .events = (short)(POLLIN | out)};
        }
        if (poll(p, GATES_MAX + 1, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < GATES_MAX; i++) {
            if (s->gate[i] && p[i].revents && serve_gate(s, s->gate[i]) < 0)
                forget_gate(s, i);
        }
        for (int i = 0; i < GATES_MAX; i++)
            if (s->gate[i])
                frame_flush(s->gate[i]);
        if (p[GATES_MAX].revents) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), i = 0;

            while (i < GATES_MAX - 1 && s->gate[i])
                i++;
            if (fd >= 0 && !s->gate[i])
                s->gate[i] = frame_conn_create(fd);
            else if (fd >= 0)
                close(fd);
        }
    }
}

int main(int argc, char **argv)
{
    static struct ctld s;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    uint8_t seed[SIGN_KEY_LEN];
    int fd;

    if (argc != 3 || strlen(argv[1]) >= sizeof(sa.sun_path))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    memset(seed, 7, sizeof(seed));
    s.key = sign_key_from_seed(seed, NULL);
    s.dir = argv[2];
    memcpy(sa.sun_path, argv[1], strlen(argv[1]));
    unlink(argv[1]);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!s.key || fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(fd, 16) < 0) {
        perror("fakectld");
        return 1;
    }
    loop(&s, fd);
    return 1;
}
