/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service says of itself to anybody who asks, and to who asks to do harm. The server
 * is the library's, over all transports; its callbacks are in the trace.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
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
#include "tests/tool/ask.h"
#include "tests/tool/fake.h"
#include "wire/snapshot.h"

enum { BIG = 1 << 20 };

/* -- Probe ------------------------------------------------------------------------ */

START_TEST(probe_tells_process_transport_wire_and_size)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbipc_probe_info info = ask_probe(h->name, 0);

	ck_assert_int_eq(info.pid, h->pid);
	ck_assert_uint_eq(info.uid, geteuid());
	ck_assert_uint_eq(info.gid, getegid());
	ck_assert_int_eq(info.error, 0);
	ck_assert_int_eq(info.type, variants[_i].type);
	ck_assert_uint_eq(info.native, variants[_i].libqb_wire ? 0 : 1);
	ck_assert_uint_eq(info.max_msg_size, QBI_MIN_MSG_SIZE);
	ck_assert_int_eq(info.connected, 0);
	ck_assert_uint_gt(info.answer_ns, 0);
	host_stop(h);
}
END_TEST

START_TEST(probe_is_told_the_size_that_a_client_would_get)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, BIG);

	ck_assert_uint_eq(ask_probe(h->name, BIG).max_msg_size,
			  (uint32_t)qb_ipcc_get_buffer_size(c));
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(probe_for_too_large_messages_is_refused)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	ck_assert_int_eq(ask_probe(h->name, 1u << 30).error, -EMSGSIZE);
	ck_assert_int_eq(qbipc_probe(h->name, (1u << 30) + 1, 0,
				     &(struct qbipc_probe_info){
					     .size = sizeof(struct qbipc_probe_info) }),
			 -EMSGSIZE);
	host_stop(h);
}
END_TEST

/* The first connection that callbacks and counters hear of is the first client's. */
START_TEST(questions_run_no_callback_and_count_as_no_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qb_ipcs_stats stats;
	qb_ipcc_connection_t *c;

	ask_probe(h->name, 0);
	qbipc_snapshot_free(ask_watch(h->name));
	ck_assert_str_eq(host_trace(h), "");
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	host_expect_trace(h, "accept:1 created:1 msg:1");
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	ask_probe(h->name, 0);
	host_call(h, remote_stats, 0);
	memcpy(&stats, h->shared->blob, sizeof(stats));
	ck_assert_uint_eq(stats.active_connections, 0);
	ck_assert_uint_eq(stats.closed_connections, 1);
	host_stop(h);
}
END_TEST

static int32_t refuse(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return -EACCES;
}

START_TEST(service_that_refuses_clients_answers_probes)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = refuse });

	ck_assert_int_eq(ask_probe(h->name, 0).error, 0);
	ck_assert_str_eq(host_trace(h), "");
	host_stop(h);
}
END_TEST

START_TEST(service_whose_flow_is_off_answers)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qbipc_snapshot_t *s;

	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	ck_assert_int_eq(ask_probe(h->name, 0).error, 0);
	s = ask_watch(h->name);
	ck_assert_uint_eq(info_of(s).flow, 2);
	qbipc_snapshot_free(s);
	host_stop(h);
}
END_TEST

START_TEST(client_without_the_native_wire_is_told_of_the_other)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	qbipc_native_set(0);
	ck_assert_uint_eq(ask_probe(h->name, 0).native, 0);
	qbipc_native_set(1);
	host_stop(h);
}
END_TEST

/* -- Those who mean no good ----------------------------------------------------------- */

enum { ASKERS = 200 };

/*
 * The server has forgotten each of them with the answer: its end is closed while they
 * keep theirs and read nothing, and it serves others as before.
 */
START_TEST(askers_that_read_nothing_are_forgotten)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int fds[ASKERS];
	size_t i;

	for (i = 0; i < ASKERS; i++) {
		struct qbi_hello hello = fake_hello((const uint32_t[]){
			QBI_ABILITY_WATCH, QBI_ABILITY_PROBE, QBI_ABILITY_DESCRIBE }[i % 3]);

		fds[i] = fake_client(h->name);
		fake_send(fds[i], &hello, sizeof(hello));
	}
	client_echo(c, 100);
	for (i = 0; i < ASKERS; i++) {
		struct pollfd p = { .fd = fds[i] };

		ck_assert_int_eq(poll(&p, 1, deadline_ms()), 1);
		ck_assert_int_ne(p.revents & POLLHUP, 0);
	}
	client_echo(c, 100);
	host_await_trace(h, "msg:1 msg:1");
	ck_assert_ptr_null(strstr(host_trace(h), "accept:2"));
	for (i = 0; i < ASKERS; i++)
		close(fds[i]);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(question_asked_twice_is_answered_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbi_hello twice[2] = { fake_hello(QBI_ABILITY_WATCH),
				      fake_hello(QBI_ABILITY_WATCH) };
	struct qbi_welcome welcome;
	int fd = fake_client(h->name);
	size_t size;
	uint8_t *all;

	fake_send(fd, twice, sizeof(twice));
	all = fake_read_to_end(fd, &size);
	ck_assert_uint_eq(size, sizeof(welcome) + sizeof(struct qbi_snapshot_head));
	memcpy(&welcome, all, sizeof(welcome));
	ck_assert_uint_eq(welcome.abilities, QBI_ABILITY_WATCH);
	free(all);
	close(fd);
	ask_probe(h->name, 0);
	host_stop(h);
}
END_TEST

START_TEST(question_may_come_byte_by_byte)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbi_hello hello = fake_hello(QBI_ABILITY_PROBE);
	int fd = fake_client(h->name);
	size_t i, size;

	for (i = 0; i < sizeof(hello); i++)
		fake_send(fd, (char *)&hello + i, 1);
	free(fake_read_to_end(fd, &size));
	ck_assert_uint_eq(size, sizeof(struct qbi_welcome));
	close(fd);
	host_stop(h);
}
END_TEST

/* Of the server's memory nothing goes out with an answer, and no descriptor. */
START_TEST(answer_to_a_question_has_no_names_and_no_descriptors)
{
	static const struct qbi_welcome zero;
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbi_hello hello = fake_hello(QBI_ABILITY_PROBE);
	struct qbi_welcome w;
	char control[256];
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd = fake_client(h->name);

	fake_send(fd, &hello, sizeof(hello));
	ck_assert_int_eq(recvmsg(fd, &m, MSG_WAITALL), (ssize_t)sizeof(w));
	ck_assert_ptr_null(CMSG_FIRSTHDR(&m));
	ck_assert_uint_eq(w.opaque, 0);
	ck_assert_int_eq(memcmp(w.request, zero.request, 3 * sizeof(w.request)), 0);
	close(fd);
	host_stop(h);
}
END_TEST

/* How many descriptors came with the answer, which is received and closed. */
static size_t answer_descriptors(int fd)
{
	struct qbi_welcome w;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int[8]))];
	} control;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg;
	size_t n = 0, i;

	ck_assert_int_eq(recvmsg(fd, &m, MSG_WAITALL), (ssize_t)sizeof(w));
	ck_assert_uint_ne(w.abilities & QBI_ABILITY_PROBE, 0);
	cmsg = CMSG_FIRSTHDR(&m);
	if (cmsg) {
		int fds[8];

		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
		for (i = 0; i < n; i++)
			close(fds[i]);
	}
	close(fd);
	return n;
}

static int sample_ask(const char *name)
{
	struct qbi_hello hello = fake_hello(QBI_ABILITY_PROBE | QBI_ABILITY_SAMPLE);
	struct pollfd p = { .fd = fake_client(name), .events = POLLIN };

	fake_send(p.fd, &hello, sizeof(hello));
	ck_assert_int_eq(poll(&p, 1, deadline_ms()), 1);
	return p.fd;
}

/* As many as a connection gets: docs/protocol.md. */
START_TEST(answer_to_a_probe_has_descriptors_if_it_asks_for_them)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	unsigned int native = variants[_i].type == QB_IPC_SHM ? 2 : 3;

	ck_assert_uint_eq(answer_descriptors(sample_ask(h->name)),
			  variants[_i].libqb_wire ? 0 : native);
	host_stop(h);
}
END_TEST

static void hello_is_a_clients(int i, const struct qbi_hello *hello)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i) });
	int fd = fake_client(h->name);

	fake_send(fd, hello, sizeof(*hello));
	host_expect_trace(h, "accept:1 created:1");
	close(fd);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	host_stop(h);
}

START_TEST(unknown_abilities_ask_nothing)
{
	struct qbi_hello hello =
		fake_hello(~(QBI_ABILITY_PROBE | QBI_ABILITY_WATCH | QBI_ABILITY_DESCRIBE |
			     QBI_ABILITY_MONITOR | QBI_ABILITY_BELL));

	hello_is_a_clients(_i, &hello);
}
END_TEST

START_TEST(abilities_without_the_mark_ask_nothing)
{
	struct qbi_hello hello =
		fake_hello(QBI_ABILITY_PROBE | QBI_ABILITY_WATCH | QBI_ABILITY_DESCRIBE |
			   QBI_ABILITY_MONITOR | QBI_ABILITY_BELL);

	hello.mark = 0;
	hello.version = 0;
	hello_is_a_clients(_i, &hello);
}
END_TEST

/* Each code: what only a server, or nobody, can say of itself is not believed. */
START_TEST(reason_of_a_client_is_believed_of_itself_only)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	uint32_t code;

	for (code = 0; code < 16; code++) {
		bool own = code == QBIPC_WHY_CLIENT_OFF || code == QBIPC_WHY_CLIENT_REFUSED ||
			   code == QBIPC_WHY_CLIENT_SHORT || code == QBIPC_WHY_OVERCOMMIT;
		struct qbi_hello hello =
			fake_hello((0xff00u | code << 4 | code) << QBI_ABILITIES_WHY_SHIFT);
		struct qbipc_snapshot_connection c;
		int fd = fake_client(h->name);
		char created[32];
		qbipc_snapshot_t *s;

		hello.version = 0;
		fake_send(fd, &hello, sizeof(hello));
		snprintf(created, sizeof(created), "created:%u", code + 1);
		host_await_trace(h, created);
		s = ask_watch(h->name);
		c = connection_of(s, 0);
		ck_assert_int_eq(c.why, own ? (int)code : QBIPC_WHY_LIBQB);
		ck_assert_int_eq(c.why_error, own ? 0xff : 0);
		qbipc_snapshot_free(s);
		close(fd);
		snprintf(created, sizeof(created), "destroyed:%u", code + 1);
		host_await_trace(h, created);
	}
	host_stop(h);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("questions to a service");
	TCase *tc = tcase_new(s, "probe");

	add_transport_test(tc, probe_tells_process_transport_wire_and_size);
	add_transport_test(tc, probe_is_told_the_size_that_a_client_would_get);
	add_transport_test(tc, probe_for_too_large_messages_is_refused);
	add_transport_test(tc, questions_run_no_callback_and_count_as_no_connection);
	add_transport_test(tc, service_that_refuses_clients_answers_probes);
	add_transport_test(tc, service_whose_flow_is_off_answers);
	add_transport_test(tc, client_without_the_native_wire_is_told_of_the_other);
	tc = tcase_new(s, "hostile clients");
	add_variant_test(tc, askers_that_read_nothing_are_forgotten);
	add_transport_test(tc, question_asked_twice_is_answered_once);
	add_variant_test(tc, question_may_come_byte_by_byte);
	add_transport_test(tc, answer_to_a_question_has_no_names_and_no_descriptors);
	add_transport_test(tc, answer_to_a_probe_has_descriptors_if_it_asks_for_them);
	add_transport_test(tc, unknown_abilities_ask_nothing);
	add_transport_test(tc, abilities_without_the_mark_ask_nothing);
	add_transport_test(tc, reason_of_a_client_is_believed_of_itself_only);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
