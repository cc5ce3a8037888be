/* SPDX-License-Identifier: MIT */
#include "complaint.h"

#include "json.h"
#include "text.h"

#include <stdio.h>

static struct text last;

static void take(const char *message)
{
	text_free(&last);
	text_line(&last, message);
	fprintf(stderr, "assay-compare: %s\n", complaint_last());
}

void complaint_listen(void)
{
	json_refusals_to(take);
}

int complain(const char *format, ...)
{
	struct text message = {0};
	va_list arguments;

	va_start(arguments, format);
	text_vformat(&message, format, arguments);
	va_end(arguments);
	take(message.data);
	text_free(&message);
	return -1;
}

const char *complaint_last(void)
{
	return last.data ? last.data : "";
}
