/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/task.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* It stands behind the name in /proc/TID/stat; 0: there is no such task. */
static char task_state(pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

bool task_sleeps(pid_t tid)
{
	return task_state(tid) == 'S';
}

bool task_has_ended(pid_t pid)
{
	char state = task_state(pid);

	return state == 0 || state == 'Z' || state == 'X';
}
