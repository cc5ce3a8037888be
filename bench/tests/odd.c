/* SPDX-License-Identifier: MIT */
/* A backend that is odd when it is loaded or used, as $ASSAY_ODD says; it makes no executors. */
#include <assay/backend.h>

#include <stdlib.h>
#include <string.h>

static int create(const struct assay_config *config, assay_executor **executor)
{
	const char *how = getenv("ASSAY_ODD");

	(void)config;
	(void)executor;
	if (how && strcmp(how, "exit_late") == 0)
		exit(0);
	return ASSAY_ENOMEM;
}

/* The exported symbol, but one that can change while it is loaded. */
extern __attribute__((visibility("default"))) struct assay_backend odd __asm__("assay_backend");

struct assay_backend odd = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_FUNCTION_POINTERS |
			ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT,
	.name = "odd",
	.summary = "makes no executors",
	.argument_limit = (size_t)1 << 29,
	.result_limit = (size_t)1 << 29,
	.create = create,
	.extension = assay_default_extension,
};

__attribute__((constructor)) static void be_odd(void)
{
	const char *how = getenv("ASSAY_ODD");

	if (!how)
		return;
	if (strcmp(how, "crash") == 0)
		abort();
	if (strcmp(how, "exit") == 0)
		exit(0);
	if (strcmp(how, "abi") == 0)
		odd.abi = 4242;
	if (strcmp(how, "nameless") == 0)
		odd.name = NULL;
	if (strcmp(how, "misnamed") == 0)
		odd.name = "\xff odd";
	if (strcmp(how, "serial") == 0)
		odd.name = "serial";
}
