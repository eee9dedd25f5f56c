/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that does not read its answers. What they bring is under way until they are read,
 * and with two thousand descriptors of one user under way the kernel has each send of
 * descriptors wait for its collector of sockets, to which the client gives work.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

enum {
	PER_UID = 64,  /* the default */
	FEW = 100,     /* beyond that */
	MANY = 700,    /* three descriptors each: the kernel's limit, if all had them */
	RUBBISH = 300, /* sockets of the attacker's own, in a chain */
};

/* A server may be short of descriptors all the same: then it refuses some clients. */
static void descriptors_allow_server(struct server *sv)
{
	struct rlimit limit;

	SERVER_REQUIRE(sv, getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	SERVER_REQUIRE(sv, setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void descriptors_allow(void)
{
	struct rlimit limit;

	REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A client whose answer lies in its socket; whether that has descriptors. */
static int unread_connect(struct arena *a, bool *ret_native)
{
	struct wire_hello hello = raw_hello(true, WIRE_SMALLEST);
	struct wire_welcome welcome;
	int stream = raw_dial(a->wish.service);

	REQUIRE(stream >= 0);
	REQUIRE_EQ(send(stream, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE(fd_readable_within(stream, deadline_ms()));
	REQUIRE_EQ(recv(stream, &welcome, sizeof(welcome), MSG_PEEK), sizeof(welcome));
	REQUIRE(welcome.error == 0 || welcome.error == -EDQUOT);
	*ret_native = welcome.error == 0 && welcome.version > 0;
	return stream;
}

/* How many of them have descriptors. */
static unsigned int unread_connect_many(struct arena *a, int *streams, unsigned int n)
{
	unsigned int natives = 0;

	for (unsigned int i = 0; i < n; i++) {
		bool native;

		streams[i] = unread_connect(a, &native);
		natives += native;
	}
	return natives;
}

static void close_all(const int *fds, unsigned int n)
{
	while (n-- > 0)
		close(fds[n]);
}

/* Each end of a pair in the other: only the collector ends them. */
static void rubbish_make(unsigned int n)
{
	while (n-- > 0) {
		int pair[2];

		REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		(void)raw_pass(pair[0], &pair[0], 1, "", 1);
		(void)raw_pass(pair[1], &pair[1], 1, "", 1);
		close(pair[0]);
		close(pair[1]);
	}
}

static void *thread_rubbish(void *data)
{
	atomic_bool *stop = data;

	while (!atomic_load(stop)) {
		rubbish_make(RUBBISH);
		pause_briefly();
	}
	return NULL;
}

ATTACK(answers_that_are_never_read, .needs = "another user",
       .prepare = descriptors_allow_server)
{
	static int streams[MANY];
	unsigned int natives;
	atomic_bool stop = false;
	pthread_t thread;

	descriptors_allow();
	REQUIRE_EQ(pthread_create(&thread, NULL, thread_rubbish, &stop), 0);
	natives = unread_connect_many(a, streams, MANY);
	arena_honest_goes_on(a);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	REQUIRE_MSG(natives <= PER_UID, "%u answers with descriptors lie unread", natives);
	close_all(streams, MANY);
}

/* They lie there after the connection has ended, too. */
ATTACK(answers_of_connections_that_have_ended, .needs = "another user",
       .prepare = descriptors_allow_server)
{
	unsigned int natives = 0;
	int streams[FEW];

	for (int i = 0; i < FEW; i++) {
		struct pollfd p = { .events = POLLRDHUP };
		bool native;

		streams[i] = unread_connect(a, &native);
		natives += native;
		REQUIRE_EQ(shutdown(streams[i], SHUT_WR), 0);
		/* It has closed its end, or shut it down. */
		p.fd = streams[i];
		REQUIRE_EQ(poll(&p, 1, deadline_ms()), 1);
	}
	REQUIRE_MSG(natives <= PER_UID, "%u answers with descriptors lie unread", natives);
	arena_honest_goes_on(a);
	close_all(streams, FEW);
}

/* A peeking client can work, and its answer stays nevertheless. */
ATTACK(answers_that_are_looked_at, .needs = "another user", .prepare = descriptors_allow_server)
{
	unsigned int natives = 0;
	int streams[FEW];

	for (int i = 0; i < FEW; i++) {
		bool native;

		streams[i] = unread_connect(a, &native);
		natives += native;
		REQUIRE_EQ(send(streams[i], "", 1, MSG_NOSIGNAL), 1);
	}
	REQUIRE_MSG(natives <= PER_UID, "%u answers with descriptors lie unread", natives);
	arena_honest_goes_on(a);
	close_all(streams, FEW);
}

/* As late as it may be: they count no more, and neither do those of clients that left. */
ATTACK(answers_that_are_read_late, .needs = "another user", .prepare = descriptors_allow_server)
{
	int streams[2 * PER_UID];
	bool native;

	REQUIRE_EQ(unread_connect_many(a, streams, PER_UID), PER_UID);
	for (int i = 0; i < PER_UID / 2; i++) {
		struct raw p;

		raw_begin(&p, streams[i]);
		REQUIRE_EQ(raw_welcome(&p), 0);
		raw_open(&p);
		raw_bell(&p, a->wish.service);
		raw_call(&p, 5, 100);
		raw_close(&p);
	}
	close_all(streams + PER_UID / 2, PER_UID / 2);
	REQUIRE_EQ(unread_connect_many(a, streams, PER_UID), PER_UID);
	streams[PER_UID] = unread_connect(a, &native);
	REQUIRE(!native);
	arena_honest_goes_on(a);
	close_all(streams, PER_UID + 1);
}

int main(void)
{
	Suite *s = suite_create("hostile: unread answers");
	TCase *tc = tcase_new(s, "answers");

	add_attack(tc, answers_that_are_never_read, ON_NATIVE);
	add_attack(tc, answers_of_connections_that_have_ended, ON_NATIVE);
	add_attack(tc, answers_that_are_looked_at, ON_NATIVE);
	add_attack(tc, answers_that_are_read_late, ON_NATIVE);
	return arena_main(s);
}
