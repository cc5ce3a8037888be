/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <cjson/cJSON.h>

extern const struct workload submit_one_producer, submit_rounds, submit_four_producers, submit_many,
	submit_many_rounds, oversubscribed_submit, round_trip_idle, round_trip_polling,
	round_trip_gap_10, round_trip_gap_30, round_trip_gap_60, round_trip_gap, round_trip_gap_200,
	round_trip_parked, memory_per_pending_task, idle_after_burst, sleeps_64_workers,
	fib_fork_join, fib_futures, fib_futures_25, oversubscribed_fib, skynet_fork_join, fork_loop,
	map_ints, uneven_grain;
extern const struct workload sum_of_squares, downloads_fixed, downloads_random, http_files,
	http_slow, floor_thread, floor_futex, floor_line, floor_forks, floor_records;
extern const struct workload nqueens, nqueens_fork, matmul, mergesort, metg_stencil, metg_fft,
	metg_tree, metg_random;
extern const struct workload files_read, files_fsync, pipe_echo, tcp_echo, sqlite_insert;
extern const struct workload poisson_30, poisson_60, poisson_80, poisson_95, mixed, bursts;
extern const struct workload producers_consumers, lifecycle, payload_empty, payload_4_kib,
	payload_1_mib, payload_64_mib, stream_1_mib, stream_64_mib, stream_in_place_1_mib,
	stream_in_place_8_mib, stream_in_place_64_mib;
extern const struct workload crash;
extern const struct workload floor_process_line, floor_process_futex, floor_process_pipe,
	floor_process_futex_parked, floor_process_pipe_parked, floor_process_start,
	floor_process_start_3, floor_copy_1_mib, floor_copy_8_mib, floor_copy_64_mib;
extern const struct workload instrument_loop, instrument_sample, instrument_clock,
	instrument_latency;

const struct workload *const workloads[] = {
	&submit_one_producer,
	&submit_rounds,
	&submit_four_producers,
	&submit_many,
	&submit_many_rounds,
	&oversubscribed_submit,
	&round_trip_idle,
	&round_trip_polling,
	&round_trip_gap_10,
	&round_trip_gap_30,
	&round_trip_gap_60,
	&round_trip_gap,
	&round_trip_gap_200,
	&round_trip_parked,
	&memory_per_pending_task,
	&idle_after_burst,
	&sleeps_64_workers,
	&fib_fork_join,
	&fib_futures,
	&fib_futures_25,
	&oversubscribed_fib,
	&skynet_fork_join,
	&fork_loop,
	&map_ints,
	&uneven_grain,
	&sum_of_squares,
	&downloads_fixed,
	&downloads_random,
	&http_files,
	&http_slow,
	&nqueens,
	&nqueens_fork,
	&matmul,
	&mergesort,
	&metg_stencil,
	&metg_fft,
	&metg_tree,
	&metg_random,
	&files_read,
	&files_fsync,
	&pipe_echo,
	&tcp_echo,
	&sqlite_insert,
	&poisson_30,
	&poisson_60,
	&poisson_80,
	&poisson_95,
	&mixed,
	&bursts,
	&producers_consumers,
	&lifecycle,
	&payload_empty,
	&payload_4_kib,
	&payload_1_mib,
	&payload_64_mib,
	&stream_1_mib,
	&stream_64_mib,
	&stream_in_place_1_mib,
	&stream_in_place_8_mib,
	&stream_in_place_64_mib,
	&crash,
	&floor_thread,
	&floor_futex,
	&floor_line,
	&floor_forks,
	&floor_records,
	&floor_process_line,
	&floor_process_futex,
	&floor_process_pipe,
	&floor_process_futex_parked,
	&floor_process_pipe_parked,
	&floor_process_start,
	&floor_process_start_3,
	&floor_copy_1_mib,
	&floor_copy_8_mib,
	&floor_copy_64_mib,
	&instrument_loop,
	&instrument_sample,
	&instrument_clock,
	&instrument_latency,
	NULL,
};

static cJSON *describe(const struct workload *workload)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", workload->name);
	cJSON_AddStringToObject(object, "class", workload->class_name);
	cJSON_AddStringToObject(object, "metric", workload->metric);
	cJSON_AddStringToObject(object, "unit", workload->unit);
	cJSON_AddStringToObject(object, "operation", workload->operation);
	cJSON_AddStringToObject(object, "separates", workload->separates);
	cJSON_AddBoolToObject(object, "on_executors", workload->on_executors);
	if (workload->without)
		cJSON_AddStringToObject(object, "without_executor", workload->without);
	else
		cJSON_AddNullToObject(object, "without_executor");
	return object;
}

cJSON *workloads_describe(void)
{
	cJSON *list = cJSON_CreateArray();

	for (const struct workload *const *each = workloads; *each; each++)
		cJSON_AddItemToArray(list, describe(*each));
	return list;
}
