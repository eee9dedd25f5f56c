/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running out of descriptors, and back; and what is left in /dev/shm by processes that
 * were killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/scarcity.h"

static struct host *host_with_few_descriptors(int variant)
{
	return host_start(&(struct server_spec){ VARIANT_SPEC(variant),
						 .prepare = prepare_few_descriptors });
}

/* Directories of a server in /dev/shm. */
static int directories_of(pid_t pid)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	char prefix[32];
	int n = 0;

	ck_assert_ptr_nonnull(d);
	snprintf(prefix, sizeof(prefix), "qb-%d-", (int)pid);
	while ((e = readdir(d)))
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* -- Out of descriptors, and back ---------------------------------------------------- */

static int dispatches(struct host *h)
{
	struct adapter_counts *counts = (void *)h->shared->blob;

	host_call(h, remote_adapter_counts);
	return counts->dispatches;
}

START_TEST(service_without_descriptors_turns_clients_away_and_resumes)
{
	struct host *h = host_with_few_descriptors(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_call(h, remote_fill, 0);
	for (int k = 0; k < 3; k++)
		ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_uint_eq(host_refusals(h).descriptors, 3);
	client_echo(c, 100);
	host_call(h, remote_empty);
	for (int k = 0; k < 3; k++) {
		qb_ipcc_connection_t *next = client_connect(h->name, 0);

		client_echo(next, 100);
		qb_ipcc_disconnect(next);
	}
	ck_assert_uint_eq(host_refusals(h).descriptors, 3);
	ck_assert_uint_eq(host_refusals(h).listener_rests, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void created_then_fill(struct server *sv, qb_ipcs_connection_t *c)
{
	static const int64_t none[CALL_ARGS];

	remote_fill(sv, none);
}

/* Its second stream comes when there is no descriptor left: one was kept for it. */
START_TEST(client_that_has_its_answer_lacks_no_descriptor_any_more)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i),
							   .prepare = prepare_few_descriptors,
							   .created = created_then_fill });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[100];

	/* Sleeps until the time is over, or hears that it is over with the connection. */
	errno = 0;
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 50), -ETIMEDOUT);
	client_echo(c, 100);
	host_call(h, remote_nothing);
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 50), -ETIMEDOUT);
	ck_assert_uint_eq(host_refusals(h).descriptors, 0);
	/* And the one that is kept for turning clients away is there again. */
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_uint_eq(host_refusals(h).descriptors, 1);
	ck_assert_uint_eq(host_refusals(h).listener_rests, 0);
	client_echo(c, 100);
	host_call(h, remote_empty);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* docs/protocol.md, first message. */
struct first {
	int32_t id;
	uint32_t mark;
	int32_t size;
	uint32_t version, max_msg_size, abilities;
};
enum { ANSWER_SIZE = 12328, OPAQUE_AT = 32, ABILITY_BELL = 0x10 };
#define MARK 0x31434951u

static int stream_connect(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path + 1, name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void first_send(int fd, uint32_t version, uint32_t max_msg_size, uint32_t abilities)
{
	struct first m = { -1, MARK, sizeof(m), version, max_msg_size, abilities };

	ck_assert_int_eq(send(fd, &m, sizeof(m), MSG_NOSIGNAL), sizeof(m));
}

static uint64_t number_receive(int fd)
{
	char answer[ANSWER_SIZE];
	uint64_t number;

	ck_assert_int_eq(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	memcpy(&number, answer + OPAQUE_AT, sizeof(number));
	return number;
}

/* The server has it, and has shut down the direction in which nothing comes any more. */
static bool bell_is_joined(int fd)
{
	char byte;

	return send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EPIPE &&
	       recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

/* It is accepted with nothing in it, and says only later what it is. */
START_TEST(bell_that_is_silent_at_first_lacks_no_descriptor_either)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(0),
							   .prepare = prepare_few_descriptors,
							   .created = created_then_fill });
	int fd = stream_connect(h->name), bell;
	uint64_t number;

	first_send(fd, 1, ANSWER_SIZE, 0);
	number = number_receive(fd);
	bell = stream_connect(h->name);
	/* A turn of the loop, and one more. */
	host_call(h, remote_nothing);
	host_call(h, remote_nothing);
	first_send(bell, (uint32_t)number, (uint32_t)(number >> 32), ABILITY_BELL);
	WAIT_FOR(bell_is_joined(bell));
	ck_assert_uint_eq(host_refusals(h).descriptors, 0);
	host_call(h, remote_empty);
	close(bell);
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(client_for_whom_descriptors_do_not_suffice_is_refused_with_emfile)
{
	struct host *h = host_with_few_descriptors(_i);
	qb_ipcc_connection_t *c;

	host_call(h, remote_fill, 1);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_uint_eq(host_refusals(h).descriptors, 1);
	host_call(h, remote_empty);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(unfinished_handshake_makes_room_when_descriptors_run_out)
{
	struct host *h = host_with_few_descriptors(_i);
	int old[2] = { raw_connect(h, SOMEBODY), raw_connect(h, SOMEBODY) };
	int root, fd;

	WAIT_FOR(host_call(h, remote_adapter_counts) == 4);
	host_call(h, remote_fill, 0);
	fd = raw_connect(h, ANOTHER);
	ck_assert(raw_is_closed(old[0]));
	WAIT_FOR(host_refusals(h).descriptors >= 1);
	ck_assert(raw_is_open(h, fd));
	/* The last one of who has most, and of the others' the oldest. */
	root = raw_connect(h, ROOT);
	ck_assert(raw_is_closed(old[1]));
	ck_assert(raw_is_open(h, fd));
	ck_assert(raw_is_open(h, root));
	close(old[0]);
	close(old[1]);
	close(root);
	close(fd);
	host_call(h, remote_empty);
	host_stop(h);
}
END_TEST

/* More than the one for its socket: those that its transport is made of, too. */
START_TEST(unfinished_handshakes_make_room_for_one_that_is_complete)
{
	struct host *h = host_with_few_descriptors(_i);
	qb_ipcc_connection_t *first = client_connect(h->name, 0), *c;
	int64_t live;
	int old[8];

	/* Also its second stream was dispatched then, and is no longer in the loop. */
	client_echo(first, 100);
	live = host_call(h, remote_adapter_counts);
	for (int k = 0; k < 8; k++)
		old[k] = raw_connect(h, SOMEBODY);
	/* They, and the timer that watches them. */
	WAIT_FOR(host_call(h, remote_adapter_counts) == live + 8 + 1);
	host_call(h, remote_fill, 0);
	c = connect_as(h, ANOTHER, 0);
	ck_assert_msg(c, "connect: %s", strerror(errno));
	client_echo(c, 100);
	ck_assert(raw_is_closed(old[1]));
	ck_assert(raw_is_open(h, old[7]));
	ck_assert_uint_ge(host_refusals(h).descriptors, 2);
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(first);
	for (int k = 0; k < 8; k++)
		close(old[k]);
	host_call(h, remote_empty);
	host_stop(h);
}
END_TEST

START_TEST(unfinished_handshakes_leave_descriptors_for_others)
{
	struct host *h = host_with_few_descriptors(_i);
	qb_ipcc_connection_t *c;
	int fd[FEW];

	for (int k = 0; k < FEW; k++)
		fd[k] = raw_connect(h, SOMEBODY);
	c = connect_as(h, ANOTHER, 0);
	ck_assert_msg(c, "connect: %s", strerror(errno));
	client_echo(c, 100);
	ck_assert(raw_is_closed(fd[0]));
	ck_assert(raw_is_open(h, fd[FEW - 1]));
	qb_ipcc_disconnect(c);
	for (int k = 0; k < FEW; k++)
		close(fd[k]);
	host_stop(h);
}
END_TEST

START_TEST(unfinished_handshakes_replace_each_other_while_descriptors_are_scarce)
{
	struct host *h = host_with_few_descriptors(_i);
	int root, fd[5];

	host_call(h, remote_fill, 10);
	root = raw_connect(h, ROOT);
	for (int k = 0; k < 5; k++) {
		fd[k] = raw_connect(h, k % 2 ? SOMEBODY : ANOTHER);
		if (k > 0)
			ck_assert(raw_is_closed(fd[k - 1]));
	}
	ck_assert(raw_is_open(h, fd[4]));
	ck_assert(raw_is_open(h, root));
	ck_assert_uint_eq(host_refusals(h).descriptors, 4);
	for (int k = 0; k < 5; k++)
		close(fd[k]);
	close(root);
	host_call(h, remote_empty);
	host_stop(h);
}
END_TEST

START_TEST(service_without_descriptors_removes_the_files_of_whom_it_disconnects)
{
	struct host *h = host_with_few_descriptors(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char event[256];
	int64_t size = host_call(h, remote_event, 1, 100, 7);

	ck_assert_int_gt(size, 0);
	host_call(h, remote_fill, 0);
	host_call(h, remote_disconnect, 1);
	ck_assert_int_eq(directories_of(h->pid), 0);
	ck_assert_int_eq(qb_ipcc_event_recv(c, event, sizeof(event), deadline_ms()), size);
	ck_assert_int_eq(qb_ipcc_event_recv(c, event, sizeof(event), deadline_ms()), -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_call(h, remote_empty);
	host_stop(h);
}
END_TEST

enum { REST_MS = 100 };

START_TEST(listener_that_cannot_accept_rests_and_resumes)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_high_spare });
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *waiting;
	int before, fd = -1;
	uint64_t begin, turns;

	/* Its second stream, if it has one, came before this was answered. */
	client_echo(c, 100);
	host_await_rest(h);
	host_call(h, remote_exhaust);
	waiting = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(waiting);
	WAIT_FOR(host_refusals(h).listener_rests >= 1);
	before = dispatches(h);
	begin = now_ms();
	WAIT_FOR(host_refusals(h).listener_rests >= 4);
	turns = (now_ms() - begin) / REST_MS + 1;
	/* One of the timer and one of the listener each time. */
	ck_assert_uint_le((uint64_t)(dispatches(h) - before), 2 * turns + 2);
	client_echo(c, 100);
	ck_assert(!fd_readable_within(fd, 0));
	host_call(h, remote_rlimit, FEW);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(waiting), 0);
	client_echo(waiting, 100);
	/* The timer is out of the loop, and there is a spare descriptor again. */
	qb_ipcc_disconnect(waiting);
	qb_ipcc_disconnect(c);
	WAIT_FOR(host_call(h, remote_adapter_counts) == 1);
	host_call(h, remote_fill, 0);
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_uint_eq(host_refusals(h).descriptors, 1);
	host_call(h, remote_empty);
	host_stop(h);
}
END_TEST

START_TEST(destroy_while_the_listener_rests_leaves_nothing)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_high_spare });
	qb_ipcc_connection_t *waiting;
	int fd = -1;

	host_call(h, remote_exhaust);
	waiting = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(waiting);
	WAIT_FOR(host_refusals(h).listener_rests >= 1);
	host_call(h, remote_destroy);
	host_call(h, remote_rlimit, FEW);
	host_call(h, remote_empty);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_lt(qb_ipcc_connect_continue(waiting), 0);
	host_stop(h);
}
END_TEST

/* -- The log ------------------------------------------------------------------------- */

enum { SLOT_LINES, SLOT_PRIORITY };

static void on_log(int priority, const char *text, void *data)
{
	struct server *sv = data;

	if (strstr(text, "sent no handshake"))
		sv->shared->slot[SLOT_LINES]++;
}

static void prepare_log(struct server *sv)
{
	qbipc_log_hook_set(on_log, sv);
}

START_TEST(log_has_one_line_for_many_refusals)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_log });
	int32_t nonsense[6] = { 7, 7, 7, 7, 7, 7 };
	uint64_t begin = now_ms();

	for (int k = 0; k < 50; k++) {
		int fd = raw_connect(h, getuid());

		ck_assert_int_gt(send(fd, nonsense, sizeof(nonsense), MSG_NOSIGNAL), 0);
		ck_assert(raw_is_closed(fd));
		close(fd);
	}
	ck_assert_uint_eq(host_refusals(h).handshakes_bad, 50);
	ck_assert_int_ge(host_slot(h, SLOT_LINES), 1);
	ck_assert_int_le(host_slot(h, SLOT_LINES), 1 + (int64_t)(now_ms() - begin) / 10000);
	host_stop(h);
}
END_TEST

/* -- After a kill -------------------------------------------------------------------- */

/* A child that is connected as @uid, until it is killed. */
static pid_t client_start(struct host *h, uid_t uid)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (!connect_as(h, uid, 0) || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	census_adopt(pid);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void client_kill(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void check_next_start_removes(int variant, uid_t uid)
{
	struct server_spec spec = { VARIANT_SPEC(variant) };
	struct host *h = host_start(&spec), *next;
	pid_t client[2] = { client_start(h, uid), client_start(h, uid) };
	pid_t server = h->pid;

	ck_assert_int_eq(directories_of(server), spec.libqb_wire ? 2 : 0);
	/* Nobody gets to clean up. */
	host_freeze(h);
	client_kill(client[0]);
	client_kill(client[1]);
	host_kill(h);
	census_forget(server);
	census_forget(client[0]);
	census_forget(client[1]);
	ck_assert_int_eq(directories_of(server), spec.libqb_wire ? 2 : 0);
	spec.name = h->name;
	next = host_start(&spec);
	ck_assert_int_eq(directories_of(server), 0);
	host_stop(next);
	host_stop(h);
}

START_TEST(next_start_removes_what_a_killed_server_left)
{
	check_next_start_removes(_i, getuid());
}
END_TEST

START_TEST(next_start_removes_what_was_given_to_another_user)
{
	check_next_start_removes(_i, SOMEBODY);
}
END_TEST

START_TEST(start_leaves_alone_what_servers_that_live_have)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) }), *other;
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int had = directories_of(h->pid);

	other = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	ck_assert_int_eq(directories_of(h->pid), had);
	client_echo(c, 100);
	host_stop(other);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits of the system");
	TCase *tc = tcase_new(s, "descriptors");

	add_variant_test(tc, service_without_descriptors_turns_clients_away_and_resumes);
	tcase_add_test(tc, bell_that_is_silent_at_first_lacks_no_descriptor_either);
	add_variant_test(tc,
			 service_without_descriptors_removes_the_files_of_whom_it_disconnects);
	add_variant_test(tc, client_that_has_its_answer_lacks_no_descriptor_any_more);
	add_transport_test(tc,
			   client_for_whom_descriptors_do_not_suffice_is_refused_with_emfile);
	add_test_of_users(tc, unfinished_handshake_makes_room_when_descriptors_run_out);
	add_test_of_users(tc, unfinished_handshakes_leave_descriptors_for_others);
	add_test_of_users(tc, unfinished_handshakes_make_room_for_one_that_is_complete);
	add_test_of_users(
		tc, unfinished_handshakes_replace_each_other_while_descriptors_are_scarce);
	add_variant_test(tc, listener_that_cannot_accept_rests_and_resumes);
	add_variant_test(tc, destroy_while_the_listener_rests_leaves_nothing);

	tc = tcase_new(s, "log");
	add_transport_test(tc, log_has_one_line_for_many_refusals);

	tc = tcase_new(s, "after a kill");
	add_transport_test(tc, next_start_removes_what_a_killed_server_left);
	add_test_of_users(tc, next_start_removes_what_was_given_to_another_user);
	add_transport_test(tc, start_leaves_alone_what_servers_that_live_have);
	return suite_main(s);
}
