/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c - what squeue, sinfo, sacct, scancel and scontrol share */
#include "sched/cmd/listing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/cmd/client.h"
#include "sched/cmd/jobs.h"

int id_list_add(struct id_list *l, const char *text, struct error *err)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ", \t\n");
        char one[64];
        void *more;

        if (n == 0) {
            p++;
            continue;
        }
        snprintf(one, sizeof(one), "%.*s", (int)n, p);
        more = reallocarray(l->v, l->n + 1, sizeof(*l->v));
        if (!more)
            return error_set(err, ENOMEM, "could not allocate job ids");
        l->v = more;
        if (job_id_parse(one, &l->v[l->n].job_id, &l->v[l->n].index, err) < 0)
            return -1;
        l->n++;
        p += n;
    }
    return 0;
}

void id_list_clear(struct id_list *l)
{
    free(l->v);
    memset(l, 0, sizeof(*l));
}

bool id_listed(const struct id_list *l, int64_t job_id,
               const struct rec_job *job, int64_t task)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].job_id != job_id)
            continue;
        if (l->v[i].index < 0 || task < 0 ||
            job->array_first + task * job->array_step == l->v[i].index)
            return true;
    }
    return l->n == 0;
}

bool word_listed(const char *list, const char *word)
{
    size_t k = strlen(word);

    if (!list)
        return true;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");

        if (n == k && strncmp(p, word, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

int slurm_failed(const char *call, const struct error *err)
{
    int code = errno;

    if (code == ECONNREFUSED || code == ECONNRESET)
        fprintf(stderr,
                "%s error: Unable to contact slurm controller (connect "
                "failure)\nfallow: %s\n",
                call, err->text);
    else if (code == ETIMEDOUT || code == EAGAIN)
        fprintf(stderr,
                "%s error: Socket timed out on send/recv operation\n"
                "fallow: %s\n",
                call, err->text);
    else
        fprintf(stderr, "%s error: %s\n", call, err->text);
    return 1;
}
