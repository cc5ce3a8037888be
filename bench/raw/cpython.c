/* SPDX-License-Identifier: MIT */
/*
 * The executors of concurrent.futures in an embedded CPython, as their manual shows them: submit() for
 * each task, result() of each future. The tasks' function is that of C, so that the figure has none of
 * Python's arithmetic in it. Built twice: RAW_THREADS for ThreadPoolExecutor, else ProcessPoolExecutor,
 * one task a message.
 */
#include <Python.h>

#include "raw.h"

#include "work.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#ifdef RAW_THREADS
#define ROW "cpython_thread_raw"
#define SUMMARY "ThreadPoolExecutor, tasks in C; futures each"
#define IMPORT "from concurrent.futures import ThreadPoolExecutor as Pool\n"
#define CONTEXT ""
#define START ""
#define SHARING                                                             \
	"from threading import Event, Semaphore\n"                          \
	"from assay_work import mark, work\n"                               \
	"def for_each(pool, count):\n"                                      \
	"    for future in [pool.submit(work, i) for i in range(count)]:\n" \
	"        future.result()\n"                                         \
	"def pend(pool, workers, count):\n"                                 \
	"    arrived, leave = Semaphore(0), Event()\n"                      \
	"    def hold():\n"                                                 \
	"        arrived.release()\n"                                       \
	"        leave.wait()\n"                                            \
	"    holds = [pool.submit(hold) for _ in range(workers)]\n"         \
	"    for _ in holds:\n"                                             \
	"        arrived.acquire()\n"                                       \
	"    futures = [None] * count\n"                                    \
	"    mark()\n"                                                      \
	"    for i in range(count):\n"                                      \
	"        futures[i] = pool.submit(spread, i)\n"                     \
	"    mark()\n"                                                      \
	"    leave.set()\n"                                                 \
	"    return array('Q', [future.result() for future in futures])\n"
#else
#define ROW "cpython_process_raw"
#define SUMMARY "ProcessPoolExecutor, forked workers, chunk size 1; futures each"
#define IMPORT                                                         \
	"from concurrent.futures import ProcessPoolExecutor as Pool\n" \
	"from multiprocessing import get_context\n"
#define CONTEXT ", get_context('fork')"
#define START "    submit(pool, 0, 4 * workers)\n" /* its processes are started by tasks */
#define SHARING ""
#endif

static const char program[] =
	"from array import array\n" IMPORT "from assay_work import spread\n"
	"def open_pool(workers):\n"
	"    pool = Pool(workers" CONTEXT ")\n" START "    return pool\n"
	"def submit(pool, first, count):\n"
	"    futures = [pool.submit(spread, i) for i in range(first, first + count)]\n"
	"    return array('Q', [future.result() for future in futures])\n"
	"def round_trip(pool, argument):\n"
	"    return array('Q', [pool.submit(spread, argument).result()])\n" SHARING;

struct raw_pool {
	PyObject *executor;
	int workers;
};

static PyObject *functions; /* the names of the program */

static PyObject *spread_in_python(PyObject *module, PyObject *argument)
{
	uint64_t value = PyLong_AsUnsignedLongLong(argument);

	(void)module;
	return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(spread(value));
}

#ifdef RAW_THREADS
/* Of the operation that is under way, by one thread at a time. */
static struct {
	void (*work)(void *item);
	char *items;
	size_t size;
	void (*mark)(void *user);
	void *user;
} shared;

static PyObject *work_in_python(PyObject *module, PyObject *argument)
{
	size_t index = PyLong_AsSize_t(argument);

	(void)module;
	if (PyErr_Occurred())
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	shared.work(shared.items + index * shared.size);
	Py_END_ALLOW_THREADS;
	Py_RETURN_NONE;
}

static PyObject *mark_in_python(PyObject *module, PyObject *nothing)
{
	(void)module;
	(void)nothing;
	shared.mark(shared.user);
	Py_RETURN_NONE;
}
#endif

static PyObject *make_module(void)
{
	static PyMethodDef methods[] = {{"spread", spread_in_python, METH_O, NULL},
#ifdef RAW_THREADS
					{"work", work_in_python, METH_O, NULL},
					{"mark", mark_in_python, METH_NOARGS, NULL},
#endif
					{NULL, NULL, 0, NULL}};
	static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "assay_work",
					 .m_size = -1, .m_methods = methods};

	return PyModule_Create(&definition);
}

static int start_interpreter(void)
{
	PyConfig config;
	PyStatus status;

	/* Modules of Python look for its symbols among the global ones. */
	dlopen(PYTHON_LIBRARY, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	if (PyImport_AppendInittab("assay_work", make_module))
		return ENOMEM;
	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	status = PyConfig_SetBytesString(&config, &config.program_name, PYTHON_PROGRAM);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return PyStatus_Exception(status) ? EAGAIN : 0;
}

/* Under the GIL: says on standard error what Python says. */
static int fail(void)
{
	int error = PyErr_ExceptionMatches(PyExc_MemoryError) ? ENOMEM : EIO;

	PyErr_Print();
	return error;
}

/* The interpreter lives as long as the process. */
static int start_once(void)
{
	PyObject *done;
	int error;

	if (functions)
		return 0;
	error = start_interpreter();
	if (error)
		return error;
	functions = PyDict_New();
	done = functions ? PyRun_String(program, Py_file_input, functions, functions) : NULL;
	if (!done) {
		error = fail();
		Py_CLEAR(functions);
	}
	Py_XDECREF(done);
	PyEval_SaveThread();
	return error;
}

static int open_pool(int workers, struct raw_pool **out, int *effective)
{
	struct raw_pool *pool = calloc(1, sizeof *pool);
	int error = pool ? start_once() : ENOMEM;
	PyObject *count = NULL;
	PyGILState_STATE gil;

	if (error) {
		free(pool);
		return error;
	}
	gil = PyGILState_Ensure();
	pool->executor =
		PyObject_CallFunction(PyDict_GetItemString(functions, "open_pool"), "i", workers);
	if (pool->executor)
		count = PyObject_GetAttrString(pool->executor, "_max_workers");
	if (count)
		*effective = pool->workers = (int)PyLong_AsLong(count);
	else
		error = fail();
	Py_XDECREF(count);
	if (error)
		Py_XDECREF(pool->executor);
	PyGILState_Release(gil);
	if (error)
		free(pool);
	else
		*out = pool;
	return error;
}

static void close_pool(struct raw_pool *pool)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *done = PyObject_CallMethod(pool->executor, "shutdown", NULL);

	if (!done)
		PyErr_Print();
	Py_XDECREF(done);
	Py_DECREF(pool->executor);
	PyGILState_Release(gil);
	free(pool);
}

/* Copies an array of so many numbers, and forgets it. Under the GIL. */
static int take(PyObject *array, uint64_t *values, size_t count)
{
	Py_buffer bytes;
	int error = 0;

	if (!array || PyObject_GetBuffer(array, &bytes, PyBUF_SIMPLE)) {
		Py_XDECREF(array);
		return fail();
	}
	if (bytes.len == (Py_ssize_t)(count * sizeof *values))
		memcpy(values, bytes.buf, count * sizeof *values);
	else
		error = EIO;
	PyBuffer_Release(&bytes);
	Py_DECREF(array);
	return error;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *array =
		PyObject_CallFunction(PyDict_GetItemString(functions, "submit"), "OKn",
				      pool->executor, (unsigned long long)first, (Py_ssize_t)count);
	int error = take(array, values, count);

	PyGILState_Release(gil);
	return error;
}

static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *array = PyObject_CallFunction(PyDict_GetItemString(functions, "round_trip"), "OK",
						pool->executor, (unsigned long long)argument);
	int error = take(array, value, 1);

	PyGILState_Release(gil);
	return error;
}

static const char *version(void)
{
	static char text[48];

	snprintf(text, sizeof text, "CPython %.*s", (int)strcspn(Py_GetVersion(), " "),
		 Py_GetVersion());
	return text;
}

#ifdef RAW_THREADS
static int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, size_t size,
		    size_t count)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *done;
	int error;

	shared.work = work;
	shared.items = items;
	shared.size = size;
	done = PyObject_CallFunction(PyDict_GetItemString(functions, "for_each"), "On",
				     pool->executor, (Py_ssize_t)count);
	error = done ? 0 : fail();
	Py_XDECREF(done);
	PyGILState_Release(gil);
	return error;
}

static int pend(struct raw_pool *pool, size_t count, uint64_t *values, void (*mark)(void *user),
		void *user)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *array;
	int error;

	shared.mark = mark;
	shared.user = user;
	array = PyObject_CallFunction(PyDict_GetItemString(functions, "pend"), "Oin",
				      pool->executor, pool->workers, (Py_ssize_t)count);
	error = take(array, values, count);
	PyGILState_Release(gil);
	return error;
}
#endif

#define NO_WAITS "a worker of Python's executors that waits for another task does nothing else"
#define NO_SHARING "the items would have to be pickled"

static const struct raw_refusal refusals[] = {
	{"fib_fork_join", NO_WAITS},
	{"fib_futures", NO_WAITS},
	{"fib_futures_25", NO_WAITS},
	{"skynet", NO_WAITS},
	{"oversubscribed_fib", NO_WAITS},
	{"submit_many", "chunks are a matter of map(), which submits one by one else"},
#ifdef RAW_THREADS
	{"map_ints", "its map makes a task of each number"},
#else
	{"map_ints", NO_SHARING},
	{"uneven_grain", NO_SHARING},
	{"sleeps_64_workers", NO_SHARING},
	{"memory_per_pending_task", "no task can keep its worker and be let go by shared memory"},
#endif
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = ROW,
	.summary = SUMMARY,
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.submit = submit,
	.round_trip = round_trip,
#ifdef RAW_THREADS
	.for_each = for_each,
	.pend = pend,
#endif
};
