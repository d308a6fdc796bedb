/* SPDX-License-Identifier: Apache-2.0 */
/* toil.c - a simulated worker's side of the wire: grants in, results out */
#include "t/bench/toil.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/items.h"

/* ---- writing --------------------------------------------------------- */

static char *room(struct toil_text *t, size_t n)
{
    if (t->len + n + 1 > t->cap) {
        size_t cap = t->cap ? t->cap : 4096;
        char *p;

        while (cap < t->len + n + 1)
            cap *= 2;
        p = realloc(t->p, cap);
        if (!p)
            return NULL;
        t->p = p;
        t->cap = cap;
    }
    return t->p + t->len;
}

static void add(struct toil_text *t, const char *s, size_t n)
{
    char *p = room(t, n);

    if (p) {
        memcpy(p, s, n);
        t->len += n;
        t->p[t->len] = '\0';
    }
}

__attribute__((format(printf, 2, 3))) static void say(struct toil_text *t,
                                                      const char *fmt, ...)
{
    char line[640];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof(line))
        add(t, line, (size_t)n);
}

void toil_ask(struct toil_text *t, int want, int wait_s, const char *zone,
              const char *spec_hex)
{
    t->len = 0;
    say(t,
        "{\"want\":%d,\"wait_s\":%d,\"offer\":{\"cores\":4,\"mem\":1073741824,"
        "\"seconds\":360000,\"floor_micro\":0,\"zone\":\"%s\",\"kernels\":"
        "[{\"name\":\"echo\",\"spec\":\"%s\",\"units_per_s\":1000000}]},"
        "\"held\":[]}",
        want, wait_s, zone, spec_hex);
}

/* ---- scanning -------------------------------------------------------- */

/* Compact JSON as the cell writes it: no white space outside strings. */
struct scan {
    const char *p, *end;
    bool bad;
};

static bool eat(struct scan *s, char c)
{
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

static void must(struct scan *s, char c)
{
    if (!eat(s, c))
        s->bad = true;
}

/* A string without escapes that matter here: its inside. */
static const char *text(struct scan *s, size_t *n)
{
    const char *from;

    *n = 0;
    must(s, '"');
    from = s->p;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
    *n = (size_t)(s->p - from);
    must(s, '"');
    return from;
}

static void skip_value(struct scan *s)
{
    int depth = 0;
    size_t n;

    do {
        if (s->p >= s->end) {
            s->bad = true;
            return;
        }
        if (*s->p == '"') {
            text(s, &n);
            continue;
        }
        if (*s->p == '{' || *s->p == '[')
            depth++;
        else if (*s->p == '}' || *s->p == ']')
            depth--;
        s->p++;
    } while (!s->bad && (depth > 0 || (s->p < s->end && *s->p != ',' &&
                                       *s->p != '}' && *s->p != ']')));
}

static bool is(const char *s, size_t n, const char *what)
{
    return n == strlen(what) && memcmp(s, what, n) == 0;
}

/* The next member of an object whose brace was eaten: its key, or NULL. */
static const char *member(struct scan *s, size_t *n)
{
    const char *key;

    if (s->bad || eat(s, '}'))
        return NULL;
    eat(s, ',');
    key = text(s, n);
    must(s, ':');
    return s->bad ? NULL : key;
}

struct found {
    const char *token, *input, *spec, *params;
    size_t token_len, input_len, spec_len, params_len;
};

static void read_lease(struct scan *s, struct found *f)
{
    const char *key;
    size_t n;

    memset(f, 0, sizeof(*f));
    must(s, '{');
    while ((key = member(s, &n))) {
        if (is(key, n, "token"))
            f->token = text(s, &f->token_len);
        else if (is(key, n, "input"))
            f->input = text(s, &f->input_len);
        else if (is(key, n, "spec"))
            f->spec = text(s, &f->spec_len);
        else if (is(key, n, "params"))
            f->params = text(s, &f->params_len);
        else
            skip_value(s);
    }
    if (!f->token || !f->input || f->spec_len != DIGEST_HEX_LEN ||
        f->params_len != DIGEST_HEX_LEN)
        s->bad = true;
}

static void read_fate(struct scan *s, struct toil_sum *sum)
{
    const char *key, *v;
    size_t n, k;
    bool good = false;

    must(s, '{');
    while ((key = member(s, &n))) {
        if (is(key, n, "fate")) {
            v = text(s, &k);
            good = is(v, k, "accepted") || is(v, k, "duplicate");
        } else if (is(key, n, "reason") && s->p < s->end && *s->p == '"') {
            v = text(s, &k);
            if (k > 0)
                snprintf(sum->reason, sizeof(sum->reason), "%.*s",
                         (int)(k < 120 ? k : 120), v);
        } else {
            skip_value(s);
        }
    }
    if (good)
        sum->accepted++;
    else
        sum->refused++;
}

/* ---- working --------------------------------------------------------- */

static int digest_at(const char *hex, struct digest *out)
{
    char copy[DIGEST_HEX_LEN + 1];

    memcpy(copy, hex, DIGEST_HEX_LEN);
    copy[DIGEST_HEX_LEN] = '\0';
    return digest_from_hex(copy, out);
}

static int echo(const struct item *items, size_t n, const struct found *f,
                struct toil_text *t, struct error *err)
{
    struct item_result *r = calloc(n, sizeof(*r));
    char hash[DIGEST_HEX_LEN + 1], *b64;
    struct digest spec, params;
    struct merkle_sum root;
    void *file = NULL;
    size_t len;
    int rc = r ? 0 : -1;

    for (size_t i = 0; r && i < n; i++) {
        r[i].units = 1;
        r[i].bytes = items[i].bytes;
        r[i].len = items[i].len;
    }
    if (rc == 0 &&
        (digest_at(f->spec, &spec) < 0 || digest_at(f->params, &params) < 0 ||
         results_format(r, n, &file, &len, err) < 0 ||
         results_root(r, n, &spec, &params, &root, err) < 0))
        rc = -1;
    if (rc == 0) {
        digest_to_hex(&root.hash, hash);
        add(t, "{\"token\":\"", 10);
        add(t, f->token, f->token_len);
        say(t,
            "\",\"status\":0,\"root\":{\"hash\":\"%s\",\"units\":%" PRIu64
            ",\"bytes\":%" PRIu64 "},\"inline\":\"",
            hash, root.units, root.bytes);
        b64 = room(t, base64_len(len));
        if (b64)
            t->len += base64_encode(file, len, b64);
        say(t, "\",\"blob\":null,\"busy_us\":1000}");
    }
    free(file);
    free(r);
    return rc;
}

static int work_one(const struct found *f, struct toil_text *t,
                    struct toil_sum *sum, struct error *err)
{
    struct item *items = NULL;
    uint8_t *raw = NULL;
    size_t len, n = 0;
    int rc;

    if (base64_decode(f->input, f->input_len, &raw, &len) < 0)
        return error_set(err, EBADMSG, "a lease's input is no base64");
    rc = items_parse(raw, len, &items, &n, err);
    if (rc == 0) {
        if (sum->leases)
            add(t, ",", 1);
        rc = echo(items, n, f, t, err);
        sum->leases++;
        sum->items += (int)n;
    }
    free(items);
    free(raw);
    return rc;
}

static int read_array(struct scan *s, bool leases, struct toil_text *t,
                      struct toil_sum *sum, struct error *err)
{
    struct found f;

    must(s, '[');
    while (!s->bad && !eat(s, ']')) {
        eat(s, ',');
        if (!leases) {
            read_fate(s, sum);
            continue;
        }
        read_lease(s, &f);
        if (!s->bad && work_one(&f, t, sum, err) < 0)
            return -1;
    }
    return 0;
}

int toil_work(struct toil_text *t, const char *reply, size_t len,
              const char *ask, struct toil_sum *sum, struct error *err)
{
    struct scan s = {reply, reply + len, false};
    const char *key;
    size_t n;

    memset(sum, 0, sizeof(*sum));
    t->len = 0;
    say(t, "{\"results\":[");
    must(&s, '{');
    while ((key = member(&s, &n))) {
        bool leases = is(key, n, "leases");

        if (!leases && !is(key, n, "results"))
            skip_value(&s);
        else if (read_array(&s, leases, t, sum, err) < 0)
            return -1;
    }
    if (s.bad)
        return error_set(err, EBADMSG, "a grant cannot be read: %.60s", reply);
    add(t, "],\"ask\":", 8);
    add(t, ask, strlen(ask));
    add(t, "}", 1);
    if (sum->leases == 0)
        t->len = 0;
    return 0;
}
