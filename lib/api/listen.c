/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/listen.h>: check the arguments, read the variables of the service manager. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <qbipc/listen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/listener.h"
#include "server/service.h"

/* The protocol of sd_listen_fds(3): descriptors from here on, without a gap. */
#define FIRST_FD 3
#define UNNAMED "unknown"

int qbipc_service_listen_fd_set(qb_ipcs_service_t *s, int fd)
{
	return s ? qbi_listener_adopt(&s->listener, fd) : qbi_misuse("the service is NULL");
}

/* Parse a decimal number of up to @most. Returns it, or -EINVAL. */
static int number_parse(const char *text, int most)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtol(text, &end, 10); /* LONG_MAX beyond its range: above @most */
	return *end || n > most ? -EINVAL : (int)n;
}

/* The number of descriptors passed to this process, or -EINVAL. */
static int passed_count(void)
{
	const char *pid = secure_getenv("LISTEN_PID");
	const char *count = secure_getenv("LISTEN_FDS");
	int r;

	if (!pid || !count)
		return 0;
	r = number_parse(pid, INT_MAX);
	if (r < 0)
		return r;
	/* The variables are meant for a parent. */
	if (r != getpid())
		return 0;
	return number_parse(count, INT_MAX - FIRST_FD);
}

/* Is @name the next name in *@list? Advances *@list. */
static bool name_is_next(const char **list, const char *name)
{
	size_t n = strcspn(*list, ":");
	bool same = n == strlen(name) && strncmp(*list, name, n) == 0;

	*list += n + ((*list)[n] == ':');
	return same;
}

static int names_find(const char *list, int count, const char *name)
{
	int i;

	if (!list)
		return strcmp(name, UNNAMED) == 0 ? FIRST_FD : -ENOENT;
	for (i = 0; i < count && *list; i++)
		if (name_is_next(&list, name))
			return FIRST_FD + i;
	return -ENOENT;
}

int qbipc_listen_fd(const char *name)
{
	int count = passed_count();
	int i;

	if (count < 0)
		return count;
	for (i = 0; i < count; i++)
		if (fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
	if (count == 0)
		return -ENOENT;
	return name ? names_find(secure_getenv("LISTEN_FDNAMES"), count, name) : FIRST_FD;
}
