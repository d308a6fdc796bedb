/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - buckets, addresses and the wheel of deadlines */
#include "sched/gate/limit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "sched/gate/wheel.h"
#include "t/tap.h"

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        memcpy(&s, &in, sizeof(in));
    else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        memcpy(&s, &in6, sizeof(in6));
    return s;
}

static struct address *enter(struct addresses *t, const char *text, int64_t ms)
{
    struct sockaddr_storage s = address(text);

    return address_enter(t, (struct sockaddr *)&s, ms);
}

static void buckets_fill_at_their_rate(void)
{
    struct bucket b;
    int n = 0;

    bucket_init(&b, 5, 1000);
    while (n < 100 && bucket_take(&b, 10, 5, 1000))
        n++;
    is_int(n, 5, "a full bucket gives its burst");
    is_int(bucket_wait_ms(&b, 10, 1000), 100, "the next token is 100 ms away");
    ok(!bucket_take(&b, 10, 5, 1099), "not before");
    ok(bucket_take(&b, 10, 5, 1100), "but then");
    n = 0;
    while (n < 100 && bucket_take(&b, 10, 5, 10000000000000))
        n++;
    is_int(n, 5, "a long pause fills it to the burst, not beyond");
    ok(!bucket_take(&b, 10, 5, 0), "a clock that goes back gives nothing");
}

static void addresses_are_counted_apart(void)
{
    struct limits l = {.per_address = 2, .rate = 1, .burst = 3};
    struct addresses *t = addresses_create(&l);
    struct address *a = enter(t, "192.0.2.1", 0), *b = enter(t, "192.0.2.1", 0);

    ok(a && a == b, "two connections of one address are let in");
    ok(!enter(t, "192.0.2.1", 0) && errno == EAGAIN, "the third is not");
    ok(!enter(t, "::ffff:192.0.2.1", 0), "nor in other clothes");
    ok(enter(t, "192.0.2.2", 0) != NULL, "another address is another matter");
    address_leave(a);
    ok(enter(t, "192.0.2.1", 0) != NULL, "one leaves, one enters");
    address_leave(a);
    ok(!enter(t, "192.0.2.1", 0), "but three handshakes a moment are enough");
    ok(enter(t, "192.0.2.1", 1000) != NULL, "a second later there is one");
    ok(enter(t, "2001:db8:1:2::3", 0) && enter(t, "2001:db8:1:2:9::4", 0),
       "two of one IPv6 network");
    ok(!enter(t, "2001:db8:1:2::5", 0), "are all it may have");
    ok(enter(t, "2001:db8:1:3::5", 0) != NULL, "its neighbour may");
    addresses_destroy(t);
}

static void many_addresses_come_and_go(void)
{
    struct limits l = {.per_address = 1, .rate = 1, .burst = 1};
    struct addresses *t = addresses_create(&l);
    int n = 0;

    for (int i = 0; i < 20000; i++) {
        char text[32];
        struct address *a;

        snprintf(text, sizeof(text), "10.%d.%d.%d", i / 65536, i / 256 % 256,
                 i % 256);
        a = enter(t, text, i);
        n += a != NULL;
        if (a)
            address_leave(a);
    }
    is_int(n, 20000, "20,000 addresses are let in once each");
    addresses_destroy(t);
}

static void deadlines_come_due_in_time(void)
{
    static struct wheel_node v[1000];
    struct wheel w;
    struct wheel_node *n;
    int early = 0, late = 0, seen = 0;

    wheel_init(&w, 5000);
    for (int i = 0; i < 1000; i++)
        wheel_set(&w, &v[i], 5000 + i * 397 % 200000);
    for (int i = 0; i < 1000; i += 3) /* earlier and later */
        wheel_set(&w, &v[i], 5000 + (i * 7919) % 300000);
    wheel_remove(&v[500]);
    for (int64_t now = 5000; now < 310000; now += 100) {
        while ((n = wheel_due(&w, now))) {
            seen++;
            early += n->deadline_ms > now;
            late += now - n->deadline_ms > WHEEL_STEP_MS + 100;
        }
    }
    is_int(seen, 999, "every deadline but the removed one comes");
    is_int(early, 0, "none early");
    is_int(late, 0, "none later than a step");
    wheel_set(&w, &v[0], 400000);
    n = wheel_due(&w, 100000000);
    ok(n == &v[0], "a leap of the clock finds what is due");
    ok(!wheel_due(&w, 100000000), "once");
}

int main(void)
{
    buckets_fill_at_their_rate();
    addresses_are_counted_apart();
    many_addresses_come_and_go();
    deadlines_come_due_in_time();
    done_testing();
    return exit_status();
}
