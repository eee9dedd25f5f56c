/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: registration, what is reported, changes in the middle of a round. */
#include "config.h"

#include <netinet/in.h>
#include <string.h>

#include "base/util.h"
#include "tests/unit/test-loop-poll.h"

/* -- Arguments and outcomes ------------------------------------------------------ */

START_TEST(a_descriptor_needs_a_priority_and_a_function)
{
	int fds[2];

	make_pipe(fds, true);
	ck_assert_int_eq(qb_loop_poll_add(loop, 3, fds[0], POLLIN, NULL, never_called_fd),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_poll_add(loop, -1, fds[0], POLLIN, NULL, never_called_fd),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fds[0], POLLIN, NULL, NULL), -EINVAL);

	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fds[0], 0, NULL, never_called_fd), 0);
	ck_assert_int_eq(qb_loop_poll_mod(loop, 3, fds[0], POLLIN, NULL, never_called_fd),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_poll_mod(loop, 0, fds[0], POLLIN, NULL, NULL), -EINVAL);
	settle();
	close_pipe(fds);
}
END_TEST

START_TEST(what_is_no_descriptor_is_refused)
{
	static const int bad[] = { -1, INT32_MIN, INT32_MAX, 1000000 };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(
			qb_loop_poll_add(loop, 0, bad[i], POLLIN, NULL, never_called_fd),
			-EBADF);
		ck_assert_int_eq(
			qb_loop_poll_mod(loop, 0, bad[i], POLLIN, NULL, never_called_fd),
			-EBADF);
		ck_assert_int_eq(qb_loop_poll_del(loop, bad[i]), -EBADF);
	}
}
END_TEST

START_TEST(what_epoll_cannot_watch_is_refused)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fd, POLLIN, NULL, never_called_fd), -EPERM);
	ck_assert_int_eq(qb_loop_poll_del(loop, fd), -EBADF);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_is_watched_once)
{
	struct seen s = { 0 };
	int fds[2];

	make_pipe(fds, true);
	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fds[0], POLLIN, &s, note), 0);
	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fds[0], POLLIN, NULL, never_called_fd),
			 -EEXIST);
	settle();
	ck_assert_int_ge(s.calls, 1);
	close_pipe(fds);
}
END_TEST

START_TEST(an_unknown_descriptor_can_be_neither_changed_nor_removed)
{
	int fds[2];

	make_pipe(fds, true);
	ck_assert_int_eq(qb_loop_poll_mod(loop, 0, fds[0], POLLIN, NULL, never_called_fd),
			 -EBADF);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), -EBADF);
	ck_assert_int_eq(qb_loop_poll_add(loop, 0, fds[0], POLLIN, NULL, never_called_fd), 0);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), 0);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), -EBADF);
	ck_assert_int_eq(qb_loop_poll_mod(loop, 0, fds[0], POLLIN, NULL, never_called_fd),
			 -EBADF);
	settle();
	close_pipe(fds);
}
END_TEST

START_TEST(a_descriptor_with_a_high_number_is_watched)
{
	struct seen s = { 0 };
	int fds[2], high;

	make_pipe(fds, true);
	high = fcntl(fds[0], F_DUPFD_CLOEXEC, 900);
	ck_assert_int_ge(high, 900);
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_MED, high, POLLIN, &s, note), 0);
	settle();
	ck_assert_int_ge(s.calls, 1);
	ck_assert_int_eq(s.fd, high);
	ck_assert_int_eq(qb_loop_poll_del(loop, high), 0);
	close(high);
	close_pipe(fds);
}
END_TEST

/* -- Events ---------------------------------------------------------------------- */

/* What is reported for @fd when @events are asked for; 0 for nothing. */
static int32_t reported(int fd, int32_t events)
{
	struct seen s = { 0 };

	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_HIGH, fd, events, &s, note), 0);
	settle();
	ck_assert_int_eq(qb_loop_poll_del(loop, fd), 0);
	ck_assert(s.calls == 0 || s.fd == fd);
	return s.revents;
}

START_TEST(only_events_asked_for_are_reported)
{
	int fds[2];

	make_pair(fds);
	ck_assert_int_eq(reported(fds[0], POLLIN), 0);
	ck_assert_int_eq(reported(fds[0], POLLOUT), POLLOUT);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(reported(fds[0], POLLIN), POLLIN);
	ck_assert_int_eq(reported(fds[0], POLLOUT), POLLOUT);
	ck_assert_int_eq(reported(fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
	ck_assert_int_eq(reported(fds[0], POLLPRI), 0);
	ck_assert_int_eq(reported(fds[0], 0), 0);
	close_pipe(fds);
}
END_TEST

START_TEST(pollnval_may_be_asked_for_and_means_nothing)
{
	int fds[2];

	make_pair(fds);
	ck_assert_int_eq(reported(fds[0], POLLIN | POLLPRI | POLLNVAL), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(reported(fds[0], POLLIN | POLLPRI | POLLNVAL), POLLIN);
	close_pipe(fds);
}
END_TEST

START_TEST(bits_that_poll_does_not_know_mean_nothing)
{
	struct seen s = { 0 };
	int fds[2];

	make_pipe(fds, true);
	/* To epoll they mean edge-triggered, one shot, exclusive. */
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_MED, fds[0],
					  (int32_t)(POLLIN | 7U << 28 | 1U << 31), &s, note),
			 0);
	run_until_at_least(&s.calls, 3);
	ck_assert_int_eq(s.ever, POLLIN);
	ck_assert_int_eq(qb_loop_poll_mod(loop, QB_LOOP_MED, fds[0], POLLIN, &s, note), 0);
	close_pipe(fds);
}
END_TEST

START_TEST(a_hangup_is_reported_without_being_asked_for)
{
	int fds[2];

	make_pair(fds);
	close(fds[1]);
	ck_assert_int_eq(reported(fds[0], 0), POLLHUP);
	ck_assert_int_eq(reported(fds[0], POLLIN), POLLIN | POLLHUP);
	ck_assert_int_eq(reported(fds[0], POLLIN | POLLOUT | POLLRDHUP),
			 POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	close(fds[0]);
}
END_TEST

START_TEST(a_half_closed_stream_is_pollrdhup_if_asked_for)
{
	int fds[2];

	make_pair(fds);
	shutdown(fds[1], SHUT_WR);
	ck_assert_int_eq(reported(fds[0], POLLIN), POLLIN);
	ck_assert_int_eq(reported(fds[0], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	close_pipe(fds);
}
END_TEST

START_TEST(an_error_is_reported_without_being_asked_for)
{
	int fds[2];

	make_pipe(fds, false);
	close(fds[0]);
	ck_assert_int_eq(reported(fds[1], 0), POLLERR);
	close(fds[1]);
}
END_TEST

START_TEST(urgent_data_is_pollpri)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	struct pollfd p;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &size), 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&a, size), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);
	ck_assert_int_eq(reported(server, POLLPRI), 0);
	ck_assert_int_eq(send(client, "!", 1, MSG_OOB), 1);
	p = (struct pollfd){ .fd = server, .events = POLLPRI };
	ck_assert_int_eq(poll(&p, 1, deadline_ms()), 1);
	ck_assert_int_eq(reported(server, POLLPRI), POLLPRI);
	close(server);
	close(client);
	close(listener);
}
END_TEST

START_TEST(what_is_left_unread_is_reported_again)
{
	struct seen s = { 0 };
	int fds[2];
	char c;

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_MED, fds[0], POLLIN, &s, note);
	for (int i = 1; i <= 10; i++) {
		settle();
		ck_assert_int_ge(s.calls, i);
	}
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	s.calls = 0;
	settle();
	ck_assert_int_eq(s.calls, 0);
	close_pipe(fds);
}
END_TEST

/* -- Changes --------------------------------------------------------------------- */

START_TEST(mod_changes_events_data_and_function)
{
	struct seen first = { 0 }, second = { 0 };
	int fds[2];

	make_pair(fds);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLOUT, &first, note);
	ck_assert_int_eq(
		qb_loop_poll_mod(loop, QB_LOOP_LOW, fds[0], POLLIN, &first, never_called_fd),
		0);
	settle();
	ck_assert_int_eq(qb_loop_poll_mod(loop, QB_LOOP_HIGH, fds[0], POLLOUT, &second, note),
			 0);
	settle();
	ck_assert_int_eq(first.calls, 0);
	ck_assert_int_ge(second.calls, 1);
	ck_assert_int_eq(second.revents, POLLOUT);
	close_pipe(fds);
}
END_TEST

static char order[8];

static int32_t note_order(int32_t fd, int32_t revents, void *data)
{
	order[strlen(order)] = (char)(intptr_t)data;
	return -1;
}

START_TEST(mod_changes_the_priority)
{
	int a[2], b[2];

	memset(order, 0, sizeof(order));
	make_pipe(a, true);
	make_pipe(b, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, a[0], POLLIN, (void *)'a', note_order);
	qb_loop_poll_add(loop, QB_LOOP_LOW, b[0], POLLIN, (void *)'b', note_order);
	qb_loop_poll_mod(loop, QB_LOOP_LOW, a[0], POLLIN, (void *)'a', note_order);
	qb_loop_poll_mod(loop, QB_LOOP_HIGH, b[0], POLLIN, (void *)'b', note_order);
	settle();
	ck_assert_str_eq(order, "ba");
	close_pipe(a);
	close_pipe(b);
}
END_TEST

static int ask_for_other_events(struct meddler *m)
{
	return qb_loop_poll_mod(loop, QB_LOOP_LOW, m->other, POLLOUT, NULL, never_called_fd);
}

START_TEST(an_event_no_longer_asked_for_is_not_reported)
{
	int fds[2];
	struct meddler m = { .meddle = ask_for_other_events };

	make_pipe(fds, true);
	m.other = fds[0];
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	run_meddler(&m);
	close_pipe(fds);
}
END_TEST

static int move_up(struct meddler *m)
{
	return qb_loop_poll_mod(loop, QB_LOOP_MED, m->other, POLLIN, m->instead, note);
}

START_TEST(a_ready_descriptor_can_be_moved_to_another_priority)
{
	int fds[2];
	struct seen s = { .answer = -1 };
	struct meddler m = { .meddle = move_up, .instead = &s };

	make_pipe(fds, true);
	m.other = fds[0];
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	run_meddler(&m);
	ck_assert_int_eq(s.calls, 1);
	close_pipe(fds);
}
END_TEST

static int remove_other(struct meddler *m)
{
	return qb_loop_poll_del(loop, m->other);
}

START_TEST(a_ready_descriptor_that_is_removed_is_not_called)
{
	int fds[2];
	struct meddler m = { .meddle = remove_other };

	make_pipe(fds, true);
	m.other = fds[0];
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	run_meddler(&m);
	close_pipe(fds);
}
END_TEST

START_TEST(a_negative_answer_removes_the_descriptor)
{
	struct seen s = { .answer = -1 };
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_MED, fds[0], POLLIN, &s, note);
	settle();
	settle();
	ck_assert_int_eq(s.calls, 1);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), -EBADF);
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_MED, fds[0], POLLIN, &s, note), 0);
	settle();
	ck_assert_int_eq(s.calls, 2);
	close_pipe(fds);
}
END_TEST

START_TEST(any_other_answer_keeps_the_descriptor)
{
	struct seen s = { .answer = 1 };
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_MED, fds[0], POLLIN, &s, note);
	settle();
	settle();
	ck_assert_int_ge(s.calls, 2);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), 0);
	close_pipe(fds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop descriptors");
	TCase *tc = add_case(s, "arguments");

	tcase_add_test(tc, a_descriptor_needs_a_priority_and_a_function);
	tcase_add_test(tc, what_is_no_descriptor_is_refused);
	tcase_add_test(tc, what_epoll_cannot_watch_is_refused);
	tcase_add_test(tc, a_descriptor_is_watched_once);
	tcase_add_test(tc, an_unknown_descriptor_can_be_neither_changed_nor_removed);
	tcase_add_test(tc, a_descriptor_with_a_high_number_is_watched);
	tc = add_case(s, "events");
	tcase_add_test(tc, only_events_asked_for_are_reported);
	tcase_add_test(tc, pollnval_may_be_asked_for_and_means_nothing);
	tcase_add_test(tc, bits_that_poll_does_not_know_mean_nothing);
	tcase_add_test(tc, a_hangup_is_reported_without_being_asked_for);
	tcase_add_test(tc, a_half_closed_stream_is_pollrdhup_if_asked_for);
	tcase_add_test(tc, an_error_is_reported_without_being_asked_for);
	tcase_add_test(tc, urgent_data_is_pollpri);
	tcase_add_test(tc, what_is_left_unread_is_reported_again);
	tc = add_case(s, "changes");
	tcase_add_test(tc, mod_changes_events_data_and_function);
	tcase_add_test(tc, mod_changes_the_priority);
	tcase_add_test(tc, an_event_no_longer_asked_for_is_not_reported);
	tcase_add_test(tc, a_ready_descriptor_can_be_moved_to_another_priority);
	tcase_add_test(tc, a_ready_descriptor_that_is_removed_is_not_called);
	tcase_add_test(tc, a_negative_answer_removes_the_descriptor);
	tcase_add_test(tc, any_other_answer_keeps_the_descriptor);
	return run_suite(s);
}
