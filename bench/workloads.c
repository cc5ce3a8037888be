/* SPDX-License-Identifier: MIT */
#include "workload.h"

extern const struct workload submit_one_producer, submit_four_producers, submit_many,
	round_trip_idle, round_trip_parked, sum_of_squares, downloads_fixed, downloads_random,
	http_files, http_slow, floor_thread, floor_futex, floor_line;

const struct workload *const workloads[] = {
	&submit_one_producer, &submit_four_producers,
	&submit_many,         &round_trip_idle,
	&round_trip_parked,   &sum_of_squares,
	&downloads_fixed,     &downloads_random,
	&http_files,          &http_slow,
	&floor_thread,        &floor_futex,
	&floor_line,          NULL,
};
