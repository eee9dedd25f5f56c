/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that has the kernel work for it in the server's time: each byte on a socket wakes
 * all who wait at its other end, and there may be tens of thousands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/lib/remote.h"

static size_t chosen;	 /* of the requests below */
static int together = 1; /* how many */

enum { WAITERS = 80000, DESCRIPTORS = 300 };

/* @n waiters at @socket: epolls times descriptors of it. */
static void waiters_add(int socket, unsigned int n)
{
	int epolls[DESCRIPTORS], copies[DESCRIPTORS];
	unsigned int each = 0, n_copies = 0;

	while (each * each < n)
		each++;
	for (; n_copies < each; n_copies++) {
		copies[n_copies] = fcntl(socket, F_DUPFD_CLOEXEC, 0);
		REQUIRE(copies[n_copies] >= 0);
	}
	for (unsigned int i = 0; i < each; i++) {
		epolls[i] = epoll_create1(EPOLL_CLOEXEC);
		REQUIRE(epolls[i] >= 0);
		for (unsigned int k = 0; k < n_copies; k++) {
			struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

			REQUIRE_EQ(epoll_ctl(epolls[i], EPOLL_CTL_ADD, copies[k], &e), 0);
		}
	}
	/* An entry lasts as long as the open file, and the epolls stay open. */
	for (unsigned int k = 0; k < n_copies; k++)
		close(copies[k]);
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
	struct raw p;

	descriptors_allow();
	working_connect(a, &p);
	waiters_everywhere(&p);
	calls_until_dropped(&p, ids[chosen], together);
}

/* Each: the messages until it is noticed, and the shutdown, which wakes them once more. */
ATTACK(eighty_thousand_waiters_at_the_sockets,
       .cpu_not_judged =
	       "the kernel wakes all waiters at once, and the client is dropped after")
{
	for (chosen = 0; chosen < COUNT(ids); chosen++) {
		child_end(child_start(0, client_main, a));
		arena_honest_goes_on(a);
	}
}

/* More requests in one dispatch than are measured after a suspicion: each is cheap, and the
 * wake-ups that are received at its end are not. */
ATTACK(eighty_thousand_waiters_behind_many_cheap_requests,
       .cpu_not_judged =
	       "the kernel wakes all waiters at once, and the client is dropped after")
{
	host_call(a->host, remote_rate, QB_IPCS_RATE_FAST);
	chosen = 0;
	together = 40;
	child_end(child_start(0, client_main, a));
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: wait queues");
	TCase *tc = tcase_new(s, "waiters");

	add_attack(tc, eighty_thousand_waiters_at_the_sockets, ON_ALL);
	add_attack(tc, eighty_thousand_waiters_behind_many_cheap_requests, ON_QB_MEMORY);
	return arena_main(s);
}
