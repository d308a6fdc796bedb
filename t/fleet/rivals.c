/* SPDX-License-Identifier: Apache-2.0 */
/* rivals.c - what a strategy earns, against honest work in the same hours
 *
 * Twenty workers of one speed, one fifth of them rivals, six customers, tasks
 * of 64 items, no faults: what differs is what the owners do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fleet/fleet.h"

static const struct {
    const char *name;
    enum strategy strategy;
    unsigned lie_ppm;
    bool spiteful; /* wants damage, not profit */
    double most;   /* promised: income against honesty */
} rows[] = {
    {"always", ALWAYS, 0, false, 0.2},
    {"build", BUILD, 0, false, 0.2},
    {"little10", LITTLE, 100000, false, 1},
    {"little3", LITTLE, 30000, true, 1},
    {"little1", LITTLE, 10000, true, 1},
    {"self", SELF, 0, false, 0.2},
    {"inflate", INFLATE, 0, false, 1},
    {"overquote", OVERQUOTE, 0, false, 0.2},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void plan_row(struct plan *p, size_t row, uint64_t seed)
{
    memset(p, 0, sizeof(*p));
    p->seed = seed;
    p->workers = 20;
    p->customers = 6;
    p->jobs = 6;
    p->tasks_max = 1500;
    p->items_max = 64;
    p->exact = true;
    p->only = row < ROWS ? (int)rows[row].strategy : (int)HONEST;
    p->liars_pct = row < ROWS ? 20 : 0;
    p->lie_ppm = row < ROWS ? rows[row].lie_ppm : 0;
    p->bound_us = 400 * 3600 * SEC;
}

static bool add_runs(size_t row, unsigned seeds, struct outcome *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 1; i <= seeds; i++) {
        struct plan plan;
        struct sim s;
        bool good;

        plan_row(&plan, row, i);
        good = sim_run(&s, &plan);
        if (!good)
            fprintf(stderr, "# %s, seed %u: %s\n",
                    row < ROWS ? rows[row].name : "honest", i, s.why);
        for (int k = 0; k < STRATEGIES; k++) {
            sum->n[k] += s.out.n[k];
            sum->income[k] += s.out.income[k];
        }
        sum->done_items += s.out.done_items;
        sum->bad_items += s.out.bad_items;
        sum->checked_items += s.out.checked_items;
        sum->done_tasks += s.out.done_tasks;
        sum->checked_tasks += s.out.checked_tasks;
        sum->false_forfeits += s.out.false_forfeits;
        sim_free(&s);
        if (!good)
            return false;
    }
    return true;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static double against_honest(const struct outcome *o, enum strategy st)
{
    double rival = (double)o->income[st] / (o->n[st] ? o->n[st] : 1);
    double honest =
        (double)o->income[HONEST] / (o->n[HONEST] ? o->n[HONEST] : 1);

    return honest > 0 ? rival / honest : 0;
}

int rivals(unsigned seeds, bool verbose)
{
    double best = -1e9, strategic = 0, spiteful = 0;
    uint64_t false_forfeits = 0;
    struct outcome o;
    int rc = 0;

    if (!add_runs(ROWS, seeds, &o))
        return 1;
    printf("honest_checked_tasks_percent %.2f %%\n",
           100 * share(o.checked_tasks, o.done_tasks));
    printf("honest_checked_flops_percent %.2f %%\n",
           100 * share(o.checked_items, o.done_items));
    false_forfeits += o.false_forfeits;
    for (size_t i = 0; i < ROWS; i++) {
        double ratio, bad;

        if (!add_runs(i, seeds, &o))
            return 1;
        ratio = against_honest(&o, rows[i].strategy);
        bad = share(o.bad_items, o.done_items);
        printf("income_%s_vs_honest %.4f ratio\n", rows[i].name, ratio);
        if (verbose)
            fprintf(stderr, "# %s: %ju of %ju items bad\n", rows[i].name,
                    (uintmax_t)o.bad_items, (uintmax_t)o.done_items);
        best = ratio > best ? ratio : best;
        if (rows[i].spiteful)
            spiteful = bad > spiteful ? bad : spiteful;
        else
            strategic = bad > strategic ? bad : strategic;
        false_forfeits += o.false_forfeits;
        if (ratio > rows[i].most) {
            fprintf(stderr, "# %s earns more than %.1f of honest income\n",
                    rows[i].name, rows[i].most);
            rc = 1;
        }
    }
    printf("best_cheater_income_vs_honest %.4f ratio\n", best);
    printf("false_forfeits %ju owners\n", (uintmax_t)false_forfeits);
    printf("bad_items_accepted_strategic %.2e share\n", strategic);
    printf("bad_items_accepted_spiteful %.2e share\n", spiteful);
    return rc;
}
