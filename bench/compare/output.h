/* SPDX-License-Identifier: MIT */
/* What the gate says, in four languages. */
#ifndef COMPARE_OUTPUT_H
#define COMPARE_OUTPUT_H

#include "judge.h"
#include "text.h"

struct account {
	const struct figures *figures;
	const struct rules *rules;
	const char *base;
	const char *changed;
	enum verdict verdict;
	bool colour;
};

void output_text(struct text *text, const struct account *account);
void output_markdown(struct text *text, const struct account *account);
void output_json(struct text *text, const struct account *account);
void output_junit(struct text *text, const struct account *account);

/* "+10.2 %"; "new" of what was 0 before. */
void output_change(struct text *text, double ratio);
/* "submit_many on mutex_queue, 2 workers: wall_per_op". */
void output_name(struct text *text, const struct figure *figure);

#endif
