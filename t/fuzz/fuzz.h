/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - one fuzz target a file
 *
 * The same file is linked twice: with libFuzzer by `make fuzz` (clang), which
 * searches, and with driver.c by `make check`, which feeds it the samples and
 * seeded damage to them.
 */
#ifndef FALLOW_T_FUZZ_FUZZ_H
#define FALLOW_T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Inputs that reach deep, NULL at the end, and what they are inputs to. */
extern const char *const fuzz_samples[];
extern const char fuzz_subject[];

/* Must return 0 for any bytes; a broken promise is a failed assertion. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
