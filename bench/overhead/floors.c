/* SPDX-License-Identifier: MIT */
/*
 * What the machine charges for the steps no executor can avoid: a thread started and joined (the
 * price of a thread for each task), a sleeping thread woken and one woken back (a round trip of a
 * pool that sleeps), and a cache line sent to another processor and back (one that looks).
 */
#include "../workload.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The two sides take turns: odd values are the partner's turn, even ones ours. */
struct table_tennis {
	alignas(64) _Atomic uint32_t turn;
	alignas(64) pthread_t partner;
	uint32_t returns; /* of the partner in this attempt */
	uint32_t seen;
};

static void *count_up(void *user)
{
	++*(uint64_t *)user;
	return NULL;
}

static int start_and_join(struct cell *cell, uint64_t operations)
{
	uint64_t ran = 0;

	for (uint64_t i = 0; i < operations; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, count_up, &ran))
			return cell_fail(cell, "cannot start thread %llu", (unsigned long long)i);
		pthread_join(thread, NULL);
	}
	if (ran != operations)
		return cell_fail(cell, "%llu of %llu threads ran", (unsigned long long)ran,
				 (unsigned long long)operations);
	return 0;
}

static void await_sleeping(struct table_tennis *game, uint32_t turn)
{
	uint32_t now;

	while ((now = atomic_load_explicit(&game->turn, memory_order_acquire)) != turn)
		syscall(SYS_futex, &game->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void await_looking(struct table_tennis *game, uint32_t turn)
{
	/* With one processor the other side runs only when this one yields. */
	for (unsigned looks = 1; atomic_load_explicit(&game->turn, memory_order_acquire) != turn;
	     looks++)
		if (looks % 4096 == 0)
			sched_yield();
}

static void hand_over_waking(struct table_tennis *game, uint32_t turn)
{
	atomic_store_explicit(&game->turn, turn, memory_order_release);
	syscall(SYS_futex, &game->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void hand_over(struct table_tennis *game, uint32_t turn)
{
	atomic_store_explicit(&game->turn, turn, memory_order_release);
}

static void *return_sleeping(void *user)
{
	struct table_tennis *game = user;

	for (uint32_t i = 0; i < game->returns; i++) {
		await_sleeping(game, 2 * i + 1);
		game->seen++;
		hand_over_waking(game, 2 * i + 2);
	}
	return NULL;
}

static void *return_looking(void *user)
{
	struct table_tennis *game = user;

	for (uint32_t i = 0; i < game->returns; i++) {
		await_looking(game, 2 * i + 1);
		game->seen++;
		hand_over(game, 2 * i + 2);
	}
	return NULL;
}

static int prepare(struct cell *cell, uint64_t operations, void *(*partner)(void *))
{
	struct table_tennis *game = cell->state;

	if (!game)
		game = cell->state = aligned_alloc(64, sizeof *game);
	if (!game)
		return cell_fail(cell, "out of memory");
	if (operations > UINT32_MAX / 4)
		return cell_fail(cell, "too many round trips for one sample");
	*game = (struct table_tennis){.returns = (uint32_t)operations};
	if (pthread_create(&game->partner, NULL, partner, game))
		return cell_fail(cell, "cannot start a thread");
	return 0;
}

static int prepare_futex(struct cell *cell, uint64_t operations)
{
	return prepare(cell, operations, return_sleeping);
}

static int prepare_line(struct cell *cell, uint64_t operations)
{
	return prepare(cell, operations, return_looking);
}

static int run_futex(struct cell *cell, uint64_t operations)
{
	struct table_tennis *game = cell->state;

	for (uint32_t i = 0; i < operations; i++) {
		hand_over_waking(game, 2 * i + 1);
		await_sleeping(game, 2 * i + 2);
	}
	return 0;
}

static int run_line(struct cell *cell, uint64_t operations)
{
	struct table_tennis *game = cell->state;

	for (uint32_t i = 0; i < operations; i++) {
		hand_over(game, 2 * i + 1);
		await_looking(game, 2 * i + 2);
	}
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	struct table_tennis *game = cell->state;

	pthread_join(game->partner, NULL);
	if (game->seen != operations)
		return cell_fail(cell, "the partner saw %u of %llu turns", game->seen,
				 (unsigned long long)operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

const struct workload floor_thread = {
	.name = "floor_thread_start",
	.class_name = "floor",
	.operation = "thread",
	.separates = "The machine: a thread started and joined, the price of one for each task.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 20}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.run = start_and_join,
};

const struct workload floor_futex = {
	.name = "floor_futex_round_trip",
	.class_name = "floor",
	.operation = "round trip",
	.separates = "The machine: a sleeping thread is woken and wakes its waker.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 100}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.prepare = prepare_futex,
	.run = run_futex,
	.check = check,
	.teardown = teardown,
};

const struct workload floor_line = {
	.name = "floor_line_round_trip",
	.class_name = "floor",
	.operation = "round trip",
	.separates = "The machine: one cache line goes to another thread that looks, and back.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 1000}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.prepare = prepare_line,
	.run = run_line,
	.check = check,
	.teardown = teardown,
};
