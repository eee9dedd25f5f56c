/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages over a SOCK_SEQPACKET pair: whole, in pieces, and from a peer that lies. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/util.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/pattern.h"
#include "tests/lib/variant.h"
#include "transport/packets.h"

enum { MAX = 1 << 20, SMALL = 12328 };

struct header {
	uint32_t size;
	uint32_t offset;
};

static struct qbi_packets a, b;
static uint8_t *out, *in;

/* The largest packet that the kernel has memory for. */
static size_t kernel_memory = SIZE_MAX;

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t size = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		size += m->msg_iov[i].iov_len;
	if (size <= kernel_memory)
		return __real_sendmsg(fd, m, flags);
	errno = ENOBUFS;
	return -1;
}

/* With the buffers that a socket has by itself: what an unprivileged process gets. */
static void setup(void)
{
	int pair[2];

	census_setup();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(qbi_packets_open(&a, pair[0], MAX), 0);
	ck_assert_int_eq(qbi_packets_open(&b, pair[1], MAX), 0);
	out = calloc(1, MAX + 1);
	in = malloc(MAX);
	ck_assert(out && in);
}

static void teardown(void)
{
	qbi_packets_close(&a);
	qbi_packets_close(&b);
	qbi_packets_close(&b);
	free(out);
	free(in);
	census_teardown();
}

static int send_pattern(struct qbi_packets *p, size_t size, uint32_t seed)
{
	struct iovec iov = { out, size };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = size };

	pattern_fill(out, size, seed);
	return qbi_packets_sendv(p, &msg);
}

static void take_pattern(struct qbi_packets *p, size_t expected, uint32_t seed)
{
	size_t size = SIZE_MAX;

	ck_assert_int_eq(qbi_packets_take(p, in, MAX, &size), 0);
	ck_assert_uint_eq(size, expected);
	ck_assert(pattern_matches(in, size, seed));
}

/* Sender and receiver take turns until the message is there. */
static void carry(struct qbi_packets *from, struct qbi_packets *to, size_t expected,
		  uint32_t seed)
{
	int sent = send_pattern(from, expected, seed), turns = 0;
	size_t size = SIZE_MAX;
	int r;

	while ((r = qbi_packets_take(to, in, MAX, &size)) == QBI_EMPTY) {
		ck_assert_int_eq(sent, QBI_UNSENT);
		ck_assert_int_lt(++turns, 1000);
		sent = qbi_packets_flush(from);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(sent, 0);
	ck_assert_uint_eq(size, expected);
	ck_assert(pattern_matches(in, size, seed));
	ck_assert_int_eq(qbi_packets_take(to, in, MAX, &size), QBI_EMPTY);
}

START_TEST(every_size_around_a_piece_goes_both_ways)
{
	for (size_t size = 0; size < 40; size++) {
		carry(&a, &b, size, 1);
		carry(&b, &a, size, 2);
	}
	for (size_t size = a.piece - 3; size < a.piece + 3; size++)
		carry(&a, &b, size, 3);
	for (size_t size = 2 * b.piece - 2; size < 2 * b.piece + 3; size++)
		carry(&b, &a, size, 4);
}
END_TEST

START_TEST(a_mebibyte_goes_both_ways_without_privilege)
{
	for (uint32_t i = 0; i < 6; i++) {
		carry(&a, &b, MAX, i);
		carry(&b, &a, MAX - i, i);
	}
}
END_TEST

START_TEST(kernel_without_memory_for_a_large_packet_gets_smaller_ones)
{
	qbi_packets_make_room(a.fd, MAX);
	for (size_t piece = MAX; piece >= MAX / 2; piece -= MAX / 2) {
		a.piece = piece;
		kernel_memory = 200 << 10;
		carry(&a, &b, MAX - 1, 1);
		carry(&a, &b, MAX, 2);
		carry(&a, &b, 3, 3);
		kernel_memory = 100 << 10;
		ck_assert_int_eq(send_pattern(&a, MAX, 4), QBI_FULL);
		carry(&a, &b, 3, 5);
		kernel_memory = SIZE_MAX;
		carry(&a, &b, MAX, 6);
	}
}
END_TEST

START_TEST(many_pieces_of_memory_are_one_message)
{
	enum { PIECES = 1024, EACH = 11 };
	struct iovec iov[PIECES];
	struct qbi_msg msg = { .iov = iov, .n = PIECES, .size = (PIECES / 2) * EACH };

	pattern_fill(out, msg.size, 9);
	for (size_t i = 0; i < PIECES; i++)
		iov[i] = i % 2 ? (struct iovec){ NULL, 0 } :
				 (struct iovec){ out + i / 2 * EACH, EACH };
	ck_assert_int_eq(qbi_packets_sendv(&a, &msg), 0);
	take_pattern(&b, msg.size, 9);
}
END_TEST

START_TEST(full_socket_takes_no_further_message_and_loses_none)
{
	uint32_t sent = 0, taken = 0;
	int r;

	while ((r = send_pattern(&a, 5000, sent)) == 0)
		sent++;
	ck_assert_int_eq(r, QBI_FULL);
	ck_assert_uint_gt(sent, 5);
	for (; taken < sent; taken++)
		take_pattern(&b, 5000, taken);
	carry(&a, &b, 5000, 77);
}
END_TEST

START_TEST(message_that_has_begun_keeps_others_out_until_it_is_done)
{
	size_t size;

	ck_assert_int_eq(send_pattern(&a, MAX, 1), QBI_UNSENT);
	ck_assert_int_eq(send_pattern(&a, 100, 2), QBI_FULL);
	ck_assert_int_eq(qbi_packets_flush(&a), QBI_UNSENT);
	while (qbi_packets_take(&b, in, MAX, &size) == QBI_EMPTY)
		(void)qbi_packets_flush(&a);
	ck_assert_uint_eq(size, MAX);
	ck_assert(pattern_matches(in, size, 1));
	carry(&a, &b, 100, 2);
}
END_TEST

START_TEST(small_buffer_leaves_the_message_whether_it_came_in_pieces_or_not)
{
	size_t size = 0;

	ck_assert_int_eq(send_pattern(&a, 1000, 1), 0);
	ck_assert_int_eq(qbi_packets_take(&b, in, 999, &size), -ENOBUFS);
	ck_assert_uint_eq(size, 1000);
	take_pattern(&b, 1000, 1);

	ck_assert_int_eq(send_pattern(&a, a.piece + 5, 2), 0);
	ck_assert_int_eq(qbi_packets_take(&b, in, a.piece, &size), -ENOBUFS);
	ck_assert_uint_eq(size, a.piece + 5);
	take_pattern(&b, a.piece + 5, 2);
}
END_TEST

START_TEST(peer_that_closes_is_gone_after_what_it_sent)
{
	size_t size;

	ck_assert_int_eq(send_pattern(&a, 100, 1), 0);
	qbi_packets_close(&a);
	take_pattern(&b, 100, 1);
	ck_assert_int_eq(qbi_packets_take(&b, in, MAX, &size), QBI_GONE);
	ck_assert_int_eq(qbi_packets_take(&b, in, 10, &size), QBI_GONE);
	ck_assert_int_eq(send_pattern(&b, 100, 1), QBI_GONE);
}
END_TEST

START_TEST(what_a_peer_sent_arrives_though_it_left_messages_unread)
{
	ck_assert_int_eq(send_pattern(&b, 10, 7), 0);
	ck_assert_int_eq(send_pattern(&a, 100, 1), 0);
	ck_assert_int_eq(send_pattern(&a, SMALL, 2), 0);
	qbi_packets_close(&a);
	take_pattern(&b, 100, 1);
	take_pattern(&b, SMALL, 2);
	ck_assert_int_eq(qbi_packets_take(&b, in, MAX, &(size_t){ 0 }), QBI_GONE);
}
END_TEST

START_TEST(peer_that_closes_in_the_middle_of_a_message_is_gone)
{
	size_t size;

	ck_assert_int_eq(send_pattern(&a, MAX, 1), QBI_UNSENT);
	qbi_packets_close(&a);
	ck_assert_int_eq(qbi_packets_take(&b, in, MAX, &size), QBI_GONE);
}
END_TEST

START_TEST(sender_in_the_middle_of_a_message_learns_that_the_peer_is_gone)
{
	ck_assert_int_eq(send_pattern(&a, MAX, 1), QBI_UNSENT);
	qbi_packets_close(&b);
	ck_assert_int_eq(qbi_packets_flush(&a), QBI_GONE);
	ck_assert_int_eq(send_pattern(&a, 10, 1), QBI_GONE);
}
END_TEST

/* -- A peer that lies ------------------------------------------------------------ */

static void send_packet(uint32_t size, uint32_t offset, size_t n)
{
	struct header header = { size, offset };
	struct iovec iov[2] = { { &header, sizeof(header) }, { out, n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	memset(out, 0x55, n);
	ck_assert_int_eq(sendmsg(a.fd, &m, MSG_DONTWAIT), (ssize_t)(sizeof(header) + n));
}

static int take_result(size_t room)
{
	size_t size = SIZE_MAX;
	uint8_t *buf = malloc(room);
	int r = qbi_packets_take(&b, buf, room, &size);

	ck_assert(r != 0 || size <= room);
	free(buf);
	return r;
}

START_TEST(header_that_cannot_be_is_a_fault)
{
	static const struct {
		uint32_t size, offset;
		size_t n;
	} lies[] = {
		{ MAX + 1, 0, 10 }, { UINT32_MAX, 0, 10 },  { 1u << 31, 0, 10 }, { 10, 1, 9 },
		{ 10, 10, 0 },	    { 100, UINT32_MAX, 1 }, { 10, 0, 11 },	 { 0, 0, 1 },
		{ 0, 1, 0 },	    { 10, 0, 0 },	    { MAX, 0, 0 },
	};

	send_packet(lies[_i].size, lies[_i].offset, lies[_i].n);
	ck_assert_int_eq(take_result(MAX), -EBADMSG);
}
END_TEST

/* A first piece of a message of 100 bytes, then what cannot follow it. */
START_TEST(piece_that_does_not_continue_the_message_is_a_fault)
{
	static const struct {
		uint32_t size, offset;
		size_t n;
	} lies[] = {
		{ 100, 0, 50 },	 { 100, 49, 50 },
		{ 100, 51, 49 }, { 101, 50, 50 },
		{ 99, 50, 49 },	 { 100, 50, 51 },
		{ 100, 50, 0 },	 { 100, 100, 0 },
		{ MAX, 50, 50 }, { 100, UINT32_MAX - 49, 50 },
	};

	send_packet(100, 0, 50);
	ck_assert_int_eq(take_result(MAX), QBI_EMPTY);
	send_packet(lies[_i].size, lies[_i].offset, lies[_i].n);
	ck_assert_int_eq(take_result(MAX), -EBADMSG);
}
END_TEST

START_TEST(packet_without_a_whole_header_is_a_fault)
{
	for (size_t n = 1; n < sizeof(struct header); n++) {
		ck_assert_int_eq(send(a.fd, out, n, 0), (ssize_t)n);
		ck_assert_int_eq(take_result(MAX), -EBADMSG);
		ck_assert_int_eq(send(a.fd, out, n, 0), (ssize_t)n);
		ck_assert_int_eq(take_result(100), -EBADMSG);
		ck_assert_int_eq(recv(b.fd, in, MAX, MSG_DONTWAIT), (ssize_t)n);
	}
}
END_TEST

START_TEST(packet_longer_than_its_header_says_is_a_fault_in_a_small_buffer_too)
{
	send_packet(10, 0, 5000);
	ck_assert_int_eq(take_result(10), -EBADMSG);
}
END_TEST

START_TEST(random_packets_are_faults_or_messages)
{
	uint64_t state = 88172645463325252ull;
	int faults = 0, messages = 0;

	for (int i = 0; i < 20000; i++) {
		uint32_t size, offset = 0;
		int r;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		size = (uint32_t)(state >> 40) % 64;
		if (state % 3 == 0)
			offset = (uint32_t)(state >> 20) % 64;
		send_packet(size, offset, (size_t)(state >> 10) % 64);
		r = take_result(SMALL);
		messages += r == 0;
		faults += r == -EBADMSG;
		if (r == -EBADMSG) {
			/* The end of a connection; the next one begins. */
			while (recv(b.fd, in, MAX, MSG_DONTWAIT) >= 0)
				;
			qbi_body_forget(&b.in);
		}
	}
	ck_assert_int_gt(faults, 100);
	ck_assert_int_gt(messages, 100);
}
END_TEST

START_TEST(descriptors_that_come_along_are_not_installed)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct header header = { 0, 0 };
	struct iovec iov = { &header, sizeof(header) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct census before, after;
	ssize_t n;

	memcpy(CMSG_DATA(&control.align), &a.fd, sizeof(int));
	census_take(&before);
	n = sendmsg(a.fd, &m, MSG_DONTWAIT);
	/* The kernel refuses it where it can be told to. */
	if (n < 0)
		ck_assert_int_eq(errno, EPERM);
	else
		ck_assert_int_eq(take_result(MAX), 0);
	census_take(&after);
	ck_assert_int_eq(before.fds, after.fds);
}
END_TEST

/* -- Work per call ---------------------------------------------------------------- */

static atomic_bool stop;

static void *thread_drip(void *data)
{
	for (uint32_t at = 1; at < MAX - 1 && !atomic_load(&stop); at++) {
		struct header header = { MAX, at };
		struct iovec iov[2] = { { &header, sizeof(header) }, { &header, 1 } };
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

		if (sendmsg(a.fd, &m, MSG_NOSIGNAL) < 0)
			break;
	}
	return data;
}

START_TEST(message_that_comes_byte_by_byte_does_not_keep_the_receiver)
{
	uint64_t longest = 0;
	pthread_t thread;

	atomic_store(&stop, false);
	send_packet(MAX, 0, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_drip, NULL), 0);
	for (size_t before = 0, rounds = 0; rounds < 300; rounds++) {
		ck_assert(fd_readable_within(b.fd, deadline_ms()));
		ck_assert_int_eq(take_result(MAX), QBI_EMPTY);
		if (b.in.done - before > longest)
			longest = b.in.done - before;
		before = b.in.done;
	}
	atomic_store(&stop, true);
	qbi_packets_close(&b);
	pthread_join(thread, NULL);
	ck_assert_uint_le(longest, 300);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native packets");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_size_around_a_piece_goes_both_ways);
	tcase_add_test(tc, a_mebibyte_goes_both_ways_without_privilege);
	tcase_add_test(tc, kernel_without_memory_for_a_large_packet_gets_smaller_ones);
	tcase_add_test(tc, many_pieces_of_memory_are_one_message);
	tcase_add_test(tc, full_socket_takes_no_further_message_and_loses_none);
	tcase_add_test(tc, message_that_has_begun_keeps_others_out_until_it_is_done);
	tcase_add_test(tc, small_buffer_leaves_the_message_whether_it_came_in_pieces_or_not);
	tcase_add_test(tc, peer_that_closes_is_gone_after_what_it_sent);
	tcase_add_test(tc, what_a_peer_sent_arrives_though_it_left_messages_unread);
	tcase_add_test(tc, peer_that_closes_in_the_middle_of_a_message_is_gone);
	tcase_add_test(tc, sender_in_the_middle_of_a_message_learns_that_the_peer_is_gone);
	suite_add_tcase(s, tc);

	tc = tcase_create("hostile peer");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, header_that_cannot_be_is_a_fault, 0, 11);
	tcase_add_loop_test(tc, piece_that_does_not_continue_the_message_is_a_fault, 0, 10);
	tcase_add_test(tc, packet_without_a_whole_header_is_a_fault);
	tcase_add_test(tc, packet_longer_than_its_header_says_is_a_fault_in_a_small_buffer_too);
	tcase_add_test(tc, random_packets_are_faults_or_messages);
	tcase_add_test(tc, descriptors_that_come_along_are_not_installed);
	tcase_add_test(tc, message_that_comes_byte_by_byte_does_not_keep_the_receiver);
	suite_add_tcase(s, tc);
	return suite_main(s);
}
