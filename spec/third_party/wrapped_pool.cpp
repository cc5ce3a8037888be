/* SPDX-License-Identifier: MIT */
/* A thread pool in C++17 that knows nothing of Assay, and the few lines that make it a backend. */
#include <assay/simple_future.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <new>
#include <sched.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

/* The pool as it was: runs jobs, which are called. */
template <class Job>
class thread_pool
{
      public:
	explicit thread_pool(std::size_t threads)
	{
		try {
			while (workers_.size() < threads)
				workers_.emplace_back([this] { work(); });
		} catch (...) {
			join();
			throw;
		}
	}

	/* False: the pool is closed. */
	bool post(Job job)
	{
		std::lock_guard<std::mutex> lock(mutex_);

		if (closed_)
			return false;
		jobs_.push_back(job);
		changed_.notify_one();
		return true;
	}

	void close()
	{
		std::lock_guard<std::mutex> lock(mutex_);

		closed_ = true;
		changed_.notify_all();
	}

	/* What no worker has taken. */
	std::list<Job> take_all()
	{
		std::lock_guard<std::mutex> lock(mutex_);
		std::list<Job> jobs;

		jobs.swap(jobs_);
		return jobs;
	}

	/* Closes, and returns when every job has run and the threads are gone. */
	void join()
	{
		close();
		std::lock_guard<std::mutex> lock(join_mutex_);
		for (std::thread &worker : workers_)
			worker.join();
		workers_.clear();
	}

	bool is_worker() const
	{
		return own == this;
	}

      private:
	void work()
	{
		own = this;
		for (;;) {
			std::unique_lock<std::mutex> lock(mutex_);

			changed_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
			if (jobs_.empty())
				return;
			Job job = jobs_.front();
			jobs_.pop_front();
			lock.unlock();
			job();
		}
	}

	static inline thread_local thread_pool *own = nullptr;
	std::mutex mutex_;
	std::condition_variable changed_;
	std::list<Job> jobs_;
	bool closed_ = false;
	std::mutex join_mutex_; /* a worker needs mutex_ to end */
	std::vector<std::thread> workers_;
};

/*
 * The backend
 */

struct run_future {
	assay_simple_future *future;

	void operator()() const
	{
		assay_simple_run(future);
	}
};

struct executor {
	assay_executor base; /* first: the table gets its address */
	thread_pool<run_future> pool;
	size_t workers;
	pid_t process; /* a forked child has the pool's memory, but not its threads */
	/* What shutdown took out of the pool is not done before it is cancelled. */
	std::mutex mutex;
	std::condition_variable changed;
	int cancelling;
};

thread_local executor *cancelling_here;

executor *executor_of(assay_executor *base)
{
	return reinterpret_cast<executor *>(base);
}

int submit(assay_executor *base, const assay_task *task, assay_future **out)
{
	assay_simple_future *future;

	if (getpid() != executor_of(base)->process)
		return ASSAY_EUNREACHABLE;
	if (!task->function)
		return ASSAY_EUNKNOWN; /* no name can be registered: create refuses them */
	int error = assay_simple_create(base, task->function, task, out ? 2 : 1, &future);
	if (error)
		return error;
	error = ASSAY_ESHUTDOWN;
	try {
		if (executor_of(base)->pool.post({future})) {
			if (out)
				*out = &future->base;
			return ASSAY_OK;
		}
	} catch (const std::bad_alloc &) { /* no exception may cross the contract */
		error = ASSAY_ENOMEM;
	}
	assay_simple_discard(future);
	return error;
}

/* Callbacks run in here: no lock is held around them. */
void cancel_pending(executor *self)
{
	executor *outer = cancelling_here;
	std::unique_lock<std::mutex> lock(self->mutex);

	self->cancelling++;
	lock.unlock();
	cancelling_here = self;
	for (run_future job : self->pool.take_all())
		assay_simple_cancel(job.future);
	cancelling_here = outer;
	lock.lock();
	self->cancelling--;
	self->changed.notify_all();
}

int shutdown(assay_executor *base, unsigned flags)
{
	executor *self = executor_of(base);

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (getpid() != self->process)
		return ASSAY_OK;
	self->pool.close();
	if (flags & ASSAY_SHUTDOWN_CANCEL_PENDING)
		cancel_pending(self);
	if (!(flags & ASSAY_SHUTDOWN_WAIT))
		return ASSAY_OK;
	if (self->pool.is_worker() || cancelling_here == self)
		return ASSAY_EDEADLOCK;
	self->pool.join();
	std::unique_lock<std::mutex> lock(self->mutex);
	self->changed.wait(lock, [self] { return !self->cancelling; });
	return ASSAY_OK;
}

int destroy(assay_executor *base)
{
	int error = shutdown(base, ASSAY_SHUTDOWN_WAIT);

	if (!error && getpid() == executor_of(base)->process)
		delete executor_of(base);
	return error;
}

void statistics(assay_executor *base, assay_statistics *out, size_t size)
{
	assay_statistics now;

	memset(&now, 0xff, sizeof now); /* UINT64_MAX: it does not count */
	now.workers = executor_of(base)->workers;
	memcpy(out, &now, std::min(size, sizeof now));
}

const assay_executor_ops ops = {
	&assay_backend, submit, assay_default_submit_many, shutdown, destroy, statistics,
};

/* As many as the processors that it may use and four more, since tasks wait, too; at most 32. */
size_t default_workers()
{
	cpu_set_t usable;
	int processors = sched_getaffinity(0, sizeof usable, &usable) ? 1 : CPU_COUNT(&usable);

	return static_cast<size_t>(std::min(processors + 4, 32));
}

int create(const assay_config *config, assay_executor **out)
{
	int error = assay_simple_check_config(config, assay_backend.capabilities);
	size_t workers = static_cast<size_t>(config->workers);

	if (error)
		return error;
	if (config->workers == ASSAY_WORKERS_AUTO)
		workers = default_workers();
	try {
		*out = &(new executor{{&ops},
				      thread_pool<run_future>(workers),
				      workers,
				      getpid(),
				      {},
				      {},
				      0})
				->base;
	} catch (const std::bad_alloc &) {
		return ASSAY_ENOMEM;
	} catch (const std::system_error &) {
		return ASSAY_ERESOURCE;
	}
	return ASSAY_OK;
}

} // namespace

/* In the order of struct assay_backend: C++17 has no designated initializers. */
const struct assay_backend assay_backend = {
	ASSAY_ABI,
	0, /* lookahead */
	ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS | ASSAY_CAP_FUNCTION_POINTERS |
		ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
		ASSAY_CAP_EXACT_START | ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO |
		ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_OWNS_WORKERS,
	"wrapped_pool",
	"a pool of std::thread, wrapped",
	static_cast<size_t>(1) << 30, /* argument_limit */
	static_cast<size_t>(1) << 30, /* result_limit */
	create,
	assay_default_extension,
};
