/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-libevent.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_libevent poll;
	struct event_base *events;
	bool stopped;
};

TEST_LOOP_COMMON(libevent)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	l->events = event_base_new();
	REQUIRE(l->events);
	REQUIRE(event_base_priority_init(l->events, 3) == 0);
	REQUIRE(qbipc_poll_libevent_init(&l->poll, l->events) == 0);
	return l;
}

static void loop_run(void *loop)
{
	struct loop *l = loop;

	l->stopped = false;
	while (!l->stopped)
		event_base_loop(l->events, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
}

static void loop_stop(void *loop)
{
	struct loop *l = loop;

	l->stopped = true;
	event_base_loopbreak(l->events);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	event_base_free(l->events);
	free(l);
}

TEST_LOOP("libevent", true);
