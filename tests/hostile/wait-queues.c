/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that has the kernel work for it in the server's time: each byte on a socket wakes
 * all who wait at its other end, and there may be tens of thousands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <qbipc/monitor.h>
#include <qbipc/snapshot.h>

#include "tests/hostile/tools.h"
#include "tests/lib/remote.h"

static size_t chosen;	 /* of the requests below */
static int together = 1; /* how many */

enum { WAITERS = 80000 };

/* So many epolls at @socket, each with so many descriptors of it. */
static void waiters_product(int socket, unsigned int epolls, unsigned int copies)
{
	int *fds = calloc(copies, sizeof(*fds));

	REQUIRE(fds);
	for (unsigned int k = 0; k < copies; k++) {
		fds[k] = fcntl(socket, F_DUPFD_CLOEXEC, 0);
		REQUIRE(fds[k] >= 0);
	}
	for (unsigned int i = 0; i < epolls; i++) {
		int epoll = epoll_create1(EPOLL_CLOEXEC);

		REQUIRE(epoll >= 0);
		for (unsigned int k = 0; k < copies; k++) {
			struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

			REQUIRE_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[k], &e), 0);
		}
	}
	/* An entry lasts as long as the open file, and the epolls stay open. */
	for (unsigned int k = 0; k < copies; k++)
		close(fds[k]);
	free(fds);
}

static void waiters_add(int socket, unsigned int n)
{
	unsigned int each = 0;

	while (each * each < n)
		each++;
	waiters_product(socket, each, each);
}

/* Whichever of its sockets it is, what the server sends or receives there gets dear. */
static void waiters_everywhere(struct raw *p)
{
	int sockets[RAW_FDS + 3], n = 0;
	struct stat st;

	sockets[n++] = p->stream;
	/* Some of them are memory. */
	for (unsigned int i = 0; i < p->n_fds; i++)
		if (fstat(p->fds[i], &st) == 0 && S_ISSOCK(st.st_mode))
			sockets[n++] = p->fds[i];
	if (p->response >= 0)
		sockets[n++] = p->response;
	if (p->event >= 0)
		sockets[n++] = p->event;
	for (int i = 0; i < n; i++)
		waiters_add(sockets[i], WAITERS / (unsigned int)n);
}

static void descriptors_allow(void)
{
	struct rlimit limit;

	REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* -- What is judged -------------------------------------------------------------------- */

/* Instead of its time alone: a wake-up takes longer on a slower machine. */
#define JUDGED_HERE "it is judged by what one wake-up costs on this machine"

/* What one dispatch may compute: a first one that nobody expects, those that are measured until
 * it is too much, and the shutdown. */
enum { WAKE_UPS = 8 };

/* What one wake-up of @waiters costs here, in ns of CPU time. */
static uint64_t wake_up_ns(unsigned int waiters)
{
	struct timespec from, to;
	int pair[2];

	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	waiters_add(pair[0], waiters);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	REQUIRE_EQ(send(pair[1], "", 1, MSG_NOSIGNAL), 1);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000 + (uint64_t)to.tv_nsec -
	       (uint64_t)from.tv_nsec;
}

/* No dispatch has computed for longer than a few wake-ups take. */
static void server_has_computed_little(struct arena *a, uint64_t wake_up)
{
	uint64_t worst = (uint64_t)atomic_load(&a->host->shared->slot[SLOT_RAN_NS]);
	uint64_t allowed = WAKE_UPS * wake_up + COMPUTED_MS * 1000000ull * test_slowdown();

	printf("# %s (%s): one wake-up %llu us, worst dispatch %llu us\n", a->name,
	       variants[a->variant].name, (unsigned long long)wake_up / 1000,
	       (unsigned long long)worst / 1000);
	fflush(stdout);
	REQUIRE_MSG(worst <= allowed,
		    "a dispatch has computed for %llu us, one wake-up takes %llu us",
		    (unsigned long long)worst / 1000, (unsigned long long)wake_up / 1000);
}

/* -- Messages --------------------------------------------------------------------------- */

/* Requests, each with a wake-up and an answer, @n at a time, until the client is dropped. */
static void calls_until_dropped(struct raw *p, int32_t id, int n)
{
	struct request *r = request_make(id, sizeof(*r), sizeof(*r));
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	char buf[WIRE_SMALLEST];

	while (!raw_is_dropped(p)) {
		REQUIRE_MSG(now_ms() < end, "the client is not dropped");
		for (int i = 0; i < n; i++)
			(void)raw_send(p, r, sizeof(*r));
		while (raw_take(p, RESPONSE, buf, sizeof(buf)) > 0)
			;
		while (raw_take(p, EVENT, buf, sizeof(buf)) > 0)
			;
		/* The server is to sleep, and the socket to have room: only then it wakes us. */
		pause_briefly();
	}
	free(r);
}

static const int32_t ids[] = { 5, MSG_EVENT };

/* A process of its own, with which the epolls go. */
static void client_main(void *data)
{
	struct arena *a = data;
	uint64_t wake_up;
	struct raw p;

	descriptors_allow();
	wake_up = wake_up_ns(WAITERS);
	working_connect(a, &p);
	waiters_everywhere(&p);
	calls_until_dropped(&p, ids[chosen], together);
	server_has_computed_little(a, wake_up);
}

/* Each: the messages until it is noticed, and the shutdown, which wakes them once more. */
ATTACK(eighty_thousand_waiters_at_the_sockets, .cpu_not_judged = JUDGED_HERE)
{
	for (chosen = 0; chosen < COUNT(ids); chosen++) {
		child_end(child_start(0, client_main, a));
		arena_honest_goes_on(a);
	}
}

/* More requests in one dispatch than are measured after a suspicion: each is cheap, and the
 * wake-ups that are received at its end are not. */
ATTACK(eighty_thousand_waiters_behind_many_cheap_requests, .cpu_not_judged = JUDGED_HERE)
{
	host_call(a->host, remote_rate, QB_IPCS_RATE_FAST);
	chosen = 0;
	together = 40;
	child_end(child_start(0, client_main, a));
	arena_honest_goes_on(a);
}

/* -- Many wake-ups at once ------------------------------------------------------------- */

enum {
	QUEUED = 100, /* pieces in the queue of one socket: one wake-up each as they go */
	/* To send: with less, those who wait are not woken for the first ones. */
	ROOM = 1 << 20,
	SAID = sizeof(struct wire_hello),
};

/* Where the waiters are, and what is queued. */
enum place { IN_THE_STREAM, IN_THE_REQUESTS, PLACES };

static int request_socket(const struct raw *p)
{
	return p->native ? p->fds[NATIVE_CALL_FD] : p->response;
}

static void room_raise(int socket)
{
	int room = ROOM;

	(void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

static void bytes_queue(int socket, unsigned int n)
{
	while (n-- > 0)
		REQUIRE(send(socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ||
			errno == EAGAIN);
}

/* A request for which the client is dropped, in front of those which nobody takes. */
static void nonsense_queue(struct raw *p, unsigned int behind)
{
	struct request *r = request_make(5, 1, sizeof(*r));

	(void)raw_send(p, r, sizeof(*r));
	while (behind-- > 0 && raw_queue(p, r, sizeof(*r)) == 0)
		;
	free(r);
}

static struct {
	struct arena *arena;
	enum place place;
	bool nonsense;
} queued;

static void queued_main(void *unused)
{
	uint64_t wake_up;
	struct raw p;
	int socket;

	descriptors_allow();
	wake_up = wake_up_ns(WAITERS);
	working_connect(queued.arena, &p);
	socket = queued.place == IN_THE_STREAM ? p.stream : request_socket(&p);
	room_raise(socket);
	waiters_add(socket, WAITERS);
	arena_freeze(queued.arena);
	if (queued.place == IN_THE_STREAM)
		bytes_queue(socket, QUEUED);
	if (queued.nonsense)
		nonsense_queue(&p, queued.place == IN_THE_REQUESTS ? QUEUED : 0);
	arena_thaw(queued.arena);
	if (queued.nonsense)
		raw_must_be_dropped(&p);
	arena_honest_goes_on(queued.arena);
	server_has_computed_little(queued.arena, wake_up);
}

static void queued_run(struct arena *a, enum place place, bool nonsense)
{
	queued.arena = a;
	queued.place = place;
	queued.nonsense = nonsense;
	child_end(child_start(0, queued_main, NULL));
	arena_honest_goes_on(a);
}

/* What nobody has taken goes with the socket, piece by piece. */
ATTACK(eighty_thousand_waiters_and_bytes_that_are_left_at_the_end,
       .cpu_not_judged = JUDGED_HERE)
{
	queued_run(a, IN_THE_STREAM, true);
}

ATTACK(eighty_thousand_waiters_and_requests_that_are_left_at_the_end,
       .cpu_not_judged = JUDGED_HERE)
{
	queued_run(a, IN_THE_REQUESTS, true);
}

ATTACK(eighty_thousand_waiters_and_bytes_that_mean_nothing, .cpu_not_judged = JUDGED_HERE)
{
	queued_run(a, IN_THE_STREAM, false);
}

/* Of the first message each byte is a piece of its own. */
static void hello_main(void *data)
{
	struct arena *a = data;
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	uint64_t wake_up;
	int stream;

	descriptors_allow();
	wake_up = wake_up_ns(WAITERS);
	stream = raw_dial(a->wish.service);
	REQUIRE(stream >= 0);
	waiters_add(stream, WAITERS);
	arena_freeze(a);
	for (size_t i = 0; i < SAID; i++)
		REQUIRE_EQ(send(stream, (char *)&hello + i, 1, MSG_NOSIGNAL), 1);
	arena_thaw(a);
	arena_honest_goes_on(a);
	server_has_computed_little(a, wake_up);
}

ATTACK(eighty_thousand_waiters_and_a_handshake_in_pieces, .cpu_not_judged = JUDGED_HERE)
{
	child_end(child_start(0, hello_main, a));
	arena_honest_goes_on(a);
}

/* -- Monitors ------------------------------------------------------------------------------ */

enum { ABILITY_MONITOR = 0x20, MONITOR_MARK = 0x314d4951, WISH = 40, PATIENT_MS = 500 };

static void monitors_allow(struct server *sv)
{
	SERVER_REQUIRE(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD) == 0);
	SERVER_REQUIRE(sv,
		       qbipc_service_snapshot_allow(sv->service, ATTACKER_UID, (gid_t)-1) == 0);
}

/* Of its wish each byte is a piece of its own; then it never reads. */
static void monitor_main(void *data)
{
	const uint32_t wish[WISH / 4] = { MONITOR_MARK, WISH, 0, WIRE_SMALLEST };
	struct wire_hello hello = raw_hello(true, WIRE_SMALLEST);
	struct arena *a = data;
	struct wire_welcome w;
	uint64_t wake_up, end;
	int stream;

	descriptors_allow();
	wake_up = wake_up_ns(WAITERS);
	stream = raw_dial(a->wish.service);
	REQUIRE(stream >= 0);
	hello.version = 0;
	hello.abilities = ABILITY_MONITOR;
	REQUIRE_EQ(send(stream, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE_EQ(recv(stream, &w, sizeof(w), MSG_WAITALL), sizeof(w));
	REQUIRE_EQ(w.error, 0);
	room_raise(stream);
	waiters_add(stream, WAITERS);
	arena_freeze(a);
	for (size_t i = 0; i < sizeof(wish); i++)
		REQUIRE_EQ(send(stream, (const char *)wish + i, 1, MSG_NOSIGNAL), 1);
	arena_thaw(a);
	for (end = now_ms() + PATIENT_MS; now_ms() < end;)
		arena_honest_goes_on(a);
	server_has_computed_little(a, wake_up);
}

ATTACK(eighty_thousand_waiters_at_a_monitor, .cpu_not_judged = JUDGED_HERE,
       .prepare = monitors_allow, .needs = "root: two users")
{
	child_end(child_start(0, monitor_main, a));
	arena_honest_goes_on(a);
}

/* -- Many clients ------------------------------------------------------------------------ */

enum { LEFT = 24, LEFT_EPOLLS = 20, LEFT_COPIES = 2000, LEFT_WAITERS = 40000 };

/* They seem to have left, and go many at a time. */
static void left_main(void *data)
{
	struct arena *a = data;
	struct rlimit limit;
	uint64_t wake_up;

	descriptors_allow();
	REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * LEFT_COPIES) {
		printf("# skip: too few descriptors\n");
		return;
	}
	wake_up = wake_up_ns(LEFT_WAITERS);
	arena_freeze(a);
	for (int i = 0; i < LEFT; i++) {
		int stream = raw_dial(a->wish.service);

		REQUIRE(stream >= 0);
		waiters_product(stream, LEFT_EPOLLS, LEFT_COPIES);
		REQUIRE_EQ(shutdown(stream, SHUT_WR), 0);
	}
	arena_thaw(a);
	arena_honest_goes_on(a);
	server_has_computed_little(a, wake_up);
}

ATTACK(forty_thousand_waiters_at_each_client_that_has_left, .cpu_not_judged = JUDGED_HERE)
{
	child_end(child_start(0, left_main, a));
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: wait queues");
	TCase *tc = tcase_new(s, "waiters");

	add_attack(tc, eighty_thousand_waiters_at_the_sockets, ON_ALL);
	add_attack(tc, eighty_thousand_waiters_behind_many_cheap_requests, ON_QB_MEMORY);
	add_attack(tc, eighty_thousand_waiters_and_bytes_that_are_left_at_the_end, ON_ALL);
	add_attack(tc, eighty_thousand_waiters_and_requests_that_are_left_at_the_end,
		   ON_SOCKETS);
	add_attack(tc, eighty_thousand_waiters_and_bytes_that_mean_nothing, ON_ALL);
	add_attack(tc, eighty_thousand_waiters_and_a_handshake_in_pieces, ON_ALL);
	add_attack(tc, forty_thousand_waiters_at_each_client_that_has_left, ON_QB_SOCKETS);
	add_attack(tc, eighty_thousand_waiters_at_a_monitor, ON_NATIVE);
	return arena_main(s);
}
