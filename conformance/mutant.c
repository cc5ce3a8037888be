/* SPDX-License-Identifier: MIT */
/* The judge is judged: a wrong backend must fall to the tests of each clause that it breaks. */
#include "conform.h"
#include "catalogue.h"
#include "output.h"
#include "record.h"
#include "suite.h"

#include <assay/load.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTANT_DEADLINE_MS 2000

struct backend_file *mutants_find(size_t *count)
{
	char backends[PATH_MAX + 16], directory[PATH_MAX + 32];
	struct backend_file *mutants;

	assay_backend_directory(backends, sizeof backends);
	snprintf(directory, sizeof directory, "%s-mutants", backends);
	mutants = backends_in(directory, count);
	if (*count > 0)
		return mutants;
	fprintf(stderr,
		"assay-conform: there is no mutant in '%s': mutants exist in a build tree "
		"only\n",
		directory);
	backends_free(mutants);
	return NULL;
}

/* The path of a mutant; NULL after a message that lists what there is. */
static char *find_mutant(const char *name)
{
	size_t count;
	struct backend_file *mutants = mutants_find(&count);
	const char **names;
	char *path = NULL;

	if (!mutants)
		return NULL;
	names = calloc(count + 1, sizeof *names);
	for (size_t i = 0; i < count && names && !path; i++) {
		names[i] = mutants[i].name;
		if (strcmp(name, names[i]) == 0)
			path = strdup(mutants[i].path);
	}
	if (!path && names) {
		nearest_first(name, names, count);
		fprintf(stderr, "assay-conform: there is no mutant '%s'; known are:", name);
		for (size_t i = 0; i < count; i++)
			fprintf(stderr, " %s", names[i]);
		fputc('\n', stderr);
	}
	free(names);
	backends_free(mutants);
	return path;
}

/* True: a test of the clause did not pass on the mutant. */
static bool is_killed_by(struct campaign *campaign, const char *clause, FILE *said)
{
	struct selection selection = {.clauses = clause};
	bool is_killed = false;

	campaign->tests = suite_select(&selection, &campaign->count);
	if (!campaign->tests) {
		fprintf(said, "%s survives: clause %s has no test\n", campaign->facts.name, clause);
		return false;
	}
	campaign_run(campaign, NULL, NULL);
	for (size_t i = 0; i < campaign->count; i++) {
		const struct result *result = &campaign->results[i];

		if (result->verdict == VERDICT_PASS || result->verdict == VERDICT_UNSUPPORTED ||
		    result->verdict == VERDICT_UNRESOLVED)
			continue;
		is_killed = true;
		fprintf(said, "%s is killed by %s [%s]: %s: %.*s\n", campaign->facts.name,
			campaign->tests[i]->name, clause, verdict_name(result->verdict),
			(int)strcspn(result->message, "\n"), result->message);
	}
	if (!is_killed)
		fprintf(said, "%s survives: every test of clause %s passes or does not apply\n",
			campaign->facts.name, clause);
	campaign_reset(campaign);
	return is_killed;
}

int command_mutant(int argc, char **argv)
{
	struct campaign campaign = {.workers = 2, .jobs = 1, .deadline_ms = MUTANT_DEADLINE_MS};
	char message[2048], clauses[sizeof campaign.facts.mutant_clauses], *rest = NULL, *path;
	bool is_killed = true;
	size_t size;
	char *text = NULL;
	FILE *said;
	int code = EXIT_CANNOT;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "assay-conform: mutant takes the name of one mutant\n");
		return refuse_usage();
	}
	path = find_mutant(argv[1]);
	if (!path)
		return EXIT_CANNOT;
	campaign.path = path;
	if (!runner_describe(path, NULL, &campaign.facts, message, sizeof message)) {
		fprintf(stderr, "assay-conform: %s\n", message);
		free(path);
		return EXIT_CANNOT;
	}
	snprintf(campaign.facts.name, sizeof campaign.facts.name, "%s", argv[1]);
	memcpy(clauses, campaign.facts.mutant_clauses, sizeof clauses);
	if (!clauses[0]) {
		fprintf(stderr, "assay-conform: '%s' exports no assay_mutant with clauses\n", path);
		free(path);
		return EXIT_CANNOT;
	}
	said = open_memstream(&text, &size);
	if (!said) {
		fprintf(stderr, "assay-conform: no memory for what is said\n");
		free(path);
		return EXIT_CANNOT;
	}
	fprintf(said, "%s: %s\n", argv[1], campaign.facts.mutant_what);
	for (char *id = strtok_r(clauses, ", ", &rest); id; id = strtok_r(NULL, ", ", &rest))
		is_killed &= is_killed_by(&campaign, id, said);
	if (fclose(said) == 0 && record_write(NULL, text) == 0)
		code = is_killed ? EXIT_GOOD : EXIT_SHORT;
	free(text);
	free(path);
	return code;
}
