/* SPDX-License-Identifier: MIT */
#include "nginx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One process and no privileges to give up; slow.* answers at the pace of a distant server. */
static const char configuration[] = "daemon off;\n"
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
				    "		location /slow/ { alias files/; limit_rate 4m; }\n"
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

/* A socket that listens on a free port of the loopback; -1 with errno. */
static int listen_somewhere(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&address, sizeof address) ||
	    listen(listener, SOMAXCONN) ||
	    getsockname(listener, (struct sockaddr *)&address, &length)) {
		close(listener);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return listener;
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

/*
 * In the child. nginx takes over the sockets whose numbers are in $NGINX, as it does from a
 * predecessor during an upgrade: so the port cannot be lost to another program in between, and a
 * client may connect before nginx is up.
 */
static void become_nginx(const char *program, const char *directory, int listener, pid_t parent)
{
	char inherited[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	fcntl(listener, F_SETFD, 0);
	snprintf(inherited, sizeof inherited, "%d;", listener);
	setenv("NGINX", inherited, 1);
	execl(program, "nginx", "-e", "stderr", "-p", directory, "-c", "nginx.conf", (char *)NULL);
	fprintf(stderr, "cannot start %s: %s\n", program, strerror(errno));
	_exit(1);
}

int nginx_start(struct nginx *nginx, const char *directory, char *message, size_t size)
{
	char program[PATH_MAX];
	pid_t parent = getpid();
	int listener;

	nginx->pid = -1;
	if (find_program(program, sizeof program)) {
		snprintf(message, size,
			 "nginx is missing%s%s: install the Debian package nginx-light",
			 getenv("ASSAY_NGINX") ? ": there is no program " : "",
			 getenv("ASSAY_NGINX") ? program : "");
		return -1;
	}
	listener = listen_somewhere(&nginx->port);
	if (listener < 0) {
		snprintf(message, size, "cannot listen on 127.0.0.1: %s", strerror(errno));
		return -1;
	}
	if (write_configuration(directory, nginx->port)) {
		snprintf(message, size, "cannot write %s/nginx.conf: %s", directory,
			 strerror(errno));
		close(listener);
		return -1;
	}
	nginx->pid = fork();
	if (nginx->pid == 0)
		become_nginx(program, directory, listener, parent);
	if (nginx->pid < 0)
		snprintf(message, size, "cannot fork for nginx: %s", strerror(errno));
	close(listener);
	return nginx->pid < 0 ? -1 : 0;
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
	snprintf(message, size, "nginx ended by itself, with %s %d: its last words are above",
		 WIFSIGNALED(status) ? "signal" : "exit status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return -1;
}
