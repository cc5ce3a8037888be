/* SPDX-License-Identifier: MIT */
/* The escapes: nothing that a file of results holds leaves its place in a page. */
#include "page.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *seen, const char *expected, const char *what)
{
	if (strcmp(seen ? seen : "", expected) != 0) {
		fprintf(stderr, "%s: expected <%s>, saw <%s>\n", what, expected, seen);
		failures++;
	}
}

static void check_escape(void (*escape)(struct text *, const char *), const char *string,
			 const char *expected)
{
	struct text text = {0};

	escape(&text, string);
	check(text.data, expected, string);
	text_free(&text);
}

static void field(struct text *text, const char *string)
{
	text_field(text, string, 5);
}

static void test_escapes(void)
{
	check_escape(text_html, "<a href=\"x\" b='&'>",
		     "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;");
	check_escape(text_html, "\x80\xC0\xAF\xED\xA0\x80",
		     "���"
		     "�");
	check_escape(text_html, "\xF5\xE2\x82", "���");
	check_escape(text_html, "a\x1B[31mb\x7F", "a�[31mb�");
	check_escape(text_html, "\xE2\x80\xAE", "�");
	check_escape(text_html, "µ → 𝄞", "µ → 𝄞");
	check_escape(text_markdown, "a|b\nc`d_e<f>[g]", "a\\|b c\\`d\\_e&lt;f\\>\\[g\\]");
	check_escape(field, "a\tb\"c", "a b”c");
	check_escape(field, "\\`$#x", "∖`$#x");
	check_escape(field, "123456", "1234…");
	check_escape(field, "µµµµµ", "µµµµµ");
	check_escape(text_slug, "../Ab c_1\"", "---ab-c_1-");
}

static void check_value(double value, const char *unit, const char *expected)
{
	char string[VALUE_SIZE];

	value_format(string, value, unit);
	check(string, expected, "value");
}

static void test_values(void)
{
	check_value(0, "ns", "0.00 ns");
	check_value(999.4, "ns", "999 ns");
	check_value(999.7, "ns", "1.00 µs");
	check_value(12345678, "ns", "12.3 ms");
	check_value(126, "us", "126 µs");
	check_value(2041, "us", "2.04 ms");
	check_value(0.5, "s", "0.5 s");
	check_value(1536, "bytes", "1.50 KiB");
	check_value(1.256, "ratio", "1.26");
	check_value(5, "widgets", "5 widgets");
	check_value(1e30, "ns", "1e+21 s");
}

static void check_prose(enum page_format format, const char *string, const char *expected)
{
	struct page page = {.format = format};

	page_prose(&page, string);
	check(page.out.data, expected, "prose");
	text_free(&page.out);
}

static void test_prose(void)
{
	check_prose(PAGE_HTML, "a `b<c` d", "a <code>b&lt;c</code> d");
	check_prose(PAGE_HTML, "`b``c`", "<code>b</code><code>c</code>");
	check_prose(PAGE_HTML, "one ` alone", "one ` alone");
	check_prose(PAGE_MARKDOWN, "`a_b`", "<code>a\\_b</code>");
}

static void test_table(void)
{
	struct page page = {.format = PAGE_MARKDOWN};

	page_table(&page, NULL, "tn");
	page_cell(&page, NULL, NULL);
	page_say(&page, "%s", "a|b");
	page_cell(&page, NULL, NULL);
	page_say(&page, "c");
	page_row(&page, NULL);
	page_cell(&page, NULL, "tip");
	page_code(&page, "`x`");
	page_cell(&page, NULL, NULL);
	page_table_end(&page);
	check(page.out.data, "| a\\|b | c |\n|---|---:|\n| <code>\\`x\\`</code> |  |\n\n", "table");
	text_free(&page.out);
}

int main(void)
{
	test_escapes();
	test_values();
	test_prose();
	test_table();
	return failures ? 1 : 0;
}
