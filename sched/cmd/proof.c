/* SPDX-License-Identifier: Apache-2.0 */
/* proof.c - a portable proof that a worker committed a wrong result */
#include "sched/cmd/proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/member.h"

static int take_sum(const json_t *j, struct merkle_sum *out, struct error *err)
{
    int64_t units, bytes;

    if (member_digest(j, "hash", &out->hash, err) < 0 ||
        member_int(j, "units", 0, INT64_MAX, &units, err) < 0 ||
        member_int(j, "bytes", 0, INT64_MAX, &bytes, err) < 0)
        return -1;
    out->units = (uint64_t)units;
    out->bytes = (uint64_t)bytes;
    return 0;
}

static int take_leaf(const json_t *proof, const char *key,
                     struct proof_leaf *out, struct error *err)
{
    int64_t code, units;
    const json_t *j;

    if (member_object(proof, key, &j, err) < 0)
        return -1;
    if (member_int(j, "code", 0, UINT32_MAX, &code, err) < 0 ||
        member_int(j, "units", 0, INT64_MAX, &units, err) < 0 ||
        member_bytes(j, "bytes", &out->bytes, &out->len, err) < 0)
        return error_prefix(err, "%s", key);
    out->code = (uint32_t)code;
    out->units = (uint64_t)units;
    return 0;
}

static int take_path(const json_t *proof, struct proof *out, struct error *err)
{
    const json_t *path, *j;
    size_t i;

    if (member_array(proof, "path", 64, &path, err) < 0)
        return -1;
    for (i = 0; i < json_array_size(path); i++) {
        j = json_array_get(path, i);
        if (take_sum(j, &out->path[i], err) < 0)
            return error_prefix(err, "path %zu", i);
    }
    out->path_len = json_array_size(path);
    return 0;
}

int proof_decode(const json_t *j, struct proof *out, struct error *err)
{
    int64_t n, position;
    const json_t *root;

    memset(out, 0, sizeof(*out));
    if (member_text(j, "kernel", out->kernel, sizeof(out->kernel), err) < 0 ||
        member_text(j, "worker", out->worker, sizeof(out->worker), err) < 0 ||
        member_digest(j, "spec", &out->spec, err) < 0 ||
        member_digest(j, "params", &out->params, err) < 0 ||
        member_object(j, "root", &root, err) < 0 ||
        take_sum(root, &out->root, err) < 0 ||
        member_int(j, "n", 1, INT32_MAX, &n, err) < 0 ||
        member_int(j, "position", 0, n - 1, &position, err) < 0 ||
        member_int(j, "job", 0, INT64_MAX, &out->job, err) < 0 ||
        member_int(j, "task", 0, INT64_MAX, &out->task, err) < 0 ||
        take_path(j, out, err) < 0 ||
        take_leaf(j, "leaf", &out->leaf, err) < 0 ||
        take_leaf(j, "expected", &out->expected, err) < 0)
        goto error;
    if (!json_is_null(json_object_get(j, "item")) &&
        member_bytes(j, "item", &out->item, &out->item_len, err) < 0)
        goto error;
    out->n = (size_t)n;
    out->position = (size_t)position;
    return 0;
error:
    proof_clear(out);
    return -1;
}

void proof_clear(struct proof *p)
{
    int saved_errno = errno;

    free(p->leaf.bytes);
    free(p->expected.bytes);
    free(p->item);
    memset(p, 0, sizeof(*p));
    errno = saved_errno;
}

bool proof_is_committed(const struct proof *p)
{
    struct merkle_sum leaf;

    merkle_leaf(&p->spec, &p->params, p->position, p->leaf.code, p->leaf.units,
                p->leaf.bytes, p->leaf.len, &leaf);
    return merkle_verify(&leaf, p->position, p->n, p->path, p->path_len,
                         &p->root);
}

bool proof_differs(const struct proof_leaf *leaf,
                   const struct proof_leaf *other, char what[64])
{
    size_t i = 0, n = leaf->len < other->len ? leaf->len : other->len;

    if (leaf->code != other->code) {
        snprintf(what, 64, "code %u, not %u", leaf->code, other->code);
        return true;
    }
    if (leaf->units != other->units) {
        snprintf(what, 64, "%ju units, not %ju", (uintmax_t)leaf->units,
                 (uintmax_t)other->units);
        return true;
    }
    if (leaf->len != other->len) {
        snprintf(what, 64, "%zu bytes, not %zu", leaf->len, other->len);
        return true;
    }
    while (i < n && leaf->bytes[i] == other->bytes[i])
        i++;
    if (i == n)
        return false;
    snprintf(what, 64, "byte %zu is 0x%02x, not 0x%02x", i, leaf->bytes[i],
             other->bytes[i]);
    return true;
}
