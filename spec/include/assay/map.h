/* SPDX-License-Identifier: MIT */
/*
 * assay/map.h - a function applied to each item, the results in input order.
 *
 * Included by assay/executor.h. Written once, over submit, outcome and cancel, for all backends.
 */
#include <assay/executor.h> /* which includes this file where it belongs */

#ifndef ASSAY_MAP_H
#define ASSAY_MAP_H

#ifdef __cplusplus
extern "C" {
#endif

/* One input of a map: an array. */
struct assay_map_input {
	const void *items;
	size_t item_size; /* bytes */
	size_t count;
};

/*
 * Writes the next item (item_size bytes) and returns ASSAY_OK, or returns ASSAY_EEND when there are
 * no more, or an error of the closed set, which ends the map.
 */
typedef int assay_map_generator(void *source, void *item);

/*
 * What to map. Start from assay_map_request_default().
 *
 * The argument of each call is the item; with several inputs the items of equal index, one behind
 * the other without padding, up to the end of the shortest input. [MAP-4 MAP-5]
 */
struct assay_map_request {
	assay_function *function;             /* or NULL and */
	const char *name;                     /* copied */
	const struct assay_map_input *inputs; /* copied item by item when their turn comes */
	size_t input_count;
	assay_map_generator *generator; /* instead of inputs */
	void *source;
	size_t item_size;  /* bytes, with generator */
	size_t chunk_size; /* most items sent as one task; their results together must not exceed
			      result_limit of the backend; a name is sent item by item */
	size_t window;     /* most items submitted and not yet delivered */
	int64_t timeout_ns;
};

/* One item a task, everything submitted at once, no time limit. */
static inline struct assay_map_request assay_map_request_default(void)
{
	struct assay_map_request request;

	memset(&request, 0, sizeof request);
	request.chunk_size = 1;
	request.window = ASSAY_UNLIMITED;
	request.timeout_ns = ASSAY_FOREVER;
	return request;
}

/*
 * A chunk travels as one task: argument = struct assay_map_chunk and the items; result = for each
 * item a struct assay_map_record, its result and its message, each rounded up to 16 bytes.
 */
struct assay_map_chunk {
	assay_function *function;
	size_t item_size;
	size_t count;
	size_t reserved; /* keeps the items 16-byte aligned */
};

struct assay_map_record {
	int32_t error;
	int32_t code;
	uint64_t result_size;
	uint64_t message_size; /* with the terminator; 0: none */
	uint64_t reserved;
};

static inline size_t assay_map_round(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

/* The call that a function sees for one item of a chunk. */
struct assay_map_call {
	assay_call call; /* first: the ops get its address */
	char *message;
	/* What the chunk returns so far. */
	char *bytes;
	size_t size;
	size_t capacity;
};

/* The items of a chunk share the room of its own result, so that the limit of the backend holds. */
static inline int assay_map_call_reserve(assay_call *call, size_t size)
{
	assay_call *outer = call->outer;
	int error = outer->ops->reserve(outer, size);

	if (error)
		return error;
	call->result = outer->result;
	call->result_capacity = outer->result_capacity;
	return ASSAY_OK;
}

static inline void assay_map_call_message(assay_call *call, const char *message)
{
	struct assay_map_call *item = (struct assay_map_call *)call;
	size_t size = strlen(message) + 1;
	char *copy = (char *)malloc(size);

	free(item->message);
	item->message = copy ? (char *)memcpy(copy, message, size) : NULL;
}

/* The children of an item are those of its chunk. */
static inline void assay_map_call_offer(assay_call *call)
{
	call->outer->ops->offer(call->outer);
}

static inline bool assay_map_call_join(assay_call *call, struct assay_fork *child)
{
	return call->outer->ops->join(call->outer, child);
}

/* Appends the outcome of one item. */
static inline int assay_map_call_append(struct assay_map_call *item, int returned)
{
	struct assay_map_record record;
	size_t size;

	memset(&record, 0, sizeof record);
	record.error = returned;
	if (returned && returned != ASSAY_ENOMEM && returned != ASSAY_ETOOBIG) {
		record.error = ASSAY_EFAILED;
		record.code = returned;
	}
	record.result_size = returned ? 0 : item->call.result_size;
	record.message_size = returned && item->message ? strlen(item->message) + 1 : 0;
	size = item->size + sizeof record + assay_map_round(record.result_size) +
	       assay_map_round(record.message_size);
	if (size > item->capacity) {
		size_t capacity = size + size / 2;
		char *bytes = (char *)realloc(item->bytes, capacity);

		if (!bytes)
			return ASSAY_ENOMEM;
		memset(bytes + item->capacity, 0, capacity - item->capacity);
		item->bytes = bytes;
		item->capacity = capacity;
	}
	memcpy(item->bytes + item->size, &record, sizeof record);
	item->size += sizeof record;
	if (record.result_size)
		memcpy(item->bytes + item->size, item->call.result, record.result_size);
	item->size += assay_map_round(record.result_size);
	if (record.message_size)
		memcpy(item->bytes + item->size, item->message, record.message_size);
	item->size += assay_map_round(record.message_size);
	return ASSAY_OK;
}

/* The task function of a chunk. */
static inline int assay_map_run_chunk(assay_call *call)
{
	static const struct assay_call_ops ops = {assay_map_call_reserve, assay_map_call_message,
						  assay_map_call_offer, assay_map_call_join};
	const struct assay_map_chunk *chunk = (const struct assay_map_chunk *)call->argument;
	const char *items = (const char *)(chunk + 1);
	struct assay_map_call item;
	int error = ASSAY_OK;

	memset(&item, 0, sizeof item);
	item.call.ops = &ops;
	item.call.children = call->children;
	item.call.executor = call->executor;
	item.call.outer = call;
	item.call.result = call->result;
	item.call.result_capacity = call->result_capacity;
	for (size_t i = 0; i < chunk->count && !error; i++) {
		item.call.argument = items + i * assay_map_round(chunk->item_size);
		item.call.argument_size = chunk->item_size;
		item.call.result_size = 0;
		free(item.message);
		item.message = NULL;
		error = assay_map_call_append(&item, chunk->function(&item.call));
	}
	if (!error)
		error = assay_return(call, item.bytes, item.size);
	free(item.message);
	free(item.bytes);
	return error;
}

/* A task of a map that was submitted and is not yet delivered. */
struct assay_map_slot {
	assay_future *future;
	size_t items;
};

typedef struct assay_map {
	assay_executor *executor;
	struct assay_map_request request;
	struct assay_map_input *inputs; /* a copy of request.inputs */
	char *name;                     /* a copy of request.name */
	size_t next_index;              /* of the inputs */
	size_t length;                  /* items in the shortest input; with a generator unused */
	size_t item_size;
	int64_t deadline_ns;
	int source_error; /* ASSAY_OK while there may be more items; ASSAY_EEND; or why it stopped
			   */
	bool ended;
	char *buffer; /* argument of the next task */
	/* A queue of slots: slots[(first + i) & (capacity - 1)]. */
	struct assay_map_slot *slots;
	size_t capacity;
	size_t first;
	size_t used;
	size_t items_out; /* items in the slots */
	/* The chunk that is being delivered. */
	struct assay_map_slot current;
	struct assay_outcome outcome;
	size_t delivered; /* of current.items */
	size_t offset;    /* in outcome.result */
} assay_map_iteration;

/* Writes the next item to `item`, or returns why there is none. */
static inline int assay_map_pull(struct assay_map *map, char *item)
{
	if (map->request.generator)
		return map->request.generator(map->request.source, item);
	if (map->next_index == map->length)
		return ASSAY_EEND;
	for (size_t i = 0; i < map->request.input_count; i++) {
		const struct assay_map_input *input = &map->inputs[i];

		if (input->item_size)
			memcpy(item,
			       (const char *)input->items + map->next_index * input->item_size,
			       input->item_size);
		item += input->item_size;
	}
	map->next_index++;
	return ASSAY_OK;
}

/* Makes room for one more slot. */
static inline int assay_map_grow(struct assay_map *map)
{
	size_t capacity = map->capacity ? 2 * map->capacity : 16;
	struct assay_map_slot *slots;

	if (map->used < map->capacity)
		return ASSAY_OK;
	slots = (struct assay_map_slot *)malloc(capacity * sizeof *slots);
	if (!slots)
		return ASSAY_ENOMEM;
	for (size_t i = 0; i < map->used; i++)
		slots[i] = map->slots[(map->first + i) & (map->capacity - 1)];
	free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
	map->first = 0;
	return ASSAY_OK;
}

/* Submits one chunk. Items read before the source ended or failed are still submitted. */
static inline int assay_map_submit(struct assay_map *map)
{
	bool chunked = map->request.chunk_size > 1;
	size_t stride = assay_map_round(map->item_size);
	char *items = map->buffer + (chunked ? sizeof(struct assay_map_chunk) : 0);
	struct assay_map_slot slot = {NULL, 0};
	struct assay_task task;
	int error = assay_map_grow(map);

	if (error)
		return error;
	while (slot.items < map->request.chunk_size && !map->source_error) {
		map->source_error = assay_map_pull(map, items + slot.items * stride);
		slot.items += !map->source_error;
	}
	if (!slot.items)
		return ASSAY_OK;
	task.function = map->request.function;
	task.name = map->request.name;
	task.argument = map->buffer;
	task.argument_size = map->item_size;
	if (chunked) {
		struct assay_map_chunk chunk = {map->request.function, map->item_size, slot.items,
						0};

		memcpy(map->buffer, &chunk, sizeof chunk);
		task.function = assay_map_run_chunk;
		task.argument_size = sizeof chunk + slot.items * stride;
	}
	error = map->executor->ops->submit(map->executor, &task, &slot.future);
	if (error)
		return error;
	map->slots[(map->first + map->used++) & (map->capacity - 1)] = slot;
	map->items_out += slot.items;
	return ASSAY_OK;
}

/* Submits chunks while the window has room for one; stops at an error. */
static inline void assay_map_fill(struct assay_map *map)
{
	while (!map->source_error &&
	       map->request.window - map->items_out >= map->request.chunk_size) {
		int error = assay_map_submit(map);

		if (error)
			map->source_error = error;
	}
}

/* Gives up every slot, cancelling what has not started, and ends the iteration. */
static inline void assay_map_stop(struct assay_map *map)
{
	for (size_t i = 0; i < map->used; i++)
		map->slots[(map->first + i) & (map->capacity - 1)].future->ops->cancel(
			map->slots[(map->first + i) & (map->capacity - 1)].future);
	while (map->used) {
		assay_future_release(map->slots[map->first].future);
		map->first = (map->first + 1) & (map->capacity - 1);
		map->used--;
	}
	map->items_out = 0;
	map->ended = true;
}

/*
 * assay_map_end - stop and free the iteration. NULL is ignored.		[MAP-13 MAP-15]
 *
 * Tasks not started are cancelled; those running go on, unheard.
 */
static inline void assay_map_end(assay_map_iteration *map)
{
	if (!map)
		return;
	assay_map_stop(map);
	assay_future_release(map->current.future);
	free(map->slots);
	free(map->buffer);
	free(map->inputs);
	free(map->name);
	free(map);
}

/* The name is needed as long as tasks are submitted. */
static inline int assay_map_copy_name(struct assay_map *map)
{
	size_t size;

	if (!map->request.name)
		return ASSAY_OK;
	size = strlen(map->request.name) + 1;
	map->name = (char *)malloc(size);
	if (!map->name)
		return ASSAY_ENOMEM;
	memcpy(map->name, map->request.name, size);
	map->request.name = map->name;
	return ASSAY_OK;
}

/* Copies the inputs, and makes a buffer for one task that the backend takes. */
static inline int assay_map_prepare(struct assay_map *map)
{
	struct assay_map_request *request = &map->request;
	size_t limit = map->executor->ops->backend->argument_limit;
	size_t size = request->generator ? request->item_size : 0;
	size_t stride, most = 0;

	map->inputs =
		(struct assay_map_input *)malloc((request->input_count + 1) * sizeof *map->inputs);
	if (!map->inputs)
		return ASSAY_ENOMEM;
	map->length = ASSAY_UNLIMITED;
	for (size_t i = 0; i < request->input_count; i++) {
		const struct assay_map_input *input = &request->inputs[i];

		map->inputs[i] = *input;
		size = input->item_size > SIZE_MAX - size ? SIZE_MAX : size + input->item_size;
		if (map->length > input->count)
			map->length = input->count;
	}
	if (!map->length) {
		map->source_error = ASSAY_EEND;
		return ASSAY_OK;
	}
	if (limit > SIZE_MAX / 4)
		limit = SIZE_MAX / 4;
	if (size > limit)
		return ASSAY_ETOOBIG;
	map->item_size = size;
	stride = assay_map_round(size);
	if (limit > sizeof(struct assay_map_chunk))
		most = (limit - sizeof(struct assay_map_chunk)) / (stride ? stride : 1);
	if (request->chunk_size > most)
		request->chunk_size = most;
	if (request->chunk_size > request->window)
		request->chunk_size = request->window;
	if (request->chunk_size > map->length)
		request->chunk_size = map->length;
	if (request->chunk_size < 1 || !request->function)
		request->chunk_size = 1;
	map->buffer = (char *)malloc(sizeof(struct assay_map_chunk) +
				     request->chunk_size * (stride ? stride : 1));
	return map->buffer ? ASSAY_OK : ASSAY_ENOMEM;
}

/*
 * assay_map_begin - call a function for each item, and deliver the results in input order.
 *				[MAP-1 MAP-2 MAP-3 MAP-6 MAP-7 MAP-16 MAP-21]
 *
 * Without a window every task is submitted before this returns; with one, at most `window` items
 * are submitted and undelivered, and the rest of the input is read as results are delivered. The
 * time limit counts from this call. One thread at a time may use *map, which must go to
 * assay_map_end().
 *
 * ASSAY_EINVAL		no function and no name, not exactly one of inputs and generator, a chunk
 *			size or window of 0, an input without address, no room for the iteration
 *			[MAP-18 MAP-25]
 * ASSAY_ENOMEM, an error of the generator [MAP-31], or of assay_submit() [MAP-27]: tasks already
 * submitted are cancelled if they have not started
 */
ASSAY_MUST_CHECK static inline int assay_map_begin(assay_executor *executor,
						   const struct assay_map_request *request,
						   assay_map_iteration **map)
{
	struct assay_map *m;
	int error;

	if (!executor || !request || !map || (!request->function && !request->name) ||
	    !request->chunk_size || !request->window ||
	    !request->generator == !request->input_count ||
	    (request->input_count && !request->inputs))
		return ASSAY_EINVAL;
	for (size_t i = 0; i < request->input_count; i++)
		if (!request->inputs[i].items && request->inputs[i].item_size &&
		    request->inputs[i].count)
			return ASSAY_EINVAL;
	m = (struct assay_map *)calloc(1, sizeof *m);
	if (!m)
		return ASSAY_ENOMEM;
	m->deadline_ns = assay_deadline_ns(request->timeout_ns);
	m->executor = executor;
	m->request = *request;
	error = assay_map_copy_name(m);
	if (!error)
		error = assay_map_prepare(m);
	if (!error) {
		assay_map_fill(m);
		error = m->source_error == ASSAY_EEND ? ASSAY_OK : m->source_error;
	}
	if (error) {
		assay_map_end(m);
		return error;
	}
	*map = m;
	return ASSAY_OK;
}

/* Takes the next item out of the chunk at hand. */
static inline void assay_map_deliver(struct assay_map *map, struct assay_outcome *outcome)
{
	struct assay_map_record record;
	const char *at;

	map->delivered++;
	*outcome = map->outcome;
	if (map->outcome.error || map->request.chunk_size == 1)
		return;
	at = (const char *)map->outcome.result + map->offset;
	memcpy(&record, at, sizeof record);
	at += sizeof record;
	outcome->error = record.error;
	outcome->code = record.code;
	outcome->result_size = record.result_size;
	outcome->result = record.result_size ? at : NULL;
	at += assay_map_round(record.result_size);
	outcome->message = record.message_size ? at : "";
	at += assay_map_round(record.message_size);
	map->offset = (size_t)(at - (const char *)map->outcome.result);
}

/* Why nothing is left that was submitted. Where it is not known that the source has ended, the limit has
 * passed before the rest was read. */
static inline int assay_map_reason(struct assay_map *map)
{
	int error = map->source_error ? map->source_error : assay_map_pull(map, map->buffer);

	return error ? error : ASSAY_ETIMEDOUT;
}

/*
 * assay_map_next - the outcome of the next item, in input order; waits for it.
 *				[MAP-1 MAP-8 MAP-9 MAP-10 MAP-11 MAP-12 MAP-29 MAP-30]
 *
 * ASSAY_OK whichever way the call of that item ended: outcome->error says how, and the iteration
 * goes on. What *outcome points to is valid until the next call on this map. [MAP-28]
 *
 * ASSAY_EEND		all were delivered, or the iteration was ended by an earlier error
 * ASSAY_ETIMEDOUT	the limit passed first: what has not started is cancelled, and no more of the input is
 *			submitted; this is the end. Where a queue is bounded, the submission of more, with
 *			which a request ends, may wait for room for longer than that.
 * any other		the input could not be read or submitted any further; reported once, after
 *			everything submitted was delivered [MAP-26]
 */
ASSAY_MUST_CHECK static inline int assay_map_next(assay_map_iteration *map,
						  struct assay_outcome *outcome)
{
	int error;

	if (map->delivered == map->current.items) {
		assay_future_release(map->current.future);
		memset(&map->current, 0, sizeof map->current);
		map->delivered = 0;
		map->offset = 0;
		if (map->ended)
			return ASSAY_EEND;
		if (!map->used) {
			map->ended = true;
			return assay_map_reason(map);
		}
		error = map->slots[map->first].future->ops->outcome(map->slots[map->first].future,
								    0, &map->outcome);
		if (error == ASSAY_ETIMEDOUT)
			error = map->slots[map->first].future->ops->outcome(
				map->slots[map->first].future, assay_remaining_ns(map->deadline_ns),
				&map->outcome);
		if (error) {
			assay_map_stop(map);
			return error;
		}
		map->current = map->slots[map->first];
		map->first = (map->first + 1) & (map->capacity - 1);
		map->used--;
	}
	assay_map_deliver(map, outcome);
	map->items_out--;
	if (assay_remaining_ns(map->deadline_ns) > 0)
		assay_map_fill(map);
	return ASSAY_OK;
}

#ifdef __cplusplus
}
#endif

#endif
