/* SPDX-License-Identifier: MIT */
/* The helper, and how the client starts and ends it. The labels are those of segment.h. */
#include "zygote.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct helper {
	struct segment *segment;
	const struct settings *settings;
	pid_t self;
	int socket;
	int client; /* pidfd: readable when the client is gone */
};

/* The helper's workers by lane. What is shared a task may have written: it would decide whom the helper
 * kills, and whether it ever leaves. */
static struct child {
	pid_t process;    /* 0: none */
	bool is_unburied; /* the last one's end means something to the guardian */
} children[MOST_WORKERS];

static int open_pidfd(pid_t process)
{
	return (int)syscall(SYS_pidfd_open, process, 0); /* close-on-exec by itself */
}

/* Out of the way of standard input, output and error, which the client may have closed. */
static int move_up(int descriptor)
{
	int moved, error;

	if (descriptor < 0 || descriptor > 2)
		return descriptor;
	moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
	error = errno;
	close(descriptor);
	errno = error;
	return moved;
}

/*
 * In the helper
 */

static void interrupt_poll(int signal)
{
	(void)signal;
}

/* As in a fresh program: what the client handles means nothing here. */
static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			sigaction(number, &action, NULL);
	action.sa_handler = interrupt_poll;
	sigaction(SIGCHLD, &action, NULL);
}

/* Standard input would be shared with the client, byte by byte: it is empty instead. */
static void empty_input(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null > 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	} else if (null < 0) {
		close(STDIN_FILENO);
	}
}

/* All but standard input, output and error, and what it needs itself. */
static void close_others(const struct helper *helper)
{
	unsigned first =
		(unsigned)(helper->socket < helper->client ? helper->socket : helper->client);
	unsigned second = (unsigned)(helper->socket + helper->client) - first;

	if (first > 3)
		close_range(3, first - 1, 0);
	if (second > first + 1)
		close_range(first + 1, second - 1, 0);
	close_range(second + 1, ~0U, 0);
}

/* PREFIX_INDEX; -1: PREFIX_fork. Without the pages of printf, of which no child has a mapping yet. */
static void set_name(const struct helper *helper, int index)
{
	char name[] = "12345678901_1234", digits[] = "fork";
	size_t length = strnlen(helper->settings->name, 11), first = 0;

	memcpy(name, helper->settings->name, length);
	name[length++] = '_';
	if (index >= 0) {
		first = sizeof digits - 1;
		do
			digits[--first] = (char)('0' + index % 10);
		while ((index /= 10) && first);
	}
	memcpy(name + length, digits + first, sizeof digits - first);
	/* Past AddressSanitizer's prctl(), whose lock another thread may have held at the fork. */
	syscall(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
}

/* The child that forked is the worker. */
static void become_worker(struct helper *helper, int index)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != helper->self)
		_exit(0); /* the helper died before the line above */
	close(helper->socket);
	close(helper->client);
	set_name(helper, index);
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	worker_run(helper->segment, helper->settings, index);
}

/* 0 or an errno value. */
static int start_worker(struct helper *helper, int index)
{
	struct lane *lane = &helper->segment->lanes[index];
	pid_t child = fork();
	int error = child < 0 ? errno : 0;

	if (child == 0)
		become_worker(helper, index);
	/* relaxed, as pid: published with the phase (W2, W3) */
	atomic_store_explicit(&lane->status, error, memory_order_relaxed);
	children[index] = (struct child){child < 0 ? 0 : child, child < 0};
	atomic_store_explicit(&lane->pid, child, memory_order_relaxed);
	/* A refused fork is an end, too: the guardian sees pid -1. */
	atomic_store_explicit(&lane->phase, child < 0 ? LANE_ENDED : LANE_ALIVE,
			      memory_order_release); /* W2 W3 */
	/* Last: the guardian takes a lane that is neither for one to be filled. */
	atomic_store_explicit(&lane->wanted, 0, memory_order_release); /* W2 */
	return error;
}

static void tell_client(struct helper *helper)
{
	char nudge = 0;

	/* If it would block there are nudges enough on their way. */
	send(helper->socket, &nudge, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The pool is stopping, and no task is in the ring. */
static bool is_drained(const struct helper *helper)
{
	struct control *control = helper->segment->control;

	return atomic_load_explicit(&control->stopping, memory_order_acquire) &&   /* S7 */
	       atomic_load_explicit(&control->head, memory_order_acquire) >=       /* S6 */
		       atomic_load_explicit(&control->tail, memory_order_seq_cst); /* K3 */
}

/* relaxed: it has ended (W7) */
static bool has_left(const struct lane *lane, int status)
{
	return atomic_load_explicit(&lane->leaving, memory_order_relaxed) == LEAVING_PLANNED &&
	       status == 0;
}

/* Whether the guardian has to know. */
static bool reap(struct helper *helper)
{
	bool any = false;
	int status;
	pid_t child;

	while ((child = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < helper->segment->workers; i++) {
			struct lane *lane = &helper->segment->lanes[i];

			if (children[i].process != child)
				continue;
			children[i] = (struct child){0, !has_left(lane, status)};
			/* relaxed: published with the phase (W3) */
			atomic_store_explicit(&lane->pid, child, memory_order_relaxed);
			atomic_store_explicit(&lane->status, status, memory_order_relaxed);
			atomic_store_explicit(&lane->phase, LANE_ENDED,
					      memory_order_seq_cst); /* K3 W3 */
			any |= children[i].is_unburied || !is_drained(helper);
		}
	return any;
}

/* Whether the guardian has yet to see the end of the worker that had the lane. It would not if the phase
 * were another than was written here. */
static bool is_unburied(struct helper *helper, int index)
{
	struct lane *lane = &helper->segment->lanes[index];
	uint32_t phase = atomic_load_explicit(&lane->phase, memory_order_acquire); /* W4 */

	if (phase == LANE_EMPTY)
		children[index].is_unburied = false;
	if (children[index].is_unburied && phase != LANE_ENDED) {
		atomic_store_explicit(&lane->phase, LANE_ENDED, memory_order_release); /* W3 */
		tell_client(helper);
	}
	return children[index].is_unburied;
}

/* All workers have left as they should, and nothing remains to be done: a task that is to run again
 * would be in the ring, or its worker's lane not yet empty. */
static bool is_over(struct helper *helper)
{
	for (int i = 0; i < helper->segment->workers; i++) {
		struct lane *lane = &helper->segment->lanes[i];

		if (children[i].process || is_unburied(helper, i))
			return false;
		if (atomic_load_explicit(&lane->wanted, memory_order_acquire) && /* W1 */
		    atomic_load_explicit(&lane->phase, memory_order_relaxed) == LANE_EMPTY)
			return false;
	}
	return is_drained(helper);
}

static bool serve_lanes(struct helper *helper)
{
	bool any = false;

	for (int i = 0; i < helper->segment->workers; i++) {
		struct lane *lane = &helper->segment->lanes[i];
		pid_t process;
		int number;

		if (!children[i].process &&
		    atomic_load_explicit(&lane->wanted, memory_order_acquire) && /* W1 */
		    atomic_load_explicit(&lane->phase, memory_order_relaxed) == LANE_EMPTY)
			any |= start_worker(helper, i) != 0;
		/* A signal that finds no worker stays for the next, which may be on its way. */
		process = children[i].process;
		number = process ? atomic_exchange_explicit(&lane->signal, 0,
							    memory_order_acquire) /* W5 */
				 : 0;
		if (number)
			kill(process, number);
		if (number == SIGTERM) /* a stopped task would not see it */
			kill(process, SIGCONT);
	}
	return any;
}

/* Nothing of the pool is left when the helper is gone. */
static _Noreturn void end_family(struct helper *helper)
{
	for (int i = 0; i < helper->segment->workers; i++)
		if (children[i].process)
			kill(children[i].process, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(0);
}

/* The guardian works while this process ends. */
static _Noreturn void quit(struct helper *helper)
{
	atomic_store_explicit(&helper->segment->control->quit, 1, memory_order_release); /* W6 */
	shutdown(helper->socket, SHUT_RDWR);
	_exit(0);
}

static _Noreturn void serve(struct helper *helper)
{
	struct pollfd watched[2] = {{.fd = helper->socket, .events = POLLIN},
				    {.fd = helper->client, .events = POLLIN}};
	sigset_t all_but_child;
	char nudges[64];

	sigfillset(&all_but_child);
	sigdelset(&all_but_child, SIGCHLD);
	for (;;) {
		bool news = reap(helper);

		if (serve_lanes(helper) || news)
			tell_client(helper);
		if (is_over(helper))
			quit(helper);
		ppoll(watched, 2, NULL, &all_but_child);
		if (watched[1].revents || (watched[0].revents & (POLLHUP | POLLERR)))
			end_family(helper);
		recv(helper->socket, nudges, sizeof nudges, MSG_DONTWAIT);
	}
}

struct report {
	int error; /* an errno value */
};

static _Noreturn void helper_run(struct helper *helper, void (*prepare)(void), pid_t client)
{
	struct report report = {0};

	helper->self = getpid();
	for (int i = 0; i < helper->segment->workers; i++)
		children[i] = (struct child){0}; /* if the client is a worker: its helper's */
	helper->client = move_up(open_pidfd(client));
	helper->socket = move_up(helper->socket);
	if (helper->client < 0 || helper->socket < 0 || getppid() != client)
		_exit(1);
	prepare();
	reset_signals();
	__fpurge(stdout); /* what the client has not written yet is the client's to write */
	close_others(helper);
	empty_input();
	set_name(helper, -1);
	for (int i = 0; i < helper->segment->workers && !report.error; i++)
		report.error = start_worker(helper, i);
	send(helper->socket, &report, sizeof report, MSG_NOSIGNAL);
	if (report.error)
		end_family(helper);
	serve(helper);
}

/*
 * In the client
 */

static int resource_error(int error)
{
	return error == ENOMEM ? ASSAY_ENOMEM : ASSAY_ERESOURCE;
}

void zygote_end(struct zygote *zygote)
{
	siginfo_t info;

	shutdown(zygote->socket, SHUT_RDWR); /* also if a child of the client has it, too */
	close(zygote->socket);
	while (waitid(P_PIDFD, (id_t)zygote->process, &info, WEXITED) && errno == EINTR)
		;
	close(zygote->process);
}

/* 0 or an errno value. */
static int open_sockets(int sockets[2])
{
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return errno;
	sockets[0] = move_up(sockets[0]);
	error = sockets[0] < 0 ? errno : 0;
	sockets[1] = move_up(sockets[1]);
	if (!error && sockets[1] < 0)
		error = errno;
	for (int i = 0; error && i < 2; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
	return error;
}

int zygote_start(struct zygote *zygote, struct segment *segment, const struct settings *settings,
		 void (*prepare)(void))
{
	pid_t client = getpid(), child;
	int sockets[2], error;

	error = open_sockets(sockets);
	if (error)
		return resource_error(error);
	child = fork();
	if (child == 0) {
		struct helper helper = {segment, settings, 0, sockets[1], -1};

		helper_run(&helper, prepare, client);
	}
	error = errno;
	close(sockets[1]);
	zygote->socket = sockets[0];
	if (child < 0) {
		close(sockets[0]);
		return resource_error(error);
	}
	zygote->process = move_up(open_pidfd(child));
	if (zygote->process < 0) {
		error = errno;
		/* Not killed: it ends its workers first. Nobody else waits for it. */
		shutdown(sockets[0], SHUT_RDWR);
		close(sockets[0]);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
		return resource_error(error);
	}
	return ASSAY_OK;
}

/* What the helper sends next. False: it is gone. */
static bool receive(const struct zygote *zygote, void *bytes, size_t size)
{
	/* A process that another thread forked while the helper was started may have the helper's end
	 * of the socket, too: only the helper's own end is certain to be seen. */
	struct pollfd watched[2] = {{.fd = zygote->socket, .events = POLLIN},
				    {.fd = zygote->process, .events = POLLIN}};

	while (poll(watched, 2, -1) < 0)
		if (errno != EINTR && errno != EAGAIN && errno != ENOMEM)
			return false;
	/* First what it said last: that it has gone stays to be seen. */
	return watched[0].revents &&
	       recv(zygote->socket, bytes, size, MSG_DONTWAIT) == (ssize_t)size;
}

int zygote_await(const struct zygote *zygote)
{
	struct report report;

	if (!receive(zygote, &report, sizeof report))
		return ASSAY_ERESOURCE;
	return report.error ? resource_error(report.error) : ASSAY_OK;
}

void zygote_nudge(const struct zygote *zygote)
{
	char nudge = 0;

	send(zygote->socket, &nudge, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool zygote_listen(const struct zygote *zygote)
{
	char nudge;

	return receive(zygote, &nudge, sizeof nudge);
}
