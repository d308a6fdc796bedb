/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - TLS 1.3 for the gate's sockets
 *
 * Buffers are released whenever they are empty: a parked connection keeps no
 * 16 KiB record buffers.  Tickets are stateless, one for each handshake.
 */
#include "sched/gate/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* An end is an SSL under another name. */
static SSL *ssl_of(struct tls_end *e)
{
    return (SSL *)e;
}

static SSL_CTX *ctx_of(struct tls *t)
{
    return (SSL_CTX *)t;
}

/* HTTP/1.1 is all there is; a client that offers only others is refused. */
static int choose_alpn(SSL *ssl, const unsigned char **out,
                       unsigned char *out_len, const unsigned char *in,
                       unsigned int in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static const char *why(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "unknown reason";
}

static int set_up(SSL_CTX *c)
{
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS |
                            SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
    return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) &&
           SSL_CTX_set_num_tickets(c, 1) &&
           SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:"
                                       "TLS_AES_256_GCM_SHA384:"
                                       "TLS_CHACHA20_POLY1305_SHA256") &&
           SSL_CTX_set1_groups_list(c, "X25519:P-256");
}

struct tls *tls_create(const char *cert, const char *key, struct error *err)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());

    if (!c || !set_up(c)) {
        error_set(err, ENOMEM, "cannot set up TLS: %s", why());
        goto error;
    }
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1) {
        error_set(err, EBADMSG, "cannot use certificate \"%s\": %s", cert,
                  why());
        goto error;
    }
    if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(c) != 1) {
        error_set(err, EBADMSG, "cannot use key \"%s\": %s", key, why());
        goto error;
    }
    return (struct tls *)c;
error:
    tls_destroy((struct tls *)c);
    ERR_clear_error();
    errno = EBADMSG;
    return NULL;
}

void tls_destroy(struct tls *t)
{
    SSL_CTX_free(ctx_of(t));
}

struct tls_end *tls_accept(struct tls *t, int fd)
{
    SSL *s = SSL_new(ctx_of(t));

    if (s && SSL_set_fd(s, fd) == 1) {
        SSL_set_accept_state(s);
        return (struct tls_end *)s;
    }
    SSL_free(s);
    ERR_clear_error();
    errno = ENOMEM;
    return NULL;
}

void tls_end_destroy(struct tls_end *e)
{
    SSL_free(ssl_of(e));
}

static int outcome(SSL *s, int rc)
{
    int what = SSL_get_error(s, rc);

    if (what == SSL_ERROR_WANT_READ)
        return TLS_WANT_READ;
    if (what == SSL_ERROR_WANT_WRITE)
        return TLS_WANT_WRITE;
    ERR_clear_error();
    return TLS_CLOSED;
}

int tls_handshake(struct tls_end *e)
{
    int rc = SSL_do_handshake(ssl_of(e));

    return rc == 1 ? 1 : outcome(ssl_of(e), rc);
}

ssize_t tls_read(struct tls_end *e, void *buf, size_t cap)
{
    int rc = SSL_read(ssl_of(e), buf, cap > INT_MAX ? INT_MAX : (int)cap);

    return rc > 0 ? rc : outcome(ssl_of(e), rc);
}

ssize_t tls_write(struct tls_end *e, const void *buf, size_t n)
{
    int rc = SSL_write(ssl_of(e), buf, n > INT_MAX ? INT_MAX : (int)n);

    return rc > 0 ? rc : outcome(ssl_of(e), rc);
}

int tls_has_pending(const struct tls_end *e)
{
    return SSL_has_pending((const SSL *)e);
}

void tls_bye(struct tls_end *e)
{
    if (SSL_is_init_finished(ssl_of(e)))
        SSL_shutdown(ssl_of(e));
    ERR_clear_error();
}
