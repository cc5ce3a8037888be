/* SPDX-License-Identifier: MIT */
#include "versions.h"

#include <curl/curl.h>
#include <sqlite3.h>

cJSON *versions_describe(void)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "benchmark", BENCHMARK_VERSION);
	cJSON_AddStringToObject(object, "cjson", cJSON_Version());
	cJSON_AddStringToObject(object, "curl", curl_version_info(CURLVERSION_NOW)->version);
	cJSON_AddStringToObject(object, "sqlite", sqlite3_libversion());
	return object;
}
