/* SPDX-License-Identifier: MIT */
/* Numbers as a reader wants them: three digits and the unit that fits. */
#ifndef VALUE_H
#define VALUE_H

#define VALUE_SIZE 64

/* "1.24 µs" of 1243 and "ns". unit may be NULL. */
void value_format(char string[VALUE_SIZE], double value, const char *unit);

/* "5 µs": as short as it can be, for a round value; no word of the file gets into it. */
void value_tick(char string[VALUE_SIZE], double value, const char *unit);

/* "1.00×", "12.5×", "140×". */
void value_ratio(char string[VALUE_SIZE], double ratio);

/* The metric's name in words: "p99", "CPU time per operation". */
const char *value_metric(const char *metric);

#endif
