/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the client's side of the wire, over libcurl
 *
 * One easy handle is kept for its connection; it is driven through a multi
 * handle so that a stop flag is seen within STOP_LOOK_MS.
 */
#include "common/http.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include "common/bytes.h"
#include "common/file.h"

#define STOP_LOOK_MS 100
#define CONNECT_MS 15000
#define STALL_S 60 /* a blob that moves less than 1 byte/s this long */
#define BODY_MAX (512u << 20)
#define TEXT_MAX 4096

struct http {
    CURL *easy;
    CURLM *multi;
    char *base;
    char *token;
    char *cell;
    char *ca;
    int64_t worker;
    const struct sign_key *key; /* NULL = not a worker */
    uint8_t cell_key[SIGN_KEY_LEN];
};

/* One request while it runs. */
struct call {
    struct http *h;
    struct http_reply *out;
    size_t cap;
    FILE *to; /* GET into a file */
    bool too_large, write_failed;
    uint8_t sig[SIGN_SIG_LEN];
    bool has_sig, bad_sig;
    const volatile int *stop;
    char why[CURL_ERROR_SIZE];
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

struct http *http_create(const char *base, const char *ca_file,
                         const char *token, struct error *err)
{
    struct http *h;
    size_t n = strlen(base);

    if (strncmp(base, "https://", 8) != 0 || n < 9)
        return error_null(err, EINVAL,
                          "\"%s\" is not the address of a cell: "
                          "https://host:port",
                          base);
    while (n > 9 && base[n - 1] == '/')
        n--;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h = calloc(1, sizeof(*h));
    if (!h)
        goto error;
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    h->base = strndup(base, n);
    h->ca = ca_file ? strdup(ca_file) : NULL;
    h->token = token ? strdup(token) : NULL;
    if (!h->easy || !h->multi || !h->base || (ca_file && !h->ca) ||
        (token && !h->token))
        goto error;
    return h;
error:
    http_destroy(h);
    return error_null(err, ENOMEM, "could not allocate a client");
}

void http_destroy(struct http *h)
{
    if (h) {
        int saved_errno = errno;

        curl_easy_cleanup(h->easy);
        curl_multi_cleanup(h->multi);
        free(h->base);
        free(h->token);
        free(h->cell);
        free(h->ca);
        free(h);
        errno = saved_errno;
    }
}

int http_set_worker(struct http *h, const char *cell, int64_t worker_id,
                    const struct sign_key *key,
                    const uint8_t cell_key[SIGN_KEY_LEN], struct error *err)
{
    char *name = strdup(cell);

    if (!name)
        return error_set(err, ENOMEM, "could not allocate a client");
    free(h->cell);
    h->cell = name;
    h->worker = worker_id;
    h->key = key;
    memcpy(h->cell_key, cell_key, SIGN_KEY_LEN);
    return 0;
}

void http_reply_clear(struct http_reply *r)
{
    free(r->body);
    memset(r, 0, sizeof(*r));
    r->retry_after_s = -1;
}

/* ---- what libcurl calls --------------------------------------------- */

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    struct call *c = arg;
    struct http_reply *r = c->out;
    long status = 0;

    curl_easy_getinfo(c->h->easy, CURLINFO_RESPONSE_CODE, &status);
    if (c->to && status >= 200 && status < 300) {
        r->body_len += one * n;
        c->write_failed = fwrite(p, one, n, c->to) != n;
        return c->write_failed ? 0 : one * n;
    }
    n *= one;
    if (n > BODY_MAX - r->body_len) {
        c->too_large = true;
        return 0;
    }
    if (r->body_len + n + 1 > c->cap) {
        size_t cap = c->cap ? c->cap : 4096;
        uint8_t *b;

        while (cap < r->body_len + n + 1)
            cap *= 2;
        b = realloc(r->body, cap);
        if (!b)
            return 0;
        r->body = b;
        c->cap = cap;
    }
    memcpy(r->body + r->body_len, p, n);
    r->body_len += n;
    r->body[r->body_len] = 0;
    return n;
}

/* The value of a header line when it is called name, else NULL. */
static const char *value_of(const char *line, size_t n, const char *name,
                            size_t *len)
{
    size_t k = strlen(name);

    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return NULL;
    line += k + 1;
    n -= k + 1;
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    while (n > 0 && strchr(" \t\r\n", line[n - 1]))
        n--;
    *len = n;
    return line;
}

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    struct call *c = arg;
    const char *v;
    size_t len;

    n *= one;
    if (n > 5 && strncmp(p, "HTTP/", 5) == 0) { /* 100 Continue, then ours */
        c->has_sig = c->bad_sig = false;
        c->out->retry_after_s = -1;
    }
    v = value_of(p, n, "Fallow-Cell-Sig", &len);
    if (v) {
        uint8_t *sig;
        size_t k;

        c->bad_sig = c->has_sig; /* twice is wrong */
        if (base64_decode(v, len, &sig, &k) < 0) {
            c->bad_sig = true;
        } else {
            if (k == sizeof(c->sig))
                memcpy(c->sig, sig, k);
            else
                c->bad_sig = true;
            free(sig);
        }
        c->has_sig = true;
    }
    v = value_of(p, n, "Retry-After", &len);
    if (v && len > 0 && len < 7 && strspn(v, "0123456789") == len)
        c->out->retry_after_s = (int)strtol(v, NULL, 10);
    return n;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl,
                       curl_off_t ul_total, curl_off_t ul)
{
    struct call *c = arg;

    (void)dl_total;
    (void)dl;
    if (c->progress && ul_total > 0)
        c->progress(c->arg, (uint64_t)ul, (uint64_t)ul_total);
    return 0;
}

/* ---- one request ----------------------------------------------------- */

static int64_t unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int add_header(struct curl_slist **list, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int add_header(struct curl_slist **list, const char *fmt, ...)
{
    struct curl_slist *more;
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line))
        return -1;
    more = curl_slist_append(*list, line);
    if (!more)
        return -1;
    *list = more;
    return 0;
}

struct signing {
    const char *method, *path;
    int64_t seq, time_ms;
    struct digest body;
};

static int add_signature(struct http *h, struct curl_slist **list,
                         struct signing *s)
{
    char text[TEXT_MAX], b64[96];
    uint8_t sig[SIGN_SIG_LEN];
    int n;

    s->time_ms = unix_ms();
    n = sign_request_text(text, sizeof(text), s->method, s->path, h->cell,
                          h->worker, s->seq, s->time_ms, &s->body);
    if (n < 0 || sign_make(h->key, text, (size_t)n, sig) < 0)
        return -1;
    base64_encode(sig, sizeof(sig), b64);
    if (add_header(list, "Fallow-Node: %" PRId64, h->worker) < 0 ||
        (s->seq >= 0 && add_header(list, "Fallow-Seq: %" PRId64, s->seq) < 0))
        return -1;
    return add_header(list, "Fallow-Time: %" PRId64, s->time_ms) < 0 ||
                   add_header(list, "Fallow-Sig: %s", b64) < 0
               ? -1
               : 0;
}

static struct curl_slist *headers(struct http *h, struct signing *s,
                                  const char *type)
{
    struct curl_slist *list = NULL;

    if (add_header(&list, "Expect:") < 0 ||
        add_header(&list, "Content-Type: %s", type) < 0 ||
        (h->token &&
         add_header(&list, "Authorization: Bearer %s", h->token) < 0) ||
        (h->key && add_signature(h, &list, s) < 0)) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

static void common_options(struct call *c, const char *url)
{
    CURL *e = c->h->easy;

    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    if (c->h->ca)
        curl_easy_setopt(e, CURLOPT_CAINFO, c->h->ca);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
}

static void method_options(CURL *e, const char *method, const void *body,
                           size_t len)
{
    if (strcmp(method, "GET") == 0) {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, body ? body : "");
    }
}

/* What libcurl said, as errno and one line. */
static int failed(struct call *c, CURLcode code, const char *method,
                  const char *path, struct error *err)
{
    int e = ECONNRESET;

    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: e = ECONNREFUSED; break;
    case CURLE_OPERATION_TIMEDOUT: e = ETIMEDOUT; break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: e = EPROTO; break;
    case CURLE_WRITE_ERROR:
        e = c->too_large ? EPROTO : c->write_failed ? EIO : ENOMEM;
        break;
    case CURLE_OUT_OF_MEMORY: e = ENOMEM; break;
    default: break;
    }
    return error_set(err, e, "could not reach %s: %s %s: %s", c->h->base,
                     method, path,
                     c->why[0] ? c->why : curl_easy_strerror(code));
}

/* Drive the transfer until it ends.  *code is libcurl's. */
static int drive(struct call *c, CURLcode *code)
{
    CURLM *m = c->h->multi;
    int running = 1, rc = 0;

    *code = CURLE_OUT_OF_MEMORY;
    if (curl_multi_add_handle(m, c->h->easy) != CURLM_OK)
        return 0;
    while (running) {
        if (c->stop && *c->stop) {
            errno = ECANCELED;
            rc = -1;
            break;
        }
        if (curl_multi_perform(m, &running) != CURLM_OK)
            break;
        if (running)
            curl_multi_poll(m, NULL, 0, c->stop ? STOP_LOOK_MS : 1000, NULL);
    }
    if (!running) {
        CURLMsg *msg;
        int left;

        while ((msg = curl_multi_info_read(m, &left)))
            if (msg->msg == CURLMSG_DONE)
                *code = msg->data.result;
    }
    curl_multi_remove_handle(m, c->h->easy);
    return rc;
}

/* The cell signs what it grants or acknowledges to a worker. */
static int check_reply(struct call *c, const struct signing *s,
                       struct error *err)
{
    struct http *h = c->h;
    struct digest d;
    char text[TEXT_MAX];
    int n;

    if (!h->key || c->to)
        return 0;
    if (!c->has_sig) {
        if (c->out->status / 100 != 2 || strcmp(s->method, "POST") != 0)
            return 0;
        return error_set(err, EBADMSG, "the cell did not sign its reply to %s",
                         s->path);
    }
    digest_of(c->out->body ? (const void *)c->out->body : "", c->out->body_len,
              &d);
    n = sign_reply_text(text, sizeof(text), h->cell, h->worker, s->seq,
                        s->time_ms, &d);
    if (n < 0 || c->bad_sig ||
        sign_check(h->cell_key, text, (size_t)n, c->sig) < 0)
        return error_set(err, EBADMSG,
                         "the cell's signature on its reply to %s is wrong",
                         s->path);
    return 0;
}

/* Options are set by the caller after common_options. */
static int perform(struct call *c, struct signing *s, const char *type,
                   struct error *err)
{
    struct curl_slist *list = headers(c->h, s, type);
    CURLcode code;
    int rc;

    if (!list)
        return error_set(err, ENOMEM, "could not sign %s %s", s->method,
                         s->path);
    curl_easy_setopt(c->h->easy, CURLOPT_HTTPHEADER, list);
    rc = drive(c, &code);
    if (rc < 0)
        error_set(err, ECANCELED, "%s %s was stopped", s->method, s->path);
    else if (code != CURLE_OK)
        rc = failed(c, code, s->method, s->path, err);
    if (rc == 0) {
        curl_easy_getinfo(c->h->easy, CURLINFO_RESPONSE_CODE, &c->out->status);
        if (!c->out->body && !c->to)
            c->out->body = calloc(1, 1);
        rc = check_reply(c, s, err);
    }
    curl_slist_free_all(list);
    if (rc < 0) {
        int saved_errno = errno;

        http_reply_clear(c->out);
        errno = saved_errno;
    }
    return rc;
}

static char *url_of(struct http *h, const char *path)
{
    char *url;

    return asprintf(&url, "%s%s", h->base, path) < 0 ? NULL : url;
}

int http_do(struct http *h, const char *method, const char *path, int64_t seq,
            const void *body, size_t len, long timeout_ms,
            const volatile int *stop, struct http_reply *out, struct error *err)
{
    struct call c = {.h = h, .out = out, .stop = stop};
    struct signing s = {.method = method, .path = path, .seq = seq};
    char *url = url_of(h, path);
    int rc;

    memset(out, 0, sizeof(*out));
    out->retry_after_s = -1;
    if (!url)
        return error_set(err, ENOMEM, "could not allocate an address");
    digest_of(body ? body : "", len, &s.body);
    common_options(&c, url);
    curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    method_options(h->easy, method, body, len);
    rc = perform(&c, &s, "application/json", err);
    free(url);
    return rc;
}

/* ---- blobs ----------------------------------------------------------- */

static void stall_options(CURL *e)
{
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
}

int http_put_file(struct http *h, const char *path, const char *file,
                  void (*progress)(void *arg, uint64_t done, uint64_t total),
                  void *arg, struct http_reply *out, struct error *err)
{
    struct call c = {.h = h, .out = out, .progress = progress, .arg = arg};
    struct signing s = {.method = "PUT", .path = path, .seq = -1};
    uint64_t size = 0;
    char *url = NULL;
    FILE *f;
    int rc = -1;

    memset(out, 0, sizeof(*out));
    out->retry_after_s = -1;
    if (digest_of_file(file, &s.body, &size, err) < 0)
        return -1;
    f = fopen(file, "re");
    if (!f)
        return error_set(err, errno, "could not open %s: %s", file,
                         strerror(errno));
    url = url_of(h, path);
    if (!url) {
        error_set(err, ENOMEM, "could not allocate an address");
        goto done;
    }
    common_options(&c, url);
    stall_options(h->easy);
    curl_easy_setopt(h->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h->easy, CURLOPT_READDATA, f);
    curl_easy_setopt(h->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(h->easy, CURLOPT_NOPROGRESS, progress ? 0L : 1L);
    curl_easy_setopt(h->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h->easy, CURLOPT_XFERINFODATA, &c);
    rc = perform(&c, &s, "application/octet-stream", err);
done:
    free(url);
    fclose(f);
    return rc;
}

/* Put the whole temporary file in its place. */
static int settle(FILE *f, const char *tmp, const char *file, struct error *err)
{
    if (fflush(f) != 0 || fsync(fileno(f)) < 0 || rename(tmp, file) < 0)
        return error_set(err, errno, "could not write %s: %s", file,
                         strerror(errno));
    return 0;
}

int http_get_file(struct http *h, const char *path, const char *file,
                  struct http_reply *out, struct error *err)
{
    struct call c = {.h = h, .out = out};
    struct signing s = {.method = "GET", .path = path, .seq = -1};
    char *url = url_of(h, path), *tmp = NULL;
    int rc = -1;

    memset(out, 0, sizeof(*out));
    out->retry_after_s = -1;
    if (!url || asprintf(&tmp, "%s.tmp%ld", file, (long)getpid()) < 0) {
        free(url);
        return error_set(err, ENOMEM, "could not allocate an address");
    }
    c.to = fopen(tmp, "we");
    if (!c.to) {
        error_set(err, errno, "could not write %s: %s", tmp, strerror(errno));
        goto done;
    }
    digest_of("", 0, &s.body);
    common_options(&c, url);
    stall_options(h->easy);
    curl_easy_setopt(h->easy, CURLOPT_HTTPGET, 1L);
    rc = perform(&c, &s, "application/octet-stream", err);
    if (rc == 0 && out->status / 100 == 2)
        rc = settle(c.to, tmp, file, err);
    fclose(c.to);
    if (rc < 0 || out->status / 100 != 2)
        unlink(tmp);
done:
    free(tmp);
    free(url);
    return rc;
}

/* ---- refusals -------------------------------------------------------- */

static int errno_of(long status)
{
    switch (status) {
    case 401: return EACCES;
    case 402: return EDQUOT;
    case 403: return EPERM;
    case 404: return ENOENT;
    case 409: return EEXIST;
    case 413: return EFBIG;
    case 429:
    case 503: return EAGAIN;
    default: return EPROTO;
    }
}

int http_check(const struct http_reply *r, const char *what, struct error *err)
{
    int code = errno_of(r->status);
    const char *text = NULL;
    json_t *j;

    if (r->status / 100 == 2)
        return 0;
    j = r->body ? json_loadb((const char *)r->body, r->body_len, 0, NULL)
                : NULL;
    text = json_string_value(json_object_get(j, "error"));
    if (text)
        error_set(err, code, "%s: %s", what, text);
    else
        error_set(err, code, "%s: the cell answered with status %ld", what,
                  r->status);
    json_decref(j);
    errno = code;
    return -1;
}
