/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side that asks for handlers, against what may answer: a server that cannot be asked, a
 * newer one, one whose socket is full, and one that lies.
 */
#include <errno.h>
#include <string.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/tool/fake.h"
#include "wire/description.h"
#include "wire/page.h"

/* An answer with a description: @head, then @size bytes. */
struct answer {
	struct qbi_welcome welcome;
	struct qbi_description_head head;
	uint8_t rest[4096];
};

#define UP_TO_REST offsetof(struct answer, rest)
#define RECORD sizeof(struct qbi_description_record)

static struct answer answer(uint32_t records)
{
	return (struct answer){
		.welcome = fake_welcome(QBI_ABILITY_DESCRIBE),
		.head = { .mark = QBI_DESCRIPTION_MARK,
			  .head_size = sizeof(struct qbi_description_head),
			  .record_size = RECORD,
			  .records = records,
			  .handlers = records },
	};
}

static void record_put(struct answer *a, size_t at, int32_t id, const char *name)
{
	struct qbi_description_record r = { .id = id, .min_size = ~(uint64_t)id };

	strcpy(r.name, name);
	memcpy(a->rest + at, &r, sizeof(r));
}

static int described(const struct answer *a, size_t size, qbipc_description_t **ret)
{
	struct fake_server f;
	int r;

	*ret = NULL;
	fake_server_start(&f, a, size, 0);
	r = qbipc_describe(f.name, deadline_ms(), ret);
	fake_server_stop(&f);
	return r;
}

/* What asking comes to when the service gives these answers, one after the other. */
static int described_in_pages(const struct answer *pages, const size_t *sizes, size_t n,
			      bool apart, qbipc_description_t **ret)
{
	struct fake_server f;
	int r;

	*ret = NULL;
	fake_server_start_each(&f, pages, sizeof(pages[0]), sizes, n, apart);
	r = qbipc_describe(f.name, deadline_ms(), ret);
	fake_server_stop(&f);
	return r;
}

static void record_expect(const qbipc_description_t *d, uint32_t index, int32_t id,
			  const char *name)
{
	struct qbipc_description_handler h = { .size = sizeof(h) };

	ck_assert_int_eq(qbipc_description_handler_get(d, index, &h), 0);
	ck_assert_int_eq(h.id, id);
	ck_assert_uint_eq(h.min_size, ~(uint64_t)id);
	ck_assert_pstr_eq(h.name, name);
}

static uint32_t listed(const qbipc_description_t *d)
{
	struct qbipc_description_info info = { .size = sizeof(info) };

	ck_assert_int_eq(qbipc_description_info_get(d, &info), 0);
	return info.listed;
}

START_TEST(bad_arguments_are_refused)
{
	struct answer a = answer(0);
	struct qbipc_description_info info = { .size = sizeof(size_t) };
	struct qbipc_description_handler handler = { .size = sizeof(size_t) };
	qbipc_description_t *d = NULL;

	ck_assert_int_eq(qbipc_describe(NULL, 0, &d), -EINVAL);
	ck_assert_int_eq(qbipc_describe("", 0, &d), -EINVAL);
	ck_assert_int_eq(qbipc_describe("name", 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_description_info_get(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_description_handler_get(NULL, 0, &handler), -EINVAL);
	qbipc_description_free(NULL);
	a.head.records = 1;
	ck_assert_int_eq(described(&a, sizeof(a), &d), 0);
	ck_assert_int_eq(qbipc_description_info_get(d, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_description_info_get(d, &info), -EINVAL);
	ck_assert_int_eq(qbipc_description_handler_get(d, 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_description_handler_get(d, 0, &handler), -EINVAL);
	qbipc_description_free(d);
}
END_TEST

START_TEST(nobody_is_refused_connection)
{
	qbipc_description_t *d = NULL;
	char name[64];

	unique_name(name, sizeof(name));
	ck_assert_int_eq(qbipc_describe(name, deadline_ms(), &d), -ECONNREFUSED);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(full_queue_is_a_timeout)
{
	qbipc_description_t *d = NULL;
	struct fake_server f;

	fake_server_start_full(&f);
	ck_assert_int_eq(qbipc_describe(f.name, 30, &d), -ETIMEDOUT);
	fake_server_stop(&f);
}
END_TEST

START_TEST(server_that_cannot_be_asked_is_told)
{
	struct answer a = answer(0);
	qbipc_description_t *d;

	a.welcome.abilities = 0;
	ck_assert_int_eq(described(&a, sizeof(a.welcome), &d), -EOPNOTSUPP);
	a.welcome.abilities = QBI_ABILITY_PROBE | QBI_ABILITY_WATCH;
	ck_assert_int_eq(described(&a, sizeof(a.welcome), &d), -EOPNOTSUPP);
	a.welcome.abilities = QBI_ABILITY_DESCRIBE;
	a.welcome.mark = 0;
	ck_assert_int_eq(described(&a, sizeof(a.welcome), &d), -EOPNOTSUPP);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(refusal_is_the_error)
{
	struct answer a = answer(0);
	qbipc_description_t *d;

	a.welcome.error = -EACCES;
	ck_assert_int_eq(described(&a, sizeof(a.welcome), &d), -EACCES);
	/* No refusal of ours is positive: success must not come of it. */
	a.welcome.error = 1;
	ck_assert_int_eq(described(&a, sizeof(a), &d), -EBADMSG);
	ck_assert_ptr_null(d);
}
END_TEST

/* Cut by a socket that did not take all, the rest is asked for. */
START_TEST(pages_are_put_together)
{
	struct answer pages[] = { answer(3), answer(2), answer(0) };
	size_t sizes[] = { UP_TO_REST + 3 * RECORD - 1, UP_TO_REST + 2 * RECORD, UP_TO_REST };
	qbipc_description_t *d;

	record_put(&pages[0], 0, -5, "first");
	record_put(&pages[0], RECORD, 0, "");
	record_put(&pages[1], 0, 1, "third");
	record_put(&pages[1], RECORD, 7, "\033[31m");
	pages[1].head.more = 1;
	ck_assert_int_eq(described_in_pages(pages, sizes, 3, false, &d), 0);
	ck_assert_uint_eq(listed(d), 4);
	record_expect(d, 0, -5, "first");
	record_expect(d, 1, 0, NULL);
	record_expect(d, 2, 1, "third");
	record_expect(d, 3, 7, "\033[31m");
	qbipc_description_free(d);
}
END_TEST

/* Otherwise a service could keep who asks it busy for ever, and fill its memory. */
START_TEST(ids_that_do_not_go_up_are_refused)
{
	struct answer pages[] = { answer(1), answer(1) };
	size_t sizes[] = { sizeof(pages[0]), sizeof(pages[1]) };
	qbipc_description_t *d;
	int32_t second;

	pages[0].head.more = 1;
	record_put(&pages[0], 0, 30, "");
	for (second = 29; second <= 30; second++) {
		record_put(&pages[1], 0, second, "");
		ck_assert_int_eq(described_in_pages(pages, sizes, 2, false, &d), -EBADMSG);
		ck_assert_ptr_null(d);
	}
	pages[0].head.records = 2;
	record_put(&pages[0], RECORD, 30, "");
	ck_assert_int_eq(described_in_pages(pages, sizes, 1, false, &d), -EBADMSG);
}
END_TEST

/* Behind the highest id there is nothing that could be asked for. */
START_TEST(page_with_the_highest_id_is_the_last)
{
	struct answer a = answer(1);
	qbipc_description_t *d;

	a.head.more = 1;
	record_put(&a, 0, INT32_MAX, "last");
	ck_assert_int_eq(described(&a, sizeof(a), &d), 0);
	ck_assert_uint_eq(listed(d), 1);
	qbipc_description_free(d);
}
END_TEST

START_TEST(page_of_another_process_is_refused)
{
	struct answer pages[] = { answer(1), answer(1) };
	size_t sizes[] = { sizeof(pages[0]), sizeof(pages[1]) };
	qbipc_description_t *d;

	pages[0].head.more = 1;
	record_put(&pages[0], 0, 20, "");
	record_put(&pages[1], 0, 30, "");
	ck_assert_int_eq(described_in_pages(pages, sizes, 2, true, &d), -ECONNRESET);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(description_that_was_cut_has_what_came_whole)
{
	struct answer a = answer(3);
	qbipc_description_t *d;

	ck_assert_int_eq(described(&a, UP_TO_REST + RECORD - 1, &d), 0);
	ck_assert_uint_eq(listed(d), 0);
	qbipc_description_free(d);
	ck_assert_int_eq(described(&a, UP_TO_REST - 1, &d), -ECONNRESET);
	ck_assert_int_eq(described(&a, sizeof(a.welcome) + 15, &d), -ECONNRESET);
	ck_assert_int_eq(described(&a, sizeof(a.welcome), &d), -ECONNRESET);
}
END_TEST

START_TEST(name_without_an_end_is_refused)
{
	struct answer a = answer(1);
	qbipc_description_t *d;

	record_put(&a, 0, 1, "");
	memset(a.rest + offsetof(struct qbi_description_record, name), 'n',
	       QBI_DESCRIPTION_NAME);
	ck_assert_int_eq(described(&a, sizeof(a), &d), -EBADMSG);
	ck_assert_ptr_null(d);
}
END_TEST

/* Head and records longer than known here, and of odd size. */
START_TEST(description_of_a_newer_server_is_read_as_far_as_known)
{
	struct answer a = answer(2);
	qbipc_description_t *d;

	a.head.head_size += 5;
	a.head.record_size += 3;
	record_put(&a, 5, 1, "one");
	record_put(&a, 5 + a.head.record_size, 2, "two");
	ck_assert_int_eq(described(&a, sizeof(a), &d), 0);
	ck_assert_uint_eq(listed(d), 2);
	record_expect(d, 0, 1, "one");
	record_expect(d, 1, 2, "two");
	qbipc_description_free(d);
}
END_TEST

START_TEST(description_that_lies_about_its_size_is_refused)
{
	static const struct {
		uint32_t mark, head_size, record_size, records;
	} lies[] = {
		{ 0, 0, RECORD, 1 },
		{ 0, 31, RECORD, 1 },
		{ 0, UINT32_MAX, RECORD, 1 },
		{ 0, 32, 0, 1 },
		{ 0, 32, RECORD - 1, 1 },
		{ 0, 32, UINT32_MAX, 1 },
		{ 0, 32, RECORD, UINT32_MAX },
		{ 0, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 0, 32, RECORD, QBI_PAGE_MAX / RECORD + 1 },
		{ 1, 32, RECORD, 1 },
	};
	qbipc_description_t *d;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct answer a = answer(1);

		a.head.mark += lies[i].mark;
		a.head.head_size = lies[i].head_size;
		a.head.record_size = lies[i].record_size;
		a.head.records = lies[i].records;
		ck_assert_int_eq(described(&a, sizeof(a), &d), -EBADMSG);
		ck_assert_ptr_null(d);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("asking whatever answers for its handlers");
	TCase *tc = tcase_new(s, "descriptions");

	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, nobody_is_refused_connection);
	tcase_add_test(tc, full_queue_is_a_timeout);
	tcase_add_test(tc, server_that_cannot_be_asked_is_told);
	tcase_add_test(tc, refusal_is_the_error);
	tcase_add_test(tc, pages_are_put_together);
	tcase_add_test(tc, ids_that_do_not_go_up_are_refused);
	tcase_add_test(tc, page_with_the_highest_id_is_the_last);
	tcase_add_test(tc, page_of_another_process_is_refused);
	tcase_add_test(tc, description_that_was_cut_has_what_came_whole);
	tcase_add_test(tc, name_without_an_end_is_refused);
	tcase_add_test(tc, description_of_a_newer_server_is_read_as_far_as_known);
	tcase_add_test(tc, description_that_lies_about_its_size_is_refused);
	return suite_main(s);
}
