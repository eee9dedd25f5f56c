/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#ifndef GRND_INSECURE
#define GRND_INSECURE 0x0004 /* Linux 5.6 */
#endif

static ssize_t random_fill(void *buf, size_t size)
{
	ssize_t n = getrandom(buf, size, GRND_NONBLOCK);

	/* Early at boot: what the kernel has gathered so far. */
	return n < 0 && errno == EAGAIN ? getrandom(buf, size, GRND_INSECURE) : n;
}

int qbi_random_number(uint64_t *ret)
{
	uint64_t number = 0;

	while (number == 0) {
		/* The kernel never delivers a part of so few bytes. */
		if (random_fill(&number, sizeof(number)) >= 0)
			continue;
		if (errno == EAGAIN || errno == EINVAL)
			return -EBUSY;
		if (errno != EINTR)
			return -errno;
		number = 0;
	}
	*ret = number;
	return 0;
}
