/* SPDX-License-Identifier: MIT */
/*
 * A real store behind a lock: rows inserted into one SQLite database, one transaction each, over a
 * connection for each thread. Only one writes at a time, so no executor is faster than the serial
 * row; the question is how much slower its workers make each other. The database has a write-ahead
 * log and is not synced at each commit: for the disk there is files_fsync.
 */
#include "../batch.h"
#include "../marks.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4, BUSY_MS = 20000, TASKS_MAX = 1 << 20, PATH_SIZE = 4200 };

/* Workers that are forked inherit it. */
static char path[PATH_SIZE];

struct connection {
	sqlite3 *database;
	sqlite3_stmt *insert;
};

struct row {
	uint64_t index;
	uint64_t value;
};

static pthread_key_t connection_key;
static pthread_once_t connection_once = PTHREAD_ONCE_INIT;
static bool connection_ready;

static void disconnect(void *user)
{
	struct connection *connection = user;

	if (connection) {
		sqlite3_finalize(connection->insert);
		sqlite3_close(connection->database);
	}
	free(connection);
}

static void make_connection_key(void)
{
	connection_ready = pthread_key_create(&connection_key, disconnect) == 0;
}

static struct connection *connect_thread(void)
{
	struct connection *connection;

	pthread_once(&connection_once, make_connection_key);
	connection = connection_ready ? pthread_getspecific(connection_key) : NULL;
	if (connection || !connection_ready)
		return connection;
	connection = calloc(1, sizeof *connection);
	if (connection && sqlite3_open(path, &connection->database) == SQLITE_OK &&
	    sqlite3_busy_timeout(connection->database, BUSY_MS) == SQLITE_OK &&
	    sqlite3_exec(connection->database, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL) ==
		    SQLITE_OK &&
	    sqlite3_prepare_v2(connection->database, "INSERT INTO rows VALUES (?1, ?2)", -1,
			       &connection->insert, NULL) == SQLITE_OK &&
	    pthread_setspecific(connection_key, connection) == 0)
		return connection;
	disconnect(connection);
	return NULL;
}

static void disconnect_thread(void)
{
	pthread_once(&connection_once, make_connection_key);
	if (!connection_ready)
		return;
	disconnect(pthread_getspecific(connection_key));
	pthread_setspecific(connection_key, NULL);
}

static int insert_task(assay_call *call)
{
	const struct row *row = call->argument;
	struct connection *connection = connect_thread();
	uint64_t inserted;
	int code;

	mark(row->index);
	if (!connection)
		return assay_fail(call, 1, "cannot open the database");
	sqlite3_bind_int64(connection->insert, 1, (sqlite3_int64)row->index);
	sqlite3_bind_int64(connection->insert, 2, (sqlite3_int64)row->value);
	code = sqlite3_step(connection->insert);
	sqlite3_reset(connection->insert);
	if (code != SQLITE_DONE)
		return assay_fail(call, 2, sqlite3_errmsg(connection->database));
	inserted = (uint64_t)sqlite3_last_insert_rowid(connection->database);
	return assay_return(call, &inserted, sizeof inserted);
}

static const struct assay_named_function functions[] = {{"insert", insert_task}, {NULL, NULL}};

/* On a connection of its own, which is gone when workers are forked. */
static int with_database(struct cell *cell, int (*use)(struct cell *, sqlite3 *))
{
	sqlite3 *database = NULL;
	int failed = -1;

	if (sqlite3_open(path, &database) == SQLITE_OK &&
	    sqlite3_busy_timeout(database, BUSY_MS) == SQLITE_OK)
		failed = use(cell, database);
	if (failed)
		cell_fail(cell, "%s: %s", path,
			  database ? sqlite3_errmsg(database) : "out of memory");
	sqlite3_close(database);
	return failed;
}

static int create(struct cell *cell, sqlite3 *database)
{
	(void)cell;
	return sqlite3_exec(database,
			    "PRAGMA journal_mode = WAL;"
			    "CREATE TABLE rows (number INTEGER PRIMARY KEY, value INTEGER)",
			    NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -1;
}

static int empty(struct cell *cell, sqlite3 *database)
{
	(void)cell;
	return sqlite3_exec(database, "DELETE FROM rows", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int setup(struct cell *cell)
{
	snprintf(path, sizeof path, "%s/rows.db", cell->directory);
	if (batch_begin(cell, insert_task, sizeof(struct row), sizeof(uint64_t), TASKS_MAX))
		return -1;
	return with_database(cell, create);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct batch *batch = cell->state;
	uint64_t random = cell->seed;

	if (operations > TASKS_MAX)
		return cell_fail(cell, "more than %d rows", TASKS_MAX);
	if (batch_make(cell, batch, operations))
		return -1;
	for (size_t i = 0; i < operations; i++) {
		struct row *row = batch_argument(batch, i);

		*row = (struct row){i, next_random(&random)};
	}
	marks_clear();
	return with_database(cell, empty);
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return batch_run(cell, cell->state);
}

static int compare(struct cell *cell, sqlite3_stmt *select)
{
	const struct batch *batch = cell->state;
	size_t found = 0;
	int code;

	for (; (code = sqlite3_step(select)) == SQLITE_ROW; found++) {
		const struct row *row = batch_argument(batch, found);

		if (found == batch->count ||
		    (uint64_t)sqlite3_column_int64(select, 0) != row->index ||
		    (uint64_t)sqlite3_column_int64(select, 1) != row->value)
			return cell_fail(cell, "row %zu in the database is wrong", found);
		if (*(const uint64_t *)batch_result(batch, found) != row->index)
			return cell_fail(cell, "the task of row %zu returned another", found);
	}
	if (code == SQLITE_DONE && found != batch->count)
		return cell_fail(cell, "%zu rows in the database, expected %zu", found,
				 batch->count);
	return code == SQLITE_DONE ? 0 : -1;
}

static int compare_all(struct cell *cell, sqlite3 *database)
{
	sqlite3_stmt *select;
	int failed;

	if (sqlite3_prepare_v2(database, "SELECT number, value FROM rows ORDER BY number", -1,
			       &select, NULL) != SQLITE_OK)
		return -1;
	failed = compare(cell, select);
	sqlite3_finalize(select);
	return failed;
}

static int check(struct cell *cell, uint64_t operations)
{
	return with_database(cell, compare_all) || marks_check(cell, operations) ? -1 : 0;
}

static void teardown(struct cell *cell)
{
	disconnect_thread();
	batch_end(cell);
}

const struct workload sqlite_insert = {
	.name = "sqlite_insert",
	.class_name = "io",
	.operation = "row",
	.separates = "How much workers disturb each other where only one can go on.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 20}, {.operations = 4000}, {.operations = 16000}},
	.functions = functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
