/* SPDX-License-Identifier: MIT */
/* Creating an executor: what is refused, what is copied, what a setting does. */
#include "fixture.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

static void check_create_refused(struct subject *s, const struct assay_config *config, int expected,
				 const char *what)
{
	assay_executor untouched = {NULL};
	assay_executor *executor = &untouched;
	int error = assay_executor_create(s->backend, config, &executor);

	test_check_error(__FILE__, __LINE__, what, error, expected);
	CHECK(executor == &untouched);
}

/* The executor runs tasks. */
static void check_works(assay_executor *executor)
{
	assay_future *future = submit_int(executor, 17);

	CHECK_EQ(result_int(future), 17);
	assay_future_release(future);
}

ASSAY_TEST(cfg_1_workers_below_one_are_refused, .clause = "CFG-1")
{
	const int counts[] = {0, -1, -2, INT_MIN};
	struct assay_config config = assay_config_default();

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		config.workers = counts[i];
		check_create_refused(s, &config, ASSAY_EINVAL, "create with workers below 1");
	}
}

ASSAY_TEST(cfg_1_one_worker_is_enough, .clause = "CFG-1")
{
	assay_executor *executor = executor_new(s, 1);

	check_works(executor);
	executor_end(executor);
}

ASSAY_TEST(cfg_14_argument_without_address_is_refused, .clause = "CFG-14")
{
	struct assay_config config = assay_config_default();

	config.initializer_argument_size = 1;
	check_create_refused(s, &config, ASSAY_EINVAL, "create with initializer bytes at NULL");
}

ASSAY_TEST(cfg_15_tasks_per_worker_below_one, .clause = "CFG-15")
{
	const int counts[] = {0, -1, INT_MIN};
	struct assay_config config = assay_config_default();

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		config.tasks_per_worker = counts[i];
		check_create_refused(s, &config, ASSAY_EINVAL,
				     "create with tasks_per_worker below 1");
	}
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static int initialize_nothing(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	return 0;
}

/* A setting that needs a capability. */
struct setting {
	uint64_t capability;
	const char *what;
	void (*choose)(struct assay_config *config);
};

static void choose_capacity(struct assay_config *config)
{
	config->queue_capacity = 4;
}

static void choose_reject(struct assay_config *config)
{
	config->when_full = ASSAY_FULL_REJECT;
}

static void choose_initializer(struct assay_config *config)
{
	config->initializer = initialize_nothing;
}

static void choose_tasks_per_worker(struct assay_config *config)
{
	config->tasks_per_worker = 3;
}

static void choose_stack_size(struct assay_config *config)
{
	config->stack_size = 1 << 20;
}

static void choose_fail_on_death(struct assay_config *config)
{
	config->on_worker_death = ASSAY_DEATH_FAILS_TASK;
}

static void choose_retry_on_death(struct assay_config *config)
{
	config->on_worker_death = ASSAY_DEATH_RETRIES;
	config->retries = 1;
}

static void choose_functions(struct assay_config *config)
{
	static const struct assay_named_function named = {"nothing", do_nothing};

	config->functions = &named;
	config->function_count = 1;
}

static void choose_name(struct assay_config *config)
{
	config->name = "named";
}

static const struct setting settings[] = {
	{ASSAY_CAP_BOUNDED_QUEUE, "create with a queue_capacity", choose_capacity},
	{ASSAY_CAP_BOUNDED_QUEUE, "create with ASSAY_FULL_REJECT", choose_reject},
	{ASSAY_CAP_INITIALIZER, "create with an initializer", choose_initializer},
	{ASSAY_CAP_TASKS_PER_WORKER, "create with tasks_per_worker", choose_tasks_per_worker},
	{ASSAY_CAP_STACK_SIZE, "create with a stack_size", choose_stack_size},
	{ASSAY_CAP_SURVIVES_CRASH, "create with ASSAY_DEATH_FAILS_TASK", choose_fail_on_death},
	{ASSAY_CAP_SURVIVES_CRASH, "create with ASSAY_DEATH_RETRIES", choose_retry_on_death},
	{ASSAY_CAP_NAMED_FUNCTIONS, "create with named functions", choose_functions},
	{ASSAY_CAP_WORKER_NAMES, "create with a name", choose_name},
};

enum { SETTINGS = sizeof settings / sizeof *settings };

ASSAY_TEST(cfg_19_settings_not_offered_are_refused, .clause = "CFG-19")
{
	int refused = 0;

	for (int i = 0; i < SETTINGS; i++) {
		struct assay_config config = assay_config_default();

		if (s->backend->capabilities & settings[i].capability)
			continue;
		settings[i].choose(&config);
		check_create_refused(s, &config, ASSAY_EUNSUPPORTED, settings[i].what);
		refused++;
	}
	if (!refused)
		UNSUPPORTED("the backend offers every setting");
}

ASSAY_TEST(cfg_19_settings_offered_are_accepted, .clause = "CFG-19")
{
	int accepted = 0;

	for (int i = 0; i < SETTINGS; i++) {
		struct assay_config config = assay_config_default();
		assay_executor *executor;
		int error;

		if (!(s->backend->capabilities & settings[i].capability))
			continue;
		config.workers = 1;
		settings[i].choose(&config);
		error = assay_executor_create(s->backend, &config, &executor);
		test_check_error(__FILE__, __LINE__, settings[i].what, error, ASSAY_OK);
		check_works(executor);
		executor_end(executor);
		accepted++;
	}
	if (!accepted)
		UNSUPPORTED("the backend offers no setting");
}

ASSAY_TEST(cfg_21_wrong_struct_size_is_refused, .clause = "CFG-21")
{
	const size_t sizes[] = {0, 1, sizeof(struct assay_config) - 1,
				sizeof(struct assay_config) + 8, SIZE_MAX};
	struct assay_config config = assay_config_default();

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		config.struct_size = sizes[i];
		check_create_refused(s, &config, ASSAY_EINVAL, "create with a wrong struct_size");
	}
}

ASSAY_TEST(cfg_22_unknown_policies_are_refused, .clause = "CFG-22")
{
	struct assay_config config = assay_config_default();

	config.when_full = (enum assay_when_full)(ASSAY_FULL_CALLER_RUNS + 1);
	check_create_refused(s, &config, ASSAY_EINVAL, "create with an unknown when_full");
	config = assay_config_default();
	config.on_worker_death = (enum assay_on_worker_death)(ASSAY_DEATH_RETRIES + 1);
	check_create_refused(s, &config, ASSAY_EINVAL, "create with an unknown on_worker_death");
}

ASSAY_TEST(cfg_22_numbers_out_of_range_are_refused, .clause = "CFG-22")
{
	struct assay_config config = assay_config_default();

	config.queue_capacity = 0;
	check_create_refused(s, &config, ASSAY_EINVAL, "create with queue_capacity 0");
	config = assay_config_default();
	config.retries = -1;
	check_create_refused(s, &config, ASSAY_EINVAL, "create with retries -1");
	config = assay_config_default();
	config.function_count = 1;
	check_create_refused(s, &config, ASSAY_EINVAL, "create with functions at NULL");
}

ASSAY_TEST(cfg_22_no_backend_or_another_abi, .clause = "CFG-22")
{
	struct assay_backend other = *s->backend;
	struct subject stranger = {&other, s->workers};
	struct subject nobody = {NULL, s->workers};

	other.abi = ASSAY_ABI + 1;
	check_create_refused(&stranger, NULL, ASSAY_EINVAL, "create from a backend of another ABI");
	check_create_refused(&nobody, NULL, ASSAY_EINVAL, "create from no backend");
}

ASSAY_TEST(cfg_23_unknown_option_is_refused, .clause = "CFG-23")
{
	const char *const options[] = {"no_such_option=1", "no_such_option", "=", ","};
	struct assay_config config = assay_config_default();

	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		config.options = options[i];
		check_create_refused(s, &config, ASSAY_EINVAL, "create with unknown options");
	}
}

ASSAY_TEST(cfg_23_empty_options_are_none, .clause = "CFG-23")
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.options = "";
	executor = executor_with(s, &config);
	check_works(executor);
	executor_end(executor);
}

ASSAY_TEST(cfg_24_no_configuration_is_the_default, .clause = "CFG-24")
{
	struct assay_config config = assay_config_default();
	struct assay_statistics without, with;
	assay_executor *executor = NULL;

	CHECK_OK(assay_executor_create(s->backend, NULL, &executor));
	check_works(executor);
	assay_executor_statistics(executor, &without);
	executor_end(executor);
	executor = executor_with(s, &config);
	assay_executor_statistics(executor, &with);
	executor_end(executor);
	CHECK_EQ(without.workers, with.workers);
}

static int meet_there(assay_call *call)
{
	meet(*(struct probe *const *)call->argument, 2);
	return ASSAY_OK;
}

ASSAY_TEST(cfg_25_configuration_is_copied, .clause = "CFG-25", .needs = ASSAY_CAP_CONCURRENT)
{
	struct assay_config config = assay_config_default();
	struct probe *meeting = probe_new(s);
	assay_executor *executor;
	assay_future *futures[2];

	config.workers = 2;
	executor = executor_with(s, &config);
	memset(&config, 0, sizeof config);
	for (int i = 0; i < 2; i++)
		futures[i] = submit_task(executor, meet_there, &meeting, sizeof meeting);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0));
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(cfg_25_executors_do_not_share_settings, .clause = "CFG-25")
{
	assay_executor *first = executor_new(s, 1);
	assay_executor *second = executor_new(s, 3);
	struct assay_statistics of_first, of_second;

	CHECK(first != second);
	CHECK(assay_executor_backend(first) == assay_executor_backend(second));
	CHECK_STR(assay_executor_backend(first)->name, s->backend->name);
	CHECK_OK(assay_executor_shutdown(first, ASSAY_SHUTDOWN_WAIT));
	check_works(second);
	assay_executor_statistics(first, &of_first);
	assay_executor_statistics(second, &of_second);
	if (of_first.workers && of_first.workers != UINT64_MAX) {
		CHECK_EQ(of_first.workers, 1);
		CHECK_EQ(of_second.workers, 3);
	}
	executor_end(first);
	executor_end(second);
}

/* What a worker says about its stack: its size, after having used the bytes asked for. */
static int use_stack(assay_call *call)
{
	size_t use = *(const size_t *)call->argument, size;
	volatile char *bytes = __builtin_alloca(use);
	pthread_attr_t attributes;

	for (size_t i = 0; i < use; i += 1024)
		bytes[i] = (char)i;
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
	CHECK_EQ(pthread_attr_getstacksize(&attributes, &size), 0);
	pthread_attr_destroy(&attributes);
	return assay_return(call, &size, sizeof size);
}

static size_t stack_with(struct subject *s, size_t stack_size, size_t use)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	assay_future *future;
	size_t size = 0;

	config.workers = 1;
	config.stack_size = stack_size;
	executor = executor_with(s, &config);
	future = submit_task(executor, use_stack, &use, sizeof use);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &size, sizeof size));
	assay_future_release(future);
	executor_end(executor);
	return size;
}

ASSAY_TEST(cfg_26_stack_has_the_size_asked_for, .clause = "CFG-26", .needs = ASSAY_CAP_STACK_SIZE)
{
	const size_t guard = 64 << 10; /* may be taken from the size, on some systems */
	const size_t mebibyte = 1 << 20;

	/* The rest is for the system: a sanitizer keeps most of a mebibyte there. */
	CHECK(stack_with(s, mebibyte, mebibyte / 16) >= mebibyte - guard);
	CHECK(stack_with(s, 16 * mebibyte, 14 * mebibyte) >= 16 * mebibyte - guard);
	CHECK(stack_with(s, mebibyte, 0) < stack_with(s, 16 * mebibyte, 0));
}

ASSAY_TEST(cfg_27_spinning_is_a_hint, .clause = "CFG-27")
{
	const int64_t limits_ns[] = {-1, 0, 1, 50000};
	struct assay_config config = assay_config_default();

	config.workers = 2;
	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++) {
		assay_executor *executor;

		config.spin_ns = limits_ns[i];
		executor = executor_with(s, &config);
		for (int j = 0; j < 20; j++)
			check_works(executor);
		executor_end(executor);
	}
}
