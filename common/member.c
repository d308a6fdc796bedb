/* SPDX-License-Identifier: Apache-2.0 */
/* member.c - typed members of a JSON object, with errors that name them */
#include "common/member.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

static const json_t *member(const json_t *o, const char *key, struct error *err)
{
    const json_t *v = json_object_get(o, key);

    if (!v)
        error_set(err, EBADMSG, "member \"%s\" is missing", key);
    return v;
}

static int wrong(const char *key, const char *kind, struct error *err)
{
    return error_set(err, EBADMSG, "member \"%s\" is not %s", key, kind);
}

int member_int(const json_t *o, const char *key, int64_t min, int64_t max,
               int64_t *out, struct error *err)
{
    const json_t *v = member(o, key, err);
    int64_t i;

    if (!v)
        return -1;
    if (!json_is_integer(v))
        return wrong(key, "an integer", err);
    i = json_integer_value(v);
    if (i < min || i > max)
        return error_set(err, EBADMSG,
                         "member \"%s\" is %" PRId64 ", not in %" PRId64
                         " to %" PRId64,
                         key, i, min, max);
    *out = i;
    return 0;
}

static const char *text_of(const json_t *o, const char *key, size_t *len,
                           struct error *err)
{
    const json_t *v = member(o, key, err);

    if (!v)
        return NULL;
    if (!json_is_string(v)) {
        wrong(key, "a text", err);
        return NULL;
    }
    *len = json_string_length(v);
    if (memchr(json_string_value(v), '\0', *len)) {
        wrong(key, "a text without NUL", err);
        return NULL;
    }
    return json_string_value(v);
}

/* Names are printed on terminals: no C0 or C1 control character, no DEL. */
static bool printable(const char *s)
{
    for (const uint8_t *p = (const uint8_t *)s; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
            return false;
    return true;
}

int member_text(const json_t *o, const char *key, char *out, size_t cap,
                struct error *err)
{
    size_t len;
    const char *s = text_of(o, key, &len, err);

    if (!s)
        return -1;
    if (!printable(s))
        return wrong(key, "a text without control characters", err);
    if (len >= cap)
        return error_set(err, EBADMSG,
                         "member \"%s\" has %zu bytes, at most %zu are allowed",
                         key, len, cap - 1);
    memcpy(out, s, len + 1);
    return 0;
}

int member_dup(const json_t *o, const char *key, char **out, struct error *err)
{
    size_t len;
    const char *s = text_of(o, key, &len, err);

    if (!s)
        return -1;
    *out = malloc(len + 1);
    if (!*out)
        return error_set(err, ENOMEM, "out of memory");
    memcpy(*out, s, len + 1);
    return 0;
}

int member_hex(const json_t *o, const char *key, uint8_t *out, size_t n,
               struct error *err)
{
    size_t len;
    const char *s = text_of(o, key, &len, err);

    if (!s)
        return -1;
    if (len != 2 * n || bytes_from_hex(s, out, n) < 0)
        return error_set(err, EBADMSG, "member \"%s\" is not %zu hex digits",
                         key, 2 * n);
    return 0;
}

int member_digest(const json_t *o, const char *key, struct digest *out,
                  struct error *err)
{
    return member_hex(o, key, out->b, DIGEST_LEN, err);
}

int member_bytes(const json_t *o, const char *key, uint8_t **out, size_t *len,
                 struct error *err)
{
    size_t n;
    const char *s = text_of(o, key, &n, err);

    if (!s)
        return -1;
    if (base64_decode(s, n, out, len) < 0) {
        if (errno == ENOMEM)
            return error_set(err, ENOMEM, "out of memory");
        return wrong(key, "base64", err);
    }
    return 0;
}

int member_array(const json_t *o, const char *key, size_t max,
                 const json_t **out, struct error *err)
{
    const json_t *v = member(o, key, err);

    if (!v)
        return -1;
    if (!json_is_array(v))
        return wrong(key, "a list", err);
    if (json_array_size(v) > max)
        return error_set(err, EBADMSG,
                         "member \"%s\" has %zu elements, at most %zu are "
                         "allowed",
                         key, json_array_size(v), max);
    *out = v;
    return 0;
}

int member_object(const json_t *o, const char *key, const json_t **out,
                  struct error *err)
{
    const json_t *v = member(o, key, err);

    if (!v)
        return -1;
    if (!json_is_object(v))
        return wrong(key, "an object", err);
    *out = v;
    return 0;
}

json_t *json_put(json_t *o, const char *key, json_t *v)
{
    if (o && json_object_set_new_nocheck(o, key, v) == 0)
        return o;
    if (!o)
        json_decref(v);
    json_decref(o);
    errno = ENOMEM;
    return NULL;
}

json_t *json_hex(const uint8_t *p, size_t n)
{
    char *text = malloc(2 * n + 1);
    json_t *j;

    if (!text)
        return NULL;
    bytes_to_hex(p, n, text);
    j = json_stringn_nocheck(text, 2 * n);
    free(text);
    return j;
}

json_t *json_digest(const struct digest *d)
{
    char hex[DIGEST_HEX_LEN + 1];

    digest_to_hex(d, hex);
    return json_stringn_nocheck(hex, DIGEST_HEX_LEN);
}

json_t *json_bytes(const uint8_t *p, size_t n)
{
    char *text = malloc(base64_len(n));
    json_t *j;

    if (!text)
        return NULL;
    j = json_stringn_nocheck(text, base64_encode(p, n, text));
    free(text);
    return j;
}
