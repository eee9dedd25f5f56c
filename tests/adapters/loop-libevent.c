/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-libevent.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_libevent poll;
	struct event_base *events;
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
	event_base_dispatch(((struct loop *)loop)->events);
}

static void loop_stop(void *loop)
{
	event_base_loopbreak(((struct loop *)loop)->events);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	event_base_free(l->events);
	free(l);
}

TEST_LOOP("libevent", .priorities = true, .ends_empty = true);
