/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/deadline.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

enum { DEADLINE_MS = 10000 };

unsigned int test_slowdown(void)
{
	const char *text = getenv("QBIPC_TEST_SLOWDOWN");
	long factor = text ? strtol(text, NULL, 10) : 1;

	return factor > 1 ? (unsigned int)factor : 1;
}

bool test_is_lenient(void)
{
	return getenv("QBIPC_TEST_LENIENT") != NULL;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void busy_for_us(unsigned int us)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 <
	       us);
}

int deadline_ms(void)
{
	return DEADLINE_MS * (int)test_slowdown();
}

void pause_briefly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

bool fd_readable_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}
