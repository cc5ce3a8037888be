/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <assay/executor.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	fprintf(stderr, "assay: out of memory for the catalogue\n");
	exit(2);
}

static void *must(void *memory)
{
	if (!memory)
		out_of_memory();
	return memory;
}

const char *capability_name(unsigned bit)
{
	switch (bit) {
#define CAPABILITY_NAME(name, number, sentence) \
	case number:                            \
		return #name;
		ASSAY_CAPABILITIES(CAPABILITY_NAME)
#undef CAPABILITY_NAME
	default:
		return NULL;
	}
}

int capability_bit(const char *name)
{
	for (unsigned bit = 0; capability_name(bit); bit++)
		if (strcmp(capability_name(bit), name) == 0)
			return (int)bit;
	return -1;
}

/* Where in which chapter the parser is. */
struct parser {
	struct catalogue *catalogue;
	const struct chapter *chapter;
	int line;
	struct clause *clause; /* being read; NULL between clauses */
	char **field;          /* that a continuation line belongs to; NULL: none */
	char *needs;
	char *tests;
};

static void complain(struct parser *parser, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void complain(struct parser *parser, int line, const char *format, ...)
{
	struct catalogue *catalogue = parser->catalogue;
	struct problem *problem;
	va_list arguments;

	catalogue->problems = must(reallocarray(catalogue->problems, catalogue->problem_count + 1,
						sizeof *catalogue->problems));
	problem = &catalogue->problems[catalogue->problem_count++];
	problem->file = parser->chapter->file;
	problem->line = line;
	va_start(arguments, format);
	if (vasprintf(&problem->message, format, arguments) < 0)
		out_of_memory();
	va_end(arguments);
}

static void strip(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
}

static void strip_full_stop(char *text)
{
	size_t length;

	strip(text);
	length = strlen(text);
	if (length > 0 && text[length - 1] == '.')
		text[length - 1] = '\0';
}

/* Joins wrapped lines with single spaces. */
static void append(char **field, const char *text)
{
	char *joined;

	while (isspace((unsigned char)*text))
		text++;
	if (asprintf(&joined, "%s%s%s", *field ? *field : "", *field && **field ? " " : "", text) <
	    0)
		out_of_memory();
	strip(joined);
	free(*field);
	*field = joined;
}

/* Calls for each item of a comma-separated list, which it cuts up. */
static void each_item(char *list, void (*use)(struct parser *, char *), struct parser *parser)
{
	char *rest = NULL;

	for (char *item = strtok_r(list, ", \t`", &rest); item;
	     item = strtok_r(NULL, ", \t`", &rest))
		use(parser, item);
}

static void add_need(struct parser *parser, char *name)
{
	int bit = capability_bit(name);

	if (bit < 0)
		complain(parser, parser->clause->line,
			 "clause %s: Needs names no capability of executor.h: '%s'",
			 parser->clause->id, name);
	else
		parser->clause->needs |= UINT64_C(1) << bit;
}

static void add_test(struct parser *parser, char *name)
{
	struct clause *clause = parser->clause;

	clause->tests =
		must(reallocarray(clause->tests, clause->test_count + 2, sizeof *clause->tests));
	clause->tests[clause->test_count++] = must(strdup(name));
	clause->tests[clause->test_count] = NULL;
}

static void require_one_of(struct parser *parser, const char *what, const char *value,
			   const char *const *allowed, const char *listed)
{
	for (; *allowed; allowed++)
		if (strcmp(value, *allowed) == 0)
			return;
	complain(parser, parser->clause->line, "clause %s: %s is one of %s, not '%s'",
		 parser->clause->id, what, listed, value);
}

static void require(struct parser *parser, char **field, const char *name)
{
	if (!*field || !**field)
		complain(parser, parser->clause->line, "clause %s has no %s", parser->clause->id,
			 name);
	if (!*field)
		*field = must(strdup(""));
}

/* **MUST.** and so on at the start of the statement. */
static void take_level(struct parser *parser, struct clause *clause)
{
	static const char *const levels[] = {"MUST", "SHOULD", "MAY"};
	char marker[16];

	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		int length = snprintf(marker, sizeof marker, "**%s.** ", levels[i]);

		if (strncmp(clause->statement, marker, (size_t)length) == 0) {
			clause->level = must(strdup(levels[i]));
			memmove(clause->statement, clause->statement + length,
				strlen(clause->statement + length) + 1);
			return;
		}
	}
	clause->level = must(strdup(""));
	if (!*clause->statement)
		return;
	complain(parser, clause->line,
		 "clause %s: its statement begins with **MUST.**, **SHOULD.** or **MAY.**",
		 clause->id);
}

static void finish_clause(struct parser *parser)
{
	static const char *const strengths[] = {"D", "T", "I", "A", "X", NULL};
	static const char *const profiles[] = {"any", "threads", "processes", "future", NULL};
	struct clause *clause = parser->clause;

	if (!clause)
		return;
	require(parser, &clause->statement, "statement");
	take_level(parser, clause);
	require(parser, &clause->intent, "Intent");
	require(parser, &clause->source, "Source");
	require(parser, &clause->strength, "Strength");
	require(parser, &clause->profile, "Profile");
	strip_full_stop(clause->strength);
	strip_full_stop(clause->profile);
	if (*clause->strength)
		require_one_of(parser, "Strength", clause->strength, strengths, "D, T, I, A, X");
	if (*clause->profile)
		require_one_of(parser, "Profile", clause->profile, profiles,
			       "any, threads, processes, future");
	if (parser->needs) {
		strip_full_stop(parser->needs);
		each_item(parser->needs, add_need, parser);
	}
	if (parser->tests) {
		strip_full_stop(parser->tests);
		each_item(parser->tests, add_test, parser);
	}
	free(parser->needs);
	free(parser->tests);
	parser->needs = parser->tests = NULL;
	parser->clause = NULL;
	parser->field = NULL;
}

static bool is_id(const char *id, size_t length)
{
	bool has_hyphen = false;

	for (size_t i = 0; i < length; i++) {
		has_hyphen |= id[i] == '-';
		if (!isupper((unsigned char)id[i]) && !isdigit((unsigned char)id[i]) &&
		    id[i] != '-')
			return false;
	}
	return has_hyphen && isupper((unsigned char)id[0]);
}

static void start_clause(struct parser *parser, const char *heading)
{
	struct catalogue *catalogue = parser->catalogue;
	size_t length = strcspn(heading, " "), known;
	const char *title = heading + length;
	struct clause *clause;

	if (!is_id(heading, length) || strncmp(title, "  ", 2) != 0 || !title[2] ||
	    title[2] == ' ') {
		complain(parser, parser->line,
			 "a clause begins with '### ID  Title' (two spaces), not '### %.60s'",
			 heading);
		return;
	}
	catalogue->clauses = must(
		reallocarray(catalogue->clauses, catalogue->count + 1, sizeof *catalogue->clauses));
	clause = &catalogue->clauses[catalogue->count];
	memset(clause, 0, sizeof *clause);
	clause->id = must(strndup(heading, length));
	clause->title = must(strdup(title + 2));
	strip(clause->title);
	clause->chapter = parser->chapter->name;
	clause->file = parser->chapter->file;
	clause->line = parser->line;
	known = catalogue_index(catalogue, clause->id);
	if (known < catalogue->count)
		complain(parser, parser->line, "clause %s exists already: %s:%d", clause->id,
			 catalogue->clauses[known].file, catalogue->clauses[known].line);
	catalogue->count++;
	parser->clause = clause;
	parser->field = NULL;
}

/* The field that a name stands for; NULL if none. */
static char **field_of(struct parser *parser, const char *name, size_t length)
{
	struct clause *clause = parser->clause;
	const struct {
		const char *name;
		char **field;
	} fields[] = {
		{"Intent", &clause->intent},     {"Source", &clause->source},
		{"Strength", &clause->strength}, {"Profile", &clause->profile},
		{"Choice", &clause->choice},     {"Needs", &parser->needs},
		{"Tests", &parser->tests},       {"Untested", &clause->untested},
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (strlen(fields[i].name) == length && strncmp(fields[i].name, name, length) == 0)
			return fields[i].field;
	return NULL;
}

/* `Strength: D. Profile: any.` share a line: the short fields may follow one another. */
static char *next_short_field(char *text)
{
	static const char *const names[] = {" Strength: ", " Profile: ", " Needs: "};
	char *first = NULL;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *found = strstr(text, names[i]);

		if (found && (!first || found < first))
			first = found;
	}
	return first;
}

/* True: the line begins a field. */
static bool read_field(struct parser *parser, char *line)
{
	size_t length = strcspn(line, ": ");
	char **field = line[length] == ':' ? field_of(parser, line, length) : NULL;
	char *next = NULL;

	if (!field)
		return false;
	if (*field)
		complain(parser, parser->line, "clause %s: a second %.*s", parser->clause->id,
			 (int)length, line);
	if (field == &parser->clause->strength || field == &parser->clause->profile)
		next = next_short_field(line + length);
	if (next)
		*next = '\0';
	append(field, line + length + 1);
	parser->field = field;
	return next ? read_field(parser, next + 1) : true;
}

static void read_line(struct parser *parser, char *line)
{
	struct clause *clause = parser->clause;

	strip(line);
	if (line[0] == '#') {
		finish_clause(parser);
		if (strncmp(line, "### ", 4) == 0)
			start_clause(parser, line + 4);
	} else if (!clause) {
		return; /* text about the chapter */
	} else if (!*line) {
		/* Further paragraphs before the first field belong to the statement. */
		if (parser->field != &clause->statement)
			parser->field = NULL;
	} else if (!read_field(parser, line)) {
		if (!parser->field && !clause->statement)
			parser->field = &clause->statement;
		if (parser->field)
			append(parser->field, line);
		else
			complain(parser, parser->line,
				 "clause %s: a line that belongs to no field: '%.60s'", clause->id,
				 line);
	}
}

void catalogue_parse(struct catalogue *catalogue, const struct chapter *chapter)
{
	struct parser parser = {.catalogue = catalogue, .chapter = chapter};
	char *text = must(strndup(chapter->text, chapter->size)), *rest = text;
	size_t before = catalogue->count;

	if (strncmp(text, "# ", 2) != 0)
		complain(&parser, 1, "a chapter begins with '# Title'");
	while (rest) {
		parser.line++;
		read_line(&parser, strsep(&rest, "\n"));
	}
	finish_clause(&parser);
	if (catalogue->count == before)
		complain(&parser, 1, "the chapter has no clause");
	free(text);
}

size_t catalogue_index(const struct catalogue *catalogue, const char *id)
{
	size_t i = 0;

	while (i < catalogue->count && strcmp(catalogue->clauses[i].id, id) != 0)
		i++;
	return i;
}

const struct catalogue *catalogue_load(void)
{
	static struct catalogue catalogue;
	static bool is_loaded;
	size_t count;
	const struct chapter *chapters = catalogue_chapters(&count);

	for (size_t i = 0; i < count && !is_loaded; i++)
		catalogue_parse(&catalogue, &chapters[i]);
	is_loaded = true;
	return &catalogue;
}

static void free_clause(struct clause *clause)
{
	for (size_t i = 0; i < clause->test_count; i++)
		free(clause->tests[i]);
	free(clause->tests);
	free(clause->id);
	free(clause->title);
	free(clause->level);
	free(clause->statement);
	free(clause->intent);
	free(clause->source);
	free(clause->strength);
	free(clause->profile);
	free(clause->choice);
	free(clause->untested);
}

void catalogue_free(struct catalogue *catalogue)
{
	for (size_t i = 0; i < catalogue->count; i++)
		free_clause(&catalogue->clauses[i]);
	for (size_t i = 0; i < catalogue->problem_count; i++)
		free(catalogue->problems[i].message);
	free(catalogue->clauses);
	free(catalogue->problems);
	memset(catalogue, 0, sizeof *catalogue);
}
