/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of each way in which the kernel refuses a message: only what passes by
 * itself is "no room now", for whoever hears that asks again and again.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "base/socket.h"
#include "base/util.h"
#include "transport/packets.h"

enum { LARGE = 4 << 20 };

static int error_of_sendmsg;
static size_t refused_above; /* bytes; 0: all */
static bool no_malloc;

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t size = 0;
	size_t i;

	for (i = 0; i < m->msg_iovlen; i++)
		size += m->msg_iov[i].iov_len;
	if (!error_of_sendmsg || size <= refused_above)
		return __real_sendmsg(fd, m, flags);
	errno = error_of_sendmsg;
	return -1;
}

/* Where the first may not be called, all pieces go as one by this. */
ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	if (!error_of_sendmsg || size <= refused_above)
		return __real_send(fd, data, size, flags);
	errno = error_of_sendmsg;
	return -1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return no_malloc ? NULL : __real_malloc(size);
}

static const struct {
	int error;
	int small; /* what it means for a message of any size */
	int large; /* for one beyond QBI_MEMORY_CERTAIN */
} outcomes[] = {
	{ EAGAIN, QBI_FULL, QBI_FULL },
	{ EINTR, QBI_FULL, QBI_FULL },
	{ ENOBUFS, QBI_FULL, -ENOBUFS },
	{ ENOMEM, QBI_FULL, -ENOBUFS },
	{ ECONNREFUSED, QBI_GONE, QBI_GONE },
	{ ECONNRESET, QBI_GONE, QBI_GONE },
	{ EDESTADDRREQ, QBI_GONE, QBI_GONE },
	{ ENOTCONN, QBI_GONE, QBI_GONE },
	{ EPIPE, QBI_GONE, QBI_GONE },
	{ EMSGSIZE, -EMSGSIZE, -EMSGSIZE },
	{ EACCES, -EACCES, -EACCES },
	{ EPERM, -EPERM, -EPERM },
	{ EIO, -EIO, -EIO },
	{ ENOSYS, -ENOSYS, -ENOSYS },
	{ ETOOMANYREFS, -ETOOMANYREFS, -ETOOMANYREFS },
};

START_TEST(each_error_of_a_send_passes_by_itself_or_does_not)
{
	size_t half = QBI_MEMORY_CERTAIN / 2;
	char *block = calloc(1, 2 * half + 1);
	struct iovec small[2] = { { block, half }, { block, half } };
	struct iovec large[2] = { { block, half }, { block, half + 1 } };

	error_of_sendmsg = outcomes[_i].error;
	ck_assert_int_eq(qbi_socket_sendv(-1, small, 2), outcomes[_i].small);
	ck_assert_int_eq(qbi_socket_sendv(-1, large, 2), outcomes[_i].large);
	free(block);
}
END_TEST

static void pair_open(struct qbi_packets *a, struct qbi_packets *b)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	qbi_packets_make_room(fds[0], LARGE);
	ck_assert_int_eq(qbi_packets_open(a, fds[0], LARGE), 0);
	ck_assert_int_eq(qbi_packets_open(b, fds[1], LARGE), 0);
}

static int send_large(struct qbi_packets *p)
{
	char *block = calloc(1, LARGE);
	struct iovec iov = { block, LARGE };
	struct qbi_msg msg;
	int r;

	ck_assert_ptr_nonnull(block);
	ck_assert_int_eq(qbi_msg_init(&msg, &iov, 1), 0);
	no_malloc = refused_above == 1;
	r = qbi_packets_sendv(p, &msg);
	no_malloc = false;
	free(block);
	return r;
}

START_TEST(packets_become_smaller_when_there_is_no_memory_for_large_ones)
{
	struct qbi_packets a, b;
	int r;

	pair_open(&a, &b);
	error_of_sendmsg = _i ? ENOMEM : ENOBUFS;
	refused_above = 140000;
	r = send_large(&a);
	ck_assert(r == 0 || r == QBI_UNSENT);
	qbi_packets_close(&a);
	qbi_packets_close(&b);
}
END_TEST

START_TEST(packets_of_a_process_without_memory_say_so)
{
	struct qbi_packets a, b;

	pair_open(&a, &b);
	refused_above = 1;
	ck_assert_int_eq(send_large(&a), -ENOBUFS);
	qbi_packets_close(&a);
	qbi_packets_close(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("send-outcomes");
	TCase *tc = tcase_create("send-outcomes");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, each_error_of_a_send_passes_by_itself_or_does_not, 0,
			    QBI_ARRAY_SIZE(outcomes));
	tcase_add_loop_test(tc, packets_become_smaller_when_there_is_no_memory_for_large_ones,
			    0, 2);
	tcase_add_test(tc, packets_of_a_process_without_memory_say_so);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
