/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - the head of an HTTP/1.1 request, read by a library's parser
 *
 * The library stops at the end of the head (on_done returns 2), so that it
 * never sees a body.  It is lenient in places; what it would let through is
 * refused here: blanks in names, two of a header that must be single, an
 * Upgrade, bytes outside ASCII in the request target.
 */
#include "sched/gate/parse.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <http_parser.h>

#define NAME_LEN 24 /* longest header name of interest, and one more */

enum field { PATH, AUTH, NODE, SEQ, TIME, SIG, HOST, EXPECT, LENGTH, TE, NONE };

static const struct {
    const char *name;
    enum field field;
} names[] = {
    {"authorization", AUTH},   {"fallow-node", NODE},
    {"fallow-seq", SEQ},       {"fallow-time", TIME},
    {"fallow-sig", SIG},       {"host", HOST},
    {"expect", EXPECT},        {"content-length", LENGTH},
    {"transfer-encoding", TE},
};

struct parse {
    http_parser hp;
    struct parse_request request;
    struct parse_refusal refusal;
    char *text; /* kept values, each ending in NUL */
    size_t len, cap;
    size_t at[NONE]; /* offset + 1 of each kept value; 0 = absent */
    size_t fed;
    char name[NAME_LEN];
    size_t name_len;
    enum field field; /* whose value is being read */
    bool in_value, done, nomem;
};

struct parse *parse_create(void)
{
    struct parse *p = calloc(1, sizeof(*p));

    if (p) {
        http_parser_init(&p->hp, HTTP_REQUEST);
        p->hp.data = p;
        p->field = NONE;
    }
    return p;
}

void parse_destroy(struct parse *p)
{
    if (p) {
        free(p->text);
        free(p);
    }
}

const struct parse_request *parse_request(const struct parse *p)
{
    return &p->request;
}

const struct parse_refusal *parse_refusal(const struct parse *p)
{
    return &p->refusal;
}

/* The first refusal stands.  Returns -1, which stops the library. */
static int refuse(struct parse *p, int status, const char *what)
{
    if (!p->refusal.status) {
        p->refusal.status = status;
        p->refusal.what = what;
    }
    return -1;
}

static int keep(struct parse *p, const char *s, size_t n)
{
    if (p->len + n + 1 > p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 512;
        char *t;

        while (cap < p->len + n + 1)
            cap *= 2;
        t = realloc(p->text, cap);
        if (!t) {
            p->nomem = true;
            return -1;
        }
        p->text = t;
        p->cap = cap;
    }
    memcpy(p->text + p->len, s, n);
    p->len += n;
    p->text[p->len] = '\0';
    return 0;
}

/* A value begins: behind the NUL of the one before. */
static int begin(struct parse *p, enum field f)
{
    if (p->at[f])
        return refuse(p, 400,
                      f == LENGTH ? "two Content-Length headers"
                                  : "a header was sent twice");
    if (keep(p, "", 0) < 0)
        return -1;
    if (p->len > 0 || p->at[PATH])
        p->len++;
    p->at[f] = p->len + 1;
    return keep(p, "", 0);
}

/* Blanks at its end are no part of a value. */
static const char *value(struct parse *p, enum field f)
{
    char *s = p->at[f] ? p->text + p->at[f] - 1 : NULL;
    size_t n = s ? strlen(s) : 0;

    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        s[--n] = '\0';
    return s ? s : "";
}

/* ---- what the library calls ------------------------------------------ */

static int on_url(http_parser *hp, const char *s, size_t n)
{
    struct parse *p = hp->data;

    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return refuse(p, 400, "a byte outside ASCII in the path");
    if (!p->at[PATH] && begin(p, PATH) < 0)
        return -1;
    return keep(p, s, n);
}

static int on_field(http_parser *hp, const char *s, size_t n)
{
    struct parse *p = hp->data;

    if (p->in_value) {
        p->in_value = false;
        p->name_len = 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ' || s[i] == '\t')
            return refuse(p, 400, "a blank in a header's name");
        if (p->name_len < NAME_LEN)
            p->name[p->name_len++] = s[i];
    }
    return 0;
}

static enum field field_of(const struct parse *p)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (p->name_len == strlen(names[i].name) &&
            strncasecmp(p->name, names[i].name, p->name_len) == 0)
            return names[i].field;
    return NONE;
}

static int on_value(http_parser *hp, const char *s, size_t n)
{
    struct parse *p = hp->data;

    if (!p->in_value) {
        p->in_value = true;
        p->field = field_of(p);
        if (p->field == TE)
            return refuse(p, 501, "Transfer-Encoding in a request");
        if (p->field != NONE && begin(p, p->field) < 0)
            return -1;
    }
    return p->field == NONE ? 0 : keep(p, s, n);
}

/* "https://host/path" is allowed to be sent where "/path" is meant. */
static const char *path_of(struct parse *p)
{
    const char *s = value(p, PATH);

    if (strncasecmp(s, "https://", 8) == 0 || strncasecmp(s, "http://", 7) == 0)
        s = strchr(strchr(s, ':') + 3, '/');
    return s && *s == '/' ? s : NULL;
}

static int check_head(struct parse *p)
{
    const struct parse_request *r = &p->request;

    if (p->hp.http_major != 1 || p->hp.http_minor > 1)
        return refuse(p, 505, "not HTTP/1.1");
    if (p->hp.method != HTTP_GET && p->hp.method != HTTP_HEAD &&
        p->hp.method != HTTP_POST && p->hp.method != HTTP_PUT &&
        p->hp.method != HTTP_DELETE)
        return refuse(p, 405, "only GET HEAD POST PUT DELETE are known");
    if (!r->path)
        return refuse(p, 400, "the path does not begin with /");
    if (p->hp.http_minor == 1 && !p->at[HOST])
        return refuse(p, 400, "no Host header");
    if (p->at[LENGTH] && p->hp.content_length == ULLONG_MAX)
        return refuse(p, 400, "malformed Content-Length");
    if (p->at[EXPECT] && !r->expects_100)
        return refuse(p, 417, "only 100-continue can be expected");
    if ((p->hp.method == HTTP_GET || p->hp.method == HTTP_HEAD) && r->length)
        return refuse(p, 400, "a body where none belongs");
    return 0;
}

/* The head has ended.  2: there is no more for the library to read. */
static int on_done(http_parser *hp)
{
    struct parse *p = hp->data;
    struct parse_request *r = &p->request;

    r->method = http_method_str((enum http_method)hp->method);
    r->path = path_of(p);
    r->auth = value(p, AUTH);
    r->node = value(p, NODE);
    r->seq = value(p, SEQ);
    r->time = value(p, TIME);
    r->sig = value(p, SIG);
    r->has_length = p->at[LENGTH] != 0;
    r->length = r->has_length ? hp->content_length : 0;
    r->expects_100 = hp->http_minor == 1 && p->at[EXPECT] &&
                     strcasecmp(value(p, EXPECT), "100-continue") == 0;
    r->is_head = hp->method == HTTP_HEAD;
    r->keep = hp->flags & F_CONNECTION_CLOSE ? false
              : hp->http_minor == 1
                  ? true
                  : (hp->flags & F_CONNECTION_KEEP_ALIVE) != 0;
    if (check_head(p) < 0)
        return -1;
    p->done = true;
    return 2;
}

static const http_parser_settings calls = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_done,
};

static int library_refused(struct parse *p)
{
    switch (HTTP_PARSER_ERRNO(&p->hp)) {
    case HPE_HEADER_OVERFLOW: return refuse(p, 431, "header over 8192 bytes");
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(p, 400, "two Content-Length headers");
    case HPE_INVALID_CONTENT_LENGTH:
        return refuse(p, 400, "malformed Content-Length");
    case HPE_INVALID_VERSION: return refuse(p, 505, "not HTTP/1.1");
    case HPE_INVALID_METHOD: return refuse(p, 400, "not an HTTP method");
    default: return refuse(p, 400, "not an HTTP request");
    }
}

/* The library overlooks some control characters, and what ends the head. */
static bool is_clean(const struct parse *p, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((b[i] < ' ' && b[i] != '\r' && b[i] != '\n' && b[i] != '\t') ||
            b[i] == 0x7f)
            return false;
    return !p->done || b[n - 1] == '\n';
}

enum parse_result parse_feed(struct parse *p, const void *bytes, size_t n,
                             size_t *used)
{
    size_t room = PARSE_HEAD_MAX - p->fed;
    size_t give = n < room ? n : room;

    *used = http_parser_execute(&p->hp, &calls, bytes, give);
    if (p->nomem)
        return PARSE_NOMEM;
    if (!p->refusal.status && !is_clean(p, bytes, *used)) {
        refuse(p, 400, "a control character in the header");
        return PARSE_REFUSED;
    }
    if (p->done)
        return PARSE_DONE;
    if (p->refusal.status || HTTP_PARSER_ERRNO(&p->hp) != HPE_OK) {
        library_refused(p);
        return PARSE_REFUSED;
    }
    p->fed += give;
    if (p->fed == PARSE_HEAD_MAX) {
        refuse(p, 431, "header over 8192 bytes");
        return PARSE_REFUSED;
    }
    *used = n;
    return PARSE_MORE;
}
