/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/adapters/pairs.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void *pairs_loop;
struct qbipc_poll *poll_of;

static int calls_total;
static int calls_until_stop; /* total at which the loop stops */

int32_t pair_ready(int32_t fd, int32_t revents, void *data)
{
	struct pair *p = data;

	ck_assert_int_eq(fd, p->fd);
	p->calls++;
	p->revents = revents;
	p->order = ++calls_total;
	if (calls_total == calls_until_stop)
		test_loop.stop(pairs_loop);
	if (p->act)
		p->act(p);
	return p->result;
}

void pair_open(struct pair *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	p->fd = fds[0];
	p->peer = fds[1];
}

void pair_add(struct pair *p, enum qb_loop_priority priority, int32_t events)
{
	ck_assert_int_eq(qbipc_poll_add(poll_of, priority, p->fd, events, p, pair_ready), 0);
}

void pair_feed(struct pair *p)
{
	ck_assert_int_eq(send(p->peer, "x", 1, 0), 1);
}

void pair_close(struct pair *p)
{
	close(p->fd);
	if (p->peer >= 0)
		close(p->peer);
}

void pair_hang_up(struct pair *p)
{
	close(p->peer);
	p->peer = -1;
}

void run_calls(int n)
{
	calls_until_stop = calls_total + n;
	test_loop.run(pairs_loop);
}

void pairs_setup(void)
{
	pairs_loop = test_loop.open();
	poll_of = test_loop.poll(pairs_loop);
	ck_assert_ptr_nonnull(poll_of);
}

void pairs_teardown(void)
{
	test_loop.close(pairs_loop);
}

void run_marker(struct pair *marker)
{
	pair_feed(marker);
	for (int i = 0; i < 3; i++) {
		int before = calls_total, of_marker = marker->calls;

		run_calls(1);
		ck_assert_int_eq(calls_total - before, marker->calls - of_marker);
	}
}
