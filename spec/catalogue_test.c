/* SPDX-License-Identifier: MIT */
/* The reader of chapters, on good and on malformed text. */
#include "catalogue.h"

#include <stdio.h>
#include <string.h>

static int wrong;

#define EXPECT(condition)                                                                          \
	((condition) ? (void)0                                                                     \
		     : (void)(wrong++, fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, \
					       #condition)))

/* A chapter of one clause, in parts that a case can replace. */
#define TITLE "# Chapter\n\nAbout it.\n\n"
#define HEADING "### AB-1  A title\n"
#define STATEMENT "**MUST.** It works.\n\n"
#define INTENT "Intent: to work.\n"
#define SOURCE "Source: Somebody.\n"
#define STRENGTH "Strength: D. Profile: any.\n"
#define TESTS "Tests: ab_1_one,\n  ab_1_two\n"

static struct catalogue parse(const char *text)
{
	struct chapter chapter = {"chapter", "chapter.md", text, strlen(text)};
	struct catalogue catalogue = {0};

	catalogue_parse(&catalogue, &chapter);
	return catalogue;
}

static void expect_problem(const char *text, int line, const char *part)
{
	struct catalogue catalogue = parse(text);
	bool found = false;

	for (size_t i = 0; i < catalogue.problem_count; i++)
		found |= strstr(catalogue.problems[i].message, part) &&
			 catalogue.problems[i].line == line;
	if (!found || catalogue.problem_count != 1) {
		fprintf(stderr, "expected one problem, line %d: ...%s...; saw %zu\n", line, part,
			catalogue.problem_count);
		for (size_t i = 0; i < catalogue.problem_count; i++)
			fprintf(stderr, "    %d: %s\n", catalogue.problems[i].line,
				catalogue.problems[i].message);
		wrong++;
	}
	catalogue_free(&catalogue);
}

static void check_good(void)
{
	struct catalogue catalogue =
		parse(TITLE "### AB-CD-12  A title: with `code`\n"
			    "**SHOULD.** It works\nin two lines.\n\nAnd more.\n\n"
			    "Intent: to work,\n  at last.\n" SOURCE
			    "Strength: T. Profile: threads. Needs: FIFO, ASYNCHRONOUS.\n"
			    "Choice: the first.\n"
			    "Tests: `ab_1_one`,\n  ab_1_two.\n\n"
			    "## A group\n\ntext\n\n"
			    "### EF-2  Other\n**MAY.** Or not.\n\n" INTENT SOURCE
			    "Strength: X\nProfile: future\nNeeds: FIFO\nUntested: nobody can.");
	const struct clause *clause = catalogue.clauses;

	EXPECT(catalogue.problem_count == 0);
	EXPECT(catalogue.count == 2);
	if (catalogue.count != 2)
		return;
	EXPECT(strcmp(clause->id, "AB-CD-12") == 0 && clause->line == 5);
	EXPECT(strcmp(clause->title, "A title: with `code`") == 0);
	EXPECT(strcmp(clause->level, "SHOULD") == 0);
	EXPECT(strcmp(clause->statement, "It works in two lines. And more.") == 0);
	EXPECT(strcmp(clause->intent, "to work, at last.") == 0);
	EXPECT(strcmp(clause->source, "Somebody.") == 0);
	EXPECT(strcmp(clause->strength, "T") == 0 && strcmp(clause->profile, "threads") == 0);
	EXPECT(clause->needs == (UINT64_C(1) << capability_bit("FIFO") |
				 UINT64_C(1) << capability_bit("ASYNCHRONOUS")));
	EXPECT(strcmp(clause->choice, "the first.") == 0);
	EXPECT(clause->test_count == 2 && strcmp(clause->tests[0], "ab_1_one") == 0 &&
	       strcmp(clause->tests[1], "ab_1_two") == 0 && !clause->tests[2]);
	EXPECT(!clause->untested);
	clause++;
	EXPECT(strcmp(clause->level, "MAY") == 0 && clause->test_count == 0 && !clause->choice);
	EXPECT(strcmp(clause->untested, "nobody can.") == 0);
	EXPECT(strcmp(clause->profile, "future") == 0);
	EXPECT(catalogue_index(&catalogue, "EF-2") == 1);
	EXPECT(catalogue_index(&catalogue, "EF-3") == 2);
	catalogue_free(&catalogue);
}

static void check_malformed(void)
{
	static const char rest[] = STATEMENT INTENT SOURCE STRENGTH TESTS;
	char text[1024];

	expect_problem("No title\n" HEADING STATEMENT INTENT SOURCE STRENGTH TESTS, 1,
		       "begins with '# Title'");
	expect_problem(TITLE, 1, "no clause");
	expect_problem(TITLE HEADING INTENT SOURCE STRENGTH TESTS, 5, "statement");
	expect_problem(TITLE HEADING "It works.\n\n" INTENT SOURCE STRENGTH TESTS, 5, "**MUST.**");
	expect_problem(TITLE HEADING STATEMENT SOURCE STRENGTH TESTS, 5, "no Intent");
	expect_problem(TITLE HEADING STATEMENT INTENT STRENGTH TESTS, 5, "no Source");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE "Profile: any\n" TESTS, 5,
		       "no Strength");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE "Strength: D\n" TESTS, 5,
		       "no Profile");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE "Strength: Q. Profile: any.\n" TESTS,
		       5, "not 'Q'");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE "Strength: D. Profile: cats.\n" TESTS,
		       5, "not 'cats'");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE STRENGTH "Needs: WINGS\n" TESTS, 5,
		       "'WINGS'");
	expect_problem(TITLE HEADING STATEMENT INTENT INTENT SOURCE STRENGTH TESTS, 9,
		       "second Intent");
	expect_problem(TITLE HEADING STATEMENT INTENT SOURCE STRENGTH TESTS "\nstray\n", 14,
		       "belongs to no field");
	snprintf(text, sizeof text, TITLE HEADING "%s\n" HEADING "%s", rest, rest);
	expect_problem(text, 14, "exists already: chapter.md:5");
	snprintf(text, sizeof text, TITLE HEADING "%s\n### ab-2  Lower case\n", rest);
	expect_problem(text, 14, "two spaces");
	snprintf(text, sizeof text, TITLE HEADING "%s\n### AB-2 One space\n", rest);
	expect_problem(text, 14, "two spaces");
	snprintf(text, sizeof text, TITLE HEADING "%s\n### AB-2\n", rest);
	expect_problem(text, 14, "two spaces");
}

/* Every prefix of a chapter is read without harm, and repeated breaks are found each time. */
static void check_cut(void)
{
	static const char text[] = TITLE HEADING STATEMENT INTENT SOURCE STRENGTH TESTS;

	for (size_t size = 0; size < sizeof text; size++) {
		struct chapter chapter = {"cut", "cut.md", text, size};
		struct catalogue catalogue = {0};

		catalogue_parse(&catalogue, &chapter);
		EXPECT(catalogue.count <= 1);
		catalogue_free(&catalogue);
	}
}

static void check_names(void)
{
	const char *names[] = {"thread_per_task", "inline", "mutex_queue"};

	nearest_first("mutexqueue", names, 3);
	EXPECT(strcmp(names[0], "mutex_queue") == 0);
	nearest_first("in_line", names, 3);
	EXPECT(strcmp(names[0], "inline") == 0);
	nearest_first("", names, 0);
	EXPECT(capability_bit("SHARED_MEMORY") == 0);
	EXPECT(capability_bit("shared_memory") == -1);
	EXPECT(!capability_name(64));
}

int main(void)
{
	check_good();
	check_malformed();
	check_cut();
	check_names();
	printf("%d wrong\n", wrong);
	return wrong > 0;
}
