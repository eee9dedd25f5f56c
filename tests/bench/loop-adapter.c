/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server of its own for the loop of another library, by its adapter. The loop is the one
 * that the adapter's tests run in.
 *
 *   peer-qbipc-LOOP NAME shm|socket
 */
#include "config.h"
#include "peer.h"

#include "loop.h"
#include "tests/adapters/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static void *loop;

void *test_loop_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		bench_die("calloc", ENOMEM);
	return p;
}

void test_loop_require(bool condition, const char *what)
{
	if (!condition)
		bench_die(what, EPROTO);
}

static void loop_open(void)
{
	loop = test_loop.open();
}

static void loop_attach(qb_ipcs_service_t *service)
{
	REQUIRE(test_loop.attach(loop, service) == 0);
}

static void loop_watch(int fd, qb_ipcs_dispatch_fn_t fn)
{
	REQUIRE(qbipc_poll_add(test_loop.poll(loop), QB_LOOP_HIGH, fd, POLLIN, NULL, fn) == 0);
}

static void loop_run(void)
{
	test_loop.run(loop);
}

static void loop_stop(void)
{
	test_loop.stop(loop);
}

static void loop_close(void)
{
	test_loop.close(loop);
}

const struct bench_loop *bench_loop_find(const char *name)
{
	static const struct bench_loop adapter = {
		loop_open, loop_attach, loop_watch, loop_run, loop_stop, loop_close,
	};

	(void)name;
	return &adapter;
}

int main(int argc, char **argv)
{
	return argc == 3 ? bench_serve(argv[1], argv[2], NULL) : 2;
}
