/* SPDX-License-Identifier: MIT */
/* The results as JSON records; the fields are documented with the formats of the reports. */
#include "output.h"
#include "catalogue.h"

#include <record.h>

#include <stdlib.h>

static cJSON *capabilities(uint64_t set)
{
	cJSON *names = cJSON_CreateArray();

	for (unsigned bit = 0; capability_name(bit); bit++)
		if (set & UINT64_C(1) << bit)
			cJSON_AddItemToArray(names, cJSON_CreateString(capability_name(bit)));
	return names;
}

static cJSON *backend_record(const struct campaign *campaign)
{
	struct tally tally = tally_of(campaign);
	cJSON *record = cJSON_CreateObject();
	cJSON *summary;

	cJSON_AddStringToObject(record, "backend", campaign->facts.name);
	cJSON_AddStringToObject(record, "summary", campaign->facts.summary);
	cJSON_AddItemToObject(record, "capabilities", capabilities(campaign->facts.capabilities));
	cJSON_AddNumberToObject(record, "lookahead", campaign->facts.lookahead);
	cJSON_AddNumberToObject(record, "argument_limit_bytes",
				(double)campaign->facts.argument_limit);
	cJSON_AddNumberToObject(record, "result_limit_bytes", (double)campaign->facts.result_limit);
	summary = cJSON_AddObjectToObject(record, "verdicts");
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		cJSON_AddNumberToObject(summary, verdict_name(verdict),
					(double)tally.verdicts[verdict]);
	cJSON_AddNumberToObject(record, "tests", (double)campaign->count);
	cJSON_AddNumberToObject(record, "clauses", (double)tally.clauses);
	cJSON_AddNumberToObject(record, "untested_clauses", (double)tally.untested_clauses);
	cJSON_AddNumberToObject(record, "duration_ns", (double)tally.duration_ns);
	return record;
}

/* What a test wrote may be any bytes, but JSON is text. */
static void add_text(cJSON *record, const char *key, const char *text)
{
	char clean[sizeof(((struct result *)NULL)->output)];
	size_t length = 0;

	for (; text[length] && length + 1 < sizeof clean; length++)
		clean[length] = (text[length] & 0x80) ? '?' : text[length];
	clean[length] = '\0';
	cJSON_AddStringToObject(record, key, clean);
}

static cJSON *result_record(const struct campaign *campaign, size_t i)
{
	const struct test *test = campaign->tests[i];
	const struct result *result = &campaign->results[i];
	cJSON *record = cJSON_CreateObject();

	cJSON_AddStringToObject(record, "backend", campaign->facts.name);
	cJSON_AddStringToObject(record, "clause", test->clause);
	cJSON_AddStringToObject(record, "test", test->name);
	cJSON_AddStringToObject(record, "file", test->file);
	cJSON_AddNumberToObject(record, "line", test->line);
	cJSON_AddStringToObject(record, "verdict", verdict_name(result->verdict));
	cJSON_AddNumberToObject(record, "duration_ns", (double)result->duration_ns);
	add_text(record, "message", result->message);
	add_text(record, "note", result->note);
	add_text(record, "output", result->output);
	cJSON_AddNumberToObject(record, "rounds", test->rounds);
	cJSON_AddNumberToObject(record, "workers", campaign->workers);
	add_text(record, "options", campaign->options ? campaign->options : "");
	return record;
}

void output_json(FILE *out, const struct campaign *campaigns, size_t count)
{
	cJSON *root = cJSON_CreateObject(), *backends, *results;
	char *text;

	cJSON_AddStringToObject(root, "format", "assay-conformance/1");
	cJSON_AddItemToObject(root, "context", record_context("assay-conform"));
	backends = cJSON_AddArrayToObject(root, "backends");
	results = cJSON_AddArrayToObject(root, "results");
	for (size_t c = 0; c < count; c++) {
		cJSON_AddItemToArray(backends, backend_record(&campaigns[c]));
		for (size_t i = 0; i < campaigns[c].count; i++)
			cJSON_AddItemToArray(results, result_record(&campaigns[c], i));
	}
	text = cJSON_Print(root);
	if (!text) {
		fprintf(stderr, "assay-conform: out of memory for the results\n");
		exit(2);
	}
	fprintf(out, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(root);
}
