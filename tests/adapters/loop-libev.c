/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-libev.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_libev poll;
	struct ev_loop *loop;
};

TEST_LOOP_COMMON(libev)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	l->loop = ev_loop_new(EVFLAG_AUTO);
	REQUIRE(l->loop);
	REQUIRE(qbipc_poll_libev_init(&l->poll, l->loop) == 0);
	return l;
}

static void loop_run(void *loop)
{
	ev_run(((struct loop *)loop)->loop, 0);
}

static void loop_stop(void *loop)
{
	ev_break(((struct loop *)loop)->loop, EVBREAK_ALL);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	ev_loop_destroy(l->loop);
	free(l);
}

TEST_LOOP("libev", .priorities = true, .ends_empty = true);
