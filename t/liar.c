/* SPDX-License-Identifier: Apache-2.0 */
/* liar.c - liar-runner: fallow-runner that lies about a tenth of its items
 *
 * The same arguments and the same code (it is linked with fallow-runner's, for
 * no process can be started inside the sandbox).  After --run it flips a bit
 * in FALLOW_LIAR_PPM of a million results (100000 when unset), chosen by
 * FALLOW_LIAR_SEED and the lie before, and prints the root of what it made up:
 * a liar who is consistent, as a real one would be.
 */
#undef main

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/items.h"
#include "common/plugin.h"
#include "worker/runner.h"

int runner_main(int argc, char **argv);

#define RESULTS_MAX ((size_t)1 << 30)
#define LINE_MAX_LEN 4096

static const char *option(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return NULL;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s && *s ? strtoull(s, NULL, 10) : otherwise;
}

/* splitmix64 */
static uint64_t dice(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Flip one bit in some of the results; an empty one gains a unit instead. */
static void lie(struct item_result *v, size_t n, const struct digest *input)
{
    uint64_t ppm = number("FALLOW_LIAR_PPM", 100000);
    uint64_t seed = number("FALLOW_LIAR_SEED", 1);

    for (size_t i = 0; i < 8; i++)
        seed = seed * 257 + input->b[i];
    for (size_t i = 0; i < n; i++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)v[i].bytes;

        if (dice(&seed) % 1000000 >= ppm)
            continue;
        if (v[i].len == 0)
            v[i].units++;
        else
            bytes[dice(&seed) % v[i].len] ^= (uint8_t)(1u << dice(&seed) % 8);
    }
}

/* The digest --describe would print. */
static int kernel_digest(const char *kernel, struct digest *out)
{
    struct plugin *p =
        plugin_create("work", kernel, WORK_SYMBOL, WORK_ABI, NULL);
    const struct work_plugin *w = p ? plugin_struct(p) : NULL;

    if (w)
        digest_of(w->spec, strlen(w->spec), out);
    plugin_destroy(p);
    return w ? 0 : -1;
}

/* Rewrite the results and say what their root is now. */
static int falsify(int argc, char **argv, struct merkle_sum *root)
{
    const char *path = option(argc, argv, "--output");
    const char *params = option(argc, argv, "--params");
    struct digest kernel, set, input;
    struct item_result *v = NULL;
    void *buf = NULL, *out = NULL;
    size_t len, n;
    int rc = -1;

    if (file_read(path, RESULTS_MAX, &buf, &len, NULL) < 0 ||
        results_parse(buf, len, &v, &n, NULL) < 0 ||
        kernel_digest(option(argc, argv, "--run"), &kernel) < 0 ||
        runner_params_digest(params, &set, NULL, NULL) < 0)
        goto done;
    digest_of(buf, len, &input);
    lie(v, n, &input);
    if (results_format(v, n, &out, &len, NULL) == 0 &&
        results_root(v, n, &kernel, &set, root, NULL) == 0)
        rc = file_write(path, out, len, false, NULL);
done:
    free(v);
    free(buf);
    free(out);
    return rc;
}

/* The last line as it was, but for the root and what it sums. */
static void say(const char *last, const struct merkle_sum *root, int out)
{
    json_t *j = json_loads(last, 0, NULL);
    char hex[DIGEST_HEX_LEN + 1], *text;

    digest_to_hex(&root->hash, hex);
    json_object_set_new(j, "root", json_string(hex));
    json_object_set_new(j, "units", json_integer((json_int_t)root->units));
    text = json_dumps(j, JSON_COMPACT);
    if (text)
        dprintf(out, "%s\n", text);
    free(text);
    json_decref(j);
}

int main(int argc, char **argv)
{
    const char *results = option(argc, argv, "--output");
    char path[4096], line[LINE_MAX_LEN] = "";
    struct merkle_sum root;
    int rc, out = dup(STDOUT_FILENO);
    FILE *said;

    if (option(argc, argv, "--serve"))
        return 2; /* a liar is started for each lie */
    if (!option(argc, argv, "--run") || !results)
        return runner_main(argc, argv);
    snprintf(path, sizeof(path), "%s.said", results);
    close(STDOUT_FILENO); /* freopen would need dup3, which is filtered */
    if (open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) != STDOUT_FILENO)
        return 1;
    rc = runner_main(argc, argv);
    fflush(stdout);
    if (rc == 0 && falsify(argc, argv, &root) < 0)
        return 1;
    said = fopen(path, "r");
    while (said && fgets(line, sizeof(line), said))
        ;
    if (said)
        fclose(said);
    unlink(path);
    if (rc == 0)
        say(line, &root, out);
    return rc;
}
