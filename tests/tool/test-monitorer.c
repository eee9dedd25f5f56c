/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Either end of a monitor by hand: a service that cannot be monitored, a newer one, one that
 * lies; and monitors that do not do what ours does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"
#include "tests/tool/fake.h"
#include "wire/monitor.h"

/* -- What a service may send ----------------------------------------------------------- */

struct answer {
	struct qbi_welcome welcome;
	struct qbi_monitor_head head;
	uint8_t rest[1024];
};

#define UP_TO_REST offsetof(struct answer, rest)

static struct answer answer(void)
{
	return (struct answer){
		.welcome = fake_welcome(QBI_ABILITY_MONITOR),
		.head = { .mark = QBI_MONITOR_MARK,
			  .head_size = sizeof(struct qbi_monitor_head),
			  .service_id = 5 },
	};
}

static int monitor_answered(const struct answer *a, size_t size, qbipc_monitor_t **ret)
{
	struct fake_server f;
	int r;

	*ret = NULL;
	fake_server_start(&f, a, size, 0);
	r = qbipc_monitor_open(f.name, NULL, deadline_ms(), ret);
	fake_server_stop(&f);
	return r;
}

static void open_expect(const struct answer *a, size_t size, int expected)
{
	qbipc_monitor_t *m;

	ck_assert_int_eq(monitor_answered(a, size, &m), expected);
	ck_assert(expected < 0 ? !m : !!m);
	qbipc_monitor_close(m);
}

static size_t record_put(struct answer *a, size_t at, uint64_t number, size_t size,
			 uint32_t bytes)
{
	struct qbi_monitor_record r = {
		.size = (uint32_t)size,
		.bytes = bytes,
		.kind = QBIPC_MONITOR_REQUEST,
		.number = number,
		.msg_size = bytes,
	};

	memcpy(a->rest + at, &r, sizeof(r));
	memset(a->rest + at + sizeof(r), 0xaa, size - sizeof(r));
	memset(a->rest + at + size, 'b', bytes);
	return at + size + bytes;
}

START_TEST(service_without_monitors_is_told)
{
	struct answer a = answer();

	a.welcome.abilities = QBI_ABILITY_WATCH;
	open_expect(&a, sizeof(a.welcome), -EOPNOTSUPP);
	a = answer();
	a.welcome.mark = 0;
	open_expect(&a, sizeof(a.welcome), -EOPNOTSUPP);
	a = answer();
	a.welcome.error = -EPERM;
	open_expect(&a, sizeof(a.welcome), -EPERM);
	/* No refusal of ours is positive: success must not come of it. */
	a.welcome.error = 1;
	open_expect(&a, sizeof(a), -EBADMSG);
}
END_TEST

START_TEST(head_that_is_none_is_refused)
{
	struct answer a = answer();

	open_expect(&a, UP_TO_REST, 0);
	open_expect(&a, UP_TO_REST - 1, -ECONNRESET);
	open_expect(&a, sizeof(a.welcome), -ECONNRESET);
	a.head.head_size++;
	open_expect(&a, UP_TO_REST, -ECONNRESET);
	open_expect(&a, UP_TO_REST + 1, 0);
	a.head.head_size = sizeof(a.head) - 1;
	open_expect(&a, sizeof(a), -EBADMSG);
	a.head.head_size = QBI_MONITOR_HEAD_MAX + 1;
	open_expect(&a, sizeof(a), -EBADMSG);
	a = answer();
	a.head.mark++;
	open_expect(&a, sizeof(a), -EBADMSG);
}
END_TEST

/* Head and records longer than known here, and of odd size. */
START_TEST(records_of_a_newer_service_are_read_as_far_as_known)
{
	struct answer a = answer();
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	qbipc_monitor_t *m;
	size_t end;

	a.head.head_size += 5;
	end = record_put(&a, 5, 30, sizeof(struct qbi_monitor_record) + 3, 7);
	end = record_put(&a, end, 40, sizeof(struct qbi_monitor_record), 0);
	ck_assert_int_eq(monitor_answered(&a, UP_TO_REST + end + 10, &m), 0);
	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), 0);
	ck_assert_uint_eq(r.number, 30);
	ck_assert_uint_eq(r.bytes, 7);
	ck_assert_mem_eq(r.data, "bbbbbbb", 7);
	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), 0);
	ck_assert_uint_eq(r.number, 40);
	ck_assert_ptr_null(r.data);
	/* What follows is no whole record. */
	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), -ENOTCONN);
	qbipc_monitor_close(m);
}
END_TEST

START_TEST(record_that_lies_about_its_size_is_refused)
{
	static const uint32_t lies[][2] = {
		{ 0, 0 },
		{ sizeof(struct qbi_monitor_record) - 1, 0 },
		{ QBI_MONITOR_HEAD_MAX + 1, 0 },
		{ UINT32_MAX, 0 },
		{ sizeof(struct qbi_monitor_record), QBI_MONITOR_BYTES + 1 },
		{ sizeof(struct qbi_monitor_record), UINT32_MAX },
	};
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	qbipc_monitor_t *m;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct answer a = answer();

		memcpy(a.rest, lies[i], sizeof(lies[i]));
		ck_assert_int_eq(monitor_answered(&a, sizeof(a), &m), 0);
		ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), -EBADMSG);
		ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), -EBADMSG);
		qbipc_monitor_close(m);
	}
}
END_TEST

/* -- What a monitor may do --------------------------------------------------------------- */

static void payload_allow(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD), 0);
}

static struct qbi_monitor_wish wish(void)
{
	return (struct qbi_monitor_wish){ .mark = QBI_MONITOR_MARK,
					  .size = sizeof(struct qbi_monitor_wish) };
}

/* One that has been answered and has not said what it wants. */
static int monitor_begin(const char *name)
{
	struct qbi_hello hello = fake_hello(QBI_ABILITY_MONITOR);
	struct qbi_welcome welcome;
	int fd = fake_client(name);

	fake_send(fd, &hello, sizeof(hello));
	ck_assert_int_eq(recv(fd, &welcome, sizeof(welcome), MSG_WAITALL), sizeof(welcome));
	ck_assert_int_eq(welcome.error, 0);
	ck_assert_uint_eq(welcome.abilities, QBI_ABILITY_MONITOR);
	return fd;
}

static void head_expect(int fd)
{
	struct qbi_monitor_head head;

	ck_assert_int_eq(recv(fd, &head, sizeof(head), MSG_WAITALL), sizeof(head));
	ck_assert_uint_eq(head.mark, QBI_MONITOR_MARK);
	ck_assert_uint_eq(head.mode, QBIPC_MONITOR_PAYLOAD);
}

static void end_expect(int fd)
{
	size_t size;

	free(fake_read_to_end(fd, &size));
	close(fd);
}

static struct host *monitored_start(int variant, qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(variant), .quiet = true,
							   .prepare = payload_allow });

	*ret_c = client_connect(h->name, 0);
	return h;
}

static void monitored_stop(struct host *h, qb_ipcc_connection_t *c)
{
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(wish_may_come_in_pieces)
{
	struct qbi_monitor_wish w = wish();
	qb_ipcc_connection_t *c;
	struct host *h = monitored_start(_i, &c);
	int fd = monitor_begin(h->name);
	struct qbi_monitor_record r;
	size_t i;

	for (i = 0; i < sizeof(w); i++) {
		/* Not shown: it has not said what it wants. */
		if (i % 16 == 0)
			client_echo(c, 100);
		fake_send(fd, (const char *)&w + i, 1);
		host_call(h, remote_nothing);
	}
	head_expect(fd);
	client_echo(c, 200);
	ck_assert_int_eq(recv(fd, &r, sizeof(r), MSG_WAITALL), sizeof(r));
	ck_assert_uint_eq(r.msg_size, 200);
	close(fd);
	monitored_stop(h, c);
}
END_TEST

START_TEST(monitor_that_sends_what_it_should_not_is_dropped)
{
	struct qbi_monitor_wish lies[] = { wish(), wish(), wish(), wish(), { 0 } };
	struct qbi_monitor_wish two[] = { wish(), wish() };
	qb_ipcc_connection_t *c;
	struct host *h = monitored_start(_i, &c);
	size_t i;
	int fd;

	lies[0].mark++;
	lies[1].size++;
	lies[2].by_id = 2;
	lies[3].zero = 1;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fd = monitor_begin(h->name);
		fake_send(fd, &lies[i], sizeof(lies[i]));
		end_expect(fd);
	}
	/* A second wish, at once or later. */
	fd = monitor_begin(h->name);
	fake_send(fd, two, sizeof(two));
	end_expect(fd);
	fd = monitor_begin(h->name);
	fake_send(fd, two, sizeof(two[0]));
	head_expect(fd);
	fake_send(fd, "", 1);
	end_expect(fd);
	monitored_stop(h, c);
}
END_TEST

/* Whatever it still has open, it has left when it sends no more, or reads no more. */
START_TEST(monitor_that_closes_a_half_is_dropped)
{
	struct qbi_monitor_wish w = wish();
	qb_ipcc_connection_t *c;
	struct host *h = monitored_start(_i, &c);
	qbipc_monitor_t *all[4];
	size_t i;
	int fd;

	fd = monitor_begin(h->name);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	end_expect(fd);
	fd = monitor_begin(h->name);
	fake_send(fd, &w, sizeof(w));
	head_expect(fd);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	end_expect(fd);
	fd = monitor_begin(h->name);
	fake_send(fd, &w, sizeof(w));
	head_expect(fd);
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	client_echo(c, 100);
	client_echo(c, 100);
	/* All places are free again, although it keeps its end. */
	for (i = 0; i < 4; i++) {
		int r;

		do
			r = qbipc_monitor_open(h->name, NULL, deadline_ms(), &all[i]);
		while (r == -EUSERS);
		ck_assert_int_eq(r, 0);
	}
	for (i = 0; i < 4; i++)
		qbipc_monitor_close(all[i]);
	close(fd);
	monitored_stop(h, c);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("either end of a monitor");
	TCase *tc = tcase_new(s, "monitors");

	tcase_add_test(tc, service_without_monitors_is_told);
	tcase_add_test(tc, head_that_is_none_is_refused);
	tcase_add_test(tc, records_of_a_newer_service_are_read_as_far_as_known);
	tcase_add_test(tc, record_that_lies_about_its_size_is_refused);
	add_variant_test(tc, wish_may_come_in_pieces);
	add_variant_test(tc, monitor_that_sends_what_it_should_not_is_dropped);
	add_variant_test(tc, monitor_that_closes_a_half_is_dropped);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
