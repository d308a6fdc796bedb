/* SPDX-License-Identifier: Apache-2.0 */
/* none.c - no confinement at all: the template, and for tests
 *
 * The program runs as it is, with the limits the worker set.  Inner paths are
 * turned back into those outside by the longest bind they lie under.
 */
#include "plugins/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int none_probe(struct error *err)
{
    (void)err;
    return 0;
}

/* The bind that path lies under, or NULL. */
static const struct sandbox_bind *bind_of(const struct sandbox_spec *s,
                                          const char *path)
{
    const struct sandbox_bind *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < s->n_binds; i++) {
        size_t n = strlen(s->binds[i].to);

        if (strncmp(path, s->binds[i].to, n) == 0 &&
            (path[n] == '/' || !path[n]) && n >= best_len) {
            best = &s->binds[i];
            best_len = n;
        }
    }
    return best;
}

/* A word, or NAME=WORD, with the path in it translated; allocated. */
static char *outside(const struct sandbox_spec *s, const char *word)
{
    const char *path = strchr(word, '='), *rest;
    const struct sandbox_bind *b;
    char *out;

    path = path && *word != '/' ? path + 1 : word;
    b = bind_of(s, path);
    if (!b)
        return strdup(word);
    rest = path + strlen(b->to);
    return asprintf(&out, "%.*s%s%s", (int)(path - word), word, b->from, rest) <
                   0
               ? NULL
               : out;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

static char **translate(const struct sandbox_spec *s, const char *const *in)
{
    size_t n = 0;
    char **out;

    while (in[n])
        n++;
    out = calloc(n + 1, sizeof(*out));
    for (size_t i = 0; out && i < n; i++)
        if (!(out[i] = outside(s, in[i]))) {
            free_words(out);
            return NULL;
        }
    return out;
}

static void none_clear(struct sandbox_command *c)
{
    free_words(c->argv);
    free_words(c->env);
    free(c->data);
    memset(c, 0, sizeof(*c));
}

static int none_prepare(const struct sandbox_spec *spec,
                        struct sandbox_command *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->info = out->go = -1;
    out->argv = translate(spec, spec->argv);
    out->env = translate(spec, spec->env);
    out->data = spec->chdir ? outside(spec, spec->chdir) : NULL;
    out->chdir = out->data;
    if (!out->argv || !out->env || (spec->chdir && !out->chdir)) {
        none_clear(out);
        return error_set(err, ENOMEM, "could not prepare a command");
    }
    return 0;
}

static pid_t none_started(const struct sandbox_command *c, pid_t child,
                          struct error *err)
{
    (void)c;
    (void)err;
    return child;
}

static int none_release(const struct sandbox_command *c, struct error *err)
{
    (void)c;
    (void)err;
    return 0;
}

const struct sandbox_plugin sandbox_none = {
    .abi = SANDBOX_ABI,
    .name = "none",
    .summary = "no confinement, for tests",
    .confines = false,
    .probe = none_probe,
    .prepare = none_prepare,
    .started = none_started,
    .release = none_release,
    .clear = none_clear,
};
