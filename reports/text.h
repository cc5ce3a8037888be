/* SPDX-License-Identifier: MIT */
/*
 * Text that grows, and the escapes of the languages that a report is written in. What comes from a
 * file of results reaches a report through these escapes alone.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stddef.h>

struct text {
	char *data; /* always terminated, once something was added */
	size_t length;
	size_t capacity;
};

/* Without memory there is no report: these end the program with exit code 2 after a message. */
void *allocate(size_t count, size_t size);
void *reallocate(void *old, size_t count, size_t size);

void text_bytes(struct text *text, const char *bytes, size_t length);
void text_add(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vformat(struct text *text, const char *format, va_list arguments);
void text_free(struct text *text);

/*
 * In all of them: bytes that are no UTF-8, control characters and those that turn the direction of
 * writing become U+FFFD.
 */

/* For element content and for quoted attributes. */
void text_html(struct text *text, const char *string);

/* One line of Markdown, in a table cell too: line ends become spaces. */
void text_markdown(struct text *text, const char *string);

/* One line for a terminal: line ends become spaces. */
void text_line(struct text *text, const char *string);

/*
 * One field of a tab-separated data file of gnuplot, cut after `limit` characters. Quotes and
 * backslashes mean something to gnuplot there and become look-alikes.
 */
void text_field(struct text *text, const char *string, size_t limit);

/* Lower-case letters, digits, '-' and '_' for anchors and file names; the rest becomes '-'. */
void text_slug(struct text *text, const char *string);

#endif
