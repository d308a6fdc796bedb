/* SPDX-License-Identifier: Apache-2.0 */
/* mkmodel.c - write the tiny seeded encoder as a Hugging Face folder
 *
 * mkmodel DIR [VOCAB.TXT]: makes DIR with config.json, model.safetensors,
 * modules.json, 1_Pooling/config.json and vocab.txt, a copy of the given
 * one or a small one of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/embed/slurp.h"
#include "kernels/embed/tiny.h"

#define VOCAB_MAX ((size_t)4 << 20)

static const char modules[] =
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": "
    "\"sentence_transformers.models.Transformer\"},\n"
    " {\"idx\": 1, \"name\": \"1\", \"path\": \"1_Pooling\", \"type\": "
    "\"sentence_transformers.models.Pooling\"},\n"
    " {\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\", \"type\": "
    "\"sentence_transformers.models.Normalize\"}]\n";
static const char pooling[] = "{\"word_embedding_dimension\": 32, "
                              "\"pooling_mode_mean_tokens\": true}\n";
static const char bert[] = "{\"max_seq_length\": 64, \"do_lower_case\": "
                           "false}\n";

/* TINY_VOCAB lines: the special tokens, every printable ASCII character but
 * capitals, lower-case letters as continuations, the rest unused.
 */
static int write_own_vocab(FILE *out)
{
    static const char special[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    int n = 5;

    fputs(special, out);
    for (int c = '!'; c <= '~'; c++)
        if (c < 'A' || c > 'Z') {
            fprintf(out, "%c\n", c);
            n++;
        }
    for (int c = 'a'; c <= 'z'; c++, n++)
        fprintf(out, "##%c\n", c);
    for (int i = 0; n < TINY_VOCAB; i++, n++)
        fprintf(out, "[unused%d]\n", i);
    return ferror(out) ? -1 : 0;
}

static char *own_vocab(size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    int rc = out ? write_own_vocab(out) : -1;

    if (!out || fclose(out) != 0 || rc < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static uint32_t count_lines(const char *text, size_t len)
{
    uint32_t n = len > 0 && text[len - 1] != '\n';

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static int write_model(const char *dir, const char *vocab, size_t vocab_len,
                       struct fault *f)
{
    uint32_t n = count_lines(vocab, vocab_len);
    char *config = tiny_config(n), *sub = NULL;
    size_t len = 0;
    char *data = tiny_safetensors(n, &len);
    int rc = -1;

    if (!config || !data || asprintf(&sub, "%s/1_Pooling", dir) < 0)
        fault_set(f, ENOMEM, "could not allocate the model");
    else if (mkdir(dir, 0777) < 0 || mkdir(sub, 0777) < 0)
        fault_set(f, errno, "could not make %s: %s", sub, strerror(errno));
    else if (spill(dir, "vocab.txt", vocab, vocab_len, f) == 0 &&
             spill(dir, "config.json", config, strlen(config), f) == 0 &&
             spill(dir, "modules.json", modules, strlen(modules), f) == 0 &&
             spill(dir, "sentence_bert_config.json", bert, strlen(bert), f) ==
                 0 &&
             spill(sub, "config.json", pooling, strlen(pooling), f) == 0)
        rc = spill(dir, "model.safetensors", data, len, f);
    free(sub);
    free(data);
    free(config);
    return rc;
}

int main(int argc, char **argv)
{
    struct fault f = {""};
    char *vocab = NULL;
    size_t len = 0;
    int rc = 0;

    if (argc < 2 || argc > 3) {
        fputs("usage: mkmodel DIR [VOCAB.TXT]\n", stderr);
        return 2;
    }
    if (argc == 3)
        rc = slurp(argv[2][0] == '/' ? "/" : ".", argv[2], VOCAB_MAX, &vocab,
                   &len, &f);
    else
        vocab = own_vocab(&len);
    if (rc == 0 && vocab)
        rc = write_model(argv[1], vocab, len, &f);
    if (rc < 0 || !vocab)
        fprintf(stderr, "mkmodel: %s\n", f.text);
    free(vocab);
    return rc < 0 || !vocab ? 1 : 0;
}
