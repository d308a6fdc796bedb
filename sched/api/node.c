/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - workers as customers see them, and why nothing happens */
#include "sched/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* A worker not heard of for this long is shown as down. */
#define SILENT_US 120000000

struct nodes {
    const struct call *call;
    json_t *a;
    int64_t now_us;
};

static const char *node_state(const struct nodes *n,
                              const struct worker_view *w)
{
    if (w->worker.state != WORKER_ACTIVE)
        return "drain";
    if (w->offer.cores == 0 || n->now_us - w->last_seen_us > SILENT_US)
        return "down";
    return w->leases > 0 ? "alloc" : "idle";
}

/* A name says nothing of the host; the owner is shown to himself only. */
static bool add_node(void *arg, const struct worker_view *w)
{
    struct nodes *n = arg;
    json_t *kernels = json_array();
    char name[24];
    bool mine =
        n->call->who == WHO_ADMIN || n->call->party_id == w->worker.party_id;

    for (uint32_t i = 0; i < w->offer.n_kernels; i++)
        json_array_append_new(
            kernels, json_pack("{s:s,s:I}", "name", w->offer.kernels[i].name,
                               "units_per_s",
                               (json_int_t)w->offer.kernels[i].units_per_s));
    snprintf(name, sizeof(name), "v%" PRId64, w->worker.worker_id);
    json_array_append_new(
        n->a,
        json_pack(
            "{s:s,s:s,s:I,s:I,s:s,s:I,s:b,s:I,s:o}", "name", name, "state",
            node_state(n, w), "cores", (json_int_t)w->offer.cores, "mem",
            (json_int_t)w->offer.mem_bytes, "zone", w->offer.zone, "leases",
            (json_int_t)w->leases, "referee", w->worker.referee, "party_id",
            (json_int_t)(mine ? w->worker.party_id : 0), "kernels", kernels));
    return true;
}

void route_node_list(struct call *call)
{
    struct nodes n = {call, json_array(), ctl_now_us()};

    cell_each_worker(call->ctl->cell, add_node, &n);
    call_json(call, 200, json_pack("{s:o}", "nodes", n.a));
}

void route_explain(struct call *call)
{
    int64_t job, worker;
    struct rec_job j;
    char text[1024];

    if (api_query_int(call, "job", 0, INT64_MAX, 0, &job) < 0 ||
        api_query_int(call, "worker", 0, INT64_MAX, 0, &worker) < 0)
        return;
    /* what is another's is as little there as what was never made */
    if (job && cell_job(call->ctl->cell, job, &j) && !api_may_see(call, &j)) {
        snprintf(text, sizeof(text), "there is no job %" PRId64 " in memory",
                 job);
        call_json(call, 200, json_pack("{s:s}", "text", text));
        return;
    }
    cell_explain(call->ctl->cell, job, worker, text, sizeof(text));
    call_json(call, 200, json_pack("{s:s}", "text", text));
}

void route_ping(struct call *call)
{
    struct ctl *c = call->ctl;

    call_json(call, 200,
              json_pack("{s:s,s:s,s:I,s:I}", "cell", c->conf.cell_name,
                        "version", PACKAGE_VERSION, "epoch",
                        (json_int_t)store_epoch(c->store), "time_us",
                        (json_int_t)ctl_now_us()));
}

/* Reports about one party; all others are about the whole cell. */
static bool of_one_party(const char *kind)
{
    static const char *const kinds[] = {"statement", "invoice", "tonight",
                                        "balance"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

void route_report(struct call *call)
{
    const char *kind = call->path + strlen("/v1/report/");
    char format[16], *text = NULL;
    int64_t party, since, until;
    struct error err;

    api_query_text(call, "format", format, sizeof(format));
    if (api_query_int(call, "party", 0, INT64_MAX, call->party_id, &party) <
            0 ||
        api_query_int(call, "since_us", 0, INT64_MAX, 0, &since) < 0 ||
        api_query_int(call, "until_us", 0, INT64_MAX, INT64_MAX, &until) < 0)
        return;
    if (call->who != WHO_ADMIN && party != call->party_id) {
        call_refuse(call, EPERM, "that is another party's report");
        return;
    }
    if (call->who != WHO_ADMIN && !of_one_party(kind)) {
        call_refuse(call, EPERM,
                    "only the cell's operator reads this report: a party may "
                    "read statement, invoice, tonight and balance");
        return;
    }
    if (store_report(call->ctl->store, kind, *format ? format : "text", party,
                     since, until, &text, &err) < 0) {
        call_refuse(call, errno, err.text);
        return;
    }
    call_bytes(call, 200,
               strcmp(format, "json") == 0 ? "application/json" : "text/plain",
               text, strlen(text));
    free(text);
}
