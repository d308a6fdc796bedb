/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - the sum tree proves every leaf and nothing else */
#include "common/digest.h"

#include <errno.h>

#include "common/bytes.h"
#include "common/items.h"
#include "t/tap.h"

static void fill(struct merkle_sum *v, size_t n)
{
    struct digest kernel = {{1}}, params = {{2}};

    for (size_t i = 0; i < n; i++) {
        uint8_t b[3] = {(uint8_t)i, 7, (uint8_t)(i >> 8)};

        merkle_leaf(&kernel, &params, i, 0, 10 + i, b, 1 + i % 3, &v[i]);
    }
}

static void test_paths(void)
{
    struct merkle_sum v[33], root, path[64];
    bool all = true, forged = false, other = false;

    fill(v, 33);
    for (size_t n = 1; n <= 33; n++) {
        merkle_root(v, n, &root);
        for (size_t i = 0; i < n; i++) {
            int len = merkle_path(v, n, i, path);
            struct merkle_sum bad = v[i];

            all &= merkle_verify(&v[i], i, n, path, (size_t)len, &root);
            bad.units++;
            forged |= merkle_verify(&bad, i, n, path, (size_t)len, &root);
            if (n > 1)
                other |= merkle_verify(&v[(i + 1) % n], i, n, path, (size_t)len,
                                       &root);
        }
    }
    ok(all, "every leaf of trees of 1 to 33 leaves is proved by its path");
    ok(!forged, "a leaf with one unit more is refused");
    ok(!other, "the neighbour's leaf is refused");
    is_int(root.units, 33 * 10 + 33 * 32 / 2, "the root sums the units");
}

/* The tree of two leaves, computed by hand from doc/2-merkle.md. */
static void test_known(void)
{
    struct digest kernel = {{1}}, params = {{2}};
    struct merkle_sum v[2], root;
    char hex[DIGEST_HEX_LEN + 1];

    merkle_leaf(&kernel, &params, 0, 0, 7, "one", 3, &v[0]);
    merkle_leaf(&kernel, &params, 1, 9, 5, "", 0, &v[1]);
    digest_to_hex(&v[0].hash, hex);
    is_str(hex,
           "1b21fa047011ebd5402874362700356fe170a3744c3f3cba07cc388dfa76dff2",
           "a leaf hashes prefix, kernel, parameters, item, code and units");
    digest_to_hex(&v[1].hash, hex);
    is_str(hex,
           "05a91981c9eea1cf113ad54eb0700687d42122e0f17547693e9da972305dbfc7",
           "a leaf that failed hashes its code");
    is_int(merkle_root(v, 2, &root), 0, "two leaves have a root");
    digest_to_hex(&root.hash, hex);
    is_str(hex,
           "ff05905d4f147b28a0080fcf368fb47c61264b990294312cf6e68a433958919e",
           "a node hashes both children and their sums");
}

static void test_bounds(void)
{
    struct merkle_sum v[2], root, path[64], twice;

    fill(v, 2);
    merkle_root(v, 2, &root);
    twice = root;
    twice.units *= 2;
    ok(merkle_verify(&v[0], 0, 2, path, (size_t)merkle_path(v, 2, 0, path),
                     &root),
       "a leaf is proved under its root");
    ok(!merkle_verify(&v[0], 0, 2, path, 1, &twice),
       "but not under the same hash with other sums");
    ok(!merkle_verify(&v[0], 2, 2, path, 1, &root),
       "nor at a place past the last");
    v[0].units = v[1].units = (uint64_t)INT64_MAX / 2 + 1;
    errno = 0;
    ok(merkle_root(v, 2, &root) < 0 && errno == EOVERFLOW,
       "units past 2^63 - 1 have no root");
    errno = 0;
    ok(merkle_root(v, 0, &root) < 0 && errno == EINVAL,
       "nor has a tree without leaves");
}

static void test_items(void)
{
    struct item in[2] = {{(const uint8_t *)"ab", 2}, {NULL, 0}}, *back;
    struct error err;
    void *buf, *longer;
    size_t len, n;

    is_int(items_format(in, 2, &buf, &len, &err), 0, "two items are formatted");
    is_int(items_parse(buf, len, &back, &n, &err), 0, "and parsed again");
    ok(n == 2 && back[0].len == 2 && !memcmp(back[0].bytes, "ab", 2) &&
           back[1].len == 0,
       "to the same bytes");
    free(back);
    for (size_t cut = 0; cut < len; cut++)
        if (items_parse(buf, cut, &back, &n, &err) == 0)
            ok(false, "a file cut at %zu was accepted", cut);
    longer = calloc(1, len + 1);
    memcpy(longer, buf, len);
    is_int(items_parse(longer, len + 1, &back, &n, &err), -1,
           "a byte after the last item is refused");
    like(err.text, "1 bytes after the last item", "and counted");
    free(longer);
    ((uint8_t *)buf)[8] = 0xff;
    is_int(items_parse(buf, len, &back, &n, &err), -1,
           "a count of 2^56 items is refused");
    like(err.text, "claims", "and says what was claimed");
    free(buf);
}

static void test_hex(void)
{
    struct digest d, back;
    char hex[DIGEST_HEX_LEN + 1];

    digest_of("abc", 3, &d);
    digest_to_hex(&d, hex);
    is_str(hex,
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
           "SHA-256 of abc is the standard's");
    ok(digest_from_hex(hex, &back) == 0 && digest_equal(&d, &back),
       "hex reads back");
    ok(bytes_from_hex(hex, &back, 31) < 0, "64 digits are not 31 bytes");
    hex[63] = 'g';
    ok(digest_from_hex(hex, &back) < 0, "a letter past f is refused");
}

int main(void)
{
    test_hex();
    test_known();
    test_bounds();
    test_paths();
    test_items();
    done_testing();
    return exit_status();
}
