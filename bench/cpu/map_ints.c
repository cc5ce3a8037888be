/* SPDX-License-Identifier: MIT */
/*
 * A map over a million integers of about 2 ns each, in chunks, results in the caller's array. A
 * pass takes a millisecond on two processors: what counts is how soon the second one takes part,
 * and that nothing is paid for an item.
 */
#include "../workload.h"

#include "../raw/work.h"

#include <stdlib.h>
#include <string.h>

enum {
	ITEMS = 1000000, /* of a pass */
	CHUNKS = 16,     /* a worker: none waits long for the last */
};

struct chunk {
	const uint32_t *in;
	uint32_t *out;
	uint64_t count;
};

struct map {
	uint32_t *in;
	uint32_t *out;
	size_t count; /* of a pass */
	size_t passes;
	size_t chunk_count;
	struct chunk *chunks;
	struct assay_task *tasks;
	assay_future **futures;
};

static void map_chunk(const uint32_t *in, uint32_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = map_item(in[i]);
}

static int chunk_task(assay_call *call)
{
	const struct chunk *chunk = call->argument;

	map_chunk(chunk->in, chunk->out, chunk->count);
	return ASSAY_OK;
}

static const struct assay_named_function functions[] = {{"chunk", chunk_task}, {NULL, NULL}};

static int setup(struct cell *cell)
{
	struct map *map = calloc(1, sizeof *map);
	uint64_t random = cell->seed;

	if (!map)
		return cell_fail(cell, "no memory for the map");
	cell->state = map;
	map->in = calloc(ITEMS, sizeof *map->in);
	map->out = calloc(ITEMS, sizeof *map->out);
	map->chunk_count = (size_t)cell->workers * CHUNKS;
	map->chunks = calloc(map->chunk_count, sizeof *map->chunks);
	map->tasks = calloc(map->chunk_count, sizeof *map->tasks);
	map->futures = calloc(map->chunk_count, sizeof(assay_future *));
	if (!map->in || !map->out || !map->chunks || !map->tasks || !map->futures)
		return cell_fail(cell, "no memory for the map");
	for (size_t i = 0; i < ITEMS; i++)
		map->in[i] = (uint32_t)next_random(&random);
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct map *map = cell->state;
	size_t done = 0;

	map->count = operations < ITEMS ? operations : ITEMS;
	map->passes = operations / map->count;
	memset(map->out, 0, ITEMS * sizeof *map->out);
	for (size_t i = 0; i < map->chunk_count; i++) {
		size_t end = map->count * (i + 1) / map->chunk_count;

		map->chunks[i] = (struct chunk){map->in + done, map->out + done, end - done};
		map->tasks[i] = cell_task(cell, chunk_task, &map->chunks[i], sizeof map->chunks[i]);
		done = end;
	}
	return 0;
}

static int pass(struct cell *cell, struct map *map)
{
	size_t accepted;
	int error = assay_submit_many(cell->executor, map->tasks, map->chunk_count, map->futures,
				      &accepted);

	if (error)
		cell_fail(cell, "submit_many: %s", assay_error_text(error));
	/* As the rivals wait for their group: who is woken for each chunk takes a processor from the
	 * next. */
	error = assay_wait(map->futures, accepted, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL);
	if (error)
		cell_fail(cell, "wait: %s", assay_error_text(error));
	for (size_t i = 0; i < accepted; i++) {
		error = assay_future_result(map->futures[i], ASSAY_FOREVER, NULL, 0);
		assay_future_release(map->futures[i]);
		if (error)
			cell_fail(cell, "chunk %zu: %s", i, assay_error_text(error));
	}
	return cell_failed(cell) ? -1 : 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct map *map = cell->state;

	(void)operations;
	for (size_t i = 0; i < map->passes; i++) {
		int failed = 0;

		if (cell->raw)
			failed =
				cell_raw(cell, "map",
					 cell->raw->map(cell->pool, map->in, map->out, map->count));
		else if (cell->executor)
			failed = pass(cell, map);
		else
			map_chunk(map->in, map->out, map->count);
		if (failed)
			return failed;
	}
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct map *map = cell->state;

	(void)operations;
	for (size_t i = 0; i < map->count; i++)
		if (map->out[i] != map_item(map->in[i]))
			return cell_fail(cell, "item %zu became %u, expected %u", i, map->out[i],
					 map_item(map->in[i]));
	return 0;
}

static int warm_up(struct cell *cell, uint64_t *operations)
{
	uint64_t once = *operations < ITEMS ? *operations : ITEMS;

	return prepare(cell, once) || run(cell, once);
}

static void teardown(struct cell *cell)
{
	struct map *map = cell->state;

	if (!map)
		return;
	free(map->in);
	free(map->out);
	free(map->chunks);
	free(map->tasks);
	free(map->futures);
	free(map);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->map;
}

const struct workload map_ints = {
	.name = "map_ints",
	.class_name = "cpu",
	.operation = "number",
	.separates = "A short parallel loop in chunks: how soon all processors take part in it.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MEMORY,
	.has_raw = has_raw,
	.without = "serial",
	.sample = {{.operations = 1000},
		   {.operations = UINT64_C(10) * ITEMS},
		   {.operations = UINT64_C(40) * ITEMS}},
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
