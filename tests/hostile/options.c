/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer may hold the lock of a socket that it shares for as long as it likes, and whoever
 * sets an option of it waits. So from the moment a descriptor is passed, neither end touches
 * an option of the socket, but for reading what the kernel tells without the lock. The calls
 * of both processes go through here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/lib/message.h"

enum { SHARED_MAX = 64, LARGE = 300 * 1000 };

static struct {
	_Atomic unsigned int n;
	ino_t inode[SHARED_MAX]; /* of sockets that were passed */
	_Atomic unsigned int touched;
	_Atomic unsigned int asked;
	char what[200];
} * seen;

static bool is_shared(int fd)
{
	struct stat st;

	if (!seen || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	for (unsigned int i = 0; i < atomic_load(&seen->n); i++)
		if (seen->inode[i] == st.st_ino)
			return true;
	return false;
}

static void shared_note(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && atomic_load(&seen->n) < SHARED_MAX) {
		seen->inode[atomic_load(&seen->n)] = st.st_ino;
		atomic_fetch_add(&seen->n, 1);
	}
}

/* In place of those of the C library, for the library too. */
#define IN_FRONT __attribute__((visibility("default")))

IN_FRONT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(m);

	if (seen && cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		for (size_t i = 0; i < (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int passed;

			memcpy(&passed, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			shared_note(passed);
		}
	return syscall(SYS_sendmsg, fd, m, flags);
}

IN_FRONT int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	if (is_shared(fd)) {
		atomic_fetch_add(&seen->touched, 1);
		snprintf(seen->what, sizeof(seen->what), "setsockopt(%d)", option);
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

IN_FRONT int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	bool constant = level == SOL_SOCKET && (option == SO_DOMAIN || option == SO_TYPE ||
						option == SO_ACCEPTCONN || option == SO_SNDBUF);

	if (is_shared(fd))
		atomic_fetch_add(&seen->asked, 1);
	if (is_shared(fd) && !constant) {
		atomic_fetch_add(&seen->touched, 1);
		snprintf(seen->what, sizeof(seen->what), "getsockopt(%d)", option);
	}
	return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}

START_TEST(options_of_sockets_that_are_shared_stay_alone)
{
	struct server_spec spec = { VARIANT_SPEC(_i) };
	qb_ipcc_connection_t *c;
	struct host *h;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	ck_assert_ptr_ne(seen, MAP_FAILED);
	h = host_start(&spec);
	c = client_connect(h->name, LARGE);
	for (int i = 0; i < 20; i++) {
		client_must_send(c, 100 + i, 200);
		client_must_recv(c, 100 + i, 200);
		client_must_send(c, MSG_EVENT, 100);
		client_must_recv_event(c, MSG_EVENT, 100);
	}
	client_must_send(c, 99, LARGE - 1000);
	client_must_recv(c, 99, LARGE - 1000);
	qb_ipcc_disconnect(c);
	host_stop(h);
	if (variants[_i].type == QB_IPC_SHM) {
		/* It passes none. */
		ck_assert_uint_eq(seen->n, 0);
	} else {
		ck_assert_uint_gt(seen->n, 0);
		/* Or the calls do not go through here. */
		ck_assert_uint_gt(seen->asked, 0);
	}
	ck_assert_msg(seen->touched == 0, "%u times, the last is %s", seen->touched,
		      seen->what);
	munmap(seen, sizeof(*seen));
	seen = NULL;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: options of shared sockets");
	TCase *tc = tcase_new(s, "options");

	add_attack(tc, options_of_sockets_that_are_shared_stay_alone, ON_NATIVE);
	return arena_main(s);
}
