/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "report.h"

#include <math.h>
#include <string.h>

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

static void warn(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(struct page *page, const char *format, ...)
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
}

static const char *string_of(const cJSON *context, const char *name)
{
	const char *string = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(context, name));

	return string ? string : "";
}

static double cells_cut(const cJSON *context)
{
	const cJSON *cut = cJSON_GetObjectItemCaseSensitive(context, "cells_cut");

	return json_is_number(cut) ? cut->valuedouble : 0;
}

static bool is_interrupted(const cJSON *context)
{
	return cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(context, "complete"));
}

static bool is_tiny(const cJSON *context)
{
	return strcmp(string_of(context, "scale"), "tiny") == 0;
}

/* What a reader has to know before any figure; in full in the section on the environment. */
static void say_restrictions(struct text *line, const cJSON *context)
{
	double cut = cells_cut(context);

	if (is_interrupted(context))
		text_add(line, "; interrupted");
	if (cut > 0)
		text_format(line, "; %.0f cell%s not measured", cut, cut > 1 ? "s" : "");
	if (string_of(context, "sanitizer")[0])
		text_format(line, "; sanitizer %s", string_of(context, "sanitizer"));
}

void report_head(struct page *page, const struct results *results)
{
	const cJSON *context =
		results->bench_context ? results->bench_context : results->conformance_context;
	const cJSON *cpus = cJSON_GetObjectItemCaseSensitive(context, "allowed_cpus");
	struct text line = {0};

	text_add(&line, string_of(context, "date"));
	if (string_of(context, "cpu_model")[0])
		text_format(&line, "; %s", string_of(context, "cpu_model"));
	if (json_is_number(cpus))
		text_format(&line, ", %.0f processor%s", cpus->valuedouble,
			    cpus->valuedouble == 1 ? "" : "s");
	if (string_of(context, "scale")[0])
		text_format(&line, "; scale %s%s", string_of(context, "scale"),
			    is_tiny(context) ? ": the times mean little" : "");
	say_restrictions(&line, context);
	if (line.length) {
		page_paragraph(page, "note");
		page_say(page, "%s.", line.data);
		page_paragraph_end(page);
	}
	text_free(&line);
}

static void warn_of_build(struct page *page, const cJSON *context)
{
	const char *sanitizer = string_of(context, "sanitizer");
	double cut = cells_cut(context);

	if (is_interrupted(context))
		warn(page, "The bench was interrupted: repetitions are missing.");
	if (cut > 0)
		warn(page, "The time of the bench was over: %.0f cell%s not measured.", cut,
		     cut > 1 ? "s were" : " was");
	if (sanitizer[0])
		warn(page, "Built with a sanitizer (%s): the times mean nothing.", sanitizer);
	if (strcmp(string_of(context, "build_type"), "Debug") == 0)
		warn(page, "Built without optimization: the times mean little.");
	if (is_tiny(context))
		warn(page, "Run at the scale 'tiny', which shows that the bench works; the "
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

static void warn_of_noise(struct page *page, const cJSON *context)
{
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine");

	if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(machine, "noisy")))
		warn(page,
		     "It is not known whether the machine was quiet: the run was too short to "
		     "tell.");
	if (judgement(context))
		warn(page, "The machine was too noisy for a claim about times: %s.",
		     judgement(context));
}

void report_noise(struct page *page, const struct results *results)
{
	warn_of_noise(page, results->bench_context);
}

/* The shares that the bench judges the machine by, and its judgement. */
static void say_judgement(struct page *page, const cJSON *context)
{
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine");
	const cJSON *others = cJSON_GetObjectItemCaseSensitive(machine, "others_ratio");
	const cJSON *steal = cJSON_GetObjectItemCaseSensitive(machine, "steal_ratio");
	bool quiet = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(machine, "noisy"));

	if (!json_is_number(others) || !json_is_number(steal))
		return;
	page_say(page,
		 "During the bench other programs took %.0f %% of the processors' time and the "
		 "hypervisor %.1f %%%s. ",
		 100 * others->valuedouble, 100 * steal->valuedouble,
		 quiet ? ": quiet enough" : "");
}

static void noise(struct page *page, const struct results *results)
{
	const cJSON *context = results->bench_context;

	page_heading(page, 3, "noise", "How quiet the machine was");
	warn_of_noise(page, context);
	warn_of_build(page, context);
	page_paragraph(page, "note");
	say_judgement(page, context);
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
