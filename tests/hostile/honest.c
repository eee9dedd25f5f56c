/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The honest client: round after round of calls of several sizes, a burst whose answers
 * have to come in order, an event, and now and then a new connection. Everything that
 * comes back is compared with what was sent. The longest time that an answer
 * took is kept, and the longest that a connection took.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/hostile/arena.h"
#include "tests/lib/message.h"

enum { BURST = 4, NEWCOMER_EACH = 4, FIRST_ID = 1000 };

static const size_t sizes[] = { 16, 100, 4000, 12000 };
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static int32_t next_id = FIRST_ID;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void time_note(_Atomic uint64_t *slowest_us, uint64_t began)
{
	uint64_t took = now_us() - began;

	if (took > atomic_load(slowest_us))
		atomic_store(slowest_us, took);
}

static void honest_send(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct request *r = calloc(1, size);
	ssize_t n;

	REQUIRE(r);
	r->hdr.id = id;
	r->hdr.size = (int32_t)size;
	pattern_fill(r->body, size - sizeof(*r), (uint32_t)id);
	/* While strangers have the queue full, there is no room. */
	do
		n = qb_ipcc_send(c, r, size);
	while (n == -EAGAIN && now_ms() < end && sched_yield() == 0);
	REQUIRE_MSG(n == (ssize_t)size, "the honest client cannot send: %s", strerror((int)-n));
	free(r);
}

static void honest_receive(qb_ipcc_connection_t *c, int32_t id, size_t request_size,
			   ssize_t (*receive)(qb_ipcc_connection_t *, void *, size_t, int32_t))
{
	size_t body = request_size - sizeof(struct request);
	size_t size = body + sizeof(struct response);
	struct response *r = calloc(1, size);
	ssize_t n;

	REQUIRE(r);
	n = receive(c, r, size, deadline_ms());
	REQUIRE_MSG(n >= 0, "the honest client gets no answer: %s", strerror((int)-n));
	REQUIRE_EQ(n, (long long)size);
	REQUIRE_EQ(r->hdr.id, id);
	REQUIRE_EQ(r->hdr.size, (long long)size);
	REQUIRE(pattern_matches(r->body, body, (uint32_t)id));
	free(r);
}

static void honest_call(struct arena *a, qb_ipcc_connection_t *c, size_t size)
{
	uint64_t began = now_us();
	int32_t id = next_id++;

	honest_send(c, id, size);
	honest_receive(c, id, size, qb_ipcc_recv);
	time_note(&a->shared->slowest_us, began);
}

static void honest_burst(struct arena *a, qb_ipcc_connection_t *c)
{
	uint64_t began = now_us();
	int32_t first = next_id;

	for (int i = 0; i < BURST; i++)
		honest_send(c, next_id++, sizes[i % SIZES]);
	for (int i = 0; i < BURST; i++)
		honest_receive(c, first + i, sizes[i % SIZES], qb_ipcc_recv);
	time_note(&a->shared->slowest_us, began);
}

static void honest_event(struct arena *a, qb_ipcc_connection_t *c)
{
	uint64_t began = now_us();

	honest_send(c, MSG_EVENT, 200);
	honest_receive(c, MSG_EVENT, 200, qb_ipcc_event_recv);
	time_note(&a->shared->slowest_us, began);
}

static qb_ipcc_connection_t *honest_connect(struct arena *a)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms(), began = now_us();
	qb_ipcc_connection_t *c;

	/* Its own connections before count in its quota until a thread has taken them back. */
	do
		c = qb_ipcc_connect(a->host->name, 0);
	while (!c && errno == EDQUOT && now_ms() < end && sched_yield() == 0);
	REQUIRE_MSG(c, "the honest client cannot connect: %s", strerror(errno));
	time_note(&a->shared->slowest_connect_us, began);
	return c;
}

static void newcomer(struct arena *a)
{
	qb_ipcc_connection_t *c = honest_connect(a);

	honest_call(a, c, 300);
	qb_ipcc_disconnect(c);
	atomic_fetch_add(&a->shared->newcomers, 1);
}

static void honest_hold(struct arena *a)
{
	while (atomic_load(&a->shared->hold) && !atomic_load(&a->shared->stop)) {
		atomic_store(&a->shared->held, true);
		pause_briefly();
	}
	atomic_store(&a->shared->held, false);
}

void honest_main(struct arena *a)
{
	qb_ipcc_connection_t *c;

	become(HONEST_UID);
	c = honest_connect(a);
	while (!atomic_load(&a->shared->stop)) {
		uint64_t round;

		for (int i = 0; i < SIZES; i++)
			honest_call(a, c, sizes[i]);
		honest_burst(a, c);
		honest_event(a, c);
		round = atomic_fetch_add(&a->shared->rounds, 1);
		if (round % NEWCOMER_EACH == 0)
			newcomer(a);
		honest_hold(a);
		/* Others are to get at the CPUs. */
		nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	}
	qb_ipcc_disconnect(c);
	_exit(0);
}
