/* SPDX-License-Identifier: MIT */
/* A thread that sends back what it gets, over channels of pipes or of TCP on the loopback. */
#ifndef BENCH_ECHO_SERVER_H
#define BENCH_ECHO_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { CHANNELS = 8 };

/* The two ends of one; a descriptor that does not exist is -1. */
struct channel {
	int client_reads, client_writes;
	int server_reads, server_writes;
};

struct echo_server {
	struct channel channels[CHANNELS];
	int poll;
	int stop; /* eventfd */
	pthread_t thread;
	bool running;
};

/* 0, or -1 with a message; echo_server_stop() follows in both cases. */
int echo_server_start(struct echo_server *server, bool tcp, char *message, size_t size);

/* When no client uses it any more. */
void echo_server_stop(struct echo_server *server);

/* All of it, whatever the sizes in which it goes. 0, or -1 with errno (0: the other side closed). */
int echo_send(int descriptor, const void *bytes, size_t size);
int echo_receive(int descriptor, void *bytes, size_t size);

#endif
