/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"
#define SLUG_LIMIT 60

static void out_of_memory(void)
{
	fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
	exit(2);
}

void *reallocate(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count ? count : 1, size);

	if (!memory)
		out_of_memory();
	return memory;
}

void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		out_of_memory();
	return memory;
}

void text_bytes(struct text *text, const char *bytes, size_t length)
{
	if (length >= SIZE_MAX / 4 - text->length)
		out_of_memory();
	if (text->length + length + 1 > text->capacity) {
		text->capacity = 2 * (text->length + length) + 64;
		text->data = reallocate(text->data, text->capacity, 1);
	}
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
	text_bytes(text, string, strlen(string));
}

void text_vformat(struct text *text, const char *format, va_list arguments)
{
	char *string;
	int length = vasprintf(&string, format, arguments);

	if (length < 0)
		out_of_memory();
	text_bytes(text, string, (size_t)length);
	free(string);
}

void text_format(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, format, arguments);
	va_end(arguments);
}

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xC2 && first < 0xE0)
		return 2;
	if (first >= 0xE0 && first < 0xF0)
		return 3;
	return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

/* Overlong forms, surrogates, beyond Unicode. */
static bool well_formed(uint32_t code, size_t length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	return code >= least[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static bool presentable(uint32_t code)
{
	bool control =
		(code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
	bool direction = (code >= 0x200E && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
			 (code >= 0x2066 && code <= 0x2069);

	return !control && !direction && (code & 0xFFFE) != 0xFFFE;
}

/*
 * The character at the start of a string that is not empty: its bytes, their count in *length, and
 * how many bytes of the string it stands for.
 */
static size_t next_character(const char *string, const char **bytes, size_t *length)
{
	size_t expected = sequence_length((unsigned char)*string);
	uint32_t code = (unsigned char)*string;

	*bytes = REPLACEMENT;
	*length = strlen(REPLACEMENT);
	if (expected == 0)
		return 1;
	if (expected > 1)
		code &= 0x7FU >> expected;
	for (size_t i = 1; i < expected; i++) {
		if (((unsigned char)string[i] & 0xC0) != 0x80)
			return 1;
		code = code << 6 | ((unsigned char)string[i] & 0x3F);
	}
	if (well_formed(code, expected) && presentable(code)) {
		*bytes = string;
		*length = expected;
	}
	return expected;
}

void text_html(struct text *text, const char *string)
{
	while (*string) {
		const char *bytes;
		size_t length, consumed = next_character(string, &bytes, &length);

		switch (*bytes) {
		case '&':
			text_add(text, "&amp;");
			break;
		case '<':
			text_add(text, "&lt;");
			break;
		case '>':
			text_add(text, "&gt;");
			break;
		case '"':
			text_add(text, "&quot;");
			break;
		case '\'':
			text_add(text, "&#39;");
			break;
		default:
			text_bytes(text, bytes, length);
		}
		string += consumed;
	}
}

void text_markdown(struct text *text, const char *string)
{
	while (*string) {
		const char *bytes;
		size_t length, consumed = next_character(string, &bytes, &length);

		if (*bytes == '<') {
			text_add(text, "&lt;");
		} else if (*bytes == '&') {
			text_add(text, "&amp;");
		} else if (*bytes == '\n' || *bytes == '\t') {
			text_add(text, " ");
		} else {
			if (strchr("\\`*_[]>|#~!$", *bytes))
				text_add(text, "\\");
			text_bytes(text, bytes, length);
		}
		string += consumed;
	}
}

void text_line(struct text *text, const char *string)
{
	while (*string) {
		const char *bytes;
		size_t length, consumed = next_character(string, &bytes, &length);

		if (*bytes == '\n' || *bytes == '\t')
			text_add(text, " ");
		else
			text_bytes(text, bytes, length);
		string += consumed;
	}
}

void text_field(struct text *text, const char *string, size_t limit)
{
	for (size_t count = 0; *string; count++) {
		const char *bytes;
		size_t length, consumed = next_character(string, &bytes, &length);

		if (count + 1 == limit && string[consumed]) {
			text_add(text, "…");
			return;
		}
		if (*bytes == '"')
			text_add(text, "”");
		else if (*bytes == '\\')
			text_add(text, "∖");
		else if (*bytes == '\n' || *bytes == '\t')
			text_add(text, " ");
		else
			text_bytes(text, bytes, length);
		string += consumed;
	}
}

void text_slug(struct text *text, const char *string)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char kept[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

	for (size_t i = 0; string[i] && i < SLUG_LIMIT; i++) {
		const char *capital = strchr(upper, string[i]);
		char byte = capital ? kept[capital - upper] : string[i];

		text_bytes(text, strchr(kept, byte) ? &byte : "-", 1);
	}
}
