/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The structs of limits and refusals across versions of a program and the library, and
 * when a refusal gets its line of log.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ring/shm-dir.h"
#include "server/refusals.h"
#include "server/service.h"
#include "tests/lib/census.h"
#include "tests/lib/variant.h"

/* As the first version has them: what a program may have been compiled with. */
enum { LIMITS_FIRST = 96, REFUSALS_FIRST = 144 };

static qb_ipcs_service_t *service;

static void service_setup(void)
{
	census_setup();
	service = qb_ipcs_create("limits", 0, QB_IPC_SHM, NULL);
	ck_assert_ptr_nonnull(service);
}

static void service_teardown(void)
{
	qb_ipcs_destroy(service);
	census_teardown();
}

static struct qbipc_service_limits limits_now(void)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits) };

	ck_assert_int_eq(qbipc_service_limits_get(service, &limits), 0);
	ck_assert_uint_eq(limits.size, sizeof(limits));
	return limits;
}

START_TEST(limits_have_defaults)
{
	struct qbipc_service_limits limits = limits_now();

	ck_assert_uint_eq(limits.handshakes, 1024);
	ck_assert_uint_eq(limits.handshakes_per_uid, 256);
	ck_assert_uint_eq(limits.handshake_ms, 30000);
	ck_assert_uint_eq(limits.connections, QBIPC_NO_LIMIT);
	ck_assert_uint_eq(limits.connections_per_uid, 2048);
	ck_assert_uint_eq(limits.connections_when_scarce, 16);
	ck_assert_uint_ge(limits.memory_per_uid, 384u << 20);
	ck_assert_uint_eq(limits.message_size, 32u << 20);
	ck_assert_uint_eq(limits.dispatch_messages, QBIPC_NO_LIMIT);
	ck_assert_uint_eq(limits.dispatch_bytes, 4u << 20);
	ck_assert_uint_eq(limits.junk_wakeups, 1000);
	ck_assert_uint_eq(limits.unread_answers, 256);
	ck_assert_uint_eq(limits.unread_answers_per_uid, 64);
}
END_TEST

START_TEST(limits_that_are_set_are_got_and_others_are_defaults)
{
	struct qbipc_service_limits limits = {
		.size = sizeof(limits),
		.handshakes = 7,
		.junk_wakeups = QBIPC_NO_LIMIT,
	};

	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), 0);
	limits = limits_now();
	ck_assert_uint_eq(limits.handshakes, 7);
	ck_assert_uint_eq(limits.junk_wakeups, QBIPC_NO_LIMIT);
	ck_assert_uint_eq(limits.handshake_ms, 30000);
	limits = (struct qbipc_service_limits){ .size = sizeof(limits) };
	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), 0);
	ck_assert_uint_eq(limits_now().handshakes, 1024);
}
END_TEST

START_TEST(message_size_keeps_within_the_bounds_of_the_wire)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits), .handshakes = 7 };

	limits.message_size = 12327;
	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), -EINVAL);
	ck_assert_uint_eq(limits_now().handshakes, 1024);
	limits.message_size = 12328;
	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), 0);
	ck_assert_uint_eq(limits_now().message_size, 12328);
	limits.message_size = QBIPC_NO_LIMIT;
	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), 0);
	ck_assert_uint_eq(limits_now().message_size, 1u << 30);
}
END_TEST

START_TEST(arguments_that_are_missing_are_einval)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits) };
	struct qbipc_service_refusals refusals = { .size = sizeof(refusals) };

	ck_assert_int_eq(qbipc_service_limits_set(NULL, &limits), -EINVAL);
	ck_assert_int_eq(qbipc_service_limits_set(service, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_limits_get(NULL, &limits), -EINVAL);
	ck_assert_int_eq(qbipc_service_limits_get(service, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_refusals_get(NULL, &refusals), -EINVAL);
	ck_assert_int_eq(qbipc_service_refusals_get(service, NULL), -EINVAL);
}
END_TEST

/* -- Other versions of the structs --------------------------------------------------- */

START_TEST(struct_of_no_version_is_einval)
{
	struct qbipc_service_limits limits = { .size = 2 * sizeof(size_t) - 1 };
	struct qbipc_service_refusals refusals = { .size = 2 * sizeof(size_t) - 1 };

	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), -EINVAL);
	ck_assert_int_eq(qbipc_service_limits_get(service, &limits), -EINVAL);
	ck_assert_int_eq(qbipc_service_refusals_get(service, &refusals), -EINVAL);
	limits.size = 0;
	ck_assert_int_eq(qbipc_service_limits_set(service, &limits), -EINVAL);
}
END_TEST

/* So many bytes and no more, which the compiler does not see. */
static void *struct_of(volatile size_t size)
{
	return calloc(1, size);
}

START_TEST(struct_of_the_first_version_is_good_for_ever)
{
	struct qbipc_service_limits *limits = struct_of(LIMITS_FIRST);
	struct qbipc_service_refusals refusals;

	ck_assert_ptr_nonnull(limits);
	limits->size = LIMITS_FIRST;
	limits->handshakes = 7;
	ck_assert_int_eq(qbipc_service_limits_set(service, limits), 0);
	limits->handshakes = 0;
	ck_assert_int_eq(qbipc_service_limits_get(service, limits), 0);
	ck_assert_uint_eq(limits->handshakes, 7);
	memset(&refusals, 0xee, sizeof(refusals));
	refusals.size = REFUSALS_FIRST;
	ck_assert_int_eq(qbipc_service_refusals_get(service, &refusals), 0);
	ck_assert_uint_eq(refusals.costly, 0);
	ck_assert_uint_eq(refusals.unlocked, 0xeeeeeeeeeeeeeeeeULL);
	free(limits);
}
END_TEST

/* What a program has that was compiled with a later version. */
struct later {
	struct qbipc_service_limits known;
	uint64_t unknown[3];
};

START_TEST(later_struct_is_good_while_it_asks_for_nothing_unknown)
{
	struct later later = { .known = { .size = sizeof(later), .handshakes = 7 } };

	ck_assert_int_eq(qbipc_service_limits_set(service, &later.known), 0);
	ck_assert_uint_eq(limits_now().handshakes, 7);
	later.known.handshakes = 8;
	((unsigned char *)&later)[sizeof(later) - 1] = 1;
	ck_assert_int_eq(qbipc_service_limits_set(service, &later.known), -E2BIG);
	ck_assert_uint_eq(limits_now().handshakes, 7);
}
END_TEST

START_TEST(later_struct_is_filled_with_what_is_known)
{
	struct {
		struct qbipc_service_refusals known;
		uint64_t unknown[3];
	} refusals;
	struct later later;

	memset(&later, 0x5a, sizeof(later));
	later.known.size = sizeof(later);
	ck_assert_int_eq(qbipc_service_limits_get(service, &later.known), 0);
	ck_assert_uint_eq(later.known.size, sizeof(later));
	ck_assert_uint_eq(later.known.junk_wakeups, 1000);
	ck_assert_uint_eq(later.unknown[0] | later.unknown[1] | later.unknown[2], 0);
	memset(&refusals, 0x5a, sizeof(refusals));
	refusals.known.size = sizeof(refusals);
	ck_assert_int_eq(qbipc_service_refusals_get(service, &refusals.known), 0);
	ck_assert_uint_eq(refusals.known.size, sizeof(refusals));
	ck_assert_uint_eq(refusals.known.handshakes, 0);
	ck_assert_uint_eq(refusals.known.dispatches_cut, 0);
	ck_assert_uint_eq(refusals.unknown[0] | refusals.unknown[2], 0);
}
END_TEST

/* -- The log ------------------------------------------------------------------------- */

START_TEST(line_is_written_at_once_and_then_every_ten_seconds)
{
	struct qbi_pace p = { 0 };
	const uint64_t start = 1000 * QBI_NS_PER_S;
	uint64_t quiet = 99;

	ck_assert(qbi_pace_allows(&p, start, &quiet));
	ck_assert_uint_eq(quiet, 0);
	for (uint64_t k = 1; k <= 1000; k++)
		ck_assert(!qbi_pace_allows(&p, start + k * QBI_NS_PER_MS, &quiet));
	ck_assert(!qbi_pace_allows(&p, start + 10 * QBI_NS_PER_S - 1, &quiet));
	ck_assert(qbi_pace_allows(&p, start + 10 * QBI_NS_PER_S, &quiet));
	ck_assert_uint_eq(quiet, 1001);
	ck_assert(!qbi_pace_allows(&p, start + 11 * QBI_NS_PER_S, &quiet));
	ck_assert(qbi_pace_allows(&p, start + 100 * QBI_NS_PER_S, &quiet));
	ck_assert_uint_eq(quiet, 1);
}
END_TEST

static char line[256];
static int lines;

static void on_log(int priority, const char *text, void *data)
{
	lines++;
	snprintf(line, sizeof(line), "%d %s", priority, text);
}

START_TEST(line_of_log_tells_who_why_and_how_many_were_kept_quiet)
{
	struct ucred peer = { .pid = 12, .uid = 34 };
	struct qbi_refusal_record *r = &service->host.refusals.by[QBI_REFUSED_MEMORY];

	qbipc_log_hook_set(on_log, NULL);
	for (int k = 0; k < 4; k++)
		qbi_refusals_note(&service->host.refusals, QBI_REFUSED_MEMORY, &peer,
				  "reason %d", k);
	ck_assert_int_eq(lines, 1);
	ck_assert_str_eq(line, "4 service limits: pid 12, uid 34: reason 0");
	r->pace.told_at -= 10 * QBI_NS_PER_S;
	qbi_refusals_note(&service->host.refusals, QBI_REFUSED_MEMORY, NULL, "reason 4");
	ck_assert_int_eq(lines, 2);
	ck_assert_str_eq(line, "4 service limits: reason 4 (3 more since this was last said)");
	/* Each reason has a line of its own. */
	qbi_refusals_note(&service->host.refusals, QBI_REFUSED_JUNK, NULL, "another");
	ck_assert_int_eq(lines, 3);
	qbipc_log_hook_set(NULL, NULL);
}
END_TEST

START_TEST(client_that_leaves_files_behind_causes_one_line)
{
	qbipc_log_hook_set(on_log, NULL);
	for (int k = 0; k < 5; k++) {
		struct qbi_shm_dir dir;
		char path[128];
		int fd;

		ck_assert_int_eq(qbi_shm_dir_create(&dir, 1, k), 0);
		snprintf(path, sizeof(path), "%s/its-own", dir.path);
		fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		ck_assert_int_ge(fd, 0);
		close(fd);
		qbi_shm_dir_remove(&dir);
		unlink(path);
		*strrchr(path, '/') = '\0';
		ck_assert_int_eq(rmdir(path), 0);
	}
	ck_assert_int_eq(lines, 1);
	qbipc_log_hook_set(NULL, NULL);
}
END_TEST

START_TEST(each_reason_has_a_count_of_its_own)
{
	struct qbipc_service_refusals refusals;
	uint64_t sum = 0, i;

	for (i = 0; i < QBI_REFUSALS; i++) {
		qbi_refusals_note(&service->host.refusals, (enum qbi_refusal)i, NULL,
				  "for a test");
		qbi_refusals_read(&service->host.refusals, &refusals);
		sum = refusals.handshakes + refusals.handshakes_per_uid +
		      refusals.handshakes_overdue + refusals.handshakes_bad +
		      refusals.connections + refusals.connections_per_uid +
		      refusals.connections_when_scarce + refusals.memory_per_uid +
		      refusals.message_size + refusals.descriptors + refusals.failed +
		      refusals.junk_wakeups + refusals.nonsense + refusals.watchers +
		      refusals.listener_rests + refusals.costly + refusals.unlocked +
		      refusals.unread_answers + refusals.requests_left;
		ck_assert_uint_eq(sum, i + 1);
	}
	ck_assert_uint_eq(refusals.dispatches_cut, 0);
}
END_TEST

/* Whoever had it last, and in whatever order nested dispatches give theirs back. */
START_TEST(room_kept_for_requests_is_that_of_the_largest_client)
{
	enum { SMALL = 12328, LARGE = 60000 };
	void *large = qbi_host_scratch_take(&service->host, LARGE), *small;

	qbi_host_scratch_give(&service->host, large);
	small = qbi_host_scratch_take(&service->host, SMALL);
	ck_assert_ptr_eq(small, large);
	qbi_host_scratch_give(&service->host, small);
	ck_assert_uint_eq(qbi_memory_size(service->host.scratch), LARGE);
	large = qbi_host_scratch_take(&service->host, LARGE);
	small = qbi_host_scratch_take(&service->host, SMALL);
	ck_assert_ptr_ne(small, large);
	qbi_host_scratch_give(&service->host, _i ? large : small);
	qbi_host_scratch_give(&service->host, _i ? small : large);
	ck_assert_ptr_eq(service->host.scratch, large);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = tcase_create("limits");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, service_setup, service_teardown);
	tcase_add_test(tc, limits_have_defaults);
	tcase_add_test(tc, limits_that_are_set_are_got_and_others_are_defaults);
	tcase_add_test(tc, message_size_keeps_within_the_bounds_of_the_wire);
	tcase_add_test(tc, arguments_that_are_missing_are_einval);
	tcase_add_test(tc, struct_of_no_version_is_einval);
	tcase_add_test(tc, struct_of_the_first_version_is_good_for_ever);
	tcase_add_test(tc, later_struct_is_good_while_it_asks_for_nothing_unknown);
	tcase_add_test(tc, later_struct_is_filled_with_what_is_known);
	tcase_add_test(tc, line_is_written_at_once_and_then_every_ten_seconds);
	tcase_add_test(tc, line_of_log_tells_who_why_and_how_many_were_kept_quiet);
	tcase_add_test(tc, client_that_leaves_files_behind_causes_one_line);
	tcase_add_test(tc, each_reason_has_a_count_of_its_own);
	tcase_add_loop_test(tc, room_kept_for_requests_is_that_of_the_largest_client, 0, 2);
	return suite_main(s);
}
