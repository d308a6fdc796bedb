/* SPDX-License-Identifier: Apache-2.0 */
/* evidence.c - fallow verify-evidence: repeat a proof, anywhere */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "sched/cmd/client.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/jobs.h"
#include "sched/cmd/kernel.h"
#include "sched/cmd/proof.h"
#include "sched/cmd/scratch.h"

#define EVIDENCE_MAX ((size_t)64 << 20)

static const char who[] = "fallow verify-evidence";

static const char usage_text[] =
    "usage: fallow verify-evidence [--params DIR] FILE\n"
    "       fallow verify-evidence [--params DIR] --job N\n"
    "\n"
    "Check proofs that a worker committed a wrong result.  Exit status 0 when\n"
    "every one holds, 1 when one does not, 2 when there is none to check.\n"
    "\n"
    "  --params DIR   the kernel's parameter files, to compute items again\n"
    "  --job N        fetch the proofs of this job from the cell\n"
    "  --save FILE    and keep them there\n";

struct options {
    const char *params, *job, *save, *file;
};

/* Whether the kernel that is here is the one of the proof. */
static int same_kernel(const struct proof *p, struct error *err)
{
    json_t *d = kernel_describe(p->kernel, err);
    const char *hex = json_string_value(json_object_get(d, "spec"));
    struct digest spec;
    int rc = 0;

    if (!d)
        return -1;
    if (!hex || digest_from_hex(hex, &spec) < 0 ||
        !digest_equal(&spec, &p->spec))
        rc = error_set(err, EPROTO, "kernel %s here is another build",
                       p->kernel);
    json_decref(d);
    return rc;
}

static int run_one(const struct proof *p, const char *dir, const char *params,
                   struct proof_leaf *out, struct error *err)
{
    const struct item item = {p->item, (uint32_t)p->item_len};
    struct kernel_piece piece = {file_path(dir, "items"),
                                 file_path(dir, "results"), 0};
    struct item_result *r = NULL;
    void *buf = NULL, *res = NULL;
    size_t len, n;
    int rc = piece.input && piece.output
                 ? items_format(&item, 1, &buf, &len, err)
                 : error_set(err, ENOMEM, "could not allocate a path");

    if (rc == 0)
        rc = file_write(piece.input, buf, len, false, err);
    if (rc == 0)
        rc = kernel_run(p->kernel, params, &piece, 1, 1, 1, NULL, "ref", NULL,
                        err);
    if (rc == 0)
        rc = file_read(piece.output, EVIDENCE_MAX, &res, &len, err);
    if (rc == 0)
        rc = results_parse(res, len, &r, &n, err);
    if (rc == 0 && n == 1) {
        *out =
            (struct proof_leaf){r->code, r->units, malloc(r->len + 1u), r->len};
        if (out->bytes && r->len)
            memcpy(out->bytes, r->bytes, r->len);
    }
    free(r);
    free(res);
    free(buf);
    free(piece.input);
    free(piece.output);
    return rc;
}

/* 1 computed again and equal to what was expected, 0 not computed, -1 not
 * equal.  Says which.
 */
static int recompute(const struct proof *p, const char *params)
{
    struct proof_leaf mine = {0};
    struct error err = {""};
    struct digest none;
    char *dir, *empty, what[64];
    int rc;

    digest_of("", 0, &none);
    if (!p->item || (!params && !digest_equal(&p->params, &none))) {
        printf("recomputed  no: %s\n",
               p->item ? "the kernel's parameter files are not here, see "
                         "--params"
                       : "the item is not in the proof");
        return 0;
    }
    dir = scratch_create("fallow-evidence", &err);
    empty = dir ? file_path(dir, "params") : NULL;
    rc = empty && same_kernel(p, &err) == 0 &&
                 scratch_mkdir(empty, 0700, &err) == 0
             ? run_one(p, dir, params ? params : empty, &mine, &err)
             : -1;
    if (rc < 0) {
        printf("recomputed  no: %s\n", err.text);
    } else if (proof_differs(&p->expected, &mine, what)) {
        printf("recomputed  NOT as expected: %s\n", what);
        rc = -1;
    } else {
        printf("recomputed  yes: the reference gives what was expected\n");
        rc = 1;
    }
    free(mine.bytes);
    free(empty);
    scratch_destroy(dir);
    return rc < 0 && *err.text ? 0 : rc;
}

/* 0 it holds, 1 it does not. */
static int verify(const struct proof *p, const char *params)
{
    char what[64] = "", root[DIGEST_HEX_LEN + 1];
    bool committed = proof_is_committed(p);
    bool differs = proof_differs(&p->leaf, &p->expected, what);
    bool refuted;

    digest_to_hex(&p->root.hash, root);
    printf("worker %s, job %" PRId64 " task %" PRId64 ", kernel %s, leaf %zu "
           "of %zu\n",
           p->worker, p->job, p->task, p->kernel, p->position, p->n);
    printf("committed   %s root %.16s…\n",
           committed ? "yes: the path leads from the leaf to"
                     : "NO: the path does not lead from the leaf to",
           root);
    printf("differs     %s%s\n",
           differs ? "yes: "
                   : "NO: it is what was "
                     "expected",
           what);
    refuted = recompute(p, params) < 0;
    printf("the proof %s\n",
           committed && differs && !refuted ? "holds" : "does NOT hold");
    return committed && differs && !refuted ? 0 : 1;
}

static json_t *read_file(const char *path, struct error *err)
{
    json_error_t je;
    void *text;
    size_t len;
    json_t *j;

    if (file_read(path, EVIDENCE_MAX, &text, &len, err) < 0)
        return NULL;
    j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    free(text);
    if (!j)
        error_set(err, EBADMSG, "%s:%d: %s", path, je.line, je.text);
    return j;
}

static json_t *ask_cell(const char *job, const char *save, struct error *err)
{
    struct client c;
    int64_t id, task;
    json_t *reply = NULL;
    char path[64], *text;

    if (job_id_parse(job, &id, &task, err) < 0 || client_open(&c, err) < 0)
        return NULL;
    snprintf(path, sizeof(path), "/v1/job/%" PRId64 "/evidence", id);
    client_call(&c, "GET", path, NULL, "evidence", &reply, err);
    client_close(&c);
    if (!reply || !save)
        return reply;
    text = json_dumps(reply, JSON_INDENT(1));
    if (!text || file_write(save, text, strlen(text), false, err) < 0) {
        json_decref(reply);
        reply = NULL;
    }
    free(text);
    return reply;
}

static int verify_all(const json_t *j, const char *from, const char *params)
{
    const json_t *list = json_object_get(j, "verdicts");
    size_t n = json_is_array(list) ? json_array_size(list) : 1;
    int worst = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : j;
        struct error err = {""};
        struct proof p;

        if (i)
            putchar('\n');
        if (proof_decode(one, &p, &err) < 0) {
            fprintf(stderr, "%s: %s: proof %zu: %s\n", who, from, i + 1,
                    err.text);
            return EXIT_FAILED;
        }
        worst |= verify(&p, params);
        proof_clear(&p);
    }
    if (n == 0) {
        fprintf(stderr, "%s: %s: no proofs: nobody was found wrong\n", who,
                from);
        return EXIT_USAGE;
    }
    return worst;
}

int cmd_verify_evidence(int argc, char **argv)
{
    static const struct option options[] = {
        {"params", required_argument, NULL, 'p'},
        {"job", required_argument, NULL, 'j'},
        {"save", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {NULL, NULL, NULL, NULL};
    struct error err = {""};
    json_t *j;
    int c, rc;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
        switch (c) {
        case 'p': o.params = optarg; break;
        case 'j': o.job = optarg; break;
        case 's': o.save = optarg; break;
        case 'h': fputs(usage_text, stdout); return 0;
        default:
            return cmd_usage(
                who, c == ':' ? "%s needs a value" : "unknown option %s",
                argv[optind - 1]);
        }
    }
    o.file = optind < argc ? argv[optind] : NULL;
    if (!o.file == !o.job || argc - optind > 1)
        return cmd_usage(who, "one file, or --job, is taken");
    j = o.file ? read_file(o.file, &err) : ask_cell(o.job, o.save, &err);
    if (!j)
        return cmd_failed(who, &err);
    rc = verify_all(j, o.file ? o.file : o.job, o.params);
    json_decref(j);
    return rc;
}
