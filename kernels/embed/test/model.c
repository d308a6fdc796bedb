/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - hostile and unsupported models are refused by name and value */
#include "kernels/embed/weights.h"

#include <math.h>

#include "kernels/embed/encoder.h"
#include "kernels/embed/tiny.h"
#include "t/tap.h"

/* The tiny config with `from` replaced by `to`. */
static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *out;

    if (!at || asprintf(&out, "%.*s%s%s", (int)(at - text), text, to,
                        at + strlen(from)) < 0)
        return NULL;
    return out;
}

static void test_config(void)
{
    static const struct {
        const char *from, *to;
        int code;
        const char *want;
    } v[] = {
        {"\"gelu\"", "\"relu\"", ENOTSUP,
         "config.json: hidden_act is \"relu\", supported is \"gelu\""},
        {"\"bert\"", "\"roberta\"", ENOTSUP,
         "config.json: model_type is \"roberta\", supported is \"bert\""},
        {"\"BertModel\"", "\"GPT2Model\"", ENOTSUP,
         "config.json: architectures is [\"GPT2Model\"], supported is "
         "\"BertModel\""},
        {"\"type_vocab_size\"",
         "\"position_embedding_type\": \"relative_key\", "
         "\"type_vocab_size\"",
         ENOTSUP,
         "config.json: position_embedding_type is \"relative_key\", supported "
         "is \"absolute\""},
        {"\"type_vocab_size\"", "\"is_decoder\": true, \"type_vocab_size\"",
         ENOTSUP, "config.json: is_decoder is true, supported is false"},
        {"\"hidden_size\": 32", "\"hidden_size\": 48", ENOTSUP,
         "config.json: hidden_size 48 is not a multiple of 32"},
        {"\"hidden_size\": 32", "\"hidden_size\": 3200000000", ENOTSUP,
         "config.json: hidden_size is 3200000000, supported are 32 to 4096"},
        {"\"hidden_size\": 32", "\"hidden_size\": \"32\"", EBADMSG,
         "config.json: hidden_size is not an integer"},
        {"\"hidden_size\": 32,", "", EBADMSG,
         "config.json: hidden_size is missing"},
        {"\"num_attention_heads\": 2", "\"num_attention_heads\": 4", ENOTSUP,
         "config.json: 4 attention heads of hidden_size 32 are not multiples "
         "of 16 wide"},
        {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1", ENOTSUP,
         "config.json: layer_norm_eps is -1, supported are 1e-20 to 1"},
        {"\"hidden_size\": 32", "\"hidden_size\": 32, \"hidden_size\": 64",
         EBADMSG, "config.json:2: duplicate object key near '\"hidden_size\"'"},
    };
    char *text = tiny_config(TINY_VOCAB);
    struct embed_config c;
    struct fault f;

    is_int(embed_config_parse(text, strlen(text), NULL, 0, NULL, 0, &c, &f), 0,
           "the tiny config is taken");
    is_int(c.hidden * 1000 + c.heads * 100 + c.layers, 32202, "as it is");
    for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
        char *bad = edited(text, v[i].from, v[i].to);

        errno = 0;
        ok(bad &&
               embed_config_parse(bad, strlen(bad), NULL, 0, NULL, 0, &c, &f) <
                   0 &&
               errno == v[i].code,
           "a config with %s is refused", v[i].to);
        is_str(f.text, v[i].want, "and the message says so");
        free(bad);
    }
    free(text);
}

static void test_pooling(void)
{
    static const char both[] =
        "[{\"type\": \"x.Transformer\"}, "
        "{\"type\": \"x.Pooling\", \"path\": \"1_Pooling\"}]";
    static const char three[] =
        "[{\"type\": \"x.Transformer\"}, {\"type\": \"x.Pooling\", "
        "\"path\": \"1_Pooling\"}, {\"type\": \"x.Dense\"}]";
    static const char cls[] = "{\"pooling_mode_cls_token\": true}";
    static const char max[] = "{\"pooling_mode_max_tokens\": true}";
    static const char two[] = "{\"pooling_mode_cls_token\": true, "
                              "\"pooling_mode_mean_tokens\": true}";
    char *text = tiny_config(TINY_VOCAB);
    size_t n = strlen(text);
    struct embed_config c;
    struct fault f;

    is_int(embed_config_parse(text, n, both, sizeof(both) - 1, cls,
                              sizeof(cls) - 1, &c, &f),
           0, "pooling by the first token is taken");
    ok(c.pooling == EMBED_POOL_CLS && !c.normalize,
       "and not normalised where no module says so");
    ok(embed_config_parse(text, n, three, sizeof(three) - 1, cls,
                          sizeof(cls) - 1, &c, &f) < 0,
       "a Dense module is refused");
    is_str(f.text,
           "modules.json: module 2 is \"Dense\", supported are Transformer, "
           "Pooling, Normalize",
           "by name");
    ok(embed_config_parse(text, n, both, sizeof(both) - 1, max, sizeof(max) - 1,
                          &c, &f) < 0,
       "max pooling is refused");
    ok(strstr(f.text, "pooling_mode_max_tokens is set"), "by name");
    ok(embed_config_parse(text, n, both, sizeof(both) - 1, two, sizeof(two) - 1,
                          &c, &f) < 0,
       "two modes at once are refused");
    free(text);
}

/* Build header + data; returns what st_parse says. */
static int parse(const char *header, size_t data_len, struct fault *f)
{
    size_t n = strlen(header), len = 8 + n + data_len;
    char *buf = calloc(1, len);
    struct st_file *s;

    for (int i = 0; i < 8; i++)
        buf[i] = (char)(n >> (8 * i));
    memcpy(buf + 8, header, n);
    s = st_parse(buf, len, f);
    st_destroy(s);
    free(buf);
    return s ? 0 : -1;
}

#define T(dtype, shape, offsets)                                               \
    "{\"w\": {\"dtype\": \"" dtype "\", \"shape\": " shape                     \
    ", \"data_offsets\": " offsets "}}"

static void test_safetensors(void)
{
    static const struct {
        const char *header;
        size_t data;
        const char *want;
    } v[] = {
        {T("F32", "[2]", "[0, 8]"), 7,
         "tensor \"w\": data_offsets [0, 8] leave the 7 bytes of data"},
        {T("F32", "[2]", "[0, 4]"), 4,
         "tensor \"w\": its shape takes 8 bytes, its data_offsets 4"},
        {T("F32", "[2]", "[8, 0]"), 8,
         "tensor \"w\": data_offsets [8, 0] leave the 8 bytes of data"},
        {T("F32", "[2]", "[-8, 0]"), 8,
         "tensor \"w\": data_offsets [-8, 0] leave the 8 bytes of data"},
        {T("F32", "[4294967296, 4294967296]", "[0, 0]"), 0,
         "tensor \"w\": dimension 1 is 4294967296"},
        {T("F32", "[-1]", "[0, 4]"), 4, "tensor \"w\": dimension 0 is -1"},
        {T("F32", "[1,1,1,1,1]", "[0, 4]"), 4,
         "tensor \"w\": shape is not a list of at most 4 numbers"},
        {T("Q4", "[1]", "[0, 4]"), 4, "tensor \"w\": unknown dtype \"Q4\""},
        {T("F32", "[1]", "[4, 8]"), 8,
         "tensor \"w\" begins at 4, the one before ends at 0"},
        {T("F32", "[1]", "[0, 4]"), 8,
         "the tensors end at 4 of 8 bytes of data"},
        {T("F32", "[1]", "[0]"), 4,
         "tensor \"w\": data_offsets are not two numbers"},
        {"[1]", 0, "the header is not a JSON object: another value"},
    };
    struct fault f;

    is_int(parse(T("F32", "[2]", "[0, 8]"), 8, &f), 0, "a sound file is taken");
    for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
        errno = 0;
        ok(parse(v[i].header, v[i].data, &f) < 0 && errno == EBADMSG,
           "hostile file %zu is refused", i);
        is_str(f.text, v[i].want, "by name and value");
    }
    ok(!st_parse("\xff\xff\xff\xff\xff\xff\xff\xff", 8, &f) &&
           strstr(f.text, "18446744073709551615"),
       "a header length beyond the file is refused by its value");
    ok(!st_parse("abc", 3, &f), "three bytes are refused");
}

/* Halves and bfloats keep their values. */
static void test_floats(void)
{
    static const uint8_t half[] = {0x00, 0x3c, 0x00, 0xc0, 0x01,
                                   0x00, 0xff, 0x7b, 0x00, 0x7c};
    static const uint8_t bf[] = {0x80, 0x3f, 0x40, 0xc0};
    struct st_tensor t = {.dtype = ST_F16, .data = half};
    float v[5];

    st_to_float(&t, 0, 5, v);
    ok(v[0] == 1.0f && v[1] == -2.0f && v[2] == 0x1p-24f && v[3] == 65504.0f &&
           v[4] > 3e38f,
       "F16: one, minus two, the least, the largest and infinity");
    t.dtype = ST_BF16;
    t.data = bf;
    st_to_float(&t, 0, 2, v);
    ok(v[0] == 1.0f && v[1] == -3.0f, "BF16: one and minus three");
}

/* Parse the tiny model with four bytes of it changed. */
static struct embed_weights *damaged(size_t at_value, float value,
                                     const char *from, const char *to,
                                     struct fault *f)
{
    size_t len, hlen = 0;
    char *text = tiny_config(TINY_VOCAB), *buf, *at;
    struct embed_config c;
    struct st_file *s;

    buf = tiny_safetensors(TINY_VOCAB, &len);
    embed_config_parse(text, strlen(text), NULL, 0, NULL, 0, &c, f);
    free(text);
    for (int i = 7; i >= 0; i--)
        hlen = hlen << 8 | (uint8_t)buf[i];
    if (from) {
        at = memmem(buf, hlen, from, strlen(from));
        memcpy(at, to, strlen(to));
    } else {
        memcpy(buf + 8 + hlen + 4 * at_value, &value, sizeof(value));
    }
    s = st_parse(buf, len, f);
    st_adopt(s, buf);
    return embed_weights_from(&c, s, f);
}

static void test_weights(void)
{
    struct fault f = {""};
    struct embed_weights *w = damaged(0, 0.5f, NULL, NULL, &f);

    ok(w, "the tiny model loads (%s)", f.text);
    embed_weights_destroy(w);
    ok(!damaged(5, (float)NAN, NULL, NULL, &f) && errno == EBADMSG,
       "a value that is not a number is refused");
    ok(strstr(f.text, "embeddings.word_embeddings.weight") &&
           strstr(f.text, "nan"),
       "by tensor and value (%s)", f.text);
    ok(!damaged(11000, 1e6f, NULL, NULL, &f) && strstr(f.text, "1e+06"),
       "a value of 1e6 is refused (%s)", f.text);
    ok(!damaged(0, 0, "encoder.layer.1.output.dense.bias",
                "encoder.layer.1.output.dense.bIas", &f),
       "a missing tensor is refused");
    is_str(f.text, "tensor \"encoder.layer.1.output.dense.bias\" is missing",
           "by name");
    ok(!damaged(0, 0, "F32\",\"shape\":[64,32],\"data_offsets",
                "I32\",\"shape\":[64,32],\"data_offsets", &f) &&
           errno == ENOTSUP &&
           strstr(f.text, "dtype is I32, supported are F32, F16, BF16"),
       "an integer tensor is refused (%s)", f.text);
    ok(!damaged(0, 0, "[2,32]", "[1,64]", &f) &&
           strstr(f.text, "token_type_embeddings.weight\": shape is not "
                          "[2, 32]"),
       "another shape is refused (%s)", f.text);
}

static void test_units(void)
{
    struct embed_config minilm = {.hidden = 384, .layers = 6, .ffn = 1536};

    is_int(embed_units(&minilm, 128), 1434451968,
           "128 tokens of MiniLM are 1,434,451,968 units");
    is_int(embed_units(&minilm, 0), 0, "no token is none");
}

int main(void)
{
    test_config();
    test_pooling();
    test_safetensors();
    test_floats();
    test_weights();
    test_units();
    done_testing();
    return exit_status();
}
