/* SPDX-License-Identifier: MIT */
/* The two ends of a worker's socket. */
#include "process_base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The end of the process is no end of the socket: what it forked may still hold it. */
static bool await(int socket, int pidfd, short events)
{
	struct pollfd wait[2] = {{.fd = socket, .events = events}, {.fd = pidfd, .events = POLLIN}};
	int patience_ms = has_fault(FAULT_SILENCE_IS_DEATH) && pidfd >= 0 ? 10 : -1;

	if ((has_fault(FAULT_DEATH_IGNORED) || has_fault(FAULT_DEATH_SEEN_BY_SOCKET)) && pidfd >= 0)
		wait[1].fd = -1;
	while (poll(wait, 2, patience_ms) < 0)
		if (errno != EINTR)
			return false;
	if (has_fault(FAULT_DEATH_IGNORED) && pidfd >= 0)
		while (wait[0].revents & POLLHUP)
			pause();
	return wait[0].revents; /* what it wrote before it died is still there */
}

bool socket_send(int socket, int pidfd, const void *bytes, size_t size)
{
	while (size) {
		ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN) {
			if (!await(socket, pidfd, POLLOUT))
				return false;
		} else if (sent < 0) {
			return false;
		} else {
			bytes = (const char *)bytes + sent;
			size -= (size_t)sent;
		}
	}
	return true;
}

bool socket_receive(int socket, int pidfd, void *bytes, size_t size)
{
	while (size) {
		ssize_t got = recv(socket, bytes, size, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN) {
			if (!await(socket, pidfd, POLLIN))
				return false;
		} else if (got <= 0) {
			while (has_fault(FAULT_DEATH_IGNORED) && pidfd >= 0)
				pause();
			if (has_fault(FAULT_CLOSED_WORKER_STAYS) && pidfd >= 0)
				poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, -1);
			return false;
		} else {
			bytes = (char *)bytes + got;
			size -= (size_t)got;
		}
	}
	return true;
}

/*
 * In the worker
 */

static struct future *serving; /* NULL: between tasks */
static int serving_socket;
static pid_t serving_process; /* a child of a task is somebody else */

static void send_reply(const struct reply *reply)
{
	socket_send(serving_socket, -1, reply, sizeof *reply);
	socket_send(serving_socket, -1, reply->outcome.result, reply->outcome.result_size);
	socket_send(serving_socket, -1, reply->outcome.message, reply->message_size);
}

static void say_goodbye(int status, void *unused)
{
	struct reply reply = {.outcome = {.error = ASSAY_EDIED, .code = 256 + status},
			      .is_last = true};

	(void)unused;
	if (serving && getpid() == serving_process && !has_fault(FAULT_EXIT_IS_DEATH))
		send_reply(&reply);
}

static void serve(const struct request *request)
{
	struct assay_task task = {.function = request->function,
				  .argument_size = request->argument_size};
	struct reply reply;
	struct future *future;
	void *argument = malloc(request->argument_size + 1);

	if (!argument || !socket_receive(serving_socket, -1, argument, request->argument_size))
		_exit(1);
	task.argument = argument;
	future = future_create(request->function, &task, 1);
	if (!future)
		_exit(1);
	free(argument);
	serving = future;
	future_call(future, NULL);
	serving = NULL;
	reply = (struct reply){.outcome = future->outcome};
	if (has_fault(FAULT_RESULT_CUT) && reply.outcome.result_size > 65536)
		reply.outcome.result_size = 65536;
	if (*future->outcome.message && !has_fault(FAULT_MESSAGE_STAYS))
		reply.message_size = strlen(future->outcome.message) + 1;
	send_reply(&reply);
	future_release(future);
}

void process_serve(const struct pool *pool, int socket)
{
	const struct assay_config *config = &pool->settings.config;
	struct request request = {.function = NULL};
	int error = 0;

	serving_socket = socket;
	serving_process = getpid();
	on_exit(say_goodbye, NULL);
	if (config->initializer)
		error = config->initializer(config->initializer_argument,
					    config->initializer_argument_size);
	socket_send(socket, -1, &error, sizeof error);
	while (socket_receive(socket, -1, &request, sizeof request) && request.function)
		serve(&request);
	while ((has_fault(FAULT_CLOSED_WORKER_STAYS) && request.function) ||
	       has_fault(FAULT_ENDS_BY_SIGTERM))
		pause();
	_exit(0);
}
