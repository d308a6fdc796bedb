/* SPDX-License-Identifier: Apache-2.0 */
/* cert.c - a private cell's certificates are made once, and hold together */
#include "common/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/digest.h"
#include "t/tap.h"

static char dir[] = "/tmp/fallow-cert.XXXXXX";
static const char *const names[] = {"ca.pem", "ca.key", "server.pem",
                                    "server.key"};

static const char *in(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static X509 *cert(const char *name)
{
    FILE *f = fopen(in(name), "r");
    X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

    if (f)
        fclose(f);
    return x;
}

static int mode_of(const char *name)
{
    struct stat st;

    return stat(in(name), &st) < 0 ? -1 : (int)(st.st_mode & 0777);
}

static struct digest content(const char *name)
{
    struct digest d = {{0}};
    uint64_t n;

    digest_of_file(in(name), &d, &n, NULL);
    return d;
}

static bool verifies(X509 *ca, X509 *server)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool good;

    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, server, NULL);
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    good = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return good;
}

static void a_set_is_made(void)
{
    struct error err = {""};
    X509 *ca, *server;
    FILE *f;
    EVP_PKEY *key;

    is_int(cert_make(dir, NULL, &err), 0, "a set is made %s", err.text);
    is_int(mode_of("server.key"), 0600, "the server's key is its owner's");
    is_int(mode_of("ca.key"), 0600, "so is the authority's");
    ok((mode_of("ca.pem") & 0444) != 0, "the authority's certificate is not");
    ca = cert("ca.pem");
    server = cert("server.pem");
    ok(ca && server && verifies(ca, server),
       "the authority vouches for the server");
    ok(X509_check_host(server, "localhost", 0, 0, NULL) == 1,
       "whose name is localhost");
    ok(X509_check_ip_asc(server, "127.0.0.1", 0) == 1, "or 127.0.0.1");
    ok(X509_check_host(server, "example.org", 0, 0, NULL) == 0,
       "and nothing else");
    ok(X509_check_ca(server) == 0, "and is no authority itself");
    f = fopen(in("server.key"), "r");
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    ok(X509_check_private_key(server, key) == 1, "its key is its own");
    EVP_PKEY_free(key);
    X509_free(ca);
    X509_free(server);
}

static void a_set_is_left_alone(void)
{
    struct digest before[4];
    struct error err;
    int same = 0;

    for (int i = 0; i < 4; i++)
        before[i] = content(names[i]);
    is_int(cert_make(dir, NULL, &err), 0, "a complete set is fine");
    for (int i = 0; i < 4; i++) {
        struct digest d = content(names[i]);

        same += digest_equal(&before[i], &d);
    }
    is_int(same, 4, "and left alone");
}

static void a_lost_server_is_replaced(void)
{
    struct digest ca = content("ca.pem"), d;
    struct error err = {""};
    X509 *x, *server;

    unlink(in("server.pem"));
    is_int(cert_make(dir, "DNS:cell.example", &err), 0,
           "a lost server certificate is made again %s", err.text);
    d = content("ca.pem");
    ok(digest_equal(&ca, &d), "by the same authority");
    x = cert("ca.pem");
    server = cert("server.pem");
    ok(x && server && verifies(x, server), "which vouches for it");
    ok(X509_check_host(server, "cell.example", 0, 0, NULL) == 1,
       "under the name that was asked for");
    X509_free(x);
    X509_free(server);
}

static void what_is_wrong_is_named(void)
{
    struct error err = {""};
    int fd;

    unlink(in("server.pem"));
    is_int(cert_make(dir, "nonsense", &err), -1, "a wrong name is refused");
    is_int(errno, EINVAL, "with EINVAL");
    like(err.text, "\"nonsense\"", "and named");
    fd = open(in("ca.key"), O_WRONLY | O_TRUNC);
    close(fd);
    is_int(cert_make(dir, NULL, &err), -1, "a damaged key is refused");
    is_int(errno, EBADMSG, "with EBADMSG");
    like(err.text, "remove both", "and the remedy");
    is_int(cert_make("/nonexistent/x", NULL, &err), -1,
           "a missing directory too");
    is_int(errno, ENOENT, "with ENOENT");
}

int main(void)
{
    if (!mkdtemp(dir))
        skip_all("no temporary directory");
    a_set_is_made();
    a_set_is_left_alone();
    a_lost_server_is_replaced();
    what_is_wrong_is_named();
    for (int i = 0; i < 4; i++)
        unlink(in(names[i]));
    rmdir(dir);
    done_testing();
    return exit_status();
}
