/* SPDX-License-Identifier: Apache-2.0 */
/* tokenize.c - how fast texts become token ids, on one core
 *
 * Prints `name value unit` for English and for the mix of all kinds of the
 * parity test's texts, with the fixture vocabulary: the median of ROUNDS.
 */
#include <stdlib.h>
#include <time.h>

#include "kernels/embed/test/texts.h"
#include "kernels/embed/wordpiece.h"

#define ROUNDS 5
#define SAMPLE 4000
#define MAX_LENGTH 256

struct sample {
    char *text[SAMPLE];
    size_t len[SAMPLE];
    size_t bytes;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int load(struct wordpiece *w)
{
    const char *top = getenv("srcdir");
    char path[4096], line[1024];
    uint32_t id = 0;
    FILE *in;

    snprintf(path, sizeof(path), "%s/t/fixtures/tokenizer/vocab.txt",
             top ? top : ".");
    in = fopen(path, "re");
    if (!in)
        return -1;
    for (; fgets(line, sizeof(line), in); id++) {
        size_t len = 0;

        while (line[len] && line[len] != '\n')
            len++;
        wordpiece_add(w, line, len, id, NULL);
    }
    fclose(in);
    return wordpiece_ready(w, NULL);
}

/* Every step-th of the parity test's texts, over and over. */
static int make_sample(struct sample *s, unsigned step)
{
    char buf[TEXT_BYTES_MAX];

    s->bytes = 0;
    for (unsigned i = 0; i < SAMPLE; i++) {
        s->len[i] = text_make(i * step % TEXTS, buf);
        s->text[i] = malloc(s->len[i] + 1);
        if (!s->text[i])
            return -1;
        for (size_t k = 0; k < s->len[i]; k++)
            s->text[i][k] = buf[k];
        s->bytes += s->len[i];
    }
    return 0;
}

static void measure(const struct wordpiece *w, const struct sample *s,
                    const char *name)
{
    uint16_t ids[MAX_LENGTH];
    double seconds[ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        double start = now();

        for (unsigned i = 0; i < SAMPLE; i++)
            wordpiece_encode(w, s->text[i], s->len[i], ids, MAX_LENGTH, NULL);
        seconds[r] = now() - start;
    }
    qsort(seconds, ROUNDS, sizeof(*seconds), compare);
    printf("tokenize_%s_texts_per_s %.0f 1/s\n", name,
           SAMPLE / seconds[ROUNDS / 2]);
    printf("tokenize_%s_bytes_per_s %.0f B/s\n", name,
           (double)s->bytes / seconds[ROUNDS / 2]);
}

int main(void)
{
    static const struct wordpiece_model m = {
        {true, true, true, true}, "##", "[UNK]", "[CLS]", "[SEP]", 100};
    static struct sample s;
    struct wordpiece *w = wordpiece_create(&m, NULL);

    if (!w || load(w) < 0 || make_sample(&s, TEXTS_KINDS) < 0)
        return 1;
    measure(w, &s, "english");
    if (make_sample(&s, 1) < 0)
        return 1;
    measure(w, &s, "mixed");
    wordpiece_destroy(w);
    return 0;
}
