/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - fallow audit, statement, invoice, tonight, balance
 *
 * fallow-ledger does the work; here parties get their names, and the database
 * of the private cell its place.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "common/file.h"
#include "sched/cmd/cellstate.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/layout.h"

#define WORDS_MAX 64
#define EXIT_UNKNOWN 2

struct ask {
    const char *report; /* "audit" … */
    const char *party;  /* --party, a name or a number, or NULL */
    int argc;
    char *argv[WORDS_MAX]; /* the rest, as it came */
};

static json_t *read_parties(const struct cellstate *s)
{
    char *path = file_path(s->state, "parties.json");
    void *text = NULL;
    size_t len;
    json_t *j = NULL;

    if (path && file_read(path, 1u << 20, &text, &len, NULL) == 0)
        j = json_loadb(text, len, 0, NULL);
    free(text);
    free(path);
    return j ? j : json_object();
}

/* Start fallow-ledger with our standard streams; its exit status. */
static int run_ledger(const struct cellstate *s, const struct ask *a,
                      int64_t party, struct error *err)
{
    char number[24], db[] = "--db", party_word[] = "--party";
    char *path = layout_program("fallow-ledger", err), *argv[WORDS_MAX + 8];
    int n = 0, status;
    pid_t pid;

    if (!path)
        return -1;
    snprintf(number, sizeof(number), "%" PRId64, party);
    argv[n++] = path;
    argv[n++] = db;
    argv[n++] = s->conninfo;
    argv[n++] = (char *)(uintptr_t)a->report;
    if (party > 0) {
        argv[n++] = party_word;
        argv[n++] = number;
    }
    for (int i = 0; i < a->argc; i++)
        argv[n++] = a->argv[i];
    argv[n] = NULL;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execv(path, argv);
        _exit(127);
    }
    free(path);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return error_set(err, errno, "could not run fallow-ledger: %s",
                         strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_UNKNOWN;
}

/* A number, or a name `fallow up` gave. */
static int64_t find_party(const json_t *known, const char *name,
                          struct error *err)
{
    int64_t id = json_integer_value(json_object_get(known, name));
    char *end;

    if (id > 0)
        return id;
    id = strtoll(name, &end, 10);
    if (id > 0 && !*end)
        return id;
    return error_set(err, ENOENT,
                     "party \"%s\" is neither a number nor one of this cell's "
                     "names (me, owner-1 …)",
                     name);
}

/* Owners' documents of all owners, one after the other. */
static int for_owners(const struct cellstate *s, const struct ask *a,
                      const json_t *known, struct error *err)
{
    int worst = 0, n = 0;

    for (int k = 1; k <= 64; k++) {
        char name[24];
        int64_t id;
        int rc;

        snprintf(name, sizeof(name), "owner-%d", k);
        id = json_integer_value(json_object_get(known, name));
        if (id < 1)
            continue;
        if (strcmp(a->report, "tonight") == 0)
            printf("%s: ", name);
        else if (n)
            putchar('\n');
        n++;
        rc = run_ledger(s, a, id, err);
        if (rc < 0)
            return -1;
        worst = rc > worst ? rc : worst;
    }
    if (n == 0)
        return error_set(err, ENOENT,
                         "this cell knows no owner yet; `fallow up --workers "
                         "1` makes one");
    return worst;
}

static int report(const struct ask *a, struct error *err)
{
    bool of_owner = strcmp(a->report, "statement") == 0 ||
                    strcmp(a->report, "tonight") == 0;
    bool of_customer =
        strcmp(a->report, "invoice") == 0 || strcmp(a->report, "balance") == 0;
    const char *party = a->party ? a->party : of_customer ? "me" : NULL;
    struct cellstate s;
    json_t *known = NULL;
    int rc = cellstate_open(&s, false, err);

    if (rc == 0 && !(known = read_parties(&s)))
        rc = error_set(err, ENOMEM, "out of memory");
    if (rc == 0 && party) {
        int64_t id = find_party(known, party, err);

        rc = id < 0 ? -1 : run_ledger(&s, a, id, err);
    } else if (rc == 0 && of_owner) {
        rc = for_owners(&s, a, known, err);
    } else if (rc == 0) {
        rc = run_ledger(&s, a, 0, err);
    }
    json_decref(known);
    cellstate_close(&s);
    return rc;
}

/* --state and --party are ours, everything else is fallow-ledger's. */
int cmd_ledger(int argc, char **argv)
{
    struct ask a = {.report = argv[0]};
    struct error err = {""};
    char who[48];
    int rc;

    snprintf(who, sizeof(who), "fallow %s", argv[0]);
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--state") == 0 && next) {
            setenv("FALLOW_STATE", argv[++i], 1);
        } else if (strncmp(argv[i], "--state=", 8) == 0) {
            setenv("FALLOW_STATE", argv[i] + 8, 1);
        } else if (strcmp(argv[i], "--party") == 0 && next) {
            a.party = argv[++i];
        } else if (strncmp(argv[i], "--party=", 8) == 0) {
            a.party = argv[i] + 8;
        } else if (strcmp(argv[i], "--help") == 0) {
            printf("usage: fallow %s [--state DIR] [--party NAME] "
                   "[OPTIONS of fallow-ledger(8)]\n",
                   argv[0]);
            return 0;
        } else if (a.argc < WORDS_MAX) {
            a.argv[a.argc++] = argv[i];
        }
    }
    rc = report(&a, &err);
    if (rc >= 0)
        return rc;
    cmd_failed(who, &err);
    return EXIT_UNKNOWN;
}
