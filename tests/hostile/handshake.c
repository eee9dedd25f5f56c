/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client that comes as far as the socket, and then does not shake hands as one should. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/hostile/tools.h"

enum {
	FEW_DESCRIPTORS = 128,
	SILENT = 400,
	LEFT = 100, /* fits into the queue of any listening socket */
};

static int dial(struct arena *a)
{
	int fd = raw_dial(a->wish.service);

	REQUIRE_MSG(fd >= 0, "cannot reach the service: %s", strerror(-fd));
	return fd;
}

static void say(int fd, const void *bytes, size_t size)
{
	(void)send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The server ends it, without an answer. */
static void must_end(int fd)
{
	char byte;

	REQUIRE(fd_readable_within(fd, deadline_ms()));
	REQUIRE(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	close(fd);
}

/* -- Silence ------------------------------------------------------------------------ */

static void many_in_silence(struct arena *a, size_t size)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	struct rlimit limit = { 2 * SILENT, 2 * SILENT };
	int fds[SILENT];

	(void)setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < SILENT; i++) {
		fds[i] = dial(a);
		say(fds[i], &hello, size);
	}
	arena_honest_goes_on(a);
	for (int i = 0; i < SILENT; i++)
		close(fds[i]);
}

ATTACK(connect_and_say_nothing)
{
	many_in_silence(a, 0);
}

ATTACK(connect_and_say_half)
{
	many_in_silence(a, 23);
}

static void descriptors_limit(struct server *sv)
{
	struct rlimit limit = { FEW_DESCRIPTORS, FEW_DESCRIPTORS };

	SERVER_REQUIRE(sv, setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

ATTACK(say_nothing_beyond_the_limit_of_descriptors, .prepare = descriptors_limit,
       .needs = "root: several users")
{
	many_in_silence(a, 0);
}

ATTACK(say_half_beyond_the_limit_of_descriptors, .prepare = descriptors_limit,
       .needs = "root: several users")
{
	many_in_silence(a, 12);
}

/* As many as the server lets one user have; there is room for others all the same. */
ATTACK(connections_beyond_the_limit_of_descriptors, .prepare = descriptors_limit,
       .needs = "root: several users")
{
	struct raw *p = calloc(SILENT, sizeof(*p));
	unsigned int refused = 0;

	REQUIRE(p);
	arena_honest_holds(a);
	for (int i = 0; i < SILENT / 2; i++)
		refused += raw_try_connect(&p[i], &a->wish) != 0;
	arena_honest_resumes(a);
	REQUIRE(refused > 0);
	arena_honest_goes_on(a);
	for (int i = 0; i < SILENT / 2; i++)
		raw_close(&p[i]);
	arena_honest_goes_on(a);
	free(p);
}

ATTACK(connect_and_leave_in_a_loop)
{
	while (arena_honest_wants_more(a))
		close(dial(a));
}

ATTACK(connect_shake_hands_and_leave_in_a_loop)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

	while (arena_honest_wants_more(a)) {
		int fd = dial(a);

		say(fd, &hello, sizeof(hello));
		close(fd);
	}
}

/* Who means it waits for those in front of him who do not, but not for a turn of the
 * loop each, in which everybody else is served. */
START_TEST(clients_that_have_left_go_many_at_a_time)
{
	struct wire_hello hello = raw_hello(!variants[_i].libqb_wire, WIRE_SMALLEST);
	struct server_spec spec = { VARIANT_SPEC(_i), .untraced = true };
	struct report report = { 0 };
	struct host *h;
	int64_t turns;
	int fd;

	the_report = &report;
	spec.adapter = &adapter_watched;
	h = host_start(&spec);
	host_freeze(h);
	for (int i = 0; i < LEFT; i++) {
		fd = raw_dial(h->name);
		say(fd, &hello, sizeof(hello));
		close(fd);
	}
	fd = raw_dial(h->name);
	say(fd, &hello, sizeof(hello));
	turns = host_slot(h, SLOT_DISPATCHES);
	host_thaw(h);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	turns = host_slot(h, SLOT_DISPATCHES) - turns;
	ck_assert_msg(turns < LEFT / 4, "behind %d clients that had left it took %d turns",
		      LEFT, (int)turns);
	close(fd);
	host_stop(h);
}
END_TEST

ATTACK(answer_never_read)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	int fds[50];

	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = dial(a);
		say(fds[i], &hello, sizeof(hello));
	}
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
}

/* -- Piece by piece ------------------------------------------------------------------ */

ATTACK(one_byte_at_a_time)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	struct raw p;

	raw_begin(&p, dial(a));
	for (size_t i = 0; i < sizeof(hello); i++) {
		say(p.stream, (char *)&hello + i, 1);
		if (i % 8 == 0)
			arena_honest_goes_on(a);
	}
	REQUIRE_EQ(raw_welcome(&p), 0);
	raw_open(&p);
	raw_bell(&p, a->wish.service);
	raw_call(&p, 5, 100);
	raw_close(&p);
}

ATTACK(closed_at_every_byte)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

	for (size_t i = 0; i <= sizeof(hello); i++) {
		int fd = dial(a);

		say(fd, &hello, i);
		close(fd);
	}
	arena_honest_goes_on(a);
}

/* With something unread: the server's next call fails with ECONNRESET. */
ATTACK(half_closed_at_every_byte)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

	for (size_t i = 0; i < sizeof(hello); i++) {
		int fd = dial(a);

		say(fd, &hello, i);
		REQUIRE_EQ(shutdown(fd, SHUT_WR), 0);
		must_end(fd);
	}
	for (size_t i = 0; i <= sizeof(hello); i++) {
		int fd = dial(a);

		REQUIRE_EQ(shutdown(fd, SHUT_RD), 0);
		say(fd, &hello, i);
		close(fd);
	}
	arena_honest_goes_on(a);
}

/* -- Nonsense -------------------------------------------------------------------------- */

ATTACK(wrong_id_or_size)
{
	static const int32_t others[] = { 0, 1, -2, -3, 23, 25, 12328, INT32_MAX, INT32_MIN };

	for (size_t i = 0; i < COUNT(others); i++) {
		struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
		int fd = dial(a);

		hello.id = others[i];
		say(fd, &hello, sizeof(hello));
		must_end(fd);
		hello = raw_hello(a->wish.native, WIRE_SMALLEST);
		hello.size = others[i];
		fd = dial(a);
		say(fd, &hello, sizeof(hello));
		must_end(fd);
	}
	arena_honest_goes_on(a);
}

ATTACK(garbage_instead_of_a_handshake)
{
	unsigned char bytes[4096];

	while (arena_honest_wants_more(a)) {
		int fd = dial(a);

		random_fill(bytes, sizeof(bytes));
		say(fd, bytes, chance() % sizeof(bytes));
		close(fd);
	}
}

/* What follows the handshake is wake-ups, and they mean nothing without messages. */
ATTACK(handshake_too_long_or_twice)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	char bytes[1000];

	memset(bytes, 0xff, sizeof(bytes));
	for (int i = 0; i < 2; i++) {
		struct raw p;

		raw_begin(&p, dial(a));
		memcpy(bytes, &hello, sizeof(hello));
		memcpy(bytes + sizeof(hello), &hello, sizeof(hello));
		say(p.stream, bytes, i ? 2 * sizeof(hello) : sizeof(bytes));
		REQUIRE_EQ(raw_welcome(&p), 0);
		raw_open(&p);
		raw_bell(&p, a->wish.service);
		raw_call(&p, 5, 100);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(message_size_out_of_range)
{
	static const struct {
		uint32_t asked;
		int error;
	} sizes[] = { { 0, 0 },
		      { 1, 0 },
		      { WIRE_SMALLEST - 1, 0 },
		      { (32u << 20) + 1, -EMSGSIZE },
		      { 1u << 30, -EMSGSIZE },
		      { (1u << 30) + 1, -EMSGSIZE },
		      { 1u << 31, -EMSGSIZE },
		      { UINT32_MAX - 15, -EMSGSIZE },
		      { UINT32_MAX, -EMSGSIZE } };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct raw_wish wish = a->wish;
		struct raw p;

		wish.max_msg_size = sizes[i].asked;
		REQUIRE_EQ(raw_try_connect(&p, &wish), sizes[i].error);
		if (sizes[i].error)
			continue;
		REQUIRE_EQ(p.max_msg_size, WIRE_SMALLEST);
		raw_call(&p, 5, 12000);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* Of a version that is not there yet, with abilities that nobody has. */
ATTACK(claims_of_the_future)
{
	static const uint32_t versions[] = { 0, 1, 2, 1000, UINT32_MAX };

	for (size_t i = 0; i < COUNT(versions); i++) {
		struct raw p;
		struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

		raw_begin(&p, dial(a));
		hello.version = versions[i];
		hello.abilities = UINT32_MAX << 16;
		say(p.stream, &hello, sizeof(hello));
		REQUIRE_EQ(raw_welcome(&p), 0);
		REQUIRE(p.welcome.version <= WIRE_VERSION);
		raw_open(&p);
		raw_bell(&p, a->wish.service);
		raw_call(&p, 5, 100);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: handshake");
	TCase *tc = tcase_new(s, "silence");

	add_attack(tc, connect_and_say_nothing, ON_ALL);
	add_attack(tc, connect_and_say_half, ON_ALL);
	add_attack(tc, say_nothing_beyond_the_limit_of_descriptors, ON_ALL);
	add_attack(tc, say_half_beyond_the_limit_of_descriptors, ON_ALL);
	add_attack(tc, connections_beyond_the_limit_of_descriptors, ON_ALL);
	add_attack(tc, connect_and_leave_in_a_loop, ON_ALL);
	add_attack(tc, connect_shake_hands_and_leave_in_a_loop, ON_ALL);
	add_transport_test(tc, clients_that_have_left_go_many_at_a_time);
	add_attack(tc, answer_never_read, ON_ALL);

	tc = tcase_new(s, "piece by piece");
	add_attack(tc, one_byte_at_a_time, ON_ALL);
	add_attack(tc, closed_at_every_byte, ON_ALL);
	add_attack(tc, half_closed_at_every_byte, ON_ALL);

	tc = tcase_new(s, "nonsense");
	add_attack(tc, wrong_id_or_size, ON_ALL);
	add_attack(tc, garbage_instead_of_a_handshake, ON_ALL);
	add_attack(tc, handshake_too_long_or_twice, ON_ALL);
	add_attack(tc, message_size_out_of_range, ON_ALL);
	add_attack(tc, claims_of_the_future, ON_ALL);
	return arena_main(s);
}
