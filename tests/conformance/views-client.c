/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/views.h>, a client: responses and events that are looked at where they lie. */
#include <errno.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { AGREED = 300000, LARGE = 100000, SMALL = 100, ID = 100, ROUNDS = 40 };

/* The two directions of what a client receives. */
struct channel {
	ssize_t (*view)(qb_ipcc_connection_t *c, const void **message, int32_t ms_timeout);
	int (*release)(qb_ipcc_connection_t *c);
	ssize_t (*recv)(qb_ipcc_connection_t *c, void *buf, size_t size, int32_t ms_timeout);
	int32_t (*msg)(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size);
	int nothing; /* the error when none comes */
};

static const struct channel channels[] = {
	{ qbipc_response_view, qbipc_response_release, qb_ipcc_recv, server_answer,
	  -ETIMEDOUT },
	{ qbipc_event_view, qbipc_event_release, qb_ipcc_event_recv, server_answer_by_event,
	  -EAGAIN },
};

/* Each test runs for both on each transport. */
#define CHANNEL(i) (&channels[(i) % 2])
#define add_channel_test(tcase, test) tcase_add_loop_test(tcase, test, 0, 2 * transport_count)

static struct host *looked_at_start(int i, qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i / 2), .quiet = true,
							   .msg = CHANNEL(i)->msg });

	*ret_c = client_connect(h->name, AGREED);
	return h;
}

static bool is_native_shm(int i)
{
	return variants[i / 2].type == QB_IPC_SHM && !variants[i / 2].libqb_wire;
}

/* Can another process write here, and this one not? */
static bool lies_in_shared_memory(const void *at)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	bool shared = false;
	char line[512], how;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx r-%*c%c", &start, &end, &how) == 3 &&
		    (unsigned long)at >= start && (unsigned long)at < end)
			shared = how == 's';
	if (f)
		fclose(f);
	return shared;
}

/* Look at the next one, which answers a request of @size bytes. */
static const void *look(const struct channel *ch, qb_ipcc_connection_t *c, size_t size)
{
	const void *message = NULL;
	ssize_t n = ch->view(c, &message, deadline_ms());

	ck_assert_int_gt(n, 0);
	ck_assert_uint_eq((uintptr_t)message % 8, 0);
	response_check(message, n, ID, size);
	return message;
}

static void receive(const struct channel *ch, qb_ipcc_connection_t *c, size_t size)
{
	struct response *r = malloc(AGREED);

	ck_assert_ptr_nonnull(r);
	response_check(r, ch->recv(c, r, AGREED, deadline_ms()), ID, size);
	free(r);
}

START_TEST(messages_of_all_sizes_are_whole_where_they_lie)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	size_t size;
	int shared = 0, n = 0;

	for (size = AGREED - sizeof(struct response); size > SMALL; size -= 5999, n++) {
		client_must_send(c, ID, size);
		shared += lies_in_shared_memory(look(ch, c, size));
		ck_assert_int_eq(ch->release(c), 0);
	}
	ck_assert_int_eq(shared, is_native_shm(_i) ? n : 0);
	session_stop(h, c);
}
END_TEST

START_TEST(one_is_looked_at_and_those_behind_it_are_received)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	const void *first, *second = NULL;
	int n;

	client_must_send(c, ID, LARGE);
	first = look(ch, c, LARGE);
	for (n = 0; n < ROUNDS; n++) {
		client_must_send(c, ID, SMALL);
		ck_assert_int_eq(ch->view(c, &second, deadline_ms()), -EBUSY);
		receive(ch, c, SMALL);
	}
	response_check(first,
		       (ssize_t)(sizeof(struct response) + LARGE) -
			       (ssize_t)sizeof(struct request),
		       ID, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	client_must_send(c, ID, LARGE);
	(void)look(ch, c, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	session_stop(h, c);
}
END_TEST

START_TEST(wrong_calls_are_refused_and_change_nothing)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	const void *message = NULL;

	ck_assert_int_eq(ch->release(c), -EINVAL);
	ck_assert_int_eq(ch->view(c, NULL, 0), -EINVAL);
	ck_assert_int_eq(ch->view(NULL, &message, 0), -EINVAL);
	ck_assert_int_eq(ch->release(NULL), -EINVAL);
	ck_assert_int_eq(ch->view(c, &message, 0), ch->nothing);
	ck_assert_int_eq(ch->view(c, &message, 1), ch->nothing);
	ck_assert_ptr_null(message);
	client_must_send(c, ID, SMALL);
	(void)look(ch, c, SMALL);
	ck_assert_int_eq(ch->release(c), 0);
	ck_assert_int_eq(ch->release(c), -EINVAL);
	session_stop(h, c);
}
END_TEST

START_TEST(message_that_is_looked_at_ends_with_its_connection)
{
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);

	client_must_send(c, ID, LARGE);
	(void)look(CHANNEL(_i), c, LARGE);
	session_stop(h, c);
}
END_TEST

START_TEST(message_stays_when_the_server_is_gone)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	const void *message;

	client_must_send(c, ID, LARGE);
	message = look(ch, c, LARGE);
	host_kill(h);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	response_check(message,
		       (ssize_t)(sizeof(struct response) + LARGE) -
			       (ssize_t)sizeof(struct request),
		       ID, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	ck_assert_int_eq(ch->view(c, &message, deadline_ms()), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

/* -- Processes ------------------------------------------------------------------------------- */

static int child_end(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Without Check: a child only says where it stopped. */
static int child_tries(const struct channel *ch, qb_ipcc_connection_t *c, bool in_place)
{
	const void *message;

	if (ch->release(c) != -EINVAL)
		return 1;
	if (ch->view(c, &message, 0) != (in_place ? -EBUSY : ch->nothing))
		return 2;
	return 0;
}

static int child_receives(const struct channel *ch, qb_ipcc_connection_t *c, int rounds)
{
	char *buf = malloc(AGREED);
	struct request *r = request_new(ID, LARGE);
	const void *message;

	while (rounds-- > 0) {
		if (!buf || qb_ipcc_send(c, r, LARGE) != LARGE ||
		    ch->view(c, &message, deadline_ms()) < LARGE - SMALL || ch->release(c) != 0)
			return 1;
		if (qb_ipcc_send(c, r, LARGE) != LARGE ||
		    ch->recv(c, buf, AGREED, deadline_ms()) < LARGE - SMALL)
			return 2;
	}
	free(buf);
	free(r);
	return 0;
}

START_TEST(message_of_a_parent_is_none_of_its_child)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	pid_t pid;

	client_must_send(c, ID, LARGE);
	(void)look(ch, c, LARGE);
	pid = fork();
	if (pid == 0)
		_exit(child_tries(ch, c, is_native_shm(_i)));
	ck_assert_int_eq(child_end(pid), 0);
	ck_assert_int_eq(ch->release(c), 0);
	client_must_send(c, ID, LARGE);
	receive(ch, c, LARGE);
	session_stop(h, c);
}
END_TEST

START_TEST(child_receives_when_its_parent_has_released)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	int gate[2];
	char byte = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(gate), 0);
	client_must_send(c, ID, LARGE);
	(void)look(ch, c, LARGE);
	pid = fork();
	if (pid == 0)
		_exit(read(gate[0], &byte, 1) == 1 ? child_receives(ch, c, 10) : 3);
	ck_assert_int_eq(ch->release(c), 0);
	ck_assert_int_eq(write(gate[1], &byte, 1), 1);
	ck_assert_int_eq(child_end(pid), 0);
	client_must_send(c, ID, LARGE);
	receive(ch, c, LARGE);
	close(gate[0]);
	close(gate[1]);
	session_stop(h, c);
}
END_TEST

/* -- Threads, and calls ------------------------------------------------------------------------ */

enum { VIEWERS = 3 };

struct viewer {
	const struct channel *ch;
	qb_ipcc_connection_t *c;
	atomic_int *left;
	bool copies;
};

static void *viewer_run(void *data)
{
	struct viewer *v = data;
	struct response *r = malloc(AGREED);
	const void *message;
	ssize_t n;

	while (atomic_load(v->left) > 0) {
		if (v->copies)
			n = v->ch->recv(v->c, r, AGREED, 10);
		else
			n = v->ch->view(v->c, &message, 10);
		if (n == -EBUSY)
			sched_yield();
		if (n < 0)
			continue;
		response_check(v->copies ? r : message, n, ID, LARGE);
		if (!v->copies)
			ck_assert_int_eq(v->ch->release(v->c), 0);
		atomic_fetch_sub(v->left, 1);
	}
	free(r);
	return NULL;
}

START_TEST(threads_that_look_and_receive_get_each_message_once)
{
	atomic_int left = ROUNDS;
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	struct viewer v[VIEWERS];
	pthread_t thread[VIEWERS];
	int i;

	for (i = 0; i < VIEWERS; i++) {
		v[i] = (struct viewer){ CHANNEL(_i), c, &left, i == 0 };
		ck_assert_int_eq(pthread_create(&thread[i], NULL, viewer_run, &v[i]), 0);
	}
	for (i = 0; i < ROUNDS; i++)
		client_send_patiently(c, ID, LARGE);
	for (i = 0; i < VIEWERS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	ck_assert_int_eq(left, 0);
	session_stop(h, c);
}
END_TEST

static void *waits_for_ever(void *data)
{
	struct viewer *v = data;
	const void *message;

	(void)v->ch->view(v->c, &message, -1);
	return NULL;
}

START_TEST(thread_that_is_cancelled_while_it_waits_leaves_the_place_to_others)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);
	struct viewer v = { ch, c, NULL, false };
	const void *message;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, waits_for_ever, &v), 0);
	/* It waits. */
	WAIT_FOR(ch->view(c, &message, 0) == -EBUSY);
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	WAIT_FOR(ch->view(c, &message, 0) != -EBUSY);
	client_must_send(c, ID, LARGE);
	(void)look(ch, c, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	session_stop(h, c);
}
END_TEST

/* Without Check. Of the two responses its parent looks at the first. */
static int child_matches(qb_ipcc_connection_t *c, bool in_place)
{
	char *buf = malloc(AGREED);
	ssize_t n;

	if (!buf || qbipc_late_responses_drop(c) != 0)
		return 1;
	n = qb_ipcc_recv(c, buf, AGREED, in_place ? 0 : deadline_ms());
	free(buf);
	return in_place ? n != -EBUSY : n < LARGE - SMALL;
}

START_TEST(child_that_matches_responses_leaves_that_of_its_parent_alone)
{
	const struct channel *ch = &channels[0];
	bool in_place = is_native_shm(2 * _i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(2 * _i, &c);
	const void *first;
	pid_t pid;

	client_must_send(c, ID, LARGE);
	first = look(ch, c, LARGE);
	client_must_send(c, ID, LARGE);
	pid = fork();
	if (pid == 0)
		_exit(child_matches(c, in_place));
	ck_assert_int_eq(child_end(pid), 0);
	response_check(first,
		       (ssize_t)(sizeof(struct response) + LARGE) -
			       (ssize_t)sizeof(struct request),
		       ID, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	if (in_place)
		receive(ch, c, LARGE);
	session_stop(h, c);
}
END_TEST

START_TEST(matched_responses_are_looked_at_in_private)
{
	const struct channel *ch = CHANNEL(_i);
	qb_ipcc_connection_t *c;
	struct host *h = looked_at_start(_i, &c);

	ck_assert_int_eq(qbipc_late_responses_drop(c), 0);
	client_must_send(c, ID, LARGE);
	(void)look(ch, c, LARGE);
	ck_assert_int_eq(ch->release(c), 0);
	client_must_send(c, ID, LARGE);
	receive(ch, c, LARGE);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("views of a client");
	TCase *tc = tcase_new(s, "messages");

	add_channel_test(tc, messages_of_all_sizes_are_whole_where_they_lie);
	add_channel_test(tc, one_is_looked_at_and_those_behind_it_are_received);
	add_channel_test(tc, wrong_calls_are_refused_and_change_nothing);
	add_channel_test(tc, message_that_is_looked_at_ends_with_its_connection);
	add_channel_test(tc, message_stays_when_the_server_is_gone);
	tc = tcase_new(s, "processes");
	add_channel_test(tc, message_of_a_parent_is_none_of_its_child);
	add_channel_test(tc, child_receives_when_its_parent_has_released);
	tc = tcase_new(s, "threads");
	add_channel_test(tc, threads_that_look_and_receive_get_each_message_once);
	add_channel_test(tc,
			 thread_that_is_cancelled_while_it_waits_leaves_the_place_to_others);
	add_channel_test(tc, matched_responses_are_looked_at_in_private);
	add_transport_test(tc, child_that_matches_responses_leaves_that_of_its_parent_alone);
	return suite_main(s);
}
