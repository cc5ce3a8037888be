/* SPDX-License-Identifier: MIT */
/* A web server of our own for one cell: nginx on the loopback, on a free port. */
#ifndef BENCH_NGINX_H
#define BENCH_NGINX_H

#include <stddef.h>
#include <sys/types.h>

struct nginx {
	pid_t pid;
	int port;
};

/*
 * Serves the files of `directory`/files; everything else of the server is put beside them. The
 * server runs in the foreground, as the caller's child and in its process group, and dies with the
 * calling thread. Connections made from the moment this returns are answered.
 * 0, or -1 and a message that says what is missing.
 */
int nginx_start(struct nginx *nginx, const char *directory, char *message, size_t size);

/* "1.22.1", as the program says; "" if there is none, or it does not say so within a second. */
void nginx_version(char *version, size_t size);

/* Ends the server and waits for it. 0, or -1 and a message if it had not lived until now. */
int nginx_stop(struct nginx *nginx, char *message, size_t size);

#endif
