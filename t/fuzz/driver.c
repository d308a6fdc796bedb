/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - a fuzz target as a test: samples and seeded damage to them
 *
 * With a directory as argument it writes the samples there instead, for a
 * search to begin with.
 */
#include "t/fuzz/fuzz.h"
#include "t/tap.h"

#define ROUNDS 4000
#define INPUT_MAX 4096

static uint64_t state = 20261120;

static uint32_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

/* One piece of damage: a bit, a byte, a cut, or a part told twice. */
static size_t damage(uint8_t *p, size_t len)
{
    size_t at = below(len), n = 1 + below(len - at);

    switch (below(5)) {
    case 0: p[at] = (uint8_t)(p[at] ^ 1u << below(8)); break;
    case 1: p[at] = (uint8_t)below(256); break;
    case 2: return at + 1;
    case 3:
        memmove(p + at, p + at + n - 1, len - at - n + 1);
        return len - n + 1;
    default:
        if (len + n <= INPUT_MAX) {
            memmove(p + at + n, p + at, len - at);
            len += n;
        }
    }
    return len;
}

static int write_samples(const char *dir)
{
    for (unsigned i = 0; fuzz_samples[i]; i++) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof(path), "%s/sample-%u", dir, i);
        f = fopen(path, "w");
        if (!f || fputs(fuzz_samples[i], f) == EOF || fclose(f) == EOF)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_MAX];
    unsigned samples = 0;

    if (argc > 1)
        return write_samples(argv[1]);
    while (fuzz_samples[samples])
        samples++;
    for (unsigned i = 0; i < samples; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)fuzz_samples[i],
                               strlen(fuzz_samples[i]));
    ok(samples > 0, "%u samples of %s keep every promise", samples,
       fuzz_subject);
    for (unsigned i = 0; samples && i < ROUNDS; i++) {
        const char *sample = fuzz_samples[i % samples];
        size_t len = strlen(sample);

        memcpy(input, sample, len);
        for (uint32_t k = 1 + below(8); k; k--)
            len = damage(input, len);
        LLVMFuzzerTestOneInput(input, len);
    }
    ok(true, "so do %d damaged ones", ROUNDS);
    done_testing();
    return exit_status();
}
