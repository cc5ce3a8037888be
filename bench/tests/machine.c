/* SPDX-License-Identifier: MIT */
/* When a machine is too noisy for a claim. */
#include "../machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static unsigned failures;

/* Of 100 s of the processors' time: how much others, the hypervisor and a quota took. */
static void expect(const char *about, double others_s, double steal_s, double throttled_s,
		   enum noise noise, const char *reason)
{
	struct machine before = {.total_s = 1000, .busy_s = 500, .own_s = 3};
	struct machine after = {.total_s = 1100,
				.busy_s = 540 + others_s,
				.own_s = 43,
				.steal_s = steal_s,
				.throttled_s = throttled_s};
	char seen[160];
	cJSON *object = machine_describe(&before, &after);
	const cJSON *noisy = cJSON_GetObjectItemCaseSensitive(object, "noisy");

	if (machine_judge(&before, &after, seen, sizeof seen) != noise ||
	    (*reason ? !strstr(seen, reason) : *seen)) {
		failures++;
		printf("FAIL: %s: expected '%s', saw '%s'\n", about, reason, seen);
	}
	if (noise == NOISE_UNKNOWN
		    ? !cJSON_IsNull(noisy)
		    : !cJSON_IsBool(noisy) || cJSON_IsTrue(noisy) != (noise == NOISE_SEEN)) {
		failures++;
		printf("FAIL: %s: the description says otherwise\n", about);
	}
	if (isnan(others_s) &&
	    !cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, "others_ratio"))) {
		failures++;
		printf("FAIL: %s: a number for what is not known\n", about);
	}
	cJSON_Delete(object);
}

int main(void)
{
	expect("a quiet machine", 0, 0, 0, NOISE_NONE, "");
	expect("no quota", 0, 0, NAN, NOISE_NONE, "");
	expect("little else", 9, 4, 0, NOISE_NONE, "");
	expect("others", 11, 0, 0, NOISE_SEEN, "other programs took 11 %");
	expect("the hypervisor", 0, 6, 0, NOISE_SEEN, "the hypervisor took 6 %");
	expect("a quota", 0, 0, 0.5, NOISE_SEEN, "quota");
	/* What is not known speaks neither for noise nor for quiet. */
	expect("nothing is known", NAN, NAN, NAN, NOISE_UNKNOWN, "");
	expect("a quota, and nothing else is known", NAN, NAN, 0.5, NOISE_SEEN, "quota");
	/* The bench's own work is counted later than the system's: never a negative share. */
	expect("rounding", -0.1, 0, 0, NOISE_NONE, "");
	return failures != 0;
}
