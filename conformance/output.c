/* SPDX-License-Identifier: MIT */
#include "output.h"
#include "catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tally tally_of(const struct campaign *campaign)
{
	const struct catalogue *catalogue = catalogue_load();
	struct tally tally = {.clauses = catalogue->count};

	for (size_t i = 0; i < campaign->count; i++) {
		tally.verdicts[campaign->results[i].verdict]++;
		tally.duration_ns += campaign->results[i].duration_ns;
	}
	for (size_t i = 0; i < catalogue->count; i++)
		tally.untested_clauses += catalogue->clauses[i].test_count == 0;
	return tally;
}

size_t tally_failed(const struct tally *tally)
{
	size_t failed = 0;

	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		if (verdict != VERDICT_PASS && verdict != VERDICT_UNSUPPORTED)
			failed += tally->verdicts[verdict];
	return failed;
}

/* As record_write() begins. -1 with errno. */
static int try_to_replace(const char *file)
{
	char *temporary;
	int descriptor;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return -1;
	descriptor = mkostemp(temporary, O_CLOEXEC);
	if (descriptor >= 0) {
		unlink(temporary);
		close(descriptor);
	}
	free(temporary);
	return descriptor < 0 ? -1 : 0;
}

/* Like record_write(): a symbolic link leads to the file, a device is written to as it is. -1 with
 * errno. */
static int try_to_write(const char *file)
{
	struct stat status;
	char *resolved;
	int error;

	if (lstat(file, &status) < 0 && errno == ENOENT && *file)
		return try_to_replace(file);
	resolved = realpath(file, NULL);
	if (!resolved)
		return -1;
	error = stat(resolved, &status);
	if (!error && S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		error = -1;
	} else if (!error) {
		error = S_ISREG(status.st_mode) ? try_to_replace(resolved) : access(resolved, W_OK);
	}
	free(resolved);
	return error;
}

bool output_can_be_written(const char *file)
{
	if (!file || strcmp(file, "-") == 0 || try_to_write(file) == 0)
		return true;
	fprintf(stderr, "assay-conform: cannot write '%s': %s; expected the name of a file\n", file,
		strerror(errno));
	return false;
}

static bool is_failure(const struct result *result)
{
	return result->verdict != VERDICT_PASS && result->verdict != VERDICT_UNSUPPORTED;
}

/* Every line of text after a prefix. */
static void print_lines(FILE *out, const char *prefix, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		fprintf(out, "%s%.*s\n", prefix, (int)length, text);
		text += length + (text[length] == '\n');
	}
}

static void print_failure(FILE *out, const struct campaign *campaign, size_t i)
{
	const struct test *test = campaign->tests[i];
	const struct result *result = &campaign->results[i];
	const struct catalogue *catalogue = catalogue_load();
	size_t place = catalogue_index(catalogue, test->clause);

	fprintf(out, "\n%s: %s [%s] %s\n", verdict_name(result->verdict), test->name, test->clause,
		place < catalogue->count ? catalogue->clauses[place].title : "");
	print_lines(out, "    ", result->message);
	fprintf(out, "    test at %s:%d\n", test->file, test->line);
	if (result->note[0])
		fprintf(out, "    note: %s\n", result->note);
	if (result->output[0]) {
		fputs("    output:\n", out);
		print_lines(out, "    | ", result->output);
	}
}

size_t count_tested(const struct campaign *campaigns, size_t count)
{
	size_t tested = 0;

	for (size_t c = 0; c < count; c++)
		tested +=
			campaigns[c].count - tally_of(&campaigns[c]).verdicts[VERDICT_UNSUPPORTED];
	return tested;
}

static void print_summary(FILE *out, size_t passed, size_t failed, size_t unsupported)
{
	if (passed + failed == 0) {
		fprintf(out, "nothing was tested: all %zu tests are unsupported\n", unsupported);
		return;
	}
	fprintf(out, "%zu passed, %zu failed", passed, failed);
	if (unsupported)
		fprintf(out, ", %zu unsupported", unsupported);
	fputc('\n', out);
}

void output_text(FILE *out, const struct campaign *campaigns, size_t count)
{
	size_t passed = 0, failed = 0, unsupported = 0;

	for (size_t c = 0; c < count; c++) {
		const struct campaign *campaign = &campaigns[c];
		struct tally tally = tally_of(campaign);

		fprintf(out, "%s", campaign->facts.name);
		if (campaign->options)
			fprintf(out, " (%s)", campaign->options);
		fprintf(out, ": %zu tests", campaign->count);
		for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
			if (tally.verdicts[verdict] || verdict == VERDICT_PASS)
				fprintf(out, ", %zu %s", tally.verdicts[verdict],
					verdict_name(verdict));
		if (!campaign->is_filtered)
			fprintf(out, "; %zu of %zu clauses untested", tally.untested_clauses,
				tally.clauses);
		fprintf(out, "; %.1f s\n", (double)tally.duration_ns / 1e9);
		for (size_t i = 0; i < campaign->count; i++)
			if (is_failure(&campaign->results[i]))
				print_failure(out, campaign, i);
		if (tally_failed(&tally))
			fputc('\n', out);
		passed += tally.verdicts[VERDICT_PASS];
		failed += tally_failed(&tally);
		unsupported += tally.verdicts[VERDICT_UNSUPPORTED];
	}
	print_summary(out, passed, failed, unsupported);
}

static void output_tap(FILE *out, const struct campaign *campaigns, size_t count)
{
	size_t total = 0, number = 0;

	for (size_t c = 0; c < count; c++)
		total += campaigns[c].count;
	fprintf(out, "TAP version 13\n1..%zu\n", total);
	for (size_t c = 0; c < count; c++)
		for (size_t i = 0; i < campaigns[c].count; i++) {
			const struct test *test = campaigns[c].tests[i];
			const struct result *result = &campaigns[c].results[i];

			fprintf(out, "%sok %zu - %s %s %s", is_failure(result) ? "not " : "",
				++number, campaigns[c].facts.name, test->clause, test->name);
			if (result->verdict == VERDICT_UNSUPPORTED)
				fprintf(out, " # SKIP %s", result->message);
			fputc('\n', out);
			if (!is_failure(result))
				continue;
			fprintf(out, "# %s: %s:%d\n", verdict_name(result->verdict), test->file,
				test->line);
			print_lines(out, "# ", result->message);
			print_lines(out, "# | ", result->output);
		}
}

/* XML 1.0 has no place for control characters, and not every byte is UTF-8. */
static void print_xml(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '&')
			fputs("&amp;", out);
		else if (*c == '<')
			fputs("&lt;", out);
		else if (*c == '>')
			fputs("&gt;", out);
		else if (*c == '"')
			fputs("&quot;", out);
		else if (*c == '\n')
			fputs("&#10;", out);
		else
			fputc(*c < 0x20 || *c > 0x7e ? '?' : *c, out);
	}
}

static void print_junit_case(FILE *out, const struct campaign *campaign, size_t i)
{
	const struct test *test = campaign->tests[i];
	const struct result *result = &campaign->results[i];

	fprintf(out,
		"    <testcase classname=\"%s.%s\" name=\"%s\" file=\"%s\" line=\"%d\" "
		"time=\"%.6f\"",
		campaign->facts.name, test->clause, test->name, test->file, test->line,
		(double)result->duration_ns / 1e9);
	if (result->verdict == VERDICT_PASS) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s",
		result->verdict == VERDICT_UNSUPPORTED ? "skipped"
		: result->verdict == VERDICT_FAIL      ? "failure"
						       : "error");
	if (is_failure(result))
		fprintf(out, " type=\"%s\"", verdict_name(result->verdict));
	fputs(" message=\"", out);
	print_xml(out, result->message);
	fputs("\"/>\n", out);
	if (result->output[0]) {
		fputs("      <system-out>", out);
		print_xml(out, result->output);
		fputs("</system-out>\n", out);
	}
	fputs("    </testcase>\n", out);
}

static void output_junit(FILE *out, const struct campaign *campaigns, size_t count)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"assay\">\n", out);
	for (size_t c = 0; c < count; c++) {
		struct tally tally = tally_of(&campaigns[c]);
		size_t failures = tally.verdicts[VERDICT_FAIL];

		fprintf(out,
			"  <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
			"skipped=\"%zu\" time=\"%.6f\">\n",
			campaigns[c].facts.name, campaigns[c].count, failures,
			tally_failed(&tally) - failures, tally.verdicts[VERDICT_UNSUPPORTED],
			(double)tally.duration_ns / 1e9);
		for (size_t i = 0; i < campaigns[c].count; i++)
			print_junit_case(out, &campaigns[c], i);
		fputs("  </testsuite>\n", out);
	}
	fputs("</testsuites>\n", out);
}

const char *format_of_file(const char *file)
{
	static const struct {
		const char *ending;
		const char *format;
	} endings[] = {{".json", "json"}, {".xml", "junit"}, {".tap", "tap"}};
	const char *ending = file ? strrchr(file, '.') : NULL;

	for (size_t i = 0; ending && i < sizeof endings / sizeof *endings; i++)
		if (strcmp(ending, endings[i].ending) == 0)
			return endings[i].format;
	return "text";
}

output_format *output_named(const char *name)
{
	static const struct {
		const char *name;
		output_format *format;
	} formats[] = {
		{"text", output_text},
		{"json", output_json},
		{"junit", output_junit},
		{"tap", output_tap},
	};

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	return NULL;
}
