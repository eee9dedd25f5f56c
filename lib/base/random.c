/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

int qbi_random_number(uint64_t *ret)
{
	uint64_t number = 0;

	while (number == 0) {
		/* The kernel never delivers a part of so few bytes. */
		if (getrandom(&number, sizeof(number), GRND_NONBLOCK) >= 0)
			continue;
		if (errno != EINTR)
			return -errno;
		number = 0;
	}
	*ret = number;
	return 0;
}
