/* SPDX-License-Identifier: Apache-2.0 */
/* sinfo.c - fallow sinfo: the workers of a cell */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/cmd/client.h"
#include "sched/cmd/cmd.h"
#include "sched/cmd/listing.h"
#include "sched/cmd/noderow.h"

#define DEFAULT_FORMAT "%#P %.5a %.10l %.6D %.6t %N"
#define NODE_FORMAT "%#N %.6D %#P %6t"

struct sinfo {
    const char *format, *list_format, *states;
    bool noheader, each;
};

static const char usage_text[] =
    "usage: fallow sinfo [-h] [-N] [-t STATE,...] [-o FORMAT | -O FIELDS]\n";

/* Returns 0 to go on, 1 when all was said, -1. */
static int parse(struct sinfo *s, int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'},
        {"clusters", required_argument, NULL, 'M'},
        {"exact", no_argument, NULL, 'a'},
        {"Format", required_argument, NULL, 'O'},
        {"format", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'H'},
        {"helpformat", no_argument, NULL, 'F'},
        {"Node", no_argument, NULL, 'N'},
        {"noheader", no_argument, NULL, 'h'},
        {"states", required_argument, NULL, 't'},
        {"usage", no_argument, NULL, 'H'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":aehM:No:O:rt:vV", options, NULL)) >=
           0) {
        switch (c) {
        case 'H': fputs(usage_text, stdout); return 1;
        case 'F': columns_help(sinfo_fields, sinfo_n_fields, stdout); return 1;
        case 'V': puts("slurm 23.11.0"); return 1;
        case 'h': s->noheader = true; break;
        case 'N': s->each = true; break;
        case 'o': s->format = optarg; break;
        case 'O': s->list_format = optarg; break;
        case 't': s->states = optarg; break;
        case ':':
        case '?':
            return error_set(err, EINVAL,
                             c == ':' ? "%s needs a value"
                                      : "unknown option %s",
                             argv[optind - 1]);
        default: break;
        }
    }
    if (optind < argc)
        return error_set(err, EINVAL, "\"%s\" is one word too many",
                         argv[optind]);
    return 0;
}

/* Slurm joins lines that the chosen columns do not tell apart. */
static bool tells_apart(const struct columns *c)
{
    for (int i = 0; i < c->n; i++) {
        const char *name = c->fields[c->v[i].field].name;

        if (strncmp(name, "Partition", 9) == 0 ||
            strncmp(name, "State", 5) == 0 || strncmp(name, "Node", 4) == 0)
            return strcmp(name, "NodeAI") != 0 && strcmp(name, "NodeAIOT") != 0;
    }
    return false;
}

static int show(const struct sinfo *s, struct columns *c, struct error *err)
{
    struct node_row *rows = NULL;
    struct nodes nodes = {0};
    struct client client;
    json_t *reply = NULL;
    long n = 0;
    int rc = client_open(&client, err);

    if (rc < 0)
        return -1;
    rc = client_call(&client, "GET", "/v1/node", NULL, "nodes", &reply, err);
    if (rc == 0)
        rc = nodes_decode(reply, &nodes, err);
    if (rc == 0) {
        n = sinfo_rows(&nodes, tells_apart(c), s->each, s->states, &rows);
        if (n < 0)
            rc = error_set(err, ENOMEM, "could not allocate rows");
    }
    if (rc == 0) {
        columns_fit(c, rows, (size_t)n, sizeof(*rows));
        if (!s->noheader)
            columns_header(c, stdout);
        for (long i = 0; i < n; i++)
            columns_row(c, &rows[i], stdout);
    }
    free(rows);
    nodes_clear(&nodes);
    json_decref(reply);
    client_close(&client);
    return rc;
}

int cmd_sinfo(int argc, char **argv)
{
    struct sinfo s = {0};
    struct columns c = {.fields = sinfo_fields,
                        .n_fields = sinfo_n_fields,
                        .value = sinfo_value};
    struct error err = {""};
    int rc = parse(&s, argc, argv, &err);

    if (rc > 0)
        return 0;
    if (rc == 0 && !s.format && !s.list_format)
        s.format = getenv("SINFO_FORMAT");
    if (rc == 0 && s.list_format)
        rc = columns_list(&c, s.list_format, &err);
    else if (rc == 0)
        rc = columns_percent(&c,
                             s.format ? s.format
                             : s.each ? NODE_FORMAT
                                      : DEFAULT_FORMAT,
                             &err);
    if (rc < 0) {
        fprintf(stderr, "sinfo: error: %s\n", err.text);
        return EXIT_FAILED;
    }
    return show(&s, &c, &err) < 0 ? slurm_failed("slurm_load_partitions", &err)
                                  : 0;
}
