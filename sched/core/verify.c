/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - drawn items, their second computation, and verdicts (doc/9)
 *
 * Draws follow PRF(day key, cell ‖ job ‖ task ‖ attempt ‖ worker ‖ root), made
 * after the root was committed, so that they can be recomputed by anybody who
 * is later told the key.  A differing answer accuses nobody: the referee's own
 * computation does, the committer or the checker or both.
 */
#include "sched/core/core.h"

#include <assert.h>
#include <string.h>

#include "common/bytes.h"

#define PPM 1000000

void item_digest(const struct item_result *r, struct digest *out)
{
    uint8_t small[512], *buf = small;
    uint8_t head[12];

    put_u32be(head, r->code);
    put_u64be(head + 4, r->units);
    if (r->len <= sizeof(small) - sizeof(head)) {
        memcpy(buf, head, sizeof(head));
        if (r->len)
            memcpy(buf + sizeof(head), r->bytes, r->len);
        digest_of(buf, sizeof(head) + r->len, out);
    } else {
        struct sha256 *s = sha256_create();

        assert(s);
        sha256_update(s, head, sizeof(head));
        sha256_update(s, r->bytes, r->len);
        sha256_final(s, out);
        sha256_destroy(s);
    }
}

/* ---- queues of checks -------------------------------------------------- */

struct check *check_get(const struct cell *c, int64_t id)
{
    return map_get(&c->checks, (uint64_t)id);
}

void check_unqueue(struct cell *c, struct check *k)
{
    (void)c;
    list_del(&k->in_queue);
    list_del(&k->in_age);
    if (k->queue == Q_REFEREE && list_empty(&k->job->referee))
        list_del(&k->job->in_referee);
    k->queue = Q_NONE;
    k->rider = NULL;
}

static void to_referee(struct cell *c, struct check *k)
{
    struct job *j = k->job;

    k->queue = Q_REFEREE;
    if (k->r.state == CHECK_DISPUTED)
        list_push(&j->referee, &k->in_queue); /* somebody is waiting for it */
    else
        list_add(&j->referee, &k->in_queue);
    if (!list_linked(&j->in_referee))
        list_add(&c->referee, &j->in_referee);
    wake(c, false);
}

void check_enqueue(struct cell *c, struct check *k)
{
    assert(k->queue == Q_NONE);
    if (k->r.referee_only || k->r.state == CHECK_DISPUTED ||
        k->job->queued == 0 ||
        k->r.drawn_us + c->conf.referee_after_us <= c->now_us) {
        to_referee(c, k);
        return;
    }
    k->queue = Q_SALT;
    list_add(&k->job->salt, &k->in_queue);
    list_add(&c->drawn, &k->in_age);
}

void check_salt_to_referee(struct cell *c, struct job *j)
{
    struct check *k;

    list_each(k, it, &j->salt, struct check, in_queue)
    {
        check_unqueue(c, k);
        to_referee(c, k);
    }
}

void verify_overdue(struct cell *c)
{
    struct check *k;

    while (!list_empty(&c->drawn)) {
        k = list_of(c->drawn.next, struct check, in_age);
        if (k->r.drawn_us + c->conf.referee_after_us > c->now_us)
            break;
        check_unqueue(c, k);
        to_referee(c, k);
    }
}

struct check *check_put(struct cell *c, const struct rec_check *r)
{
    struct check *k = core_alloc(c, sizeof(*k));

    k->r = *r;
    k->job = job_get(c, r->job_id);
    k->window = map_get(&c->windows, (uint64_t)r->window_id);
    list_add(&k->window->checks, &k->in_window);
    k->window->pending++;
    k->job->n_checks++;
    core_map(c, &c->checks, (uint64_t)r->check_id, k);
    if (r->check_id >= c->next.next_check)
        c->next.next_check = r->check_id + 1;
    if (r->state == CHECK_DISPUTED) {
        k->checker = map_get(&c->windows, (uint64_t)r->checker_window_id);
        if (k->checker)
            k->checker->disputes++;
    }
    check_enqueue(c, k);
    return k;
}

static void check_end(struct cell *c, struct check *k, uint8_t state)
{
    check_unqueue(c, k);
    k->r.state = state;
    k->r.answered_us = c->now_us;
    emit_check(c, k);
    map_del(&c->checks, (uint64_t)k->r.check_id);
    list_del(&k->in_window);
    k->window->pending--;
    k->job->n_checks--;
    if (state != CHECK_DROPPED)
        k->job->r.checked_items++;
    dirty_job(c, k->job);
    if (k->checker)
        k->checker->disputes--;
    core_bury(c, k);
}

void check_drop(struct cell *c, struct check *k)
{
    struct window *checker = k->checker;

    check_end(c, k, CHECK_DROPPED);
    if (checker)
        window_settle(c, checker);
}

/* ---- drawing ------------------------------------------------------------ */

static void prf(const struct cell *c, const struct live *l,
                const struct merkle_sum *root, struct digest *out)
{
    uint8_t buf[NAME_MAX_LEN + 1 + 8 + 4 + 4 + 8 + DIGEST_LEN] = {0}, *p = buf;

    memcpy(p, c->conf.cell_name, strnlen(c->conf.cell_name, NAME_MAX_LEN));
    p += NAME_MAX_LEN + 1;
    put_u64be(p, (uint64_t)l->job->r.job_id);
    put_u32be(p + 8, l->task);
    put_u32be(p + 12, l->attempt);
    put_u64be(p + 16, (uint64_t)l->worker->r.worker_id);
    memcpy(p + 24, root->hash.b, DIGEST_LEN);
    digest_hmac(c->conf.day_key, sizeof(c->conf.day_key), buf, sizeof(buf),
                out);
}

static void draw_one(struct cell *c, struct window *w, const struct live *l,
                     const struct result_in *in, uint32_t pos, bool referee)
{
    struct rec_check r = {0};

    r.check_id = c->next.next_check;
    r.window_id = w->r.window_id;
    r.job_id = w->r.job_id;
    r.task = l->task;
    r.attempt = l->attempt;
    r.epoch = l->epoch;
    r.item = in->lease->items[pos].item;
    r.position = pos;
    item_digest(&in->items[pos], &r.committed);
    r.units = (int64_t)in->items[pos].units;
    r.state = CHECK_PENDING;
    r.referee_only = referee;
    r.drawn_us = c->now_us;
    emit_check(c, check_put(c, &r));
}

/* q for this task, in ppm; counts down the owner's strict tasks. */
static uint32_t rate(struct cell *c, struct window *w, const struct live *l)
{
    struct party *p = w->party;
    struct price pay;

    if (p->r.strict_tasks > 0) {
        p->r.strict_tasks--;
        dirty_party(c, p);
        return PPM;
    }
    if (w->r.newcomer)
        return PPM;
    price_of(w->job, job_task_units(w->job, l->task), &pay);
    return check_rate(&c->conf, pay.amount, exposure(c, p->benef));
}

void verify_draw(struct cell *c, struct window *w, const struct live *l,
                 const struct result_in *in)
{
    uint32_t n = 0, k, q, *pos;
    struct digest d;
    struct rng r;

    if (!w->priced || w->r.state > WINDOW_CHECKING)
        return; /* own work is its owner's affair */
    q = rate(c, w, l);
    prf(c, l, &in->root, &d);
    if (get_u64be(d.b) % PPM >= q)
        return;
    rng_seed(&r, get_u64be(d.b + 8));
    pos = arena_alloc(c, in->lease->n_items * sizeof(*pos));
    for (uint32_t i = 0; i < in->lease->n_items; i++)
        if (!in->lease->items[i].check_id)
            pos[n++] = i;
    k = c->conf.draw_items;
    if (w->r.newcomer && w->r.drawn + k < c->conf.new_equal_items)
        k = c->conf.new_equal_items - w->r.drawn;
    for (uint32_t i = 0; i < n && i < k; i++) {
        uint32_t at = i + (uint32_t)rng_below(&r, n - i), t = pos[at];
        bool referee = rng_below(&r, PPM) < c->conf.referee_ppm;

        pos[at] = pos[i];
        draw_one(c, w, l, in, t, referee || !checker_exists(c, w->party));
        w->r.drawn++;
        if (q > c->conf.check_fee_above_ppm)
            w->r.fee_units += (int64_t)in->items[t].units;
    }
    dirty_window(c, w);
}

/* ---- answers ------------------------------------------------------------- */

static void credit_salt(struct cell *c, struct window *w, int64_t units)
{
    w->r.salt_items++;
    w->r.salt_units += units;
    dirty_window(c, w);
}

void verify_salt(struct cell *c, struct window *w, struct check *k,
                 const struct live *l, uint32_t pos,
                 const struct item_result *it)
{
    struct window *checked = k->window;
    struct digest d;

    item_digest(it, &d);
    k->r.checker_id = l->worker->r.worker_id;
    if (digest_equal(&d, &k->r.committed)) {
        credit_salt(c, w, k->r.units);
        checked->r.equal++;
        dirty_window(c, checked);
        check_end(c, k, CHECK_EQUAL);
        window_settle(c, checked);
        return;
    }
    k->r.state = CHECK_DISPUTED;
    k->r.answer = d;
    k->r.checker_window_id = w->r.window_id;
    k->r.checker_job_id = l->job->r.job_id;
    k->r.checker_task = l->task;
    k->r.checker_attempt = l->attempt;
    k->r.checker_epoch = l->epoch;
    k->r.checker_position = pos;
    k->checker = w;
    w->disputes++;
    emit_check(c, k);
    check_unqueue(c, k);
    check_enqueue(c, k);
}

static void make_strict(struct cell *c, struct benef *b)
{
    struct party *p;

    list_each(p, it, &b->parties, struct party, in_benef)
    {
        p->r.strict_tasks = (int32_t)c->conf.strict_tasks;
        dirty_party(c, p);
    }
}

/* Everything unsettled of the beneficial owner goes back to who paid it in. */
static void forfeit(struct cell *c, struct benef *b)
{
    struct window *w;
    struct check *k;
    struct party *p;

    c->forfeiting = b;
    owner_lock(c, b);
    list_each(p, it, &b->parties, struct party, in_benef)
    {
        list_each(w, wt, &p->windows, struct window, in_party)
        {
            list_each(k, kt, &w->checks, struct check, in_window)
                check_drop(c, k);
            if (w->r.state <= WINDOW_CHECKING)
                window_reject(c, w);
            else
                window_release(c, w);
        }
    }
    c->forfeiting = NULL;
}

/* The commitment at fault: a drawn item's, or that of a checker's salt. */
struct fault {
    struct window *w;
    int64_t job_id;
    uint32_t task, attempt, position;
    int32_t epoch;
};

static void verdict(struct cell *c, const struct fault *f,
                    const struct check *k, const struct item_result *right)
{
    struct rec_verdict *v = &emit(c, REC_VERDICT)->verdict;
    struct window *w = f->w;
    uint8_t *bytes;

    w->r.wrong++;
    dirty_window(c, w);
    v->verdict_id = c->next.next_verdict++;
    v->kind = w->r.wrong >= 2 ? VERDICT_WRONG : VERDICT_ERROR;
    v->worker_id = w->r.worker_id;
    v->party_id = w->r.party_id;
    v->job_id = f->job_id;
    v->task = f->task;
    v->attempt = f->attempt;
    v->epoch = f->epoch;
    v->position = f->position;
    v->source_job_id = k->r.job_id;
    v->source_task = k->r.task;
    v->source_item = k->r.item;
    v->expected_code = right->code;
    v->expected_units = (int64_t)right->units;
    bytes = arena_alloc(c, right->len);
    if (right->len)
        memcpy(bytes, right->bytes, right->len);
    v->expected = bytes;
    v->expected_len = right->len;
    v->at_us = c->now_us;
    w->job->r.caught_items++;
    dirty_job(c, w->job);
    if (v->kind == VERDICT_WRONG) {
        forfeit(c, w->party->benef);
        return;
    }
    make_strict(c, w->party->benef);
    if (w->r.state > WINDOW_CHECKING)
        return;
    if (w->r.newcomer)
        window_reject(c, w);
    else
        window_drop_task(c, w, f->task);
}

void verify_referee(struct cell *c, struct worker *w, struct check *k,
                    const struct item_result *it)
{
    struct fault committed = {k->window,    k->r.job_id,   k->r.task,
                              k->r.attempt, k->r.position, k->r.epoch};
    struct fault answered = {
        k->checker,           k->r.checker_job_id,   k->r.checker_task,
        k->r.checker_attempt, k->r.checker_position, k->r.checker_epoch};
    struct digest d;
    bool right, answer_right;

    item_digest(it, &d);
    right = digest_equal(&d, &k->r.committed);
    answer_right = digest_equal(&d, &k->r.answer);
    if (!answered.w || answer_right == false)
        k->r.checker_id = w->r.worker_id;
    check_end(c, k,
              !right       ? CHECK_WRONG
              : answered.w ? CHECK_CHECKER_WRONG
                           : CHECK_EQUAL);
    if (answered.w && answer_right)
        credit_salt(c, answered.w, (int64_t)it->units);
    if (right)
        committed.w->r.equal++;
    dirty_window(c, committed.w);
    if (!right)
        verdict(c, &committed, k, it);
    if (answered.w && !answer_right)
        verdict(c, &answered, k, it);
    window_settle(c, committed.w);
    if (answered.w)
        window_settle(c, answered.w);
}
