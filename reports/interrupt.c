/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t came;

static void note(int number)
{
	came = number;
}

static int handle_all(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler}; /* without SA_RESTART: waits end */

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (sigaction(numbers[i], &action, NULL))
			return -1;
	return 0;
}

int interrupt_watch(void)
{
	return handle_all(note);
}

void interrupt_unwatch(void)
{
	handle_all(SIG_DFL);
}

bool interrupt_came(void)
{
	return came != 0;
}

/* One between the look and waitpid() is seen when the child ends by itself: seconds, not hours. */
int interrupt_wait(pid_t child)
{
	int status;

	do {
		if (came)
			kill(child, SIGTERM);
		if (waitpid(child, &status, 0) == child)
			return status;
	} while (errno == EINTR);
	return -1;
}
