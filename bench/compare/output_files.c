/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

static void add_number(cJSON *object, const char *name, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(object, name, value);
	else
		cJSON_AddNullToObject(object, name);
}

static cJSON *describe_effect(const struct effect *effect)
{
	cJSON *object;

	if (!effect->known)
		return cJSON_CreateNull();
	object = cJSON_CreateObject();
	add_number(object, "ratio", effect->ratio);
	add_number(object, "low", effect->low);
	add_number(object, "high", effect->high);
	cJSON_AddNumberToObject(object, "rounds", (double)effect->count);
	return object;
}

static void add_values(cJSON *batch, const char *name, const struct values *values)
{
	cJSON *list = cJSON_AddArrayToObject(batch, name);

	for (size_t i = 0; i < values->count; i++)
		cJSON_AddItemToArray(list, isfinite(values->list[i])
						   ? cJSON_CreateNumber(values->list[i])
						   : cJSON_CreateNull());
}

static cJSON *describe(const struct figure *figure, const struct rules *rules)
{
	static const char *const names[ARMS] = {"base", "new", "new_again", "base_again"};
	cJSON *object = cJSON_CreateObject(), *batches;

	cJSON_AddStringToObject(object, "workload", figure->workload);
	cJSON_AddStringToObject(object, "backend", figure->backend);
	cJSON_AddNumberToObject(object, "workers", figure->workers);
	cJSON_AddStringToObject(object, "state", state_names[figure->state]);
	cJSON_AddStringToObject(object, "message", figure->message);
	if (!figure->metric)
		return object;
	cJSON_AddStringToObject(object, "metric", figure->metric);
	cJSON_AddStringToObject(object, "unit", figure->unit ? figure->unit : "");
	if (figure->kind != KINDS) {
		cJSON_AddStringToObject(object, "kind", kinds[figure->kind].name);
		cJSON_AddNumberToObject(object, "threshold", rules->thresholds[figure->kind]);
	}
	cJSON_AddItemToObject(object, "effect", describe_effect(&figure->effect));
	cJSON_AddItemToObject(object, "base_to_itself", describe_effect(&figure->control));
	batches = cJSON_AddArrayToObject(object, "batches");
	for (int batch = 0; batch < BATCHES && figure->arms[batch][ARM_BASE].count; batch++) {
		cJSON *values = cJSON_CreateObject();

		for (int arm = 0; arm < ARMS; arm++)
			add_values(values, names[arm], &figure->arms[batch][arm]);
		cJSON_AddItemToArray(batches, values);
	}
	return object;
}

static void add_copy(cJSON *object, const char *name, const cJSON *item)
{
	cJSON_AddItemToObject(object, name,
			      item ? cJSON_Duplicate(item, true) : cJSON_CreateNull());
}

static cJSON *describe_environment(const struct environment *environment)
{
	cJSON *object = cJSON_CreateObject();

	add_copy(object, "base", environment->contexts[0]);
	add_copy(object, "new", environment->contexts[1]);
	add_copy(object, "machine", environment->machine);
	cJSON_AddNumberToObject(object, "samples_judged", (double)environment->judged);
	cJSON_AddNumberToObject(object, "samples_noisy", (double)environment->noisy);
	cJSON_AddStringToObject(object, "forced", environment->forced ? environment->forced : "");
	return object;
}

void output_json(struct text *text, const struct account *account)
{
	cJSON *document = cJSON_CreateObject(), *list;
	char *sentence = verdict_explain(account->figures, account->verdict), *printed;

	cJSON_AddStringToObject(document, "format", "assay-compare/1");
	cJSON_AddStringToObject(document, "base", account->base);
	cJSON_AddStringToObject(document, "new", account->changed);
	cJSON_AddBoolToObject(document, "interleaved", account->figures->interleaved);
	cJSON_AddStringToObject(document, "verdict", verdict_name(account->verdict));
	cJSON_AddStringToObject(document, "message", sentence);
	cJSON_AddNumberToObject(document, "level", account->rules->level);
	cJSON_AddItemToObject(document, "environment",
			      describe_environment(&account->figures->environment));
	list = cJSON_AddArrayToObject(document, "figures");
	for (size_t i = 0; i < account->figures->count; i++)
		cJSON_AddItemToArray(list, describe(&account->figures->list[i], account->rules));
	printed = cJSON_Print(document);
	text_add(text, printed ? printed : "");
	text_add(text, "\n");
	cJSON_free(printed);
	cJSON_Delete(document);
	free(sentence);
}

static void add_case(struct text *text, const struct figure *figure)
{
	static const char *const elements[STATES] = {
		[STATE_REGRESSED] = "failure", [STATE_UNSTABLE] = "skipped",
		[STATE_NOISY] = "skipped",     [STATE_UNSUPPORTED] = "skipped",
		[STATE_ADDED] = "skipped",     [STATE_MISSING] = "error",
		[STATE_FAILED] = "error",
	};
	const char *element = elements[figure->state];
	struct text name = {0};

	output_name(&name, figure);
	text_add(text, "\t\t<testcase classname=\"assay.compare\" name=\"");
	text_html(text, name.data);
	text_free(&name);
	if (!element) {
		text_add(text, "\"/>\n");
		return;
	}
	text_format(text, "\">\n\t\t\t<%s message=\"%s", element, state_names[figure->state]);
	if (figure->effect.known) {
		text_add(text, ", ");
		output_change(text, figure->effect.ratio);
	}
	text_add(text, ": ");
	text_html(text, figure->message);
	text_add(text, "\"/>\n\t\t</testcase>\n");
}

/* What keeps the gate from a verdict is no figure, and has to be red. */
static void add_trouble(struct text *text, const char *sentence)
{
	text_add(text, "\t\t<testcase classname=\"assay.compare\" name=\"comparison\">\n"
		       "\t\t\t<error message=\"");
	text_html(text, sentence);
	text_add(text, "\"/>\n\t\t</testcase>\n");
}

void output_junit(struct text *text, const struct account *account)
{
	const struct figures *figures = account->figures;
	size_t errors = figures_in(figures, STATE_MISSING) + figures_in(figures, STATE_FAILED);
	size_t skipped = figures_in(figures, STATE_UNSTABLE) + figures_in(figures, STATE_NOISY) +
			 figures_in(figures, STATE_UNSUPPORTED) + figures_in(figures, STATE_ADDED);
	bool in_trouble = account->verdict == VERDICT_ERROR && !errors;
	char *sentence = verdict_explain(figures, account->verdict);

	text_format(text,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		    "\t<testsuite name=\"assay compare\" tests=\"%zu\" failures=\"%zu\" "
		    "errors=\"%zu\" skipped=\"%zu\">\n",
		    figures->count + in_trouble, figures_in(figures, STATE_REGRESSED),
		    errors + in_trouble, skipped);
	for (size_t i = 0; i < figures->count; i++)
		add_case(text, &figures->list[i]);
	if (in_trouble)
		add_trouble(text, sentence);
	text_add(text, "\t</testsuite>\n</testsuites>\n");
	free(sentence);
}
