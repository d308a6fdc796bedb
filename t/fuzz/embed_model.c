/* SPDX-License-Identifier: Apache-2.0 */
/* embed_model.c - any bytes as a model's files
 *
 * The first byte chooses the file: 'c' config.json, 'p' a pooling config, 'm'
 * modules.json, 's' the header of model.safetensors (the second byte is how
 * many bytes of data follow it), any other the whole of model.safetensors.
 * Whatever it holds, reading ends with a model inside its limits or an error
 * that says what is wrong, and every tensor lies inside the file.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/embed/tiny.h"
#include "kernels/embed/weights.h"
#include "t/fuzz/fuzz.h"

const char fuzz_subject[] = "models of embed";
const char *const fuzz_samples[] = {
    "c{\"model_type\": \"bert\", \"hidden_act\": \"gelu\", \"hidden_size\": "
    "64, "
    "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, "
    "\"intermediate_size\": 32, \"vocab_size\": 9, "
    "\"max_position_embeddings\": 8, \"type_vocab_size\": 1, "
    "\"layer_norm_eps\": 1e-5, \"architectures\": [\"BertModel\"]}",
    "p{\"word_embedding_dimension\": 32, \"pooling_mode_cls_token\": true, "
    "\"pooling_mode_max_tokens\": false}",
    "m[{\"type\": \"a.Transformer\", \"path\": \"\"}, {\"type\": "
    "\"a.Pooling\", \"path\": \"1_Pooling\"}, {\"type\": \"a.Normalize\"}]",
    "s\x08{\"w\": {\"dtype\": \"F16\", \"shape\": [2, 2], \"data_offsets\": "
    "[0, 8]}, \"__metadata__\": {\"format\": \"pt\"}}",
    "s\x06{\"embeddings.word_embeddings.weight\": {\"dtype\": \"BF16\", "
    "\"shape\": [1], \"data_offsets\": [0, 2]}, \"w\": {\"dtype\": \"F32\", "
    "\"shape\": [], \"data_offsets\": [2, 6]}}",
    "x\x02\x01\x01\x01\x01\x01\x01\x01{}",
    NULL};

static struct embed_config tiny;

static void check_config(const struct embed_config *c)
{
    assert(c->hidden >= 32 && c->hidden <= 4096 && c->hidden % 32 == 0);
    assert(c->ffn >= 32 && c->ffn <= 16384 && c->ffn % 32 == 0);
    assert(c->heads >= 1 && c->hidden % c->heads == 0);
    assert(c->layers >= 1 && c->layers <= 96 && c->vocab <= 65536);
    assert(c->max_positions >= 1 && c->max_positions <= 4096);
    assert(c->eps >= 1e-20f && c->eps <= 1.0f);
    assert(embed_units(c, c->max_positions) < (uint64_t)1 << 62);
}

/* part: which of the three files the text is. */
static void read_config(char part, const char *text, size_t len)
{
    static const char modules[] = "[{\"type\": \"Transformer\"}, {\"type\": "
                                  "\"Pooling\", \"path\": \"1\"}]";
    char *config = tiny_config(TINY_VOCAB);
    struct embed_config c;
    struct fault f = {""};
    int rc;

    if (!config)
        return;
    errno = 0;
    if (part == 'c')
        rc = embed_config_parse(text, len, NULL, 0, NULL, 0, &c, &f);
    else if (part == 'm')
        rc = embed_config_parse(config, strlen(config), text, len, NULL, 0, &c,
                                &f);
    else
        rc = embed_config_parse(config, strlen(config), modules,
                                sizeof(modules) - 1, text, len, &c, &f);
    free(config);
    if (rc == 0)
        check_config(&c);
    else
        assert((errno == EBADMSG || errno == ENOTSUP) && f.text[0]);
}

static void check_tensor(const struct st_file *s, const char *name,
                         const uint8_t *buf, size_t len)
{
    const struct st_tensor *t = st_find(s, name);
    float v;

    if (!t)
        return;
    assert(t->data >= buf && t->len <= len);
    assert(t->data + t->len <= buf + len);
    if (t->dtype != ST_OTHER && t->len >= 4)
        st_to_float(t, 0, 1, &v);
}

static void read_tensors(const uint8_t *buf, size_t len)
{
    struct fault f = {""};
    struct st_file *s;

    errno = 0;
    s = st_parse(buf, len, &f);
    if (!s) {
        assert(errno == EBADMSG && f.text[0]);
        return;
    }
    check_tensor(s, "w", buf, len);
    check_tensor(s, "embeddings.word_embeddings.weight", buf, len);
    /* Nothing this small is a whole model. */
    assert(!embed_weights_from(&tiny, s, &f));
    assert((errno == EBADMSG || errno == ENOTSUP) && f.text[0]);
}

/* A file whose length field is right: header, then n bytes. */
static void read_header(const uint8_t *header, size_t len, size_t n)
{
    uint8_t *buf = calloc(1, 8 + len + n);

    if (!buf)
        return;
    for (int i = 0; i < 8; i++)
        buf[i] = (uint8_t)((uint64_t)len >> (8 * i));
    memcpy(buf + 8, header, len);
    read_tensors(buf, 8 + len + n);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *config;

    if (size < 2)
        return 0;
    if (!tiny.hidden) {
        config = tiny_config(TINY_VOCAB);
        assert(config && embed_config_parse(config, strlen(config), NULL, 0,
                                            NULL, 0, &tiny, NULL) == 0);
        free(config);
    }
    if (data[0] == 'c' || data[0] == 'p' || data[0] == 'm')
        read_config((char)data[0], (const char *)data + 1, size - 1);
    else if (data[0] == 's')
        read_header(data + 2, size - 2, data[1]);
    else
        read_tensors(data + 1, size - 1);
    return 0;
}
