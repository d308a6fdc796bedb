/* SPDX-License-Identifier: Apache-2.0 */
/* head.c - what the cell's ledger looked like: kept, so that it cannot change
 */
#include "worker/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define HEAD_FILE_MAX 256

static int parse(const char *text, struct msg_head *out)
{
    char *hex;

    errno = 0;
    out->batch = strtoimax(text, &hex, 10);
    return errno || hex == text || *hex != ' ' || out->batch < 1 ||
                   digest_from_hex(hex + 1, &out->hash) < 0
               ? -1
               : 0;
}

int head_load(struct agent *a, struct error *err)
{
    char *path = file_path(a->set->state, "head");
    void *text;
    size_t len;
    int rc;

    if (!path)
        return error_set(err, ENOMEM, "could not allocate a path");
    rc = file_read(path, HEAD_FILE_MAX, &text, &len, err);
    if (rc < 0 && errno == ENOENT) {
        rc = 0;
    } else if (rc == 0) {
        ((char *)text)[strcspn(text, "\n")] = '\0';
        if (parse(text, &a->head) < 0)
            rc = error_set(err, EBADMSG,
                           "%s is damaged; keep a copy for the cell's "
                           "operator and remove it",
                           path);
        for (int i = 0; i < LINES; i++)
            a->shown[i] = a->head.batch;
        free(text);
    }
    free(path);
    return rc;
}

void head_take(struct agent *a, enum line line, const struct msg_head *h)
{
    int64_t *shown = &a->shown[line];

    if (h->batch < *shown)
        agent_say("the cell shows ledger batch %" PRId64 " after batch %" PRId64
                  "; DIR/head keeps the newer one",
                  h->batch, *shown);
    else if (h->batch == a->head.batch && h->batch > 0 &&
             !digest_equal(&h->hash, &a->head.hash))
        agent_say("the cell shows another hash of ledger batch %" PRId64
                  " than before; DIR/head keeps the first one",
                  h->batch);
    if (h->batch > *shown)
        *shown = h->batch;
    if (h->batch > a->head.batch) {
        a->head = *h;
        a->head_is_new = true;
    }
}

void head_save(struct agent *a)
{
    char hex[DIGEST_HEX_LEN + 1], text[HEAD_FILE_MAX];
    char *path = file_path(a->set->state, "head");
    struct error err = {""};
    int n;

    digest_to_hex(&a->head.hash, hex);
    n = snprintf(text, sizeof(text), "%" PRId64 " %s\n", a->head.batch, hex);
    if (a->head_is_new && path && n > 0) {
        if (file_write(path, text, (size_t)n, false, &err) < 0)
            agent_say("%s", err.text);
        else
            a->head_is_new = false;
    }
    free(path);
}
