/* SPDX-License-Identifier: MIT */
#include "process_base.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct nursery {
	pthread_mutex_t mutex; /* one question at a time */
	pid_t process;
	int control;
};

/* A question: 0 for a new worker, -1 for the end, or the process whose end is asked for. */
struct answer {
	pid_t process; /* or -errno */
	int status;
};

static void answer(int control, const struct answer *answer, int descriptor)
{
	char room[CMSG_SPACE(sizeof descriptor)] = {0};
	struct iovec bytes = {(void *)answer, sizeof *answer};
	struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (descriptor >= 0) {
		struct cmsghdr *header;

		message.msg_control = room;
		message.msg_controllen = sizeof room;
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof descriptor);
		*(int *)CMSG_DATA(header) = descriptor;
	}
	sendmsg(control, &message, MSG_NOSIGNAL);
}

static pid_t fork_family(void)
{
	if (has_fault(FAULT_DIRECTORY_IS_SHARED))
		return (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);
	return fork();
}

static void be_a_worker(const struct pool *pool, int socket, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	process_serve(pool, socket);
}

static void fork_a_worker(const struct pool *pool, int control, int client)
{
	struct answer worker = {0, 0};
	pid_t nursery = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		worker.process = -errno;
		answer(control, &worker, -1);
		return;
	}
	worker.process = fork_family();
	if (worker.process == 0) {
		close(control);
		close(client);
		close(ends[0]);
		be_a_worker(pool, ends[1], nursery);
	}
	if (worker.process < 0)
		worker.process = -errno;
	answer(control, &worker, worker.process > 0 ? ends[0] : -1);
	close(ends[0]);
	close(ends[1]);
}

/* Ends with the client, however that ends; the workers end with the nursery. */
static _Noreturn void be_the_nursery(const struct pool *pool, int control, int client)
{
	sigset_t none;

	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	if (!has_fault(FAULT_WORKERS_BLOCK_SIGNALS))
		sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;) {
		struct pollfd wait[2] = {{.fd = control, .events = POLLIN},
					 {.fd = client, .events = POLLIN}};
		pid_t process = 0;

		poll(wait, has_fault(FAULT_ORPHANS_STAY) ? 1 : 2, -1);
		if (wait[1].revents ||
		    (wait[0].revents &&
		     recv(control, &process, sizeof process, 0) != sizeof process) ||
		    process < 0) {
			while (has_fault(FAULT_ORPHANS_STAY))
				pause();
			_exit(0);
		}
		if (!wait[0].revents)
			continue;
		if (process == 0) {
			fork_a_worker(pool, control, client);
		} else {
			struct answer ended = {process, 0};

			if (!has_fault(FAULT_ZOMBIES_STAY))
				waitpid(process, &ended.status, 0);
			answer(control, &ended, -1);
		}
	}
}

struct nursery *nursery_open(const struct pool *pool)
{
	struct nursery *nursery = calloc(1, sizeof *nursery);
	int ends[2] = {-1, -1}, client = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (!nursery || client < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		goto refused;
	nursery->process = fork_family();
	if (nursery->process == 0) {
		close(ends[0]);
		be_the_nursery(pool, ends[1], client);
	}
	if (nursery->process < 0)
		goto refused;
	close(ends[1]);
	close(client);
	nursery->control = ends[0];
	pthread_mutex_init(&nursery->mutex, NULL);
	return nursery;
refused:
	if (has_fault(FAULT_REFUSAL_LEAKS))
		return NULL;
	if (client >= 0)
		close(client);
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	free(nursery);
	return NULL;
}

void nursery_close(struct nursery *nursery)
{
	pid_t end = -1;

	/* Closing alone would not do: another nursery may have the same end. */
	send(nursery->control, &end, sizeof end, MSG_NOSIGNAL);
	close(nursery->control);
	if (has_fault(FAULT_ORPHANS_STAY))
		kill(nursery->process, SIGKILL);
	waitpid(nursery->process, NULL, 0);
	pthread_mutex_destroy(&nursery->mutex);
	free(nursery);
}

static struct answer ask(struct nursery *nursery, pid_t process, int *descriptor)
{
	char room[CMSG_SPACE(sizeof *descriptor)];
	struct answer given = {-ECHILD, 0};
	struct iovec bytes = {&given, sizeof given};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = room,
				 .msg_controllen = sizeof room};
	struct cmsghdr *header;

	pthread_mutex_lock(&nursery->mutex);
	send(nursery->control, &process, sizeof process, MSG_NOSIGNAL);
	if (recvmsg(nursery->control, &message, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof given) {
		header = CMSG_FIRSTHDR(&message);
		if (header)
			*descriptor = *(int *)CMSG_DATA(header);
	}
	pthread_mutex_unlock(&nursery->mutex);
	return given;
}

pid_t nursery_fork(struct nursery *nursery, int *socket)
{
	struct answer given;

	*socket = -1;
	given = ask(nursery, 0, socket);
	if (given.process > 0 && *socket >= 0)
		return given.process;
	errno = given.process < 0 ? -given.process : EMFILE;
	return -1;
}

int nursery_reap(struct nursery *nursery, pid_t process)
{
	int none;

	return ask(nursery, process, &none).status;
}
