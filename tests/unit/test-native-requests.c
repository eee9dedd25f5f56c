/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests with a deadline, and cancels, in the ring and in packets: what a correct client
 * sends, and what another one may.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"
#include "transport/packets.h"

enum { CAPACITY = 4096, MAX = 1000, START = 4096 - 48, SIZE = 100, WORD = 8 };

#define KIND_MESSAGE 0x716d7367u
#define KIND_TIMED 0x716d7464u
#define KIND_CANCEL 0x7163616eu
#define TIMED_BIT 0x80000000u

static struct native_pair p;
static uint8_t body[2 * MAX], in[2 * MAX];

/* -- The ring ------------------------------------------------------------------------------- */

static void pair_begin(uint64_t offset)
{
	pair_open(&p, CAPACITY, MAX);
	pair_go_to(&p, (1ull << 40) + offset);
}

static uint64_t put_timed(size_t n, uint32_t seed, uint64_t deadline)
{
	struct iovec iov[2] = { { body, n / 3 }, { body + n / 3, n - n / 3 } };
	struct qbi_msg msg = { .iov = iov, .n = 2, .size = n };
	uint64_t place;
	bool ring;

	pattern_fill(body, n, seed);
	ck_assert_int_eq(qbi_ring_put_timed(&p.producer, &msg, deadline, &place, &ring), 0);
	return place;
}

static uint64_t take_timed(size_t n, uint32_t seed)
{
	uint64_t word = 5;
	size_t size = SIZE_MAX;

	ck_assert_int_eq(qbi_ring_take_request(&p.consumer, in, MAX, &size, &word), QBI_TIMED);
	ck_assert_uint_eq(size, n);
	ck_assert(pattern_matches(in, n, seed));
	return word;
}

static int take_any(size_t *ret_size, uint64_t *ret_word)
{
	char *buf = malloc(MAX);
	int r;

	ck_assert_ptr_nonnull(buf);
	r = qbi_ring_take_request(&p.consumer, buf, MAX, ret_size, ret_word);
	free(buf);
	return r;
}

START_TEST(request_with_a_deadline_goes_round_the_end_at_every_offset)
{
	for (uint64_t offset = CAPACITY - 160; offset < CAPACITY; offset += 8) {
		pair_begin(offset);
		for (size_t n = 0; n < 40; n++) {
			(void)put_timed(n, 7, 1000 + n);
			ck_assert_uint_eq(take_timed(n, 7), 1000 + n);
		}
		pair_close(&p);
	}
}
END_TEST

START_TEST(largest_message_may_have_a_deadline_and_one_more_byte_may_not_come)
{
	size_t size;
	uint64_t word;

	pair_begin(START);
	(void)put_timed(MAX, 1, QBI_FOREVER);
	ck_assert_uint_eq(take_timed(MAX, 1), QBI_FOREVER);
	(void)put_timed(MAX + 1, 1, QBI_FOREVER);
	ck_assert_int_eq(take_any(&size, &word), -EBADMSG);
	pair_close(&p);
}
END_TEST

START_TEST(cancel_has_a_number_and_no_message)
{
	size_t size = 5;
	uint64_t word = 5;
	bool ring;

	pair_begin(START);
	for (uint64_t i = 0; i < 2000; i++) {
		ck_assert_int_eq(qbi_ring_put_cancel(&p.producer, i << 40, &ring), 0);
		ck_assert_int_eq(take_any(&size, &word), QBI_CANCEL);
		ck_assert_uint_eq(word, i << 40);
		ck_assert_uint_eq(size, 0);
	}
	while (qbi_ring_put_cancel(&p.producer, 1, &ring) == 0)
		;
	ck_assert_uint_eq(p.producer.tail - p.consumer.head, CAPACITY);
	pair_close(&p);
}
END_TEST

START_TEST(request_that_waits_can_be_cancelled_in_place_and_once)
{
	uint64_t first, second;

	pair_begin(START);
	first = put_timed(SIZE, 1, 77);
	second = put_timed(SIZE, 2, QBI_FOREVER);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, second, QBI_FOREVER), 0);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, second, QBI_FOREVER), QBI_EMPTY);
	ck_assert_uint_eq(take_timed(SIZE, 1), 77);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, first, 77), QBI_EMPTY);
	ck_assert_uint_eq(take_timed(SIZE, 2), QBI_DEADLINE_CANCELLED);
	pair_close(&p);
}
END_TEST

/* Claimed, and its place not given back yet. */
START_TEST(request_that_is_being_taken_is_not_cancelled_any_more)
{
	uint64_t place, head;

	pair_begin(START);
	place = put_timed(SIZE, 1, 77);
	head = atomic_load(&p.words->head);
	ck_assert_uint_eq(take_timed(SIZE, 1), 77);
	atomic_store(&p.words->head, head);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, place, 77), QBI_EMPTY);
	pair_close(&p);
}
END_TEST

START_TEST(place_that_was_used_again_is_not_touched)
{
	uint64_t place, head, later = 0;

	pair_begin(START);
	place = put_timed(SIZE, 1, 77);
	head = atomic_load(&p.words->head);
	ck_assert_uint_eq(take_timed(SIZE, 1), 77);
	while (later < place + CAPACITY - 2 * stride(SIZE + WORD)) {
		later = put_timed(SIZE, 1, 77);
		if (later < place + CAPACITY - 2 * stride(SIZE + WORD))
			ck_assert_uint_eq(take_timed(SIZE, 1), 77);
	}
	(void)put_timed(SIZE, 1, 77);
	(void)put_timed(SIZE, 1, 77);
	/* The other end says that it has taken nothing of all that. */
	atomic_store(&p.words->head, head);
	ck_assert_int_ne(qbi_ring_cancel(&p.producer, place, 77), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(take_timed(SIZE, 1), 77);
	pair_close(&p);
}
END_TEST

START_TEST(head_that_cannot_be_is_a_fault_of_a_cancel)
{
	uint64_t place;

	pair_begin(START);
	place = put_timed(SIZE, 1, 77);
	atomic_store(&p.words->head, p.producer.tail + 8);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, place, 77), -EBADMSG);
	atomic_store(&p.words->head, p.producer.tail - CAPACITY - 8);
	ck_assert_int_eq(qbi_ring_cancel(&p.producer, place, 77), -EBADMSG);
	pair_close(&p);
}
END_TEST

/* What take says of a record of that length and kind, where there are requests or not. */
static int take_of_record(uint32_t length, uint32_t kind, bool requests)
{
	uint32_t record[2] = { length, kind };
	uint64_t word;
	size_t size;
	int r;

	pair_begin(START);
	(void)put_timed(SIZE, 1, 77);
	memcpy(p.data + START, record, sizeof(record));
	r = requests ? take_any(&size, &word) :
		       qbi_ring_take(&p.consumer, in, sizeof(in), &size);
	pair_close(&p);
	return r;
}

START_TEST(records_that_are_too_short_or_too_long_are_a_fault)
{
	static const uint32_t lengths[] = { SIZE + WORD + 5, MAX + WORD + 1, 1u << 31,
					    UINT32_MAX,	     UINT32_MAX - 7, UINT32_MAX - 15 };

	for (uint32_t length = 0; length <= SIZE + WORD; length++) {
		ck_assert_int_eq(take_of_record(length, KIND_TIMED, true),
				 length < WORD ? -EBADMSG : QBI_TIMED);
		ck_assert_int_eq(take_of_record(length, KIND_CANCEL, true),
				 length == WORD ? QBI_CANCEL : -EBADMSG);
		ck_assert_int_eq(take_of_record(length, KIND_MESSAGE, true), 0);
		ck_assert_int_eq(take_of_record(length, KIND_TIMED, false), -EBADMSG);
		ck_assert_int_eq(take_of_record(length, KIND_CANCEL, false), -EBADMSG);
		ck_assert_int_eq(take_of_record(length, KIND_TIMED + 1, true), -EBADMSG);
	}
	for (size_t i = 0; i < QBI_ARRAY_SIZE(lengths); i++) {
		ck_assert_int_eq(take_of_record(lengths[i], KIND_TIMED, true), -EBADMSG);
		ck_assert_int_eq(take_of_record(lengths[i], KIND_CANCEL, true), -EBADMSG);
	}
}
END_TEST

START_TEST(events_and_responses_are_messages_alone)
{
	size_t size;
	bool ring;

	pair_begin(START);
	ck_assert_int_eq(qbi_ring_put_cancel(&p.producer, 0, &ring), 0);
	ck_assert_int_eq(qbi_ring_peek(&p.consumer, &size), -EBADMSG);
	ck_assert_int_eq(qbi_ring_take(&p.consumer, in, MAX, &size), -EBADMSG);
	pair_close(&p);
}
END_TEST

/* -- A producer that cancels while the consumer takes ---------------------------------------- */

enum { RACES = 20000, TAKE_WORDS = RACES };

static uint64_t taken_words[TAKE_WORDS];

static void *thread_take(void *data)
{
	static uint8_t buf[MAX];
	int n = 0;

	while (n < RACES) {
		size_t size;
		int r = qbi_ring_take_request(&p.consumer, buf, MAX, &size, &taken_words[n]);

		if (r == QBI_TIMED)
			n++;
		else if (r != QBI_EMPTY)
			return (void *)(uintptr_t) "a fault";
	}
	return data;
}

START_TEST(each_cancel_in_place_is_found_by_the_consumer_and_no_other)
{
	static uint64_t place[RACES];
	static bool cancelled[RACES];
	struct iovec iov = { body, 16 };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = 16 };
	pthread_t thread;
	void *fault;
	bool ring;

	pair_begin(START);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_take, NULL), 0);
	for (int i = 0; i < RACES; i++) {
		int r;

		while ((r = qbi_ring_put_timed(&p.producer, &msg, 1000 + (uint64_t)i, &place[i],
					       &ring)) == QBI_FULL)
			;
		ck_assert_int_eq(r, 0);
		if (i >= 3) {
			r = qbi_ring_cancel(&p.producer, place[i - 3], 1000 + (uint64_t)i - 3);
			ck_assert_int_ge(r, 0);
			cancelled[i - 3] = r == 0;
		}
	}
	ck_assert_int_eq(pthread_join(thread, &fault), 0);
	ck_assert_ptr_null(fault);
	for (int i = 0; i < RACES; i++)
		ck_assert_uint_eq(taken_words[i],
				  cancelled[i] ? QBI_DEADLINE_CANCELLED : 1000 + (uint64_t)i);
	pair_close(&p);
}
END_TEST

/* -- Packets --------------------------------------------------------------------------------- */

static struct qbi_packets client, server;
static int raw; /* the client's descriptor */

static void packets_begin(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(qbi_packets_open(&client, pair[0], MAX), 0);
	ck_assert_int_eq(qbi_packets_open(&server, pair[1], MAX), 0);
	raw = pair[0];
}

static void packets_end(void)
{
	qbi_packets_close(&client);
	qbi_packets_close(&server);
}

static void send_timed(size_t n, uint32_t seed, uint64_t deadline)
{
	struct iovec iov = { body, n };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = n };

	pattern_fill(body, n, seed);
	ck_assert_int_eq(qbi_packets_send_timed(&client, &msg, deadline), 0);
}

static int receive(size_t *ret_size, uint64_t *ret_word)
{
	return qbi_packets_take_request(&server, in, MAX, NULL, ret_size, ret_word);
}

static void receive_timed(size_t n, uint32_t seed, uint64_t deadline)
{
	size_t size = SIZE_MAX;
	uint64_t word = 5;

	ck_assert_int_eq(receive(&size, &word), QBI_TIMED);
	ck_assert_uint_eq(size, n);
	ck_assert_uint_eq(word, deadline);
	ck_assert(pattern_matches(in, n, seed));
}

START_TEST(requests_of_every_size_bring_their_deadline_in_one_packet_or_several)
{
	static const size_t pieces[] = { 1, 7, 100, MAX - 1, MAX };
	struct iovec iov = { body, 10 };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = 10 };

	for (size_t k = 0; k < QBI_ARRAY_SIZE(pieces); k++) {
		size_t step = pieces[k] < 100 ? 1 : 13;

		packets_begin();
		client.piece = pieces[k];
		for (size_t n = 0; n <= (pieces[k] < 100 ? 60 : MAX); n += step) {
			size_t size;
			uint64_t word;

			send_timed(n, 1, 1000 + n);
			ck_assert_int_eq(qbi_packets_sendv(&client, &msg), 0);
			ck_assert_int_eq(qbi_packets_send_cancel(&client, n << 33), 0);
			receive_timed(n, 1, 1000 + n);
			ck_assert_int_eq(receive(&size, &word), 0);
			ck_assert_uint_eq(size, 10);
			ck_assert_int_eq(receive(&size, &word), QBI_CANCEL);
			ck_assert_uint_eq(word, n << 33);
		}
		packets_end();
	}
}
END_TEST

/* What the server says of a packet with that header and @n more bytes. */
static int receive_raw(uint32_t size, uint32_t offset, size_t n, bool requests)
{
	uint8_t packet[8 + 2 * MAX] = { 0 };
	size_t got;
	uint64_t word;
	int r;

	packets_begin();
	memcpy(packet, &size, 4);
	memcpy(packet + 4, &offset, 4);
	ck_assert_int_eq(send(raw, packet, 8 + n, 0), (ssize_t)(8 + n));
	r = requests ? receive(&got, &word) : qbi_packets_take(&server, in, MAX, &got);
	packets_end();
	return r;
}

START_TEST(packets_that_cannot_be_are_a_fault)
{
	for (size_t n = 0; n < 20; n++) {
		ck_assert_int_eq(receive_raw(UINT32_MAX, 0, n, true),
				 n == WORD ? QBI_CANCEL : -EBADMSG);
		ck_assert_int_eq(receive_raw(UINT32_MAX, 0, n, false), -EBADMSG);
		ck_assert_int_eq(receive_raw(UINT32_MAX, 1, n, true), -EBADMSG);
		ck_assert_int_eq(receive_raw(TIMED_BIT | 5, 0, n, true),
				 n == WORD + 5		  ? QBI_TIMED :
				 n > WORD && n < WORD + 5 ? QBI_EMPTY :
							    -EBADMSG);
		ck_assert_int_eq(receive_raw(TIMED_BIT | 5, 0, n, false), -EBADMSG);
		ck_assert_int_eq(receive_raw(TIMED_BIT | 5, 5, n, true), -EBADMSG);
	}
	ck_assert_int_eq(receive_raw(TIMED_BIT | MAX, 0, MAX + WORD, true), QBI_TIMED);
	ck_assert_int_eq(receive_raw(TIMED_BIT | (MAX + 1), 0, MAX + WORD, true), -EBADMSG);
	ck_assert_int_eq(receive_raw(TIMED_BIT | MAX, 0, MAX + WORD + 1, true), -EBADMSG);
	ck_assert_int_eq(receive_raw(MAX, 0, MAX + 1, true), -EBADMSG);
	ck_assert_int_eq(receive_raw(MAX, 0, MAX + WORD, true), -EBADMSG);
	ck_assert_int_eq(receive_raw(UINT32_MAX - 1, 0, WORD, true), -EBADMSG);
}
END_TEST

START_TEST(cancel_or_deadline_in_the_middle_of_a_message_is_a_fault)
{
	static const uint32_t sizes[] = { UINT32_MAX, TIMED_BIT | 100 };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(sizes); i++) {
		uint8_t packet[8 + 50] = { 100 };
		uint32_t header[4] = { sizes[i], i ? 50 : 0 };
		size_t size;
		uint64_t word;

		packets_begin();
		ck_assert_int_eq(send(raw, packet, sizeof(packet), 0), sizeof(packet));
		ck_assert_int_eq(receive(&size, &word), QBI_EMPTY);
		ck_assert_int_eq(send(raw, header, sizeof(header), 0), sizeof(header));
		ck_assert_int_eq(receive(&size, &word), -EBADMSG);
		packets_end();
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("requests with a deadline, and cancels");
	TCase *tc = tcase_new(s, "ring");

	tcase_add_test(tc, request_with_a_deadline_goes_round_the_end_at_every_offset);
	tcase_add_test(tc, largest_message_may_have_a_deadline_and_one_more_byte_may_not_come);
	tcase_add_test(tc, cancel_has_a_number_and_no_message);
	tcase_add_test(tc, request_that_waits_can_be_cancelled_in_place_and_once);
	tcase_add_test(tc, request_that_is_being_taken_is_not_cancelled_any_more);
	tcase_add_test(tc, place_that_was_used_again_is_not_touched);
	tcase_add_test(tc, head_that_cannot_be_is_a_fault_of_a_cancel);
	tcase_add_test(tc, records_that_are_too_short_or_too_long_are_a_fault);
	tcase_add_test(tc, events_and_responses_are_messages_alone);
	tcase_add_test(tc, each_cancel_in_place_is_found_by_the_consumer_and_no_other);
	tc = tcase_new(s, "packets");
	tcase_add_test(tc,
		       requests_of_every_size_bring_their_deadline_in_one_packet_or_several);
	tcase_add_test(tc, packets_that_cannot_be_are_a_fault);
	tcase_add_test(tc, cancel_or_deadline_in_the_middle_of_a_message_is_a_fault);
	return suite_main(s);
}
