/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/faults/inject.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/syscalls.h"

enum { SLEEP_SLICE_MS = 1 };

static int calls; /* counted so far */
static int chosen = -1;
static int chosen_way;
static int armed;
static bool paused;
static enum inject_outcome outcome;
static int error_injected;
static char description[128];
static long live;

void (*inject_instead_of_sleep)(void);

void inject_begin(int call, int way)
{
	calls = 0;
	chosen = call;
	chosen_way = way;
	outcome = INJECT_NO_SUCH_CALL;
	error_injected = 0;
	snprintf(description, sizeof(description), "nothing failed");
}

enum inject_outcome inject_end(void)
{
	chosen = -1;
	return outcome;
}

const char *inject_description(void)
{
	return description;
}

int inject_errno(void)
{
	return error_injected;
}

void inject_armed(bool on)
{
	armed += on ? 1 : -1;
}

void inject_pause(bool on)
{
	paused = on;
}

long inject_live_blocks(void)
{
	return live;
}

/* Does this call fail, and in which way? -1: it does not. */
static int way_to_fail(const char *name, int ways)
{
	/* What a thread closes is over the failure already. */
	if (gettid() != getpid())
		return -1;
	if (armed <= 0 || paused || chosen < 0 || calls++ != chosen)
		return -1;
	outcome = chosen_way < ways ? INJECT_DONE : INJECT_NO_SUCH_WAY;
	if (outcome != INJECT_DONE)
		return -1;
	snprintf(description, sizeof(description), "call %d, %s, half its work", chosen, name);
	return chosen_way;
}

const char *inject_error_name(int error)
{
#ifdef HAVE_STRERRORNAME_NP
	return strerrorname_np(error);
#else
	return strerror(error);
#endif
}

static void fail_with(const char *name, int error)
{
	error_injected = error;
	snprintf(description, sizeof(description), "call %d, %s, %s", chosen, name,
		 inject_error_name(error));
	errno = error;
}

/* One of @errors, or not at all. */
static bool fails(const char *name, const int *errors, int n)
{
	int way = way_to_fail(name, n);

	if (way >= 0)
		fail_with(name, errors[way]);
	return way >= 0;
}

bool inject_here(const char *name, int error)
{
	return fails(name, &error, 1);
}

#define ERRORS(...)                                                                            \
	((const int[]){ __VA_ARGS__ }),                                                        \
		(int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

/* A function that does nothing but fail, or what it always does. */
#define WRAP(type, name, params, args, failure, ...)                                           \
	type __real_##name params;                                                             \
	type __wrap_##name params;                                                             \
	type __wrap_##name params                                                              \
	{                                                                                      \
		if (fails(#name, ERRORS(__VA_ARGS__)))                                         \
			return failure;                                                        \
		return __real_##name args;                                                     \
	}

/* The kernel tells of no memory, and that all descriptors are taken. */
#define NO_MORE_FDS EMFILE, ENFILE, ENOMEM

WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags), -1,
     NO_MORE_FDS, ENOBUFS, EAGAIN, EINTR, ECONNABORTED)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1, EADDRINUSE,
     ENOMEM, EACCES)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), -1, EPERM)
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), -1,
     ECONNREFUSED, EAGAIN, EINTR, ENOMEM)
WRAP(int, epoll_create1, (int flags), (flags), -1, NO_MORE_FDS)
WRAP(int, epoll_ctl, (int e, int op, int fd, struct epoll_event *ev), (e, op, fd, ev), -1,
     ENOMEM, ENOSPC)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1, EPERM, EIO)
WRAP(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g), -1, EPERM, EIO)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1, ENOMEM, EIO)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), -1, ENOENT)
WRAP(int, __openat_2, (int dir, const char *path, int flags), (dir, path, flags), -1,
     NO_MORE_FDS, EACCES)
WRAP(int, statx, (int fd, const char *path, int flags, unsigned int mask, struct statx *st),
     (fd, path, flags, mask, st), -1, ENOMEM)
WRAP(int, fstatat, (int fd, const char *path, struct stat *st, int flags),
     (fd, path, st, flags), -1, ENOMEM, ENOENT)
WRAP(int, fstatfs, (int fd, struct statfs *st), (fd, st), -1, ENOMEM, EINTR)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1, EINTR, ENOSPC, EFBIG)
WRAP(int, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n), -1,
     ENOBUFS, ENOPROTOOPT)
WRAP(ssize_t, getrandom, (void *buf, size_t n, unsigned int flags), (buf, n, flags), -1, EAGAIN,
     EINTR, ENOSYS)
WRAP(int, listen, (int fd, int n), (fd, n), -1, EADDRINUSE)
WRAP(int, madvise, (void *p, size_t n, int advice), (p, n, advice), -1, EINVAL, ENOMEM)
WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1, NO_MORE_FDS,
     EINVAL, EACCES)
WRAP(char *, mkdtemp, (char *template), (template), NULL, EACCES, ENOSPC, ENOMEM)
WRAP(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),
     (p, n, prot, flags, fd, at), MAP_FAILED, ENOMEM, EAGAIN)
WRAP(int, mlock2, (const void *p, size_t n, unsigned int flags), (p, n, flags), -1, ENOMEM,
     EPERM, EAGAIN)
/* Variable arguments in libc, but always these here. */
WRAP(void *, mremap, (void *p, size_t from, size_t to, int flags, void *at),
     (p, from, to, flags, at), MAP_FAILED, ENOMEM, EAGAIN)
WRAP(int, mprotect, (void *p, size_t n, int prot), (p, n, prot), -1, ENOMEM)
WRAP(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n), -1, ENOBUFS)
WRAP(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n), -1,
     EPERM, ENOMEM, ENOPROTOOPT)
WRAP(int, shutdown, (int fd, int how), (fd, how), -1, ENOTCONN)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1,
     NO_MORE_FDS, ENOBUFS)
WRAP(int, socketpair, (int domain, int type, int protocol, int *sv),
     (domain, type, protocol, sv), -1, NO_MORE_FDS, ENOBUFS)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), -1, NO_MORE_FDS)

/* These return what others leave in errno. */
int __real_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
	if (fails("posix_fallocate", ERRORS(ENOSPC, EINTR, ENOMEM)))
		return errno;
	return __real_posix_fallocate(fd, at, n);
}

/* What others have left in /dev/shm is not ours to look through: a directory without. */
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	if (fails("opendir", ERRORS(NO_MORE_FDS, EACCES)))
		return NULL;
	return __real_opendir(strcmp(path, "/dev/shm") == 0 && armed > 0 ? "/" : path);
}

/* It closes and complains all the same, as the kernel does. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int r = __real_close(fd);

	return fails("close", ERRORS(EINTR, EIO)) ? -1 : r;
}

/* -- With arguments that vary ------------------------------------------------------ */

static unsigned long argument(va_list *args)
{
	return va_arg(*args, unsigned long);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (mode_t)argument(&args);
	va_end(args);
	if (fails(flags & O_PATH ? "open of a path" : "open",
		  ERRORS(NO_MORE_FDS, EACCES, EINTR)))
		return -1;
	return __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (mode_t)argument(&args);
	va_end(args);
	if (fails("openat", ERRORS(NO_MORE_FDS, EACCES, EINTR, ENOSPC, EEXIST)))
		return -1;
	return __real_openat(dir, path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	unsigned long value;

	va_start(args, command);
	value = argument(&args);
	va_end(args);
	if (fails("fcntl", ERRORS(EINVAL, EPERM, EBUSY)))
		return -1;
	return __real_fcntl(fd, command, value);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	unsigned long value;

	va_start(args, request);
	value = argument(&args);
	va_end(args);
	if (fails("ioctl", ERRORS(ENOTTY, EINVAL)))
		return -1;
	return __real_ioctl(fd, request, value);
}

/* -- Those that move bytes: also half of them, on a stream ---------------------------- */

#define SEND_ERRORS EAGAIN, EINTR, ENOBUFS, ENOMEM, EPIPE, ECONNRESET
#define RECV_ERRORS EAGAIN, EINTR, ENOMEM, ECONNRESET

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return __real_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_STREAM;
}

/* -1: with that error; else how much of @size is moved. */
static ssize_t transfer(const char *name, int fd, size_t size, const int *errors, int n)
{
	bool can_halve = size > 1 && is_stream(fd);
	int way = way_to_fail(name, n + can_halve);

	if (way < 0)
		return (ssize_t)size;
	if (way == n)
		return (ssize_t)size / 2;
	fail_with(name, errors[way]);
	return -1;
}

static void instead_of_sleep(void)
{
	int was = armed;

	armed = 0;
	if (inject_instead_of_sleep)
		inject_instead_of_sleep();
	armed = was;
}

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);

static int poll_sleep(struct pollfd *fds, nfds_t n, int timeout)
{
	int r;

	do {
		instead_of_sleep();
		r = __real_poll(fds, n, timeout ? SLEEP_SLICE_MS : 0);
		timeout -= timeout > 0 ? SLEEP_SLICE_MS : 0;
	} while (r == 0 && timeout != 0);
	return r;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (fails("poll", ERRORS(EINTR, ENOMEM)))
		return -1;
	return timeout && inject_instead_of_sleep ? poll_sleep(fds, n, timeout) :
						    __real_poll(fds, n, timeout);
}

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	ssize_t n = transfer("recv", fd, size, ERRORS(RECV_ERRORS));
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (n < 0)
		return -1;
	if (!(flags & MSG_DONTWAIT))
		(void)poll_sleep(&p, 1, -1);
	return __real_recv(fd, buf, (size_t)n, flags);
}

ssize_t __real_send(int fd, const void *buf, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t size, int flags)
{
	ssize_t n = transfer("send", fd, size, ERRORS(SEND_ERRORS));

	return n < 0 ? -1 : __real_send(fd, buf, (size_t)n, flags);
}

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	if (fails("read", ERRORS(EAGAIN, EINTR)))
		return -1;
	return __real_read(fd, buf, size);
}

/* The library's messages of a stream have one piece. */
ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	size_t size = m->msg_iov->iov_len;
	ssize_t n = transfer("recvmsg", fd, size, ERRORS(RECV_ERRORS));

	if (n < 0)
		return -1;
	m->msg_iov->iov_len = (size_t)n;
	n = __real_recvmsg(fd, m, flags);
	m->msg_iov->iov_len = size;
	return n;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t size = m->msg_iov->iov_len;
	ssize_t n = transfer("sendmsg", fd, size, ERRORS(SEND_ERRORS, ETOOMANYREFS));

	if (n < 0)
		return -1;
	m->msg_iov->iov_len = (size_t)n;
	n = __real_sendmsg(fd, m, flags);
	m->msg_iov->iov_len = size;
	return n;
}

/* The futex calls of a ring on libqb's wire. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	unsigned long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = argument(&args);
	va_end(args);
	if (number == SYS_openat2 && fails("openat2", ERRORS(NO_MORE_FDS, EACCES, ENOENT)))
		return -1;
	if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) != FUTEX_WAKE) {
		if (fails("futex", ERRORS(EINTR, EAGAIN, ENOMEM)))
			return -1;
		instead_of_sleep();
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * What is done once per tick of the coarse clock is done each time, so that how many calls
 * there are does not depend on how long they take.
 */
int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	static long ticks;

	if (clock != CLOCK_MONOTONIC_COARSE)
		return __real_clock_gettime(clock, ts);
	*ts = (struct timespec){ .tv_sec = ++ticks };
	return 0;
}

/* -- Memory ----------------------------------------------------------------------- */

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

#define WRAP_ALLOCATION(type, name, params, args)                                              \
	type __real_##name params;                                                             \
	type __wrap_##name params;                                                             \
	type __wrap_##name params                                                              \
	{                                                                                      \
		if (fails(#name, ERRORS(ENOMEM)))                                              \
			return NULL;                                                           \
		return counted(__real_##name args);                                            \
	}

WRAP_ALLOCATION(void *, malloc, (size_t n), (n))
WRAP_ALLOCATION(void *, calloc, (size_t n, size_t size), (n, size))
WRAP_ALLOCATION(char *, strdup, (const char *s), (s))
WRAP_ALLOCATION(char *, strndup, (const char *s, size_t n), (s, n))

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
	void *q;

	if (fails("realloc", ERRORS(ENOMEM)))
		return NULL;
	q = __real_realloc(p, n);
	return p ? q : counted(q);
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

__attribute__((format(printf, 2, 0))) static int asprintf_counted(char **ret,
								  const char *format,
								  va_list args)
{
	int n;

	if (fails("asprintf", ERRORS(ENOMEM)))
		return -1;
	n = vasprintf(ret, format, args);
	if (n >= 0)
		(void)counted(*ret);
	return n;
}

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = asprintf_counted(ret, format, args);
	va_end(args);
	return n;
}

/* What the compiler makes of some calls when it knows the size of the buffer. */
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = asprintf_counted(ret, format, args);
	va_end(args);
	return n;
}

ssize_t __wrap___recv_chk(int fd, void *buf, size_t size, size_t room, int flags);
ssize_t __wrap___recv_chk(int fd, void *buf, size_t size, size_t room, int flags)
{
	return __wrap_recv(fd, buf, size, flags);
}

ssize_t __wrap___read_chk(int fd, void *buf, size_t size, size_t room);
ssize_t __wrap___read_chk(int fd, void *buf, size_t size, size_t room)
{
	return __wrap_read(fd, buf, size);
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	return __wrap_poll(fds, n, timeout);
}
