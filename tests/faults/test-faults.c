/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The n-th allocation, system call or call of the application's loop fails, in each way in
 * which it plausibly can, for every n until there is none left: from the start of a
 * service over connecting, calls, events and the end of a connection to the end of the
 * service. Once for all calls of the server, once for those of the client.
 *
 * Whatever fails: the calls of the library fail with an errno or do what they should, no
 * message is wrong, callbacks come in pairs, nothing is left behind, and the next client is
 * served.
 *
 * One thread, so the same n is always the same call; QBIPC_FAULTS_VERBOSE=1 prints them.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#include "tests/faults/inject.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/pump.h"
#include "tests/lib/variant.h"

enum { MSG_PLACED = 900 };
enum { LARGE = 150000, BODY = 400000, BUFFER = BODY + 4096 };
enum { WAIT_MS = 2000, TURNS = 10000, TIMEOUT_S = 300 };

enum end { SERVER, CLIENT };
static const char *const end_names[] = { "server", "client" };

static enum end under_test;
static const struct variant *wire;
static qb_ipcs_service_t *service;
static bool with_bodies;
static char name[64];

/* What the application saw. */
static struct {
	int accepted, destroyed;
	int created, closed;
	qb_ipcs_connection_t *asked_again; /* its connection_closed said so */
} seen;

/* As ck_assert_msg(), and what had failed before. */
#define REQUIRE(condition, ...)                                                                \
	do {                                                                                   \
		if (!(condition))                                                              \
			fprintf(stderr, "%s, %s, after %s:\n", end_names[under_test],          \
				wire->name, inject_description());                             \
		ck_assert_msg(condition, __VA_ARGS__);                                         \
	} while (0)

static void enter(enum end e, bool on)
{
	if (e == under_test)
		inject_armed(on);
}

/* -- The server's application ------------------------------------------------------ */

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	seen.accepted++;
	return 0;
}

static void on_created(qb_ipcs_connection_t *c)
{
	seen.created++;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	if (seen.asked_again != c) {
		seen.asked_again = c;
		return -1;
	}
	seen.closed++;
	seen.asked_again = NULL;
	return 0;
}

static void on_destroyed(qb_ipcs_connection_t *c)
{
	/* Asked to come again, and there was no job for it. */
	if (seen.asked_again == c) {
		seen.closed++;
		seen.asked_again = NULL;
	}
	seen.destroyed++;
}

/* As a send of what is already there. */
static ssize_t response_place(qb_ipcs_connection_t *c, const void *answer, size_t n)
{
	void *place;
	ssize_t r = qbipc_response_reserve(c, n, &place);

	if (r < 0)
		return r;
	memcpy(place, answer, n);
	r = qbipc_response_commit(c, n);
	if (r == -EAGAIN)
		(void)qbipc_response_abandon(c);
	return r;
}

/* Answers as tests/lib/server.h says. One whose answer is lost would wait for ever. */
static void request_answer(qb_ipcs_connection_t *c, const struct request *r, size_t size)
{
	static struct {
		struct qb_ipc_response_header hdr;
		uint8_t body[BUFFER];
	} answer;
	size_t n = sizeof(answer.hdr) + size - sizeof(r->hdr);
	ssize_t sent = (ssize_t)n;

	answer.hdr = (struct qb_ipc_response_header){ .id = r->hdr.id, .size = (int32_t)n };
	memcpy(answer.body, r->body, size - sizeof(r->hdr));
	enter(SERVER, true);
	if (r->hdr.id == MSG_EVENT)
		sent = qb_ipcs_event_send(c, &answer, n);
	else if (r->hdr.id == MSG_PLACED)
		sent = response_place(c, &answer, n);
	else if (r->hdr.id != MSG_DISCONNECT_ME)
		sent = qb_ipcs_response_send(c, &answer, n);
	if (sent < 0 || r->hdr.id == MSG_DISCONNECT_ME)
		qb_ipcs_disconnect(c);
	enter(SERVER, false);
	REQUIRE(sent == (ssize_t)n || sent < 0, "sent %zd of %zu", sent, n);
}

/* What the application does by itself does not fail. */
static int32_t on_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	enter(SERVER, false);
	request_answer(c, data, size);
	enter(SERVER, true);
	return 0;
}

/* The application's loop may fail too. */
static int32_t loop_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return inject_here("dispatch_add", ENOMEM) ?
		       -ENOMEM :
		       pump_handlers.dispatch_add(p, fd, events, data, fn);
}

static int32_t loop_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return inject_here("dispatch_mod", ENOMEM) ?
		       -ENOMEM :
		       pump_handlers.dispatch_mod(p, fd, events, data, fn);
}

static int32_t loop_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return inject_here("job_add", ENOMEM) ? -ENOMEM : pump_handlers.job_add(p, data, fn);
}

static bool service_start(void)
{
	struct qb_ipcs_service_handlers on = {
		.connection_accept = on_accept,
		.connection_created = on_created,
		.msg_process = on_msg,
		.connection_closed = on_closed,
		.connection_destroyed = on_destroyed,
	};
	struct qb_ipcs_poll_handlers loop = pump_handlers;
	int32_t r;

	loop.dispatch_add = loop_add;
	loop.dispatch_mod = loop_mod;
	loop.job_add = loop_job;
	memset(&seen, 0, sizeof(seen));
	errno = 0;
	enter(SERVER, true);
	service = qb_ipcs_create(name, 0, wire->type, &on);
	enter(SERVER, false);
	if (!service) {
		ck_assert_int_ne(errno, 0);
		return false;
	}
	qb_ipcs_poll_handlers_set(service, &loop);
	ck_assert_int_eq(qbipc_service_body_limit_set(service, BUFFER), 0);
	enter(SERVER, true);
	r = qb_ipcs_run(service);
	enter(SERVER, false);
	ck_assert_int_le(r, 0);
	if (r < 0)
		service = NULL; /* it was given up */
	return r == 0;
}

static void dispatch_around(bool on)
{
	enter(SERVER, on);
}

static void service_end(void)
{
	enter(SERVER, true);
	qb_ipcs_destroy(service);
	enter(SERVER, false);
	service = NULL;
	(void)pump_settle(TURNS);
	REQUIRE(seen.accepted == seen.destroyed, "%d accepted, %d destroyed", seen.accepted,
		seen.destroyed);
	REQUIRE(seen.created == seen.closed, "%d created, %d closed", seen.created,
		seen.closed);
}

/* -- The client's application ------------------------------------------------------ */

static void server_acts(void)
{
	REQUIRE(pump_settle(TURNS), "the server never comes to rest");
}

static ssize_t client_end(ssize_t r)
{
	enter(CLIENT, false);
	return r;
}

/* A call of the client's: what it returns. */
#define AS_CLIENT(call)                                                                        \
	({                                                                                     \
		enter(CLIENT, true);                                                           \
		client_end(call);                                                              \
	})

static struct request *request_make(int32_t id, size_t size)
{
	struct request *r = request_new(id, size);

	ck_assert_ptr_nonnull(r);
	return r;
}

static uint8_t buffer[BUFFER];

static ssize_t talk_call(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	struct request *request = request_make(id, size);
	struct iovec iov = { request, size };
	ssize_t n = AS_CLIENT(qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), WAIT_MS));

	free(request);
	if (n >= 0)
		response_check((void *)buffer, n, id, size);
	return n < 0 ? n : 0;
}

/* Built and looked at where it lies. */
static ssize_t talk_placed(qb_ipcc_connection_t *c, size_t size)
{
	const void *message;
	struct request *request;
	void *place;
	ssize_t n = AS_CLIENT(qbipc_request_reserve(c, size, &place));

	if (n < 0)
		return n;
	request = request_make(MSG_PLACED, size);
	memcpy(place, request, size);
	free(request);
	n = AS_CLIENT(qbipc_request_commit(c, size));
	if (n >= 0)
		n = AS_CLIENT(qbipc_response_view(c, &message, WAIT_MS));
	if (n < 0)
		return n;
	response_check(message, n, MSG_PLACED, size);
	return AS_CLIENT(qbipc_response_release(c));
}

static ssize_t talk_event(qb_ipcc_connection_t *c, size_t size)
{
	struct request *request = request_make(MSG_EVENT, size);
	ssize_t n = AS_CLIENT(qb_ipcc_send(c, request, size));

	free(request);
	if (n < 0)
		return n;
	n = AS_CLIENT(qb_ipcc_event_recv(c, buffer, sizeof(buffer), WAIT_MS));
	if (n >= 0)
		response_check((void *)buffer, n, MSG_EVENT, size);
	return n < 0 ? n : 0;
}

static ssize_t talk_fd(qb_ipcc_connection_t *c)
{
	int32_t fd = -1;
	ssize_t r = AS_CLIENT(qb_ipcc_fd_get(c, &fd));

	ck_assert(r < 0 || fd >= 0);
	return r;
}

static void call_done(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		      void *data)
{
	ssize_t *result = data;

	enter(CLIENT, false);
	*result = error;
	if (error == 0)
		response_check(response, (ssize_t)size, MSG_ECHO, 100);
	enter(CLIENT, true);
}

/* A call of a loop, which is dispatched until it is done. */
static ssize_t talk_async(qb_ipcc_connection_t *c)
{
	struct request *request = request_make(MSG_ECHO, 100);
	struct iovec iov = { request, 100 };
	ssize_t result = 1;
	int64_t call = AS_CLIENT(qbipc_call_send(c, &iov, 1, WAIT_MS, call_done, &result));

	free(request);
	if (call < 0)
		return call;
	while (result == 1) {
		ssize_t r;

		server_acts();
		r = AS_CLIENT(qbipc_calls_dispatch(c));
		REQUIRE(r >= 0 || -r == inject_errno(), "a dispatch is told %s",
			inject_error_name((int)-r));
	}
	return result;
}

/* Beyond the agreed size, each way; libqb's wire has none. */
static ssize_t talk_bodies(qb_ipcc_connection_t *c)
{
	ssize_t r = AS_CLIENT(qbipc_body_limit_set(c, BUFFER));

	if (r < 0)
		return r;
	/* A server that had no memory to know it has no bodies, which is no failure. */
	if (qbipc_body_limit_get(c) < BODY)
		return 0;
	r = talk_call(c, MSG_ECHO, BODY);
	return r < 0 ? r : talk_event(c, BODY - 1000);
}

/* The server ends it, and the client hears of that. */
static ssize_t talk_hang_up(qb_ipcc_connection_t *c)
{
	struct request *request = request_make(MSG_DISCONNECT_ME, 64);
	ssize_t n = AS_CLIENT(qb_ipcc_send(c, request, 64));

	free(request);
	if (n < 0)
		return n;
	n = AS_CLIENT(qb_ipcc_recv(c, buffer, sizeof(buffer), WAIT_MS));
	ck_assert_int_lt(n, 0);
	return n == -ENOTCONN ? 0 : n;
}

static ssize_t talk_connected(qb_ipcc_connection_t *c, bool hang_up)
{
	ssize_t r = talk_call(c, MSG_ECHO, 100);
	size_t n;

	if (r == 0)
		r = talk_fd(c);
	if (r == 0)
		r = talk_event(c, 200);
	if (r == 0)
		r = talk_call(c, MSG_ECHO, LARGE);
	if (r == 0)
		r = talk_event(c, LARGE);
	/* As often as it goes round the end of both rings. */
	for (n = 0; r == 0 && n < 3; n++)
		r = talk_placed(c, LARGE - 1000 * n);
	if (r == 0 && with_bodies)
		r = talk_bodies(c);
	if (r == 0)
		r = talk_async(c);
	if (r == 0)
		r = talk_call(c, MSG_ECHO, LARGE);
	if (r == 0 && hang_up)
		r = talk_hang_up(c);
	return r;
}

/* A client from its connect to its disconnect. 0, or as what the first failure was told. */
static ssize_t talk(bool hang_up)
{
	qb_ipcc_connection_t *c;
	ssize_t r;

	errno = 0;
	enter(CLIENT, true);
	c = qb_ipcc_connect(name, LARGE + 200);
	r = -errno;
	enter(CLIENT, false);
	if (!c) {
		ck_assert_int_lt(r, 0);
		server_acts();
		return r;
	}
	r = talk_connected(c, hang_up);
	enter(CLIENT, true);
	qb_ipcc_disconnect(c);
	enter(CLIENT, false);
	server_acts();
	return r;
}

/* -- One run, with one failure at most ----------------------------------------------- */

/* What a client may be told: what failed, or what such a failure means. */
static bool errno_is_defined(ssize_t r)
{
	switch ((int)-r) {
	case EAGAIN:
	case EBADMSG:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOMEM:
	case ENOSPC:
	case ENOTCONN:
	case EPROTONOSUPPORT:
	case ETIMEDOUT: return true;
	default: return r == 0 || -r == inject_errno();
	}
}

static ssize_t run_talks(bool hang_up)
{
	ssize_t r, clean;

	if (!service_start())
		return 0;
	with_bodies = !hang_up && !wire->libqb_wire;
	r = talk(hang_up);
	with_bodies = false;
	REQUIRE(errno_is_defined(r), "the client is told %s", inject_error_name((int)-r));
	inject_pause(true);
	clean = talk(false);
	REQUIRE(clean == 0, "the next client is told %s", inject_error_name((int)-clean));
	inject_pause(false);
	service_end();
	return r;
}

/*
 * A directory of the server that could not be looked at at its end stays, with its files,
 * until a service of that name starts again: that is what the next start is to find.
 */
static void leftover_remove(void)
{
	char command[128];

	if (under_test != SERVER || (!strstr(inject_description(), ", open of a path,") &&
				     !strstr(inject_description(), ", statx,")))
		return;
	snprintf(command, sizeof(command), "rm -rf /dev/shm/qb-%d-*", (int)getpid());
	ck_assert_int_eq(system(command), 0);
}

static enum inject_outcome run(int call, int way, bool hang_up, ssize_t *ret)
{
	struct census before;
	char text[256];
	long blocks;

	census_take(&before);
	blocks = inject_live_blocks();
	inject_begin(call, way);
	*ret = run_talks(hang_up);
	REQUIRE(inject_live_blocks() == blocks, "blocks of memory left behind: %ld",
		inject_live_blocks() - blocks);
	leftover_remove();
	REQUIRE(census_compare(&before, text, sizeof(text)) == 0, "%s", text);
	REQUIRE(!pump_violation(), "%s", pump_violation());
	REQUIRE(pump_count() == 0, "left in the loop: %u", pump_count());
	return inject_end();
}

/* A run that does not return leaves this as the last line. */
static void say(int call, int way, const char *what)
{
	if (getenv("QBIPC_FAULTS_VERBOSE"))
		fprintf(stderr, "%s, %s: call %d, way %d: %s\n", end_names[under_test],
			wire->name, call, way, what);
}

static void all_calls_fail(enum end e, int variant, bool hang_up)
{
	enum inject_outcome outcome = INJECT_DONE;
	int failures = 0, survived = 0;
	ssize_t r;
	int call;

	under_test = e;
	wire = &variants[variant];
	unique_name(name, sizeof(name));
	qbipc_native_set(!wire->libqb_wire);
	(void)qbipc_busy_poll_set(0);
	inject_instead_of_sleep = server_acts;
	pump_around = dispatch_around;
	/* What is allocated once in a process is there now. */
	(void)run(INT_MAX, 0, hang_up, &r);
	ck_assert_int_eq(r, 0);
	for (call = 0; outcome != INJECT_NO_SUCH_CALL; call++) {
		int way = 0;

		do {
			say(call, way, "begins");
			outcome = run(call, way, hang_up, &r);
			say(call, way++, inject_description());
			failures += outcome == INJECT_DONE;
			survived += outcome == INJECT_DONE && r == 0;
		} while (outcome == INJECT_DONE);
	}
	printf("%s, %s: %d calls, %d failures of them, %d unnoticed\n", end_names[e],
	       wire->name, call - 1, failures, survived);
	fflush(stdout);
	/* Less is not what this is about: calls that are no longer seen. */
	ck_assert_int_gt(call, 30);
	ck_assert_int_gt(failures, 2 * call);
}

START_TEST(server_survives_each_failure_and_the_client_leaves)
{
	all_calls_fail(SERVER, _i, false);
}
END_TEST

START_TEST(server_survives_each_failure_and_hangs_up)
{
	all_calls_fail(SERVER, _i, true);
}
END_TEST

START_TEST(client_survives_each_failure_and_leaves)
{
	all_calls_fail(CLIENT, _i, false);
}
END_TEST

START_TEST(client_survives_each_failure_and_the_server_hangs_up)
{
	all_calls_fail(CLIENT, _i, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("the n-th call fails, " FAULTS_END);
	TCase *tc = tcase_new(s, "all wires");

	tcase_set_timeout(tc, TIMEOUT_S * test_slowdown());
	if (strcmp(FAULTS_END, "server") == 0) {
		tcase_add_loop_test(tc, server_survives_each_failure_and_the_client_leaves, 0,
				    transport_count);
		tcase_add_loop_test(tc, server_survives_each_failure_and_hangs_up, 0,
				    transport_count);
	} else {
		tcase_add_loop_test(tc, client_survives_each_failure_and_leaves, 0,
				    transport_count);
		tcase_add_loop_test(tc, client_survives_each_failure_and_the_server_hangs_up, 0,
				    transport_count);
	}
	return suite_main(s);
}
