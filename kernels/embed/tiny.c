/* SPDX-License-Identifier: Apache-2.0 */
/* tiny.c - a seeded encoder of 2 layers, 32 wide, made in code */
#include "kernels/embed/tiny.h"

#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 32, HEADS = 2, FFN = 64, LAYERS = 2, POSITIONS = 64 };

static uint32_t scramble(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

/* A value in [-1, 1), a multiple of 2^-23. */
static float noise(uint32_t seed)
{
    return (float)((int32_t)(scramble(seed) >> 8) - 8388608) * 0x1p-23f;
}

/* A safetensors file under construction; NULL buffers only count. */
struct writer {
    char *header;
    size_t header_len;
    float *data;
    size_t values;
    uint32_t seed;
};

static void put_text(struct writer *w, const char *text)
{
    size_t n = strlen(text);

    if (w->header)
        memcpy(w->header + w->header_len, text, n);
    w->header_len += n;
}

/* Append a tensor of rows × cols (rows 0: a vector) around `centre`. */
static void put(struct writer *w, const char *name, uint32_t rows,
                uint32_t cols, float centre, float spread)
{
    size_t n = (size_t)(rows ? rows : 1) * cols;
    char text[256], shape[32];

    if (rows)
        snprintf(shape, sizeof(shape), "%u,%u", rows, cols);
    else
        snprintf(shape, sizeof(shape), "%u", cols);
    snprintf(text, sizeof(text),
             "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],"
             "\"data_offsets\":[%zu,%zu]}",
             w->values ? "," : "", name, shape, 4 * w->values,
             4 * (w->values + n));
    put_text(w, text);
    w->seed += 0x9e3779b9u;
    for (size_t i = 0; w->data && i < n; i++)
        w->data[w->values + i] = centre + spread * noise(w->seed + (uint32_t)i);
    w->values += n;
}

static void put_linear(struct writer *w, unsigned layer, const char *what,
                       uint32_t rows, uint32_t cols)
{
    char name[96];

    snprintf(name, sizeof(name), "encoder.layer.%u.%s.weight", layer, what);
    put(w, name, rows, cols, 0.0f, 0.5f);
    snprintf(name, sizeof(name), "encoder.layer.%u.%s.bias", layer, what);
    put(w, name, 0, rows, 0.0f, 0.25f);
}

static void put_norm(struct writer *w, const char *what)
{
    char name[96];

    snprintf(name, sizeof(name), "%s.weight", what);
    put(w, name, 0, HIDDEN, 1.0f, 0.25f);
    snprintf(name, sizeof(name), "%s.bias", what);
    put(w, name, 0, HIDDEN, 0.0f, 0.125f);
}

static void put_layer(struct writer *w, unsigned i)
{
    char name[80];

    put_linear(w, i, "attention.self.query", HIDDEN, HIDDEN);
    put_linear(w, i, "attention.self.key", HIDDEN, HIDDEN);
    put_linear(w, i, "attention.self.value", HIDDEN, HIDDEN);
    put_linear(w, i, "attention.output.dense", HIDDEN, HIDDEN);
    snprintf(name, sizeof(name), "encoder.layer.%u.attention.output.LayerNorm",
             i);
    put_norm(w, name);
    put_linear(w, i, "intermediate.dense", FFN, HIDDEN);
    put_linear(w, i, "output.dense", HIDDEN, FFN);
    snprintf(name, sizeof(name), "encoder.layer.%u.output.LayerNorm", i);
    put_norm(w, name);
}

static void put_model(struct writer *w, uint32_t vocab)
{
    w->header_len = w->values = 0;
    w->seed = 1;
    put_text(w, "{");
    put(w, "embeddings.word_embeddings.weight", vocab, HIDDEN, 0.0f, 1.0f);
    put(w, "embeddings.position_embeddings.weight", POSITIONS, HIDDEN, 0.0f,
        0.5f);
    put(w, "embeddings.token_type_embeddings.weight", 2, HIDDEN, 0.0f, 0.25f);
    put_norm(w, "embeddings.LayerNorm");
    for (unsigned i = 0; i < LAYERS; i++)
        put_layer(w, i);
    put_text(w, "}");
    while (w->header_len % 8)
        put_text(w, " ");
}

char *tiny_config(uint32_t vocab)
{
    char *text;

    return asprintf(&text,
                    "{\"architectures\": [\"BertModel\"], "
                    "\"model_type\": \"bert\", \"hidden_act\": \"gelu\",\n"
                    " \"hidden_size\": %d, \"num_hidden_layers\": %d, "
                    "\"num_attention_heads\": %d,\n"
                    " \"intermediate_size\": %d, \"vocab_size\": %u, "
                    "\"max_position_embeddings\": %d,\n"
                    " \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12}\n",
                    HIDDEN, LAYERS, HEADS, FFN, vocab, POSITIONS) < 0
               ? NULL
               : text;
}

void *tiny_safetensors(uint32_t vocab, size_t *len)
{
    struct writer w = {0};
    char *buf;

    put_model(&w, vocab);
    *len = 8 + w.header_len + 4 * w.values;
    buf = malloc(*len);
    if (!buf)
        return NULL;
    for (int i = 0; i < 8; i++)
        buf[i] = (char)((uint64_t)w.header_len >> (8 * i));
    w.header = buf + 8;
    w.data = (float *)(void *)(buf + 8 + w.header_len);
    put_model(&w, vocab);
    return buf;
}

void tiny_items(uint8_t *bytes, struct embed_input items[TINY_ITEMS])
{
    for (uint32_t i = 0; i < TINY_ITEMS; i++) {
        uint32_t t = i < 2 ? 1 + 63 * i : 1 + scramble(77 + i) % POSITIONS;

        items[i].bytes = bytes + (size_t)i * 2 * POSITIONS;
        items[i].len = 2 * t;
        for (uint32_t j = 0; j < t; j++) {
            uint32_t id = scramble(i << 16 | j) % TINY_VOCAB;

            bytes[(size_t)i * 2 * POSITIONS + 2 * j] = (uint8_t)id;
            bytes[(size_t)i * 2 * POSITIONS + 2 * j + 1] = (uint8_t)(id >> 8);
        }
    }
}

struct embed_encoder *tiny_encoder(const struct embed_engine *e,
                                   const struct embed_rows *r, struct fault *f)
{
    size_t len;
    void *buf = tiny_safetensors(TINY_VOCAB, &len);
    char *text = tiny_config(TINY_VOCAB);
    struct embed_weights *w = NULL;
    struct st_file *file = NULL;
    struct embed_config c;
    int rc = -1;

    if (!buf || !text)
        fault_set(f, ENOMEM, "could not allocate the tiny model");
    else
        rc = embed_config_parse(text, strlen(text), NULL, 0, NULL, 0, &c, f);
    if (rc == 0)
        file = st_parse(buf, len, f);
    if (file) {
        st_adopt(file, buf);
        w = embed_weights_from(&c, file, f);
    } else {
        free(buf);
    }
    free(text);
    return w ? embed_encoder_of(w, e, r, f) : NULL;
}
