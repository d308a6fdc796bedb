/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - what an encoder is, read from its folder */
#include "kernels/embed/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "kernels/embed/slurp.h"
#include "kernels/embed/weights.h"

#define JSON_MAX ((size_t)1 << 20)

static json_t *parse(const char *name, const char *text, size_t len,
                     struct fault *f)
{
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

    if (!j)
        fault_set(f, EBADMSG, "%s:%d: %s", name, e.line, e.text);
    return j;
}

/* A required integer between lo and hi. */
static int get_uint(const json_t *j, const char *key, uint32_t lo, uint32_t hi,
                    uint32_t *out, struct fault *f)
{
    const json_t *v = json_object_get(j, key);
    json_int_t n = json_integer_value(v);

    if (!v)
        return fault_set(f, EBADMSG, "config.json: %s is missing", key);
    if (!json_is_integer(v))
        return fault_set(f, EBADMSG, "config.json: %s is not an integer", key);
    if (n < (json_int_t)lo || n > (json_int_t)hi)
        return fault_set(f, ENOTSUP,
                         "config.json: %s is %jd, supported are %u to %u", key,
                         (intmax_t)n, lo, hi);
    *out = (uint32_t)n;
    return 0;
}

/* A string that, where present, has one of two values. */
static int want_string(const json_t *j, const char *key, const char *want,
                       bool required, struct fault *f)
{
    const json_t *v = json_object_get(j, key);
    const char *s = json_string_value(v);

    if (!v && !required)
        return 0;
    if (!v)
        return fault_set(f, EBADMSG, "config.json: %s is missing", key);
    if (!s)
        return fault_set(f, EBADMSG, "config.json: %s is not a string", key);
    if (strcmp(s, want) != 0)
        return fault_set(f, ENOTSUP,
                         "config.json: %s is \"%.60s\", supported is \"%s\"",
                         key, s, want);
    return 0;
}

/* Encoders are called BertModel; a head on top (…For…) is not used. */
static int check_architecture(const json_t *j, struct fault *f)
{
    const json_t *a = json_object_get(j, "architectures");
    const char *s = json_string_value(json_array_get(a, 0));

    if (!a)
        return 0;
    if (!s || strncmp(s, "Bert", 4) != 0)
        return fault_set(f, ENOTSUP,
                         "config.json: architectures is [\"%.60s\"], "
                         "supported is \"BertModel\"",
                         s ? s : "");
    return 0;
}

static int check_false(const json_t *j, const char *key, struct fault *f)
{
    if (json_is_true(json_object_get(j, key)))
        return fault_set(f, ENOTSUP,
                         "config.json: %s is true, supported is false", key);
    return 0;
}

static int get_eps(const json_t *j, float *out, struct fault *f)
{
    const json_t *v = json_object_get(j, "layer_norm_eps");
    double d = v ? json_number_value(v) : 1e-12;

    if (v && !json_is_number(v))
        return fault_set(f, EBADMSG,
                         "config.json: layer_norm_eps is not a number");
    if (!(d >= 1e-20 && d <= 1.0))
        return fault_set(f, ENOTSUP,
                         "config.json: layer_norm_eps is %g, supported are "
                         "1e-20 to 1",
                         d);
    *out = (float)d;
    return 0;
}

/* Shapes that the arithmetic of this kernel can take. */
static int check_shape(const struct embed_config *c, struct fault *f)
{
    if (c->hidden % 32)
        return fault_set(f, ENOTSUP,
                         "config.json: hidden_size %u is not a multiple of 32",
                         c->hidden);
    if (c->ffn % 32)
        return fault_set(f, ENOTSUP,
                         "config.json: intermediate_size %u is not a multiple "
                         "of 32",
                         c->ffn);
    if (c->hidden % c->heads || (c->hidden / c->heads) % 16)
        return fault_set(f, ENOTSUP,
                         "config.json: %u attention heads of hidden_size %u "
                         "are not multiples of 16 wide",
                         c->heads, c->hidden);
    return 0;
}

static int take_config(const json_t *j, struct embed_config *c, struct fault *f)
{
    if (!json_is_object(j))
        return fault_set(f, EBADMSG, "config.json: not a JSON object");
    if (want_string(j, "model_type", "bert", true, f) < 0 ||
        check_architecture(j, f) < 0 ||
        want_string(j, "hidden_act", "gelu", true, f) < 0 ||
        want_string(j, "position_embedding_type", "absolute", false, f) < 0 ||
        check_false(j, "is_decoder", f) < 0 ||
        check_false(j, "add_cross_attention", f) < 0 ||
        get_uint(j, "hidden_size", 32, 4096, &c->hidden, f) < 0 ||
        get_uint(j, "num_hidden_layers", 1, 96, &c->layers, f) < 0 ||
        get_uint(j, "num_attention_heads", 1, 256, &c->heads, f) < 0 ||
        get_uint(j, "intermediate_size", 32, 16384, &c->ffn, f) < 0 ||
        get_uint(j, "vocab_size", 1, 65536, &c->vocab, f) < 0 ||
        get_uint(j, "max_position_embeddings", 1, 4096, &c->max_positions, f) <
            0 ||
        get_uint(j, "type_vocab_size", 1, 16, &c->types, f) < 0 ||
        get_eps(j, &c->eps, f) < 0)
        return -1;
    return check_shape(c, f);
}

static const char *module_type(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *dot = type ? strrchr(type, '.') : NULL;

    return dot ? dot + 1 : type ? type : "";
}

/* modules.json: Transformer, then Pooling, then perhaps Normalize. */
static int take_modules(const json_t *j, struct embed_config *c,
                        struct fault *f)
{
    static const char *const order[] = {"Transformer", "Pooling", "Normalize"};
    size_t n = json_array_size(j);

    if (!json_is_array(j) || n < 2)
        return fault_set(f, EBADMSG,
                         "modules.json: not a list of two or three modules");
    for (size_t i = 0; i < n; i++) {
        const char *type = module_type(json_array_get(j, i));

        if (i >= 3 || strcmp(type, order[i]) != 0)
            return fault_set(f, ENOTSUP,
                             "modules.json: module %zu is \"%.60s\", supported "
                             "are Transformer, Pooling, Normalize",
                             i, type);
    }
    c->normalize = n == 3;
    return 0;
}

static int take_pooling(const json_t *j, const struct embed_config *have,
                        struct embed_config *c, struct fault *f)
{
    const json_t *dim = json_object_get(j, "word_embedding_dimension");
    const char *key;
    json_t *v;
    int modes = 0;

    if (!json_is_object(j))
        return fault_set(f, EBADMSG, "pooling config: not a JSON object");
    if (dim && json_integer_value(dim) != (json_int_t)have->hidden)
        return fault_set(f, EBADMSG,
                         "pooling config: word_embedding_dimension is not "
                         "hidden_size %u",
                         have->hidden);
    json_object_foreach((json_t *)(uintptr_t)j, key, v)
    {
        if (strncmp(key, "pooling_mode_", 13) != 0 || !json_is_true(v))
            continue;
        modes++;
        if (strcmp(key, "pooling_mode_mean_tokens") == 0)
            c->pooling = EMBED_POOL_MEAN;
        else if (strcmp(key, "pooling_mode_cls_token") == 0)
            c->pooling = EMBED_POOL_CLS;
        else
            return fault_set(f, ENOTSUP,
                             "pooling config: %.60s is set, supported are "
                             "pooling_mode_mean_tokens and "
                             "pooling_mode_cls_token",
                             key);
    }
    if (modes != 1)
        return fault_set(f, ENOTSUP,
                         "pooling config: %d modes are set, supported is one",
                         modes);
    return 0;
}

int embed_config_parse(const char *config, size_t config_len,
                       const char *modules, size_t modules_len,
                       const char *pooling, size_t pooling_len,
                       struct embed_config *out, struct fault *f)
{
    struct embed_config c = {0};
    json_t *j = parse("config.json", config, config_len, f);
    int rc = j ? take_config(j, &c, f) : -1;

    json_decref(j);
    if (rc == 0 && modules) {
        j = parse("modules.json", modules, modules_len, f);
        rc = j ? take_modules(j, &c, f) : -1;
        json_decref(j);
    }
    if (rc == 0 && pooling) {
        j = parse("pooling config", pooling, pooling_len, f);
        rc = j ? take_pooling(j, &c, &c, f) : -1;
        json_decref(j);
    }
    if (rc == 0)
        *out = c;
    return rc;
}

/* The pooling module's directory name: one plain path component. */
static int pooling_name(const char *modules, size_t len, char name[64],
                        struct fault *f)
{
    json_t *j = parse("modules.json", modules, len, f);
    const char *p =
        json_string_value(json_object_get(json_array_get(j, 1), "path"));
    int rc = 0;

    if (!j)
        return -1;
    if (!p || !*p || strlen(p) > 48 || strchr(p, '/') || p[0] == '.')
        rc = fault_set(f, EBADMSG,
                       "modules.json: path of module 1 is \"%.60s\", wanted is "
                       "a plain name such as 1_Pooling",
                       p ? p : "");
    else
        snprintf(name, 64, "%s", p);
    json_decref(j);
    return rc;
}

/* The three texts of a folder, as found in either layout. */
struct texts {
    char *config, *modules, *pooling;
    size_t config_len, modules_len, pooling_len;
    char flat[72]; /* pooling file's name in the flat layout */
};

static void texts_free(struct texts *t)
{
    free(t->config);
    free(t->modules);
    free(t->pooling);
}

static int read_pooling(const char *dir, struct texts *t, struct fault *f)
{
    char name[64], nested[80];
    int rc;

    if (pooling_name(t->modules, t->modules_len, name, f) < 0)
        return -1;
    snprintf(t->flat, sizeof(t->flat), "%s.json", name);
    snprintf(nested, sizeof(nested), "%s/config.json", name);
    rc = slurp(dir, nested, JSON_MAX, &t->pooling, &t->pooling_len, f);
    if (rc < 0 && (errno == ENOENT || errno == ENOTDIR))
        rc = slurp(dir, t->flat, JSON_MAX, &t->pooling, &t->pooling_len, f);
    return rc;
}

static int texts_read(const char *dir, struct texts *t, struct fault *f)
{
    memset(t, 0, sizeof(*t));
    if (slurp(dir, "config.json", JSON_MAX, &t->config, &t->config_len, f) < 0)
        return -1;
    if (slurp(dir, "modules.json", JSON_MAX, &t->modules, &t->modules_len, f) <
        0)
        return errno == ENOENT ? 0 : -1;
    return read_pooling(dir, t, f);
}

static int texts_parse(const struct texts *t, struct embed_config *out,
                       struct fault *f)
{
    return embed_config_parse(t->config, t->config_len, t->modules,
                              t->modules_len, t->pooling, t->pooling_len, out,
                              f);
}

int embed_config_read(const char *dir, struct embed_config *out,
                      struct fault *f)
{
    struct texts t;
    int rc = texts_read(dir, &t, f);

    if (rc == 0 && texts_parse(&t, out, f) < 0) {
        struct fault inner = f ? *f : (struct fault){""};

        rc = fault_set(f, errno, "%s: %.300s", dir, inner.text);
    }
    texts_free(&t);
    return rc;
}

uint64_t embed_units(const struct embed_config *c, uint32_t tokens)
{
    uint64_t h = c->hidden, t = tokens;

    return c->layers * (t * (4 * h * h + 2 * h * c->ffn) + 2 * t * t * h);
}

int embed_params_export(const char *from, const char *to, struct fault *f)
{
    struct embed_config c;
    struct texts t;
    int rc = texts_read(from, &t, f);

    if (rc == 0)
        rc = texts_parse(&t, &c, f);
    if (rc == 0)
        rc = embed_weights_check(from, &c, f);
    if (rc == 0)
        rc = spill(to, "config.json", t.config, t.config_len, f);
    if (rc == 0 && t.modules)
        rc = spill(to, "modules.json", t.modules, t.modules_len, f);
    if (rc == 0 && t.pooling)
        rc = spill(to, t.flat, t.pooling, t.pooling_len, f);
    if (rc == 0)
        rc = copy_file(from, to, "model.safetensors", f);
    texts_free(&t);
    return rc;
}
