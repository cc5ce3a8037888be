/* SPDX-License-Identifier: MIT */
#include "nginx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One process and no privileges to give up. Below slow/ it rests for 4 ms after each 16 KiB. */
static const char configuration[] =
	"daemon off;\n"
	"master_process off;\n"
	"pid nginx.pid;\n"
	"error_log stderr crit;\n"
	"events { worker_connections 1024; }\n"
	"http {\n"
	"	access_log off;\n"
	"	client_body_temp_path client;\n"
	"	proxy_temp_path proxy;\n"
	"	fastcgi_temp_path fastcgi;\n"
	"	uwsgi_temp_path uwsgi;\n"
	"	scgi_temp_path scgi;\n"
	"	keepalive_requests 1000000;\n"
	"	sendfile on;\n"
	"	server {\n"
	"		listen 127.0.0.1:%d;\n"
	"		root files;\n"
	"		location /slow/ { alias files/; limit_rate 4m; sendfile_max_chunk 16k; }\n"
	"	}\n"
	"}\n";

/* Debian puts it where only root's PATH looks. */
static int find_program(char *path, size_t size)
{
	const char *chosen = getenv("ASSAY_NGINX"), *directories = getenv("PATH");
	char all[PATH_MAX];

	if (chosen) {
		snprintf(path, size, "%s", chosen);
		return access(path, X_OK);
	}
	snprintf(all, sizeof all, "%s:/usr/local/sbin:/usr/sbin", directories ? directories : "");
	for (char *rest = all, *directory; (directory = strsep(&rest, ":"));) {
		snprintf(path, size, "%s/nginx", directory);
		if (access(path, X_OK) == 0)
			return 0;
	}
	return -1;
}

/* A port of the loopback that was free a moment ago; -1 with errno. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = -1;

	if (probe < 0)
		return -1;
	if (bind(probe, (struct sockaddr *)&address, sizeof address) == 0 &&
	    getsockname(probe, (struct sockaddr *)&address, &length) == 0)
		port = ntohs(address.sin_port);
	close(probe);
	return port;
}

static int write_configuration(const char *directory, int port)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof path, "%s/nginx.conf", directory);
	file = fopen(path, "w");
	if (!file)
		return -1;
	fprintf(file, configuration, port);
	return fclose(file);
}

/* In the child. Does not return. */
static void become_nginx(const char *program, const char *directory, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	execl(program, "nginx", "-e", "stderr", "-p", directory, "-c", "nginx.conf", (char *)NULL);
	fprintf(stderr, "cannot start %s: %s\n", program, strerror(errno));
	_exit(1);
}

/* Whether nginx has created its pid file, by what the directory has to tell. */
static bool has_pid_file(int watch)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t length = read(watch, events, sizeof events);

	for (const char *at = events; at < events + length;) {
		const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

		if (event->len && strcmp(event->name, "nginx.pid") == 0)
			return true;
		at += sizeof *event + event->len;
	}
	return false;
}

/* nginx writes its pid file when it listens: 0. -1 if it ended before that. */
static int await_listening(pid_t pid, int watch)
{
	struct pollfd watched[] = {{.fd = watch, .events = POLLIN},
				   {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN}};
	bool listening = false;

	while (!listening && watched[1].fd >= 0 && !watched[1].revents)
		if (poll(watched, 2, -1) > 0 && watched[0].revents)
			listening = has_pid_file(watch);
	if (watched[1].fd >= 0)
		close(watched[1].fd);
	return listening ? 0 : -1;
}

static int start(struct nginx *nginx, const char *program, const char *directory, int watch,
		 char *message, size_t size)
{
	pid_t parent = getpid();

	nginx->port = free_port();
	if (nginx->port < 0) {
		snprintf(message, size, "no free port on 127.0.0.1: %s", strerror(errno));
		return -1;
	}
	if (write_configuration(directory, nginx->port)) {
		snprintf(message, size, "cannot write %s/nginx.conf: %s", directory,
			 strerror(errno));
		return -1;
	}
	nginx->pid = fork();
	if (nginx->pid == 0)
		become_nginx(program, directory, parent);
	if (nginx->pid < 0) {
		snprintf(message, size, "cannot fork for nginx: %s", strerror(errno));
		return -1;
	}
	if (await_listening(nginx->pid, watch) == 0)
		return 0;
	if (nginx_stop(nginx, message, size) == 0)
		snprintf(message, size, "cannot watch nginx start");
	return -1;
}

int nginx_start(struct nginx *nginx, const char *directory, char *message, size_t size)
{
	char program[PATH_MAX];
	int watch, failed = -1;

	nginx->pid = -1;
	if (find_program(program, sizeof program)) {
		snprintf(message, size,
			 "nginx is missing%s%s: install the Debian package nginx-light",
			 getenv("ASSAY_NGINX") ? ": there is no program " : "",
			 getenv("ASSAY_NGINX") ? program : "");
		return -1;
	}
	watch = inotify_init1(IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, directory, IN_CREATE) < 0)
		snprintf(message, size, "cannot watch %s: %s", directory, strerror(errno));
	else
		/* Another program may have taken the port in between. */
		for (int attempt = 0; attempt < 3 && failed; attempt++)
			failed = start(nginx, program, directory, watch, message, size);
	if (watch >= 0)
		close(watch);
	return failed;
}

int nginx_stop(struct nginx *nginx, char *message, size_t size)
{
	int status;
	pid_t ended;

	if (nginx->pid <= 0)
		return 0;
	ended = waitpid(nginx->pid, &status, WNOHANG);
	if (ended == 0) {
		kill(nginx->pid, SIGKILL);
		waitpid(nginx->pid, &status, 0);
	}
	nginx->pid = -1;
	if (ended == 0)
		return 0;
	snprintf(message, size, "nginx ended by itself, with %s %d",
		 WIFSIGNALED(status) ? "signal" : "exit status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return -1;
}

/* In the child. Does not return. */
static void say_version(const char *program, int output)
{
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execl(program, "nginx", "-v", (char *)NULL);
	_exit(1);
}

void nginx_version(char *version, size_t size)
{
	static const char before[] = "nginx/";
	char program[PATH_MAX], said[256] = "", *found;
	int ends[2];
	pid_t pid;

	version[0] = '\0';
	if (find_program(program, sizeof program) || pipe2(ends, O_CLOEXEC))
		return;
	pid = fork();
	if (pid == 0)
		say_version(program, ends[1]);
	close(ends[1]);
	if (pid > 0) {
		struct pollfd answer = {.fd = ends[0], .events = POLLIN};

		if (poll(&answer, 1, 1000) > 0 && read(ends[0], said, sizeof said - 1) > 0 &&
		    (found = strstr(said, before)))
			snprintf(version, size, "%.*s", (int)strcspn(found + strlen(before), " \n"),
				 found + strlen(before));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
}
