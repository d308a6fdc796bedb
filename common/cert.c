/* SPDX-License-Identifier: Apache-2.0 */
/* cert.c - a private cell's own certificates */
#include "common/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/file.h"
#include "common/sign.h"

#define DEFAULT_SANS "DNS:localhost,IP:127.0.0.1,IP:::1"

struct pair {
    EVP_PKEY *key;
    X509 *cert;
};

static void pair_clear(struct pair *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->cert);
    p->key = NULL;
    p->cert = NULL;
}

static int extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    int good;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    good = e && X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
    return good;
}

static int number(X509 *cert)
{
    uint8_t serial[16];
    BIGNUM *n;
    int good;

    if (random_bytes(serial, sizeof(serial)) < 0)
        return 0;
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
    n = BN_bin2bn(serial, sizeof(serial), NULL);
    good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return good;
}

/* A key and a certificate over it, not signed yet. */
static int begin(struct pair *p, const char *name)
{
    X509_NAME *subject;

    p->key = EVP_EC_gen("P-256");
    p->cert = X509_new();
    if (!p->key || !p->cert || !number(p->cert))
        return 0;
    subject = X509_get_subject_name(p->cert);
    return X509_set_version(p->cert, X509_VERSION_3) &&
           X509_gmtime_adj(X509_getm_notBefore(p->cert), -86400) &&
           X509_time_adj_ex(X509_getm_notAfter(p->cert), CERT_YEARS * 365, 0,
                            NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const uint8_t *)name, -1, -1, 0) &&
           X509_set_pubkey(p->cert, p->key);
}

static int make_ca(struct pair *ca)
{
    return begin(ca, "Fallow cell authority") &&
           X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)) &&
           extend(ca->cert, ca->cert, NID_basic_constraints,
                  "critical,CA:TRUE,pathlen:0") &&
           extend(ca->cert, ca->cert, NID_key_usage,
                  "critical,keyCertSign,cRLSign") &&
           extend(ca->cert, ca->cert, NID_subject_key_identifier, "hash") &&
           X509_sign(ca->cert, ca->key, EVP_sha256()) > 0;
}

static int make_server(struct pair *s, const struct pair *ca, const char *sans)
{
    return begin(s, "fallow-gate") &&
           X509_set_issuer_name(s->cert, X509_get_subject_name(ca->cert)) &&
           extend(s->cert, ca->cert, NID_basic_constraints,
                  "critical,CA:FALSE") &&
           extend(s->cert, ca->cert, NID_key_usage,
                  "critical,digitalSignature") &&
           extend(s->cert, ca->cert, NID_ext_key_usage, "serverAuth") &&
           extend(s->cert, ca->cert, NID_authority_key_identifier, "keyid") &&
           extend(s->cert, ca->cert, NID_subject_alt_name, sans) &&
           X509_sign(s->cert, ca->key, EVP_sha256()) > 0;
}

/* ---- files ---------------------------------------------------------- */

static int there(const char *dir, const char *name)
{
    char *path = file_path(dir, name);
    int yes = path && access(path, F_OK) == 0;

    free(path);
    return yes;
}

static FILE *open_in(const char *dir, const char *name, int flags, mode_t mode,
                     struct error *err)
{
    char *path = file_path(dir, name);
    int fd = path ? open(path, flags | O_CLOEXEC, mode) : -1;
    FILE *f = fd >= 0 ? fdopen(fd, flags & O_WRONLY ? "w" : "r") : NULL;

    if (!f)
        error_set(err, errno, "could not open %s/%s: %s", dir, name,
                  strerror(errno));
    free(path);
    return f;
}

static int move_in(const char *dir, const char *from, const char *to)
{
    char *a = file_path(dir, from), *b = file_path(dir, to);
    int rc = a && b ? rename(a, b) : -1;

    free(a);
    free(b);
    return rc;
}

/* Write key (or cert) to dir/name by a temporary file. */
static int save(const char *dir, const char *name, EVP_PKEY *key, X509 *cert,
                struct error *err)
{
    char tmp[64];
    FILE *f;
    int good;

    snprintf(tmp, sizeof(tmp), ".%s.%ld", name, (long)getpid());
    f = open_in(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC, key ? 0600 : 0644, err);
    if (!f)
        return -1;
    good = key ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)
               : PEM_write_X509(f, cert);
    good = good && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (fclose(f) != 0 || !good || move_in(dir, tmp, name) < 0)
        return error_set(err, errno ? errno : EIO, "could not write %s/%s", dir,
                         name);
    return 0;
}

static int load(const char *dir, struct pair *p, struct error *err)
{
    FILE *f = open_in(dir, "ca.key", O_RDONLY, 0, err);

    if (!f)
        return -1;
    p->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    f = open_in(dir, "ca.pem", O_RDONLY, 0, err);
    if (!f)
        return -1;
    p->cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!p->key || !p->cert || !X509_check_private_key(p->cert, p->key))
        return error_set(err, EBADMSG,
                         "%s/ca.pem and ca.key are not a pair: remove both",
                         dir);
    return 0;
}

/* The key goes first: a certificate in place means that its key is. */
static int save_pair(const char *dir, const char *key, const char *cert,
                     const struct pair *p, struct error *err)
{
    return save(dir, key, p->key, NULL, err) < 0 ||
                   save(dir, cert, NULL, p->cert, err) < 0
               ? -1
               : 0;
}

int cert_make(const char *dir, const char *sans, struct error *err)
{
    struct pair ca = {0}, server = {0};
    int rc = -1, fresh = !there(dir, "ca.pem") || !there(dir, "ca.key");

    if (!fresh && there(dir, "server.pem") && there(dir, "server.key"))
        return 0;
    if (fresh && !make_ca(&ca))
        error_set(err, EIO, "cannot make an authority's certificate");
    else if (!fresh && load(dir, &ca, err) < 0)
        rc = -1;
    else if (fresh && save_pair(dir, "ca.key", "ca.pem", &ca, err) < 0)
        rc = -1;
    else if (!make_server(&server, &ca, sans ? sans : DEFAULT_SANS))
        error_set(err, EINVAL, "cannot make a certificate for \"%s\"",
                  sans ? sans : DEFAULT_SANS);
    else
        rc = save_pair(dir, "server.key", "server.pem", &server, err);
    pair_clear(&server);
    pair_clear(&ca);
    return rc;
}
