/* SPDX-License-Identifier: Apache-2.0 */
/* granttext.c - a grant straight into text
 *
 * The reply a cell sends most often, 64 leases at a time: the same bytes as
 * message_text(msg_grant_encode()), without a tree.  The size is known before
 * the first byte is written, so that nothing grows; message.t and the fuzzer
 * of messages hold both ways against each other.
 */
#include "common/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* Members, punctuation and numbers of one part: more than there can be. */
#define LEASE_FIXED 256
#define FATE_FIXED 32
#define HEAD_FIXED 192

static char *put(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

/* Most bytes a text takes once quoted: every one as \u00XX. */
static size_t quoted_max(const char *s)
{
    return 6 * strlen(s) + 2;
}

/* One character that may not stand for itself. */
static char *escaped(char *p, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    const char *at = strchr(from, c);

    *p++ = '\\';
    if (at) {
        *p++ = to[at - from];
        return p;
    }
    p = PUT(p, "u00");
    *p++ = hex[(unsigned char)c >> 4];
    *p++ = hex[c & 15];
    return p;
}

static char *quoted(char *p, const char *s)
{
    *p++ = '"';
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == '"' || *s == '\\')
            p = escaped(p, *s);
        else
            *p++ = *s;
    }
    *p++ = '"';
    return p;
}

static char *digest(char *p, const struct digest *d)
{
    *p++ = '"';
    digest_to_hex(d, p);
    p += DIGEST_HEX_LEN;
    *p++ = '"';
    return p;
}

static char *integer(char *p, int64_t v)
{
    return p + snprintf(p, 24, "%" PRId64, v);
}

static size_t lease_max(const struct msg_lease *m)
{
    return LEASE_FIXED + quoted_max(m->id) + quoted_max(m->kernel) +
           2 * DIGEST_HEX_LEN + base64_len(m->input_len) + quoted_max(m->token);
}

static char *lease(char *p, const struct msg_lease *m)
{
    p = PUT(p, "{\"id\":");
    p = quoted(p, m->id);
    p = PUT(p, ",\"kernel\":");
    p = quoted(p, m->kernel);
    p = PUT(p, ",\"spec\":");
    p = digest(p, &m->spec);
    p = PUT(p, ",\"params\":");
    p = digest(p, &m->params);
    p = PUT(p, ",\"items\":");
    p = integer(p, m->items);
    p = PUT(p, ",\"deadline_us\":");
    p = integer(p, m->deadline_us);
    p = PUT(p, ",\"input\":\"");
    p += base64_encode(m->input, m->input_len, p);
    p = PUT(p, "\",\"token\":");
    p = quoted(p, m->token);
    *p++ = '}';
    return p;
}

static size_t text_max(const struct msg_grant *m)
{
    size_t n = HEAD_FIXED + DIGEST_HEX_LEN;

    for (size_t i = 0; i < m->n_leases; i++)
        n += lease_max(&m->leases[i]);
    for (size_t i = 0; i < m->n_fates; i++)
        n += FATE_FIXED + quoted_max(m->fates[i].fate) +
             quoted_max(m->fates[i].reason);
    return n;
}

char *msg_grant_text(const struct msg_grant *m, size_t *len)
{
    char *text = malloc(text_max(m)), *p = text;

    if (!text) {
        errno = ENOMEM;
        return NULL;
    }
    p = PUT(p, "{\"leases\":[");
    for (size_t i = 0; i < m->n_leases; i++) {
        if (i)
            *p++ = ',';
        p = lease(p, &m->leases[i]);
    }
    p = PUT(p, "],\"results\":[");
    for (size_t i = 0; i < m->n_fates; i++) {
        if (i)
            *p++ = ',';
        p = PUT(p, "{\"fate\":");
        p = quoted(p, m->fates[i].fate);
        p = PUT(p, ",\"reason\":");
        p = quoted(p, m->fates[i].reason);
        *p++ = '}';
    }
    p = PUT(p, "],\"head\":{\"batch\":");
    p = integer(p, m->head.batch);
    p = PUT(p, ",\"hash\":");
    p = digest(p, &m->head.hash);
    p = PUT(p, "}}");
    *p = '\0';
    *len = (size_t)(p - text);
    return text;
}
