/* SPDX-License-Identifier: Apache-2.0 */
/* fakecell.c - a cell that has echo tasks, keeps books and misbehaves
 *
 *   fakecell DIR TASKS ITEMS [FAULTS-PERCENT [SEED]]
 *
 * Speaks the workers' half of doc/4-wire.md: TLS, enrolment with the token
 * of 64 `a`, signatures both ways, sequence numbers with the stored reply.
 * With FAULTS it loses replies after acting on requests, and answers 503.
 * DIR gets ca.pem, `port`, one line a decision in `log`, every offer in
 * `wire`, and `done` when each task was accepted once, its items right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "common/bytes.h"
#include "common/cert.h"
#include "common/file.h"
#include "common/items.h"
#include "common/message.h"
#include "common/sign.h"

#define CELL "fake"
#define WORKER 7
#define LEASE_US 8000000
#define TASKS_MAX 4096
#define BODY_CAP (4u << 20)

struct task {
    int attempt; /* 0 = never leased */
    int64_t until_us;
    bool leased, done;
};

static struct {
    pthread_mutex_t lock;
    struct task v[TASKS_MAX];
    int tasks, items, faults, accepted;
    uint64_t dice;
    uint8_t worker_key[SIGN_KEY_LEN];
    bool enrolled;
    int64_t seq;
    struct digest seq_body;
    char *seq_reply;
    struct sign_key *key;
    struct digest spec, none;
    FILE *log, *wire;
    const char *dir;
} cell;

struct request {
    char method[8], path[256];
    char node[24], seq[24], time[24], sig[100];
    char *body;
    size_t len;
};

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool unlucky(void)
{
    cell.dice = cell.dice * 6364136223846793005u + 1442695040888963407u;
    return (int)((cell.dice >> 33) % 100) < cell.faults;
}

/* ---- HTTP, as little as libcurl needs ------------------------------------ */

static void header(struct request *r, const char *line)
{
    static const char *const names[] = {
        "fallow-node:", "fallow-seq:", "fallow-time:", "fallow-sig:",
        "content-length:"};
    char length[24] = "0", *const to[] = {r->node, r->seq, r->time, r->sig,
                                          length};
    const size_t cap[] = {24, 24, 24, 100, 24};

    for (int i = 0; i < 5; i++)
        if (strncasecmp(line, names[i], strlen(names[i])) == 0) {
            const char *v = line + strlen(names[i]);

            snprintf(to[i], cap[i], "%s", v + strspn(v, " "));
            if (i == 4)
                r->len = strtoul(length, NULL, 10);
        }
}

static int read_line(SSL *s, char *out, size_t cap)
{
    size_t n = 0;

    while (n < cap - 1 && SSL_read(s, out + n, 1) == 1) {
        if (out[n] == '\n') {
            out[n > 0 && out[n - 1] == '\r' ? n - 1 : n] = '\0';
            return 0;
        }
        n++;
    }
    return -1;
}

static int read_request(SSL *s, struct request *r)
{
    char line[4096];

    memset(r, 0, sizeof(*r));
    if (read_line(s, line, sizeof(line)) < 0 ||
        sscanf(line, "%7s %255s", r->method, r->path) != 2)
        return -1;
    while (read_line(s, line, sizeof(line)) == 0 && *line)
        header(r, line);
    if (r->len > BODY_CAP)
        return -1;
    r->body = calloc(1, r->len + 1);
    for (size_t at = 0; at < r->len;) {
        int n = SSL_read(s, r->body + at, (int)(r->len - at));

        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static int reply(SSL *s, const struct request *r, int status, const char *body)
{
    char head[512], text[1024], b64[100] = "";
    struct digest d;
    uint8_t sig[SIGN_SIG_LEN];
    size_t len = strlen(body);
    int n;

    digest_of(body, len, &d);
    n = sign_reply_text(text, sizeof(text), CELL, WORKER,
                        *r->seq ? strtoll(r->seq, NULL, 10) : -1,
                        strtoll(r->time, NULL, 10), &d);
    if (n > 0 && sign_make(cell.key, text, (size_t)n, sig) == 0)
        base64_encode(sig, sizeof(sig), b64);
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 %d x\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\nFallow-Cell-Sig: %s\r\n\r\n",
                 status, len, b64);
    return SSL_write(s, head, n) == n &&
                   (!len || SSL_write(s, body, (int)len) == (int)len)
               ? 0
               : -1;
}

/* ---- what it decides ------------------------------------------------------
 */

static bool signature_ok(const struct request *r)
{
    char text[4096];
    struct digest d;
    uint8_t *sig;
    size_t k;
    int n, rc;

    digest_of(r->body, r->len, &d);
    n = sign_request_text(text, sizeof(text), r->method, r->path, CELL,
                          strtoll(r->node, NULL, 10),
                          *r->seq ? strtoll(r->seq, NULL, 10) : -1,
                          strtoll(r->time, NULL, 10), &d);
    if (n < 0 || base64_decode(r->sig, strlen(r->sig), &sig, &k) < 0)
        return false;
    rc = k == SIGN_SIG_LEN && cell.enrolled &&
                 sign_check(cell.worker_key, text, (size_t)n, sig) == 0
             ? 0
             : -1;
    free(sig);
    return rc == 0;
}

static char *enrol(const struct request *r, int *status)
{
    json_t *j = message_parse(r->body, r->len, NULL);
    struct msg_enrolled e = {.worker_id = WORKER, .party_id = 3, .cell = CELL};
    struct msg_enrol m;
    size_t len;
    char *text, want[65];

    memset(want, 'a', 64);
    want[64] = '\0';
    if (!j || msg_enrol_decode(j, &m, NULL) < 0 || strcmp(m.token, want)) {
        *status = 401;
        json_decref(j);
        return strdup("{\"error\":\"the enrolment token is wrong\","
                      "\"errno\":\"EACCES\"}");
    }
    json_decref(j);
    memcpy(cell.worker_key, m.pubkey, sizeof(m.pubkey));
    cell.enrolled = true;
    sign_key_public(cell.key, e.cell_key);
    j = msg_enrolled_encode(&e);
    text = message_text(j, &len);
    json_decref(j);
    return text;
}

static void items_of(int task, uint8_t *bytes, struct item *v)
{
    for (int i = 0; i < cell.items; i++) {
        put_u64be(bytes + 8 * i, (uint64_t)task * 1000003u + (unsigned)i);
        v[i] = (struct item){bytes + 8 * i, 8};
    }
}

static void grant(struct msg_grant *m, int64_t want)
{
    m->leases = calloc(MESSAGE_BATCH_MAX, sizeof(*m->leases));
    for (int t = 0; t < cell.tasks && (int64_t)m->n_leases < want; t++) {
        struct task *k = &cell.v[t];
        struct msg_lease *l = &m->leases[m->n_leases];
        uint8_t *bytes = malloc((size_t)cell.items * 8);
        struct item *v = calloc((size_t)cell.items, sizeof(*v));
        void *buf;

        if (k->leased && k->until_us < now_us()) {
            fprintf(cell.log, "lapsed %d\n", t);
            k->leased = false;
        }
        if (!k->leased && !k->done) {
            k->leased = true;
            k->attempt++;
            k->until_us = now_us() + LEASE_US;
            snprintf(l->id, sizeof(l->id), "%d.%d", k->attempt, t + 1);
            snprintf(l->kernel, sizeof(l->kernel), "echo");
            l->spec = cell.spec;
            l->params = cell.none;
            l->items = cell.items;
            l->deadline_us = LEASE_US;
            items_of(t, bytes, v);
            items_format(v, (size_t)cell.items, &buf, &l->input_len, NULL);
            l->input = buf;
            if (asprintf(&l->token, "t.%d.%d", t, k->attempt) < 0)
                l->token = NULL;
            m->n_leases++;
            fprintf(cell.log, "leased %d attempt %d\n", t, k->attempt);
        }
        free(bytes);
        free(v);
    }
}

static struct task *task_of(const char *token, int *t)
{
    int attempt;

    if (sscanf(token, "t.%d.%d", t, &attempt) != 2 || *t < 0 ||
        *t >= cell.tasks || cell.v[*t].attempt != attempt)
        return NULL;
    return &cell.v[*t];
}

/* The bytes must be the items, and the root must be that of the bytes. */
static const char *judge(int t, const struct msg_result *r)
{
    uint8_t *bytes = malloc((size_t)cell.items * 8);
    struct item *want = calloc((size_t)cell.items, sizeof(*want));
    struct item_result *got = NULL;
    struct merkle_sum root;
    const char *why = "";
    size_t n = 0;

    items_of(t, bytes, want);
    if (r->status)
        why = "failed";
    else if (!r->bytes || results_parse(r->bytes, r->len, &got, &n, NULL) < 0)
        why = "no results";
    else if (n != (size_t)cell.items)
        why = "another number of items";
    else if (results_root(got, n, &cell.spec, &cell.none, &root, NULL) < 0 ||
             !digest_equal(&root.hash, &r->root.hash) ||
             root.units != r->root.units)
        why = "another root";
    for (size_t i = 0; !*why && i < n; i++)
        if (got[i].len != 8 || memcmp(got[i].bytes, want[i].bytes, 8) != 0)
            why = "wrong items";
    free(got);
    free(want);
    free(bytes);
    return why;
}

static void fate_of(const struct msg_result *r, struct msg_fate *f)
{
    int t = -1;
    struct task *k = task_of(r->token, &t);
    const char *why = "";

    if (t >= 0 && t < cell.tasks && cell.v[t].done)
        snprintf(f->fate, sizeof(f->fate), "duplicate");
    else if (!k || !k->leased)
        snprintf(f->fate, sizeof(f->fate), "stale");
    else if (*(why = judge(t, r)))
        snprintf(f->fate, sizeof(f->fate), "invalid");
    else
        snprintf(f->fate, sizeof(f->fate), "accepted");
    snprintf(f->reason, sizeof(f->reason), "%s", why);
    fprintf(cell.log, "%s %d %s\n", f->fate, t, why);
    if (k && strcmp(f->fate, "invalid") == 0)
        k->leased = false;
    if (strcmp(f->fate, "accepted") == 0) {
        k->done = true;
        k->leased = false;
        cell.accepted++;
    }
}

static char *text_of(json_t *j)
{
    size_t len;
    char *text = message_text(j, &len);

    json_decref(j);
    return text;
}

static char *result(const struct request *r, int *status)
{
    json_t *j = message_parse(r->body, r->len, NULL);
    struct msg_results m = {0};
    struct msg_grant g = {.head = {.batch = 1}};
    char *text;

    if (!j || msg_results_decode(j, &m, NULL) < 0) {
        *status = 400;
        json_decref(j);
        return strdup("{\"error\":\"malformed\",\"errno\":\"EINVAL\"}");
    }
    json_decref(j);
    g.n_fates = m.n;
    g.fates = calloc(m.n + 1, sizeof(*g.fates));
    for (size_t i = 0; i < m.n; i++)
        fate_of(&m.v[i], &g.fates[i]);
    if (m.has_ask)
        grant(&g, m.ask.want);
    msg_results_clear(&m);
    text = text_of(msg_grant_encode(&g));
    msg_grant_clear(&g);
    return text;
}

static char *handback(const struct request *r)
{
    json_t *j = message_parse(r->body, r->len, NULL);
    struct msg_tokens m = {0};

    if (j && msg_tokens_decode(j, &m, NULL) == 0)
        for (size_t i = 0; i < m.n; i++) {
            int t = -1;
            struct task *k = task_of(m.v[i], &t);

            if (k)
                k->leased = false;
            fprintf(cell.log, "handback %d\n", t);
        }
    msg_tokens_clear(&m);
    json_decref(j);
    return strdup("{}");
}

static char *renew(const struct request *r)
{
    json_t *j = message_parse(r->body, r->len, NULL);
    struct msg_tokens m = {0};
    struct msg_gone g = {.v = calloc(MESSAGE_BATCH_MAX, sizeof(*g.v))};
    char *gone = file_path(cell.dir, "all-gone"), *text;
    int t;

    if (j && msg_tokens_decode(j, &m, NULL) == 0)
        for (size_t i = 0; i < m.n; i++) {
            struct task *k = task_of(m.v[i], &t);

            if (k && access(gone, F_OK) == 0)
                k->leased = false;
            if (!k || !k->leased)
                g.v[g.n++] = (int64_t)i;
        }
    fprintf(cell.log, "renewed %zu gone %zu\n", m.n, g.n);
    text = text_of(msg_gone_encode(&g));
    free(g.v);
    free(gone);
    msg_tokens_clear(&m);
    json_decref(j);
    return text;
}

static char *ask(const struct request *r)
{
    json_t *j = message_parse(r->body, r->len, NULL);
    struct msg_ask m = {0};
    struct msg_grant g = {.head = {.batch = 1}};
    int64_t end = now_us();
    char *text;

    if (j && msg_ask_decode(j, &m, NULL) == 0)
        end += m.wait_s * 1000000;
    fprintf(cell.wire, "%s\n", r->body);
    fflush(cell.wire);
    grant(&g, m.want);
    while (!g.n_leases && now_us() < end) {
        pthread_mutex_unlock(&cell.lock);
        usleep(20000);
        pthread_mutex_lock(&cell.lock);
        msg_grant_clear(&g);
        grant(&g, m.want);
    }
    text = text_of(msg_grant_encode(&g));
    msg_grant_clear(&g);
    msg_ask_clear(&m);
    json_decref(j);
    return text;
}

/* The stored reply, a refusal, or NULL: go ahead. */
static char *check_seq(const struct request *r, int *status)
{
    int64_t seq = strtoll(r->seq, NULL, 10);
    struct digest d;
    char *text;

    digest_of(r->body, r->len, &d);
    if (seq == cell.seq && digest_equal(&d, &cell.seq_body)) {
        fprintf(cell.log, "again %" PRId64 "\n", seq);
        return strdup(cell.seq_reply);
    }
    if (seq == cell.seq + 1)
        return NULL;
    *status = 409;
    fprintf(cell.log, "seq %" PRId64 " not %" PRId64 "\n", seq, cell.seq + 1);
    return asprintf(&text,
                    "{\"error\":\"not the next\",\"errno\":\"EEXIST\","
                    "\"expected\":%" PRId64 "}",
                    cell.seq + 1) < 0
               ? NULL
               : text;
}

static char *decide(const struct request *r, int *status)
{
    bool sequenced = strcmp(r->path, "/v1/result") == 0 ||
                     strcmp(r->path, "/v1/handback") == 0;
    char *text;

    if (strcmp(r->path, "/v1/enrol") == 0)
        return enrol(r, status);
    if (!signature_ok(r)) {
        fprintf(cell.log, "bad signature\n");
        *status = 401;
        return strdup("{\"error\":\"bad signature\",\"errno\":\"EACCES\"}");
    }
    if (strcmp(r->path, "/v1/lease") == 0)
        return ask(r);
    if (strcmp(r->path, "/v1/renew") == 0)
        return renew(r);
    if (!sequenced) {
        *status = 404;
        return strdup("{\"error\":\"no such thing\",\"errno\":\"ENOENT\"}");
    }
    text = check_seq(r, status);
    if (text)
        return text;
    text = strcmp(r->path, "/v1/result") == 0 ? result(r, status) : handback(r);
    if (*status == 200) {
        cell.seq = strtoll(r->seq, NULL, 10);
        digest_of(r->body, r->len, &cell.seq_body);
        free(cell.seq_reply);
        cell.seq_reply = strdup(text);
    }
    return text;
}

static void note_done(void)
{
    char *path = file_path(cell.dir, "done");

    fflush(cell.log);
    if (cell.accepted == cell.tasks && access(path, F_OK) < 0)
        file_write(path, "", 0, false, NULL);
    free(path);
}

static void *serve(void *arg)
{
    SSL *s = arg;
    struct request r;
    bool open = SSL_accept(s) == 1;

    while (open && read_request(s, &r) == 0) {
        int status = 200;
        char *text;

        pthread_mutex_lock(&cell.lock);
        if (cell.enrolled && unlucky())
            status = 503;
        text = status == 503 ? strdup("{\"error\":\"busy\"}")
                             : decide(&r, &status);
        open = !(cell.enrolled && unlucky());
        note_done();
        pthread_mutex_unlock(&cell.lock);
        open = open && reply(s, &r, status, text) == 0;
        free(text);
        free(r.body);
    }
    close(SSL_get_fd(s));
    SSL_free(s);
    return NULL;
}

/* ---- beginning ------------------------------------------------------------
 */

static FILE *open_in(const char *name)
{
    char *path = file_path(cell.dir, name);
    FILE *f = fopen(path, "ae");

    free(path);
    return f;
}

static int listen_here(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[16], *path = file_path(cell.dir, "port");

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return -1;
    snprintf(text, sizeof(text), "%d\n", ntohs(a.sin_port));
    file_write(path, text, strlen(text), false, NULL);
    free(path);
    return fd;
}

static SSL_CTX *tls(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    char *cert = file_path(cell.dir, "server.pem");
    char *key = file_path(cell.dir, "server.key");

    if (SSL_CTX_use_certificate_file(c, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(c);
        c = NULL;
    }
    free(cert);
    free(key);
    return c;
}

int main(int argc, char **argv)
{
    static const char spec[] =
        "fallow echo 1: canonical bytes = item bytes; units = 1";
    static const uint8_t seed[SIGN_KEY_LEN] = {42};
    struct error err = {""};
    SSL_CTX *ctx;
    int fd;

    if (argc < 4)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    cell.dir = argv[1];
    cell.tasks = (int)strtol(argv[2], NULL, 10);
    cell.items = (int)strtol(argv[3], NULL, 10);
    cell.faults = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;
    cell.dice = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
    pthread_mutex_init(&cell.lock, NULL);
    digest_of(spec, strlen(spec), &cell.spec);
    digest_of("", 0, &cell.none);
    cell.key = sign_key_from_seed(seed, &err);
    if (cell.tasks > TASKS_MAX || !cell.key ||
        cert_make(cell.dir, NULL, &err)) {
        fprintf(stderr, "fakecell: %s\n", err.text);
        return 1;
    }
    cell.log = open_in("log");
    cell.wire = open_in("wire");
    ctx = tls();
    fd = listen_here();
    if (!ctx || fd < 0 || !cell.log || !cell.wire)
        return 1;
    for (;;) {
        int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        SSL *s = c < 0 ? NULL : SSL_new(ctx);
        pthread_t t;

        if (!s)
            continue;
        SSL_set_fd(s, c);
        if (pthread_create(&t, NULL, serve, s) == 0)
            pthread_detach(t);
    }
}
