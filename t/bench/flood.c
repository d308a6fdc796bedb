/* SPDX-License-Identifier: Apache-2.0 */
/* flood.c - very many separate jobs, submitted over kept connections
 *
 *   flood --url URL --ca FILE --token HEX --spec HEX --jobs N --clients N
 *
 * Every job is one echo task of zone own.  Prints `key value` lines.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/message.h"
#include "common/sign.h"
#include "t/bench/crowd.h"

static struct {
    struct msg_jobspec spec;
    char auth[128];
    int64_t wanted, sent, done;
    bool stop, failed;
} flood;

static void submit(struct peer *p)
{
    size_t len = 0;
    char *text = NULL;
    json_t *j;

    flood.sent++;
    if (random_bytes(flood.spec.job.submission_id,
                     sizeof(flood.spec.job.submission_id)) == 0 &&
        (j = msg_jobspec_encode(&flood.spec))) {
        text = message_text(j, &len);
        json_decref(j);
    }
    flood.failed = flood.stop = !text;
    if (text)
        peer_ask(p, "POST", "/v1/job", flood.auth, text, len);
    free(text);
}

static void heard(struct peer *p, const struct crowd_reply *r)
{
    if (r->status != 200) {
        fprintf(stderr, "flood: %.300s\n", r->body);
        flood.failed = flood.stop = true;
        return;
    }
    flood.done++;
    if (flood.sent < flood.wanted)
        submit(p);
    else if (flood.done == flood.wanted)
        flood.stop = true;
}

static void fill_spec(const char *spec)
{
    struct rec_job *b = &flood.spec.job;

    snprintf(b->name, sizeof(b->name), "flood");
    snprintf(b->user_name, sizeof(b->user_name), "bench");
    snprintf(b->kernel, sizeof(b->kernel), "echo");
    snprintf(b->zone, sizeof(b->zone), "own");
    digest_of("", 0, &b->params);
    if (digest_from_hex(spec, &b->spec) < 0)
        flood.failed = true;
    b->array_step = 1;
    b->input = INPUT_INDEX;
    b->tasks = b->items_per_task = 1;
    b->items = 1;
    b->units_per_item = 1;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"url", required_argument, NULL, 'u'},
        {"ca", required_argument, NULL, 'c'},
        {"token", required_argument, NULL, 't'},
        {"spec", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},
        {"clients", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    const char *url = NULL, *ca = NULL, *token = "", *spec = "";
    int c, clients = 64;
    struct crowd *crowd;
    struct error err;
    int64_t from;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'u': url = optarg; break;
        case 'c': ca = optarg; break;
        case 't': token = optarg; break;
        case 's': spec = optarg; break;
        case 'j': flood.wanted = strtoll(optarg, NULL, 10); break;
        case 'n': clients = (int)strtol(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    fill_spec(spec);
    if (!url || !ca || flood.wanted < clients || clients < 1 || flood.failed)
        return 2;
    snprintf(flood.auth, sizeof(flood.auth), "Authorization: Bearer %s\r\n",
             token);
    crowd = crowd_create(url, ca, (size_t)clients, heard, &err);
    if (!crowd) {
        fprintf(stderr, "flood: %s\n", err.text);
        return 1;
    }
    from = crowd_now_us();
    for (int i = 0; i < clients; i++)
        submit(crowd_peer(crowd, (size_t)i));
    crowd_run(crowd, 600000, &flood.stop);
    printf("jobs %" PRId64 "\njobs_per_s %.0f\n", flood.done,
           (double)flood.done * 1e6 / (double)(crowd_now_us() - from));
    crowd_destroy(crowd);
    return flood.failed || flood.done < flood.wanted;
}
