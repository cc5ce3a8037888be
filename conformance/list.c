/* SPDX-License-Identifier: MIT */
#include "conform.h"

int command_list(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return refuse_usage();
}
int command_check(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return refuse_usage();
}
int command_mutant(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return refuse_usage();
}
