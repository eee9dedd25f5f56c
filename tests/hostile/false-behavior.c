/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server that makes an honest offer, and then fills the shared memory with junk,
 * truncates it, sends what was not asked for, never reads, or dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

static void bells_ring(struct truth *t)
{
	(void)send(t->stream, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)truth_bell(t);
	for (unsigned int i = 1; i < t->mine.n_fds; i++)
		(void)send(t->mine.fds[i], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* -- Junk in the rings ------------------------------------------------------------------ */

static void fill_with_junk(struct truth *t, unsigned int which)
{
	truth_send(t);
	while (!truth_client_left(t)) {
		for (int i = 0; i < CHANNELS; i++) {
			struct raw_ring *r = &t->mine.ring[i];

			random_fill(r->data, 4096);
			if (which == 0)
				random_fill(r->words, t->mine.native ? NATIVE_RING : 16);
			else
				put_u64(r->words + (t->mine.native ? NATIVE_TAIL : QB_BOTH),
					chance() % 64 * 8);
		}
		bells_ring(t);
		pause_briefly();
	}
}

START_TEST(rings_full_of_junk_are_survived)
{
	for (unsigned int i = 0; i < 8; i++)
		client_must_survive(_i, fill_with_junk, i % 2);
}
END_TEST

static const uint32_t lengths[] = { 0, 1, 23, WIRE_SMALLEST + 1, 1u << 31, UINT32_MAX };

/* A message whose length is a lie, as response and as event. */
static void lie_about_length(struct truth *t, unsigned int which)
{
	struct native_record record = { lengths[which], NATIVE_MESSAGE };
	char bytes[100] = "";
	bool ring;

	truth_send(t);
	for (int i = RESPONSE; i <= EVENT; i++)
		if (t->mine.native)
			(void)native_put(&t->mine, i, &record, bytes, sizeof(bytes), &ring);
		else
			(void)qb_put(&t->mine, i, lengths[which], QB_VALID, bytes,
				     sizeof(bytes));
	bells_ring(t);
}

START_TEST(lengths_that_lie_are_survived)
{
	for (unsigned int i = 0; i < COUNT(lengths); i++)
		client_must_survive(_i, lie_about_length, i);
}
END_TEST

/* Larger than the client has room for, smaller than a header, empty. */
static void send_odd_sizes(struct truth *t, unsigned int which)
{
	static const size_t sizes[] = { 0, 1, 15, 23, WIRE_SMALLEST + 1, 2 * WIRE_SMALLEST };
	char bytes[2 * WIRE_SMALLEST] = "", r[200];

	truth_send(t);
	while (!truth_client_left(t)) {
		if (truth_take(t, r, sizeof(r)) == -EAGAIN)
			pause_briefly();
		(void)truth_put(t, RESPONSE, bytes, sizes[which]);
		(void)truth_put(t, EVENT, bytes, sizes[which]);
	}
}

START_TEST(messages_of_any_size_are_survived)
{
	for (unsigned int i = 0; i < 6; i++)
		client_must_survive(_i, send_odd_sizes, i);
}
END_TEST

/* Native packets that do not belong together. */
static void send_odd_packets(struct truth *t, unsigned int which)
{
	static const struct native_packet packets[] = {
		{ WIRE_SMALLEST + 1, 0 },
		{ 100, 1 },
		{ 10, 0 },
		{ 100, 0 },
		{ UINT32_MAX, 0 },
		{ BODY_MOST, 0 },
		{ BODY_MOST + 1, 0 },
	};
	char bytes[50];

	truth_send(t);
	memset(bytes, 0x7f, sizeof(bytes));
	memcpy(bytes, &packets[which], sizeof(packets[which]));
	while (!truth_client_left(t)) {
		(void)send(t->mine.fds[1], bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)send(t->mine.fds[2], bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
		pause_briefly();
	}
}

START_TEST(packets_that_contradict_each_other_are_survived)
{
	for (unsigned int i = 0; i < 7; i++)
		client_must_survive(_i, send_odd_packets, i);
}
END_TEST

/* The first piece of a body is good, the second one not, or a message. */
static void send_odd_pieces(struct truth *t, unsigned int which)
{
	static const uint32_t second[][2] = {
		{ BODY_MOST, 0 },     { BODY_MOST, 41 },	{ BODY_MOST, UINT32_MAX },
		{ UINT32_MAX, 40 },   { BODY_MOST - 1, 40 },	{ BODY_MOST + 1, 40 },
		{ WIRE_SMALLEST, 0 }, { BODY_MOST, BODY_MOST },
	};
	struct native_record record = { 48, NATIVE_PIECE };
	unsigned char bytes[48] = "";
	bool ring;

	truth_send(t);
	for (int i = RESPONSE; i <= EVENT; i++) {
		put_u32(bytes, BODY_MOST);
		put_u32(bytes + 4, 0);
		(void)native_put(&t->mine, i, &record, bytes, sizeof(bytes), &ring);
		if (which == COUNT(second)) {
			record.kind = NATIVE_MESSAGE;
		} else {
			put_u32(bytes, second[which][0]);
			put_u32(bytes + 4, second[which][1]);
		}
		(void)native_put(&t->mine, i, &record, bytes, sizeof(bytes), &ring);
		record.kind = NATIVE_PIECE;
	}
	bells_ring(t);
}

START_TEST(pieces_that_do_not_follow_are_survived)
{
	for (unsigned int i = 0; i <= 8; i++)
		client_must_survive(_i, send_odd_pieces, i);
}
END_TEST

/* -- Wake-ups ------------------------------------------------------------------------------- */

/* As the end, although the process stays. */
static void end_in_other_ways(struct truth *t, unsigned int which)
{
	bool pairs = t->mine.native && t->mine.type == WIRE_SOCKETS;

	truth_send(t);
	for (unsigned int i = NATIVE_CALL_FD; pairs && i <= NATIVE_EVENT_FD; i++)
		if (which == 0)
			(void)send(t->mine.fds[i], "", 0, MSG_NOSIGNAL);
		else
			(void)shutdown(t->mine.fds[i], SHUT_WR);
	if (!pairs)
		(void)shutdown(t->stream, SHUT_WR);
	while (!truth_client_left(t))
		pause_briefly();
}

START_TEST(half_closed_sockets_and_packets_of_no_bytes_are_the_end)
{
	for (unsigned int which = 0; which < 2; which++) {
		struct false_server f;
		qb_ipcc_connection_t *c;
		char buf[WIRE_SMALLEST];

		false_begin(&f, _i, end_in_other_ways, which);
		c = qb_ipcc_connect(f.name, 0);
		ck_assert_ptr_nonnull(c);
		ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), deadline_ms()),
				 -ENOTCONN);
		ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), deadline_ms()), -ENOTCONN);
		qb_ipcc_disconnect(c);
		false_end(&f);
	}
}
END_TEST

static void ring_without_reason(struct truth *t, unsigned int which)
{
	truth_send(t);
	while (!truth_client_left(t))
		bells_ring(t);
}

START_TEST(wake_ups_without_messages_are_survived)
{
	client_must_survive(_i, ring_without_reason, 0);
}
END_TEST

static void never_read(struct truth *t, unsigned int which)
{
	truth_send(t);
	AWAIT(raw_is_dropped(&t->mine));
}

/* A sender is told that there is no room; it does not wait for it for ever. */
START_TEST(server_that_never_reads_blocks_nobody)
{
	uint64_t began = now_ms();
	struct false_server f;
	qb_ipcc_connection_t *c;
	ssize_t n = 0;

	false_begin(&f, _i, never_read, 0);
	c = client_connect(f.name, 0);
	for (int i = 0; i < 100000 && n >= 0; i++)
		n = client_send(c, MSG_ECHO, 1000);
	ck_assert_int_eq(n, -EAGAIN);
	qb_ipcc_disconnect(c);
	ck_assert_uint_lt(now_ms() - began, (uint64_t)deadline_ms());
	false_end(&f);
}
END_TEST

enum { BODY_LARGE = 64 << 20, SERVER_BODY_AT = 1152, NAP_MS = 300 };

/* One record, or what is in the socket: a packet or two. */
static void little_take(struct truth *t)
{
	struct raw_ring *r = &t->mine.ring[REQUEST];
	char bytes[1 << 17];
	uint64_t head, tail;
	uint32_t length;

	if (t->mine.type == WIRE_SOCKETS) {
		while (recv(t->mine.fds[NATIVE_CALL_FD], bytes, sizeof(bytes), MSG_DONTWAIT) >
		       0)
			;
		return;
	}
	head = get_u64(r->words + NATIVE_HEAD);
	tail = get_u64(r->words + NATIVE_TAIL) & ~(uint64_t)NATIVE_RUNG;
	if (tail == head)
		return;
	length = get_u32(r->data + head % r->size);
	put_u64(r->words + NATIVE_HEAD, head + 8 + ((length + 7) & ~7u));
}

/* Always a little, long before the sender loses patience. */
static void take_little_at_a_time(struct truth *t, unsigned int which)
{
	put_u32(t->mine.memory + SERVER_BODY_AT, BODY_LARGE);
	truth_send(t);
	while (!raw_is_dropped(&t->mine)) {
		little_take(t);
		poll(NULL, 0, NAP_MS);
	}
}

/* All of it would take minutes. */
START_TEST(server_that_takes_a_body_little_by_little_does_not_keep_its_sender)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	uint64_t began, took;

	false_begin(&f, _i, take_little_at_a_time, 0);
	c = client_connect(f.name, 0);
	began = now_ms();
	ck_assert_int_eq(client_send(c, MSG_ECHO, BODY_LARGE), BODY_LARGE);
	took = now_ms() - began;
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -EAGAIN);
	/* For as long as promised; not until it has lost patience. */
	ck_assert_uint_ge(took, 1500);
	ck_assert_uint_lt(took, (uint64_t)deadline_ms());
	qb_ipcc_disconnect(c);
	false_end(&f);
}
END_TEST

/* -- Files truncated, holes ------------------------------------------------------------------- */

static void truncate_later(struct truth *t, unsigned int which)
{
	char names[2 * CHANNELS][400];
	int n = 0;

	if (t->mine.type == WIRE_MEMORY)
		for (int i = 0; i < CHANNELS; i++)
			for (int k = 0; k < 2; k++)
				snprintf(names[n++], 400, "%s", t->mine.ring[i].path[k]);
	else
		snprintf(names[n++], 400, "%.300s", t->welcome.request);
	truth_send(t);
	/* Before the client's first call, or in between. */
	if (which) {
		char buf[200];

		AWAIT(truth_client_left(t) || truth_take(t, buf, sizeof(buf)) > 0);
	}
	for (int i = 0; i < n; i++)
		REQUIRE_EQ(truncate(names[i], 0), 0);
	bells_ring(t);
}

START_TEST(files_truncated_later_are_survived)
{
	for (unsigned int i = 0; i < 6; i++)
		client_must_survive(_i, truncate_later, i % 2);
}
END_TEST

static void hole_punch(int fd, size_t size)
{
	REQUIRE_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size),
		   0);
}

static void punch_all_the_time(struct truth *t, unsigned int which)
{
	truth_send(t);
	while (!truth_client_left(t)) {
		hole_punch(t->mine.fds[NATIVE_COMMON_FD], t->mine.memory_size);
		if (t->mine.sent)
			hole_punch(t->mine.fds[NATIVE_SENT_FD], t->mine.sent_size);
		bells_ring(t);
		pause_briefly();
	}
}

START_TEST(holes_punched_all_the_time_are_survived)
{
	client_must_survive(_i, punch_all_the_time, 0);
}
END_TEST

/* -- Death ------------------------------------------------------------------------------------- */

enum { STEPS = 6 };

static void die_at(struct truth *t, unsigned int which)
{
	char buf[200];

	switch (which) {
	case 0: break;
	case 1: truth_send_part(t, 100); break;
	case 2: truth_send(t); break;
	default:
		truth_send(t);
		AWAIT(truth_client_left(t) || truth_take(t, buf, sizeof(buf)) > 0);
		if (which > 3)
			bells_ring(t);
	}
	if (which % 2)
		raise(SIGKILL);
	truth_end(t);
	_exit(0);
}

/* As client_must_survive(), but the server ends before the client, one way or other. */
START_TEST(death_at_every_step_is_noticed)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		struct false_server f;
		qb_ipcc_connection_t *c;
		char buf[200];
		ssize_t n = 0;

		false_begin(&f, _i, die_at, i);
		c = qb_ipcc_connect(f.name, 0);
		ck_assert(c || errno > 0);
		if (c) {
			(void)client_send(c, MSG_ECHO, 100);
			while (n >= 0)
				n = qb_ipcc_recv(c, buf, sizeof(buf), -1);
			ck_assert_int_eq(n, -ENOTCONN);
			ck_assert_int_eq(qb_ipcc_is_connected(c), 0);
			qb_ipcc_disconnect(c);
		}
		false_kill(&f);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: false behavior");
	TCase *tc = tcase_new(s, "junk");

	add_attack(tc, rings_full_of_junk_are_survived, ON_MEMORY);
	add_attack(tc, lengths_that_lie_are_survived, ON_MEMORY);
	add_transport_test(tc, messages_of_any_size_are_survived);
	add_attack(tc, packets_that_contradict_each_other_are_survived, ON_NATIVE_SOCKETS);
	add_attack(tc, pieces_that_do_not_follow_are_survived, ON_NATIVE_MEMORY);
	add_transport_test(tc, wake_ups_without_messages_are_survived);
	add_transport_test(tc, server_that_never_reads_blocks_nobody);
	add_attack(tc, server_that_takes_a_body_little_by_little_does_not_keep_its_sender,
		   ON_NATIVE);

	tc = tcase_new(s, "taken away");
	add_attack(tc, files_truncated_later_are_survived, ON_QB);
	add_attack(tc, holes_punched_all_the_time_are_survived, ON_NATIVE);
	add_transport_test(tc, half_closed_sockets_and_packets_of_no_bytes_are_the_end);
	add_transport_test(tc, death_at_every_step_is_noticed);
	return arena_main(s);
}
