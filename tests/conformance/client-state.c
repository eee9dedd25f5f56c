/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client can ask of its connection: descriptor, credentials, context, state. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

START_TEST(descriptor_is_readable_only_while_an_event_is_queued)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int fd = client_fd(c);

	ck_assert(!fd_readable_within(fd, 0));
	client_echo(c, 64);
	ck_assert(!fd_readable_within(fd, 0));
	ck_assert_int_eq(host_call(h, remote_events, 1, 100, 1, 3), 3);
	for (int32_t id = 1; id <= 3; id++) {
		ck_assert(fd_readable_within(fd, deadline_ms()));
		client_must_recv_event(c, id, 100);
	}
	ck_assert(!fd_readable_within(fd, 0));
	session_stop(h, c);
}
END_TEST

START_TEST(descriptor_is_readable_when_the_server_has_disconnected)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	host_call(h, remote_disconnect, 1);
	ck_assert(fd_readable_within(client_fd(c), deadline_ms()));
	session_stop(h, c);
}
END_TEST

START_TEST(descriptor_is_readable_when_the_server_was_killed)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	host_kill(h);
	ck_assert(fd_readable_within(client_fd(c), deadline_ms()));
	session_stop(h, c);
}
END_TEST

START_TEST(descriptor_is_the_same_each_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int fd = client_fd(c);

	client_echo(c, 64);
	ck_assert_int_eq(client_fd(c), fd);
	session_stop(h, c);
}
END_TEST

START_TEST(descriptor_of_shm_is_a_connected_stream_that_knows_its_peer)
{
	struct host *h = host_start(&(struct server_spec){ .type = QB_IPC_SHM });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int type = 0;
	socklen_t type_size = sizeof(type);
	int fd = client_fd(c);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size), 0);
	ck_assert_int_eq(type, SOCK_STREAM);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size), 0);
	ck_assert_int_eq(cred.pid, h->pid);
	ck_assert_int_eq((int)cred.uid, (int)getuid());
	ck_assert_int_eq((int)cred.gid, (int)getgid());
	session_stop(h, c);
}
END_TEST

START_TEST(fd_get_without_connection_or_place_is_einval)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int32_t fd;

	ck_assert_int_eq(qb_ipcc_fd_get(NULL, &fd), -EINVAL);
	ck_assert_int_eq(qb_ipcc_fd_get(c, NULL), -EINVAL);
	session_stop(h, c);
}
END_TEST

START_TEST(auth_get_tells_pid_uid_and_gid_of_the_server)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	pid_t pid = -1;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	ck_assert_int_eq(qb_ipcc_auth_get(c, &pid, &uid, &gid), 0);
	ck_assert_int_eq(pid, h->pid);
	ck_assert_int_eq((int)uid, (int)getuid());
	ck_assert_int_eq((int)gid, (int)getgid());
	session_stop(h, c);
}
END_TEST

START_TEST(auth_get_fills_only_what_is_asked_for)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	pid_t pid = -1;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	ck_assert_int_eq(qb_ipcc_auth_get(c, NULL, NULL, NULL), 0);
	ck_assert_int_eq(qb_ipcc_auth_get(c, &pid, NULL, NULL), 0);
	ck_assert_int_eq(pid, h->pid);
	ck_assert_int_eq(qb_ipcc_auth_get(c, NULL, &uid, NULL), 0);
	ck_assert_int_eq((int)uid, (int)getuid());
	ck_assert_int_eq(qb_ipcc_auth_get(c, NULL, NULL, &gid), 0);
	ck_assert_int_eq((int)gid, (int)getgid());
	ck_assert_int_eq(qb_ipcc_auth_get(NULL, &pid, &uid, &gid), -EINVAL);
	session_stop(h, c);
}
END_TEST

START_TEST(connection_is_connected_until_the_server_disconnects)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	client_echo(c, 64);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	host_call(h, remote_disconnect, 1);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	ck_assert_int_eq(qb_ipcc_is_connected(c), 0);
	session_stop(h, c);
}
END_TEST

START_TEST(connection_is_not_connected_once_the_server_was_killed)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	host_kill(h);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	ck_assert_int_eq(qb_ipcc_is_connected(c), 0);
	session_stop(h, c);
}
END_TEST

START_TEST(connection_is_connected_while_events_are_queued)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_events, 1, 100, 1, 3), 3);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	for (int32_t id = 1; id <= 3; id++)
		client_must_recv_event(c, id, 100);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	session_stop(h, c);
}
END_TEST

START_TEST(nothing_is_not_connected)
{
	ck_assert_int_eq(qb_ipcc_is_connected(NULL), 0);
}
END_TEST

START_TEST(context_is_null_until_it_is_set)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	ck_assert_ptr_null(qb_ipcc_context_get(c));
	qb_ipcc_context_set(c, h);
	ck_assert_ptr_eq(qb_ipcc_context_get(c), h);
	client_echo(c, 64);
	ck_assert_ptr_eq(qb_ipcc_context_get(c), h);
	qb_ipcc_context_set(c, NULL);
	ck_assert_ptr_null(qb_ipcc_context_get(c));
	session_stop(h, c);
}
END_TEST

START_TEST(questions_about_no_connection_have_harmless_answers)
{
	qb_ipcc_context_set(NULL, &session_start);
	ck_assert_ptr_null(qb_ipcc_context_get(NULL));
	ck_assert_int_eq(qb_ipcc_get_buffer_size(NULL), -EINVAL);
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(NULL, 1), -EINVAL);
	qb_ipcc_disconnect(NULL);
}
END_TEST

START_TEST(files_of_a_killed_server_are_gone_after_disconnect)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	client_echo(c, 64);
	host_kill(h);
	/* The census of the fixture looks for what is left. */
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client state");
	TCase *tc = tcase_new(s, "descriptor");

	add_variant_test(tc, descriptor_is_readable_only_while_an_event_is_queued);
	add_transport_test(tc, descriptor_is_readable_when_the_server_has_disconnected);
	add_transport_test(tc, descriptor_is_readable_when_the_server_was_killed);
	add_transport_test(tc, descriptor_is_the_same_each_time);
	tcase_add_test(tc, descriptor_of_shm_is_a_connected_stream_that_knows_its_peer);
	add_transport_test(tc, fd_get_without_connection_or_place_is_einval);

	tc = tcase_new(s, "credentials");
	add_transport_test(tc, auth_get_tells_pid_uid_and_gid_of_the_server);
	add_transport_test(tc, auth_get_fills_only_what_is_asked_for);

	tc = tcase_new(s, "connected");
	add_transport_test(tc, connection_is_connected_until_the_server_disconnects);
	add_transport_test(tc, connection_is_not_connected_once_the_server_was_killed);
	add_transport_test(tc, connection_is_connected_while_events_are_queued);
	tcase_add_test(tc, nothing_is_not_connected);

	tc = tcase_new(s, "rest");
	add_transport_test(tc, context_is_null_until_it_is_set);
	tcase_add_test(tc, questions_about_no_connection_have_harmless_answers);
	add_transport_test(tc, files_of_a_killed_server_are_gone_after_disconnect);
	return suite_main(s);
}
