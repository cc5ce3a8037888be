/* SPDX-License-Identifier: MIT */
#include "graph.h"

/* Of a linear congruential generator: no step can begin before the last has ended. */
#define FACTOR UINT64_C(6364136223846793005)
#define SUMMAND UINT64_C(1442695040888963407)

uint64_t kernel(uint64_t value, uint64_t iterations)
{
	while (iterations--) {
		value = value * FACTOR + SUMMAND;
		/* Or the compiler folds several steps into one. */
		__asm__ volatile("" : "+r"(value));
	}
	return value;
}

/* x -> ax + b after itself is x -> aax + ab + b. */
uint64_t kernel_leap(uint64_t value, uint64_t iterations)
{
	uint64_t factor = FACTOR, summand = SUMMAND;

	for (; iterations; iterations /= 2) {
		if (iterations % 2)
			value = value * factor + summand;
		summand += factor * summand;
		factor *= factor;
	}
	return value;
}
