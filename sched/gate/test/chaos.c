/* SPDX-License-Identifier: Apache-2.0 */
/* chaos.c - client and gate over a network that loses, cuts and delays
 *
 * Whatever the network does, a reply that arrives is the right one, a client
 * that tries again gets through, and the gate keeps nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/http.h"
#include "sched/gate/test/harness.h"
#include "t/tap.h"

#define REQUESTS 120
#define TRIES 40

struct chaos {
    pid_t pid;
    char base[64];
    char log[128];
};

static void chaos_begin(struct chaos *c, const struct rig *r, uint64_t seed)
{
    char exe[512], to[16], port[128], text[32];
    const char *dir = getenv("builddir");
    char *argv[] = {exe,  "--to",    to,   "--port-file", port, "--seed",
                    text, "--reset", "25", "--slow",      "8",  "--blackhole",
                    "5",  "--halve", "15", "--duplicate", "15", "--delay-ms",
                    "5",  NULL};
    int found = 0;

    snprintf(exe, sizeof(exe), "%s/t/chaosproxy", dir ? dir : ".");
    snprintf(to, sizeof(to), "%d", r->port);
    snprintf(text, sizeof(text), "%ju", (uintmax_t)seed);
    snprintf(port, sizeof(port), "%s/chaos.port", r->dir);
    snprintf(c->log, sizeof(c->log), "%s/chaos.log", r->dir);
    unlink(port);
    c->pid = fork();
    if (c->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open(c->log, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        execv(exe, argv);
        _exit(127);
    }
    for (int i = 0; i < 1000 && !found; i++) {
        FILE *f = fopen(port, "r");

        found = f && fgets(text, sizeof(text), f);
        if (f)
            fclose(f);
        if (!found)
            pause_ms(10);
    }
    snprintf(c->base, sizeof(c->base), "https://127.0.0.1:%ld",
             strtol(text, NULL, 10));
}

/* How many connections met a bad fate. */
static long chaos_end(struct chaos *c)
{
    char line[64];
    long n = 0;
    FILE *f;

    kill(c->pid, SIGTERM);
    waitpid(c->pid, NULL, 0);
    f = fopen(c->log, "r");
    while (f && fgets(line, sizeof(line), f)) {
        const char *space = strchr(line, ' ');

        fprintf(stderr, "# %s", line);
        if (space && strncmp(line, "fine", 4) != 0)
            n += strtol(space, NULL, 10);
    }
    if (f)
        fclose(f);
    return n;
}

/* The reply is /echo's to exactly this body. */
static bool is_mine(const struct http_reply *r, const void *body, size_t len)
{
    char hex[DIGEST_HEX_LEN + 1], want[32];
    struct digest d;

    digest_of(body, len, &d);
    digest_to_hex(&d, hex);
    snprintf(want, sizeof(want), "\"length\":%zu", len);
    return r->status == 200 && strstr((char *)r->body, hex) &&
           strstr((char *)r->body, want);
}

struct tally {
    int right, wrong, failures, odd, lost;
};

static void ask(struct http *h, int i, struct tally *t)
{
    static char body[8192];
    size_t len = (size_t)(i * 67 % (int)sizeof(body));

    for (size_t k = 0; k < len; k++)
        body[k] = (char)(i * 31 + (int)k * 7);
    for (int n = 0; n < TRIES; n++) {
        struct http_reply r;
        struct error err;

        if (http_do(h, "POST", "/echo", -1, body, len, 1500, NULL, &r, &err) ==
            0) {
            bool again = r.status == 408 || r.status == 503;

            if (is_mine(&r, body, len))
                t->right++;
            else if (!again)
                t->wrong++;
            http_reply_clear(&r);
            if (!again)
                return;
        } else {
            t->failures++;
            t->odd += errno != ETIMEDOUT && errno != ECONNRESET &&
                      errno != ECONNREFUSED && errno != EPROTO;
        }
    }
    t->lost++;
}

static void requests_get_through(struct rig *r, uint64_t seed)
{
    struct tally t = {0};
    struct chaos c;
    struct http *h = NULL;
    struct error err;
    int fds = rig_sockets(r);
    long bad;

    chaos_begin(&c, r, seed);
    for (int i = 0; i < REQUESTS; i++) {
        if (i % 3 == 0) { /* a new connection, a new fate */
            http_destroy(h);
            h = http_create(c.base, r->ca, NULL, &err);
        }
        ask(h, i, &t);
    }
    http_destroy(h);
    bad = chaos_end(&c);
    is_int(t.right, REQUESTS, "seed %ju: every request gets its own answer",
           (uintmax_t)seed);
    is_int(t.wrong + t.lost + t.odd, 0,
           "none a wrong one, none is lost, no error without a name");
    ok(bad > 10 && t.failures > 0, "though %ld connections were maltreated",
       bad);
    for (int i = 0; i < 1000 && rig_sockets(r) > fds; i++)
        pause_ms(20);
    ok(rig_sockets(r) <= fds, "and the gate keeps no socket of them");
}

static void a_blob_gets_through(struct rig *r, uint64_t seed)
{
    static char bytes[300000];
    char from[128], to[128];
    struct digest a, b;
    struct chaos c;
    struct error err;
    bool up = false, down = false;
    uint64_t n;
    FILE *f;

    snprintf(from, sizeof(from), "%s/sent", r->dir);
    snprintf(to, sizeof(to), "%s/received", r->dir);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * i >> 7);
    f = fopen(from, "w");
    fwrite(bytes, 1, sizeof(bytes), f);
    fclose(f);
    chaos_begin(&c, r, seed);
    for (int i = 0; i < TRIES && !down; i++) {
        struct http *h = http_create(c.base, r->ca, NULL, &err);
        struct http_reply reply;

        if (!up && http_put_file(h, "/v1/blob/chaos", from, NULL, NULL, &reply,
                                 &err) == 0) {
            up = reply.status == 200;
            http_reply_clear(&reply);
        }
        if (up && http_get_file(h, "/v1/blob/chaos", to, &reply, &err) == 0) {
            down = reply.status == 200;
            http_reply_clear(&reply);
        }
        http_destroy(h);
    }
    ok(up && down, "seed %ju: a blob gets in and out again", (uintmax_t)seed);
    ok(chaos_end(&c) > 0, "though not at once");
    ok(digest_of_file(from, &a, &n, &err) == 0 &&
           digest_of_file(to, &b, &n, &err) == 0 && digest_equal(&a, &b),
       "byte for byte");
}

int main(void)
{
    static const char *const settings[] = {"header_timeout=1s",
                                           "idle_timeout=2s", NULL};
    struct rig r;

    rig_create(&r, settings);
    requests_get_through(&r, 1);
    requests_get_through(&r, 20261120);
    a_blob_gets_through(&r, 8);
    is_int(once(&r, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"), 200,
           "the gate is as before");
    rig_destroy(&r);
    done_testing();
    return exit_status();
}
