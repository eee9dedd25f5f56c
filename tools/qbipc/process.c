/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Up to @size bytes of /proc/PID/FILE. */
static size_t file_read(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	size_t got = 0;
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got < size && n > 0) {
		n = read(fd, buf + got, size - got);
		if (n > 0)
			got += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return got;
}

size_t process_command(pid_t pid, char *buf, size_t size)
{
	size_t n, i;

	if (pid <= 0 || size < 4)
		return 0;
	n = file_read(pid, "cmdline", buf, size);
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	for (i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	if (n > 0)
		return n;
	n = file_read(pid, "comm", buf + 1, size - 2);
	if (n == 0)
		return 0;
	if (buf[n] == '\n')
		n--;
	buf[0] = '[';
	buf[n + 1] = ']';
	return n + 2;
}

static void process_sockets(pid_t pid, void (*fn)(pid_t, unsigned long, void *), void *data)
{
	char path[64], target[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		unsigned long inode;

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			fn(pid, inode, data);
	}
	if (d)
		closedir(d);
}

void process_each_socket(void (*fn)(pid_t pid, unsigned long inode, void *data), void *data)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (pid > 0 && !*end)
			process_sockets((pid_t)pid, fn, data);
	}
	if (d)
		closedir(d);
}
