/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/unit/test-loop-wrap.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

struct calls calls;
int failing_call;
int wait_error;
void (*at_clock)(void);
uint64_t own_clock;

static bool call_fails(int error)
{
	if (failing_call == 0 || --failing_call > 0)
		return false;
	errno = error;
	return true;
}

int __real_epoll_wait(int fd, struct epoll_event *events, int n, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	calls.waits++;
	calls.asleep += timeout != 0;
	calls.timeout = timeout;
	if (wait_error) {
		errno = wait_error;
		wait_error = 0;
		return -1;
	}
	if (own_clock && timeout > 0) {
		int got = __real_epoll_wait(fd, events, n, 0);

		own_clock += got == 0 ? (uint64_t)timeout * QBI_NS_PER_MS : 0;
		return got;
	}
	return __real_epoll_wait(fd, events, n, timeout);
}

int __real_epoll_ctl(int fd, int op, int other, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *event)
{
	calls.controls++;
	return call_fails(ENOMEM) ? -1 : __real_epoll_ctl(fd, op, other, event);
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
	return call_fails(EMFILE) ? -1 : __real_epoll_create1(flags);
}

int __real_eventfd(unsigned int value, int flags);
int __wrap_eventfd(unsigned int value, int flags);
int __wrap_eventfd(unsigned int value, int flags)
{
	return call_fails(EMFILE) ? -1 : __real_eventfd(value, flags);
}

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	void (*interruption)(void) = at_clock;

	calls.clocks++;
	at_clock = NULL;
	if (interruption)
		interruption();
	if (own_clock) {
		ts->tv_sec = (time_t)(own_clock / QBI_NS_PER_S);
		ts->tv_nsec = (long)(own_clock % QBI_NS_PER_S);
		return 0;
	}
	return __real_clock_gettime(clock, ts);
}

ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size)
{
	calls.reads++;
	return __real_read(fd, data, size);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	calls.writes++;
	return __real_write(fd, data, size);
}

int __real_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit)
{
	calls.limits++;
	return __real_getrlimit(resource, limit);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return call_fails(ENOMEM) ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
	return call_fails(ENOMEM) ? NULL : __real_realloc(p, size);
}
