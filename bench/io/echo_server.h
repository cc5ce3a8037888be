/* SPDX-License-Identifier: MIT */
/*
 * A thread that sends back what it gets, over named pipes or TCP on the loopback. Clients reach it
 * by name, so they may be processes that keep no descriptor.
 */
#ifndef BENCH_ECHO_SERVER_H
#define BENCH_ECHO_SERVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { CHANNELS = 8, CONNECTIONS_MAX = 1024, DIRECTORY_SIZE = 4096 };

struct echo_server {
	bool tcp;
	struct sockaddr_in address;
	char directory[DIRECTORY_SIZE]; /* of the pipes */
	int poll;
	int stop; /* eventfd */
	int listener;
	/* Of pipes two for each channel, of TCP one for each connection. */
	int descriptors[CONNECTIONS_MAX];
	unsigned count;
	pthread_t thread;
	bool running;
};

/* What a client has of a channel. */
struct echo_client {
	int reads, writes; /* the same of TCP */
};

/* 0, or -1 with a message; echo_server_stop() follows in both cases. */
int echo_server_start(struct echo_server *server, bool tcp, const char *directory, char *message,
		      size_t size);

/* When no client uses it any more. */
void echo_server_stop(struct echo_server *server);

/* One client at a time uses a channel. 0, or -1 with errno. */
int echo_connect(const struct echo_server *server, unsigned channel, struct echo_client *client);
void echo_disconnect(struct echo_client *client);

/* All of it, whatever the sizes in which it goes. 0, or -1 with errno (0: the other side closed). */
int echo_send(int descriptor, const void *bytes, size_t size);
int echo_receive(int descriptor, void *bytes, size_t size);

#endif
