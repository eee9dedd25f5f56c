/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Datagram sockets with a name anybody can send to: with a peer they are connected before
 * they have it, so that there is no moment in which a stranger gets anything in. bind(2)
 * is called through here.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "base/socket.h"
#include "base/util.h"
#include "wire/names.h"

static struct sockaddr_un ours, theirs;
static int stranger = -1;
static int got_in; /* datagrams of the stranger's that were taken at once */

int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int r = __real_bind(fd, address, size);

	/* As soon as it has the name. */
	if (stranger >= 0 &&
	    sendto(stranger, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, address, size) == 1)
		got_in++;
	return r;
}

static int named(const char *what, struct sockaddr_un *ret_address)
{
	char name[64];

	snprintf(name, sizeof(name), "qbt-datagram-%d", (int)getpid());
	ck_assert_int_eq(qbi_channel_address(name, what, ret_address), 0);
	return qbi_datagram_open(ret_address, NULL, 12328);
}

START_TEST(stranger_gets_nothing_into_a_socket_that_has_a_peer)
{
	_cleanup_(qbi_closep) int peer = named("peer", &theirs);
	_cleanup_(qbi_closep) int other = named("stranger", &ours);
	_cleanup_(qbi_closep) int fd = -1;
	char byte;

	ck_assert_int_ge(peer, 0);
	ck_assert_int_ge(other, 0);
	close(named("ours", &ours));
	stranger = other;
	fd = qbi_datagram_open(&ours, &theirs, 12328);
	stranger = -1;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(got_in, 0);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	/* The peer does. */
	ck_assert_int_eq(sendto(peer, "y", 1, 0, (struct sockaddr *)&ours, sizeof(ours)), 1);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
}
END_TEST

START_TEST(anybody_may_send_to_a_socket_without_a_peer)
{
	_cleanup_(qbi_closep) int other = named("stranger", &ours);
	_cleanup_(qbi_closep) int fd = -1;
	char byte;

	ck_assert_int_ge(other, 0);
	close(named("ours", &ours));
	stranger = other;
	fd = qbi_datagram_open(&ours, NULL, 12328);
	stranger = -1;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(got_in, 1);
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("datagram sockets");
	TCase *tc = tcase_create("who may send");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, stranger_gets_nothing_into_a_socket_that_has_a_peer);
	tcase_add_test(tc, anybody_may_send_to_a_socket_without_a_peer);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
