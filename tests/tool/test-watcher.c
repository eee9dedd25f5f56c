/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that watches, against what may answer: a server that cannot be watched, a newer
 * one, one whose socket is full, and one that lies.
 */
#include <errno.h>
#include <string.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/tool/fake.h"
#include "wire/page.h"
#include "wire/snapshot.h"

/* An answer with a snapshot: @head, then @size bytes. */
struct answer {
	struct qbi_welcome welcome;
	struct qbi_snapshot_head head;
	uint8_t rest[4096];
};

static struct answer answer(uint32_t records)
{
	return (struct answer){
		.welcome = fake_welcome(QBI_ABILITY_WATCH),
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
	r = qbipc_snapshot_get(f.name, deadline_ms(), ret);
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
	r = qbipc_snapshot_get(f.name, deadline_ms(), ret);
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
	ck_assert_int_eq(qbipc_snapshot_get(f.name, deadline_ms(), &s), -ECONNRESET);
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
				 s, 2,
				 &(struct qbipc_snapshot_connection){
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
	enum {
		HEAD = sizeof(struct qbi_snapshot_head),
		RECORD = sizeof(struct qbi_snapshot_record),
	};
	static const struct {
		uint32_t head_size, record_size, records;
	} lies[] = {
		{ 0, RECORD, 1 },
		{ HEAD - 1, RECORD, 1 },
		{ UINT32_MAX, RECORD, 1 },
		{ HEAD, 0, 1 },
		{ HEAD, RECORD - 1, 1 },
		{ HEAD, UINT32_MAX, 1 },
		{ HEAD, RECORD, UINT32_MAX },
		{ HEAD, UINT32_MAX, UINT32_MAX },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ HEAD, RECORD, QBI_PAGE_MAX / RECORD + 1 },
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
	Suite *s = suite_create("watching whatever answers");
	TCase *tc = tcase_new(s, "snapshots");

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
