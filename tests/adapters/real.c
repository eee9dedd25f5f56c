/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop under test as one of tests/lib's adapters, and what the suites share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/adapters/loop.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

enum { CASE_TIMEOUT_S = 60 };

static void *loop;

void *test_loop_alloc(size_t size)
{
	void *p = calloc(1, size);

	REQUIRE(p);
	return p;
}

void test_loop_require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "the loop: not so: %s\n", what);
	abort();
}

void test_loop_descriptors(unsigned int n)
{
	struct rlimit limit;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur >= n)
		return;
	limit.rlim_cur = n;
	if (limit.rlim_max < n)
		limit.rlim_max = n;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* -- The poll contract is checked on the way ----------------------------------- */

static int32_t real_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct registration *r = data;
	int32_t result = registration_dispatch(r, revents);

	if (result < 0 && r->live)
		registration_end(r);
	return result;
}

static int32_t real_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r = registration_add(p, fd, events, data, fn);
	int32_t result;

	adapter_counts.adds++;
	if (!r)
		return -EBADF;
	result = qbipc_poll_add(test_loop.poll(loop), p, fd, events, r, real_dispatch);
	if (result < 0)
		registration_end(r);
	return result;
}

static int32_t real_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r = registration_find(fd, "mod");

	adapter_counts.mods++;
	if (!r)
		return -EBADF;
	r->priority = p;
	r->events = events;
	r->data = data;
	r->fn = fn;
	return qbipc_poll_mod(test_loop.poll(loop), p, fd, events, r, real_dispatch);
}

static int32_t real_del(int32_t fd)
{
	struct registration *r = registration_find(fd, "del");

	adapter_counts.dels++;
	if (!r)
		return -EBADF;
	registration_end(r);
	return qbipc_poll_del(test_loop.poll(loop), fd);
}

static int32_t real_job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qbipc_poll_job(test_loop.poll(loop), p, data, fn);
}

/* -- A server's loop ----------------------------------------------------------- */

/* Some libraries keep descriptors once they have been used. */
static void real_prepare(void)
{
	test_loop.close(test_loop.open());
}

static void real_open(void)
{
	loop = test_loop.open();
}

static void real_run(void)
{
	test_loop.run(loop);
}

static void real_stop(void)
{
	test_loop.stop(loop);
}

static void real_close(void)
{
	registration_audit();
	registration_clear();
	test_loop.close(loop);
}

static void real_watch(int fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	REQUIRE(qbipc_poll_add(test_loop.poll(loop), QB_LOOP_HIGH, fd, POLLIN, data, fn) == 0);
}

static void real_unwatch(int fd)
{
	REQUIRE(qbipc_poll_del(test_loop.poll(loop), fd) == 0);
}

const struct adapter adapter_real = {
	.name = "real",
	.handlers = {
		.job_add = real_job_add,
		.dispatch_add = real_add,
		.dispatch_mod = real_mod,
		.dispatch_del = real_del,
	},
	.prepare = real_prepare,
	.open = real_open,
	.run = real_run,
	.stop = real_stop,
	.close = real_close,
	.watch = real_watch,
	.unwatch = real_unwatch,
};

TCase *tcase_loop(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, real_prepare, NULL);
	tcase_add_checked_fixture(tc, census_setup, census_teardown);
	tcase_set_timeout(tc, CASE_TIMEOUT_S * test_slowdown());
	suite_add_tcase(s, tc);
	return tc;
}

TCase *tcase_loop_many(Suite *s, const char *name)
{
	TCase *tc = tcase_loop(s, name);

	tcase_set_tags(tc, "many");
	return tc;
}
