/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server that passes what takes a minute to close: a TCP socket that lingers over
 * data which nobody reads. The client gets its last descriptor, wherever one can arrive, and
 * every call of it keeps its time. Where the client is quicker than the server, the last
 * one is the server's, which then waits: so it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <qbipc/connect.h>
#include <qbipc/snapshot.h>

#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

/* Linux 6.16; the headers may be older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

enum { TIME_MS = 1500, SHORT_MS = 100, ABILITY_WATCH = 2 };

/*
 * @n descriptors of two of them, the last one of its own: what there is no room for counts
 * as well. They are closed here as soon as they are under way; the other ends stay, and do
 * not read.
 */
static void slow_pass(int socket, unsigned int n, const void *bytes, size_t size, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	char control[CMSG_SPACE(sizeof(int) * TRUTH_FDS)] = "";
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&m);
	struct linger off = { 0, 0 };
	bool passed;
	int other[2], fds[2] = { lingering_socket(&other[0]), lingering_socket(&other[1]) };

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (unsigned int i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fds[i + 1 == n], sizeof(int));
	/* The client may have left, or refuse them: then it is ours to close. */
	passed = sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT | flags) >= 0;
	for (int i = 0; i < 2; i++) {
		if (!passed || (i == 0 && n == 1))
			(void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		close(fds[i]);
	}
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

/* All calls that have a time, and the end. */
#define client_keeps_time(variant, lie, which, receives)                                       \
	client_keeps_time_named(variant, #lie, lie, which, receives)
static void client_keeps_time_named(int variant, const char *name, lie_fn lie,
				    unsigned int which, bool receives)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	char buf[WIRE_SMALLEST];

	false_begin_named(&f, variant, name, lie, which);
	c = TIMED(TIME_MS, qbipc_connect_timeout(f.name, 0, TIME_MS));
	if (c && receives) {
		(void)TIMED(TIME_MS, client_send(c, MSG_ECHO, 100));
		(void)TIMED(SHORT_MS, qb_ipcc_recv(c, buf, sizeof(buf), SHORT_MS));
		(void)TIMED(SHORT_MS, qb_ipcc_event_recv(c, buf, sizeof(buf), SHORT_MS));
		(void)TIMED(SHORT_MS, qb_ipcc_recv(c, buf, sizeof(buf), SHORT_MS));
	}
	if (c)
		TIMED(0, (qb_ipcc_disconnect(c), 0));
	false_kill(&f);
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

		false_begin(&f, _i, pass_with_the_answer, i);
		(void)TIMED(TIME_MS, qbipc_probe(f.name, 0, TIME_MS, &info));
		false_kill(&f);
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

		false_begin(&f, _i, pass_with_the_counters, i);
		r = TIMED(TIME_MS, qbipc_snapshot_get(f.name, TIME_MS, &snapshot));
		ck_assert_int_lt(r, 0);
		false_kill(&f);
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
	for (unsigned int i = 1; i < t->n_fds; i++) {
		(void)setsockopt(t->fds[i], SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
		slow_pass(t->mine.fds[i], TRUTH_FDS, "", 1, 0);
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
	for (unsigned int i = 1; i < t->n_fds; i++)
		slow_pass(t->mine.fds[i], TRUTH_FDS, "", which == 1 ? 1 : 100, 0);
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

int main(void)
{
	Suite *s = suite_create("hostile: what takes long to close");
	TCase *tc = tcase_new(s, "closes");

	add_transport_test(tc, slow_descriptors_with_the_answer);
	add_transport_test(tc, slow_descriptors_with_the_answer_to_a_probe);
	add_transport_test(tc, slow_descriptors_with_the_counters);
	add_transport_test(tc, slow_descriptors_among_the_wake_ups);
	add_attack(tc, slow_descriptors_on_the_sockets_that_were_passed, ON_NATIVE);
	add_attack(tc, slow_descriptors_inside_of_those_that_were_passed, ON_NATIVE);
	return arena_main(s);
}
