/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "report.h"

#include <math.h>
#include <string.h>

/* Beyond these a table of wall times speaks of the neighbours too. */
#define LOAD_LIMIT 0.5      /* runnable threads for each allowed processor, before the bench */
#define PRESSURE_LIMIT 20.0 /* % of the time in which something waited for a processor */
#define STEAL_LIMIT 1.0     /* % of the time that the hypervisor took */
#define OTHERS_LIMIT 3.0    /* % of the time that other programs took */

static void say_number(struct text *text, double value)
{
	if (value == floor(value) && fabs(value) < 1e15)
		text_format(text, "%.0f", value);
	else
		text_format(text, "%.3g", value);
}

/* A context is a record of scalars and short lists; what is nested deeper is not shown. */
static void say_value(struct text *text, const cJSON *value)
{
	const cJSON *item;

	text_add(text, "");
	if (cJSON_IsString(value)) {
		text_add(text, value->valuestring[0] ? value->valuestring : "none");
	} else if (json_is_number(value)) {
		say_number(text, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		text_add(text, cJSON_IsTrue(value) ? "yes" : "no");
	} else if (cJSON_IsArray(value)) {
		cJSON_ArrayForEach(item, value)
		{
			if (item != value->child)
				text_add(text, ", ");
			if (json_is_number(item))
				say_number(text, item->valuedouble);
			else if (cJSON_IsString(item))
				text_add(text, item->valuestring);
		}
	} else {
		text_add(text, "unknown");
	}
}

static void say_name(struct page *page, const char *prefix, const char *name)
{
	struct text words = {0};

	text_format(&words, "%s%s%s", prefix, prefix[0] ? " " : "", name);
	for (char *byte = words.data; *byte; byte++)
		if (*byte == '_')
			*byte = ' ';
	page_say(page, "%s", words.data);
	text_free(&words);
}

/* The item of the same name at the same depth; prefix is the name of the object around it. */
static const cJSON *counterpart(const cJSON *context, const char *prefix, const char *name)
{
	const cJSON *object = context;

	if (prefix[0])
		object = cJSON_GetObjectItemCaseSensitive(context, prefix);
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void value_cell(struct page *page, const cJSON *item)
{
	struct text value = {0};

	page_cell(page, NULL, NULL);
	if (item)
		say_value(&value, item);
	page_say(page, "%s", item ? value.data : "");
	text_free(&value);
}

/*
 * The fields of the context, or of the object in it that is named by prefix; from the second context
 * those that the first lacks.
 */
static void context_rows(struct page *page, const cJSON *contexts[2], int index, const char *prefix,
			 const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		const cJSON *other = counterpart(contexts[!index], prefix, item->string);

		if (cJSON_IsObject(item)) {
			if (!prefix[0])
				context_rows(page, contexts, index, item->string, item);
			continue;
		}
		if (index == 1 && other)
			continue;
		page_row(page, NULL);
		page_cell(page, "name", NULL);
		say_name(page, prefix, item->string);
		value_cell(page, index == 0 ? item : other);
		value_cell(page, index == 0 ? other : item);
	}
}

static void context_table(struct page *page, const struct results *results)
{
	static const char *const headers[] = {"Field", "Conformance", "Bench"};
	const cJSON *contexts[2] = {results->conformance_context, results->bench_context};

	page_table(page, NULL, "ttt");
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		page_cell(page, NULL, NULL);
		page_say(page, "%s", headers[i]);
	}
	for (int i = 0; i < 2; i++)
		context_rows(page, contexts, i, "", contexts[i]);
	page_table_end(page);
}

/* The number under this name in the context or in its part `machine`; NaN if there is none. */
static double number_of(const cJSON *context, const char *name)
{
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine");
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(machine, name);

	if (!json_is_number(item))
		item = cJSON_GetObjectItemCaseSensitive(context, name);
	if (cJSON_IsArray(item))
		item = item->child;
	return json_is_number(item) ? item->valuedouble : NAN;
}

static void warn(struct page *page, size_t *count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void warn(struct page *page, size_t *count, const char *format, ...)
{
	struct text sentence = {0};
	va_list arguments;

	va_start(arguments, format);
	text_vformat(&sentence, format, arguments);
	va_end(arguments);
	page_paragraph(page, "warning");
	page_say(page, "%s", sentence.data);
	page_paragraph_end(page);
	text_free(&sentence);
	++*count;
}

static bool says(const cJSON *context, const char *name, const char *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(context, name);

	return cJSON_IsString(item) && strcmp(item->valuestring, value) == 0;
}

static void warn_of_build(struct page *page, const cJSON *context, size_t *count)
{
	const cJSON *sanitizer = cJSON_GetObjectItemCaseSensitive(context, "sanitizer");
	const cJSON *cells_cut = cJSON_GetObjectItemCaseSensitive(context, "cells_cut");
	double cut = cJSON_IsNumber(cells_cut) ? cells_cut->valuedouble : 0;

	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(context, "complete")))
		warn(page, count, "The bench was interrupted: repetitions are missing.");
	if (cut > 0)
		warn(page, count, "The time of the bench was over: %.0f cell%s not measured.", cut,
		     cut > 1 ? "s were" : " was");
	if (cJSON_IsString(sanitizer) && sanitizer->valuestring[0])
		warn(page, count, "Built with a sanitizer (%s): the times mean nothing.",
		     sanitizer->valuestring);
	if (says(context, "build_type", "Debug"))
		warn(page, count, "Built without optimization: the times mean little.");
	if (says(context, "scale", "tiny"))
		warn(page, count,
		     "Run at the scale 'tiny', which shows that the bench works; the "
		     "times mean little.");
}

/* The bench's own judgement of the run; NULL: it found nothing to say. */
static const char *judgement(const cJSON *context)
{
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine");
	const cJSON *noise = cJSON_GetObjectItemCaseSensitive(machine, "noise");

	if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(machine, "noisy")))
		return NULL;
	return cJSON_IsString(noise) ? noise->valuestring : "no reason given";
}

static void warn_of_noise(struct page *page, const cJSON *context, size_t *count)
{
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine");

	if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(machine, "noisy")))
		warn(page, count,
		     "It is not known whether the machine was quiet: the run was too short to "
		     "tell.");
	if (judgement(context))
		warn(page, count, "The machine was too noisy for a claim about times: %s.",
		     judgement(context));
}

void report_noise(struct page *page, const struct results *results)
{
	size_t count = 0;

	warn_of_noise(page, results->bench_context, &count);
}

/* Comparisons with what is not known (NaN) are false: no warning. */
static void noise(struct page *page, const struct results *results)
{
	const cJSON *context = results->bench_context;
	double load = number_of(context, "load_1min_before");
	double pressure = 100 * number_of(context, "pressure_cpu_before");
	double steal = 100 * number_of(context, "steal_ratio");
	double others = 100 * number_of(context, "others_ratio");
	double cpus = number_of(context, "allowed_cpus");
	size_t count = 0;

	page_heading(page, 3, "noise", "How quiet the machine was");
	warn_of_noise(page, context, &count);
	warn_of_build(page, context, &count);
	if (load > LOAD_LIMIT * cpus)
		warn(page, &count,
		     "The load average before the bench was %.2f on %.0f processors: other work "
		     "ran.",
		     load, cpus);
	if (pressure > PRESSURE_LIMIT)
		warn(page, &count,
		     "In %.0f %% of the 10 s before the bench something waited for a processor.",
		     pressure);
	if (others > OTHERS_LIMIT)
		warn(page, &count,
		     "Other programs took %.0f %% of the processors' time during the bench.",
		     others);
	if (steal > STEAL_LIMIT)
		warn(page, &count,
		     "The hypervisor took %.1f %% of the processors' time during the bench.",
		     steal);
	page_paragraph(page, "note");
	if (count == 0)
		page_say(page, "Nothing that was recorded speaks of disturbance. ");
	page_say(page,
		 "Every repetition is a point in the plots: trust a difference that is larger "
		 "than the spread of the points. Compare only what one machine measured in "
		 "one run.");
	page_paragraph_end(page);
}

void report_environment(struct page *page, const struct results *results)
{
	page_heading(page, 2, "environment", "Environment");
	if (results->bench_context)
		noise(page, results);
	if (!results->conformance_context && !results->bench_context) {
		page_paragraph(page, "note");
		page_say(page, "Nothing was run.");
		page_paragraph_end(page);
		return;
	}
	context_table(page, results);
}
