/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - DIR/status.json: what `fallow status` shows the owner
 *
 * Counts and reasons; nothing of whose work it is.
 */
#include "worker/agent.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"

static json_t *kernels_json(const struct agent *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->kernels.n; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I}", "name", a->kernels.v[i].name,
                            "variant", a->kernels.v[i].variant, "units_per_s",
                            (json_int_t)kernel_speed(&a->kernels.v[i])));
    return list;
}

static json_t *work_json(const struct agent *a)
{
    const struct tally *t = &a->tally;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "held",
        (json_int_t)leases_held(&a->leases), "running",
        (json_int_t)leases_count(&a->leases, LEASE_RUNNING), "granted",
        (json_int_t)t->granted, "done", (json_int_t)t->done, "failed",
        (json_int_t)t->failed, "accepted", (json_int_t)t->accepted, "refused",
        (json_int_t)t->refused, "handed_back", (json_int_t)t->handed_back,
        "units", (json_int_t)t->units, "busy_us", (json_int_t)t->busy_us);
}

void status_write(const struct agent *a)
{
    json_t *j = json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:i, s:s, s:s, s:i, s:o, s:o, s:I}", "cell",
        a->id.cell, "worker_id", (json_int_t)a->id.worker_id, "pid",
        (json_int_t)getpid(), "action", action_name(a->verdict.action),
        "reason", reason_name(a->verdict.reason), "rule", a->verdict.rule,
        "trouble", a->tally.trouble, "sandbox", a->place.sandbox->name, "slots",
        (int)a->slots, "kernels", kernels_json(a), "work", work_json(a),
        "time_us", (json_int_t)a->wall_us);
    char *path = file_path(a->set->state, "status.json"), *text = NULL;
    size_t len;

    if (j && path && (text = message_text(j, &len)))
        file_write(path, text, len, false, NULL);
    free(text);
    free(path);
    json_decref(j);
}
