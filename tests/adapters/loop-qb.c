/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-qb.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_qb poll;
	qb_loop_t *loop;
};

TEST_LOOP_COMMON(qb)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	l->loop = qb_loop_create();
	REQUIRE(l->loop);
	REQUIRE(qbipc_poll_qb_init(&l->poll, l->loop) == 0);
	return l;
}

static void loop_run(void *loop)
{
	qb_loop_run(((struct loop *)loop)->loop);
}

static void loop_stop(void *loop)
{
	qb_loop_stop(((struct loop *)loop)->loop);
}

static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	qb_loop_destroy(l->loop);
	free(l);
}

TEST_LOOP("built-in loop", .priorities = true);
