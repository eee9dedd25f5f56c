/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/views.h>: whose large requests a handler gets in memory that the client can write. */
#include <errno.h>
#include <fcntl.h>
#include <qb/qbipc_ext.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum {
	AGREED = 300000,
	LEAST = 16 << 10, /* of what may be handed out in place */
	LARGE = 100000,
	ID = 100,
	NOBODY = 65534,
};

enum { SLOT_TAKEN, SLOT_SHARED, SLOT_SPOILT };

/* Can another process write here? */
static bool lies_in_shared_memory(const void *at)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	bool shared = false;
	char line[512], how;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx rw%*c%c", &start, &end, &how) == 3 &&
		    (unsigned long)at >= start && (unsigned long)at < end)
			shared = how == 's';
	if (f)
		fclose(f);
	return shared;
}

/* What was sent, on a boundary that its header needs. */
static bool is_what_was_sent(const struct request *r, size_t size)
{
	return r->hdr.size == (int32_t)size &&
	       (uintptr_t)r % _Alignof(struct qb_ipc_request_header) == 0 &&
	       pattern_matches(r->body, size - sizeof(r->hdr), (uint32_t)r->hdr.id);
}

/* With a zero behind it, too. */
static bool is_whole(const struct request *r, size_t size)
{
	return is_what_was_sent(r, size) && ((const char *)r)[size] == 0;
}

static int32_t msg_looks(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	_Atomic int64_t *slot = sv->shared->slot;

	slot[SLOT_SHARED] += lies_in_shared_memory(data);
	slot[SLOT_SPOILT] += !is_whole(data, size);
	slot[SLOT_TAKEN]++;
	return server_answer(sv, c, data, size);
}

static int64_t remote_views(struct server *sv, const int64_t *args)
{
	return qbipc_service_views_set(sv->service, (enum qbipc_views)args[0]);
}

static struct host *looking_start(int i, enum qbipc_views views)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_looks });

	ck_assert_int_eq(host_call(h, remote_views, views), 0);
	return h;
}

static void call(qb_ipcc_connection_t *c, size_t size)
{
	client_must_send(c, ID, size);
	client_must_recv(c, ID, size);
}

/* A call of that size was handed out in place, or in private memory. */
static void check_call(struct host *h, qb_ipcc_connection_t *c, size_t size, bool in_place)
{
	int64_t before = host_slot(h, SLOT_SHARED);

	call(c, size);
	ck_assert_int_eq(host_slot(h, SLOT_SHARED) - before, in_place);
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
}

static bool is_shm(int i)
{
	return variants[i].type == QB_IPC_SHM;
}

static void check_sizes(int i, enum qbipc_views views, bool in_place)
{
	struct host *h = looking_start(i, views);
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);

	check_call(h, c, LARGE, in_place);
	check_call(h, c, LEAST - 8, false);
	check_call(h, c, LEAST, in_place);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(large_requests_of_our_own_user_are_in_place)
{
	check_sizes(_i, QBIPC_VIEWS_TRUSTED, is_shm(_i));
}
END_TEST

START_TEST(never_means_that_each_is_a_private_copy)
{
	check_sizes(_i, QBIPC_VIEWS_NEVER, false);
}
END_TEST

START_TEST(mode_holds_for_connections_made_afterwards)
{
	struct host *h = looking_start(_i, QBIPC_VIEWS_NEVER);
	qb_ipcc_connection_t *before = client_connect(h->name, AGREED), *after;

	ck_assert_int_eq(host_call(h, remote_views, QBIPC_VIEWS_ALWAYS), 0);
	after = client_connect(h->name, AGREED);
	check_call(h, before, LARGE, false);
	check_call(h, after, LARGE, is_shm(_i));
	qb_ipcc_disconnect(after);
	qb_ipcc_disconnect(before);
	host_stop(h);
}
END_TEST

/* -- Others ------------------------------------------------------------------------------ */

/* Call with a large request; the status of the process. */
static int process_calls(const char *name, bool (*become)(void))
{
	char *buffer = malloc(AGREED);
	struct request *r = request_new(ID, LARGE);
	qb_ipcc_connection_t *c;
	ssize_t n;

	if (!become())
		return 77;
	c = qb_ipcc_connect(name, AGREED);
	if (!c || !buffer || qb_ipcc_send(c, r, LARGE) != LARGE)
		return 1;
	n = qb_ipcc_recv(c, buffer, AGREED, deadline_ms());
	qb_ipcc_disconnect(c);
	free(buffer);
	free(r);
	return n > LEAST ? 0 : 1;
}

/* Another process that has become something else calls; false: it cannot become that. */
static bool check_process(int i, enum qbipc_views views, bool (*become)(void), bool in_place)
{
	struct host *h = looking_start(i, views);
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(process_calls(h->name, become));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) != 77) {
		ck_assert_int_eq(WEXITSTATUS(status), 0);
		ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 1);
		ck_assert_int_eq(host_slot(h, SLOT_SHARED), in_place);
		ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	}
	host_stop(h);
	return WEXITSTATUS(status) != 77;
}

static bool become_nobody(void)
{
	return setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
}

static bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The same user to the server, but without its rights over the server. */
static bool become_contained(void)
{
	char map[64];

	snprintf(map, sizeof(map), "%u %u 1", geteuid(), geteuid());
	return unshare(CLONE_NEWUSER) == 0 && text_write("/proc/self/uid_map", map);
}

START_TEST(of_another_user_they_are_private_unless_always)
{
	(void)(check_process(_i, QBIPC_VIEWS_TRUSTED, become_nobody, false) &&
	       check_process(_i, QBIPC_VIEWS_ALWAYS, become_nobody, is_shm(_i)));
}
END_TEST

START_TEST(of_our_user_in_another_user_namespace_they_are_private)
{
	(void)check_process(_i, QBIPC_VIEWS_TRUSTED, become_contained, false);
}
END_TEST

/* -- All the same -------------------------------------------------------------------------- */

START_TEST(requests_of_all_sizes_are_whole_wherever_they_lie)
{
	struct host *h = looking_start(_i, QBIPC_VIEWS_ALWAYS);
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);

	for (size_t size = AGREED - sizeof(struct response); size > 100; size -= 2999)
		call(c, size);
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	if (is_shm(_i))
		ck_assert_int_gt(host_slot(h, SLOT_SHARED), 50);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* On libqb's wire the client's next request may begin with the byte behind a large one. */
static int32_t msg_counts(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	bool whole = sv->spec.libqb_wire && size >= LEAST ? is_what_was_sent(data, size) :
							    is_whole(data, size);

	sv->shared->slot[SLOT_SPOILT] += !whole;
	sv->shared->slot[SLOT_TAKEN]++;
	return 0;
}

START_TEST(stream_of_the_largest_and_small_ones_arrives_whole)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);
	int n;

	/* What is kept for the application leaves room for the largest one. */
	for (n = 0; n < 100; n++)
		client_send_patiently(c, ID, n % 3 == 2 ? 100 : n % 3 ? AGREED : 3 * LEAST);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == n);
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The client is gone, as far as it can be, and the request is still there. */
static int32_t msg_ends(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	qb_ipcs_disconnect(c);
	sv->shared->slot[SLOT_SHARED] += lies_in_shared_memory(data);
	sv->shared->slot[SLOT_SPOILT] += !is_whole(data, size);
	memset(data, 1, size);
	sv->shared->slot[SLOT_TAKEN]++;
	return 0;
}

START_TEST(request_stays_until_its_handler_returns_though_that_ended_the_connection)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_ends });
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);

	client_must_send(c, ID, LARGE);
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 1);
	ck_assert_int_eq(host_slot(h, SLOT_SHARED), is_shm(_i));
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* A daemon that goes on in a child, which it becomes while it handles a request. */
static int32_t msg_forks(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	if (sv->shared->slot[SLOT_TAKEN] == 0) {
		pid_t pid = fork();

		SERVER_REQUIRE(sv, pid >= 0);
		if (pid > 0) {
			int status;

			/* The test waits for this process; the other one serves. */
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
	}
	return msg_looks(sv, c, data, size);
}

START_TEST(child_that_goes_on_in_a_handler_takes_the_request_no_second_time)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_forks });
	qb_ipcc_connection_t *c = client_connect(h->name, AGREED);

	/* More than one dispatch serves, so that the service is its own in the end. */
	for (int n = 1; n <= 20; n++) {
		call(c, LARGE);
		ck_assert_int_eq(host_slot(h, SLOT_TAKEN), n);
	}
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t remote_bad_values(struct server *sv, const int64_t *args)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_views_set(sv->service, (enum qbipc_views) - 1),
			  -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_service_views_set(sv->service, (enum qbipc_views)3),
			  -EINVAL);
	return qbipc_service_views_set(NULL, QBIPC_VIEWS_NEVER);
}

START_TEST(service_has_no_other_views)
{
	struct host *h = host_start(&(struct server_spec){ .quiet = true });

	ck_assert_int_eq(host_call(h, remote_bad_values), -EINVAL);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("views");
	TCase *tc = tcase_new(s, "whose");

	add_transport_test(tc, large_requests_of_our_own_user_are_in_place);
	add_transport_test(tc, never_means_that_each_is_a_private_copy);
	add_transport_test(tc, mode_holds_for_connections_made_afterwards);
	add_transport_test(tc, of_another_user_they_are_private_unless_always);
	add_transport_test(tc, of_our_user_in_another_user_namespace_they_are_private);
	tcase_add_test(tc, service_has_no_other_views);
	tc = tcase_new(s, "all the same");
	add_transport_test(tc, requests_of_all_sizes_are_whole_wherever_they_lie);
	add_transport_test(tc, stream_of_the_largest_and_small_ones_arrives_whole);
	add_transport_test(
		tc, request_stays_until_its_handler_returns_though_that_ended_the_connection);
	add_transport_test(tc,
			   child_that_goes_on_in_a_handler_takes_the_request_no_second_time);
	return suite_main(s);
}
