/* SPDX-License-Identifier: Apache-2.0 */
/* chaosproxy.c - a TCP proxy that does what bad networks do, from a seed
 *
 *   chaosproxy --to PORT --port-file FILE [--seed N] [--delay-ms N]
 *              [--reset P] [--blackhole P] [--slow P] [--halve P]
 *              [--duplicate P]
 *
 * Listens on a free port of 127.0.0.1 and passes on to PORT.  Each connection
 * draws its fate; P is a percentage: reset (RST to both after some bytes),
 * blackhole (silence after some bytes, both stay open), slow (one byte at a
 * time), halve (one direction is closed early), duplicate (what the client
 * sends goes to a second connection too, whose answers are thrown away).
 * Every piece waits up to delay-ms.  SIGTERM prints what was done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX 512
#define PIECE 4096
#define CUT_MAX 6000 /* bytes after which a fate strikes, at most */
#define SLOW_MS 20   /* between two bytes */

enum fate { FINE, RESET, BLACKHOLE, SLOW, HALVE, DUPLICATE, FATES };

static const char *const fate_names[FATES] = {"fine", "reset", "blackhole",
                                              "slow", "halve", "duplicate"};

/* Bytes on their way from one socket to another. */
struct way {
    int from, to;
    char buf[PIECE];
    size_t len;
    int64_t not_before_ms;
    bool eof; /* from has ended, and to was told */
};

struct link {
    bool used;
    enum fate fate;
    int64_t cut; /* bytes until the fate strikes */
    bool struck;
    int twin; /* DUPLICATE: the second connection, or -1 */
    struct way out, back;
};

struct proxy {
    int listener, to;
    int64_t delay_ms;
    int percent[FATES];
    uint64_t rng;
    struct link v[LINKS_MAX];
    int64_t done[FATES];
};

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
    (void)sig;
    ended = 1;
}

static uint32_t below(struct proxy *p, uint32_t n)
{
    p->rng = p->rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((p->rng >> 33) % n);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int dial(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

static enum fate draw(struct proxy *p)
{
    int at = (int)below(p, 100);

    for (int f = RESET; f < FATES; f++) {
        if (at < p->percent[f])
            return (enum fate)f;
        at -= p->percent[f];
    }
    return FINE;
}

static void close_link(struct link *l, bool rst)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int fds[] = {l->out.from, l->out.to, l->twin};

    for (size_t i = 0; i < 3; i++) {
        if (fds[i] < 0)
            continue;
        if (rst)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(fds[i]);
    }
    l->used = false;
}

static void open_link(struct proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct link *l = NULL;
    int server, one = 1;

    for (int i = 0; i < LINKS_MAX && !l; i++)
        l = p->v[i].used ? NULL : &p->v[i];
    server = client >= 0 && l ? dial(p->to) : -1;
    if (server < 0) {
        if (client >= 0)
            close(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    memset(l, 0, sizeof(*l));
    l->used = true;
    l->fate = draw(p);
    l->cut = below(p, CUT_MAX);
    l->twin = l->fate == DUPLICATE ? dial(p->to) : -1;
    l->out.from = l->back.to = client;
    l->out.to = l->back.from = server;
    p->done[l->fate]++;
}

static bool silent(const struct link *l)
{
    return l->struck && l->fate == BLACKHOLE;
}

/* A piece was read: when may it go on, and does the fate strike? */
static bool strike(struct proxy *p, struct link *l, struct way *w)
{
    int64_t wait = p->delay_ms ? below(p, (uint32_t)p->delay_ms + 1) : 0;

    if (l->fate == SLOW && l->struck)
        wait = SLOW_MS;
    w->not_before_ms = now_ms() + wait;
    l->cut -= (int64_t)w->len;
    if (l->struck || l->cut > 0)
        return false;
    l->struck = true;
    if (l->fate == HALVE) {
        shutdown(w->to, SHUT_WR);
        w->eof = true;
        w->len = 0;
    }
    return l->fate == RESET;
}

static int read_piece(struct proxy *p, struct link *l, struct way *w)
{
    size_t want = l->fate == SLOW && l->struck ? 1 : PIECE;
    ssize_t n = recv(w->from, w->buf, want, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0) {
        w->eof = true;
        shutdown(w->to, SHUT_WR);
        return 0;
    }
    w->len = (size_t)n;
    if (l->twin >= 0 && w == &l->out)
        send(l->twin, w->buf, w->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return strike(p, l, w) ? -1 : 0;
}

static int write_piece(struct way *w)
{
    ssize_t n = send(w->to, w->buf, w->len, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    memmove(w->buf, w->buf + n, w->len - (size_t)n);
    w->len -= (size_t)n;
    return 0;
}

/* 1 when there is something to wait for with poll; *ms is cut to a delay. */
static int wanted(const struct link *l, const struct way *w, struct pollfd *f,
                  int64_t now, int *ms)
{
    *f = (struct pollfd){.fd = -1};
    if (!l->used || w->eof || silent(l))
        return 0;
    if (w->len == 0) {
        *f = (struct pollfd){.fd = w->from, .events = POLLIN};
        return 1;
    }
    if (w->not_before_ms > now) {
        if (w->not_before_ms - now < *ms)
            *ms = (int)(w->not_before_ms - now);
        return 0;
    }
    *f = (struct pollfd){.fd = w->to, .events = POLLOUT};
    return 1;
}

static void move(struct proxy *p, struct link *l, struct way *w,
                 const struct pollfd *f)
{
    int rc = 0;

    if (!l->used || f->fd < 0 || !f->revents)
        return;
    if (w->len == 0)
        rc = read_piece(p, l, w);
    else
        rc = write_piece(w);
    if (rc < 0)
        close_link(l, true);
}

/* Throw away what the twin is told; a silent link ends when a side does. */
static void tend(struct link *l)
{
    char bin[PIECE];

    if (!l->used)
        return;
    if (l->twin >= 0)
        while (recv(l->twin, bin, sizeof(bin), MSG_DONTWAIT) > 0)
            continue;
    if (silent(l) && (recv(l->out.from, bin, 1, MSG_PEEK | MSG_DONTWAIT) == 0 ||
                      recv(l->back.from, bin, 1, MSG_PEEK | MSG_DONTWAIT) == 0))
        close_link(l, false);
    else if (l->out.eof && l->back.eof && !l->out.len && !l->back.len)
        close_link(l, false);
}

static void loop(struct proxy *p)
{
    static struct pollfd f[2 * LINKS_MAX + 1];

    while (!ended) {
        int64_t now = now_ms();
        int ms = 100;

        for (int i = 0; i < LINKS_MAX; i++) {
            wanted(&p->v[i], &p->v[i].out, &f[2 * i], now, &ms);
            wanted(&p->v[i], &p->v[i].back, &f[2 * i + 1], now, &ms);
        }
        f[2 * LINKS_MAX] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        if (poll(f, 2 * LINKS_MAX + 1, ms) < 0)
            continue;
        for (int i = 0; i < LINKS_MAX; i++) {
            move(p, &p->v[i], &p->v[i].out, &f[2 * i]);
            move(p, &p->v[i], &p->v[i].back, &f[2 * i + 1]);
            tend(&p->v[i]);
        }
        if (f[2 * LINKS_MAX].revents)
            open_link(p);
    }
}

static int begin(struct proxy *p, const char *port_file)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof(sa);
    char tmp[512];
    FILE *f;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listener < 0 ||
        bind(p->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(p->listener, 256) < 0 ||
        getsockname(p->listener, (struct sockaddr *)&sa, &n) < 0)
        return -1;
    snprintf(tmp, sizeof(tmp), "%s.tmp", port_file);
    f = fopen(tmp, "w");
    if (!f)
        return -1;
    fprintf(f, "%d\n", ntohs(sa.sin_port));
    fclose(f);
    return rename(tmp, port_file);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"reset", required_argument, NULL, RESET},
        {"blackhole", required_argument, NULL, BLACKHOLE},
        {"slow", required_argument, NULL, SLOW},
        {"halve", required_argument, NULL, HALVE},
        {"duplicate", required_argument, NULL, DUPLICATE},
        {"to", required_argument, NULL, 't'},
        {"port-file", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"delay-ms", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    static struct proxy p;
    const char *port_file = NULL;
    int c;

    p.rng = 1;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'p')
            port_file = optarg;
        else if (c == 's')
            p.rng = strtoull(optarg, NULL, 10) * 2 + 1;
        else if (c == 't')
            p.to = (int)strtol(optarg, NULL, 10);
        else if (c == 'd')
            p.delay_ms = strtol(optarg, NULL, 10);
        else if (c > 0 && c < FATES)
            p.percent[c] = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (p.to <= 0 || !port_file)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    if (begin(&p, port_file) < 0) {
        perror("chaosproxy");
        return 1;
    }
    loop(&p);
    for (int i = 0; i < FATES; i++)
        printf("%s %jd\n", fate_names[i], (intmax_t)p.done[i]);
    return 0;
}
