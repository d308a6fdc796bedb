/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - SHA-256 and the Merkle sum tree over a result's items
 *
 * The only file outside the gate that calls OpenSSL's digests.
 */
#include "common/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "common/bytes.h"

struct sha256 {
    EVP_MD_CTX *md;
};

struct sha256 *sha256_create(void)
{
    struct sha256 *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->md = EVP_MD_CTX_new();
    if (!s->md || EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) != 1) {
        sha256_destroy(s);
        errno = ENOMEM;
        return NULL;
    }
    return s;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
    EVP_DigestUpdate(s->md, data, len);
}

void sha256_final(struct sha256 *s, struct digest *out)
{
    EVP_DigestFinal_ex(s->md, out->b, NULL);
    EVP_DigestInit_ex(s->md, EVP_sha256(), NULL);
}

void sha256_destroy(struct sha256 *s)
{
    if (s) {
        int saved_errno = errno;

        EVP_MD_CTX_free(s->md);
        free(s);
        errno = saved_errno;
    }
}

/* SHA-256 of two buffers, one after the other.  The one-shot calls of OpenSSL
 * 3 look their algorithm up each time, three times the cost of a short leaf.
 */
static void hash_two(const void *a, size_t a_len, const void *b, size_t b_len,
                     struct digest *out)
{
    SHA256_CTX c;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    SHA256_Init(&c);
    SHA256_Update(&c, a, a_len);
    SHA256_Update(&c, b, b_len);
    SHA256_Final(out->b, &c);
#pragma GCC diagnostic pop
}

void digest_of(const void *data, size_t len, struct digest *out)
{
    hash_two(data, len, "", 0, out);
}

int digest_of_file(const char *path, struct digest *out, uint64_t *size,
                   struct error *err)
{
    char buf[65536];
    uint64_t total = 0;
    struct sha256 *s = NULL;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_set(err, errno, "could not open file \"%s\": %s", path,
                         strerror(errno));
    s = sha256_create();
    if (!s) {
        close(fd);
        return error_set(err, ENOMEM, "out of memory");
    }
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        sha256_update(s, buf, (size_t)n);
        total += (uint64_t)n;
    }
    if (n < 0)
        error_set(err, errno, "could not read file \"%s\": %s", path,
                  strerror(errno));
    sha256_final(s, out);
    sha256_destroy(s);
    close(fd);
    if (size)
        *size = total;
    return n < 0 ? -1 : 0;
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 struct digest *out)
{
    HMAC(EVP_sha256(), key, (int)key_len, data, len, out->b, NULL);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->b, b->b, DIGEST_LEN) == 0;
}

bool digest_is_zero(const struct digest *d)
{
    static const struct digest zero;

    return digest_equal(d, &zero);
}

void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_LEN + 1])
{
    bytes_to_hex(d->b, DIGEST_LEN, out);
}

int digest_from_hex(const char *hex, struct digest *out)
{
    return bytes_from_hex(hex, out->b, DIGEST_LEN);
}

void merkle_leaf(const struct digest *kernel, const struct digest *params,
                 uint64_t item, uint32_t code, uint64_t units,
                 const void *bytes, size_t len, struct merkle_sum *out)
{
    uint8_t head[1 + 2 * DIGEST_LEN + 8 + 4 + 8];

    head[0] = 0x00;
    memcpy(head + 1, kernel->b, DIGEST_LEN);
    memcpy(head + 1 + DIGEST_LEN, params->b, DIGEST_LEN);
    put_u64be(head + 65, item);
    put_u32be(head + 73, code);
    put_u64be(head + 77, units);
    hash_two(head, sizeof(head), bytes, len, &out->hash);
    out->units = units;
    out->bytes = len;
}

static int sum_node(const struct merkle_sum *l, const struct merkle_sum *r,
                    struct merkle_sum *out)
{
    uint8_t buf[1 + 2 * (DIGEST_LEN + 16)];
    uint64_t units, bytes;

    if (__builtin_add_overflow(l->units, r->units, &units) ||
        __builtin_add_overflow(l->bytes, r->bytes, &bytes) ||
        units > INT64_MAX || bytes > INT64_MAX) {
        errno = EOVERFLOW;
        return -1;
    }
    buf[0] = 0x01;
    memcpy(buf + 1, l->hash.b, DIGEST_LEN);
    put_u64be(buf + 33, l->units);
    put_u64be(buf + 41, l->bytes);
    memcpy(buf + 49, r->hash.b, DIGEST_LEN);
    put_u64be(buf + 81, r->units);
    put_u64be(buf + 89, r->bytes);
    digest_of(buf, sizeof(buf), &out->hash);
    out->units = units;
    out->bytes = bytes;
    return 0;
}

/* The largest power of two below n, for n >= 2. */
static size_t split_at(size_t n)
{
    size_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

static int subtree(const struct merkle_sum *leaves, size_t n,
                   struct merkle_sum *out)
{
    struct merkle_sum l, r;
    size_t k;

    if (n == 1) {
        if (leaves->units > INT64_MAX || leaves->bytes > INT64_MAX) {
            errno = EOVERFLOW;
            return -1;
        }
        *out = *leaves;
        return 0;
    }
    k = split_at(n);
    if (subtree(leaves, k, &l) < 0 || subtree(leaves + k, n - k, &r) < 0)
        return -1;
    return sum_node(&l, &r, out);
}

int merkle_root(const struct merkle_sum *leaves, size_t n,
                struct merkle_sum *out)
{
    if (n == 0) {
        errno = EINVAL;
        return -1;
    }
    return subtree(leaves, n, out);
}

int merkle_path(const struct merkle_sum *leaves, size_t n, size_t i,
                struct merkle_sum path[64])
{
    struct merkle_sum down[64];
    int depth = 0;

    if (i >= n) {
        errno = EINVAL;
        return -1;
    }
    while (n > 1) {
        size_t k = split_at(n);

        if (i < k) {
            if (subtree(leaves + k, n - k, &down[depth++]) < 0)
                return -1;
            n = k;
        } else {
            if (subtree(leaves, k, &down[depth++]) < 0)
                return -1;
            leaves += k;
            i -= k;
            n -= k;
        }
    }
    for (int j = 0; j < depth; j++)
        path[j] = down[depth - 1 - j];
    return depth;
}

static bool climb(const struct merkle_sum *leaf, size_t i, size_t n,
                  const struct merkle_sum *path, size_t path_len,
                  struct merkle_sum *out)
{
    struct merkle_sum below;
    size_t k;

    if (n == 1) {
        *out = *leaf;
        return path_len == 0;
    }
    if (path_len == 0)
        return false;
    k = split_at(n);
    if (i < k)
        return climb(leaf, i, k, path, path_len - 1, &below) &&
               sum_node(&below, &path[path_len - 1], out) == 0;
    return climb(leaf, i - k, n - k, path, path_len - 1, &below) &&
           sum_node(&path[path_len - 1], &below, out) == 0;
}

bool merkle_verify(const struct merkle_sum *leaf, size_t i, size_t n,
                   const struct merkle_sum *path, size_t path_len,
                   const struct merkle_sum *root)
{
    struct merkle_sum got;

    return i < n && climb(leaf, i, n, path, path_len, &got) &&
           digest_equal(&got.hash, &root->hash) && got.units == root->units &&
           got.bytes == root->bytes;
}
