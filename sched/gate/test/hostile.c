/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.c - clients that mean no good, and the gate that stays open
 *
 * Deadlines of the gate under test are short; no check here depends on how
 * fast this machine is, only on what happens in the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/gate/test/harness.h"
#include "t/tap.h"

#define HOST "HTTP/1.1\r\nHost: x\r\n"
#define POLL "POST /v1/lease " HOST "Content-Length: 2\r\n\r\n{}"
#define MANY 2000

static int many = MANY; /* fewer under memcheck, which slows TLS a lot */

/* Wait until the gate has no more than n descriptors. */
static bool sockets_fall_to(struct rig *r, int n)
{
    for (int i = 0; i < 1000; i++) {
        if (rig_sockets(r) <= n)
            return true;
        pause_ms(20);
    }
    return false;
}

static void what_is_no_request_is_refused(struct rig *r)
{
    int before = rig_count(r, "asked"), n = 0;
    char head[20000];

    is_int(
        once(r, "POST / " HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        501, "Transfer-Encoding gets 501");
    is_int(once(r, "POST / " HOST "Content-Length: 5\r\nContent-Length: 0\r\n"
                   "\r\nGET /echo " HOST "\r\n"),
           400, "two Content-Length get 400");
    is_int(once(r, "POST / " HOST "Content-Length: 5\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           501, "both together get 501");
    is_int(once_n(r, "GET /\0 " HOST "\r\n", 27), 400, "a NUL byte gets 400");
    n = snprintf(head, sizeof(head), "GET / " HOST "X-A: ");
    memset(head + n, 'a', 9000);
    memcpy(head + n + 9000, "\r\n\r\n", 5);
    is_int(once(r, head), 431, "a header of 9 kB gets 431");
    is_int(once(r, "POST /v1/job " HOST "Content-Length: 1048577\r\n\r\n"), 413,
           "a body one byte over 1 MiB gets 413 before it is sent");
    is_int(once(r, "PUT /v1/blob/a " HOST "Content-Length: 4294967297\r\n\r\n"),
           413, "a blob over 4 GiB gets 413");
    is_int(once(r, "\x16\x03\x01 nonsense \xff\xfe\r\n\r\n"), 400,
           "nonsense gets 400");
    is_int(once(r, "GET / " HOST "Expect: miracles\r\n\r\n"), 417,
           "another expectation gets 417");
    is_int(rig_count(r, "asked"), before + 1,
           "nothing of it reached the controller");
}

static void odd_requests_are_served(struct rig *r)
{
    struct client c;
    struct heard h;

    client_open(r, &c);
    client_say(&c, "GET /echo HTTP/1.0\r\n\r\n");
    client_hear(&c, &h, false);
    is_int(h.status, 200, "HTTP/1.0 is served");
    heard_clear(&h);
    ok(client_closed(&c, 5000), "and the connection ends");
    client_close(&c);
    client_open(r, &c);
    client_say(&c, "GET https://else.where:1/echo?x " HOST "\r\n");
    client_hear(&c, &h, false);
    like(h.body, "\"path\":\"/echo?x\"", "an absolute address is its path");
    heard_clear(&h);
    client_close(&c);
}

static void bytes_may_come_one_by_one(struct rig *r)
{
    static const char text[] = "POST /echo " HOST "Content-Length: 5\r\n"
                               "Fallow-Node: 12\r\n\r\nabcde";
    size_t n = sizeof(text) - 1, good = 0;
    struct client c;
    struct heard h;

    client_open(r, &c);
    for (size_t i = 0; i < n; i++)
        client_send(&c, text + i, 1);
    client_hear(&c, &h, false);
    ok(h.status == 200 && strstr(h.body, "\"node\":\"12\"") &&
           strstr(h.body, "\"length\":5"),
       "a request in single bytes is served");
    heard_clear(&h);
    for (size_t cut = 1; cut < n; cut++) {
        client_send(&c, text, cut);
        if (cut % 8 == 0)
            pause_ms(1);
        client_send(&c, text + cut, n - cut);
        client_hear(&c, &h, false);
        good += h.status == 200 && strstr(h.body, "36bbe50ed968") != NULL;
        heard_clear(&h);
    }
    is_int((int64_t)good, (int64_t)n - 1, "and so is one cut anywhere");
    client_close(&c);
}

static void requests_ahead_are_answered_in_order(struct rig *r, int n)
{
    size_t cap = (size_t)n * 64, len = 0;
    char *text = malloc(cap);
    struct client c;
    struct heard h;
    int good = 0;

    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, cap - len,
                                "GET /big?%d " HOST "\r\n", i % 100);
    client_open(r, &c);
    ok(client_send(&c, text, len), "%d requests are sent in one go", n);
    for (int i = 0; i < n; i++) {
        client_hear(&c, &h, false);
        good += h.status == 200 && h.len == (size_t)(i % 100);
        heard_clear(&h);
        if (h.status < 0)
            break;
    }
    is_int(good, n, "and answered in their order");
    client_close(&c);
    free(text);
}

static void slow_ones_are_given_up(struct rig *r)
{
    struct client loris, body, reader, idle;
    int fds = rig_sockets(r), fd = plain_connect(r);
    bool ended = false;

    client_open(r, &loris);
    client_open(r, &body);
    client_open(r, &reader);
    client_open(r, &idle);
    client_say(&body, "POST /echo " HOST "Content-Length: 500000\r\n\r\n");
    client_say(&reader, "GET /big?20000000 " HOST "\r\n");
    for (int i = 0; i < 200 && !ended; i++) {
        ended = !client_say(&loris, "a") || !client_say(&body, "b");
        pause_ms(50);
    }
    ok(sockets_fall_to(r, fds),
       "slow loris, a body of 20 B/s, one who does not read, one who does not "
       "speak and half an open socket are all given up");
    client_drop(&loris);
    client_drop(&body);
    client_drop(&reader);
    client_drop(&idle);
    close(fd);
}

static void a_slow_header_is_told_408(struct rig *r)
{
    struct client c;
    struct heard h;

    client_open(r, &c);
    client_say(&c, "GET / HTTP/1.1\r\nHo");
    client_hear(&c, &h, false);
    is_int(h.status, 408, "half a header gets 408 in the end");
    heard_clear(&h);
    client_close(&c);
    client_open(r, &c);
    client_say(&c, "PUT /v1/blob/half " HOST "Content-Length: 100\r\n\r\nx");
    client_hear(&c, &h, false);
    is_int(h.status, 408, "so does half a blob");
    heard_clear(&h);
    client_close(&c);
}

static void noise_instead_of_tls_is_closed(struct rig *r)
{
    uint32_t x = 12345;
    int closed = 0;

    for (int i = 0; i < 20; i++) {
        struct client c = {.fd = plain_connect(r)};
        uint8_t noise[512];

        for (size_t k = 0; k < sizeof(noise); k++) {
            x = x * 1664525 + 1013904223;
            noise[k] = (uint8_t)(x >> 24);
        }
        if (i % 2)
            memcpy(noise, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        closed += send(c.fd, noise, sizeof(noise), MSG_NOSIGNAL) > 0 &&
                  client_closed(&c, 10000);
        client_drop(&c);
    }
    is_int(closed, 20, "noise instead of TLS is closed each time");
}

static void early_leavers_leave_nothing(struct rig *r)
{
    int fds = rig_sockets(r), asked = rig_count(r, "asked");

    for (int i = 0; i < 60; i++) {
        struct client c;

        if (!client_open(r, &c))
            continue;
        switch (i % 6) {
        case 0: client_say(&c, "POST /x " HOST "Content-Len"); break;
        case 1:
            client_say(&c, "POST /x " HOST "Content-Length: 9\r\n\r\nabc");
            break;
        case 2: client_say(&c, "GET /big?2000000 " HOST "\r\n"); break;
        case 3:
            client_say(&c, "PUT /v1/blob/z " HOST
                           "Content-Length: 99999\r\n\r\nabc");
            break;
        case 4: client_say(&c, "GET /silent " HOST "\r\n"); break;
        default: break;
        }
        if (i % 2)
            client_close(&c);
        else
            client_drop(&c);
    }
    ok(sockets_fall_to(r, fds), "60 that left early leave no socket behind");
    ok(rig_count(r, "asked") > asked, "and the gate goes on");
}

/* Sockets of the gate's port in CLOSE-WAIT. */
static int close_waits(const struct rig *r)
{
    FILE *f = fopen("/proc/net/tcp", "r");
    char line[256];
    int n = 0;

    while (f && fgets(line, sizeof(line), f)) {
        unsigned port, state;

        n += sscanf(line, " %*d: %*8x:%x %*8x:%*x %x", &port, &state) == 2 &&
             port == (unsigned)r->port && state == 8;
    }
    if (f)
        fclose(f);
    return n;
}

static void dead_parked_peers_are_all_gone(struct rig *r)
{
    static struct client c[MANY];
    int fds = rig_sockets(r), n = 0;
    long rss = rig_rss_kib(r);

    for (int i = 0; i < many; i++) {
        if (client_open(r, &c[i]))
            n += client_say(&c[i], POLL);
    }
    is_int(n, many, "%d polls are sent", many);
    ok(rig_wait_count(r, "parked", many), "all are parked");
    fprintf(stderr, "# %ld KiB for each parked poll\n",
            (rig_rss_kib(r) - rss) / many);
    for (int i = 0; i < many; i++) {
        if (i % 3 == 0)
            client_close(&c[i]);
        else if (i % 3 == 1)
            client_drop(&c[i]);
        else {
            close(c[i].fd); /* a process that was killed */
            c[i].fd = -1;
            SSL_free(c[i].ssl);
        }
    }
    ok(rig_wait_count(r, "parked", 0), "all the dead are noticed");
    ok(sockets_fall_to(r, fds), "none keeps a socket");
    for (int i = 0; i < 500 && close_waits(r) > 0; i++)
        pause_ms(20);
    is_int(close_waits(r), 0, "none stays in CLOSE-WAIT");
}

/* With the limits a gate has by default. */
static void all_come_back_after_a_crash(void)
{
    static struct client c[MANY];
    struct rig r;
    int n = 0;

    rig_create(&r, NULL);
    for (int i = 0; i < many; i++)
        n += client_open(&r, &c[i]) && client_say(&c[i], POLL);
    ok(n == many && rig_wait_count(&r, "parked", many),
       "%d workers of one address wait for work", many);
    rig_restart_gate(&r, NULL);
    n = 0;
    for (int i = 0; i < many; i++) {
        client_drop(&c[i]);
        n += client_open(&r, &c[i]) && client_say(&c[i], POLL);
    }
    is_int(n, many, "the gate is killed: all shake hands again");
    ok(rig_wait_count(&r, "parked", many), "and wait for work again");
    for (int i = 0; i < many; i++)
        client_drop(&c[i]);
    rig_destroy(&r);
}

static void vanished_peers_are_noticed(struct rig *r)
{
    struct client c;
    int on = 1;

    client_open(r, &c);
    client_say(&c, POLL);
    ok(rig_wait_count(r, "parked", 1), "a poll is parked");
    if (setsockopt(c.fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0) {
        skip("a peer cannot be made to vanish without CAP_NET_ADMIN");
        client_close(&c);
        return;
    }
    close(c.fd); /* no FIN, no RST: a cable was cut */
    c.fd = -1;
    ok(rig_wait_count(r, "parked", 0), "its machine vanishes: that is noticed");
    SSL_free(c.ssl);
}

static void addresses_have_limits(void)
{
    static const char *const settings[] = {"per_address=5", NULL};
    struct client c[5], extra;
    struct rig r;

    rig_create(&r, settings);
    for (int i = 0; i < 5; i++)
        client_open(&r, &c[i]);
    ok(!client_open(&r, &extra), "a sixth connection of one address is closed");
    client_close(&c[0]);
    for (int i = 0; i < 100 && !client_open(&r, &extra); i++)
        pause_ms(20);
    ok(extra.ssl != NULL, "when one leaves there is room again");
    client_close(&extra);
    for (int i = 1; i < 5; i++)
        client_close(&c[i]);
    rig_destroy(&r);
}

static void handshakes_wait_their_turn(void)
{
    static const char *const settings[] = {"handshakes_per_s=50",
                                           "handshake_burst=2", NULL};
    struct rig r;
    int n = 0;

    rig_create(&r, settings);
    for (int i = 0; i < 20; i++) {
        struct client c;

        n += client_open(&r, &c);
        client_close(&c);
    }
    is_int(n, 20, "handshakes beyond the rate wait, and none is lost");
    rig_destroy(&r);
}

static void memory_is_bounded(void)
{
    static const char *const settings[] = {"memory_max=2MB", NULL};
    static char part[500000];
    struct client c[8];
    struct heard h;
    struct rig r;
    int refused = 0;

    rig_create(&r, settings);
    memset(part, 'x', sizeof(part));
    for (int i = 0; i < 8; i++) {
        client_open(&r, &c[i]);
        client_say(&c[i], "POST /x " HOST "Content-Length: 1000000\r\n\r\n");
        client_send(&c[i], part, sizeof(part));
    }
    for (int i = 0; i < 8; i++) {
        struct timeval t = {.tv_sec = 1};

        setsockopt(c[i].fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
        client_hear(&c[i], &h, false);
        refused += h.status == 503;
        heard_clear(&h);
        client_drop(&c[i]);
    }
    ok(refused >= 4 && refused < 8,
       "bodies beyond the gate's memory get 503 (%d of 8)", refused);
    is_int(once(&r, "GET /echo " HOST "\r\n"), 200, "then it is free again");
    rig_destroy(&r);
}

int main(void)
{
    static const char *const settings[] = {"header_timeout=500ms",
                                           "idle_timeout=2s",
                                           "min_rate=1GB",
                                           "handshake_burst=10000",
                                           "per_address=10000",
                                           "keepalive=1s",
                                           NULL};
    struct rlimit l;
    struct rig r;

    many = getenv("VALGRIND") ? 60 : MANY;
    getrlimit(RLIMIT_NOFILE, &l);
    if (l.rlim_max < MANY + 200)
        skip_all("only %ju files may be open", (uintmax_t)l.rlim_max);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    rig_create(&r, settings);
    what_is_no_request_is_refused(&r);
    odd_requests_are_served(&r);
    bytes_may_come_one_by_one(&r);
    requests_ahead_are_answered_in_order(&r, 50);
    requests_ahead_are_answered_in_order(&r, 5000);
    slow_ones_are_given_up(&r);
    a_slow_header_is_told_408(&r);
    noise_instead_of_tls_is_closed(&r);
    early_leavers_leave_nothing(&r);
    vanished_peers_are_noticed(&r);
    dead_parked_peers_are_all_gone(&r);
    rig_destroy(&r);
    all_come_back_after_a_crash();
    addresses_have_limits();
    handshakes_wait_their_turn();
    memory_is_bounded();
    done_testing();
    return exit_status();
}
