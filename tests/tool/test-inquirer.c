/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that asks, against what may answer: nobody, somebody who does not, a server
 * that knows no questions, a newer one, and one that lies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/tool/fake.h"
#include "wire/snapshot.h"

enum { SHORT_MS = 30 };

static int probe(const char *name, int32_t timeout_ms, struct qbipc_probe_info *info)
{
	*info = (struct qbipc_probe_info){ .size = sizeof(*info) };
	return qbipc_probe(name, 0, timeout_ms, info);
}

/* -- Nobody, and nobody who answers ------------------------------------------------ */

START_TEST(nobody_is_refused_connection)
{
	struct qbipc_probe_info info;
	qbipc_snapshot_t *s = NULL;
	char name[64];

	unique_name(name, sizeof(name));
	ck_assert_int_eq(probe(name, deadline_ms(), &info), -ECONNREFUSED);
	ck_assert_int_eq(qbipc_watch(name, deadline_ms(), &s), -ECONNREFUSED);
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(path_is_asked_as_a_path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct qbipc_probe_info info;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, "./");
	unique_name(a.sun_path + 2, 64);
	ck_assert_int_eq(probe(a.sun_path, deadline_ms(), &info), -ENOENT);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(probe(a.sun_path, deadline_ms(), &info), -ECONNREFUSED);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(probe(a.sun_path, SHORT_MS, &info), -ETIMEDOUT);
	unlink(a.sun_path);
	close(fd);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *s = NULL;
	char name[200];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(qbipc_probe(NULL, 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_probe("name", 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_probe("", 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_probe(name, 0, 0, &info), -ENAMETOOLONG);
	name[0] = '/';
	ck_assert_int_eq(qbipc_probe(name, 0, 0, &info), -ENAMETOOLONG);
	info.size--;
	ck_assert_int_eq(qbipc_probe("name", 0, 0, &info), -EINVAL);
	ck_assert_int_eq(qbipc_watch(NULL, 0, &s), -EINVAL);
	ck_assert_int_eq(qbipc_watch("name", 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_info_get(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_connection_get(NULL, 0, NULL), -EINVAL);
	qbipc_snapshot_free(NULL);
	qbipc_service_watch_allow(NULL, 0, 0);
}
END_TEST

/* The socket takes the question, and there it stays. */
START_TEST(silence_is_a_timeout)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct qbipc_probe_info info;
	qbipc_snapshot_t *s = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begin = now_ms();

	unique_name(a.sun_path + 1, 64);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(probe(a.sun_path + 1, SHORT_MS, &info), -ETIMEDOUT);
	ck_assert_int_eq(qbipc_watch(a.sun_path + 1, SHORT_MS, &s), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, 2 * SHORT_MS - 2);
	ck_assert_int_eq(probe(a.sun_path + 1, 0, &info), -ETIMEDOUT);
	close(fd);
}
END_TEST

START_TEST(full_queue_is_a_timeout)
{
	struct qbipc_probe_info info;
	struct fake_server f;

	fake_server_start_full(&f);
	ck_assert_int_eq(probe(f.name, SHORT_MS, &info), -ETIMEDOUT);
	fake_server_stop(&f);
}
END_TEST

START_TEST(closing_without_an_answer_is_told)
{
	struct qbi_welcome w = { .id = QBI_AUTHENTICATE };
	struct qbipc_probe_info info;
	struct fake_server f;

	fake_server_start(&f, NULL, 0, 0);
	ck_assert_int_eq(probe(f.name, deadline_ms(), &info), -ECONNRESET);
	fake_server_stop(&f);
	fake_server_start(&f, &w, sizeof(w) - 1, 0);
	ck_assert_int_eq(probe(f.name, deadline_ms(), &info), -ECONNRESET);
	fake_server_stop(&f);
}
END_TEST

/* -- Answers ------------------------------------------------------------------------ */

/* As a server of this library answers, but for what a test changes. */
static struct qbi_welcome welcome(uint32_t abilities)
{
	return (struct qbi_welcome){
		.id = QBI_AUTHENTICATE,
		.mark = QBI_WIRE_MARK,
		.size = sizeof(struct qbi_welcome),
		.version = 1,
		.abilities = abilities,
		.type = QB_IPC_SHM,
		.max_msg_size = QBI_MIN_MSG_SIZE,
	};
}

static int probe_answered(const struct qbi_welcome *w, unsigned int n_fds,
			  struct qbipc_probe_info *info)
{
	struct fake_server f;
	int r;

	fake_server_start(&f, w, sizeof(*w), n_fds);
	r = probe(f.name, deadline_ms(), info);
	fake_server_stop(&f);
	return r;
}

/* What a server that makes a connection sends along is dropped: the census counts. */
START_TEST(server_without_questions_has_made_a_connection)
{
	struct qbi_welcome w = welcome(0);
	struct qbipc_probe_info info;
	unsigned int n_fds;

	strcpy(w.request, "/dev/shm/qb-1-2-3-abcdef/qb-request-name");
	for (n_fds = 0; n_fds <= 8; n_fds += 2) {
		ck_assert_int_eq(probe_answered(&w, n_fds, &info), 0);
		ck_assert_int_ne(info.connected, 0);
		ck_assert_uint_eq(info.native, 1);
	}
	w.mark = 0;
	w.version = 0;
	ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
	ck_assert_int_ne(info.connected, 0);
	ck_assert_uint_eq(info.native, 0);
	/* Bits that nobody with the mark has set mean nothing. */
	w.abilities = QBI_ABILITY_PROBE;
	ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
	ck_assert_int_ne(info.connected, 0);
}
END_TEST

START_TEST(refusal_of_any_sign_is_handed_on)
{
	static const int32_t errors[] = { -EACCES, 1, INT32_MIN, INT32_MAX };
	struct qbipc_probe_info info;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct qbi_welcome w = { .id = QBI_AUTHENTICATE, .size = sizeof(w),
					 .error = errors[i] };

		ck_assert_int_eq(probe_answered(&w, 0, &info), 0);
		ck_assert_int_eq(info.error, errors[i]);
		ck_assert_int_eq(info.connected, 0);
	}
}
END_TEST

START_TEST(answer_of_no_server_is_told)
{
	struct qbipc_probe_info info;
	struct qbi_welcome w;

	memset(&w, 0xff, sizeof(w));
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = welcome(QBI_ABILITY_PROBE);
	w.type = 7;
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = welcome(QBI_ABILITY_PROBE);
	w.max_msg_size = UINT32_MAX;
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
	w = welcome(QBI_ABILITY_PROBE);
	memset(w.event, 'x', sizeof(w.event));
	ck_assert_int_eq(probe_answered(&w, 0, &info), -EBADMSG);
}
END_TEST

/* A caller that knows a longer struct than the library finds zeros at the end. */
START_TEST(longer_struct_of_a_newer_caller_is_filled_as_far_as_known)
{
	struct {
		struct qbipc_probe_info info;
		uint64_t later[2];
	} newer = { .info = { .size = sizeof(newer) }, .later = { 7, 7 } };
	struct qbi_welcome w = welcome(QBI_ABILITY_PROBE);
	struct fake_server f;

	fake_server_start(&f, &w, sizeof(w), 0);
	ck_assert_int_eq(qbipc_probe(f.name, 0, deadline_ms(), &newer.info), 0);
	fake_server_stop(&f);
	ck_assert_uint_eq(newer.info.size, sizeof(newer));
	ck_assert_uint_eq(newer.info.max_msg_size, QBI_MIN_MSG_SIZE);
	ck_assert_uint_eq(newer.later[0] | newer.later[1], 0);
}
END_TEST

/* -- Snapshots ---------------------------------------------------------------------- */

/* An answer with a snapshot: @head, then @size bytes. */
struct answer {
	struct qbi_welcome welcome;
	struct qbi_snapshot_head head;
	uint8_t rest[4096];
};

static struct answer answer(uint32_t records)
{
	return (struct answer){
		.welcome = welcome(QBI_ABILITY_WATCH),
		.head = { .mark = QBI_SNAPSHOT_MARK,
			  .head_size = sizeof(struct qbi_snapshot_head),
			  .record_size = sizeof(struct qbi_snapshot_record),
			  .records = records,
			  .connections = records },
	};
}

static int watch_answered(const struct answer *a, size_t size, qbipc_snapshot_t **ret)
{
	struct fake_server f;
	int r;

	*ret = NULL;
	fake_server_start(&f, a, size, 0);
	r = qbipc_watch(f.name, deadline_ms(), ret);
	fake_server_stop(&f);
	return r;
}

static void record_put(struct answer *a, size_t at, uint64_t number)
{
	struct qbi_snapshot_record r = { .number = number, .age_ns = ~number };

	memcpy(a->rest + at, &r, sizeof(r));
}

static void record_expect(const qbipc_snapshot_t *s, uint32_t index, uint64_t number)
{
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };

	ck_assert_int_eq(qbipc_snapshot_connection_get(s, index, &c), 0);
	ck_assert_uint_eq(c.number, number);
	ck_assert_uint_eq(c.age_ns, ~number);
}

static uint32_t listed(const qbipc_snapshot_t *s)
{
	struct qbipc_snapshot_info info = { .size = sizeof(info) };

	ck_assert_int_eq(qbipc_snapshot_info_get(s, &info), 0);
	return info.listed;
}

#define UP_TO_REST offsetof(struct answer, rest)

START_TEST(server_without_watching_is_told)
{
	struct answer a = answer(0);
	qbipc_snapshot_t *s;

	a.welcome.abilities = 0;
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome), &s), -EOPNOTSUPP);
	a.welcome.abilities = QBI_ABILITY_PROBE;
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome), &s), -EOPNOTSUPP);
	a.welcome.abilities = QBI_ABILITY_WATCH;
	a.welcome.mark = 0;
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome), &s), -EOPNOTSUPP);
}
END_TEST

/* What watching comes to when the service gives these answers, one after the other. */
static int watch_pages(const struct answer *pages, const size_t *sizes, size_t n,
		       qbipc_snapshot_t **ret)
{
	struct fake_server f;
	int r;

	*ret = NULL;
	fake_server_start_each(&f, pages, sizeof(pages[0]), sizes, n, false);
	r = qbipc_watch(f.name, deadline_ms(), ret);
	fake_server_stop(&f);
	return r;
}

/* Cut by a socket that did not take all, the rest is asked for. */
START_TEST(pages_are_put_together)
{
	struct answer pages[] = { answer(3), answer(2), answer(0) };
	size_t record = pages[0].head.record_size, i;
	size_t sizes[] = { UP_TO_REST + 3 * record - 1, UP_TO_REST + 2 * record, UP_TO_REST };
	struct qbipc_snapshot_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *s;

	record_put(&pages[0], 0, 30);
	record_put(&pages[0], record, 20);
	pages[0].head.connections = 4;
	record_put(&pages[1], 0, 10);
	record_put(&pages[1], record, 1);
	pages[1].head.more = 1;
	ck_assert_int_eq(watch_pages(pages, sizes, 3, &s), 0);
	ck_assert_int_eq(qbipc_snapshot_info_get(s, &info), 0);
	ck_assert_uint_eq(info.connections, 4);
	ck_assert_uint_eq(info.listed, 4);
	for (i = 0; i < 4; i++)
		record_expect(s, (uint32_t)i, (const uint64_t[]){ 30, 20, 10, 1 }[i]);
	qbipc_snapshot_free(s);
}
END_TEST

/* Otherwise a service could keep who asks it busy for ever, and fill its memory. */
START_TEST(pages_whose_numbers_do_not_go_down_are_refused)
{
	struct answer pages[] = { answer(1), answer(1) };
	size_t sizes[] = { sizeof(pages[0]), sizeof(pages[1]) };
	uint64_t second;
	qbipc_snapshot_t *s;

	pages[0].head.more = 1;
	record_put(&pages[0], 0, 30);
	for (second = 30; second <= 31; second++) {
		record_put(&pages[1], 0, second);
		ck_assert_int_eq(watch_pages(pages, sizes, 2, &s), -EBADMSG);
		ck_assert_ptr_null(s);
	}
	pages[0].head.records = 2;
	record_put(&pages[0], pages[0].head.record_size, 30);
	ck_assert_int_eq(watch_pages(pages, sizes, 1, &s), -EBADMSG);
}
END_TEST

START_TEST(page_that_is_refused_or_missing_is_the_error)
{
	struct answer pages[] = { answer(1), answer(0) };
	size_t sizes[] = { sizeof(pages[0]), sizeof(pages[1].welcome) };
	qbipc_snapshot_t *s;

	pages[0].head.more = 1;
	record_put(&pages[0], 0, 30);
	pages[1].welcome.error = -ENOMEM;
	ck_assert_int_eq(watch_pages(pages, sizes, 2, &s), -ENOMEM);
	sizes[1] = 0;
	ck_assert_int_eq(watch_pages(pages, sizes, 2, &s), -ECONNRESET);
	ck_assert_ptr_null(s);
}
END_TEST

/* Somebody else has the name by then. */
START_TEST(page_of_another_process_is_refused)
{
	struct answer pages[] = { answer(1), answer(1) };
	size_t sizes[] = { sizeof(pages[0]), sizeof(pages[1]) };
	qbipc_snapshot_t *s = NULL;
	struct fake_server f;

	pages[0].head.more = 1;
	record_put(&pages[0], 0, 30);
	record_put(&pages[1], 0, 20);
	fake_server_start_each(&f, pages, sizeof(pages[0]), sizes, 2, true);
	ck_assert_int_eq(qbipc_watch(f.name, deadline_ms(), &s), -ECONNRESET);
	ck_assert_ptr_null(s);
	fake_server_stop(&f);
}
END_TEST

START_TEST(snapshot_that_was_cut_has_what_came_whole)
{
	struct answer pages[] = { answer(3), answer(3) }, a = pages[0];
	size_t record = a.head.record_size;
	size_t sizes[] = { UP_TO_REST + 3 * record - 1, UP_TO_REST + record - 1 };
	qbipc_snapshot_t *s;

	record_put(&pages[0], 0, 30);
	record_put(&pages[0], record, 20);
	ck_assert_int_eq(watch_pages(pages, sizes, 2, &s), 0);
	ck_assert_uint_eq(listed(s), 2);
	record_expect(s, 0, 30);
	record_expect(s, 1, 20);
	ck_assert_int_eq(qbipc_snapshot_connection_get(
				 s, 2, &(struct qbipc_snapshot_connection){
				 .size = sizeof(struct qbipc_snapshot_connection) }),
			 -ENOENT);
	qbipc_snapshot_free(s);
	ck_assert_int_eq(watch_answered(&a, UP_TO_REST, &s), 0);
	ck_assert_uint_eq(listed(s), 0);
	qbipc_snapshot_free(s);
	ck_assert_int_eq(watch_answered(&a, UP_TO_REST - 1, &s), -ECONNRESET);
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome) + 15, &s), -ECONNRESET);
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome), &s), -ECONNRESET);
}
END_TEST

/* Head and records longer than known here, and of odd size. */
START_TEST(snapshot_of_a_newer_server_is_read_as_far_as_known)
{
	struct answer a = answer(2);
	qbipc_snapshot_t *s;

	a.head.head_size += 5;
	a.head.record_size += 3;
	record_put(&a, 5, 2);
	record_put(&a, 5 + a.head.record_size, 1);
	ck_assert_int_eq(watch_answered(&a, sizeof(a), &s), 0);
	ck_assert_uint_eq(listed(s), 2);
	record_expect(s, 0, 2);
	record_expect(s, 1, 1);
	qbipc_snapshot_free(s);
}
END_TEST

START_TEST(snapshot_that_lies_about_its_size_is_refused)
{
	static const struct {
		uint32_t head_size, record_size, records;
	} lies[] = {
		{ 0, 96, 1 }, { 47, 96, 1 }, { UINT32_MAX, 96, 1 },
		{ 48, 0, 1 }, { 48, 95, 1 }, { 48, UINT32_MAX, 1 },
		{ 48, 96, UINT32_MAX }, { 48, UINT32_MAX, UINT32_MAX },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 48, 96, QBI_SNAPSHOT_MAX / 96 + 1 },
	};
	qbipc_snapshot_t *s;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct answer a = answer(1);

		a.head.head_size = lies[i].head_size;
		a.head.record_size = lies[i].record_size;
		a.head.records = lies[i].records;
		ck_assert_int_eq(watch_answered(&a, sizeof(a), &s), -EBADMSG);
	}
	{
		struct answer a = answer(1);

		a.head.mark++;
		ck_assert_int_eq(watch_answered(&a, sizeof(a), &s), -EBADMSG);
	}
}
END_TEST

START_TEST(refusal_to_watch_is_the_error)
{
	struct answer a = answer(0);
	qbipc_snapshot_t *s;

	a.welcome.error = -EACCES;
	ck_assert_int_eq(watch_answered(&a, sizeof(a.welcome), &s), -EACCES);
	/* No refusal of ours is positive: success must not come of it. */
	a.welcome.error = 1;
	ck_assert_int_eq(watch_answered(&a, sizeof(a), &s), -EBADMSG);
	ck_assert_ptr_null(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("asking a service");
	TCase *tc = tcase_new(s, "no answer");

	tcase_add_test(tc, nobody_is_refused_connection);
	tcase_add_test(tc, path_is_asked_as_a_path);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, silence_is_a_timeout);
	tcase_add_test(tc, full_queue_is_a_timeout);
	tcase_add_test(tc, closing_without_an_answer_is_told);
	tc = tcase_new(s, "answers");
	tcase_add_test(tc, server_without_questions_has_made_a_connection);
	tcase_add_test(tc, refusal_of_any_sign_is_handed_on);
	tcase_add_test(tc, answer_of_no_server_is_told);
	tcase_add_test(tc, longer_struct_of_a_newer_caller_is_filled_as_far_as_known);
	tc = tcase_new(s, "snapshots");
	tcase_add_test(tc, server_without_watching_is_told);
	tcase_add_test(tc, pages_are_put_together);
	tcase_add_test(tc, pages_whose_numbers_do_not_go_down_are_refused);
	tcase_add_test(tc, page_that_is_refused_or_missing_is_the_error);
	tcase_add_test(tc, page_of_another_process_is_refused);
	tcase_add_test(tc, snapshot_that_was_cut_has_what_came_whole);
	tcase_add_test(tc, snapshot_of_a_newer_server_is_read_as_far_as_known);
	tcase_add_test(tc, snapshot_that_lies_about_its_size_is_refused);
	tcase_add_test(tc, refusal_to_watch_is_the_error);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
