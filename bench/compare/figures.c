/* SPDX-License-Identifier: MIT */
#include "figures.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct kind_facts kinds[KINDS] = {
	[KIND_CPU] = {"cpu", 0.05, false},
	[KIND_WALL] = {"wall", 0.10, false},
	[KIND_LATENCY] = {"latency", 0.25, false},
	[KIND_MEMORY] = {"memory", 0.05, false},
	[KIND_RATIO] = {"ratio", 0.10, false},
	[KIND_EVENTS] = {"events", 0.25, false},
	[KIND_INSTRUCTIONS] = {"instructions", 0.005, true},
	[KIND_CALLS] = {"calls", 0.05, true},
	[KIND_COUNT] = {"count", 0, true},
};

const char *const state_names[STATES] = {
	[STATE_PASS] = "pass",
	[STATE_FASTER] = "faster",
	[STATE_REGRESSED] = "regression",
	[STATE_NOISY] = "noisy",
	[STATE_UNSTABLE] = "unstable",
	[STATE_ADDED] = "new",
	[STATE_UNSUPPORTED] = "unsupported",
	[STATE_MISSING] = "missing",
	[STATE_FAILED] = "failed",
};

enum kind kind_of(const char *metric, const char *unit)
{
	static const struct {
		const char *unit;
		enum kind kind;
	} units[] = {{"instructions", KIND_INSTRUCTIONS},
		     {"allocations", KIND_COUNT},
		     {"allocated bytes", KIND_COUNT},
		     {"system calls", KIND_CALLS},
		     {"bytes", KIND_MEMORY},
		     {"ratio", KIND_RATIO},
		     {"count", KIND_EVENTS},
		     {"ns", KIND_WALL}};

	/* The generator's own lateness says whether a latency can be trusted, not how good it is. And what
	 * the submits take of a wall time that is judged varies more than that does. */
	if (!unit || strcmp(metric, "generator_lateness") == 0 ||
	    strcmp(metric, "submit_per_op") == 0)
		return KINDS;
	if (strcmp(unit, "ns") == 0 && strstr(metric, "cpu"))
		return KIND_CPU;
	if (strcmp(unit, "ns") == 0 && metric[0] == 'p' && metric[1] >= '0' && metric[1] <= '9')
		return KIND_LATENCY;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(unit, units[i].unit) == 0)
			return units[i].kind;
	return KINDS;
}

static char *copy(const char *string)
{
	size_t size = strlen(string) + 1;
	char *made = allocate(size, 1);

	return memcpy(made, string, size);
}

static bool same(const char *left, const char *right)
{
	return left && right ? strcmp(left, right) == 0 : left == right;
}

struct figure *figures_find(struct figures *figures, const struct sample *sample,
			    const char *metric)
{
	struct figure *figure;

	for (size_t i = 0; i < figures->count; i++) {
		figure = &figures->list[i];
		if (figure->workers == sample->workers &&
		    strcmp(figure->workload, sample->workload) == 0 &&
		    strcmp(figure->backend, sample->backend) == 0 && same(figure->metric, metric))
			return figure;
	}
	figures->list = reallocate(figures->list, figures->count + 1, sizeof *figures->list);
	figure = &figures->list[figures->count++];
	*figure = (struct figure){.workload = copy(sample->workload),
				  .backend = copy(sample->backend),
				  .workers = sample->workers,
				  .metric = metric ? copy(metric) : NULL,
				  .unit = metric && sample->unit ? copy(sample->unit) : NULL,
				  .kind = KINDS};
	if (metric)
		figure->kind = kind_of(metric, sample->unit);
	return figure;
}

static void forget(struct figure *figure)
{
	for (int batch = 0; batch < BATCHES; batch++)
		for (int arm = 0; arm < ARMS; arm++)
			free(figure->arms[batch][arm].list);
	free(figure->workload);
	free(figure->backend);
	free(figure->metric);
	free(figure->unit);
}

void figures_prune(struct figures *figures)
{
	size_t kept = 0;

	for (size_t i = 0; i < figures->count; i++) {
		struct figure *figure = &figures->list[i];

		if (figure->kind == KINDS && !figure->message[0])
			forget(figure);
		else
			figures->list[kept++] = *figure;
	}
	figures->count = kept;
}

void figures_free(struct figures *figures)
{
	for (size_t i = 0; i < figures->count; i++)
		forget(&figures->list[i]);
	free(figures->list);
	environment_free(&figures->environment);
	*figures = (struct figures){.count = 0};
}

void values_set(struct values *values, size_t place, double value)
{
	if (place >= values->count) {
		values->list = reallocate(values->list, place + 1, sizeof *values->list);
		while (values->count <= place)
			values->list[values->count++] = NAN;
	}
	values->list[place] = value;
}

bool figure_has_values(const struct figure *figure, enum arm arm)
{
	for (int batch = 0; batch < BATCHES; batch++)
		if (figure->arms[batch][arm].count)
			return true;
	return false;
}

void figure_settle(struct figure *figure, enum state state, const char *format, ...)
{
	va_list arguments;

	if (figure->message[0])
		return;
	figure->state = state;
	va_start(arguments, format);
	vsnprintf(figure->message, sizeof figure->message, format, arguments);
	va_end(arguments);
}

void figure_settle_one_sided(struct figure *figure, bool base_has_it)
{
	figure_settle(figure, base_has_it ? STATE_MISSING : STATE_ADDED, "only %s has it",
		      base_has_it ? "BASE" : "NEW");
}

bool figure_has_unit(struct figure *figure, const struct sample *sample, const char *side)
{
	bool has = same(figure->unit, sample->unit);

	if (!has)
		figure_settle(figure, STATE_FAILED, "%s has it in \"%s\", the other in \"%s\"",
			      side, sample->unit ? sample->unit : "",
			      figure->unit ? figure->unit : "");
	return has;
}

static int compare(const void *left, const void *right)
{
	const struct figure *a = left, *b = right;
	int order = strcmp(a->workload, b->workload);

	if (!order)
		order = strcmp(a->backend, b->backend);
	if (!order)
		order = (a->workers > b->workers) - (a->workers < b->workers);
	return order ? order : strcmp(a->metric ? a->metric : "", b->metric ? b->metric : "");
}

void figures_sort(struct figures *figures)
{
	if (figures->count)
		qsort(figures->list, figures->count, sizeof *figures->list, compare);
}
