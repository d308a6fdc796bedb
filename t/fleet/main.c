/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - fleet: run the core under seeds; print the seed that fails */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fleet/fleet.h"

#ifdef FALLOW_SANITIZED
#define SEEDS 10 /* each takes ten times as long */
#else
#define SEEDS 200
#endif

static unsigned pick(struct rng *r, unsigned lo, unsigned hi)
{
    return lo + (unsigned)rng_below(r, hi - lo + 1);
}

/* A plan of its own for every seed. */
static void plan_of(struct plan *p, uint64_t seed)
{
    struct rng r;

    rng_seed(&r, seed ^ UINT64_C(0x666c656574));
    memset(p, 0, sizeof(*p));
    p->seed = seed;
    p->workers = pick(&r, 4, 24);
    p->customers = pick(&r, 1, 7);
    p->jobs = pick(&r, 1, 8);
    p->tasks_max = pick(&r, 0, 4) ? pick(&r, 1, 200) : pick(&r, 300, 2500);
    p->items_max = pick(&r, 1, 24);
    p->liars_pct = pick(&r, 0, 60);
    p->lie_ppm = pick(&r, 1, 10) * 10000;
    p->only = -1;
    p->loss_ppm = pick(&r, 0, 1) * pick(&r, 0, 100000);
    p->dup_ppm = pick(&r, 0, 1) * pick(&r, 0, 200000);
    p->status_ppm = pick(&r, 0, 1) * 20000;
    p->crash_ppm = pick(&r, 0, 1) * 30000;
    p->back_ppm = pick(&r, 0, 1) * 60000;
    p->delay_us = pick(&r, 1, 2000) * INT64_C(1000);
    p->restart_us = pick(&r, 0, 1) * pick(&r, 60, 600) * SEC;
    p->faults_us = 1800 * SEC;
    p->bound_us = 6 * 3600 * SEC;
    p->cancels = pick(&r, 0, 1);
}

static void tell(const struct sim *s)
{
    const struct outcome *o = &s->out;

    printf("# seed %" PRIu64 ": %u workers, %u jobs, %ju events, %ju steps, "
           "%ju restarts, %ju twins, %.0f s\n",
           s->plan.seed, s->plan.workers, s->plan.jobs, (uintmax_t)o->events,
           (uintmax_t)o->steps, (uintmax_t)o->restarts,
           (uintmax_t)o->equal_restores, (double)(s->now / SEC) - 1000);
    printf("#   items done %ju, checked %ju, caught %ju, bad %ju; verdicts "
           "error %ju wrong %ju\n",
           (uintmax_t)o->done_items, (uintmax_t)o->checked_items,
           (uintmax_t)o->caught_items, (uintmax_t)o->bad_items,
           (uintmax_t)o->verdicts_error, (uintmax_t)o->verdicts_wrong);
    printf("#   results stale %ju, duplicate %ju, invalid %ju, retried %ju\n",
           (uintmax_t)o->stale, (uintmax_t)o->duplicate, (uintmax_t)o->invalid,
           (uintmax_t)o->retried);
    for (int i = 0; i < STRATEGIES; i++)
        if (o->n[i])
            printf("#   %-9s %2u owners, income each %.4f USD\n",
                   strategy_name(i), o->n[i],
                   (double)o->income[i] / 1e6 / o->n[i]);
}

static bool run_seed(uint64_t seed, unsigned workers, bool verbose, FILE *tape,
                     struct outcome *sum)
{
    struct plan plan;
    struct sim s;
    bool good;

    plan_of(&plan, seed);
    if (workers)
        plan.workers = workers;
    plan.verbose = verbose;
    plan.tape = tape;
    good = sim_run(&s, &plan);
    if (verbose)
        tell(&s);
    if (!good) {
        printf("# seed %" PRIu64 " failed at %.3f s: %s\n", seed,
               (double)s.now / 1e6 - 1000, s.why);
        printf("# again: t/fleet/fleet --seed %" PRIu64 " --verbose", seed);
        if (workers)
            printf(" --workers %u", workers);
        printf("\n");
    }
    sum->steps += s.out.steps;
    sum->restarts += s.out.restarts;
    sum->done_items += s.out.done_items;
    sum->bad_items += s.out.bad_items;
    sum->verdicts_wrong += s.out.verdicts_wrong;
    sum->equal_restores += s.out.equal_restores;
    sim_free(&s);
    return good;
}

static int usage(FILE *out)
{
    fprintf(out, "usage: fleet [--seed N | --seeds N] [--workers N] "
                 "[--verbose] [--tape FILE]\n"
                 "       fleet --adversaries [--seeds N]\n"
                 "Runs the cell's core under a simulated fleet, one run per "
                 "seed from 1, or the one seed given.\n"
                 "With --adversaries prints what each strategy earns against "
                 "honesty.\n");
    return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"workers", required_argument, NULL, 'w'},
        {"verbose", no_argument, NULL, 'v'},
        {"tape", required_argument, NULL, 't'},
        {"adversaries", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t first = 1, n = SEEDS, bad = 0;
    struct outcome sum = {0};
    unsigned workers = 0;
    bool verbose = false, adversaries = false;
    FILE *tape = NULL;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (opt) {
        case 's':
            first = strtoull(optarg, NULL, 10);
            n = 1;
            break;
        case 'n': n = strtoull(optarg, NULL, 10); break;
        case 'w': workers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'v': verbose = true; break;
        case 't':
            tape = fopen(optarg, "we");
            if (!tape) {
                perror(optarg);
                return 2;
            }
            break;
        case 'a': adversaries = true; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    if (workers > MAX_WORKERS) {
        fprintf(stderr, "fleet: more than %d workers\n", MAX_WORKERS);
        return 2;
    }
    if (adversaries)
        return rivals(n == SEEDS ? 3 : (unsigned)n, verbose);
    for (uint64_t i = 0; i < n; i++)
        bad += !run_seed(first + i, workers, verbose, tape, &sum);
    printf("# %" PRIu64 " seeds, %" PRIu64 " failed; %ju steps, %ju restarts, "
           "%ju twins, %ju items, %ju bad, %ju lock-outs\n",
           n, bad, (uintmax_t)sum.steps, (uintmax_t)sum.restarts,
           (uintmax_t)sum.equal_restores, (uintmax_t)sum.done_items,
           (uintmax_t)sum.bad_items, (uintmax_t)sum.verdicts_wrong);
    if (tape && fclose(tape) != 0) {
        perror("tape");
        return 2;
    }
    if (sum.bad_items > sum.done_items / 1000) {
        printf("# more than one delivered item in a thousand is bad\n");
        bad++;
    }
    return bad > 0;
}
