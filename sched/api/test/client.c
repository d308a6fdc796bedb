/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a client of the wire that may lie in every way */
#include "sched/api/test/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/items.h"

#define LINE 512

static void die(const char *what, const char *text)
{
    fprintf(stderr, "wire: %s: %s\n", what, text ? text : "?");
    exit(1);
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    struct reply *r = arg;
    char *body = realloc(r->body, r->len + one * n + 1);

    if (!body)
        die("body", "out of memory");
    memcpy(body + r->len, p, one * n);
    r->body = body;
    r->len += one * n;
    r->body[r->len] = '\0';
    return one * n;
}

void client_open(struct client *c, const char *url, const char *ca,
                 const char *cell, const char *admin_file)
{
    struct error err;
    void *token;
    size_t len;

    memset(c, 0, sizeof(*c));
    c->url = url;
    c->cell = cell;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->curl = curl_easy_init();
    curl_easy_setopt(c->curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION,
                     (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->r);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 60L);
    if (file_read(admin_file, 4096, &token, &len, &err) < 0 || len < 64)
        die("the operator's token", err.text);
    memcpy(c->admin, token, 64);
    free(token);
}

void client_close(struct client *c)
{
    curl_easy_cleanup(c->curl);
    free(c->r.body);
    curl_global_cleanup();
}

struct reply *client_send(struct client *c, const char *method,
                          const char *path, const char *const *headers,
                          const void *body, size_t len)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    char url[1024];

    snprintf(url, sizeof(url), "%s%s", c->url, path);
    for (size_t i = 0; headers && headers[i]; i++)
        list = curl_slist_append(list, headers[i]);
    free(c->r.body);
    memset(&c->r, 0, sizeof(c->r));
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOBODY, 0L);
    if (body) {
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->r.status);
    curl_slist_free_all(list);
    if (!c->r.body)
        c->r.body = calloc(1, 1);
    return &c->r;
}

struct reply *client_ask(struct client *c, const char *token,
                         const char *method, const char *path, const char *body)
{
    char auth[LINE];
    const char *headers[] = {auth, NULL};

    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", token);
    return client_send(c, method, path, *token ? headers : NULL, body,
                       body ? strlen(body) : 0);
}

static int64_t unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct reply *client_sign(struct client *c, const struct hand *w, int64_t seq,
                          const char *method, const char *path,
                          const void *body, size_t len, const struct lie *lie)
{
    static const struct lie none;
    char text[2048], node[LINE], at[LINE], sig[LINE], line[LINE], b64[96];
    const char *headers[] = {node, at, sig, NULL, NULL};
    uint8_t raw[SIGN_SIG_LEN];
    struct digest d;
    int64_t now;
    int n;

    if (!lie)
        lie = &none;
    now = unix_ms() + lie->clock_ms;
    digest_of(lie->body ? lie->body : body, lie->body ? strlen(lie->body) : len,
              &d);
    n = sign_request_text(text, sizeof(text), method,
                          lie->path ? lie->path : path,
                          lie->cell ? lie->cell : c->cell, w->id, seq, now, &d);
    if (n < 0 || sign_make(w->key, text, (size_t)n, raw) < 0)
        die("sign", path);
    base64_encode(raw, sizeof(raw), b64);
    snprintf(node, sizeof(node), "Fallow-Node: %" PRId64, w->id);
    if (lie->node)
        snprintf(node, sizeof(node), "Fallow-Node: %s", lie->node);
    snprintf(at, sizeof(at), "Fallow-Time: %" PRId64, now);
    if (lie->at)
        snprintf(at, sizeof(at), "Fallow-Time: %s", lie->at);
    snprintf(sig, sizeof(sig), "Fallow-Sig: %s", lie->sig ? lie->sig : b64);
    snprintf(line, sizeof(line), "Fallow-Seq: %" PRId64, seq);
    if (seq != -1 && !lie->no_seq)
        headers[3] = line;
    return client_send(c, method, path, headers, body, len);
}

bool says(const struct client *c, long status, const char *text)
{
    if (c->r.status == status && strstr(c->r.body, text))
        return true;
    fprintf(stderr, "# got %ld %.300s\n# not %ld … %s\n", c->r.status,
            c->r.body, status, text);
    return false;
}

/* ---- the operator's errands ------------------------------------------ */

static json_t *errand(struct client *c, const char *path, json_t *body)
{
    char *text = json_dumps(body, 0);
    json_t *j;

    json_decref(body);
    client_ask(c, c->admin, "POST", path, text);
    free(text);
    j = json_loads(c->r.body, 0, NULL);
    if (c->r.status != 200 || !j)
        die(path, c->r.body);
    return j;
}

static int64_t number_of(json_t *j, const char *key)
{
    int64_t v = json_integer_value(json_object_get(j, key));

    json_decref(j);
    return v;
}

int64_t make_party(struct client *c, const char *name, const char *roles)
{
    json_t *a = json_loads(roles, 0, NULL);

    return number_of(errand(c, "/v1/admin/party",
                            json_pack("{s:s,s:o}", "name", name, "roles", a)),
                     "party_id");
}

void make_token(struct client *c, int64_t party, const char *kind, int ttl_s,
                char out[65])
{
    json_t *j = errand(c, "/v1/admin/token",
                       json_pack("{s:I,s:s,s:i}", "party_id", (json_int_t)party,
                                 "kind", kind, "ttl_s", ttl_s));

    snprintf(out, 65, "%s", json_string_value(json_object_get(j, "token")));
    json_decref(j);
}

void make_worker(struct client *c, int64_t party, struct hand *w)
{
    uint8_t seed[SIGN_KEY_LEN], pub[SIGN_KEY_LEN];
    char token[65], hex[2 * SIGN_KEY_LEN + 1];
    struct error err;
    json_t *j;

    memset(w, 0, sizeof(*w));
    make_token(c, party, "enrol", 3600, token);
    if (random_bytes(seed, sizeof(seed)) < 0 ||
        !(w->key = sign_key_from_seed(seed, &err)))
        die("key", err.text);
    sign_key_public(w->key, pub);
    bytes_to_hex(pub, sizeof(pub), hex);
    j = errand(c, "/v1/enrol",
               json_pack("{s:s,s:s}", "token", token, "pubkey", hex));
    bytes_from_hex(json_string_value(json_object_get(j, "cell_key")),
                   c->cell_key, sizeof(c->cell_key));
    w->id = number_of(j, "worker_id");
}

void hand_clear(struct hand *w)
{
    sign_key_destroy(w->key);
    memset(w, 0, sizeof(*w));
}

void fund(struct client *c, int64_t party, int64_t micro)
{
    json_decref(
        errand(c, "/v1/admin/fund",
               json_pack("{s:I,s:s,s:I,s:I}", "party_id", (json_int_t)party,
                         "unit", "USD", "amount", (json_int_t)micro, "serial",
                         (json_int_t)0))); /* the next one: never a repeat */
}

/* ---- work ------------------------------------------------------------ */

int take_leases(struct client *c, const struct hand *w, const char *spec,
                int want, struct msg_grant *g)
{
    struct msg_ask ask = {.want = want};
    struct error err;
    json_t *j;
    char *text;
    int rc;

    ask.offer.cores = 16;
    ask.offer.mem = 1 << 30;
    ask.offer.seconds = 36000;
    memcpy(ask.offer.zone, "cell", 5);
    ask.offer.n_kernels = 1;
    memcpy(ask.offer.kernels[0].name, "echo", 5);
    ask.offer.kernels[0].units_per_s = 1000000;
    digest_from_hex(spec, &ask.offer.kernels[0].spec);
    j = msg_ask_encode(&ask);
    text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    client_sign(c, w, -1, "POST", "/v1/lease", text, strlen(text), NULL);
    free(text);
    memset(g, 0, sizeof(*g));
    if (c->r.status != 200)
        return -1;
    j = json_loads(c->r.body, 0, NULL);
    rc = msg_grant_decode(j, g, &err);
    json_decref(j);
    if (rc < 0)
        die("grant", err.text);
    return (int)g->n_leases;
}

static void compute(const struct msg_lease *l, const struct fraud *f,
                    struct msg_result *out)
{
    struct item *items = NULL;
    struct item_result *r;
    struct error err;
    void *file;
    size_t n;

    if (items_parse(l->input, l->input_len, &items, &n, &err) < 0)
        die("items", err.text);
    r = calloc(n + 1, sizeof(*r));
    if (!r)
        die("items", "out of memory");
    for (size_t i = 0; i < n; i++) {
        r[i].units = f->units ? 1000 : 1;
        r[i].bytes = items[i].bytes;
        r[i].len = items[i].len;
    }
    if (f->count)
        n--;
    if (results_format(r, n, &file, &out->len, &err) < 0 ||
        results_root(r, n, &l->spec, &l->params, &out->root, &err) < 0)
        die("results", err.text);
    if (f->root)
        out->root.hash.b[5] ^= 1;
    out->token = strdup(f->token ? f->token : l->token);
    out->bytes = file;
    out->busy_us = 1000;
    if (f->blob) {
        digest_of(file, out->len, &out->blob);
        out->has_blob = true;
        out->bytes = NULL;
        free(file);
    }
    free(items);
    free(r);
}

char *make_results(const struct msg_grant *g, size_t n, const struct fraud *f)
{
    static const struct fraud honest;
    struct msg_results m = {.n = n};
    json_t *j;
    char *text;

    m.v = calloc(n + 1, sizeof(*m.v));
    for (size_t i = 0; m.v && i < n; i++)
        compute(&g->leases[i], f ? f : &honest, &m.v[i]);
    j = msg_results_encode(&m);
    text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    msg_results_clear(&m);
    return text;
}

bool post_results(struct client *c, struct hand *w, const char *body)
{
    client_sign(c, w, w->seq + 1, "POST", "/v1/result", body, strlen(body),
                NULL);
    if (c->r.status == 200)
        w->seq++;
    else
        fprintf(stderr, "# %ld %s\n", c->r.status, c->r.body);
    return c->r.status == 200;
}

bool fate_is(const struct client *c, size_t i, const char *fate,
             const char *reason)
{
    json_t *j = json_loads(c->r.body, 0, NULL);
    json_t *f = json_array_get(json_object_get(j, "results"), i);
    const char *got = json_string_value(json_object_get(f, "fate"));
    const char *why = json_string_value(json_object_get(f, "reason"));
    bool good = got && why && strcmp(got, fate) == 0 && strstr(why, reason);

    if (!good)
        fprintf(stderr, "# got %s: %s\n# not %s: %s\n", got ? got : c->r.body,
                why ? why : "", fate, reason);
    json_decref(j);
    return good;
}

struct msg_jobspec echo_job(const char *spec, const char *zone, uint32_t tasks,
                            uint32_t per)
{
    struct msg_jobspec m = {0};
    struct rec_job *b = &m.job;

    if (random_bytes(b->submission_id, sizeof(b->submission_id)) < 0 ||
        digest_from_hex(spec, &b->spec) < 0)
        die("spec", spec);
    memcpy(b->name, "wire", 5);
    memcpy(b->user_name, "u-secret", 9);
    memcpy(b->kernel, "echo", 5);
    snprintf(b->zone, sizeof(b->zone), "%s", zone);
    digest_of("", 0, &b->params);
    b->array_step = 1;
    b->is_array = true;
    b->input = INPUT_INDEX;
    b->tasks = tasks;
    b->items_per_task = per;
    b->items = (uint64_t)tasks * per;
    b->units_per_item = 1;
    return m;
}

int64_t submit(struct client *c, const char *token, const struct msg_jobspec *m)
{
    json_t *j = msg_jobspec_encode(m);
    char *text = json_dumps(j, JSON_COMPACT);

    json_decref(j);
    client_ask(c, token, "POST", "/v1/job", text);
    free(text);
    if (c->r.status != 200)
        return -1;
    return number_of(json_loads(c->r.body, 0, NULL), "job_id");
}

void put_blob(struct client *c, const char *token, const void *bytes,
              size_t len, struct digest *d)
{
    char path[128], hex[DIGEST_HEX_LEN + 1], auth[LINE];
    const char *headers[] = {auth, NULL};

    digest_of(bytes, len, d);
    digest_to_hex(d, hex);
    snprintf(path, sizeof(path), "/v1/blob/%s", hex);
    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", token);
    client_send(c, "PUT", path, headers, bytes, len);
    if (c->r.status != 200)
        die(path, c->r.body);
}
