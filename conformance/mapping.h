/* SPDX-License-Identifier: MIT */
/* What the tests of map share: functions of one int, checked steps, and a counting source. */
#ifndef MAPPING_H
#define MAPPING_H

#include "fixture.h"

#include <string.h>

static inline assay_map_iteration *map_begin(assay_executor *executor,
					     const struct assay_map_request *request)
{
	assay_map_iteration *map = NULL;

	CHECK_OK(assay_map_begin(executor, request, &map));
	CHECK(map != NULL);
	return map;
}

/* The int that the next item must have as its result. */
static inline int map_next_int(assay_map_iteration *map)
{
	struct assay_outcome outcome = {.error = 1};
	int value;

	CHECK_OK(assay_map_next(map, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.result_size, sizeof value);
	CHECK_STR(outcome.message, "");
	memcpy(&value, outcome.result, sizeof value);
	return value;
}

/* What next says when it delivers nothing. */
static inline int map_error(assay_map_iteration *map)
{
	struct assay_outcome outcome = {.code = 4711};
	int error = assay_map_next(map, &outcome);

	CHECK(error != ASSAY_OK);
	CHECK_EQ(outcome.code, 4711);
	return error;
}

static inline int map_square(assay_call *call)
{
	int value = *(const int *)call->argument;

	CHECK_EQ(call->argument_size, sizeof value);
	value *= value;
	return assay_return(call, &value, sizeof value);
}

/* A request over an array of ints. */
static inline struct assay_map_request
map_ints(assay_function *function, struct assay_map_input *input, const int *items, size_t count)
{
	struct assay_map_request request = assay_map_request_default();

	*input = (struct assay_map_input){items, sizeof *items, count};
	request.function = function;
	request.inputs = input;
	request.input_count = 1;
	return request;
}

/* A source of the ints 0 .. length - 1, then `end`. */
struct counter {
	int pulled; /* how often an item was given */
	int ended;  /* how often there was none */
	int length;
	int end;
	int delivered; /* the consumer's count */
	int most;      /* the most items given and not delivered */
};

static inline int counter_next(void *source, void *item)
{
	struct counter *counter = source;

	if (counter->pulled == counter->length) {
		counter->ended++;
		return counter->end;
	}
	memcpy(item, &counter->pulled, sizeof counter->pulled);
	counter->pulled++;
	if (counter->most < counter->pulled - counter->delivered)
		counter->most = counter->pulled - counter->delivered;
	return ASSAY_OK;
}

static inline struct assay_map_request map_counter(assay_function *function,
						   struct counter *counter)
{
	struct assay_map_request request = assay_map_request_default();

	request.function = function;
	request.generator = counter_next;
	request.source = counter;
	request.item_size = sizeof(int);
	return request;
}

/* An item that does something first. */
struct map_item {
	struct trace *trace;   /* gets the value; may be NULL */
	struct gate *gate;     /* waited for; may be NULL */
	struct probe *started; /* hit; may be NULL */
	int value;             /* returned */
};

static inline int map_run_item(assay_call *call)
{
	const struct map_item *item = call->argument;

	CHECK_EQ(call->argument_size, sizeof *item);
	if (item->started)
		probe_hit(item->started);
	if (item->gate)
		gate_wait(item->gate);
	if (item->trace)
		trace_add(item->trace, item->value);
	return assay_return(call, &item->value, sizeof item->value);
}

static inline struct assay_map_request map_items(struct assay_map_input *input,
						 const struct map_item *items, size_t count)
{
	struct assay_map_request request = assay_map_request_default();

	*input = (struct assay_map_input){items, sizeof *items, count};
	request.function = map_run_item;
	request.inputs = input;
	request.input_count = 1;
	return request;
}

#endif
