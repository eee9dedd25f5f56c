/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Streams that are to become the bell of a connection, and should not: with numbers that
 * nobody was told, or somebody else, or used before, with more than the number; and
 * connections that wait for a bell for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <qbipc/limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

enum { FEW_HANDSHAKES = 4 };

/* A connection without its bell. */
static void bare_connect(struct arena *a, struct raw *p)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

	raw_begin(p, raw_dial(a->wish.service));
	REQUIRE_EQ(send(p->stream, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE_EQ(raw_welcome(p), 0);
	raw_open(p);
}

/* The server has closed it, and has said nothing before. */
static bool is_turned_away(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* The server has it and lets nothing in. To send nothing only asks. */
static bool is_joined(int fd)
{
	return send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EPIPE &&
	       !is_turned_away(fd);
}

static void must_be_turned_away(struct arena *a, uint64_t number)
{
	int fd = raw_join(a->wish.service, number);

	REQUIRE(fd >= 0);
	AWAIT(is_turned_away(fd));
	close(fd);
}

static void must_join(struct arena *a, const struct raw *p, int *ret_bell)
{
	*ret_bell = raw_join(a->wish.service, p->welcome.opaque);
	REQUIRE(*ret_bell >= 0);
	AWAIT(is_joined(*ret_bell));
}

ATTACK(numbers_that_nobody_was_told)
{
	static const uint64_t numbers[] = { 0, 1, UINT64_MAX, 1ull << 32, UINT32_MAX };
	struct raw p;
	int bell;

	bare_connect(a, &p);
	for (size_t i = 0; i < COUNT(numbers); i++)
		must_be_turned_away(a, numbers[i]);
	for (int bit = 0; bit < 64; bit++)
		must_be_turned_away(a, p.welcome.opaque ^ 1ull << bit);
	must_join(a, &p, &bell);
	raw_call(&p, 5, 100);
	close(bell);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* Nobody waits for them to be looked at. */
ATTACK(numbers_tried_by_the_thousand)
{
	for (unsigned int i = 0; i < effort(5000) || arena_honest_wants_more(a); i++) {
		int fd = raw_join(a->wish.service, chance());

		if (fd >= 0)
			close(fd);
	}
	arena_honest_goes_on(a);
}

ATTACK(bell_joined_twice)
{
	struct raw p;
	int bell;

	bare_connect(a, &p);
	must_join(a, &p, &bell);
	for (int i = 0; i < 5; i++)
		must_be_turned_away(a, p.welcome.opaque);
	REQUIRE(is_joined(bell));
	raw_call(&p, 5, 100);
	close(bell);
	raw_close(&p);
	arena_honest_goes_on(a);
}

ATTACK(bell_of_a_connection_that_has_ended)
{
	struct raw p;
	uint64_t number;

	bare_connect(a, &p);
	number = p.welcome.opaque;
	REQUIRE_EQ(shutdown(p.stream, SHUT_WR), 0);
	raw_must_be_dropped(&p);
	must_be_turned_away(a, number);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* Such connections have no bell, and the number of the answer means nothing. */
ATTACK(bell_of_a_connection_that_has_none)
{
	struct raw p;

	bare_connect(a, &p);
	must_be_turned_away(a, p.welcome.opaque);
	raw_call(&p, 5, 100);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* Behind the number, where the server never reads. */
ATTACK(more_than_a_number)
{
	char bytes[sizeof(struct wire_hello) + 1] = "";
	struct wire_hello hello;
	struct raw p;
	int fd, bell;

	bare_connect(a, &p);
	hello = raw_join_hello(p.welcome.opaque);
	memcpy(bytes, &hello, sizeof(hello));
	fd = raw_dial(a->wish.service);
	REQUIRE_EQ(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
	AWAIT(is_turned_away(fd));
	close(fd);
	/* The connection still waits for a better one. */
	must_join(a, &p, &bell);
	close(bell);
	raw_close(&p);
	arena_honest_goes_on(a);
}

ATTACK(descriptors_with_the_number)
{
	struct wire_hello hello;
	struct raw p;
	int fd, r, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(null >= 0);
	for (int i = 0; i < 20; i++) {
		bare_connect(a, &p);
		hello = raw_join_hello(p.welcome.opaque);
		fd = raw_dial(a->wish.service);
		/* Some kernels refuse them on the server's behalf. */
		r = raw_pass(fd, &null, 1, &hello, sizeof(hello));
		if (r < 0)
			REQUIRE_EQ(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL),
				   sizeof(hello));
		AWAIT(is_joined(fd) || is_turned_away(fd));
		if (is_joined(fd))
			raw_call(&p, 5, 100);
		close(fd);
		raw_close(&p);
	}
	close(null);
	arena_honest_goes_on(a);
}

ATTACK(bell_that_is_half_closed)
{
	struct wire_hello hello;
	struct raw p;
	int fd;

	bare_connect(a, &p);
	hello = raw_join_hello(p.welcome.opaque);
	fd = raw_dial(a->wish.service);
	REQUIRE_EQ(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE_EQ(shutdown(fd, SHUT_WR), 0);
	AWAIT(is_turned_away(fd) || is_joined(fd));
	if (is_joined(fd))
		raw_call(&p, 5, 100);
	close(fd);
	raw_close(&p);
	arena_honest_goes_on(a);
}

ATTACK(number_that_comes_byte_by_byte)
{
	struct wire_hello hello;
	struct raw p;
	int fd;

	bare_connect(a, &p);
	hello = raw_join_hello(p.welcome.opaque);
	fd = raw_dial(a->wish.service);
	for (size_t i = 0; i < sizeof(hello); i++) {
		REQUIRE_EQ(send(fd, (char *)&hello + i, 1, MSG_NOSIGNAL), 1);
		if (i % 8 == 0)
			arena_honest_goes_on(a);
	}
	AWAIT(is_joined(fd));
	raw_call(&p, 5, 100);
	close(fd);
	raw_close(&p);
	arena_honest_goes_on(a);
}

static void say(struct raw *p, int32_t id)
{
	struct request request = { .hdr = { .id = id, .size = sizeof(request) } };

	REQUIRE_EQ(raw_send(p, &request, sizeof(request)), 0);
}

static bool is_answered(struct raw *p, int32_t id)
{
	struct response response;
	ssize_t n = raw_take(p, RESPONSE, &response, sizeof(response));

	if (n == -EAGAIN)
		return false;
	REQUIRE_EQ(n, sizeof(response));
	REQUIRE_EQ(response.hdr.id, id);
	return true;
}

/*
 * A callback that answers may wait until the client goes on, before the loop can take the
 * bell that wakes the client: so there is no request before there is a bell. The server
 * neither waits for it nor looks all the time, and when it comes, all are served.
 */
ATTACK(requests_before_the_bell)
{
	struct raw p[50];
	char bytes[100];
	int bell;

	for (size_t i = 0; i < COUNT(p); i++) {
		bare_connect(a, &p[i]);
		for (int32_t id = 11; id <= 13; id++)
			say(&p[i], id);
	}
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(p); i++)
		REQUIRE(!is_answered(&p[i], 11));
	must_join(a, &p[0], &bell);
	for (int32_t id = 11; id <= 13; id++)
		AWAIT(is_answered(&p[0], id));
	AWAIT(fd_readable_within(bell, 0));
	REQUIRE_EQ(recv(bell, bytes, sizeof(bytes), MSG_DONTWAIT), 1);
	raw_call(&p[0], 5, 100);
	close(bell);
	for (size_t i = 0; i < COUNT(p); i++)
		raw_close(&p[i]);
	arena_honest_goes_on(a);
}

/* Which every loop watches for, and nobody reads before the bell has come. */
ATTACK(urgent_bytes_before_the_bell)
{
	struct raw p;

	bare_connect(a, &p);
	say(&p, 11);
	if (send(p.stream, "!", 1, MSG_OOB | MSG_NOSIGNAL) != 1) {
		raw_close(&p);
		return; /* Linux before 5.15 has none for unix sockets */
	}
	raw_must_be_dropped(&p);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* Who sends and leaves needs no answer. */
ATTACK(requests_of_one_that_left_before_its_bell)
{
	struct raw p;

	for (uint64_t i = 0; i < 20; i++) {
		bare_connect(a, &p);
		say(&p, MSG_COUNTED);
		/* The second time the server knows of it already. */
		if (i % 2)
			arena_honest_goes_on(a);
		REQUIRE(arena_slot(a, SLOT_COUNTED) == i);
		raw_hang_up(&p);
		AWAIT(arena_slot(a, SLOT_COUNTED) == i + 1);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

static void few_handshakes(struct server *sv)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits),
					       .handshakes_per_uid = FEW_HANDSHAKES };

	SERVER_REQUIRE(sv, qbipc_service_limits_set(sv->service, &limits) == 0);
}

/* The oldest has to go, and it is a bell that has its number by now. */
ATTACK(bell_among_more_handshakes_than_its_user_may_have, .prepare = few_handshakes,
       .needs = "root: several users")
{
	int silent[FEW_HANDSHAKES], bell;
	struct wire_hello hello;
	struct raw p;

	bare_connect(a, &p);
	hello = raw_join_hello(p.welcome.opaque);
	bell = raw_dial(a->wish.service);
	REQUIRE(bell >= 0);
	for (size_t i = 0; i < COUNT(silent) - 1; i++)
		REQUIRE((silent[i] = raw_dial(a->wish.service)) >= 0);
	/* Somebody who came later was accepted: so were they. */
	arena_honest_goes_on(a);
	arena_freeze(a);
	silent[COUNT(silent) - 1] = raw_dial(a->wish.service);
	REQUIRE(silent[COUNT(silent) - 1] >= 0);
	REQUIRE_EQ(send(bell, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	arena_thaw(a);
	AWAIT(is_joined(bell) || is_turned_away(bell));
	REQUIRE(is_joined(bell));
	raw_call(&p, 5, 100);
	for (size_t i = 0; i < COUNT(silent); i++)
		close(silent[i]);
	close(bell);
	raw_close(&p);
	arena_honest_goes_on(a);
}

struct thief {
	struct arena *arena;
	uint64_t number;
};

static void thief_main(void *data)
{
	struct thief *t = data;

	must_be_turned_away(t->arena, t->number);
}

ATTACK(bell_of_another_user, .as_root = true, .needs = "root: two users")
{
	struct thief thief = { .arena = a };
	struct raw p;
	int bell;

	bare_connect(a, &p);
	thief.number = p.welcome.opaque;
	child_end(child_start(ACCOMPLICE_UID, thief_main, &thief));
	must_join(a, &p, &bell);
	close(bell);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* Numbers are drawn anew for each connection. */
ATTACK(numbers_that_are_told_repeat)
{
	uint64_t numbers[100];

	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct raw p;

		bare_connect(a, &p);
		numbers[i] = p.welcome.opaque;
		REQUIRE(numbers[i] != 0);
		for (size_t k = 0; k < i; k++)
			REQUIRE(numbers[k] != numbers[i]);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: bells");
	TCase *tc = tcase_new(s, "bells");

	add_attack(tc, numbers_that_nobody_was_told, ON_NATIVE_MEMORY);
	add_attack(tc, numbers_tried_by_the_thousand, ON_ALL);
	add_attack(tc, bell_joined_twice, ON_NATIVE_MEMORY);
	add_attack(tc, bell_of_a_connection_that_has_ended, ON_NATIVE_MEMORY);
	add_attack(tc, bell_of_a_connection_that_has_none, ON_ALL & ~ON_NATIVE_MEMORY);
	add_attack(tc, more_than_a_number, ON_NATIVE_MEMORY);
	add_attack(tc, descriptors_with_the_number, ON_NATIVE_MEMORY);
	add_attack(tc, bell_that_is_half_closed, ON_NATIVE_MEMORY);
	add_attack(tc, number_that_comes_byte_by_byte, ON_NATIVE_MEMORY);
	add_attack(tc, requests_before_the_bell, ON_NATIVE_MEMORY);
	add_attack(tc, urgent_bytes_before_the_bell, ON_NATIVE_MEMORY);
	add_attack(tc, requests_of_one_that_left_before_its_bell, ON_NATIVE_MEMORY);
	add_attack(tc, bell_among_more_handshakes_than_its_user_may_have, ON_NATIVE_MEMORY);
	add_attack(tc, bell_of_another_user, ON_NATIVE_MEMORY);
	add_attack(tc, numbers_that_are_told_repeat, ON_NATIVE_MEMORY);
	return arena_main(s);
}
