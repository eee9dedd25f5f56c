/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that sends descriptors along, with everything that can carry them. The server
 * wants none: it neither installs nor keeps them, and none that is thrown away may hold it
 * up, not even a TCP socket whose close waits for its data to go out.
 *
 * Where the kernel has SO_PASSRIGHTS (Linux 6.16) the sender is refused. Before that the
 * kernel closes what is received without room for it, in the server's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

/* Linux 6.16; the headers may be older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

enum {
	MOST = 253, /* in one message, says the kernel */
	FEW_DESCRIPTORS = 128,
};

static bool kernel_refuses_descriptors(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int off = 0;
	int r = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));

	close(fd);
	return r == 0;
}

/* The writing end of a pipe, many times: while anybody has it, the pipe does not end. */
struct bait {
	int reader;
	int writers[MOST];
};

static void bait_make(struct bait *b)
{
	int fds[2];

	REQUIRE_EQ(pipe2(fds, O_CLOEXEC), 0);
	b->reader = fds[0];
	for (int i = 0; i < MOST; i++)
		b->writers[i] = fds[1];
}

/* Whoever was sent it does not have it, although the connection is still there. */
static void bait_must_be_gone(struct bait *b)
{
	struct pollfd p = { .fd = b->reader, .events = POLLIN };

	close(b->writers[0]);
	REQUIRE_MSG(poll(&p, 1, deadline_ms()) == 1 && (p.revents & POLLHUP),
		    "somebody keeps a descriptor that was sent");
	close(b->reader);
}

/* By the kernel, or because nothing at all goes that way. */
static bool is_refused(int r)
{
	return r == -EPERM || r == -EPIPE;
}

/* @n with a byte on @socket. Refused, or taken and gone; *@passed which of the two. */
static void bait_pass(struct arena *a, int socket, unsigned int n, bool *passed)
{
	struct bait b;
	int r;

	bait_make(&b);
	r = raw_pass(socket, b.writers, n, "", 1);
	REQUIRE_MSG(r == 0 || is_refused(r), "descriptors cannot be sent: %s", strerror(-r));
	*passed |= r == 0;
	bait_must_be_gone(&b);
	arena_honest_goes_on(a);
}

static const unsigned int counts[] = { 1, 2, MOST };

ATTACK(descriptors_with_the_handshake)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);

	for (size_t i = 0; i < COUNT(counts); i++) {
		struct bait b;
		struct raw p;
		int r;

		bait_make(&b);
		raw_begin(&p, raw_dial(a->wish.service));
		r = raw_pass(p.stream, b.writers, counts[i], &hello, sizeof(hello));
		if (is_refused(r))
			REQUIRE_EQ(send(p.stream, &hello, sizeof(hello), MSG_NOSIGNAL),
				   sizeof(hello));
		REQUIRE_EQ(raw_welcome(&p), 0);
		bait_must_be_gone(&b);
		raw_open(&p);
		raw_bell(&p, a->wish.service);
		raw_call(&p, 5, 100);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* The server is stopped, so they are there before it accepts. */
ATTACK(descriptors_before_accept)
{
	struct bait b[20];
	int streams[20];

	arena_freeze(a);
	for (size_t i = 0; i < COUNT(streams); i++) {
		int r;

		bait_make(&b[i]);
		streams[i] = raw_dial(a->wish.service);
		REQUIRE(streams[i] >= 0);
		r = raw_pass(streams[i], b[i].writers, 200, "", 1);
		REQUIRE(r == 0 || is_refused(r));
	}
	arena_thaw(a);
	for (size_t i = 0; i < COUNT(streams); i++)
		bait_must_be_gone(&b[i]);
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(streams); i++)
		close(streams[i]);
}

ATTACK(descriptors_with_wake_ups)
{
	struct raw p;
	bool passed = false;

	working_connect(a, &p);
	for (size_t i = 0; i < COUNT(counts); i++)
		bait_pass(a, p.stream, counts[i], &passed);
	raw_call(&p, 5, 100);
	raw_close(&p);
}

/* On every socket there is; the server reads only some of them. */
ATTACK(descriptors_on_every_other_socket)
{
	bool refused = kernel_refuses_descriptors(), passed = false;
	struct raw p;

	working_connect(a, &p);
	for (unsigned int i = raw_first_socket(&p); i < p.n_fds; i++) {
		bait_pass(a, p.fds[i], 1, &passed);
		if (!raw_is_dropped(&p))
			continue;
		/* A byte is no packet. */
		raw_close(&p);
		working_connect(a, &p);
	}
	if (p.response >= 0)
		bait_pass(a, p.response, 1, &passed);
	raw_close(&p);
	REQUIRE(!refused || !passed);
}

/* Without a byte there is nothing to send on a stream; a datagram may be empty. */
ATTACK(descriptors_with_nothing)
{
	struct bait b;
	struct raw p;
	int r;

	working_connect(a, &p);
	bait_make(&b);
	r = raw_pass(p.response, b.writers, 2, "", 0);
	REQUIRE(r == 0 || is_refused(r));
	bait_must_be_gone(&b);
	arena_honest_goes_on(a);
	raw_close(&p);
}

/* What the server throws away may not be able to hold it up. */
static void lingering_pass(struct arena *a, int socket)
{
	int other, fd = lingering_socket(&other);
	int r = raw_pass(socket, &fd, 1, "", 1);
	struct linger off = { 0, 0 };

	REQUIRE_MSG(r == 0 || is_refused(r), "%s", strerror(-r));
	/* Else the last close is ours, and we would wait. */
	if (is_refused(r))
		REQUIRE_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off)), 0);
	close(fd);
	arena_honest_goes_on(a);
	close(other);
}

ATTACK(lingering_socket_sent_at_every_occasion)
{
	struct raw p;
	int stream;

	if (!kernel_refuses_descriptors()) {
		printf("# skip: the kernel has no SO_PASSRIGHTS\n");
		return;
	}
	stream = raw_dial(a->wish.service);
	REQUIRE(stream >= 0);
	lingering_pass(a, stream);
	close(stream);
	working_connect(a, &p);
	lingering_pass(a, p.stream);
	for (unsigned int i = raw_first_socket(&p); i < p.n_fds; i++)
		lingering_pass(a, p.fds[i]);
	if (p.response >= 0)
		lingering_pass(a, p.response);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* A socket that is in flight in itself: only the kernel's collector ends it. */
ATTACK(connection_sent_over_itself)
{
	for (int i = 0; i < 20; i++) {
		struct raw p;

		working_connect(a, &p);
		(void)raw_pass(p.stream, &p.stream, 1, "", 1);
		for (unsigned int n = 1; n < p.n_fds; n++)
			(void)raw_pass(p.stream, &p.fds[n], 1, "", 1);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* The kernel counts what a user has under way; no more of ours then, but others' goes on. */
ATTACK(descriptors_in_flight_up_to_the_limit)
{
	struct rlimit limit = { 512, 512 };
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[MOST], r = 0;
	struct raw p;

	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < MOST; i++)
		fds[i] = null;
	for (int i = 0; i < 100 && r == 0; i++)
		r = raw_pass(pair[0], fds, MOST, "", 1);
	REQUIRE(r < 0 || geteuid() == 0);
	working_connect(a, &p);
	arena_honest_goes_on(a);
	raw_close(&p);
	close(pair[0]);
	close(pair[1]);
}

/* Of the honest client's user, whom the kernel allows few descriptors under way. */
static void server_without_privileges(struct server *sv)
{
	struct rlimit limit = { FEW_DESCRIPTORS, FEW_DESCRIPTORS };

	SERVER_REQUIRE(sv, setrlimit(RLIMIT_NOFILE, &limit) == 0);
	become(HONEST_UID);
	/* Or its own /proc would be closed to it. */
	SERVER_REQUIRE(sv, prctl(PR_SET_DUMPABLE, 1) == 0);
}

/*
 * What an answer brings is under way until it is read, or the socket that it lies in is
 * closed: whose answers lie there keeps all the descriptors that the server may send.
 */
ATTACK(descriptors_of_answers_left_under_way, .prepare = server_without_privileges)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	int streams[FEW_DESCRIPTORS];

	for (size_t i = 0; i < COUNT(streams); i++) {
		streams[i] = raw_dial(a->wish.service);
		REQUIRE(streams[i] >= 0);
		REQUIRE_EQ(send(streams[i], &hello, sizeof(hello), MSG_NOSIGNAL),
			   sizeof(hello));
		REQUIRE(fd_readable_within(streams[i], deadline_ms()));
		/* The server has done with it, and it stays. */
		REQUIRE_EQ(shutdown(streams[i], SHUT_WR), 0);
	}
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(streams); i++)
		close(streams[i]);
}

int main(void)
{
	Suite *s = suite_create("hostile: descriptors");
	TCase *tc = tcase_new(s, "descriptors");

	add_attack(tc, descriptors_with_the_handshake, ON_ALL);
	add_attack(tc, descriptors_before_accept, ON_ALL);
	add_attack(tc, descriptors_with_wake_ups, ON_ALL);
	add_attack(tc, descriptors_on_every_other_socket, ON_NATIVE | ON_QB_SOCKETS);
	add_attack(tc, descriptors_with_nothing, ON_QB_SOCKETS);
	add_attack(tc, lingering_socket_sent_at_every_occasion, ON_ALL);
	add_attack(tc, connection_sent_over_itself, ON_ALL);
	add_attack(tc, descriptors_in_flight_up_to_the_limit, ON_ALL);
	add_attack(tc, descriptors_of_answers_left_under_way, ON_NATIVE);
	return arena_main(s);
}
