/* SPDX-License-Identifier: MIT */
#include "versions.h"

#include "io/nginx.h"

#include <curl/curl.h>
#include <sqlite3.h>

cJSON *versions_describe(void)
{
	cJSON *object = cJSON_CreateObject();
	char nginx[32];

	cJSON_AddStringToObject(object, "benchmark", BENCHMARK_VERSION);
	cJSON_AddStringToObject(object, "cjson", cJSON_Version());
	cJSON_AddStringToObject(object, "curl", curl_version_info(CURLVERSION_NOW)->version);
	cJSON_AddStringToObject(object, "sqlite", sqlite3_libversion());
	nginx_version(nginx, sizeof nginx);
	if (*nginx)
		cJSON_AddStringToObject(object, "nginx", nginx);
	return object;
}
