/* SPDX-License-Identifier: MIT */
#include "processes.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ASIDE_MOST = 16 };

static pid_t aside[ASIDE_MOST];
static unsigned aside_count;

static bool is_aside(pid_t pid)
{
	for (unsigned i = 0; i < aside_count; i++)
		if (aside[i] == pid)
			return true;
	return false;
}

/* Adds what one process uses; less than 0: it cannot be read. */
typedef double one_process(pid_t pid);

static double live_cpu_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return -1;
	return 1e9 * (double)used.tv_sec + (double)used.tv_nsec;
}

static double live_memory_bytes(pid_t pid)
{
	char path[64], line[128];
	double kib = -1;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)pid);
	file = fopen(path, "re");
	while (file && kib < 0 && fgets(line, sizeof line, file))
		if (strncmp(line, "Pss:", 4) == 0)
			kib = strtod(line + 4, NULL);
	if (file)
		fclose(file);
	return 1024 * kib;
}

/* Of all processes that a thread of this one started, and of those below them. */
static double sum_below(pid_t pid, one_process *one)
{
	char path[320];
	struct dirent *entry;
	double sum = 0;
	DIR *threads;

	snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		FILE *children;
		char word[24];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%ld/task/%s/children", (long)pid, entry->d_name);
		children = fopen(path, "re");
		while (children && fscanf(children, "%23s", word) == 1) {
			pid_t child = (pid_t)strtol(word, NULL, 10);
			double its;

			if (is_aside(child))
				continue;
			its = one(child);
			/* One that has just ended has nothing any more. */
			if (its > 0)
				sum += its;
			sum += sum_below(child, one); /* as deep as processes nest */
		}
		if (children)
			fclose(children);
	}
	if (threads)
		closedir(threads);
	return sum;
}

static double set_aside(pid_t pid)
{
	if (aside_count < ASIDE_MOST)
		aside[aside_count++] = pid;
	return 0;
}

void processes_set_aside(void)
{
	sum_below(getpid(), set_aside);
}

static double others_cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return 1e9 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e3 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) +
	       sum_below(getpid(), live_cpu_ns);
}

static double own_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return 1e9 * (double)used.tv_sec + (double)used.tv_nsec;
}

double processes_cpu_begin(void)
{
	double others = others_cpu_ns();

	return others + own_cpu_ns();
}

double processes_cpu_end(double begin)
{
	double own = own_cpu_ns();

	return own + others_cpu_ns() - begin;
}

double processes_memory_bytes(void)
{
	double own = live_memory_bytes(getpid());

	return own < 0 ? own : own + sum_below(getpid(), live_memory_bytes);
}

int processors_allowed(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
