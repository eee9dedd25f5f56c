/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client that keeps the memory it shares with the server, resizes it and punches it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

/* -- Memory that is kept, punched, resized ------------------------------------------- */

static int64_t blocks_of(int fd)
{
	struct stat st;

	REQUIRE_EQ(fstat(fd, &st), 0);
	return (int64_t)st.st_blocks * 512;
}

/* All the memory behind a connection, in bytes, through descriptors that are kept. */
static int64_t memory_used(const int *fds, int n)
{
	int64_t bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += blocks_of(fds[i]);
	return bytes;
}

/* How a connection ends, and who ends it. */
enum ending { CLIENT_HANGS_UP, CLIENT_MISBEHAVES, APPLICATION_DISCONNECTS, ENDINGS };

/*
 * The headers of files are left: libqb's clients look there when they unmap. When it was
 * the application, also those of a memfd, and the pages that something was left in.
 */
static int64_t kept_at_most(const struct arena *a, enum ending ending)
{
	int64_t page = sysconf(_SC_PAGESIZE);
	int64_t headers =
		a->wish.native ? 0 : CHANNELS * (int64_t)wire_round(QB_HEADER_SIZE, page);

	return ending == APPLICATION_DISCONNECTS ? headers + CHANNELS * page : headers;
}

/* All that is writable, and the events' ring by the server itself. */
static void memory_fill(struct raw *p)
{
	struct request *r = request_make(MSG_EVENT, 5000, 5000);
	char event[WIRE_SMALLEST];

	for (int i = 0; i < CHANNELS; i++)
		if (i == REQUEST || !p->native)
			memset(p->ring[i].data, 0x55, p->ring[i].size);
	for (int i = 0; i < 10 && p->native; i++) {
		REQUIRE_EQ(raw_send(p, r, 5000), 0);
		AWAIT(raw_take(p, EVENT, event, sizeof(event)) >= 5000);
	}
	free(r);
}

/* A connection with all of its memory in use, ended; what is left of it behind @fds. */
static int64_t memory_left(struct arena *a, enum ending ending)
{
	struct request farewell = { { .id = MSG_DISCONNECT_ME, .size = sizeof(farewell) } };
	int fds[2 * CHANNELS], n = 0;
	struct raw p;
	int64_t left;
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	raw_connect(&p, &a->wish);
	for (int i = NATIVE_COMMON_FD; i <= NATIVE_SENT_FD && p.native; i++)
		fds[n++] = dup(p.fds[i]);
	for (int i = 0; i < CHANNELS && !p.native; i++) {
		fds[n++] = dup(p.ring[i].files[0]);
		fds[n++] = dup(p.ring[i].files[1]);
	}
	memory_fill(&p);
	REQUIRE(memory_used(fds, n) > 3 * WIRE_SMALLEST);
	if (ending == APPLICATION_DISCONNECTS) {
		/* Whoever lies about what it has taken keeps no more by that. */
		put_u32(p.ring[RESPONSE].words + (p.native ? NATIVE_HEAD : QB_READ), 8);
		REQUIRE_EQ(raw_send(&p, &farewell, sizeof(farewell)), 0);
		raw_must_be_dropped(&p);
	}
	if (ending == CLIENT_MISBEHAVES) {
		put_u64(p.ring[REQUEST].words + (p.native ? NATIVE_TAIL : QB_BOTH), 2);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
	}
	raw_hang_up(&p); /* the mappings stay */
	while ((left = memory_used(fds, n)) > kept_at_most(a, ending) && now_ms() < end)
		pause_briefly();
	raw_close(&p);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return left;
}

ATTACK(mapping_kept_after_disconnect_a_thousand_times)
{
	unsigned int times = effort(1000);

	for (unsigned int i = 0; i < times; i++)
		REQUIRE(memory_left(a, i % ENDINGS) <= kept_at_most(a, i % ENDINGS));
	arena_honest_goes_on(a);
}

static void memory_resize(int fd, off_t size)
{
	REQUIRE_EQ(ftruncate(fd, 0), -1);
	REQUIRE_EQ(ftruncate(fd, size - 1), -1);
	REQUIRE_EQ(ftruncate(fd, size + 4096), -1);
	REQUIRE_EQ(fallocate(fd, 0, size, 4096), -1);
	REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
}

ATTACK(sealed_memory_resized_or_sealed_further)
{
	struct raw p;

	working_connect(a, &p);
	memory_resize(p.fds[NATIVE_COMMON_FD], (off_t)p.memory_size);
	if (p.type == WIRE_MEMORY) {
		memory_resize(p.fds[NATIVE_SENT_FD], (off_t)p.sent_size);
		raw_call(&p, 9, 1000);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
}

static void hole_punch(int fd, off_t from, off_t size)
{
	REQUIRE_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, size), 0);
}

ATTACK(holes_punched_all_the_time)
{
	struct request *r = request_make(MSG_EVENT, 5000, 5000);
	bool sent = false;

	while (arena_honest_wants_more(a)) {
		struct raw p;

		working_connect(a, &p);
		for (int i = 0; i < 100 && !raw_is_dropped(&p); i++) {
			sent |= raw_send(&p, r, 5000) == 0;
			raw_wake(&p, 1);
			if (p.native)
				hole_punch(p.fds[NATIVE_COMMON_FD], 0, (off_t)p.memory_size);
			for (int n = 0; n < CHANNELS && !p.native; n++) {
				hole_punch(p.ring[n].files[0], 0, QB_HEADER_SIZE);
				hole_punch(p.ring[n].files[1], 0, (off_t)p.ring[n].size);
			}
		}
		raw_close(&p);
	}
	REQUIRE(sent);
	free(r);
}

static bool page_is_there(const struct raw *p)
{
	return blocks_of(p->fds[NATIVE_COMMON_FD]) > 0;
}

/* A server that touched what a client takes out would wait for that. */
ATTACK(messages_on_native_sockets_do_not_touch_shared_memory)
{
	struct request *small = request_make(MSG_EVENT, 100, 100);
	struct request *large = request_make(5, 12000, 12000);
	char buf[WIRE_SMALLEST];
	struct raw p;

	working_connect(a, &p);
	for (int i = 0; i < 20; i++) {
		raw_call(&p, 5 + i, 100);
		REQUIRE_EQ(raw_send(&p, small, 100), 0);
		AWAIT(raw_take(&p, EVENT, buf, sizeof(buf)) > 0);
	}
	REQUIRE(!page_is_there(&p));
	/* Until messages do not go out whole. */
	for (int i = 0; i < 100; i++)
		(void)raw_send(&p, large, 12000);
	arena_honest_goes_on(a);
	REQUIRE(!page_is_there(&p));
	REQUIRE_EQ(shutdown(p.stream, SHUT_WR), 0);
	raw_must_be_dropped(&p);
	REQUIRE(!page_is_there(&p));
	raw_close(&p);
	free(large);
	free(small);
}

int main(void)
{
	Suite *s = suite_create("hostile: shared memory kept and resized");
	TCase *tc = tcase_new(s, "kept, punched, resized");

	add_attack(tc, mapping_kept_after_disconnect_a_thousand_times, ON_MEMORY);
	add_attack(tc, sealed_memory_resized_or_sealed_further, ON_NATIVE);
	add_attack(tc, holes_punched_all_the_time, ON_MEMORY);
	add_attack(tc, messages_on_native_sockets_do_not_touch_shared_memory,
		   ON_NATIVE_SOCKETS);
	return arena_main(s);
}
