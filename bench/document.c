/* SPDX-License-Identifier: MIT */
#include "document.h"

#include "digest.h"
#include "record.h"
#include "run.h"
#include "versions.h"

#include <stdio.h>

cJSON *document_make(const struct options *options)
{
	cJSON *document = cJSON_CreateObject(), *context = record_context("assay-bench");
	char digest[DIGEST_SIZE];

	if (!document || !context) {
		fprintf(stderr, "assay-bench: no memory for the results\n");
		cJSON_Delete(document);
		cJSON_Delete(context);
		return NULL;
	}
	digest_file("/proc/self/exe", digest);
	cJSON_AddStringToObject(context, "program_digest", digest);
	cJSON_AddStringToObject(context, "scale", scale_names[options->scale]);
	cJSON_AddNumberToObject(context, "seed", (double)options->seed);
	cJSON_AddNumberToObject(context, "repetitions_asked", options->repetitions);
	cJSON_AddItemToObject(context, "libraries", versions_describe());
	cJSON_AddStringToObject(document, "format", "assay-bench/1");
	cJSON_AddItemToObject(document, "context", context);
	cJSON_AddItemToObject(document, "backends",
			      subjects_list(options->backends, options->backend_count));
	cJSON_AddItemToObject(document, "workloads", workloads_describe());
	cJSON_AddArrayToObject(document, "results");
	return document;
}
