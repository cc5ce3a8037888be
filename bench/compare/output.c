/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <math.h>
#include <stdlib.h>

/* Whether it should be read: neither passed nor of the kind that changes nothing. */
static bool is_remarkable(const struct figure *figure)
{
	return figure->state != STATE_PASS && figure->state != STATE_UNSUPPORTED &&
	       figure->state != STATE_NOISY;
}

void output_change(struct text *text, double ratio)
{
	if (!isfinite(ratio))
		text_add(text, "was 0");
	else if (ratio >= 10)
		text_format(text, "x%.3g", ratio);
	else
		text_format(text, "%+.1f %%", 100 * (ratio - 1));
}

void output_name(struct text *text, const struct figure *figure)
{
	struct text name = {0};

	text_format(&name, "%s on %s", figure->workload, figure->backend);
	if (figure->workers)
		text_format(&name, ", %d worker%s", figure->workers,
			    figure->workers == 1 ? "" : "s");
	if (figure->metric)
		text_format(&name, ": %s", figure->metric);
	text_line(text, name.data);
	text_free(&name);
}

static const char *colour_of(const struct figure *figure)
{
	switch (figure->state) {
	case STATE_REGRESSED:
	case STATE_FAILED:
	case STATE_MISSING:
		return "\033[31m";
	case STATE_UNSTABLE:
	case STATE_NOISY:
		return "\033[33m";
	case STATE_FASTER:
		return "\033[32m";
	default:
		return "";
	}
}

static void add_effect(struct text *text, const struct figure *figure)
{
	const struct effect *effect = &figure->effect;

	if (!effect->known)
		return;
	output_change(text, effect->ratio);
	if (kinds[figure->kind].exact)
		return;
	text_add(text, " [");
	output_change(text, effect->low);
	text_add(text, ", ");
	output_change(text, effect->high);
	text_add(text, "]");
}

static void add_line(struct text *text, const struct account *account, const struct figure *figure)
{
	const char *colour = account->colour ? colour_of(figure) : "";
	struct text name = {0}, effect = {0};

	text_add(&effect, "");
	output_name(&name, figure);
	add_effect(&effect, figure);
	text_format(text, "%s%-11s%s %-62s %-28s ", colour, state_names[figure->state],
		    *colour ? "\033[0m" : "", name.data, effect.data);
	text_line(text, figure->message);
	while (text->length && text->data[text->length - 1] == ' ')
		text->data[--text->length] = '\0';
	text_add(text, "\n");
	text_free(&name);
	text_free(&effect);
}

/* Escaped as the language wants it. */
static void add_environment(struct text *text, const struct account *account,
			    void (*escape)(struct text *text, const char *string))
{
	struct text line = {0};

	environment_describe(&account->figures->environment, &line);
	if (line.length) {
		text_add(text, "\nmachine: ");
		escape(text, line.data);
		text_add(text, "\n");
	}
	text_free(&line);
}

void output_text(struct text *text, const struct account *account)
{
	const struct figures *figures = account->figures;
	char *sentence = verdict_explain(figures, account->verdict);
	enum verdict verdict = account->verdict;
	const char *colour = verdict == VERDICT_PASS           ? "\033[32m"
			     : verdict == VERDICT_INCONCLUSIVE ? "\033[33m"
							       : "\033[31m";

	if (figures->count)
		text_format(text, "%-11s %-62s %-28s\n", "", "figure",
			    "NEW to BASE [95 % interval]");
	for (size_t i = 0; i < figures->count; i++)
		add_line(text, account, &figures->list[i]);
	add_environment(text, account, text_line);
	text_format(text, "%s%s%s%s: %s\n", figures->count ? "\n" : "",
		    account->colour ? colour : "", verdict_name(verdict),
		    account->colour ? "\033[0m" : "", sentence);
	free(sentence);
}

static void add_row(struct text *text, const struct figure *figure)
{
	struct text name = {0}, effect = {0};

	text_add(&effect, "");
	output_name(&name, figure);
	add_effect(&effect, figure);
	text_format(text, "| %s | ", state_names[figure->state]);
	text_markdown(text, name.data);
	text_format(text, " | %s | ", effect.data);
	text_markdown(text, figure->message);
	text_add(text, " |\n");
	text_free(&name);
	text_free(&effect);
}

void output_markdown(struct text *text, const struct account *account)
{
	static const char head[] =
		"| | figure | NEW to BASE [95 % interval] | |\n|---|---|---|---|\n";
	const struct figures *figures = account->figures;
	char *sentence = verdict_explain(figures, account->verdict);

	text_format(text, "### Benchmark gate: %s\n\n", verdict_name(account->verdict));
	text_markdown(text, sentence);
	text_add(text, " (");
	free(sentence);
	text_markdown(text, account->base);
	text_add(text, " against ");
	text_markdown(text, account->changed);
	text_add(text, ")\n");
	add_environment(text, account, text_markdown);
	text_add(text, "\n");
	for (size_t i = 0, rows = 0; i < figures->count; i++)
		if (is_remarkable(&figures->list[i])) {
			if (!rows++)
				text_add(text, head);
			add_row(text, &figures->list[i]);
		}
	if (!figures->count)
		return;
	text_format(text, "\n<details><summary>All %zu figures</summary>\n\n%s", figures->count,
		    head);
	for (size_t i = 0; i < figures->count; i++)
		add_row(text, &figures->list[i]);
	text_add(text, "\n</details>\n");
}
