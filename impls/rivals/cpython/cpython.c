/* SPDX-License-Identifier: MIT */
/*
 * concurrent.futures.ThreadPoolExecutor of an embedded CPython. What it is given is a callable in C,
 * which lets go of the interpreter's lock (the GIL) while a task runs: tasks run in parallel, and the
 * queue, the threads and their start and end are Python's.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../adapter.h"
#include "../probe.h"

#include <dlfcn.h>
#include <stdlib.h>

/* Python's own handlers of fork run in ours. */
const bool rival_survives_fork = true;

struct rival {
	PyObject *executor;
	PyObject *submit;
	PyObject *threads; /* a set that grows */
	int workers;
};

/* A task on its way through Python: a capsule whose context says how far it came. Under the GIL. */
static char started, refused;
static PyObject *run_callable;

static PyObject *run(PyObject *self, PyObject *capsule)
{
	struct task *task = PyCapsule_GetPointer(capsule, NULL);

	(void)self;
	if (PyCapsule_GetContext(capsule) != &refused) {
		PyCapsule_SetContext(capsule, &started);
		Py_BEGIN_ALLOW_THREADS;
		adapter_run(task);
		Py_END_ALLOW_THREADS;
	}
	Py_RETURN_NONE;
}

/* The pending exception as an error. Clears it. */
static int take_error(void)
{
	bool memory = PyErr_ExceptionMatches(PyExc_MemoryError);

	PyErr_Clear();
	return memory ? ASSAY_ENOMEM : ASSAY_ERESOURCE;
}

/*
 * The interpreter: one for the process, for ever
 */

static int startup_error;
static bool is_ours;
static PyObject *executor_class;
/* Under the GIL: what is at exit was done. */
static bool has_ended;

/* Python makes the state of a thread without the GIL, under a lock that a fork would leave locked. */
static pthread_mutex_t births = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t own_state;

/* The thread that comes by ends. */
static void forget_thread(void *state)
{
	PyGILState_Ensure();
	PyThreadState_Clear(state);
	PyThreadState_DeleteCurrent();
}

/* Takes the GIL. A client's thread keeps its state until it ends: Ensure alone would make one for
 * every call, and end the program if it cannot. False: no memory. */
static bool enter(PyGILState_STATE *gil)
{
	if (!PyGILState_GetThisThreadState()) {
		PyThreadState *state;

		pthread_mutex_lock(&births);
		state = PyThreadState_New(PyInterpreterState_Main());
		pthread_mutex_unlock(&births);
		if (!state)
			return false;
		pthread_setspecific(own_state, state);
	}
	*gil = PyGILState_Ensure();
	return true;
}

/* The fork that is under way, by whoever holds the GIL and births. */
static struct {
	bool entered;
	PyGILState_STATE gil;
} forking;

static void before_fork(void)
{
	PyGILState_STATE gil = PyGILState_UNLOCKED;
	bool entered = enter(&gil);

	pthread_mutex_lock(&births);
	forking.entered = entered;
	forking.gil = gil;
	if (entered)
		PyOS_BeforeFork();
}

static void after_fork(void (*tell)(void))
{
	PyGILState_STATE gil = forking.gil;
	bool entered = forking.entered;

	if (entered)
		tell();
	pthread_mutex_unlock(&births);
	if (entered)
		PyGILState_Release(gil);
}

static void after_fork_here(void)
{
	after_fork(PyOS_AfterFork_Parent);
}

static void after_fork_in_child(void)
{
	after_fork(PyOS_AfterFork_Child);
}

/* What the interpreter does at its end, but for ending: threads may still come by. */
static void at_exit(void)
{
	PyObject *threading, *done;
	PyGILState_STATE gil;

	if (!enter(&gil))
		return;
	threading = PyImport_ImportModule("threading");
	done = threading ? PyObject_CallMethod(threading, "_shutdown", NULL) : NULL;
	PyErr_Clear();
	has_ended = true;
	Py_XDECREF(done);
	Py_XDECREF(threading);
	PyGILState_Release(gil);
}

static int start_interpreter(void)
{
	PyConfig config;
	PyStatus status;

	/* Modules of Python look for its symbols among the global ones. */
	dlopen(PYTHON_LIBRARY, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	status = PyConfig_SetBytesString(&config, &config.program_name, PYTHON_PROGRAM);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return PyStatus_Exception(status) ? ASSAY_ERESOURCE : ASSAY_OK;
}

static int import_executor(void)
{
	static PyMethodDef method = {"run", run, METH_O, NULL};
	PyObject *module = PyImport_ImportModule("concurrent.futures.thread");

	if (module)
		executor_class = PyObject_GetAttrString(module, "ThreadPoolExecutor");
	Py_XDECREF(module);
	if (executor_class)
		run_callable = PyCFunction_New(&method, NULL);
	return run_callable ? ASSAY_OK : take_error();
}

/* When the backend is loaded: what it costs is not the price of an executor. */
__attribute__((constructor)) static void start(void)
{
	PyGILState_STATE gil;

	if (pthread_key_create(&own_state, forget_thread)) {
		startup_error = ASSAY_ERESOURCE;
		return;
	}
	if (Py_IsInitialized()) {
		gil = PyGILState_Ensure();
		startup_error = import_executor();
		PyGILState_Release(gil);
		return;
	}
	startup_error = start_interpreter();
	if (startup_error)
		return;
	startup_error = import_executor();
	PyEval_SaveThread();
	/* Otherwise the program is Python's, and so are its forks and its end. */
	is_ours = true;
	pthread_atfork(before_fork, after_fork_here, after_fork_in_child);
}

static void watch_exit(void)
{
	if (is_ours)
		atexit(at_exit);
}

/*
 * The seam
 */

int rival_create(int workers, struct rival **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	PyGILState_STATE gil;
	struct rival *rival;

	if (startup_error)
		return startup_error;
	pthread_once(&once, watch_exit);
	rival = calloc(1, sizeof *rival);
	if (!rival)
		return ASSAY_ENOMEM;
	if (!enter(&gil)) {
		free(rival);
		return ASSAY_ENOMEM;
	}
	rival->executor = PyObject_CallFunction(executor_class, "i", workers);
	rival->workers = workers;
	if (rival->executor)
		rival->submit = PyObject_GetAttrString(rival->executor, "submit");
	if (rival->submit)
		rival->threads = PyObject_GetAttrString(rival->executor, "_threads");
	if (!rival->threads) {
		int error = take_error();

		Py_CLEAR(rival->submit);
		Py_CLEAR(rival->executor);
		PyGILState_Release(gil);
		free(rival);
		return error;
	}
	PyGILState_Release(gil);
	*out = rival;
	return ASSAY_OK;
}

/* Python starts a thread after it has queued the task: a thread that it is refused is an exception,
 * though the task may run by then. */
static int submit(struct rival *rival, PyObject *capsule)
{
	PyObject *arguments[] = {run_callable, capsule};
	PyObject *future;
	int error;

	/* A thread that starts without memory dies, and Python waits for it for ever. */
	if (PySet_Size(rival->threads) < rival->workers && probe_memory(1))
		return ASSAY_ENOMEM;
	future = PyObject_Vectorcall(rival->submit, arguments, 2, NULL);
	if (future) {
		Py_DECREF(future); /* ours says more */
		return ASSAY_OK;
	}
	error = has_ended ? ASSAY_ESHUTDOWN : take_error();
	PyErr_Clear();
	if (PyCapsule_GetContext(capsule) == &started)
		return ASSAY_OK;
	PyCapsule_SetContext(capsule, &refused);
	return error;
}

int rival_post(struct rival *rival, struct task *task)
{
	PyGILState_STATE gil;
	PyObject *capsule;
	int error;

	if (!enter(&gil))
		return ASSAY_ENOMEM;
	capsule = PyCapsule_New(task, NULL, NULL);
	error = capsule ? submit(rival, capsule) : take_error();
	Py_XDECREF(capsule);
	PyGILState_Release(gil);
	return error;
}

static void shut_down(struct rival *rival, PyObject *wait)
{
	PyGILState_STATE gil;
	PyObject *done;

	if (!enter(&gil))
		return;
	done = PyObject_CallMethod(rival->executor, "shutdown", "O", wait);
	if (!done)
		PyErr_Clear();
	Py_XDECREF(done);
	PyGILState_Release(gil);
}

void rival_close(struct rival *rival)
{
	shut_down(rival, Py_False);
}

void rival_join(struct rival *rival)
{
	shut_down(rival, Py_True);
}

void rival_free(struct rival *rival)
{
	PyGILState_STATE gil;

	if (enter(&gil)) {
		Py_DECREF(rival->threads);
		Py_DECREF(rival->submit);
		Py_DECREF(rival->executor);
		PyGILState_Release(gil);
	}
	free(rival);
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
			ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_LAZY_WORKERS |
			ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_IDLE_FIRST | ASSAY_CAP_DRAINS_AT_EXIT,
	.name = "cpython",
	.summary = "CPython's ThreadPoolExecutor, embedded, tasks without the GIL",
	.argument_limit = ADAPTER_BYTES_LIMIT,
	.result_limit = ADAPTER_BYTES_LIMIT,
	.create = adapter_create,
	.extension = assay_default_extension,
};
