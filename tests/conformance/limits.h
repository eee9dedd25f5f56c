/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the suites on limits: servers with limits, clients that are other users, and
 * clients that stop in the middle of a handshake.
 */
#ifndef TEST_LIMITS_H
#define TEST_LIMITS_H

#include <stdbool.h>
#include <sys/types.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/lib/variant.h"

/* Users that nobody is. */
enum { ROOT = 0, SOMEBODY = 54321, ANOTHER = 54322, THIRD = 54323 };

/* The effective user becomes @uid, until the next call; only a test run by root can. */
void be(uid_t uid);
/* Skips what needs other users: adds @test only if we can be them. */
#define add_test_of_users(tcase, test)                                                         \
	do {                                                                                   \
		if (users_can_be_changed(#test))                                               \
			add_transport_test(tcase, test);                                       \
	} while (0)
bool users_can_be_changed(const char *test);

/* A host with limits (size is filled in), the given ones and else defaults. */
struct host *host_with_limits(int variant, const struct qbipc_service_limits *limits);
struct host *host_with(const struct server_spec *spec,
		       const struct qbipc_service_limits *limits);
/* Set them in one that runs. */
void host_limit(struct host *h, const struct qbipc_service_limits *limits);
struct qbipc_service_refusals host_refusals(struct host *h);
/* For spec.prepare, where a test has one of its own. */
void prepare_limits(struct server *sv);
/* The same, and the server is SOMEBODY. */
void prepare_as_somebody(struct server *sv);

/* A connected socket of user @uid that has said nothing; and one that says its all. */
int raw_connect(struct host *h, uid_t uid);
void raw_hello(int fd, int variant);
/* The same with a question, of native variants: docs/protocol.md. */
void raw_ask(int fd, int variant, uint32_t abilities);
/* Reads the answer: its error, or ECONNRESET if there is none. */
int raw_answer(int fd);
/* Did the server close it, within the deadline? Has it not, after a turn of its loop? */
bool raw_is_closed(int fd);
bool raw_is_open(struct host *h, int fd);

/* qb_ipcc_connect() as @uid: NULL and errno. */
qb_ipcc_connection_t *connect_as(struct host *h, uid_t uid, size_t max_msg_size);

#endif
