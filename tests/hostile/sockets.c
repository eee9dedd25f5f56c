/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages over sockets. Native: a client whose packets contradict each other. libqb's
 * wire: strangers who send to every name of somebody else's connection, from before its
 * first message on, and a client whose datagrams are too long or too short.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"

/* -- Native packets ------------------------------------------------------------------ */

static void packet_send(struct raw *p, uint32_t size, uint32_t offset, size_t piece)
{
	struct {
		struct native_packet header;
		char bytes[20000];
	} packet = { { size, offset }, "" };

	(void)send(p->fds[1], &packet, sizeof(packet.header) + piece,
		   MSG_NOSIGNAL | MSG_DONTWAIT);
}

ATTACK(packets_that_contradict_themselves)
{
	static const struct {
		uint32_t size, offset;
		size_t piece;
	} bad[] = {
		{ WIRE_SMALLEST + 1, 0, 100 },
		{ 1u << 31, 0, 100 },
		{ UINT32_MAX, 0, 100 },
		{ 100, 1, 99 },
		{ 100, 0, 101 },
		{ 100, 100, 0 },
		{ 100, 0, 0 },
		{ 100, UINT32_MAX, 100 },
		{ 16, 0, 20000 },
		{ 0, 0, 1 },
		{ 0, 1, 0 },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct raw p;

		working_connect(a, &p);
		packet_send(&p, bad[i].size, bad[i].offset, bad[i].piece);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(pieces_that_contradict_each_other)
{
	static const struct {
		uint32_t size, offset;
		size_t piece;
	} second[] = {
		{ 1001, 500, 500 },	   { 999, 500, 499 },
		{ 1000, 499, 500 },	   { 1000, 501, 499 },
		{ 1000, 0, 500 },	   { 1000, 500, 501 },
		{ 1000, 500, 0 },	   { 16, 0, 16 },
		{ 1000, UINT32_MAX, 500 }, { WIRE_SMALLEST + 1, 500, 500 },
	};

	for (size_t i = 0; i < COUNT(second); i++) {
		struct raw p;

		working_connect(a, &p);
		packet_send(&p, 1000, 0, 500);
		packet_send(&p, second[i].size, second[i].offset, second[i].piece);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(packets_shorter_than_their_header)
{
	for (size_t size = 1; size < sizeof(struct native_packet); size++) {
		struct raw p;

		working_connect(a, &p);
		REQUIRE_EQ(send(p.fds[1], "12345678", size, MSG_NOSIGNAL), (ssize_t)size);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* The rest never comes. */
ATTACK(first_pieces_and_silence)
{
	struct raw p[20];

	for (size_t i = 0; i < COUNT(p); i++) {
		working_connect(a, &p[i]);
		packet_send(&p[i], WIRE_SMALLEST, 0, 8);
	}
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(p); i++)
		raw_close(&p[i]);
}

ATTACK(pieces_of_one_byte_for_ever)
{
	struct raw p;

	working_connect(a, &p);
	for (uint32_t at = 0; arena_honest_wants_more(a); at++) {
		struct {
			struct native_packet header;
			char byte;
		} __attribute__((packed)) packet = { { WIRE_SMALLEST, at % WIRE_SMALLEST }, 1 };

		while (send(p.fds[1], &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT) <
			       0 &&
		       errno == EAGAIN && arena_honest_wants_more(a))
			sched_yield();
	}
	raw_close(&p);
}

/* The server only ever sends there: nothing goes in from the other side. */
ATTACK(event_socket_filled_from_the_wrong_side)
{
	char bytes[4096] = "";
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(send(p.fds[2], bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	REQUIRE_EQ(errno, EPIPE);
	raw_call(&p, 5, 100);
	arena_honest_goes_on(a);
	raw_close(&p);
}

/* -- Datagrams ------------------------------------------------------------------------- */

ATTACK(datagrams_that_are_no_requests)
{
	for (size_t size = 0; size < 40; size = size ? size * 2 : 1) {
		char bytes[40];
		struct raw p;

		memset(bytes, 0x7f, sizeof(bytes));
		working_connect(a, &p);
		REQUIRE_EQ(send(p.response, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(datagrams_longer_than_agreed)
{
	struct request *r = request_make(MSG_ECHO, 100, WIRE_SMALLEST + 100);
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(send(p.response, r, WIRE_SMALLEST + 1, MSG_NOSIGNAL), WIRE_SMALLEST + 1);
	raw_must_be_dropped(&p);
	raw_close(&p);
	/* The first one, too, before the server knows us. */
	raw_connect(&p, &a->wish);
	REQUIRE_EQ(send(p.response, r, WIRE_SMALLEST + 100, MSG_NOSIGNAL), WIRE_SMALLEST + 100);
	raw_must_be_dropped(&p);
	raw_close(&p);
	arena_honest_goes_on(a);
	free(r);
}

ATTACK(counts_and_flow_control_overwritten)
{
	struct raw p;

	working_connect(a, &p);
	for (int i = 0; i < 50; i++) {
		random_fill(p.memory, QB_CONTROL_SIZE);
		raw_call(&p, 5, 100);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
}

/* -- Strangers --------------------------------------------------------------------------- */

static const char *const channels[] = { "request", "event-tx", "response", "event" };
enum { TO_THE_CLIENT = 2 }; /* from the third name on */

/* A response, an event and a request at once, for whoever takes it for one. */
static int stranger_send(int fd, const char *prefix, size_t channel)
{
	struct response r = { { .id = 666, .size = sizeof(r) } };
	struct sockaddr_un address;
	char name[400];

	snprintf(name, sizeof(name), "%.100s-%s", prefix, channels[channel]);
	raw_address(&address, name);
	return sendto(fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&address, sizeof(address)) < 0 ?
		       -errno :
		       0;
}

/*
 * To a connection that is being made, until the client has bound both of its addresses:
 * it never takes anything that the server did not send.
 */
static void strangers_meet(int fd, const char *prefix)
{
	for (int i = 0; i < 3000; i++) {
		int r = 0;

		for (size_t channel = 0; channel < COUNT(channels); channel++) {
			r = stranger_send(fd, prefix, channel);
			REQUIRE_MSG(r < 0 || channel < TO_THE_CLIENT,
				    "a stranger got through to -%s", channels[channel]);
		}
		if (r == -EPERM)
			return;
	}
}

/* Is @name the directory of somebody else's connection to this server? */
static bool is_elses(struct arena *a, const char *name)
{
	int server, client;

	return sscanf(name, "qb-%d-%d-", &server, &client) == 2 &&
	       server == (int)a->host->pid && client != (int)getpid();
}

/* To all connections of the server there are: their directories tell the names. */
static void strangers_round(struct arena *a, int fd)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	char prefix[400];

	REQUIRE(d);
	while ((e = readdir(d))) {
		if (!is_elses(a, e->d_name))
			continue;
		snprintf(prefix, sizeof(prefix), "/dev/shm/%s/qb-%s", e->d_name,
			 a->wish.service);
		strangers_meet(fd, prefix);
	}
	closedir(d);
}

ATTACK(datagrams_of_a_stranger_to_every_name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int times = effort(100);

	REQUIRE(fd >= 0);
	while (times-- > 0) {
		uint64_t newcomers = atomic_load(&a->shared->newcomers);

		while (atomic_load(&a->shared->newcomers) == newcomers)
			strangers_round(a, fd);
	}
	close(fd);
}

/* A connection whose client is of that user, as the server sees it. Nothing is opened. */
static void connect_as_attacker(struct arena *a, struct raw *p)
{
	struct wire_hello hello = raw_hello(false, WIRE_SMALLEST);

	REQUIRE_EQ(setegid(ATTACKER_UID), 0);
	REQUIRE_EQ(seteuid(ATTACKER_UID), 0);
	raw_begin(p, raw_dial(a->wish.service));
	REQUIRE_EQ(send(p->stream, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE_EQ(raw_welcome(p), 0);
	REQUIRE_EQ(seteuid(0), 0);
	REQUIRE_EQ(setegid(0), 0);
}

/*
 * Before its first message a connection is known by its address and its process: who
 * takes the address of a client that has not bound it is somebody else all the same.
 */
ATTACK(address_of_the_client_taken_by_somebody_else, .needs = "root: two users",
       .as_root = true)
{
	struct request *r = request_make(MSG_ECHO, 100, 100);
	struct sockaddr_un address;
	char name[400];
	struct raw p;
	pid_t pid;

	/* The client, of one user: connected, and it says nothing. */
	connect_as_attacker(a, &p);
	/* Somebody else, with its address. */
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		char bytes[200];

		become(ACCOMPLICE_UID);
		snprintf(name, sizeof(name), "%.100s-response", p.welcome.response);
		raw_address(&address, name);
		REQUIRE_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		snprintf(name, sizeof(name), "%.100s-request", p.welcome.response);
		raw_address(&address, name);
		REQUIRE_EQ(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		REQUIRE_EQ(send(fd, r, 100, 0), 100);
		arena_honest_goes_on(a);
		REQUIRE_EQ(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
		_exit(0);
	}
	child_end(pid);
	raw_close(&p);
	free(r);
}

/* A socket of that name; -1: it is taken. */
static int name_take(const char *prefix, const char *channel)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char name[400];

	REQUIRE(fd >= 0);
	snprintf(name, sizeof(name), "%.100s-%s", prefix, channel);
	raw_address(&address, name);
	REQUIRE_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

struct heir {
	struct arena *arena;
	const char *prefix;
};

/* Has both names of the client, asks in its name, and waits for what comes of it. */
static void heir_main(void *data)
{
	struct heir *h = data;
	int response = name_take(h->prefix, "response"), event = name_take(h->prefix, "event");
	struct request *r = request_make(MSG_EVENT, 100, 100);
	struct sockaddr_un address;
	char name[400], bytes[200];

	snprintf(name, sizeof(name), "%.100s-request", h->prefix);
	raw_address(&address, name);
	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(sendto(response, r, 100, MSG_NOSIGNAL, (struct sockaddr *)&address,
				  sizeof(address)),
			   100);
		r->hdr.id = MSG_ECHO;
	}
	arena_thaw(h->arena);
	/* Until the server has done with it. */
	AWAIT(sendto(response, r, 0, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		     sizeof(address)) < 0 &&
	      errno == ECONNREFUSED);
	REQUIRE_EQ(recv(response, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	REQUIRE_EQ(recv(event, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	free(r);
}

/*
 * A client asks and is gone before the server has looked. Its request is served, but who
 * has its names by then is nobody: what he asks is not asked by the client, and he gets
 * neither its answers nor its events.
 */
ATTACK(names_of_a_client_that_has_left_taken_by_somebody_else, .needs = "root: two users",
       .as_root = true)
{
	static const int32_t last_words[] = { MSG_SILENT, MSG_ECHO, MSG_EVENT };

	for (size_t i = 0; i < COUNT(last_words); i++) {
		struct request *r = request_make(last_words[i], 100, 100);
		struct raw p;
		struct heir heir = { a, p.welcome.response };

		connect_as_attacker(a, &p);
		raw_open(&p);
		arena_freeze(a);
		REQUIRE_EQ(raw_send(&p, r, 100), 0);
		raw_hang_up(&p);
		child_end(child_start(ACCOMPLICE_UID, heir_main, &heir));
		raw_close(&p);
		free(r);
	}
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: sockets");
	TCase *tc = tcase_new(s, "native packets");

	add_attack(tc, packets_that_contradict_themselves, ON_NATIVE_SOCKETS);
	add_attack(tc, pieces_that_contradict_each_other, ON_NATIVE_SOCKETS);
	add_attack(tc, packets_shorter_than_their_header, ON_NATIVE_SOCKETS);
	add_attack(tc, first_pieces_and_silence, ON_NATIVE_SOCKETS);
	add_attack(tc, pieces_of_one_byte_for_ever, ON_NATIVE_SOCKETS);
	add_attack(tc, event_socket_filled_from_the_wrong_side, ON_NATIVE_SOCKETS);

	tc = tcase_new(s, "datagrams");
	add_attack(tc, datagrams_that_are_no_requests, ON_QB_SOCKETS);
	add_attack(tc, datagrams_longer_than_agreed, ON_QB_SOCKETS);
	add_attack(tc, counts_and_flow_control_overwritten, ON_QB_SOCKETS);
	add_attack(tc, datagrams_of_a_stranger_to_every_name, ON_QB_SOCKETS);
	add_attack(tc, address_of_the_client_taken_by_somebody_else, ON_QB_SOCKETS);
	add_attack(tc, names_of_a_client_that_has_left_taken_by_somebody_else, ON_QB_SOCKETS);
	return arena_main(s);
}
