/* SPDX-License-Identifier: MIT */
/*
 * The colours of reports: one list, from which come the style sheet (light and dark), the colours
 * of the plots and their translation into the style sheet's variables.
 */
#ifndef STYLE_H
#define STYLE_H

#define SERIES_COLOURS 6
#define HEAT_STEPS 8

struct colour {
	const char *name; /* of the variable, without its dashes */
	unsigned light;   /* 0xRRGGBB; no two colours share one, the plots are translated by it */
	unsigned dark;
};

/* Ended by a colour without a name. */
extern const struct colour colours[];

/* The light colour of that name: series and heat take an index, the others -1. */
unsigned colour_of(const char *name, int index);

/* Rules of the style sheet, ended by NULL. */
extern const char *const page_style[];

#endif
