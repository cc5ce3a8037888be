/* SPDX-License-Identifier: MIT */
/* What a future says in each of its states: the truth table, six rows of six columns. */
#include "fixture.h"

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* A future in the state of one row of the truth table. */
struct row {
	assay_executor *executor; /* NULL: destroyed */
	struct occupied workers;
	struct gate *gate;
	assay_future *future;
};

static struct row row_pending(struct subject *s)
{
	struct row row = {.executor = executor_new(s, 1)};

	row.workers = occupy_workers(s, row.executor, 1);
	row.future = submit_int(row.executor, 7);
	return row;
}

static struct row row_running(struct subject *s)
{
	struct row row = {.executor = executor_new(s, 1), .gate = gate_new(s)};
	struct probe *started = probe_new(s);

	row.future = submit_gated(row.executor, row.gate, started, 7);
	probe_await(started, 1);
	return row;
}

/* The executor has not met the cancelled task yet. */
static struct row row_cancelled(struct subject *s)
{
	struct row row = row_pending(s);

	CHECK(assay_future_cancel(row.future));
	return row;
}

/* The executor has met the cancelled task: it has drained. */
static struct row row_cancelled_drained(struct subject *s)
{
	struct row row = row_cancelled(s);

	release_workers(&row.workers);
	executor_end(row.executor);
	row.executor = NULL;
	return row;
}

static struct row row_finished(struct subject *s)
{
	struct row row = {.executor = executor_new(s, 1)};

	row.future = submit_int(row.executor, 7);
	CHECK_OK(assay_future_wait(row.future, ASSAY_FOREVER));
	return row;
}

static struct row row_failed(struct subject *s)
{
	struct row row = {.executor = executor_new(s, 1)};

	row.future = submit_failing(row.executor, 7, "seven");
	CHECK_OK(assay_future_wait(row.future, ASSAY_FOREVER));
	return row;
}

static void row_end(struct row *row)
{
	if (row->gate)
		gate_open(row->gate);
	if (row->executor && row->workers.count)
		release_workers(&row->workers);
	if (row->executor)
		executor_end(row->executor);
	assay_future_release(row->future);
}

/* The columns cancelled, running and done: one state, and the question for done. */
static void check_state(struct row row, enum assay_state state, bool done)
{
	CHECK_EQ(assay_future_state(row.future), state);
	CHECK_EQ(assay_future_is_done(row.future), done);
	CHECK_EQ(assay_future_state(row.future), state);
	row_end(&row);
}

/* The column cancel: its answer and the state after it. */
static void check_cancel(struct row row, bool answer, enum assay_state after)
{
	CHECK_EQ(assay_future_cancel(row.future), answer);
	CHECK_EQ(assay_future_state(row.future), after);
	row_end(&row);
}

/* The column result without time. */
static void check_result(struct row row, int error, int value)
{
	int seen = -1;

	CHECK_ERROR(assay_future_result(row.future, 0, &seen, sizeof seen), error);
	CHECK_EQ(seen, error ? -1 : value);
	row_end(&row);
}

/* The column exception without time, for a future that is not done. */
static void check_no_outcome(struct row row)
{
	struct assay_outcome outcome = {.error = 1, .code = 2};

	CHECK_ERROR(assay_future_outcome(row.future, 0, &outcome), ASSAY_ETIMEDOUT);
	CHECK_EQ(outcome.error, 1);
	CHECK_EQ(outcome.code, 2);
	row_end(&row);
}

/* The column exception without time, for a future that is done. */
static void check_outcome(struct row row, int error, int code, const char *message)
{
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(row.future, 0, &outcome));
	CHECK_ERROR(outcome.error, error);
	CHECK_EQ(outcome.code, code);
	CHECK_STR(outcome.message, message);
	row_end(&row);
}

/* The truth table: six states, four tests each. */

ASSAY_TEST(fut_tt_1_pending_state, .clause = "FUT-TT-1", .needs = QUEUES)
{
	check_state(row_pending(s), ASSAY_PENDING, false);
}

ASSAY_TEST(fut_tt_1_pending_cancel, .clause = "FUT-TT-1", .needs = QUEUES)
{
	check_cancel(row_pending(s), true, ASSAY_CANCELLED);
}

ASSAY_TEST(fut_tt_1_pending_result, .clause = "FUT-TT-1", .needs = QUEUES)
{
	check_result(row_pending(s), ASSAY_ETIMEDOUT, 0);
}

ASSAY_TEST(fut_tt_1_pending_outcome, .clause = "FUT-TT-1", .needs = QUEUES)
{
	check_no_outcome(row_pending(s));
}

ASSAY_TEST(fut_tt_2_running_state, .clause = "FUT-TT-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_state(row_running(s), ASSAY_RUNNING, false);
}

ASSAY_TEST(fut_tt_2_running_cancel, .clause = "FUT-TT-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_cancel(row_running(s), false, ASSAY_RUNNING);
}

ASSAY_TEST(fut_tt_2_running_result, .clause = "FUT-TT-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_result(row_running(s), ASSAY_ETIMEDOUT, 0);
}

ASSAY_TEST(fut_tt_2_running_outcome, .clause = "FUT-TT-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_no_outcome(row_running(s));
}

ASSAY_TEST(fut_tt_3_cancelled_state, .clause = "FUT-TT-3", .needs = QUEUES)
{
	check_state(row_cancelled(s), ASSAY_CANCELLED, true);
}

ASSAY_TEST(fut_tt_3_cancelled_cancel, .clause = "FUT-TT-3", .needs = QUEUES)
{
	check_cancel(row_cancelled(s), true, ASSAY_CANCELLED);
}

ASSAY_TEST(fut_tt_3_cancelled_result, .clause = "FUT-TT-3", .needs = QUEUES)
{
	check_result(row_cancelled(s), ASSAY_ECANCELLED, 0);
}

ASSAY_TEST(fut_tt_3_cancelled_outcome, .clause = "FUT-TT-3", .needs = QUEUES)
{
	check_outcome(row_cancelled(s), ASSAY_ECANCELLED, 0, "");
}

ASSAY_TEST(fut_tt_4_cancelled_drained_state, .clause = "FUT-TT-4", .needs = QUEUES)
{
	check_state(row_cancelled_drained(s), ASSAY_CANCELLED, true);
}

ASSAY_TEST(fut_tt_4_cancelled_drained_cancel, .clause = "FUT-TT-4", .needs = QUEUES)
{
	check_cancel(row_cancelled_drained(s), true, ASSAY_CANCELLED);
}

ASSAY_TEST(fut_tt_4_cancelled_drained_result, .clause = "FUT-TT-4", .needs = QUEUES)
{
	check_result(row_cancelled_drained(s), ASSAY_ECANCELLED, 0);
}

ASSAY_TEST(fut_tt_4_cancelled_drained_outcome, .clause = "FUT-TT-4", .needs = QUEUES)
{
	check_outcome(row_cancelled_drained(s), ASSAY_ECANCELLED, 0, "");
}

ASSAY_TEST(fut_tt_5_finished_state, .clause = "FUT-TT-5")
{
	check_state(row_finished(s), ASSAY_FINISHED, true);
}

ASSAY_TEST(fut_tt_5_finished_cancel, .clause = "FUT-TT-5")
{
	check_cancel(row_finished(s), false, ASSAY_FINISHED);
}

ASSAY_TEST(fut_tt_5_finished_result, .clause = "FUT-TT-5")
{
	check_result(row_finished(s), ASSAY_OK, 7);
}

ASSAY_TEST(fut_tt_5_finished_outcome, .clause = "FUT-TT-5")
{
	check_outcome(row_finished(s), ASSAY_OK, 0, "");
}

ASSAY_TEST(fut_tt_6_failed_state, .clause = "FUT-TT-6")
{
	check_state(row_failed(s), ASSAY_FINISHED, true);
}

ASSAY_TEST(fut_tt_6_failed_cancel, .clause = "FUT-TT-6")
{
	check_cancel(row_failed(s), false, ASSAY_FINISHED);
}

ASSAY_TEST(fut_tt_6_failed_result, .clause = "FUT-TT-6")
{
	check_result(row_failed(s), ASSAY_EFAILED, 0);
}

ASSAY_TEST(fut_tt_6_failed_outcome, .clause = "FUT-TT-6")
{
	check_outcome(row_failed(s), ASSAY_EFAILED, 7, "seven");
}
