/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The poll adapter under test. Each program of this folder has one of the loop-*.c, all
 * have the same suites.
 *
 * Two ways to use it: a loop in the test's own process (struct test_loop), and a server
 * of tests/lib that runs on it in a child, with the poll contract checked (adapter_real).
 */
#ifndef TEST_ADAPTERS_LOOP_H
#define TEST_ADAPTERS_LOOP_H

#include <stdbool.h>
#include <stdlib.h>

#include <check.h>
#include <qbipc/poll.h>

#include "tests/lib/adapter.h"

struct test_loop {
	const char *name;
	bool priorities; /* of what is ready, the higher goes first */
	bool ends_empty; /* run() returns also when nothing is left to wait for */
	/* Never NULL: what does not work here ends the program. */
	void *(*open)(void);
	void (*run)(void *loop);  /* returns after stop() */
	void (*stop)(void *loop); /* from a callback */
	struct qbipc_poll *(*poll)(void *loop);
	int (*attach)(void *loop, qb_ipcs_service_t *s);
	struct qbipc_client_watch *(*watch_client)(void *loop, enum qb_loop_priority p,
						   qb_ipcc_connection_t *c,
						   qbipc_client_event_fn event,
						   qbipc_client_gone_fn gone, void *data);
	struct qbipc_calls_watch *(*watch_calls)(void *loop, enum qb_loop_priority p,
						 qb_ipcc_connection_t *c);
	void (*end)(void *loop);   /* fini of the adapter; the loop stays */
	void (*close)(void *loop); /* fini unless it has been, and the loop's end */
};

extern const struct test_loop test_loop;
extern const struct adapter adapter_real;

/* The rest of a loop-*.c: the functions that are the same but for names. */
#define TEST_LOOP_COMMON(lib)                                                                  \
	static struct qbipc_poll *loop_poll(void *loop)                                        \
	{                                                                                      \
		return ((struct loop *)loop)->poll.poll;                                       \
	}                                                                                      \
	static int loop_attach(void *loop, qb_ipcs_service_t *s)                               \
	{                                                                                      \
		return qbipc_poll_##lib##_attach(&((struct loop *)loop)->poll, s);             \
	}                                                                                      \
	static struct qbipc_client_watch *loop_watch_client(                                   \
		void *loop, enum qb_loop_priority p, qb_ipcc_connection_t *c,                  \
		qbipc_client_event_fn event, qbipc_client_gone_fn gone, void *data)            \
	{                                                                                      \
		return qbipc_##lib##_watch_client(&((struct loop *)loop)->poll, p, c, event,   \
						  gone, data);                                 \
	}                                                                                      \
	static struct qbipc_calls_watch *loop_watch_calls(void *loop, enum qb_loop_priority p, \
							  qb_ipcc_connection_t *c)             \
	{                                                                                      \
		return qbipc_##lib##_watch_calls(&((struct loop *)loop)->poll, p, c);          \
	}                                                                                      \
	static void loop_end(void *loop)                                                       \
	{                                                                                      \
		qbipc_poll_##lib##_fini(&((struct loop *)loop)->poll);                         \
	}

#define TEST_LOOP(lib_name, ...)                                                               \
	const struct test_loop test_loop = { .name = lib_name,                                 \
					     .open = loop_open,                                \
					     .run = loop_run,                                  \
					     .stop = loop_stop,                                \
					     .poll = loop_poll,                                \
					     .attach = loop_attach,                            \
					     .watch_client = loop_watch_client,                \
					     .watch_calls = loop_watch_calls,                  \
					     .end = loop_end,                                  \
					     .close = loop_close,                              \
					     __VA_ARGS__ }

/* Zeroed memory and a condition, in places where Check is not at hand. */
void *test_loop_alloc(size_t size);
void test_loop_require(bool condition, const char *what);
#define REQUIRE(condition) test_loop_require(condition, #condition)

/* Raises the limit of descriptors where it is lower. */
void test_loop_descriptors(unsigned int n);

/* A case that counts descriptors and the like, with what the library keeps for good
 * made before. */
TCase *tcase_loop(Suite *s, const char *name);

/* The same for what takes long where everything is slow: tag "many" of CK_EXCLUDE_TAGS. */
TCase *tcase_loop_many(Suite *s, const char *name);

void add_descriptor_tests(Suite *s);
void add_removal_tests(Suite *s);
void add_job_tests(Suite *s);
void add_loop_tests(Suite *s);
void add_service_tests(Suite *s);
void add_scarcity_tests(Suite *s);
void add_client_tests(Suite *s);
void add_call_tests(Suite *s);

#endif
