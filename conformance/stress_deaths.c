/* SPDX-License-Identifier: MIT */
/* Tasks in great number while their workers are killed at any moment. Short in every run; as long as
 * $ASSAY_TORTURE_SECONDS says in the CTest configuration `long`. */
#include "death.h"
#include "family.h"

#include <assert.h>
#include <dirent.h>
#include <sched.h>
#include <stdlib.h>

enum {
	CLIENTS = 2,    /* threads that submit, each its share of the tasks, and wait for them */
	WINDOW = 256,   /* tasks of a thread, submitted and not looked at */
	SLOTS = 64,     /* for the numbers of worker processes */
	LARGE = 100000, /* bytes of every hundredth argument and result */
	PAUSE = 1000,   /* at most so many tasks end between a kill and the next */
	SHARE = 1250,   /* for so many tasks of a thread there is a kill at least */
	RETRIES = 1000, /* no worker is killed more often: they are never used up */
};

/* Between two of them so many tasks end that the killer's pause is over: it is not waited for in vain. */
static_assert(SHARE - SHARE / 13 - 1 > PAUSE, "but for those that are cancelled");

/* In memory that everybody sees. */
struct torture {
	struct probe kills;
	uint32_t pids[SLOTS];
	uint32_t done;  /* tasks that ended by themselves */
	uint32_t ran[]; /* times, each task */
};

struct tortured {
	struct torture *torture;
	uint32_t index;
	unsigned char bytes[LARGE];
};

#define HEAD offsetof(struct tortured, bytes)

static int be_tortured(assay_call *call)
{
	const struct tortured *tortured = call->argument;
	struct torture *torture = tortured->torture;
	uint32_t pid = (uint32_t)getpid();

	__atomic_fetch_add(&torture->ran[tortured->index], 1, __ATOMIC_RELAXED);
	__atomic_store_n(&torture->pids[pid % SLOTS], pid, __ATOMIC_RELAXED);
	__atomic_fetch_add(&torture->done, 1, __ATOMIC_RELAXED);
	return assay_return(call, tortured, call->argument_size);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A thread of the client that kills a worker every so many tasks, and no more than RETRIES. */
struct killer {
	struct actor actor;
	struct torture *torture;
	uint64_t seed;
	uint32_t is_over;
};

static void kill_workers(void *argument)
{
	struct killer *killer = argument;
	struct torture *torture = killer->torture;
	uint32_t next = 0;

	while (!__atomic_load_n(&killer->is_over, __ATOMIC_ACQUIRE) &&
	       probe_count(&torture->kills) < RETRIES) {
		uint32_t *slot = &torture->pids[random_next(&killer->seed) % SLOTS];
		pid_t pid;

		if (__atomic_load_n(&torture->done, __ATOMIC_RELAXED) < next) {
			sched_yield();
			continue;
		}
		pid = (pid_t)__atomic_exchange_n(slot, 0, __ATOMIC_RELAXED);
		/* Its number could be somebody else's by now. */
		if (!pid || !is_descendant(pid) || kill(pid, SIGKILL))
			continue;
		next = __atomic_load_n(&torture->done, __ATOMIC_RELAXED) +
		       (uint32_t)(random_next(&killer->seed) % PAUSE);
		probe_hit(&torture->kills);
	}
}

static void count_call(assay_future *future, void *user)
{
	(void)future;
	__atomic_fetch_add((uint32_t *)user, 1, __ATOMIC_RELAXED);
}

struct client {
	struct actor actor;
	assay_executor *executor;
	struct torture *torture;
	struct tortured *argument;
	assay_future *futures[WINDOW];
	bool cancelled[WINDOW];
	uint32_t *called;     /* done callbacks, each task */
	uint32_t first, last; /* its tasks, without the last */
	uint32_t most;        /* times a task may run */
	uint32_t lost;
	uint32_t again; /* runs beyond the first */
	uint32_t gone;  /* cancelled */
};

static size_t size_of(uint32_t index)
{
	return index % 100 == 17 ? sizeof(struct tortured) : HEAD;
}

static void look_at(struct client *client, uint32_t index)
{
	assay_future *future = client->futures[index % WINDOW];
	struct assay_outcome outcome = {.error = 1};
	uint32_t ran;

	if (index % 7 == 3) /* by way of whoever notifies sets */
		CHECK_OK(assay_wait(&future, 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL));
	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	ran = __atomic_load_n(&client->torture->ran[index], __ATOMIC_RELAXED);
	CHECK(ran <= client->most);
	if (client->cancelled[index % WINDOW]) {
		CHECK_ERROR(outcome.error, ASSAY_ECANCELLED);
		CHECK_EQ(ran, 0);
		client->gone++;
	} else if (outcome.error) {
		CHECK_ERROR(outcome.error, ASSAY_EDIED);
		client->lost++;
	} else {
		const struct tortured *seen = outcome.result;

		CHECK_EQ(outcome.result_size, size_of(index));
		CHECK_EQ(seen->index, index);
		if (outcome.result_size > HEAD)
			CHECK(seen->bytes[0] == (index & 0xff) &&
			      seen->bytes[LARGE - 1] == (index & 0xff));
		CHECK(ran >= 1);
	}
	client->again += ran > 1 ? ran - 1 : 0;
	assay_future_release(future);
}

static void submit_tortured(struct client *client, uint32_t index)
{
	struct tortured *argument = client->argument;
	assay_future *future;

	argument->index = index;
	if (size_of(index) > HEAD)
		memset(argument->bytes, (int)(index & 0xff), LARGE);
	future = submit_task(client->executor, be_tortured, argument, size_of(index));
	CHECK_OK(assay_future_add_done_callback(future, count_call, &client->called[index]));
	client->futures[index % WINDOW] = future;
	client->cancelled[index % WINDOW] = index % 13 == 5 && assay_future_cancel(future);
}

static void submit_and_look(void *argument)
{
	struct client *client = argument;

	for (uint32_t i = client->first; i < client->last + WINDOW; i++) {
		if (i >= client->first + WINDOW)
			look_at(client, i - WINDOW);
		if (i >= client->last)
			continue;
		submit_tortured(client, i);
		probe_await(&client->torture->kills, (i - client->first) / SHARE);
	}
}

/* Mappings with something behind them that could be left. */
static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int count = 0;

	if (!maps)
		UNRESOLVED("cannot read /proc/self/maps");
	while (fgets(line, sizeof line, maps))
		count += strstr(line, "memfd:") || strstr(line, "/dev/shm/") ||
			 strstr(line, "/SYSV");
	fclose(maps);
	return count;
}

static int count_shared_memory(void)
{
	DIR *directory = opendir("/dev/shm");
	int count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

/* What others have there goes again, what was left stays: the deadline of the test is the limit. */
static void await_shared_memory(int files)
{
	while (count_shared_memory() > files)
		sched_yield();
}

/* Over all executors of a test. */
struct totals {
	unsigned long long kills, lost, again;
};

static void check_counts(const struct client *clients, uint32_t count, struct totals *totals)
{
	uint32_t kills = probe_count(&clients->torture->kills), lost = 0, again = 0, gone = 0;
	struct assay_statistics now;

	for (int i = 0; i < CLIENTS; i++) {
		lost += clients[i].lost;
		again += clients[i].again;
		gone += clients[i].gone;
	}
	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&clients->called[i], __ATOMIC_RELAXED) != 1)
			CHECK_EQ(clients->called[i], 1);
	/* Each death has cost one run of one task, and nothing else has. */
	CHECK(lost + again <= kills);
	CHECK(kills >= (count / CLIENTS - 1) / SHARE);
	if (clients->most > 1)
		CHECK_EQ(lost, 0);
	assay_executor_statistics(clients->executor, &now);
	if (now.submitted != UINT64_MAX) {
		CHECK_EQ(now.submitted, count);
		CHECK_EQ(now.finished + now.cancelled + now.broken, count);
		CHECK_EQ(now.cancelled, gone);
		CHECK_EQ(now.failed, lost);
	}
	totals->kills += kills;
	totals->lost += lost;
	totals->again += again;
}

static void torture(struct subject *s, struct torture *torture, uint32_t count, int workers,
		    enum assay_on_worker_death policy, uint64_t seed, struct totals *totals)
{
	int retries = policy == ASSAY_DEATH_RETRIES ? RETRIES : 0;
	assay_executor *executor = executor_surviving(s, workers, policy, retries);
	struct killer killer = {.torture = torture, .seed = seed};
	struct client clients[CLIENTS];
	uint32_t *called = calloc(count, sizeof *called);

	CHECK(called != NULL);
	memset(torture, 0, sizeof *torture + count * sizeof torture->ran[0]);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.executor = executor,
					     .torture = torture,
					     .argument = calloc(1, sizeof(struct tortured)),
					     .called = called,
					     .first = count / CLIENTS * i,
					     .last = count / CLIENTS * (i + 1),
					     .most = (uint32_t)retries + 1};
		CHECK(clients[i].argument != NULL);
		clients[i].argument->torture = torture;
	}
	actor_start(&killer.actor, kill_workers, &killer);
	for (int i = 0; i < CLIENTS; i++)
		actor_start(&clients[i].actor, submit_and_look, &clients[i]);
	for (int i = 0; i < CLIENTS; i++)
		actor_join(&clients[i].actor);
	__atomic_store_n(&killer.is_over, 1, __ATOMIC_RELEASE);
	actor_join(&killer.actor);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_counts(clients, count, totals);
	CHECK_OK(assay_executor_destroy(executor));
	check_childless();
	for (int i = 0; i < CLIENTS; i++)
		free(clients[i].argument);
	free(called);
}

static void torture_for_long(struct subject *s, enum assay_on_worker_death policy)
{
	int64_t seconds = torture_seconds() ? torture_seconds() : 2;
	int64_t end_ns = assay_deadline_ns(seconds * 1000000000);
	uint32_t count = (uint32_t)scaled(100000) / CLIENTS * CLIENTS;
	struct totals totals = {0, 0, 0};
	struct torture *memory = shared_new(s, sizeof *memory + count * sizeof(uint32_t));
	int descriptors = 0, mappings = 0, files = count_shared_memory();
	uint64_t seed = 1;

	adopt_orphans();
	do {
		torture(s, memory, count, 2 + (int)(seed % 3) / 2, policy,
			seed * 0x9e3779b97f4a7c15u, &totals);
		NOTE("%llu workers killed, %llu tasks lost and %llu run again, of %llu; last seed "
		     "%llu",
		     totals.kills, totals.lost, totals.again, (unsigned long long)(seed * count),
		     (unsigned long long)seed);
		if (seed++ == 1) { /* what is opened once may stay */
			descriptors = count_descriptors();
			mappings = count_mappings();
		}
		CHECK_EQ(count_descriptors(), descriptors);
		CHECK_EQ(count_mappings(), mappings);
		await_shared_memory(files);
	} while (seed < 3 || assay_remaining_ns(end_ns) > 0);
}

ASSAY_TEST(str_7_killed_workers_lose_one_task_each, .clause = "STR-7",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE, .rounds = 2, .deadline_ms = 60000)
{
	torture_for_long(s, ASSAY_DEATH_FAILS_TASK);
}

ASSAY_TEST(str_7_killed_workers_lose_nothing, .clause = "STR-7",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE, .rounds = 2, .deadline_ms = 60000)
{
	torture_for_long(s, ASSAY_DEATH_RETRIES);
}
