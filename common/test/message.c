/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - every message goes there and back, and hostile ones nowhere */
#include "common/message.h"
#include "t/tap.h"

/* The text a message makes again after one trip. */
#define TRIP(kind, in, back)                                                   \
    do {                                                                       \
        json_t *j = msg_##kind##_encode(in), *k;                               \
        struct error e = {{0}};                                                \
        size_t n;                                                              \
        char *a = message_text(j, &n), *b = NULL;                              \
        int rc = msg_##kind##_decode(j, back, &e);                             \
                                                                               \
        ok(rc == 0, #kind " decodes: %s", e.text);                             \
        k = rc == 0 ? msg_##kind##_encode(back) : NULL;                        \
        b = k ? message_text(k, &n) : NULL;                                    \
        is_str(b, a, #kind " comes back as it went");                          \
        free(a);                                                               \
        free(b);                                                               \
        json_decref(j);                                                        \
        json_decref(k);                                                        \
    } while (0)

static char token[] = "c2VhbGVk";
static char *tokens[] = {token, token};
static uint8_t bytes[] = {0, 1, 2, 255};

static struct msg_ask an_ask(void)
{
    struct msg_ask a = {.want = 3, .wait_s = 50, .n_held = 2, .held = tokens};

    a.offer.cores = 2;
    a.offer.mem = 1 << 30;
    memcpy(a.offer.zone, "cell", 5);
    a.offer.n_kernels = 1;
    memcpy(a.offer.kernels[0].name, "echo", 5);
    a.offer.kernels[0].units_per_s = 12345;
    return a;
}

/* Straight into text, or by way of a tree. */
static void test_grant_text(const struct msg_grant *g)
{
    json_t *j = msg_grant_encode(g);
    size_t a_len, b_len;
    char *a = message_text(j, &a_len), *b = msg_grant_text(g, &b_len);

    is_str(b, a, "a grant's text is what its tree is written as");
    ok(a_len == b_len && strlen(b) == b_len, "and as long");
    json_decref(j);
    free(a);
    free(b);
}

static void test_worker_messages(void)
{
    struct msg_ask ask = an_ask(), ask2 = {0};
    struct msg_result r[2] = {{.token = token, .bytes = bytes, .len = 4},
                              {.token = token, .has_blob = true}};
    struct msg_results rs = {.n = 2, .v = r, .has_ask = true}, rs2 = {0};
    struct msg_lease l = {.id = "1.2",
                          .kernel = "echo",
                          .items = 1,
                          .input = bytes,
                          .input_len = 4,
                          .token = token};
    struct msg_fate f = {"accepted", ""};
    struct msg_grant g = {1, &l, 1, &f, {7, {{9}}}}, g2 = {0};
    struct msg_tokens t = {2, tokens}, t2 = {0};
    int64_t gone[1] = {1};
    struct msg_gone go = {1, gone, {3, {{1}}}}, go2 = {0};
    struct msg_enrol en = {"abc", {1, 2}}, en2 = {{0}, {0}};
    struct msg_enrolled ed = {5, 6, "home", {3}}, ed2 = {0};

    rs.ask = ask;
    TRIP(ask, &ask, &ask2);
    TRIP(results, &rs, &rs2);
    TRIP(grant, &g, &g2);
    test_grant_text(&g);
    f = (struct msg_fate){"stale", "a \"b\" \\ \n\t\x01 \xc3\xa9/"};
    test_grant_text(&g);
    g.n_leases = g.n_fates = 0;
    test_grant_text(&g);
    g.n_leases = g.n_fates = 1;
    TRIP(tokens, &t, &t2);
    TRIP(gone, &go, &go2);
    TRIP(enrol, &en, &en2);
    TRIP(enrolled, &ed, &ed2);
    msg_ask_clear(&ask2);
    msg_results_clear(&rs2);
    msg_grant_clear(&g2);
    msg_tokens_clear(&t2);
    msg_gone_clear(&go2);
}

/* A job whose lists do not fit its tasks, made by taking one element away. */
static void test_shape(const struct msg_jobspec *s, const char *list,
                       const char *words)
{
    struct msg_jobspec got = {0};
    struct error err = {{0}};
    json_t *j = msg_jobspec_encode(s);

    json_array_remove(json_object_get(j, list), 1);
    ok(msg_jobspec_decode(j, &got, &err) < 0, "refused: one too few in %s",
       list);
    like(err.text, words, "because: %s", words);
    json_decref(j);
}

static void test_customer_messages(void)
{
    struct digest d[2] = {{{1}}, {{2}}};
    int64_t u[2] = {100, 30};
    struct msg_jobspec s = {.max_amount = 9}, s2 = {0};
    struct rec_job job2 = {0};
    struct msg_quote q = {1, 2, 3, "USD", 4, 5, 6}, q2 = {0};
    struct msg_task_result tr = {3, 1, bytes, 4};
    struct msg_task_results trs = {1, &tr, -1}, trs2 = {0};

    s.job.tasks = 2;
    s.job.items_per_task = 10;
    s.job.items = 13;
    s.job.units = 130;
    s.job.input = INPUT_BLOBS;
    s.job.blobs = d;
    s.job.task_units = u;
    s.job.array_step = 1;
    s.job.state = JOB_RUNNING;
    s.job.nice = -3;
    memcpy(s.job.zone, "public", 7);
    TRIP(jobspec, &s, &s2);
    is_int(s2.job.units, 130, "the units of the tasks are summed");
    test_shape(&s, "input", "names 1 blobs for 2 tasks");
    test_shape(&s, "units", "has 1 values for 2 tasks");
    TRIP(job, &s.job, &job2);
    TRIP(quote, &q, &q2);
    TRIP(task_results, &trs, &trs2);
    msg_jobspec_clear(&s2);
    msg_task_results_clear(&trs2);
}

static void refuses(const char *text, const char *words)
{
    struct msg_jobspec s = {0};
    struct error err = {{0}};
    json_t *j = message_parse(text, strlen(text), &err);
    int rc = j ? msg_jobspec_decode(j, &s, &err) : -1;

    ok(rc < 0, "refused: %.40s", text);
    like(err.text, words, "because: %s", words);
    json_decref(j);
}

static void test_hostile(void)
{
    char deep[64];

    memset(deep, '[', 40);
    deep[40] = '\0';
    refuses(deep, "deeper than 16");
    refuses("{\"a\":1,\"a\":2}", "duplicate");
    refuses("{\"name\":\"\xff\"}", "decode byte 0xff");
    refuses("{}", "\"submission_id\" is missing");
    refuses("[1]", "not an object");
    refuses("{\"submission_id\":\"00\"}", "not 32 hex digits");
    refuses("{\"submission_id\":1}", "is not a text");
}

int main(void)
{
    test_worker_messages();
    test_customer_messages();
    test_hostile();
    done_testing();
    return exit_status();
}
