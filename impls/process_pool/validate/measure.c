/* SPDX-License-Identifier: MIT */
/*
 * What the pool costs beside what the system takes for the same without one, measured in turns.
 * Usage: measure BACKEND.so [rounds]. Each line: what, the pool, the floor, the ratio; medians.
 *
 * Ordering
 *   V1  line_floor: release store of the word  ->  the other's acquire load     whose turn it is
 */
#include <assay/load.h>

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ROUNDS 101

static const struct assay_backend *backend;
static int rounds = 7;

static void die(const char *what, int error)
{
	fprintf(stderr, "measure: %s: %s\n", what, assay_error_name(error));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Medians of the two sides of a comparison, taken in turns. */
static void report(const char *what, const char *unit, double (*pool)(void), double (*floor)(void),
		   const char *floor_name)
{
	double ours[MOST_ROUNDS], theirs[MOST_ROUNDS];

	for (int i = 0; i < rounds; i++) {
		ours[i] = pool();
		theirs[i] = floor();
	}
	qsort(ours, (size_t)rounds, sizeof *ours, compare);
	qsort(theirs, (size_t)rounds, sizeof *theirs, compare);
	printf("%-28s %12.2f %s", what, ours[rounds / 2], unit);
	printf("   %-22s %12.2f   ratio %.2f", floor_name, theirs[rounds / 2],
	       ours[rounds / 2] / theirs[rounds / 2]);
	printf("   (%.2f .. %.2f)\n", ours[0], ours[rounds - 1]);
	fflush(stdout);
}

static int nothing(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

static assay_executor *create(int workers, int64_t spin_ns)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	config.workers = workers;
	config.spin_ns = spin_ns;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	return executor;
}

static void round_trip(assay_executor *executor, uint64_t value)
{
	struct assay_task task = {nothing, NULL, &value, sizeof value};
	assay_future *future;
	uint64_t back = 0;
	int error = assay_submit(executor, &task, &future);

	if (!error)
		error = assay_future_result(future, ASSAY_FOREVER, &back, sizeof back);
	if (error || back != value)
		die("round trip", error);
	assay_future_release(future);
}

static double time_round_trips(int64_t spin_ns, int count)
{
	assay_executor *executor = create(1, spin_ns);
	int64_t start_ns;

	for (int i = 0; i < 100; i++)
		round_trip(executor, (uint64_t)i);
	start_ns = assay_clock_ns();
	for (int i = 0; i < count; i++)
		round_trip(executor, (uint64_t)i);
	start_ns = assay_clock_ns() - start_ns;
	assay_executor_destroy(executor);
	return (double)start_ns / count / 1e3;
}

static double busy_pool(void)
{
	return time_round_trips(1000000000, 100000);
}

static double parked_pool(void)
{
	return time_round_trips(0, 5000);
}

/* Two processes hand a line over and back. */
static double line_floor(void)
{
	enum { COUNT = 200000 };
	_Atomic uint32_t *word =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t start_ns = assay_clock_ns();
	pid_t child = fork();

	for (uint32_t i = 0; i < COUNT; i++) {
		/* V1 */
		while (atomic_load_explicit(word, memory_order_acquire) != 2 * i + (child == 0))
			;
		atomic_store_explicit(word, 2 * i + 1 + (child == 0),
				      memory_order_release); /* V1 */
	}
	if (child == 0)
		_exit(0);
	while (atomic_load(word) != 2 * COUNT)
		;
	start_ns = assay_clock_ns() - start_ns;
	waitpid(child, NULL, 0);
	munmap((void *)word, 4096);
	return (double)start_ns / COUNT / 1e3;
}

static double futex_floor(void)
{
	enum { COUNT = 5000 };
	_Atomic uint32_t *word =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t start_ns = assay_clock_ns();
	pid_t child = fork();

	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t seen;

		while ((seen = atomic_load(word)) != 2 * i + (child == 0))
			syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
		atomic_store(word, seen + 1);
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	start_ns = assay_clock_ns() - start_ns;
	munmap((void *)word, 4096);
	return (double)start_ns / COUNT / 1e3;
}

static double pipe_floor(void)
{
	enum { COUNT = 5000 };
	int there[2], back[2];
	int64_t start_ns;
	char byte = 0;
	pid_t child;

	if (pipe(there) || pipe(back))
		die("pipe", ASSAY_ERESOURCE);
	start_ns = assay_clock_ns();
	child = fork();
	for (int i = 0; i < COUNT; i++) {
		bool ok = child ? write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1
				: read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1;

		if (!ok)
			_exit(1);
	}
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	start_ns = assay_clock_ns() - start_ns;
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	return (double)start_ns / COUNT / 1e3;
}

static double sleep_floor(void)
{
	double futex = futex_floor(), pipes = pipe_floor();

	return futex < pipes ? futex : pipes;
}

/* Thousands of tasks a second, all read back. */
static double throughput(void)
{
	enum { ROUND = 4096, COUNT = 100 * ROUND };
	static assay_future *futures[ROUND];
	assay_executor *executor = create(2, -1);
	int64_t start_ns = assay_clock_ns();
	uint64_t value = 0;
	int error = 0;

	for (int done = 0; done < COUNT; done += ROUND) {
		for (int i = 0; i < ROUND && !error; i++) {
			struct assay_task task = {nothing, NULL, &value, sizeof value};

			error = assay_submit(executor, &task, &futures[i]);
		}
		for (int i = 0; i < ROUND && !error; i++) {
			error = assay_future_result(futures[i], ASSAY_FOREVER, &value,
						    sizeof value);
			assay_future_release(futures[i]);
		}
		if (error)
			die("throughput", error);
	}
	start_ns = assay_clock_ns() - start_ns;
	assay_executor_destroy(executor);
	return COUNT / ((double)start_ns / 1e9) / 1e3;
}

/* A pipe pair for each worker, one task at a time. */
static double pipe_throughput(void)
{
	return 1e3 / pipe_floor();
}

static size_t payload;
static char *source, *target;

/* GB of payload a second, there and back. */
static double copy_pool(void)
{
	assay_executor *executor = create(1, -1);
	int count = (int)((256u << 20) / payload), error = 0;
	int64_t start_ns = 0;

	for (int i = -2; i < count && !error; i++) {
		struct assay_task task = {nothing, NULL, source, payload};
		assay_future *future;

		if (i == 0)
			start_ns = assay_clock_ns();
		error = assay_submit(executor, &task, &future);
		if (!error) {
			error = assay_future_result(future, ASSAY_FOREVER, target, payload);
			assay_future_release(future);
		}
	}
	if (error)
		die("payload", error);
	start_ns = assay_clock_ns() - start_ns;
	assay_executor_destroy(executor);
	return (double)payload * count / (double)start_ns;
}

/* The copies that the pool and the task make: in, by the task, out. */
static double copy_plain(void)
{
	int count = (int)((256u << 20) / payload);
	char *middle = malloc(payload), *other = malloc(payload);
	int64_t start_ns = 0;

	for (int i = -2; i < count; i++) {
		if (i == 0)
			start_ns = assay_clock_ns();
		memcpy(middle, source, payload);
		memcpy(other, middle, payload);
		memcpy(target, other, payload);
	}
	start_ns = assay_clock_ns() - start_ns;
	free(middle);
	free(other);
	return (double)payload * count / (double)start_ns;
}

static double life_of_pool(void)
{
	int64_t start_ns = assay_clock_ns();

	for (int i = 0; i < 50; i++) {
		assay_executor *executor = create(2, -1);

		round_trip(executor, 1);
		assay_executor_destroy(executor);
	}
	return (double)(assay_clock_ns() - start_ns) / 50e3;
}

static double life_of_processes(int count)
{
	int64_t start_ns = assay_clock_ns();

	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < count; k++)
			if (fork() == 0)
				_exit(0);
		for (int k = 0; k < count; k++)
			wait(NULL);
	}
	return (double)(assay_clock_ns() - start_ns) / 50e3;
}

static double life_of_workers(void)
{
	return life_of_processes(2);
}

/* As many as a pool of two workers is. */
static double life_of_family(void)
{
	return life_of_processes(3);
}

int main(int argc, char **argv)
{
	char message[512];
	cpu_set_t all, one;

	if (argc < 2 || argc > 3 ||
	    assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: measure BACKEND.so [rounds]");
		return 2;
	}
	if (argc == 3)
		rounds = atoi(argv[2]);
	if (rounds < 1 || rounds > MOST_ROUNDS) {
		fprintf(stderr, "measure: rounds are 1 to %d, saw %s\n", MOST_ROUNDS, argv[2]);
		return 2;
	}
	report("create, task, destroy", "us", life_of_pool, life_of_family, "3 fork and wait");
	report("create, task, destroy", "us", life_of_pool, life_of_workers, "2 fork and wait");
	report("round trip, busy", "us", busy_pool, line_floor, "line");
	report("round trip, parked", "us", parked_pool, sleep_floor, "futex or pipe");
	/* A wake-up costs many times more to another CPU than to one's own, and the system chooses. */
	sched_getaffinity(0, sizeof all, &all);
	CPU_ZERO(&one);
	for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	sched_setaffinity(0, sizeof one, &one);
	report("the same on one CPU", "us", parked_pool, sleep_floor, "futex or pipe");
	sched_setaffinity(0, sizeof all, &all);
	report("throughput, 2 workers", "k/s", throughput, pipe_throughput, "pipe pair");
	source = malloc((size_t)64 << 20);
	target = malloc((size_t)64 << 20);
	if (!source || !target)
		die("memory", ASSAY_ENOMEM);
	memset(source, 1, (size_t)64 << 20);
	memset(target, 1, (size_t)64 << 20);
	for (payload = 1 << 20; payload <= (size_t)64 << 20; payload *= 8) {
		char what[64];

		snprintf(what, sizeof what, "echo of %zu MiB", payload >> 20);
		report(what, "GB/s", copy_pool, copy_plain, "three copies");
	}
	return 0;
}
