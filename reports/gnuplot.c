/* SPDX-License-Identifier: MIT */
#include "gnuplot.h"

#include "interrupt.h"
#include "record.h"
#include "style.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_LIMIT 60
#define PNG_SCALE 2
#define PNG_FONT_SCALE 1.5 /* points, not pixels as in SVG */

struct files {
	struct text data, script, errors, svg, png;
};

static void name_files(struct files *files, const char *directory, const char *name)
{
	text_format(&files->data, "%s/%s.data", directory, name);
	text_format(&files->script, "%s/%s.gnuplot", directory, name);
	text_format(&files->errors, "%s/%s.errors", directory, name);
	text_format(&files->svg, "%s/%s.svg", directory, name);
	text_format(&files->png, "%s/%s.png", directory, name);
}

static void forget_files(struct files *files, bool keep_pictures)
{
	unlink(files->data.data);
	unlink(files->script.data);
	unlink(files->errors.data);
	if (!keep_pictures) {
		unlink(files->svg.data);
		unlink(files->png.data);
	}
	text_free(&files->data);
	text_free(&files->script);
	text_free(&files->errors);
	text_free(&files->svg);
	text_free(&files->png);
}

/* In the child: nothing but async-signal-safe calls, then gnuplot. script is inside directory. */
static void become_gnuplot(const char *directory, const char *script, const char *errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int error = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (null < 0 || error < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0 || chdir(directory) < 0)
		_exit(126);
	alarm(SECONDS_LIMIT);
	/* -d: no start-up files, the pictures are the same for everyone. */
	execlp("gnuplot", "gnuplot", "-d", script, (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int read_file(const char *path, struct text *text)
{
	FILE *file = fopen(path, "re");
	char block[16384];
	size_t length;
	int failed = !file;

	while (file && (length = fread(block, 1, sizeof block, file)) > 0)
		text_bytes(text, block, length);
	if (file) {
		failed = ferror(file);
		fclose(file);
	}
	return failed || text->length == 0 ? -1 : 0;
}

static void explain(int status, const char *errors, struct text *reason)
{
	struct text said = {0};
	char *line = NULL;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		text_add(reason, "gnuplot is not installed (Debian package gnuplot-nox)");
		return;
	}
	if (read_file(errors, &said) == 0)
		for (line = strtok(said.data, "\n"); line && !strstr(line, "line ");)
			line = strtok(NULL, "\n");
	if (WIFSIGNALED(status))
		text_format(reason, "gnuplot was ended by signal %d", WTERMSIG(status));
	else
		text_format(reason, "gnuplot failed: %.200s", line ? line : "no message");
	text_free(&said);
}

static int run(const char *directory, const struct files *files, struct text *reason)
{
	int status;
	pid_t child;

	if (interrupt_came()) {
		text_add(reason, "interrupted");
		return -1;
	}
	child = fork();
	if (child == 0)
		become_gnuplot(directory, files->script.data + strlen(directory) + 1,
			       files->errors.data);
	if (child < 0) {
		text_format(reason, "cannot start gnuplot: %s", strerror(errno));
		return -1;
	}
	status = interrupt_wait(child);
	if (status == -1) {
		text_format(reason, "cannot wait for gnuplot: %s", strerror(errno));
		return -1;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	explain(status, files->errors.data, reason);
	return -1;
}

/* The same drawing twice; a pixel of the PNG is half a unit of the SVG. */
static void add_terminals(struct text *whole, const char *name, int width, int height,
			  const struct text *script)
{
	text_format(whole,
		    "set encoding utf8\nset datafile separator \"\\t\"\n"
		    "set datafile commentschars ''\n"
		    "set term svg size %d,%d dynamic noenhanced "
		    "font 'system-ui,DejaVu Sans,sans-serif,13' background rgb '#%06x'\n"
		    "set output '%s.svg'\n",
		    width, height, colour_of("background", -1), name);
	text_add(whole, script->data);
	text_format(whole,
		    "set term pngcairo size %d,%d noenhanced font 'DejaVu Sans,13' "
		    "fontscale %g linewidth %d pointscale %d background rgb '#%06x'\n"
		    "set output '%s.png'\n",
		    width * PNG_SCALE, height * PNG_SCALE, PNG_FONT_SCALE, PNG_SCALE, PNG_SCALE,
		    colour_of("background", -1), name);
	text_add(whole, script->data);
	text_add(whole, "set output\n");
}

static int write_inputs(const struct files *files, const struct text *data,
			const struct text *whole)
{
	if (record_write(files->data.data, data->data ? data->data : ""))
		return -1;
	return record_write(files->script.data, whole->data);
}

/* The variable that has this colour in light mode, or NULL. */
static const char *variable_of(unsigned rgb)
{
	for (const struct colour *colour = colours; colour->name; colour++)
		if (colour->light == rgb)
			return colour->name;
	return NULL;
}

/* Reads "rgb( 1, 2, 3)" or "#010203"; returns its length, or 0 if there is none. */
static size_t read_colour(const char *string, unsigned *rgb)
{
	static const char before[] = "rgb(";
	const char *start = string;

	if (string[0] == '#') {
		char digits[7] = "";

		snprintf(digits, sizeof digits, "%s", string + 1);
		*rgb = (unsigned)strtoul(digits, NULL, 16);
		return strspn(digits, "0123456789abcdefABCDEF") == 6 ? 7 : 0;
	}
	if (strncmp(string, before, strlen(before)) != 0)
		return 0;
	string += strlen(before);
	*rgb = 0;
	for (int i = 0; i < 3; i++) {
		char *end;

		*rgb = *rgb << 8 | (strtoul(string, &end, 10) & 255);
		if (end == string || *end != (i < 2 ? ',' : ')'))
			return 0;
		string = end + 1;
	}
	return (size_t)(string - start);
}

/* gnuplot names its markers and clips alike in every file; in one page they must differ. */
static size_t read_id(const char *string)
{
	static const char *const before[] = {"id=\"", "id='", "href=\"#", "href='#", "url(#"};

	for (size_t i = 0; i < sizeof before / sizeof *before; i++)
		if (strncmp(string, before[i], strlen(before[i])) == 0)
			return strlen(before[i]);
	return 0;
}

/* In the variables of the style sheet, with ids of its own. */
static void translate(const char *svg, const char *name, struct text *inlined)
{
	bool inside_tag = false;

	for (const char *byte = svg; *byte;) {
		unsigned rgb;
		size_t length = inside_tag ? read_colour(byte, &rgb) : 0;
		const char *variable = length ? variable_of(rgb) : NULL;
		size_t id = inside_tag ? read_id(byte) : 0;

		if (variable) {
			text_format(inlined, "var(--%s)", variable);
			byte += length;
		} else if (id) {
			text_bytes(inlined, byte, id);
			text_format(inlined, "%s-", name);
			byte += id;
		} else {
			inside_tag = *byte == '<' || (inside_tag && *byte != '>');
			text_bytes(inlined, byte++, 1);
		}
	}
}

/* In a page the figure stands under a heading: without its title, its margins and gnuplot's name. */
static int inline_svg(const char *svg, const char *name, int width, int height,
		      struct text *inlined)
{
	const char *start = strstr(svg, "</desc>");

	if (!strstr(svg, "<svg") || !start || !strstr(start, "</svg>"))
		return -1;
	width -= 2 * GNUPLOT_MARGIN;
	height -= GNUPLOT_TITLE;
	text_format(inlined,
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		    "xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"%d %d %d %d\" "
		    "width=\"%d\" height=\"%d\">",
		    GNUPLOT_MARGIN, GNUPLOT_TITLE, width, height, width, height);
	translate(start + strlen("</desc>"), name, inlined);
	return 0;
}

/* What a viewer shows as the name of a file that stands alone. */
static int name_svg(const char *path, const char *svg, const char *name)
{
	static const char title[] = "<title>Gnuplot</title>";
	const char *found = strstr(svg, title);
	struct text named = {0};
	int failed;

	if (!found)
		return 0;
	text_bytes(&named, svg, (size_t)(found - svg));
	text_format(&named, "<title>%s</title>%s", name, found + strlen(title));
	failed = record_write(path, named.data);
	text_free(&named);
	return failed;
}

static int draw(const char *directory, const char *name, int width, int height,
		const struct files *files, struct text *inlined, struct text *reason)
{
	struct text svg = {0}, png = {0};
	int failed = run(directory, files, reason);

	if (!failed && (read_file(files->svg.data, &svg) || read_file(files->png.data, &png) ||
			inline_svg(svg.data, name, width, height, inlined) ||
			name_svg(files->svg.data, svg.data, name))) {
		text_format(reason, "gnuplot drew nothing for %s", name);
		failed = -1;
	}
	text_free(&svg);
	text_free(&png);
	return failed;
}

int gnuplot_draw(const char *directory, const char *name, int width, int height,
		 const struct text *data, const struct text *script, struct text *inlined,
		 struct text *reason)
{
	struct files files = {0};
	struct text whole = {0};
	int failed;

	text_format(&whole, "data = '%s.data'\n", name);
	add_terminals(&whole, name, width, height, script);
	name_files(&files, directory, name);
	failed = write_inputs(&files, data, &whole);
	if (failed)
		text_add(reason, "the input of gnuplot could not be written");
	else
		failed = draw(directory, name, width, height, &files, inlined, reason);
	forget_files(&files, !failed);
	text_free(&whole);
	return failed;
}
