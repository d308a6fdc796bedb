/* SPDX-License-Identifier: Apache-2.0 */
/* door.c - what the gate alone costs, before a controller that does nothing
 *
 *   door --url URL --ca FILE --pid GATE --park N
 *   door --url URL --ca FILE --pid GATE --ask SECONDS --clients N
 *
 * The first parks N polls, counts the gate's memory for each, and wakes them;
 * the second asks as fast as it can.  Prints `key value` lines.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t/bench/crowd.h"

#define PATIENCE_S 300

static struct {
    int64_t answers, woken;
    int64_t until_us;
    bool stop, parking;
    int want;
} tally;

static long read_status(int pid, const char *key)
{
    char path[64], line[256];
    size_t n = strlen(key);
    long v = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, n) == 0)
            v = strtol(line + n, NULL, 10);
    if (f)
        fclose(f);
    return v;
}

/* CPU seconds of a process. */
static double cpu_s(int pid)
{
    unsigned long user = 0, sys = 0;
    char path[64], text[1024] = "";
    const char *p;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return 0;
    p = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
    if (p &&
        sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &sys) != 2)
        user = sys = 0;
    fclose(f);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static void heard(struct peer *p, const struct crowd_reply *r)
{
    if (r->status != 200) {
        fprintf(stderr, "door: status %d\n", r->status);
        exit(1);
    }
    if (peer_get(p)) { /* the one that wakes or counts */
        const char *n = strstr(r->body, "\"parked\":");

        if (n)
            tally.woken = strtol(n + 9, NULL, 10);
        tally.stop = true;
        return;
    }
    tally.answers++;
    if (!tally.parking && crowd_now_us() < tally.until_us)
        peer_ask(p, "POST", "/null", "", "{}", 2);
    else if (tally.answers == tally.want)
        tally.stop = true;
}

/* Ask with the extra peer and wait for its answer. */
static void ask_one(struct crowd *c, int n, const char *method,
                    const char *path)
{
    struct peer *p = crowd_peer(c, (size_t)n);

    peer_set(p, &tally);
    tally.stop = false;
    peer_ask(p, method, path, "", NULL, 0);
    crowd_run(c, 10000, &tally.stop);
    tally.stop = false;
}

static int park(struct crowd *c, int n, int pid)
{
    int64_t from = crowd_now_us(), limit = from + PATIENCE_S * INT64_C(1000000);
    double cpu = cpu_s(pid), at_rest;
    long rss = read_status(pid, "VmRSS:"), parked_rss;

    ask_one(c, n, "GET", "/count");
    tally.parking = true;
    tally.want = n;
    for (int i = 0; i < n; i++)
        peer_ask(crowd_peer(c, (size_t)i), "POST", "/v1/lease", "", "{}", 2);
    do {
        crowd_run(c, 200, &tally.stop);
        ask_one(c, n, "GET", "/count");
    } while (tally.woken < n && crowd_now_us() < limit);
    parked_rss = read_status(pid, "VmRSS:");
    printf("parked %" PRId64 "\nkib_each %.2f\nseconds %.2f\n", tally.woken,
           (double)(parked_rss - rss) / n,
           (double)(crowd_now_us() - from) / 1e6);
    printf("cpu_ms_each %.3f\n", (cpu_s(pid) - cpu) * 1e3 / n);
    at_rest = cpu_s(pid);
    crowd_run(c, 3000, &tally.stop);
    printf("cpu_percent_at_rest %.2f\n", (cpu_s(pid) - at_rest) / 3 * 100);
    from = crowd_now_us();
    ask_one(c, n, "POST", "/wake");
    while (tally.answers < n && crowd_now_us() < limit)
        crowd_run(c, 1000, &tally.stop);
    printf("wake_s %.3f\nanswered %" PRId64 "\nbroken %" PRIu64 "\n",
           (double)(crowd_now_us() - from) / 1e6, tally.answers,
           crowd_counted(c).broken);
    return tally.answers == n ? 0 : 1;
}

static int ask(struct crowd *c, int n, int seconds, int pid)
{
    double cpu, mine;
    struct rusage u;
    int64_t from;

    tally.until_us = INT64_MAX;
    for (int i = 0; i < n; i++)
        peer_ask(crowd_peer(c, (size_t)i), "POST", "/null", "", "{}", 2);
    crowd_run(c, 500, &tally.stop);
    tally.answers = 0;
    cpu = cpu_s(pid);
    mine = cpu_s(getpid());
    from = crowd_now_us();
    crowd_run(c, seconds * 1000, &tally.stop);
    getrusage(RUSAGE_SELF, &u);
    printf("requests_per_s %.0f\ncpu_us_each %.2f\nclient_cpu_us_each %.2f\n",
           (double)tally.answers * 1e6 / (double)(crowd_now_us() - from),
           (cpu_s(pid) - cpu) * 1e6 / (double)tally.answers,
           (cpu_s(getpid()) - mine) * 1e6 / (double)tally.answers);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"url", required_argument, NULL, 'u'},
        {"ca", required_argument, NULL, 'c'},
        {"pid", required_argument, NULL, 'p'},
        {"park", required_argument, NULL, 'n'},
        {"ask", required_argument, NULL, 's'},
        {"clients", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    const char *url = NULL, *ca = NULL;
    int pid = 0, n = 0, seconds = 0, clients = 64, c, rc;
    struct crowd *crowd;
    struct error err;
    struct rlimit files;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'u': url = optarg; break;
        case 'c': ca = optarg; break;
        case 'p': pid = (int)strtol(optarg, NULL, 10); break;
        case 'n': n = (int)strtol(optarg, NULL, 10); break;
        case 's': seconds = (int)strtol(optarg, NULL, 10); break;
        case 'm': clients = (int)strtol(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (!url || !ca || pid <= 0 || (n <= 0) == (seconds <= 0))
        return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    crowd = crowd_create(url, ca, (size_t)(n ? n : clients) + 1, heard, &err);
    if (!crowd) {
        fprintf(stderr, "door: %s\n", err.text);
        return 1;
    }
    rc = n ? park(crowd, n, pid) : ask(crowd, clients, seconds, pid);
    crowd_destroy(crowd);
    return rc;
}
