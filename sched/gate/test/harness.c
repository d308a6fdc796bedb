/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - a gate, a fake controller and clients of all manners */
#include "sched/gate/test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cert.h"
#include "t/tap.h"

#define PATIENCE_MS 10000

void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static const char *built(const char *name, char *out, size_t cap)
{
    const char *dir = getenv("builddir");

    snprintf(out, cap, "%s/%s", dir ? dir : ".", name);
    return out;
}

static pid_t spawn(char *const *argv)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

void rig_start_ctld(struct rig *r)
{
    char exe[512], sock[128];
    char *argv[] = {exe, sock, r->dir, NULL};

    built("sched/gate/test/fakectld", exe, sizeof(exe));
    snprintf(sock, sizeof(sock), "%s/ctld.sock", r->dir);
    r->ctld = spawn(argv);
}

void rig_kill_ctld(struct rig *r)
{
    kill(r->ctld, SIGKILL);
    waitpid(r->ctld, NULL, 0);
    r->ctld = 0;
}

static void read_port(struct rig *r)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/port", r->dir);
    for (int i = 0; i < PATIENCE_MS / 10 && r->port == 0; i++) {
        FILE *f = fopen(path, "r");
        char line[16] = "";

        if (f) {
            if (fgets(line, sizeof(line), f))
                r->port = (int)strtol(line, NULL, 10);
            fclose(f);
        }
        if (r->port == 0)
            pause_ms(10);
    }
}

static void start_gate(struct rig *r, const char *const *settings)
{
    char exe[512], cert[128], key[128], sock[128], port[128], log[128];
    char at[32];
    char *argv[64] = {exe, "--listen", at,   "--cert",      cert, "--key",
                      key, "--ctld",   sock, "--port-file", port};
    int n = 11, fd;

    built("sched/fallow-gate", exe, sizeof(exe));
    snprintf(at, sizeof(at), "127.0.0.1:%d", r->port);
    snprintf(cert, sizeof(cert), "%s/server.pem", r->dir);
    snprintf(key, sizeof(key), "%s/server.key", r->dir);
    snprintf(sock, sizeof(sock), "%s/ctld.sock", r->dir);
    snprintf(port, sizeof(port), "%s/port", r->dir);
    snprintf(log, sizeof(log), "%s/gate.log", r->dir);
    for (; settings && *settings && n < 60; settings++) {
        argv[n++] = "--set";
        argv[n++] = (char *)(uintptr_t)*settings;
    }
    r->gate = fork();
    if (r->gate == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 2);
        execv(exe, argv);
        _exit(127);
    }
    r->port = 0;
    read_port(r);
}

void rig_restart_gate(struct rig *r, const char *const *settings)
{
    char path[128];

    rig_stop_gate(r, SIGKILL);
    snprintf(path, sizeof(path), "%s/port", r->dir);
    unlink(path);
    start_gate(r, settings);
}

void rig_create(struct rig *r, const char *const *settings)
{
    struct error err;
    char exe[512];

    memset(r, 0, sizeof(*r));
    signal(SIGPIPE, SIG_IGN);
    if (access(built("sched/fallow-gate", exe, sizeof(exe)), X_OK) < 0)
        skip_all("fallow-gate was not built (libhttp-parser)");
    snprintf(r->dir, sizeof(r->dir), "/tmp/fallow-gate.XXXXXX");
    if (!mkdtemp(r->dir) || cert_make(r->dir, NULL, &err) < 0) {
        fprintf(stderr, "# %s\n", err.text);
        exit(1);
    }
    rig_start_ctld(r);
    start_gate(r, settings);
    if (r->port == 0) {
        fprintf(stderr, "# the gate did not start\n");
        exit(1);
    }
    snprintf(r->base, sizeof(r->base), "https://127.0.0.1:%d", r->port);
    snprintf(r->ca, sizeof(r->ca), "%s/ca.pem", r->dir);
    r->tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(r->tls, r->ca, NULL);
    SSL_CTX_set_verify(r->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(r->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!rig_wait_count(r, "parked", 0))
        fprintf(stderr, "# the fake controller does not answer\n");
}

int rig_stop_gate(struct rig *r, int sig)
{
    int status = 0;

    if (r->gate > 0) {
        kill(r->gate, sig);
        for (int i = 0; i < PATIENCE_MS / 10; i++) {
            if (waitpid(r->gate, &status, WNOHANG) == r->gate) {
                r->gate = 0;
                return status;
            }
            pause_ms(10);
        }
        kill(r->gate, SIGKILL);
        waitpid(r->gate, &status, 0);
        r->gate = 0;
    }
    return status;
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

void rig_destroy(struct rig *r)
{
    rig_stop_gate(r, SIGKILL);
    if (r->ctld > 0)
        rig_kill_ctld(r);
    SSL_CTX_free(r->tls);
    remove_dir(r->dir);
}

long rig_rss_kib(const struct rig *r)
{
    char path[64], line[256];
    long v = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)r->gate);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmRSS: %ld", &v) == 1)
            break;
    if (f)
        fclose(f);
    return v;
}

int rig_sockets(const struct rig *r)
{
    char path[64];
    DIR *d;
    int n = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->gate);
    d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

int rig_count(struct rig *r, const char *member)
{
    struct client c;
    struct heard h = {.status = -1};
    char name[32];
    const char *p;
    int n = -1;

    if (!client_open(r, &c))
        return -1;
    client_say(&c, "GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
    client_hear(&c, &h, false);
    snprintf(name, sizeof(name), "\"%s\":", member);
    p = h.status == 200 ? strstr(h.body, name) : NULL;
    if (p)
        n = (int)strtol(p + strlen(name), NULL, 10);
    heard_clear(&h);
    client_close(&c);
    return n;
}

bool rig_wait_count(struct rig *r, const char *member, int n)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        if (rig_count(r, member) == n)
            return true;
        pause_ms(20);
    }
    return false;
}

/* ---- clients --------------------------------------------------------- */

int plain_connect(const struct rig *r)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)r->port)};
    struct timeval t = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool client_open(struct rig *r, struct client *c)
{
    c->ssl = NULL;
    c->fd = plain_connect(r);
    if (c->fd < 0)
        return false;
    c->ssl = SSL_new(r->tls);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) == 1)
        return true;
    client_drop(c);
    return false;
}

void client_close(struct client *c)
{
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    if (c->fd >= 0)
        close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
}

void client_drop(struct client *c)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    if (c->fd >= 0)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
}

bool client_send(struct client *c, const void *p, size_t n)
{
    return n == 0 || SSL_write(c->ssl, p, (int)n) == (int)n;
}

bool client_say(struct client *c, const char *text)
{
    return client_send(c, text, strlen(text));
}

static bool hear_head(struct client *c, struct heard *h)
{
    size_t n = 0;

    while (n < sizeof(h->head) - 1 && SSL_read(c->ssl, h->head + n, 1) == 1) {
        h->head[++n] = '\0';
        if (n >= 4 && strcmp(h->head + n - 4, "\r\n\r\n") == 0)
            return strncmp(h->head, "HTTP/1.1 ", 9) == 0;
    }
    return false;
}

void client_hear(struct client *c, struct heard *h, bool is_head)
{
    const char *p;
    size_t want = 0;

    memset(h, 0, sizeof(*h));
    h->status = -1;
    if (!hear_head(c, h))
        return;
    h->status = (int)strtol(h->head + 9, NULL, 10);
    p = strstr(h->head, "Content-Length: ");
    if (p && !is_head)
        want = strtoul(p + 16, NULL, 10);
    h->body = calloc(1, want + 1);
    while (h->len < want) {
        int n = SSL_read(c->ssl, h->body + h->len, (int)(want - h->len));

        if (n <= 0) {
            h->status = -1;
            return;
        }
        h->len += (size_t)n;
    }
}

void heard_clear(struct heard *h)
{
    free(h->body);
    h->body = NULL;
}

bool client_closed(struct client *c, int ms)
{
    struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    char b[4096];
    int n;

    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    do {
        errno = 0;
        n = c->ssl ? SSL_read(c->ssl, b, sizeof(b))
                   : (int)read(c->fd, b, sizeof(b));
    } while (n > 0);
    return errno != EAGAIN && errno != EWOULDBLOCK;
}

int once_n(struct rig *r, const void *p, size_t n)
{
    struct client c;
    struct heard h;

    if (!client_open(r, &c))
        return -2;
    client_send(&c, p, n);
    client_hear(&c, &h, false);
    heard_clear(&h);
    client_close(&c);
    return h.status;
}

int once(struct rig *r, const char *text)
{
    return once_n(r, text, strlen(text));
}
