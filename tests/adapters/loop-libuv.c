/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <qbipc/poll-libuv.h>

#include "tests/adapters/loop.h"

struct loop {
	struct qbipc_poll_libuv poll;
	uv_loop_t loop;
};

TEST_LOOP_COMMON(libuv)

static void *loop_open(void)
{
	struct loop *l = test_loop_alloc(sizeof(*l));

	REQUIRE(uv_loop_init(&l->loop) == 0);
	REQUIRE(qbipc_poll_libuv_init(&l->poll, &l->loop) == 0);
	return l;
}

static void loop_run(void *loop)
{
	uv_run(&((struct loop *)loop)->loop, UV_RUN_DEFAULT);
}

static void loop_stop(void *loop)
{
	uv_stop(&((struct loop *)loop)->loop);
}

/* Busy if the adapter left a handle open. */
static void loop_close(void *loop)
{
	struct loop *l = loop;

	loop_end(l);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	REQUIRE(uv_loop_close(&l->loop) == 0);
	free(l);
}

TEST_LOOP("libuv", .ends_empty = true);
