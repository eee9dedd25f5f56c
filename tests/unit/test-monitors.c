/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the monitors of a service may cost it, with a clock of our own: a send takes as long as
 * the test says, finds no room, or takes a part only.
 *
 * Linked with --wrap=send and --wrap=clock_gettime.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <qbipc/monitor.h>

#include "base/clock.h"
#include "server/monitor.h"
#include "tests/lib/variant.h"

enum { OTHER_USER = 65533, MESSAGE = 1000 };

static struct {
	uint64_t now;	    /* ns */
	uint64_t send_ns;   /* what each takes */
	uint64_t spent;	    /* by all of them */
	unsigned int sends; /* attempts */
	size_t room;	    /* bytes that each takes at most; 0: none */
} fake;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_MONOTONIC || !fake.now)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = (time_t)(fake.now / QBI_NS_PER_S);
	ts->tv_nsec = (long)(fake.now % QBI_NS_PER_S);
	return 0;
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	fake.sends++;
	fake.now += fake.send_ns;
	fake.spent += fake.send_ns;
	if (!fake.room) {
		errno = EAGAIN;
		return -1;
	}
	return __real_send(fd, data, size < fake.room ? size : fake.room, flags);
}

static int loop_add(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		    qb_ipcs_dispatch_fn_t fn)
{
	return 0;
}

static int loop_del(void *loop, int fd)
{
	return 0;
}

static struct {
	struct qbi_settings set;
	struct qbi_deadlines timer;
	struct qbi_monitors all;
} service;

static void service_setup(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.room = SIZE_MAX;
	memset(&service.set, 0, sizeof(service.set));
	service.set.generation = qbi_generation();
	service.set.loop.ops = (struct qbipc_loop_ops){ .size = sizeof(service.set.loop.ops),
							.add = loop_add,
							.mod = loop_add,
							.del = loop_del };
	qbi_deadlines_init(&service.timer);
	ck_assert_int_eq(qbi_deadlines_open(&service.timer, &service.set, NULL, NULL), 0);
	qbi_monitors_init(&service.all, &service.set, &service.timer);
	qbi_monitors_mode_set(&service.all, QBIPC_MONITOR_PAYLOAD);
}

static void service_teardown(void)
{
	qbi_monitors_close(&service.all);
	qbi_monitors_deinit(&service.all);
	qbi_deadlines_close(&service.timer);
}

/* One of @uid that wants everything; its end of the stream, behind the head. */
static int monitor_of(uid_t uid)
{
	struct qbi_monitor_wish wish = { .mark = QBI_MONITOR_MARK,
					 .size = sizeof(wish),
					 .bytes = QBI_MONITOR_BYTES };
	struct qbi_monitor *m = service.all.at;
	struct qbi_monitor_head head;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	while (m->fd >= 0)
		m++;
	ck_assert_int_eq(qbi_monitors_admit(&service.all, uid), 0);
	ck_assert_int_eq(qbi_monitors_add(&service.all, ends[0], uid), 0);
	ck_assert_int_eq(write(ends[1], &wish, sizeof(wish)), sizeof(wish));
	while (m->wish_size < sizeof(wish))
		ck_assert_int_eq(qbi_monitor_dispatch(m, POLLIN), 0);
	ck_assert_int_eq(read(ends[1], &head, sizeof(head)), sizeof(head));
	return ends[1];
}

static void message_pass(void)
{
	static char bytes[MESSAGE];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct qbi_msg msg = { &iov, 1, sizeof(bytes) };
	struct qbi_monitor_note note = { .record = { .kind = QBIPC_MONITOR_REQUEST },
					 .msg = &msg };

	qbi_monitors_note(&service.all, &note);
}

/* The next record and its message; returns how many were lost before it. */
static uint64_t record_read(int fd)
{
	struct qbi_monitor_record r;
	char bytes[MESSAGE];

	ck_assert_int_eq(recv(fd, &r, sizeof(r), MSG_WAITALL | MSG_DONTWAIT), sizeof(r));
	ck_assert_uint_eq(r.size, sizeof(r));
	ck_assert_uint_le(r.bytes, sizeof(bytes));
	if (r.bytes)
		ck_assert_int_eq(recv(fd, bytes, r.bytes, MSG_WAITALL | MSG_DONTWAIT),
				 (ssize_t)r.bytes);
	return r.lost;
}

static void tick(void)
{
	fake.now += 100 * QBI_NS_PER_MS;
	service.all.tick.fn(&service.all.tick);
}

/* Check takes the time too: give it back the real one. */
static void test_end(int fd)
{
	close(fd);
	fake.now = 0;
}

/* Tens of thousands may wait for the socket of a monitor, and each send wakes them all. */
START_TEST(monitors_of_other_users_have_a_share_of_the_time)
{
	int a = monitor_of(OTHER_USER), b = monitor_of(OTHER_USER);
	int i, begun;

	fake.now = 1000 * QBI_NS_PER_S;
	fake.send_ns = 15 * QBI_NS_PER_MS;
	for (i = 0; i < 1000; i++)
		message_pass();
	/* The first was allowed, and took more than the share by itself. */
	ck_assert_uint_eq(fake.spent, fake.send_ns);
	ck_assert_uint_eq(record_read(a), 0);
	for (begun = 0; begun < 10; begun++) {
		uint64_t before = fake.spent;

		fake.now += 100 * QBI_NS_PER_MS;
		for (i = 0; i < 100; i++)
			message_pass();
		ck_assert_uint_le(fake.spent - before, fake.send_ns);
	}
	close(b);
	test_end(a);
}
END_TEST

START_TEST(cheap_records_are_not_held_up)
{
	int a = monitor_of(OTHER_USER), i;

	fake.now = 1000 * QBI_NS_PER_S;
	fake.send_ns = 2000;
	for (i = 0; i < 20; i++) {
		message_pass();
		ck_assert_uint_eq(record_read(a), 0);
	}
	test_end(a);
}
END_TEST

START_TEST(our_own_user_has_no_share_to_keep_to)
{
	int a = monitor_of(geteuid()), i;

	fake.now = 1000 * QBI_NS_PER_S;
	fake.send_ns = 15 * QBI_NS_PER_MS;
	for (i = 0; i < 20; i++) {
		message_pass();
		ck_assert_uint_eq(record_read(a), 0);
	}
	test_end(a);
}
END_TEST

/* One that does not read costs no call per message. */
START_TEST(full_socket_is_left_alone_for_a_while)
{
	int a = monitor_of(geteuid()), i;

	fake.now = 1000 * QBI_NS_PER_S;
	fake.room = 0;
	fake.sends = 0;
	for (i = 0; i < 1000; i++)
		message_pass();
	ck_assert_uint_eq(fake.sends, 1);
	fake.now += QBI_NS_PER_MS;
	message_pass();
	ck_assert_uint_eq(fake.sends, 2);
	fake.room = SIZE_MAX;
	fake.now += QBI_NS_PER_MS;
	message_pass();
	ck_assert_uint_eq(record_read(a), 1001);
	test_end(a);
}
END_TEST

START_TEST(loss_is_told_when_nothing_passes_any_more)
{
	int a = monitor_of(geteuid());

	fake.now = 1000 * QBI_NS_PER_S;
	fake.room = 0;
	message_pass();
	message_pass();
	tick();
	tick();
	fake.room = SIZE_MAX;
	tick();
	ck_assert_uint_eq(record_read(a), 2);
	message_pass();
	ck_assert_uint_eq(record_read(a), 0);
	test_end(a);
}
END_TEST

START_TEST(record_that_was_sent_in_part_is_completed)
{
	int a = monitor_of(geteuid());
	unsigned int i;

	fake.now = 1000 * QBI_NS_PER_S;
	fake.room = 100;
	message_pass();
	message_pass();
	for (i = 0; i < MESSAGE / 100 + 1; i++)
		tick();
	fake.room = SIZE_MAX;
	tick();
	ck_assert_uint_eq(record_read(a), 0);
	ck_assert_uint_eq(record_read(a), 1);
	message_pass();
	ck_assert_uint_eq(record_read(a), 0);
	test_end(a);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("what monitors cost");
	TCase *tc = tcase_new(s, "monitors");

	tcase_add_checked_fixture(tc, service_setup, service_teardown);
	tcase_add_test(tc, monitors_of_other_users_have_a_share_of_the_time);
	tcase_add_test(tc, cheap_records_are_not_held_up);
	tcase_add_test(tc, our_own_user_has_no_share_to_keep_to);
	tcase_add_test(tc, full_socket_is_left_alone_for_a_while);
	tcase_add_test(tc, loss_is_told_when_nothing_passes_any_more);
	tcase_add_test(tc, record_that_was_sent_in_part_is_completed);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
