/* SPDX-License-Identifier: Apache-2.0 */
/* money.h - micro-units as people write them */
#ifndef FALLOW_SCHED_CMD_MONEY_H
#define FALLOW_SCHED_CMD_MONEY_H

#include <stddef.h>
#include <stdint.h>

/* "12.34", and six decimals below one cent: "0.004200".  Rounded to the
 * nearest cent, halves away from zero.
 */
void money_text(int64_t micro, char *out, size_t cap);

/* "1,234,567" */
void count_text(uint64_t n, char *out, size_t cap);

#endif
