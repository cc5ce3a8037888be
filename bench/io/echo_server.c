/* SPDX-License-Identifier: MIT */
#include "echo_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int echo_send(int descriptor, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t sent = write(descriptor, (const char *)bytes + done, size - done);

		if (sent < 0 && errno != EINTR)
			return -1;
		done += sent < 0 ? 0 : (size_t)sent;
	}
	return 0;
}

int echo_receive(int descriptor, void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(descriptor, (char *)bytes + done, size - done);

		if (got == 0)
			errno = 0;
		if (got == 0 || (got < 0 && errno != EINTR))
			return -1;
		done += got < 0 ? 0 : (size_t)got;
	}
	return 0;
}

/* Each client has one message under way and reads the answer: a write never waits for long. */
static void *serve(void *user)
{
	struct echo_server *server = user;
	struct epoll_event events[CHANNELS + 1];
	char bytes[4096];

	for (;;) {
		int count = epoll_wait(server->poll, events, CHANNELS + 1, -1);

		for (int i = 0; i < count; i++) {
			const struct channel *channel = events[i].data.ptr;
			ssize_t got;

			if (!channel)
				return NULL;
			got = read(channel->server_reads, bytes, sizeof bytes);
			if (got > 0)
				echo_send(channel->server_writes, bytes, (size_t)got);
		}
	}
}

static int open_pipes(struct channel *channel)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC))
		return -1;
	channel->server_reads = there[0];
	channel->client_writes = there[1];
	if (pipe2(back, O_CLOEXEC))
		return -1;
	channel->client_reads = back[0];
	channel->server_writes = back[1];
	return 0;
}

static int listen_on_loopback(struct sockaddr_in *address)
{
	socklen_t length = sizeof *address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (listener >= 0 && bind(listener, (struct sockaddr *)address, sizeof *address) == 0 &&
	    listen(listener, CHANNELS) == 0 &&
	    getsockname(listener, (struct sockaddr *)address, &length) == 0)
		return listener;
	if (listener >= 0)
		close(listener);
	return -1;
}

static int open_socket(struct channel *channel, int listener, const struct sockaddr_in *address)
{
	int one = 1, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), served;

	channel->client_reads = channel->client_writes = client;
	if (client < 0 || connect(client, (const struct sockaddr *)address, sizeof *address))
		return -1;
	served = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	channel->server_reads = channel->server_writes = served;
	return served < 0 || setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
			       setsockopt(served, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)
		       ? -1
		       : 0;
}

static int open_channels(struct echo_server *server, bool tcp)
{
	struct sockaddr_in address;
	int listener = tcp ? listen_on_loopback(&address) : -1, failed = tcp && listener < 0;

	for (unsigned i = 0; i < CHANNELS && !failed; i++)
		failed = tcp ? open_socket(&server->channels[i], listener, &address)
			     : open_pipes(&server->channels[i]);
	if (listener >= 0)
		close(listener);
	return failed ? -1 : 0;
}

static int watch_channels(struct echo_server *server)
{
	struct epoll_event event = {.events = EPOLLIN};

	server->poll = epoll_create1(EPOLL_CLOEXEC);
	server->stop = eventfd(0, EFD_CLOEXEC);
	if (server->poll < 0 || server->stop < 0 ||
	    epoll_ctl(server->poll, EPOLL_CTL_ADD, server->stop, &event))
		return -1;
	for (unsigned i = 0; i < CHANNELS; i++) {
		event.data.ptr = &server->channels[i];
		if (epoll_ctl(server->poll, EPOLL_CTL_ADD, server->channels[i].server_reads,
			      &event))
			return -1;
	}
	return 0;
}

int echo_server_start(struct echo_server *server, bool tcp, char *message, size_t size)
{
	*server = (struct echo_server){.poll = -1, .stop = -1};
	for (unsigned i = 0; i < CHANNELS; i++)
		server->channels[i] = (struct channel){-1, -1, -1, -1};
	if (open_channels(server, tcp) || watch_channels(server)) {
		snprintf(message, size, "cannot open %d %s: %s", CHANNELS,
			 tcp ? "connections on the loopback" : "pairs of pipes", strerror(errno));
		return -1;
	}
	if (pthread_create(&server->thread, NULL, serve, server)) {
		snprintf(message, size, "cannot start the thread that echoes");
		return -1;
	}
	server->running = true;
	return 0;
}

static void close_end(int reads, int writes)
{
	if (reads >= 0)
		close(reads);
	if (writes >= 0 && writes != reads)
		close(writes);
}

void echo_server_stop(struct echo_server *server)
{
	const uint64_t one = 1;

	if (server->running) {
		echo_send(server->stop, &one, sizeof one);
		pthread_join(server->thread, NULL);
	}
	for (unsigned i = 0; i < CHANNELS; i++) {
		close_end(server->channels[i].client_reads, server->channels[i].client_writes);
		close_end(server->channels[i].server_reads, server->channels[i].server_writes);
	}
	close_end(server->poll, server->stop);
}
