/* SPDX-License-Identifier: Apache-2.0 */
/* noderow.c - a line of sinfo, and what its fields say */
#include "sched/cmd/noderow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sched/cmd/jobrow.h"

#define MIB (1 << 20)

enum {
    F_PARTITION,
    F_PARTITIONNAME,
    F_AVAIL,
    F_TIME,
    F_NODES,
    F_STATECOMPACT,
    F_STATE,
    F_NODELIST,
    F_NODEHOST,
    F_CPUS,
    F_CPUSTATE,
    F_MEMORY,
    F_AI,
    F_AIOT,
    F_GRES,
    F_GRESUSED,
    F_REASON,
    F_FEATURES,
    F_ALLOCMEM,
    F_CLUSTER,
    F_DEFAULTTIME,
};

const struct field sinfo_fields[] = {
    [F_PARTITION] = {'P', "Partition", "PARTITION", 0},
    [F_PARTITIONNAME] = {'R', "PartitionName", "PARTITION", 0},
    [F_AVAIL] = {'a', "Available", "AVAIL", 0},
    [F_TIME] = {'l', "Time", "TIMELIMIT", 0},
    [F_NODES] = {'D', "Nodes", "NODES", 0},
    [F_STATECOMPACT] = {'t', "StateCompact", "STATE", 0},
    [F_STATE] = {'T', "StateLong", "STATE", 0},
    [F_NODELIST] = {'N', "NodeList", "NODELIST", 0},
    [F_NODEHOST] = {'n', "NodeHost", "HOSTNAMES", 0},
    [F_CPUS] = {'c', "CPUs", "CPUS", 0},
    [F_CPUSTATE] = {'C', "CPUsState", "CPUS(A/I/O/T)", 0},
    [F_MEMORY] = {'m', "Memory", "MEMORY", 0},
    [F_AI] = {'A', "NodeAI", "NODES(A/I)", 0},
    [F_AIOT] = {'F', "NodeAIOT", "NODES(A/I/O/T)", 0},
    [F_GRES] = {'G', "Gres", "GRES", 0},
    [F_GRESUSED] = {0, "GresUsed", "GRES_USED", 0},
    [F_REASON] = {'E', "Reason", "REASON", 0},
    [F_FEATURES] = {'f', "Features", "AVAIL_FEATURES", 0},
    [F_ALLOCMEM] = {0, "AllocMem", "ALLOCMEM", 0},
    [F_CLUSTER] = {'V', "Cluster", "CLUSTER", 0},
    [F_DEFAULTTIME] = {'L', "DefaultTime", "DEFAULTTIME", 0},
};
const int sinfo_n_fields = sizeof(sinfo_fields) / sizeof(sinfo_fields[0]);

const char *node_state_long(const char *state)
{
    if (strcmp(state, "alloc") == 0)
        return "allocated";
    if (strcmp(state, "drain") == 0)
        return "drained";
    return state;
}

static bool is_usable(const char *state)
{
    return strcmp(state, "idle") == 0 || strcmp(state, "alloc") == 0;
}

/* "1/2/0/3": at work, idle, other, all. */
static void split_text(const struct node_row *r, int field, char *out)
{
    bool usable = !r->state || is_usable(r->state);
    int64_t all = field == F_CPUSTATE ? r->cores : (int64_t)r->n;
    int64_t busy = field == F_CPUSTATE ? r->busy_cores : (int64_t)r->busy;
    int64_t idle = usable ? all - busy : 0;

    if (field == F_AI)
        snprintf(out, COLUMN_TEXT, "%" PRId64 "/%" PRId64, busy, idle);
    else
        snprintf(out, COLUMN_TEXT,
                 "%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64, busy, idle,
                 all - busy - idle, all);
}

static const char *plain(const struct node_row *r, int field)
{
    switch (field) {
    case F_PARTITION:
    case F_PARTITIONNAME: return r->zone ? r->zone : "";
    case F_AVAIL: return "up";
    case F_TIME: return "infinite";
    case F_STATECOMPACT: return r->state ? r->state : "";
    case F_STATE: return r->state ? node_state_long(r->state) : "";
    case F_NODELIST:
    case F_NODEHOST: return r->list;
    case F_REASON: return "none";
    case F_FEATURES: return r->one ? r->one->kernels : "(null)";
    case F_ALLOCMEM: return "0";
    case F_DEFAULTTIME:
    case F_CLUSTER: return "n/a";
    default: return "(null)";
    }
}

void sinfo_value(const void *row, int field, char *out)
{
    const struct node_row *r = row;
    int64_t n = r->n ? (int64_t)r->n : 1;

    switch (field) {
    case F_PARTITION: /* the zone jobs get when they name none */
        snprintf(out, COLUMN_TEXT, "%s%s", plain(r, field),
                 r->zone && strcmp(r->zone, "cell") == 0 ? "*" : "");
        break;
    case F_NODES: snprintf(out, COLUMN_TEXT, "%zu", r->n); break;
    case F_CPUS: snprintf(out, COLUMN_TEXT, "%" PRId64, r->cores / n); break;
    case F_MEMORY:
        snprintf(out, COLUMN_TEXT, "%" PRId64, r->mem / n / MIB);
        break;
    case F_CPUSTATE:
    case F_AI:
    case F_AIOT: split_text(r, field, out); break;
    default: snprintf(out, COLUMN_TEXT, "%s", plain(r, field));
    }
}

static void kernel_names(const json_t *list, char *out, size_t cap)
{
    const json_t *k;
    size_t i, used = 0;

    out[0] = '\0';
    json_array_foreach(list, i, k)
    {
        const char *name = json_string_value(json_object_get(k, "name"));

        if (name && used + strlen(name) + 2 < cap)
            used += (size_t)snprintf(out + used, cap - used, "%s%s",
                                     i ? "," : "", name);
    }
}

static int take_node(const json_t *j, struct node *n, struct error *err)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    const char *state = json_string_value(json_object_get(j, "state"));
    const char *zone = json_string_value(json_object_get(j, "zone"));

    if (!name || *name != 'v' || !state || !zone)
        return error_set(err, EPROTO,
                         "the cell's answer has a node that is "
                         "none");
    n->number = strtoll(name + 1, NULL, 10);
    snprintf(n->state, sizeof(n->state), "%s", state);
    snprintf(n->zone, sizeof(n->zone), "%s", *zone ? zone : "cell");
    n->cores = json_integer_value(json_object_get(j, "cores"));
    n->mem = json_integer_value(json_object_get(j, "mem"));
    n->leases = json_integer_value(json_object_get(j, "leases"));
    kernel_names(json_object_get(j, "kernels"), n->kernels, sizeof(n->kernels));
    return 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    int c = strcmp(x->zone, y->zone);

    if (c == 0)
        c = strcmp(y->state, x->state); /* idle before alloc, as Slurm */
    return c ? c : x->number < y->number ? -1 : x->number > y->number;
}

int nodes_decode(const json_t *reply, struct nodes *out, struct error *err)
{
    const json_t *list = json_object_get(reply, "nodes"), *j;
    size_t i;

    memset(out, 0, sizeof(*out));
    if (!json_is_array(list))
        return error_set(err, EPROTO, "the cell's answer has no nodes");
    out->v = calloc(json_array_size(list) + 1, sizeof(*out->v));
    if (!out->v)
        return error_set(err, ENOMEM, "could not allocate nodes");
    json_array_foreach(list, i, j)
    {
        if (take_node(j, &out->v[out->n], err) < 0) {
            nodes_clear(out);
            return -1;
        }
        out->n++;
    }
    if (out->n)
        qsort(out->v, out->n, sizeof(*out->v), compare_nodes);
    return 0;
}

void nodes_clear(struct nodes *n)
{
    int saved_errno = errno;

    free(n->v);
    memset(n, 0, sizeof(*n));
    errno = saved_errno;
}

static bool state_listed(const char *states, const char *state)
{
    for (const char *p = states; p && *p;) {
        size_t n = strcspn(p, ",");

        if ((n == strlen(state) && strncasecmp(p, state, n) == 0) ||
            (n == strlen(node_state_long(state)) &&
             strncasecmp(p, node_state_long(state), n) == 0))
            return true;
        p += n + (p[n] == ',');
    }
    return !states;
}

/* v1,v2 grows to v[1-3]; nodes come in rising order within a row. */
static void extend_list(struct node_row *r, int64_t number)
{
    if (r->n_numbers < sizeof(r->numbers) / sizeof(*r->numbers))
        r->numbers[r->n_numbers++] = number;
    node_list_text(r->numbers, r->n_numbers, "v", r->list, sizeof(r->list));
}

static void add_node(struct node_row *r, const struct node *n)
{
    extend_list(r, n->number);
    r->n++;
    r->cores += n->cores;
    r->mem += n->mem;
    if (strcmp(n->state, "alloc") == 0) {
        r->busy++;
        r->busy_cores += n->cores;
    }
}

/* Jobs of zone "cell" run on workers that serve the public too. */
static size_t partitions_of(const struct node *n, const char *out[2])
{
    size_t k = 0;

    if (strcmp(n->zone, "public") == 0)
        out[k++] = "cell";
    out[k++] = n->zone;
    return k;
}

/* The row for this zone and state, new at the end when there is none. */
static struct node_row *find_row(struct node_row *rows, long *n,
                                 const char *zone, const char *state)
{
    for (long i = 0; i < *n; i++)
        if (strcmp(rows[i].zone, zone) == 0 &&
            strcmp(rows[i].state, state) == 0)
            return &rows[i];
    rows[*n].zone = zone;
    rows[*n].state = state;
    return &rows[(*n)++];
}

static int compare_rows(const void *a, const void *b)
{
    const struct node_row *x = a, *y = b;
    int c = x->zone && y->zone ? strcmp(x->zone, y->zone) : 0;

    /* idle before alloc, as Slurm */
    return c || !x->state || !y->state ? c : strcmp(y->state, x->state);
}

long sinfo_rows(const struct nodes *nodes, bool split, bool each,
                const char *states, struct node_row **out)
{
    struct node_row *rows = calloc(2 * nodes->n + 1, sizeof(*rows));
    long n = 0;

    if (!rows) {
        errno = ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < nodes->n; i++) {
        const struct node *node = &nodes->v[i];
        const char *zones[2] = {NULL, NULL};
        size_t k = split || each ? partitions_of(node, zones) : 1;

        if (!state_listed(states, node->state))
            continue;
        for (size_t z = 0; z < k; z++) {
            struct node_row *r = &rows[n];

            if (each) {
                *r = (struct node_row){
                    .zone = zones[z], .state = node->state, .one = node};
                n++;
            } else if (split) {
                r = find_row(rows, &n, zones[z], node->state);
            } else {
                r = rows;
                n = 1;
            }
            add_node(r, node);
        }
    }
    if (n && !each)
        qsort(rows, (size_t)n, sizeof(*rows), compare_rows);
    *out = rows;
    return n;
}
