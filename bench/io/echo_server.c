/* SPDX-License-Identifier: MIT */
#include "echo_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = DIRECTORY_SIZE + 32 };

/* What an event is about: two descriptors, where to read and to write, or one of these. */
#define STOP UINT64_MAX
#define NEW_CONNECTION (UINT64_MAX - 1)

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

static int watch(const struct echo_server *server, int descriptor, uint64_t about)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = about};

	return epoll_ctl(server->poll, EPOLL_CTL_ADD, descriptor, &event);
}

static int watch_pair(const struct echo_server *server, int reads, int writes)
{
	return watch(server, reads, (uint64_t)(uint32_t)reads << 32 | (uint32_t)writes);
}

static int no_delay(int socket)
{
	int one = 1;

	return setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* A client that cannot be served sees its connection closed. */
static void accept_client(struct echo_server *server)
{
	int client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		return;
	if (server->count == CONNECTIONS_MAX || no_delay(client) ||
	    watch_pair(server, client, client))
		close(client);
	else
		server->descriptors[server->count++] = client;
}

/* A client has one message under way and reads the answer: a write never waits for long. */
static void *serve(void *user)
{
	struct echo_server *server = user;
	struct epoll_event events[CHANNELS];
	char bytes[4096];

	for (;;) {
		int count = epoll_wait(server->poll, events, CHANNELS, -1);

		for (int i = 0; i < count; i++) {
			uint64_t about = events[i].data.u64;
			int reads = (int)(about >> 32);
			ssize_t got;

			if (about == STOP)
				return NULL;
			if (about == NEW_CONNECTION) {
				accept_client(server);
				continue;
			}
			got = read(reads, bytes, sizeof bytes);
			if (got > 0)
				echo_send((int)(uint32_t)about, bytes, (size_t)got);
			else
				epoll_ctl(server->poll, EPOLL_CTL_DEL, reads, NULL);
		}
	}
}

static int open_pipe(const struct echo_server *server, const char *which, unsigned channel,
		     int flags)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "%s/%s-%u", server->directory, which, channel);
	if (flags == O_RDWR && mkfifo(path, 0600))
		return -1;
	return open(path, flags | O_CLOEXEC);
}

/* The server keeps both ends of each, so that clients may come and go. */
static int open_pipes(struct echo_server *server)
{
	for (unsigned i = 0; i < CHANNELS; i++) {
		int there = open_pipe(server, "there", i, O_RDWR), back = -1;

		if (there >= 0) {
			server->descriptors[server->count++] = there;
			back = open_pipe(server, "back", i, O_RDWR);
		}
		if (back < 0)
			return -1;
		server->descriptors[server->count++] = back;
		if (watch_pair(server, there, back))
			return -1;
	}
	return 0;
}

static int listen_on_loopback(struct echo_server *server)
{
	struct sockaddr *address = (struct sockaddr *)&server->address;
	socklen_t length = sizeof server->address;

	server->address = (struct sockaddr_in){.sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return server->listener < 0 || bind(server->listener, address, length) ||
			       listen(server->listener, SOMAXCONN) ||
			       getsockname(server->listener, address, &length) ||
			       watch(server, server->listener, NEW_CONNECTION)
		       ? -1
		       : 0;
}

int echo_server_start(struct echo_server *server, bool tcp, const char *directory, char *message,
		      size_t size)
{
	*server = (struct echo_server){.tcp = tcp, .poll = -1, .stop = -1, .listener = -1};
	snprintf(server->directory, sizeof server->directory, "%s", directory);
	server->poll = epoll_create1(EPOLL_CLOEXEC);
	server->stop = eventfd(0, EFD_CLOEXEC);
	if (server->poll < 0 || server->stop < 0 || watch(server, server->stop, STOP) ||
	    (tcp ? listen_on_loopback(server) : open_pipes(server))) {
		snprintf(message, size, "cannot make a server that echoes over %s: %s",
			 tcp ? "TCP" : "pipes", strerror(errno));
		return -1;
	}
	if (pthread_create(&server->thread, NULL, serve, server)) {
		snprintf(message, size, "cannot start the thread that echoes");
		return -1;
	}
	server->running = true;
	return 0;
}

void echo_server_stop(struct echo_server *server)
{
	const uint64_t one = 1;
	const int others[] = {server->poll, server->stop, server->listener};

	if (server->running) {
		echo_send(server->stop, &one, sizeof one);
		pthread_join(server->thread, NULL);
	}
	while (server->count)
		close(server->descriptors[--server->count]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i] >= 0)
			close(others[i]);
}

static int connect_socket(const struct echo_server *server)
{
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (client >= 0 &&
	    connect(client, (const struct sockaddr *)&server->address, sizeof server->address) ==
		    0 &&
	    no_delay(client) == 0)
		return client;
	error = errno;
	if (client >= 0)
		close(client);
	errno = error;
	return -1;
}

int echo_connect(const struct echo_server *server, unsigned channel, struct echo_client *client)
{
	if (server->tcp) {
		client->reads = client->writes = connect_socket(server);
		return client->reads < 0 ? -1 : 0;
	}
	client->writes = open_pipe(server, "there", channel, O_WRONLY);
	client->reads = client->writes < 0 ? -1 : open_pipe(server, "back", channel, O_RDONLY);
	if (client->reads < 0)
		echo_disconnect(client);
	return client->reads < 0 ? -1 : 0;
}

void echo_disconnect(struct echo_client *client)
{
	int error = errno;

	if (client->reads >= 0)
		close(client->reads);
	if (client->writes >= 0 && client->writes != client->reads)
		close(client->writes);
	client->reads = client->writes = -1;
	errno = error;
}
