/* SPDX-License-Identifier: MIT */
/* Code that was loaded after the workers were started. The build makes the library a part of this
 * program, so that the test finds it wherever it is installed. */
#include "fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

__asm__(".section .rodata\n"
	"\t.global late_library, late_library_end\n"
	"\t.hidden late_library, late_library_end\n"
	"late_library: .incbin \"" LATE_LIBRARY "\"\n"
	"late_library_end: .byte 0\n"
	"\t.previous\n");

extern const char late_library[], late_library_end[];

static assay_function *load_late(void)
{
	size_t size = (size_t)(late_library_end - late_library);
	int file = memfd_create("late", MFD_CLOEXEC);
	assay_function *function;
	char path[64];
	void *handle;

	if (file < 0 || write(file, late_library, size) != (ssize_t)size)
		UNRESOLVED("cannot write a library to load");
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		UNRESOLVED("cannot load a library: %s", dlerror());
	close(file);
	*(void **)&function = dlsym(handle, "assay_late_function");
	CHECK(function != NULL);
	return function;
}

ASSAY_TEST(ser_19_code_that_was_loaded_later, .clause = "SER-19",
	   .needs = ASSAY_CAP_FUNCTION_POINTERS)
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *future = submit_int(executor, 1);
	struct assay_task task = {.function = NULL};

	CHECK_EQ(result_int(future), 1);
	assay_future_release(future);
	task.function = load_late();
	for (int i = 0; i < 3; i++) {
		int error;

		future = NULL;
		error = assay_submit(executor, &task, &future);
		if (error)
			CHECK_ERROR(error, ASSAY_EUNSUPPORTED);
		else
			CHECK_EQ(result_int(future), 4711);
		assay_future_release(future);
		/* Whatever it said: nothing has come of it. */
		future = submit_int(executor, i);
		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
	}
	executor_end(executor);
	/* Made now, it knows. */
	executor = executor_new(s, 1);
	future = submit_task(executor, task.function, NULL, 0);
	CHECK_EQ(result_int(future), 4711);
	assay_future_release(future);
	executor_end(executor);
}
