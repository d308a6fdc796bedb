/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - Ed25519 signatures and sealed tokens */
#include "common/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/bytes.h"

struct sign_key {
    EVP_PKEY *pkey;
};

int random_bytes(void *out, size_t n)
{
    uint8_t *p = out;

    while (n > 0) {
        ssize_t k = getrandom(p, n, 0);

        if (k < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

struct sign_key *sign_key_from_seed(const uint8_t *seed, struct error *err)
{
    struct sign_key *k = calloc(1, sizeof(*k));

    if (k) {
        k->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
                                               SIGN_KEY_LEN);
    }
    if (!k || !k->pkey) {
        sign_key_destroy(k);
        return error_null(err, ENOMEM, "cannot make an Ed25519 key");
    }
    return k;
}

static struct sign_key *key_read(int fd, const char *path, struct error *err)
{
    char text[SIGN_KEY_LEN * 2 + 2];
    uint8_t seed[SIGN_KEY_LEN];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0 || (st.st_mode & 077) != 0)
        return error_null(err, EACCES,
                          "key file \"%s\" is open to others: chmod 600 it",
                          path);
    n = read(fd, text, sizeof(text));
    if (n != SIGN_KEY_LEN * 2 + 1 || text[SIGN_KEY_LEN * 2] != '\n')
        return error_null(err, EBADMSG, "key file \"%s\" is damaged", path);
    text[SIGN_KEY_LEN * 2] = '\0';
    if (bytes_from_hex(text, seed, sizeof(seed)) < 0)
        return error_null(err, EBADMSG, "key file \"%s\" is damaged", path);
    return sign_key_from_seed(seed, err);
}

static int key_write(const char *path, struct error *err)
{
    uint8_t seed[SIGN_KEY_LEN];
    char text[SIGN_KEY_LEN * 2 + 1], tmp[4096];
    int fd;

    if (random_bytes(seed, sizeof(seed)) < 0 ||
        snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid()) >=
            (int)sizeof(tmp))
        return error_set(err, errno, "cannot make key file \"%s\"", path);
    bytes_to_hex(seed, sizeof(seed), text);
    text[SIGN_KEY_LEN * 2] = '\n';
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, sizeof(text)) != sizeof(text) ||
        fsync(fd) < 0 || link(tmp, path) < 0) {
        int code = errno;

        if (fd >= 0) {
            close(fd);
            unlink(tmp);
        }
        if (code == EEXIST)
            return 0;
        return error_set(err, code, "could not write key file \"%s\": %s", path,
                         strerror(code));
    }
    close(fd);
    unlink(tmp);
    return 0;
}

struct sign_key *sign_key_open(const char *path, struct error *err)
{
    struct sign_key *k;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        if (key_write(path, err) < 0)
            return NULL;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return error_null(err, errno, "could not open key file \"%s\": %s",
                          path, strerror(errno));
    k = key_read(fd, path, err);
    close(fd);
    return k;
}

void sign_key_destroy(struct sign_key *k)
{
    if (k) {
        int saved_errno = errno;

        EVP_PKEY_free(k->pkey);
        free(k);
        errno = saved_errno;
    }
}

void sign_key_public(const struct sign_key *k, uint8_t out[SIGN_KEY_LEN])
{
    size_t n = SIGN_KEY_LEN;

    EVP_PKEY_get_raw_public_key(k->pkey, out, &n);
}

int sign_make(const struct sign_key *k, const void *data, size_t len,
              uint8_t sig[SIGN_SIG_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = SIGN_SIG_LEN;
    int good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
               EVP_DigestSign(ctx, sig, &n, data, len) == 1;

    EVP_MD_CTX_free(ctx);
    if (!good) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int sign_check(const uint8_t pubkey[SIGN_KEY_LEN], const void *data, size_t len,
               const uint8_t sig[SIGN_SIG_LEN])
{
    EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pubkey,
                                              SIGN_KEY_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int good = p && ctx &&
               EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, p) == 1 &&
               EVP_DigestVerify(ctx, sig, SIGN_SIG_LEN, data, len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(p);
    if (!good) {
        errno = EBADMSG;
        return -1;
    }
    return 0;
}

static int fits(int n, size_t cap)
{
    if (n < 0 || (size_t)n >= cap) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return n;
}

static void seq_text(char out[24], int64_t seq)
{
    if (seq < 0)
        snprintf(out, 24, "-");
    else
        snprintf(out, 24, "%" PRId64, seq);
}

int sign_request_text(char *out, size_t cap, const char *method,
                      const char *path, const char *cell, int64_t worker,
                      int64_t seq, int64_t unix_ms, const struct digest *body)
{
    char hex[DIGEST_HEX_LEN + 1], s[24];

    digest_to_hex(body, hex);
    seq_text(s, seq);
    return fits(snprintf(out, cap,
                         "fallow-req-v1\n%s\n%s\n%s\n%" PRId64 "\n%s\n%" PRId64
                         "\n%s",
                         method, path, cell, worker, s, unix_ms, hex),
                cap);
}

int sign_reply_text(char *out, size_t cap, const char *cell, int64_t worker,
                    int64_t seq, int64_t unix_ms, const struct digest *body)
{
    char hex[DIGEST_HEX_LEN + 1], s[24];

    digest_to_hex(body, hex);
    seq_text(s, seq);
    return fits(snprintf(out, cap,
                         "fallow-res-v1\n%s\n%" PRId64 "\n%s\n%" PRId64 "\n%s",
                         cell, worker, s, unix_ms, hex),
                cap);
}

/* Looked up once: the implicit look-up costs more than sealing a lease. */
static const EVP_CIPHER *aes_gcm(void)
{
    static _Thread_local EVP_CIPHER *cipher;

    if (!cipher)
        cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    return cipher;
}

int seal(const uint8_t key[32], const void *in, size_t len, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, m = 0;

    if (!c || random_bytes(out, 12) < 0 ||
        EVP_EncryptInit_ex(c, aes_gcm(), NULL, key, out) != 1 ||
        EVP_EncryptUpdate(c, out + 12, &n, in, (int)len) != 1 ||
        EVP_EncryptFinal_ex(c, out + 12 + n, &m) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + 12 + n) != 1) {
        EVP_CIPHER_CTX_free(c);
        errno = EIO;
        return -1;
    }
    EVP_CIPHER_CTX_free(c);
    return n + SEAL_OVERHEAD;
}

int unseal(const uint8_t key[32], const void *in, size_t len, uint8_t *out)
{
    const uint8_t *p = in;
    EVP_CIPHER_CTX *c = NULL;
    uint8_t tag[16];
    int n = 0, m = 0;

    if (len < SEAL_OVERHEAD)
        goto bad;
    memcpy(tag, p + len - 16, 16);
    c = EVP_CIPHER_CTX_new();
    if (!c || EVP_DecryptInit_ex(c, aes_gcm(), NULL, key, p) != 1 ||
        EVP_DecryptUpdate(c, out, &n, p + 12, (int)(len - SEAL_OVERHEAD)) !=
            1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, tag) != 1 ||
        EVP_DecryptFinal_ex(c, out + n, &m) != 1)
        goto bad;
    EVP_CIPHER_CTX_free(c);
    return n;
bad:
    EVP_CIPHER_CTX_free(c);
    errno = EBADMSG;
    return -1;
}
