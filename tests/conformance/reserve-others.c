/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reservations beside monitors, refusals, the end of a service, and processes that die. */
#include "config.h"

#include <errno.h>
#include <malloc.h>
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
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum { AGREED = 300000, LARGE = 100000, SMALL = 100, ID = 100 };

enum { SLOT_STEP, SLOT_REFUSED };

static struct host *large_start(const struct server_spec *spec, qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(spec);

	*ret_c = client_connect(h->name, AGREED);
	return h;
}

/* A response or event of @size bytes, as the client checks it. */
static void response_build(void *place, int32_t id, size_t size)
{
	struct response *r = place;

	r->hdr = (struct qb_ipc_response_header){ .id = id, .size = (int32_t)size };
	pattern_fill(r->body, size - sizeof(*r), (uint32_t)id);
}

/* @message need not be aligned. */
static bool is_response(const void *message, size_t n, int32_t id, size_t size)
{
	struct qb_ipc_response_header hdr;

	if (n != size)
		return false;
	memcpy(&hdr, message, sizeof(hdr));
	return hdr.id == id && hdr.size == (int32_t)size &&
	       pattern_matches((const uint8_t *)message + sizeof(hdr), size - sizeof(hdr),
			       (uint32_t)id);
}

/* -- Monitors ---------------------------------------------------------------- */

static void monitors_allow(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD), 0);
}

/* Both shorter than reserved, so that they may have to begin elsewhere. */
static int32_t msg_commits_less(struct server *sv, qb_ipcs_connection_t *c, void *data,
				size_t size)
{
	void *place;

	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &place), 0);
	response_build(place, ID, SMALL);
	SERVER_REQUIRE_EQ(sv, qbipc_response_commit(c, SMALL), SMALL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, LARGE, &place), 0);
	response_build(place, ID + 1, SMALL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_commit(c, SMALL), SMALL);
	return 0;
}

static void monitor_must_see(qbipc_monitor_t *m, uint32_t kind, int32_t id)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };

	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), 0);
	ck_assert_uint_eq(r.kind, kind);
	ck_assert_int_eq(r.id, id);
	ck_assert_uint_eq(r.message_size, SMALL);
	ck_assert(is_response(r.data, r.bytes, id, SMALL));
}

START_TEST(monitor_sees_what_was_committed)
{
	struct qbipc_monitor_options sent = {
		.size = sizeof(sent),
		.kinds = 1u << QBIPC_MONITOR_RESPONSE | 1u << QBIPC_MONITOR_EVENT,
		.bytes = 1000,
	};
	qb_ipcc_connection_t *c;
	struct host *h = large_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							    .prepare = monitors_allow,
							    .msg = msg_commits_less },
				     &c);
	qbipc_monitor_t *m;
	int n;

	ck_assert_int_eq(qbipc_monitor_open(h->name, &sent, deadline_ms(), &m), 0);
	for (n = 0; n < 4; n++) {
		client_must_send(c, MSG_ECHO, SMALL);
		monitor_must_see(m, QBIPC_MONITOR_RESPONSE, ID);
		monitor_must_see(m, QBIPC_MONITOR_EVENT, ID + 1);
	}
	qbipc_monitor_close(m);
	session_stop(h, c);
}
END_TEST

/* -- Commits that find no room ------------------------------------------------- */

enum { EVENT = 60000, MORE = 30 };

static struct {
	qb_ipcs_connection_t *c;
	void *place; /* NULL: none is reserved */
	int32_t id, end;
} filler;

/* One more event. False: there is no room for it. */
static bool event_build(struct server *sv)
{
	int n;

	if (!filler.place) {
		n = qbipc_event_reserve(filler.c, EVENT, &filler.place);
		if (n == -EAGAIN)
			return false;
		SERVER_REQUIRE_EQ(sv, n, 0);
		response_build(filler.place, filler.id, EVENT);
	}
	n = (int)qbipc_event_commit(filler.c, EVENT);
	if (n == -EAGAIN) {
		sv->shared->slot[SLOT_REFUSED] = 1;
		return false;
	}
	SERVER_REQUIRE_EQ(sv, n, EVENT);
	filler.place = NULL;
	filler.id++;
	return true;
}

static void on_writable(qb_ipcs_connection_t *c, void *data)
{
	while (filler.id < filler.end && event_build(data))
		;
}

static void writable_set(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_writable_set(sv->service, on_writable, sv), 0);
}

static int32_t msg_fills(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	filler.c = c;
	while (event_build(sv))
		;
	filler.end = filler.id + MORE;
	sv->shared->slot[SLOT_STEP] = filler.end;
	return 0;
}

START_TEST(refused_commit_is_told_of_room)
{
	struct response *r = malloc(EVENT);
	qb_ipcc_connection_t *c;
	struct host *h =
		large_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
						   .prepare = writable_set, .msg = msg_fills },
			    &c);
	int32_t id;

	client_must_send(c, MSG_ECHO, SMALL);
	WAIT_FOR(host_slot(h, SLOT_STEP) > 0);
	/* Over native shared memory it is the reservation that is refused. */
	ck_assert_int_eq(host_slot(h, SLOT_REFUSED), variants[_i].type != QB_IPC_SHM);
	for (id = 0; id < host_slot(h, SLOT_STEP); id++) {
		ssize_t n = qb_ipcc_event_recv(c, r, EVENT, deadline_ms());

		ck_assert_msg(n == EVENT && is_response(r, EVENT, id, EVENT), "event %d: %zd",
			      id, n);
	}
	free(r);
	session_stop(h, c);
}
END_TEST

/* -- The end of a service -------------------------------------------------------- */

static struct {
	qb_ipcs_connection_t *c;
	void *response, *event;
} lent;

static int32_t msg_keeps(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	lent.c = c;
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &lent.response), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, LARGE, &lent.event), 0);
	sv->shared->slot[SLOT_STEP] = 1;
	return 0;
}

static int64_t remote_destroy_and_give_back(struct server *sv, const int64_t *args)
{
	remote_destroy(sv, NULL);
	memset(lent.response, 1, LARGE);
	memset(lent.event, 1, LARGE);
	SERVER_REQUIRE_EQ(sv, qbipc_response_commit(lent.c, LARGE), -ENOTCONN);
	return qbipc_event_abandon(lent.c);
}

START_TEST(places_outlive_their_service)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_keeps }, &c);

	client_must_send(c, MSG_ECHO, SMALL);
	WAIT_FOR(host_slot(h, SLOT_STEP) == 1);
	ck_assert_int_eq(host_call(h, remote_destroy_and_give_back), 0);
	host_await_trace(h, "destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- Processes that die ------------------------------------------------------------ */

START_TEST(reservation_of_a_child_ends_with_its_death)
{
	qb_ipcc_connection_t *c;
	struct host *h =
		large_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true }, &c);
	siginfo_t info;
	void *place;
	pid_t pid = fork();

	if (pid == 0)
		_exit(qbipc_request_reserve(c, LARGE, &place) != 0);
	/* It is dead, although nobody has waited for it. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(info.si_status, 0);
	client_echo(c, SMALL);
	ck_assert_int_eq(qbipc_request_reserve(c, LARGE, &place), 0);
	ck_assert_int_eq(qbipc_request_abandon(c), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	session_stop(h, c);
}
END_TEST

static int gate[2];

static void *lives_on(void *data)
{
	char byte;

	_exit(read(gate[0], &byte, 1) != 1);
}

START_TEST(reservation_of_a_child_stays_while_any_thread_of_it_lives)
{
	qb_ipcc_connection_t *c;
	struct host *h =
		large_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true }, &c);
	pthread_t thread;
	void *place;
	int status;
	pid_t pid;

	ck_assert_int_eq(pipe(gate), 0);
	pid = fork();
	if (pid == 0) {
		if (qbipc_request_reserve(c, LARGE, &place) != 0 ||
		    pthread_create(&thread, NULL, lives_on, NULL) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	/* Its first thread is no more. */
	WAIT_FOR(task_has_ended(pid));
	ck_assert_int_eq(client_send(c, MSG_ECHO, SMALL), -EAGAIN);
	ck_assert_int_eq(write(gate[1], "", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	client_echo(c, SMALL);
	close(gate[0]);
	close(gate[1]);
	session_stop(h, c);
}
END_TEST

/* Bytes from malloc(3) in use; always 0 with a sanitizer's. */
static size_t heap_used(void)
{
#ifdef HAVE_MALLINFO2
	struct mallinfo2 m = mallinfo2();
#else
	struct mallinfo m = mallinfo();
#endif

	return (size_t)m.uordblks + (size_t)m.hblkhd;
}

/* A daemon that becomes its own child, and reserves what it had reserved before. */
static int32_t msg_forks(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	size_t before;
	pid_t pid;

	msg_keeps(sv, c, data, size);
	pid = fork();
	SERVER_REQUIRE(sv, pid >= 0);
	if (pid > 0) {
		int status;

		/* The test waits for this process; the other one serves. */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	before = heap_used();
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &lent.response), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, LARGE, &lent.event), 0);
	SERVER_REQUIRE(sv, heap_used() < before + LARGE);
	SERVER_REQUIRE_EQ(sv, qbipc_event_abandon(c), 0);
	response_build(lent.response, ID, SMALL);
	SERVER_REQUIRE_EQ(sv, qbipc_response_commit(c, SMALL), SMALL);
	return 0;
}

START_TEST(place_of_a_parent_is_freed_when_its_child_reserves)
{
	struct response *r = malloc(SMALL);
	qb_ipcc_connection_t *c;
	struct host *h = large_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_forks }, &c);

	client_must_send(c, MSG_ECHO, SMALL);
	ck_assert_int_eq(qb_ipcc_recv(c, r, SMALL, deadline_ms()), SMALL);
	ck_assert(is_response(r, SMALL, ID, SMALL));
	free(r);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reserve, and others");
	TCase *tc = tcase_new(s, "servers");

	add_transport_test(tc, monitor_sees_what_was_committed);
	add_transport_test(tc, refused_commit_is_told_of_room);
	add_transport_test(tc, places_outlive_their_service);
	tc = tcase_new(s, "processes");
	add_transport_test(tc, reservation_of_a_child_ends_with_its_death);
	add_transport_test(tc, reservation_of_a_child_stays_while_any_thread_of_it_lives);
	add_transport_test(tc, place_of_a_parent_is_freed_when_its_child_reserves);
	return suite_main(s);
}
