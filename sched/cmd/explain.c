/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - fallow explain: why a job waits, why a worker gets nothing */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/cmd/client.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/jobs.h"

static const char who[] = "fallow explain";

int cmd_explain(int argc, char **argv)
{
    struct error err = {""};
    json_t *reply = NULL;
    struct client c;
    int64_t job, task;
    char path[64];
    const char *text;
    int rc;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts("usage: fallow explain JOB | vN");
        return 0;
    }
    if (argc != 2)
        return cmd_usage(who, "one job or worker is taken");
    if (argv[1][0] == 'v') {
        if (job_id_parse(argv[1] + 1, &job, &task, &err) < 0)
            return cmd_usage(who, "\"%s\" is no worker: v1, v2 …", argv[1]);
        snprintf(path, sizeof(path), "/v1/explain?worker=%" PRId64, job);
    } else {
        if (job_id_parse(argv[1], &job, &task, &err) < 0)
            return cmd_failed(who, &err);
        snprintf(path, sizeof(path), "/v1/explain?job=%" PRId64, job);
    }
    rc = client_open(&c, &err);
    if (rc == 0)
        rc = client_call(&c, "GET", path, NULL, argv[1], &reply, &err);
    if (rc == 0) {
        text = json_string_value(json_object_get(reply, "text"));
        puts(text ? text : "");
    }
    json_decref(reply);
    client_close(&c);
    return rc < 0 ? cmd_failed(who, &err) : 0;
}
