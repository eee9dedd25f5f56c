/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listens where services listen and is none: for qbipc to list and to ask.
 *
 *   listener silent|garbage NAME
 *
 * NAME is abstract, or a path if it has a slash. Says "serving" and ends with its
 * standard input. "garbage" answers each client, "silent" takes none.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void garbage_send(int listener)
{
	char garbage[16384];
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	memset(garbage, 0xa5, sizeof(garbage));
	(void)!read(fd, garbage, 24);
	(void)!send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int garbage, is_path;
	char byte;

	if (argc != 3 || strlen(argv[2]) > sizeof(a.sun_path) - 2)
		return 2;
	garbage = strcmp(argv[1], "garbage") == 0;
	is_path = strchr(argv[2], '/') != NULL;
	memcpy(a.sun_path + !is_path, argv[2], strlen(argv[2]));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0) {
		perror("listener");
		return 1;
	}
	puts("serving");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
				       { .fd = garbage ? fd : -1, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			return 1;
		if (p[1].revents)
			garbage_send(fd);
		if (p[0].revents && read(0, &byte, 1) <= 0)
			break;
	}
	if (is_path)
		unlink(a.sun_path);
	return 0;
}
