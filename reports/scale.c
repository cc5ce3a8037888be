/* SPDX-License-Identifier: MIT */
#include "scale.h"

#include "value.h"

#include <math.h>
#include <string.h>

/* With a larger span the small values would be a heap at the left end. */
#define LINEAR_SPAN 8.0
#define TICKS 6
#define DECADES_WITH_ALL 1.2
#define DECADES_WITH_SOME 2.2

void scale_include(struct scale *scale, double value)
{
	if (!scale->any || value < scale->least)
		scale->least = value;
	if (!scale->any || value > scale->most)
		scale->most = value;
	scale->any = true;
}

void scale_settle(struct scale *scale)
{
	scale->logarithmic = scale->least > 0 && scale->most / scale->least > LINEAR_SPAN;
	if (scale->logarithmic) {
		double margin = pow(scale->most / scale->least, 0.04);

		scale->from = scale->least / margin;
		scale->to = scale->most * margin;
	} else {
		scale->from = 0;
		scale->to = scale->most > 0 ? scale->most * 1.06 : 1;
	}
}

static void write_tick(struct text *script, size_t *count, double value, const char *unit)
{
	char label[VALUE_SIZE];

	value_tick(label, value, unit);
	text_format(script, "%s'%s' %.17g", *count ? ", " : "", label, value);
	++*count;
}

/* 1, 2 or 5 times a power of ten: at most TICKS of these steps fill the range. */
static double linear_step(double range)
{
	double power = pow(10, floor(log10(range / TICKS)));
	double steps = range / TICKS / power;

	return power * (steps <= 1 ? 1 : steps <= 2 ? 2 : steps <= 5 ? 5 : 10);
}

/* The shorter the axis, the more steps of each decade. */
static void logarithmic_ticks(const struct scale *scale, const char *unit, struct text *script,
			      size_t *count)
{
	static const double steps[] = {1, 2, 5, 1.5, 3, 7};
	double decades = log10(scale->to / scale->from);
	int stride = 1 + (int)(decades / (2 * TICKS));
	int last = (int)ceil(log10(scale->to));
	int used = decades < DECADES_WITH_ALL ? 6 : decades < DECADES_WITH_SOME ? 3 : 1;

	for (int power = (int)floor(log10(scale->from)); power <= last; power += stride)
		for (int i = 0; i < used; i++) {
			double value = pow(10, power) * steps[i];

			if (value >= scale->from && value <= scale->to)
				write_tick(script, count, value, unit);
		}
}

void scale_write(const struct scale *scale, const char *unit, struct text *script)
{
	size_t count = 0;

	text_format(script, "%s logscale x\nset xrange [%.17g:%.17g]\nset xtics (",
		    scale->logarithmic ? "set" : "unset", scale->from, scale->to);
	if (scale->logarithmic) {
		logarithmic_ticks(scale, unit, script, &count);
	} else {
		double step = linear_step(scale->to);

		for (int i = 0; i * step <= scale->to; i++)
			write_tick(script, &count, i * step, unit);
	}
	text_add(script, ")\n");
}
