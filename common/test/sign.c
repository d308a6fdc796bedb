/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - signatures say who, seals say ours, and neither bends */
#include <pthread.h>

#include "common/sign.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "t/tap.h"

/* RFC 8032, section 7.1, test 2. */
static void test_known(void)
{
    uint8_t seed[SIGN_KEY_LEN], pub[SIGN_KEY_LEN], sig[SIGN_SIG_LEN];
    char hex[2 * SIGN_SIG_LEN + 1];
    struct sign_key *k;
    struct error err;

    bytes_from_hex("4ccd089b28ff96da9db6c346ec114e0f"
                   "5b8a319f35aba624da8cf6ed4fb8a6fb",
                   seed, sizeof(seed));
    k = sign_key_from_seed(seed, &err);
    sign_key_public(k, pub);
    bytes_to_hex(pub, sizeof(pub), hex);
    is_str(hex,
           "3d4017c3e843895a92b70aa74d1b7ebc"
           "9c982ccf2ec4968cc0cd55f12af4660c",
           "the public half is the standard's");
    is_int(sign_make(k, "\x72", 1, sig), 0, "one byte is signed");
    bytes_to_hex(sig, sizeof(sig), hex);
    is_str(hex,
           "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
           "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
           "as the standard signs it");
    is_int(sign_check(pub, "\x72", 1, sig), 0, "and checked");
    errno = 0;
    ok(sign_check(pub, "\x73", 1, sig) < 0 && errno == EBADMSG,
       "another byte is not what was signed");
    sig[63] ^= 0x20;
    ok(sign_check(pub, "\x72", 1, sig) < 0, "nor is another signature");
    sig[63] ^= 0x20;
    pub[0] ^= 1;
    ok(sign_check(pub, "\x72", 1, sig) < 0, "nor another's key");
    sign_key_destroy(k);
}

static void *sign_many(void *arg)
{
    uint8_t pub[SIGN_KEY_LEN], sig[SIGN_SIG_LEN];
    uintptr_t bad = 0;

    sign_key_public(arg, pub);
    for (int i = 0; i < 2000; i++)
        bad += sign_make(arg, &i, sizeof(i), sig) < 0 ||
               sign_check(pub, &i, sizeof(i), sig) < 0;
    return (void *)bad;
}

/* A worker that asked while it delivered once could not sign any more. */
static void test_threads(void)
{
    static const uint8_t seed[SIGN_KEY_LEN] = {7};
    struct sign_key *k = sign_key_from_seed(seed, NULL);
    void *bad[3] = {NULL};
    pthread_t t[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, sign_many, k);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], &bad[i]);
    ok(!bad[0] && !bad[1] && !bad[2], "three threads sign with one key");
    sign_key_destroy(k);
}

static void test_texts(void)
{
    struct digest body;
    char text[512];

    digest_of("{}", 2, &body);
    ok(sign_request_text(text, sizeof(text), "POST", "/v1/result", "home", 7,
                         42, 1700000000123, &body) > 0,
       "a request has a signing string");
    is_str(text,
           "fallow-req-v1\nPOST\n/v1/result\nhome\n7\n42\n1700000000123\n"
           "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
           "that names everything doc/4-wire.md lists");
    sign_request_text(text, sizeof(text), "POST", "/v1/lease", "home", 7, -1, 5,
                      &body);
    like(text, "\n7\n-\n5\n", "a request without a number says so");
    ok(sign_reply_text(text, sizeof(text), "home", 7, 42, 9, &body) > 0 &&
           strncmp(text, "fallow-res-v1\nhome\n7\n42\n9\n4413", 30) == 0,
       "a reply's string cannot be taken for a request's");
    errno = 0;
    ok(sign_request_text(text, 40, "POST", "/v1/result", "home", 7, 42, 1,
                         &body) < 0 &&
           errno == ENAMETOOLONG,
       "a string that does not fit is refused, not cut");
}

static void test_seal(void)
{
    uint8_t key[32] = {1}, other[32] = {2}, box[64], again[64], out[64];
    int len = seal(key, "lease 17", 8, box), bad = 0;

    is_int(len, 8 + SEAL_OVERHEAD, "a seal adds its overhead");
    seal(key, "lease 17", 8, again);
    ok(memcmp(box, again, 12) != 0, "and a nonce of its own each time");
    ok(unseal(key, box, (size_t)len, out) == 8 && !memcmp(out, "lease 17", 8),
       "what was sealed is unsealed");
    ok(unseal(other, box, (size_t)len, out) < 0 && errno == EBADMSG,
       "another key does not open it");
    for (int i = 0; i < len; i++) {
        box[i] ^= 1;
        bad += unseal(key, box, (size_t)len, out) >= 0;
        box[i] ^= 1;
    }
    is_int(bad, 0, "nor does it open with any bit of any byte changed");
    for (int i = 0; i < len; i++)
        bad += unseal(key, box, (size_t)i, out) >= 0;
    is_int(bad, 0, "nor cut short");
}

static void test_key_file(void)
{
    char path[] = "/tmp/fallow-sign.XXXXXX";
    uint8_t a[SIGN_KEY_LEN], b[SIGN_KEY_LEN];
    struct sign_key *k;
    struct error err;
    struct stat st;

    close(mkstemp(path));
    unlink(path);
    k = sign_key_open(path, &err);
    ok(k != NULL, "a missing key file is made");
    sign_key_public(k, a);
    sign_key_destroy(k);
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600,
       "readable by its owner alone");
    k = sign_key_open(path, &err);
    sign_key_public(k, b);
    sign_key_destroy(k);
    ok(memcmp(a, b, sizeof(a)) == 0, "and the same when opened again");
    chmod(path, 0640);
    errno = 0;
    ok(!sign_key_open(path, &err) && errno == EACCES,
       "a key others can read is refused");
    like(err.text, "chmod 600", "with the remedy");
    chmod(path, 0600);
    ok(truncate(path, 64) == 0 && !sign_key_open(path, &err),
       "a key cut short is refused");
    like(err.text, "is damaged", "as damaged");
    unlink(path);
}

static void *sign_often(void *arg)
{
    const struct sign_key *k = arg;
    uint8_t sig[SIGN_SIG_LEN], pub[SIGN_KEY_LEN];
    intptr_t bad = 0;

    sign_key_public(k, pub);
    for (int i = 0; i < 500; i++)
        bad += sign_make(k, &i, sizeof(i), sig) < 0 ||
               sign_check(pub, &i, sizeof(i), sig) < 0;
    return (void *)bad;
}

/* A worker's poll and heartbeat sign at once; a shared context corrupted the
 * heap: "could not sign POST /v1/lease", then the end of the process.
 */
static void test_threads_share_a_key(void)
{
    uint8_t seed[SIGN_KEY_LEN] = {7};
    struct sign_key *k = sign_key_from_seed(seed, NULL);
    pthread_t t[4];
    intptr_t bad = 0;

    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, sign_often, k);
    for (int i = 0; i < 4; i++) {
        void *got;

        pthread_join(t[i], &got);
        bad += (intptr_t)got;
    }
    is_int(bad, 0, "four threads share a key");
    sign_key_destroy(k);
}

int main(void)
{
    test_known();
    test_threads_share_a_key();
    test_texts();
    test_threads();
    test_seal();
    test_key_file();
    done_testing();
    return exit_status();
}
