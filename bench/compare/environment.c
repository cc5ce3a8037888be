/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include "complaint.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const char *const sides[2] = {"BASE", "NEW"};

void environment_free(struct environment *environment)
{
	cJSON_Delete(environment->contexts[0]);
	cJSON_Delete(environment->contexts[1]);
	cJSON_Delete(environment->machine);
	free(environment->forced);
	*environment = (struct environment){.machine = NULL};
}

static const cJSON *field(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* NULL without one. */
static const char *string(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(field(object, name));
}

void environment_take(struct environment *environment, int side, const cJSON *context)
{
	const cJSON *machine = field(context, "machine");

	environment->judged += cJSON_IsNumber(field(machine, "others_ratio")) != 0;
	environment->noisy += cJSON_IsTrue(field(machine, "noisy")) != 0;
	if (!environment->contexts[side])
		environment->contexts[side] = cJSON_Duplicate(context, true);
}

/* Where both were measured in one run, an older bench may not know all of it. */
static void add_differences(struct text *text, const cJSON *base, const cJSON *changed, bool apart)
{
	static const char *const names[] = {
		"cpu_model",      "allowed_cpus", "cgroup_cpu_quota_cpus",
		"governor",       "architecture", "kernel",
		"libc",           "allocator",    "compiler",
		"compiler_flags", "build_type",   "sanitizer",
		"scale"};
	const char *before = "BASE and NEW differ in ";

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const cJSON *a = field(base, names[i]), *b = field(changed, names[i]);

		if (a && b ? cJSON_Compare(a, b, true) : a == b || !apart)
			continue;
		text_format(text, "%s%s", before, names[i]);
		before = ", ";
	}
}

/* The last level counts. Unknown flags are no reason. */
static bool is_optimised(const char *flags)
{
	const char *level = "1";

	for (const char *next = flags; next && (next = strstr(next, "-O")); next += 2)
		level = next + 2;
	return !flags || (strstr(flags, "-O") && *level != '0');
}

static void add_unfit(struct text *text, const char *side, const cJSON *context)
{
	const char *sanitizer = string(context, "sanitizer");
	const char *between = text->length ? "; " : "";

	if (sanitizer && *sanitizer)
		text_format(text, "%s%s is built with a sanitizer (%s)", between, side, sanitizer);
	else if (!is_optimised(string(context, "compiler_flags")))
		text_format(text, "%s%s is built without optimisation", between, side);
}

int environment_check(struct environment *environment, bool apart, bool force)
{
	struct text text = {0};
	int failed = 0;

	environment->checked = true;
	add_differences(&text, environment->contexts[0], environment->contexts[1], apart);
	for (int side = 0; side < 2; side++)
		add_unfit(&text, sides[side], environment->contexts[side]);
	if (text.length && !force)
		failed = complain("%s; --force compares them anyway", text.data);
	if (text.length && force)
		environment->forced = text.data;
	else
		text_free(&text);
	return failed;
}

static bool says_noisy(const cJSON *context)
{
	return cJSON_IsTrue(field(field(context, "machine"), "noisy"));
}

bool environment_is_noisy(const struct environment *environment)
{
	return says_noisy(environment->contexts[0]) || says_noisy(environment->contexts[1]);
}

static void add_noise(struct text *text, const char *when, const cJSON *machine)
{
	const char *noise = string(machine, "noise");

	if (noise && *noise)
		text_format(text, "%snoisy%s: %s", text->length ? "; " : "", when, noise);
}

void environment_describe(const struct environment *environment, struct text *text)
{
	const cJSON *context = environment->contexts[0];
	const cJSON *processors = field(context, "allowed_cpus");
	const char *model = string(context, "cpu_model");

	if (cJSON_IsNumber(processors) && model)
		text_format(text, "%.0f x %s", processors->valuedouble, model);
	if (environment->machine) {
		add_noise(text, "", environment->machine);
		if (environment->judged)
			text_format(text, "%s%zu of %zu samples that could tell were noisy",
				    text->length ? "; " : "", environment->noisy,
				    environment->judged);
	} else {
		for (int side = 0; side < 2; side++)
			add_noise(text, side ? " in NEW" : " in BASE",
				  field(environment->contexts[side], "machine"));
	}
	if (environment->forced)
		text_format(text, "%s--force: %s", text->length ? "; " : "", environment->forced);
}
