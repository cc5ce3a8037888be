/* SPDX-License-Identifier: MIT */
/* What the drivers in C++ share. */
#ifndef BENCH_RAW_GATE_HH
#define BENCH_RAW_GATE_HH

#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>

/* Threads of a pool that stay in a task until they are let go. */
class Gate
{
      public:
	void pass()
	{
		std::unique_lock<std::mutex> held(lock);

		inside++;
		moved.notify_all();
		moved.wait(held, [this] { return is_open; });
		inside--;
		moved.notify_all();
	}

	/* Until so many are inside. */
	void await(int count)
	{
		std::unique_lock<std::mutex> held(lock);

		moved.wait(held, [this, count] { return inside == count; });
	}

	void open()
	{
		std::lock_guard<std::mutex> held(lock);

		is_open = true;
		moved.notify_all();
	}

      private:
	std::mutex lock;
	std::condition_variable moved;
	int inside = 0;
	bool is_open = false;
};

/* What the rival throws ends at the C interface. */
template <typename Body>
int guarded(Body body)
{
	try {
		body();
		return 0;
	} catch (const std::bad_alloc &) {
		return ENOMEM;
	} catch (const std::exception &) {
		return EIO;
	}
}

#endif
