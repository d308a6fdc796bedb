/* SPDX-License-Identifier: Apache-2.0 */
/* embed_engines.c - the variants of embed, best first */
#include "plugins/work/embed_engines.h"

#include <errno.h>
#include <string.h>

#include "common/plugin.h"

const char *const embed_variants[] = {"amx", "onednn", "ref", NULL};

/* Loaded once and never unloaded: a library such as oneDNN does not take that
 * well.
 */
static const struct embed_engine *load(const char *name, struct error *err)
{
    static struct plugin *loaded;

    if (!loaded)
        loaded = plugin_create("work", name, EMBED_ENGINE_SYMBOL,
                               EMBED_ENGINE_ABI, err);
    return loaded ? plugin_struct(loaded) : NULL;
}

static int find(const char *name, struct embed_variant *out, struct error *err)
{
    if (strcmp(name, "ref") == 0) {
        out->engine = &embed_engine_ref;
        out->rows = &embed_rows_ref;
        return 0;
    }
    if (strcmp(name, "amx") == 0) {
        out->engine = &embed_engine_amx;
        out->rows = embed_rows_best();
        return out->engine->usable()
                   ? 0
                   : error_set(err, ENOTSUP, "this processor has no AMX");
    }
    if (strcmp(name, "onednn") == 0) {
        out->engine = load("embed-onednn", err);
        out->rows = embed_rows_best();
        if (!out->engine)
            return -1;
        return out->engine->usable()
                   ? 0
                   : error_set(err, ENOTSUP,
                               "oneDNN is not exact on this processor");
    }
    return error_set(err, ENOTSUP, "embed has no variant \"%s\"", name);
}

int embed_variant_find(const char *name, struct embed_variant *out,
                       struct error *err)
{
    if (name)
        return find(name, out, err);
    for (int i = 0; embed_variants[i]; i++)
        if (find(embed_variants[i], out, err) == 0)
            return 0;
    return -1;
}

bool embed_variant_usable(const char *name)
{
    struct embed_variant v;

    return embed_variant_find(name, &v, NULL) == 0;
}
