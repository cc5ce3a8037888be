/* SPDX-License-Identifier: MIT */
#include "page.h"
#include "style.h"

#include <string.h>

static bool is_html(const struct page *page)
{
	return page->format == PAGE_HTML;
}

static void add_escaped(struct page *page, const char *string)
{
	if (is_html(page))
		text_html(&page->out, string);
	else
		text_markdown(&page->out, string);
}

static void add_formatted(struct page *page, const char *format, va_list arguments)
{
	struct text plain = {0};

	text_vformat(&plain, format, arguments);
	add_escaped(page, plain.data);
	text_free(&plain);
}

/* Opens an element, with a class if kind is not NULL. HTML only. */
static void open_element(struct page *page, const char *name, const char *kind)
{
	text_format(&page->out, "<%s", name);
	if (kind)
		text_format(&page->out, " class=\"%s\"", kind);
	text_add(&page->out, ">");
}

static void add_colours(struct page *page)
{
	text_add(&page->out, ":root{color-scheme:light dark");
	for (const struct colour *colour = colours; colour->name; colour++)
		text_format(&page->out, ";--%s:#%06x", colour->name, colour->light);
	text_add(&page->out, "}\n@media(prefers-color-scheme:dark){:root{");
	for (const struct colour *colour = colours; colour->name; colour++)
		text_format(&page->out, "--%s:#%06x;", colour->name, colour->dark);
	text_add(&page->out, "}}\n");
}

void page_begin(struct page *page, const char *title, const char *const *contents)
{
	if (!is_html(page))
		return;
	text_add(&page->out,
		 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta name=\"viewport\" content=\"width=device-width\">\n"
		 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	text_html(&page->out, title);
	text_add(&page->out, "</title>\n<style>\n");
	add_colours(page);
	for (const char *const *rule = page_style; *rule; rule++)
		text_format(&page->out, "%s\n", *rule);
	text_add(&page->out, "</style>\n</head>\n<body>\n<nav>\n");
	for (; *contents; contents += 2) {
		text_format(&page->out, "<a href=\"#%s\">", contents[0]);
		text_html(&page->out, contents[1]);
		text_add(&page->out, "</a>\n");
	}
	text_add(&page->out, "</nav>\n<main>\n");
}

void page_end(struct page *page)
{
	if (is_html(page))
		text_add(&page->out, "</main>\n</body>\n</html>\n");
}

void page_heading(struct page *page, int level, const char *anchor, const char *format, ...)
{
	va_list arguments;

	if (is_html(page)) {
		text_format(&page->out, "<h%d", level);
		if (anchor)
			text_format(&page->out, " id=\"%s\"", anchor);
		text_add(&page->out, ">");
	} else {
		if (anchor)
			text_format(&page->out, "<a id=\"%s\"></a>\n\n", anchor);
		text_format(&page->out, "%.*s ", level, "######");
	}
	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
	if (is_html(page))
		text_format(&page->out, "</h%d>\n", level);
	else
		text_add(&page->out, "\n\n");
}

void page_paragraph(struct page *page, const char *kind)
{
	if (is_html(page))
		open_element(page, "p", kind);
}

void page_paragraph_end(struct page *page)
{
	text_add(&page->out, is_html(page) ? "</p>\n" : "\n\n");
}

void page_say(struct page *page, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
}

void page_strong(struct page *page, const char *format, ...)
{
	va_list arguments;

	text_add(&page->out, is_html(page) ? "<strong>" : "**");
	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
	text_add(&page->out, is_html(page) ? "</strong>" : "**");
}

void page_muted(struct page *page, const char *format, ...)
{
	va_list arguments;

	if (is_html(page))
		text_add(&page->out, "<span class=\"muted\">");
	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
	if (is_html(page))
		text_add(&page->out, "</span>");
}

/* Markdown's code spans know no escapes; <code> holds escaped text in both formats. */
void page_code(struct page *page, const char *string)
{
	text_add(&page->out, "<code>");
	add_escaped(page, string);
	text_add(&page->out, "</code>");
}

static void add_part(struct page *page, const char *start, size_t length, bool code)
{
	struct text part = {0};

	text_bytes(&part, start, length);
	if (code)
		page_code(page, part.data);
	else
		add_escaped(page, part.data);
	text_free(&part);
}

void page_prose(struct page *page, const char *string)
{
	while (*string) {
		const char *open = strchr(string, '`');
		const char *close = open ? strchr(open + 1, '`') : NULL;

		if (!close) {
			add_escaped(page, string);
			return;
		}
		add_part(page, string, (size_t)(open - string), false);
		add_part(page, open + 1, (size_t)(close - open - 1), true);
		string = close + 1;
	}
}

void page_link(struct page *page, const char *anchor, const char *format, ...)
{
	va_list arguments;

	if (is_html(page))
		text_format(&page->out, "<a href=\"#%s\">", anchor);
	else
		text_add(&page->out, "[");
	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
	if (is_html(page))
		text_add(&page->out, "</a>");
	else
		text_format(&page->out, "](#%s)", anchor);
}

void page_break(struct page *page)
{
	text_add(&page->out, "<br>");
}

void page_swatch(struct page *page, int colour)
{
	if (is_html(page))
		text_format(&page->out,
			    "<i class=\"swatch\" style=\"background:var(--series%d)\"></i>",
			    colour);
}

void page_list(struct page *page, const char *kind)
{
	if (is_html(page)) {
		open_element(page, "ul", kind);
		text_add(&page->out, "\n");
	}
}

void page_item(struct page *page, const char *kind)
{
	if (is_html(page))
		open_element(page, "li", kind);
	else
		text_add(&page->out, "- ");
}

void page_item_end(struct page *page)
{
	text_add(&page->out, is_html(page) ? "</li>\n" : "\n");
}

void page_list_end(struct page *page)
{
	text_add(&page->out, is_html(page) ? "</ul>\n" : "\n");
}

static char column_letter(const struct page *page)
{
	size_t count = strlen(page->columns);

	return page->column < (int)count ? page->columns[page->column] : 't';
}

static void end_cell(struct page *page)
{
	if (page->column > 0 && is_html(page))
		text_add(&page->out, page->header ? "</th>" : "</td>");
	else if (page->column > 0)
		text_add(&page->out, " |");
}

static void end_row(struct page *page)
{
	if (!page->row_open)
		return;
	end_cell(page);
	text_add(&page->out, is_html(page) ? "</tr>\n" : "\n");
	page->row_open = false;
}

/* Markdown wants the alignment of the columns under their headers. */
static void end_header(struct page *page)
{
	end_row(page);
	page->header = false;
	if (is_html(page)) {
		text_add(&page->out, "</thead>\n<tbody>\n");
		return;
	}
	text_add(&page->out, "|");
	for (const char *column = page->columns; *column; column++)
		text_add(&page->out, *column == 'n' ? "---:|" : "---|");
	text_add(&page->out, "\n");
}

static void begin_row(struct page *page, const char *kind)
{
	if (is_html(page))
		open_element(page, "tr", kind);
	else
		text_add(&page->out, "|");
	page->column = 0;
	page->row_open = true;
}

void page_table(struct page *page, const char *kind, const char *columns)
{
	page->columns = columns;
	page->header = true;
	if (is_html(page)) {
		text_add(&page->out, "<div class=\"scroll\">");
		open_element(page, "table", kind);
		text_add(&page->out, "\n<thead>\n");
	}
	begin_row(page, NULL);
}

void page_row(struct page *page, const char *kind)
{
	if (page->header)
		end_header(page);
	end_row(page);
	begin_row(page, kind);
}

void page_cell(struct page *page, const char *kind, const char *tip)
{
	char letter = column_letter(page);

	end_cell(page);
	page->column++;
	if (!is_html(page)) {
		text_add(&page->out, " ");
		return;
	}
	text_format(&page->out, "<%s class=\"%c%s%s\"", page->header ? "th" : "td", letter,
		    kind ? " " : "", kind ? kind : "");
	if (page->header)
		text_add(&page->out, " scope=\"col\"");
	if (tip) {
		text_add(&page->out, " title=\"");
		text_html(&page->out, tip);
		text_add(&page->out, "\"");
	}
	text_add(&page->out, ">");
}

void page_table_end(struct page *page)
{
	if (page->header)
		end_header(page);
	end_row(page);
	text_add(&page->out, is_html(page) ? "</tbody>\n</table></div>\n" : "\n");
}

void page_fold(struct page *page, bool open, const char *format, ...)
{
	va_list arguments;

	if (is_html(page))
		text_format(&page->out, "<details%s><summary>", open ? " open" : "");
	else
		text_add(&page->out, "**");
	va_start(arguments, format);
	add_formatted(page, format, arguments);
	va_end(arguments);
	text_add(&page->out, is_html(page) ? "</summary>\n" : "**\n\n");
}

void page_fold_end(struct page *page)
{
	if (is_html(page))
		text_add(&page->out, "</details>\n");
}

void page_figure(struct page *page, const char *svg, const char *file, const char *alternative)
{
	if (is_html(page)) {
		text_add(&page->out, "<figure role=\"img\" aria-label=\"");
		text_html(&page->out, alternative);
		text_format(&page->out, "\">\n%s</figure>\n", svg);
	} else {
		text_add(&page->out, "![");
		text_markdown(&page->out, alternative);
		text_format(&page->out, "](%s)\n\n", file);
	}
}
