/* SPDX-License-Identifier: MIT */
#include "gbench.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>

struct gbench_state {
	benchmark::State *state;
	struct gbench_result *result;
	bool begun;
	bool ended;
	bool failed;
};

namespace
{

/* Prints nothing; keeps the one run there is. */
class Keeper : public benchmark::BenchmarkReporter
{
      public:
	explicit Keeper(struct gbench_result *kept) : result(kept)
	{
	}

	bool ReportContext(const Context &) override
	{
		return true;
	}

	void ReportRuns(const std::vector<Run> &runs) override
	{
		for (const Run &run : runs) {
			if (run.run_type != Run::RT_Iteration)
				continue;
			if (run.error_occurred && !result->message[0])
				std::snprintf(result->message, sizeof result->message, "%s",
					      run.error_message.c_str());
			result->ok = !run.error_occurred;
			result->operations = static_cast<uint64_t>(run.iterations);
			result->real_s = run.real_accumulated_time;
			result->cpu_s = run.cpu_accumulated_time;
		}
	}

      private:
	struct gbench_result *result;
};

void call(gbench_body *body, void *user, struct gbench_result *result, benchmark::State &library)
{
	struct gbench_state state = {&library, result, false, false, false};

	result->counters_set = 0;
	body(&state, user);
	if (!state.begun)
		gbench_fail(&state, "the body returned without having measured anything");
	else if (!state.ended) {
		gbench_fail(&state, "the body returned before the end of its loop");
		gbench_end(&state);
	}
	/* Last, when the loop is closed: the library forbids what follows an error. */
	if (state.failed)
		library.SkipWithError(result->message);
}

} // namespace

void gbench_run(const char *name, gbench_body *body, void *user,
		const struct gbench_options *options, struct gbench_result *result)
{
	Keeper keeper(result);
	benchmark::internal::Benchmark *one;

	*result = {};
	benchmark::ClearRegisteredBenchmarks();
	one = benchmark::RegisterBenchmark(
		name, [=](benchmark::State &library) { call(body, user, result, library); });
	one->UseRealTime()->MeasureProcessCPUTime();
	if (options->operations)
		one->Iterations(static_cast<benchmark::IterationCount>(options->operations));
	else
		one->MinTime(options->min_time_s);
	benchmark::RunSpecifiedBenchmarks(&keeper);
	if (!result->ok && !result->message[0])
		std::snprintf(result->message, sizeof result->message,
			      "Google Benchmark ran nothing under the name '%s'", name);
}

uint64_t gbench_operations(const struct gbench_state *state)
{
	return static_cast<uint64_t>(state->state->max_iterations);
}

/* Two batches of all operations: the first starts the clocks, the second finds nothing left. */
void gbench_begin(struct gbench_state *state)
{
	if (state->begun)
		return gbench_fail(state, "the body measured twice");
	state->begun = true;
	state->state->KeepRunningBatch(state->state->max_iterations);
}

void gbench_end(struct gbench_state *state)
{
	if (!state->begun || state->ended)
		return gbench_fail(state, "the body ended a loop that was not begun");
	state->ended = true;
	state->state->KeepRunningBatch(state->state->max_iterations);
}

void gbench_fail(struct gbench_state *state, const char *message)
{
	if (!state->failed)
		std::snprintf(state->result->message, sizeof state->result->message, "%s", message);
	state->failed = true;
}

void gbench_counter(struct gbench_state *state, unsigned index, double value)
{
	if (index >= GBENCH_COUNTERS)
		return gbench_fail(state, "there is no such counter");
	if (!std::isfinite(value))
		return gbench_fail(state, "a counter is not a finite number");
	state->result->counters[index] = value;
	state->result->counters_set |= 1u << index;
}
