/* SPDX-License-Identifier: MIT */
/*
 * A page that is written once and comes out as HTML or as Markdown. All text is escaped here, so
 * no caller can forget it. Formats are like printf's.
 */
#ifndef PAGE_H
#define PAGE_H

#include "text.h"

#include <stdbool.h>

enum page_format { PAGE_HTML, PAGE_MARKDOWN };

struct page {
	struct text out;
	enum page_format format;
	const char *columns; /* of the table being written */
	int column;          /* the next cell's */
	bool header;         /* the table's header cells are being written */
	bool row_open;
};

/* The frame: style sheet, title. Contents are the entries of the navigation: anchor, text, NULL. */
void page_begin(struct page *page, const char *title, const char *const *contents);
void page_end(struct page *page);

/* anchor: a slug, or NULL. Levels from 1. */
void page_heading(struct page *page, int level, const char *anchor, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* kind: a class of the style sheet, or NULL. */
void page_paragraph(struct page *page, const char *kind);
void page_paragraph_end(struct page *page);

/* Inside paragraphs, list items and cells. */
void page_say(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_strong(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_muted(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_code(struct page *page, const char *string);
/* Text in which what stands between backticks is code. */
void page_prose(struct page *page, const char *string);
void page_link(struct page *page, const char *anchor, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void page_break(struct page *page);
/* A dot in the colour of a backend; its name stands beside it. */
void page_swatch(struct page *page, int colour);

void page_list(struct page *page, const char *kind);
void page_item(struct page *page, const char *kind);
void page_item_end(struct page *page);
void page_list_end(struct page *page);

/*
 * A table: page_table, a page_cell for each column's header, then page_row and its cells, again and
 * again. columns has a letter for each column: 'n' numeric, 't' text, 'v' verdict; it must live as
 * long as the table is written.
 */
void page_table(struct page *page, const char *kind, const char *columns);
void page_row(struct page *page, const char *kind);
/* Begins a cell. tip: what a pointer over the cell shows, HTML only; may be NULL. */
void page_cell(struct page *page, const char *kind, const char *tip);
void page_table_end(struct page *page);

/* What can be folded away, open at first or not; Markdown shows it all. */
void page_fold(struct page *page, bool open, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void page_fold_end(struct page *page);

/* svg: for HTML, trusted, as plot.h made it; file: for Markdown, relative to the page. */
void page_figure(struct page *page, const char *svg, const char *file, const char *alternative);

#endif
