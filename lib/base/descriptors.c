/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t qbi_descriptors_allowed(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? UINT64_MAX : limit.rlim_cur;
}

uint64_t qbi_descriptors_in_use(int fd)
{
	struct stat st;

	if (stat("/proc/self/fd", &st) < 0 || st.st_size <= 0)
		return (uint64_t)fd + 1;
	return (uint64_t)st.st_size;
}

bool qbi_descriptor_is_free(int fd)
{
	int saved = errno;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	bool none = copy < 0 && (errno == EMFILE || errno == ENFILE);

	if (copy >= 0)
		close(copy);
	errno = saved;
	return !none;
}
