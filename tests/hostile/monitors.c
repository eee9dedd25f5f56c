/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asks to become a monitor without the right to, by the thousand and unread; and monitors
 * with the right that never read, say their wish byte by byte, or say more than that.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <qbipc/monitor.h>
#include <qbipc/snapshot.h>

#include "tests/hostile/tools.h"

enum { ABILITY_MONITOR = 0x20, MARK = 0x314d4951, BYTES = 65536, HEAD = 32, OTHERS = 2 };

struct wish {
	uint32_t mark, size, kinds, bytes;
	uint64_t number;
	int32_t pid;
	uint32_t by_id;
	int32_t id;
	uint32_t zero;
};

static const struct wish everything = { .mark = MARK,
					.size = sizeof(everything),
					.bytes = BYTES };

static void monitors_allow(struct server *sv)
{
	SERVER_REQUIRE(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD) == 0);
	SERVER_REQUIRE(sv,
		       qbipc_service_snapshot_allow(sv->service, ATTACKER_UID, (gid_t)-1) == 0);
}

static void monitors_allow_nobody(struct server *sv)
{
	SERVER_REQUIRE(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD) == 0);
}

/* A stream with the question. */
static int monitor_ask(struct arena *a)
{
	struct wire_hello hello = raw_hello(true, WIRE_SMALLEST);
	int fd = raw_dial(a->wish.service);

	REQUIRE(fd >= 0);
	hello.version = 0;
	hello.abilities = ABILITY_MONITOR;
	REQUIRE_EQ(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	return fd;
}

/* What the server says to it. */
static int32_t monitor_answer(int fd)
{
	struct wire_welcome w;

	REQUIRE_EQ(recv(fd, &w, sizeof(w), MSG_WAITALL), sizeof(w));
	return w.error;
}

/* Asks until there is a place: that of one which has left is free a moment later. */
static int monitor_open(struct arena *a)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	for (;;) {
		int fd = monitor_ask(a);
		int32_t error = monitor_answer(fd);

		if (error == 0)
			return fd;
		REQUIRE_EQ(error, -EUSERS);
		REQUIRE(now_ms() < end);
		close(fd);
		pause_briefly();
	}
}

static void monitor_wish(int fd)
{
	char head[HEAD];

	REQUIRE_EQ(send(fd, &everything, sizeof(everything), MSG_NOSIGNAL), sizeof(everything));
	REQUIRE_EQ(recv(fd, head, sizeof(head), MSG_WAITALL), HEAD);
}

ATTACK(monitors_without_the_right, .prepare = monitors_allow_nobody, .needs = "root: two users")
{
	for (unsigned int i = 0; i < effort(3000) || arena_honest_wants_more(a); i++) {
		int fd = monitor_ask(a);

		if (i % 3 == 0)
			REQUIRE_EQ(monitor_answer(fd), -EACCES);
		close(fd);
	}
	arena_honest_goes_on(a);
}

/* Nobody takes a place of root's, or of the next one for longer than it is there. */
ATTACK(monitors_by_the_thousand, .prepare = monitors_allow, .needs = "root: two users")
{
	int kept[OTHERS];

	for (int i = 0; i < OTHERS; i++)
		kept[i] = monitor_open(a);
	for (unsigned int i = 0; i < effort(1000) || arena_honest_wants_more(a); i++) {
		int fd = monitor_ask(a);

		REQUIRE_EQ(monitor_answer(fd), -EUSERS);
		close(fd);
	}
	for (int i = 0; i < OTHERS; i++)
		close(kept[i]);
	for (unsigned int i = 0; i < effort(1000); i++) {
		int fd = monitor_open(a);

		if (i % 2)
			monitor_wish(fd);
		close(fd);
	}
	arena_honest_goes_on(a);
}

ATTACK(monitors_that_never_read, .prepare = monitors_allow, .needs = "root: two users")
{
	int fds[OTHERS];

	for (int i = 0; i < OTHERS; i++) {
		fds[i] = monitor_open(a);
		monitor_wish(fds[i]);
	}
	for (int i = 0; i < 5; i++)
		arena_honest_goes_on(a);
	for (int i = 0; i < OTHERS; i++)
		close(fds[i]);
}

ATTACK(wishes_that_are_none, .prepare = monitors_allow, .needs = "root: two users")
{
	struct wish wish[2] = { everything, everything };
	int fd;

	/* Byte by byte, and one byte more. */
	fd = monitor_open(a);
	for (size_t i = 0; i < sizeof(wish[0]); i++)
		REQUIRE_EQ(send(fd, (char *)&wish[0] + i, 1, MSG_NOSIGNAL), 1);
	(void)send(fd, "", 1, MSG_NOSIGNAL);
	AWAIT(send(fd, "", 0, MSG_NOSIGNAL) < 0 || send(fd, "", 1, MSG_NOSIGNAL) < 0);
	close(fd);
	/* Two at once, with what follows. */
	fd = monitor_open(a);
	REQUIRE_EQ(send(fd, wish, sizeof(wish), MSG_NOSIGNAL), sizeof(wish));
	AWAIT(send(fd, "", 1, MSG_NOSIGNAL) < 0);
	close(fd);
	for (size_t i = 0; i < sizeof(wish[0]); i++) {
		fd = monitor_open(a);
		REQUIRE_EQ(send(fd, &everything, i, MSG_NOSIGNAL), (ssize_t)i);
		REQUIRE_EQ(shutdown(fd, SHUT_WR), 0);
		AWAIT(recv(fd, wish, sizeof(wish), MSG_DONTWAIT) == 0);
		close(fd);
	}
	for (int i = 0; i < 200; i++) {
		fd = monitor_open(a);
		random_fill((unsigned char *)wish, sizeof(wish));
		(void)send(fd, wish, sizeof(wish), MSG_NOSIGNAL);
		AWAIT(send(fd, "", 1, MSG_NOSIGNAL) < 0);
		close(fd);
	}
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: monitors");
	TCase *tc = tcase_new(s, "monitors");

	add_attack(tc, monitors_without_the_right, ON_NATIVE);
	add_attack(tc, monitors_by_the_thousand, ON_NATIVE);
	add_attack(tc, monitors_that_never_read, ON_NATIVE);
	add_attack(tc, wishes_that_are_none, ON_NATIVE);
	return arena_main(s);
}
