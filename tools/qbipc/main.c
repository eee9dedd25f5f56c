/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc SUBCOMMAND: runs it, and reports output that could not be written. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/qbipc/tool.h"

static const struct tool_command *const commands[] = {
	&tool_ls,	&tool_ping, &tool_echo,	   &tool_bench,	 &tool_watch,
	&tool_describe, &tool_call, &tool_monitor, &tool_replay,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: qbipc COMMAND [OPTION...] [ARGUMENT...]\n"
	      "       qbipc COMMAND --help\n"
	      "       qbipc --help | --version\n"
	      "List, query, call and measure the IPC services of this machine.\n\n"
	      "Commands:\n",
	      out);
	for (i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-10s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\nExit status: 0 success, 1 failure, 2 wrong usage, 3 no such service,\n"
	      "4 refused, 5 no answer in time.\n",
	      out);
}

/*
 * Open standard descriptors that are closed; otherwise the first socket would get the number
 * of one. They are open for reading only, so writing to them fails, as it should.
 */
static void descriptors_secure(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void output_finish(void)
{
	bool failed = ferror(stdout) != 0;

	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return;
	/* Not exit(), which would call this function again. */
	fprintf(stderr, "qbipc: cannot write: %s\n", strerror(errno ? errno : EIO));
	_exit(TOOL_FAILED);
}

static const struct tool_command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct tool_command *command;

	descriptors_secure();
	atexit(output_finish);
	if (argc < 2) {
		usage(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return TOOL_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("qbipc (" PACKAGE_NAME ") " PACKAGE_VERSION);
		return TOOL_OK;
	}
	command = command_find(argv[1]);
	if (!command) {
		tool_complain("%s: there is no command of that name; try qbipc --help",
			      argv[1]);
		return TOOL_USAGE;
	}
	return command->run(command, argc - 1, argv + 1);
}
