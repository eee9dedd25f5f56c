/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server that passes what takes long to close (slow.h): each kind, wherever a
 * descriptor can arrive, and each call of the client that has a time, which it keeps.
 *
 *   arrives                            on
 *   with the answer, to a probe too    the stream, before it is known who answers
 *   with the counters                  the stream, after an answer to a watcher
 *   among the wake-ups                 the stream, after the answer
 *   on a socket that was passed        native wire, while the client receives
 *   in the queue of one                native wire, whether the client takes it or not
 *
 * Where the client is quicker than the server, the last one is the server's, which then waits:
 * so it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <qbipc/connect.h>
#include <qbipc/snapshot.h>

#include "tests/hostile/slow.h"
#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

/* Linux 6.16; the headers may be older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* ANSWER_MS: for the rest of an answer that has begun. */
enum { TIME_MS = 1500, ANSWER_MS = 2000, SHORT_MS = 100, ABILITY_WATCH = 2 };

/* @loop: the transport, and the kind of what is slow. */
static bool slow_server_begin(struct false_server *f, int loop, const char *name, lie_fn lie,
			      unsigned int which)
{
	static char text[100];

	if (!slow_begin((enum slow_kind)(loop % SLOW_KINDS)))
		return false;
	snprintf(text, sizeof(text), "%s, %s", name, slow_names[loop % SLOW_KINDS]);
	false_begin_named(f, loop / SLOW_KINDS, text, lie, which);
	return true;
}

static void slow_server_end(struct false_server *f)
{
	slow_end();
	false_kill(f);
}

/* -- With the answer ---------------------------------------------------------------- */

enum { WITH_ANSWER = 6 };

static const struct {
	size_t before; /* bytes of the answer */
	unsigned int n;
} with_answer[WITH_ANSWER] = {
	{ 0, TRUTH_FDS },
	{ 0, 4 },
	{ 0, 3 },
	{ 1, TRUTH_FDS },
	{ WIRE_SMALLEST - 1, TRUTH_FDS },
	{ WIRE_SMALLEST - 1, 1 },
};

static void pass_with_the_answer(struct truth *t, unsigned int which)
{
	size_t before = with_answer[which].before;
	char *bytes = (char *)&t->welcome;

	if (before > 0)
		truth_send_part(t, before);
	slow_pass(t->stream, with_answer[which].n, bytes + before, sizeof(t->welcome) - before,
		  0);
}

/* How a client connects. */
enum way { WITH_TIMEOUT, WITHOUT, IN_STEPS, WAYS };

static qb_ipcc_connection_t *client_come(const char *name, enum way way)
{
	qb_ipcc_connection_t *c;
	int fd;

	/* The answer begins at once, and the rest of it has a time of its own. */
	if (way == WITHOUT)
		return TIMED(ANSWER_MS, qb_ipcc_connect(name, 0));
	if (way == WITH_TIMEOUT)
		return TIMED(TIME_MS, qbipc_connect_timeout(name, 0, TIME_MS));
	c = TIMED(0, qb_ipcc_connect_async(name, 0, &fd));
	ck_assert_ptr_nonnull(c);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	return TIMED(ANSWER_MS, qb_ipcc_connect_continue(c)) == 0 ? c : NULL;
}

static void client_receive(qb_ipcc_connection_t *c)
{
	struct request request = { .hdr = { .id = MSG_ECHO, .size = sizeof(request) } };
	struct iovec iov = { &request, sizeof(request) };
	char buf[WIRE_SMALLEST];

	(void)TIMED(TIME_MS, client_send(c, MSG_ECHO, 100));
	(void)TIMED(SHORT_MS, qb_ipcc_recv(c, buf, sizeof(buf), SHORT_MS));
	(void)TIMED(SHORT_MS, qb_ipcc_event_recv(c, buf, sizeof(buf), SHORT_MS));
	(void)TIMED(SHORT_MS, qb_ipcc_recv(c, buf, sizeof(buf), SHORT_MS));
	(void)TIMED(SHORT_MS, qb_ipcc_sendv_recv(c, &iov, 1, buf, sizeof(buf), SHORT_MS));
	(void)TIMED(0, qb_ipcc_is_connected(c));
}

/* All calls that have a time, and the end. */
#define client_keeps_time(loop, lie, which, receives)                                          \
	client_keeps_time_named(loop, #lie, lie, which, receives)
static void client_keeps_time_named(int loop, const char *name, lie_fn lie, unsigned int which,
				    bool receives)
{
	struct false_server f;
	qb_ipcc_connection_t *c;

	for (enum way way = 0; way < WAYS; way++) {
		if (!slow_server_begin(&f, loop, name, lie, which))
			return;
		c = client_come(f.name, way);
		if (c && receives)
			client_receive(c);
		if (c)
			TIMED(0, (qb_ipcc_disconnect(c), 0));
		slow_server_end(&f);
	}
}

START_TEST(slow_descriptors_with_the_answer)
{
	for (unsigned int i = 0; i < WITH_ANSWER; i++)
		client_keeps_time(_i, pass_with_the_answer, i, true);
}
END_TEST

START_TEST(slow_descriptors_with_the_answer_to_a_probe)
{
	for (unsigned int i = 0; i < WITH_ANSWER; i++) {
		struct qbipc_probe_info info = { .size = sizeof(info) };
		struct false_server f;

		if (!slow_server_begin(&f, _i, "pass_with_the_answer", pass_with_the_answer, i))
			return;
		(void)TIMED(TIME_MS, qbipc_probe(f.name, 0, TIME_MS, &info));
		slow_server_end(&f);
	}
}
END_TEST

/* The answer is as a watcher expects it, and what follows is not. */
static void pass_with_the_counters(struct truth *t, unsigned int which)
{
	char bytes[100] = "";

	t->n_fds = 0;
	t->welcome.mark = WIRE_MARK;
	t->welcome.abilities = ABILITY_WATCH;
	truth_send(t);
	slow_pass(t->stream, which ? 1 : TRUTH_FDS, bytes, sizeof(bytes), 0);
}

START_TEST(slow_descriptors_with_the_counters)
{
	for (unsigned int i = 0; i < 2; i++) {
		qbipc_snapshot_t *snapshot;
		struct false_server f;
		int r;

		if (!slow_server_begin(&f, _i, "pass_with_the_counters", pass_with_the_counters,
				       i))
			return;
		r = TIMED(TIME_MS, qbipc_snapshot_get(f.name, TIME_MS, &snapshot));
		ck_assert_int_lt(r, 0);
		slow_server_end(&f);
	}
}
END_TEST

/* -- After the answer --------------------------------------------------------------- */

enum { AFTER_ANSWER = 3 };

/* They are in the queue of the stream before the client has read the answer. */
static void pass_after_the_answer(struct truth *t, unsigned int which)
{
	truth_send(t);
	slow_pass(t->stream, which == 0 ? TRUTH_FDS : 1, "", 1, which == 2 ? MSG_OOB : 0);
	truth_serve(t);
}

START_TEST(slow_descriptors_among_the_wake_ups)
{
	for (unsigned int i = 0; i < AFTER_ANSWER; i++) {
		client_keeps_time(_i, pass_after_the_answer, i, true);
		client_keeps_time(_i, pass_after_the_answer, i, false);
	}
}
END_TEST

/* Who made a socket may allow at any time that descriptors are passed to it. */
static void pass_on_passed_sockets(struct truth *t, unsigned int which)
{
	char buf[200];
	int on = 1;

	truth_send(t);
	if (which)
		AWAIT(truth_client_left(t) || truth_take(t, buf, sizeof(buf)) > 0);
	for (unsigned int i = raw_first_socket(&t->mine); i < t->n_fds; i++) {
		(void)setsockopt(t->fds[i], SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
		slow_pass(t->mine.fds[i], TRUTH_FDS, "", 1, 0);
	}
	/* Nobody passed it. */
	if (variants[t->variant].type == QB_IPC_SHM && !variants[t->variant].libqb_wire) {
		AWAIT(truth_client_left(t) || truth_bell(t) >= 0);
		if (truth_bell(t) >= 0)
			slow_pass(truth_bell(t), TRUTH_FDS, "", 1, 0);
	}
	/* Theirs are ours too: the client's are to be the last. */
	while (t->n_fds > 0)
		close(t->fds[--t->n_fds]);
}

START_TEST(slow_descriptors_on_the_sockets_that_were_passed)
{
	for (unsigned int i = 0; i < 2; i++) {
		client_keeps_time(_i, pass_on_passed_sockets, i, true);
		client_keeps_time(_i, pass_on_passed_sockets, 0, false);
	}
}
END_TEST

/* In the queue of one that is passed, which the client may take or not. */
static void pass_inside_of_sockets(struct truth *t, unsigned int which)
{
	static const char bytes[100];
	for (unsigned int i = raw_first_socket(&t->mine); i < t->n_fds; i++)
		slow_pass(t->mine.fds[i], TRUTH_FDS, bytes, which == 1 ? 1 : sizeof(bytes), 0);
	if (which == 2)
		t->welcome.max_msg_size = 0;
	truth_send(t);
	while (t->n_fds > 0)
		close(t->fds[--t->n_fds]);
}

START_TEST(slow_descriptors_inside_of_those_that_were_passed)
{
	for (unsigned int i = 0; i < 3; i++) {
		client_keeps_time(_i, pass_inside_of_sockets, i, true);
		client_keeps_time(_i, pass_inside_of_sockets, i, false);
	}
}
END_TEST

/* -- Many of them --------------------------------------------------------------------- */

enum { SERVERS = 8 };

/* More than wait without memory being allocated, with all threads that close waiting. */
START_TEST(slow_descriptors_by_the_thousand)
{
	static struct false_server f[SERVERS];
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < (SERVERS + 1) * TRUTH_FDS || !slow_begin(SLOW_USER))
		return;
	for (int i = 0; i < SERVERS; i++) {
		false_begin(&f[i], _i, pass_with_the_answer, 0);
		ck_assert_ptr_null(
			TIMED(TIME_MS, qbipc_connect_timeout(f[i].name, 0, TIME_MS)));
	}
	slow_end();
	for (int i = 0; i < SERVERS; i++) {
		the_report = f[i].report;
		false_kill(&f[i]);
	}
}
END_TEST

/* For each kind. */
static void add_slow_test(TCase *tc, const TTest *test, unsigned int where)
{
	for (int i = 0; i < transport_count; i++)
		if (where & 1u << i)
			tcase_add_loop_test(tc, test, i * SLOW_KINDS, (i + 1) * SLOW_KINDS);
}

int main(void)
{
	Suite *s = suite_create("hostile: what takes long to close");
	TCase *tc = tcase_new(s, "closes");

	add_slow_test(tc, slow_descriptors_with_the_answer, ON_ALL);
	add_slow_test(tc, slow_descriptors_with_the_answer_to_a_probe, ON_ALL);
	add_slow_test(tc, slow_descriptors_with_the_counters, ON_ALL);
	add_slow_test(tc, slow_descriptors_among_the_wake_ups, ON_ALL);
	add_slow_test(tc, slow_descriptors_on_the_sockets_that_were_passed, ON_NATIVE);
	add_slow_test(tc, slow_descriptors_inside_of_those_that_were_passed, ON_NATIVE);
	add_transport_test(tc, slow_descriptors_by_the_thousand);
	return arena_main(s);
}
