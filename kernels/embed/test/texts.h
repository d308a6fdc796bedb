/* SPDX-License-Identifier: Apache-2.0 */
/* texts.h - texts that tokenizers disagree about, from a seed
 *
 * The same TEXTS texts on every machine, for the parity test and for the
 * script that asks the reference (contrib/tokenizer-goldens).
 */
#ifndef FALLOW_KERNELS_EMBED_TEST_TEXTS_H
#define FALLOW_KERNELS_EMBED_TEST_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#define TEXTS 12000
#define TEXTS_KINDS 15
#define TEXT_BYTES_MAX 8192

/* Fill out with text i; returns its length in bytes, without a NUL. */
size_t text_make(unsigned i, char out[TEXT_BYTES_MAX]);

/* What texts of this index have in common, for messages. */
const char *text_kind(unsigned i);

#endif
