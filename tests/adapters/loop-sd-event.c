/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-sd-event.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_sd_event poll;
	sd_event *event;
	bool stopped;
};

TEST_LOOP_COMMON(sd_event)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	REQUIRE(sd_event_new(&l->event) >= 0);
	REQUIRE(qbipc_poll_sd_event_init(&l->poll, l->event) == 0);
	return l;
}

/* sd_event_loop() can be left only once. */
static void loop_run(void *loop)
{
	struct loop *l = loop;

	l->stopped = false;
	while (!l->stopped)
		REQUIRE(sd_event_run(l->event, UINT64_MAX) >= 0);
}

static void loop_stop(void *loop)
{
	((struct loop *)loop)->stopped = true;
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	sd_event_unref(l->event);
	free(l);
}

TEST_LOOP("sd-event", .priorities = true);
