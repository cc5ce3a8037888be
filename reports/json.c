/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A full run of all backends has some 25,000 records: 10 MiB and 400,000 values. A value takes 80
 * bytes of memory, be it two in the file, so that both are limited.
 */
#define FILE_LIMIT ((size_t)64 << 20)
#define VALUES_LIMIT ((size_t)4000000)

static void say(const char *message)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, message);
}

static void (*take_refusal)(const char *message) = say;

void json_refusals_to(void (*take)(const char *message))
{
	take_refusal = take;
}

int json_refuse(const struct place *place, const char *format, ...)
{
	struct text message = {0}, shown = {0};
	va_list arguments;

	text_format(&message, "'%s': ", place->path);
	if (place->array)
		text_format(&message, "%s[%zu]: ", place->array, place->index);
	va_start(arguments, format);
	text_vformat(&message, format, arguments);
	va_end(arguments);
	/* The file may hold what a terminal obeys. */
	text_line(&shown, message.data);
	take_refusal(shown.data);
	text_free(&message);
	text_free(&shown);
	return -1;
}

/* At least as many as there are: what stands in strings is counted as well. */
static size_t values_in(const char *text)
{
	size_t count = 1;

	for (text = strpbrk(text, ",[{"); text; text = strpbrk(text + 1, ",[{"))
		count++;
	return count;
}

static int read_stream(const struct place *place, FILE *file, struct text *text)
{
	char block[65536];
	size_t length;
	struct stat status;

	if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode))
		return json_refuse(place, "is a directory; expected a file of results");
	text_add(text, "");
	while ((length = fread(block, 1, sizeof block, file)) > 0) {
		text_bytes(text, block, length);
		if (text->length > FILE_LIMIT)
			return json_refuse(place, "is larger than %zu MiB", FILE_LIMIT >> 20);
	}
	if (ferror(file))
		return json_refuse(place, "cannot be read: %s", strerror(errno));
	if (text->length == 0)
		return json_refuse(place, "is empty; expected a JSON object");
	if (strlen(text->data) != text->length)
		return json_refuse(place, "is no JSON: it contains a zero byte");
	if (values_in(text->data) > VALUES_LIMIT)
		return json_refuse(place, "has more than %zu values", VALUES_LIMIT);
	return 0;
}

static bool short_of_memory;

static void *take_memory(size_t size)
{
	void *memory = malloc(size);

	short_of_memory |= !memory;
	return memory;
}

static void refuse_syntax(const struct place *place, const char *text, size_t offset)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset; i++) {
		line += text[i] == '\n';
		column = text[i] == '\n' ? 1 : column + 1;
	}
	json_refuse(place, "is no JSON (or nested too deeply) at line %zu, column %zu", line,
		    column);
}

static cJSON *parse(const struct place *place, const char *text, const char *format)
{
	cJSON_Hooks hooks = {take_memory, free};
	const char *end = NULL;
	const cJSON *value;
	cJSON *tree;

	/* The parser does not tell a lack of memory from a mistake in the file. */
	short_of_memory = false;
	cJSON_InitHooks(&hooks);
	tree = cJSON_ParseWithOpts(text, &end, true);
	cJSON_InitHooks(NULL);
	value = cJSON_GetObjectItemCaseSensitive(tree, "format");
	if (!tree && short_of_memory)
		json_refuse(place, "out of memory");
	else if (!tree)
		refuse_syntax(place, text, end ? (size_t)(end - text) : 0);
	else if (!cJSON_IsObject(tree))
		json_refuse(place, "expected a JSON object with \"format\": \"%s\"", format);
	else if (!cJSON_IsString(value))
		json_refuse(place, "has no \"format\"; expected \"%s\"", format);
	else if (strcmp(value->valuestring, format) != 0)
		json_refuse(place, "has the format \"%.60s\"; expected \"%s\"", value->valuestring,
			    format);
	else
		return tree;
	cJSON_Delete(tree);
	return NULL;
}

cJSON *json_read(const char *path, const char *format)
{
	const struct place place = {.path = path};
	struct text text = {0};
	cJSON *tree = NULL;
	FILE *file = fopen(path, "re");

	if (!file)
		json_refuse(&place, "cannot be opened: %s; expected a file of format \"%s\"",
			    strerror(errno), format);
	else if (read_stream(&place, file, &text) == 0)
		tree = parse(&place, text.data, format);
	if (file)
		fclose(file);
	text_free(&text);
	return tree;
}

int json_array(const struct place *place, const cJSON *object, const char *name,
	       const cJSON **value)
{
	const cJSON *item;
	struct place inside = {place->path, name, 0};

	*value = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!cJSON_IsArray(*value))
		return json_refuse(place, "expected an array \"%s\"", name);
	cJSON_ArrayForEach(item, *value)
	{
		if (!cJSON_IsObject(item))
			return json_refuse(&inside, "expected an object");
		inside.index++;
	}
	return 0;
}

int json_string(const struct place *place, const cJSON *object, const char *name, bool optional,
		const char **value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	*value = NULL;
	if (cJSON_IsString(item) && item->valuestring[0])
		*value = item->valuestring;
	else if (!optional)
		return json_refuse(place, "expected a string \"%s\" that is not empty", name);
	else if (item && !cJSON_IsNull(item) && !cJSON_IsString(item))
		return json_refuse(place, "expected a string or null as \"%s\"", name);
	return 0;
}

bool json_is_number(const cJSON *item)
{
	return cJSON_IsNumber(item) && isfinite(item->valuedouble);
}

int json_integer(const struct place *place, const cJSON *object, const char *name, double least,
		 double most, double *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!json_is_number(item) || item->valuedouble < least || item->valuedouble > most ||
	    item->valuedouble != floor(item->valuedouble))
		return json_refuse(place, "expected a whole number from %.0f to %.0f as \"%s\"",
				   least, most, name);
	*value = item->valuedouble;
	return 0;
}
