/* SPDX-License-Identifier: MIT */
/*
 * Messages of 1 KiB to a server and back, over pipes and over TCP on the loopback: the shortest
 * real waits there are. A task takes one of eight channels, sends, waits for the answer and gives
 * the channel back; each process connects to a channel once. The server is one thread of the
 * client, and its CPU time is in the figures of all executors alike.
 *
 * Memory orders, by label:
 *   turn    busy: a channel is given back by fetch_and release and taken by fetch_or acquire, so
 *           that what one task of a process did with clients[] is seen by the next.
 */
#include "../batch.h"
#include "../marks.h"
#include "echo_server.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_WORDS = 128, TASKS_MAX = 1 << 20 };

/* Shared with workers that are processes. */
struct channels {
	sem_t vacant;
	_Atomic uint32_t busy; /* bit by bit */
};

static struct channels *channels;
/* Forked workers know it as it was when they began. */
static struct echo_server server;
/* Of this process. */
static struct echo_client clients[CHANNELS];

struct echo_work {
	uint64_t index;
	uint64_t seed;
};

static uint64_t compose(uint64_t *words, uint64_t seed)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MESSAGE_WORDS; i++) {
		words[i] = next_random(&seed);
		sum += words[i];
	}
	return sum;
}

/* There is one: as many passed the semaphore as channels are vacant. */
static unsigned take_channel(void)
{
	while (sem_wait(&channels->vacant))
		;
	for (unsigned i = 0;; i = (i + 1) % CHANNELS)
		/* turn */
		if (!(atomic_fetch_or_explicit(&channels->busy, 1u << i, memory_order_acquire) &
		      1u << i))
			return i;
}

static void give_back(unsigned channel)
{
	/* turn */
	atomic_fetch_and_explicit(&channels->busy, ~(1u << channel), memory_order_release);
	sem_post(&channels->vacant);
}

/* NULL, or what went wrong, with errno. */
static const char *exchange(struct echo_client *client, unsigned channel, const uint64_t *message,
			    uint64_t *answer)
{
	if (client->reads < 0 && echo_connect(&server, channel, client))
		return "cannot connect";
	if (echo_send(client->writes, message, MESSAGE_WORDS * sizeof *message))
		return "cannot send";
	if (echo_receive(client->reads, answer, MESSAGE_WORDS * sizeof *answer))
		return "cannot receive";
	return NULL;
}

static int echo_task(assay_call *call)
{
	const struct echo_work *work = call->argument;
	uint64_t message[MESSAGE_WORDS], answer[MESSAGE_WORDS], sum;
	unsigned channel = take_channel();
	const char *failed;
	char text[160];

	mark(work->index);
	sum = compose(message, work->seed);
	failed = exchange(&clients[channel], channel, message, answer);
	give_back(channel);
	if (failed) {
		snprintf(text, sizeof text, "%s: %s", failed, errno ? strerror(errno) : "closed");
		return assay_fail(call, 1, text);
	}
	if (memcmp(message, answer, sizeof message) != 0)
		return assay_fail(call, 2, "the echo is not what was sent");
	return assay_return(call, &sum, sizeof sum);
}

static const struct assay_named_function functions[] = {{"echo", echo_task}, {NULL, NULL}};

static int setup(struct cell *cell, bool tcp)
{
	char message[CELL_MESSAGE];

	if (batch_begin(cell, echo_task, sizeof(struct echo_work), sizeof(uint64_t), TASKS_MAX))
		return -1;
	for (unsigned i = 0; i < CHANNELS; i++)
		clients[i] = (struct echo_client){-1, -1};
	if (echo_server_start(&server, tcp, cell->directory, message, sizeof message))
		return cell_fail(cell, "%s", message);
	channels = shared_memory(cell, sizeof *channels);
	if (!channels || sem_init(&channels->vacant, 1, CHANNELS))
		return cell_fail(cell, "cannot make a semaphore");
	return 0;
}

static int setup_pipe(struct cell *cell)
{
	return setup(cell, false);
}

static int setup_tcp(struct cell *cell)
{
	return setup(cell, true);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct batch *batch = cell->state;

	if (operations > TASKS_MAX)
		return cell_fail(cell, "more than %d messages", TASKS_MAX);
	if (batch_make(cell, batch, operations))
		return -1;
	for (size_t i = 0; i < operations; i++) {
		struct echo_work *work = batch_argument(batch, i);

		*work = (struct echo_work){i, cell->seed + i};
	}
	marks_clear();
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return batch_run(cell, cell->state);
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct batch *batch = cell->state;
	uint64_t message[MESSAGE_WORDS];

	for (size_t i = 0; i < operations; i++) {
		const struct echo_work *work = batch_argument(batch, i);

		if (*(const uint64_t *)batch_result(batch, i) != compose(message, work->seed))
			return cell_fail(cell, "message %zu: the checksum is wrong", i);
	}
	return marks_check(cell, operations);
}

static void teardown(struct cell *cell)
{
	if (!cell->state)
		return;
	for (unsigned i = 0; i < CHANNELS; i++)
		echo_disconnect(&clients[i]);
	echo_server_stop(&server);
	shared_memory_free(channels, sizeof *channels);
	channels = NULL;
	batch_end(cell);
}

const struct workload pipe_echo = {
	.name = "pipe_echo",
	.class_name = "io",
	.operation = "message",
	.separates = "The shortest waits: 1 KiB through a pipe to a server and back.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = CHANNELS,
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 100}, {.operations = 8000}, {.operations = 32000}},
	.functions = functions,
	.setup = setup_pipe,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};

const struct workload tcp_echo = {
	.name = "tcp_echo",
	.class_name = "io",
	.operation = "message",
	.separates = "The same over TCP: many short waits at once on connections that stay open.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = CHANNELS,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 100}, {.operations = 8000}, {.operations = 32000}},
	.functions = functions,
	.setup = setup_tcp,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
