/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client's messages cost: measured on suspicion, added up, not of those exempt.
 * Linked with --wrap=getsockopt, which says of whom a client is.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#include "base/clock.h"
#include "server/connection.h"
#include "server/cost.h"
#include "tests/lib/pump.h"
#include "tests/lib/variant.h"

enum { DEAR_MS = 3, CHEAP = 1000, BYTES = 100, MOST = 20, TURNS = 100, SIZE = 12000 };
enum { STRANGER = 65534 };

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * QBI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void burn(uint64_t ns)
{
	uint64_t end = cpu_ns() + ns;

	while (cpu_ns() < end)
		;
}

static bool message(struct qbi_cost *c, uint64_t ns)
{
	struct qbi_cost_mark mark = qbi_cost_begin(c);

	burn(ns);
	return qbi_cost_end(c, &mark, BYTES);
}

START_TEST(dear_messages_in_a_row_are_too_much)
{
	struct qbi_cost c = { .excess = 0 };
	int n = 0;

	qbi_cost_suspect(&c);
	while (!message(&c, DEAR_MS * QBI_NS_PER_MS))
		ck_assert_int_lt(++n, MOST);
	ck_assert_int_ge(n, 2);
}
END_TEST

START_TEST(cheap_messages_end_the_suspicion)
{
	struct qbi_cost c = { .excess = 0 };

	qbi_cost_suspect(&c);
	ck_assert(qbi_cost_is_watched(&c));
	for (int i = 0; i < CHEAP && qbi_cost_is_watched(&c); i++)
		ck_assert(!message(&c, 0));
	ck_assert(!qbi_cost_is_watched(&c));
}
END_TEST

START_TEST(client_without_limits_is_never_measured)
{
	struct qbi_cost c = { .exempt = true };

	qbi_cost_suspect(&c);
	ck_assert(!qbi_cost_is_watched(&c));
	for (int i = 0; i < MOST; i++)
		ck_assert(!message(&c, DEAR_MS * QBI_NS_PER_MS));
	ck_assert_uint_eq(c.excess, 0);
}
END_TEST

/* -- Who is measured ------------------------------------------------------------------- */

static uid_t client_uid; /* as the kernel is to tell it */
static qb_ipcs_connection_t *created;

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	int r = __real_getsockopt(fd, level, option, value, len);

	if (r == 0 && level == SOL_SOCKET && option == SO_PEERCRED)
		((struct ucred *)value)->uid = client_uid;
	return r;
}

static void on_created(qb_ipcs_connection_t *c)
{
	created = c;
}

static int32_t on_message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return 0;
}

/* Is a client of @uid measured at all? */
static bool client_is_exempt(uid_t uid)
{
	static struct qb_ipcs_service_handlers handlers = { .connection_created = on_created,
							    .msg_process = on_message };
	struct qb_ipcs_poll_handlers poll = pump_handlers;
	qb_ipcs_service_t *s;
	qb_ipcc_connection_t *c;
	char name[64];
	bool exempt;
	int fd;

	client_uid = uid;
	created = NULL;
	snprintf(name, sizeof(name), "cost-%d", (int)getpid());
	s = qb_ipcs_create(name, 0, QB_IPC_SHM, &handlers);
	qb_ipcs_poll_handlers_set(s, &poll);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	c = qb_ipcc_connect_async(name, SIZE, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert(pump_settle(TURNS));
	ck_assert_ptr_nonnull(created);
	exempt = created->send_cost.exempt;
	ck_assert(exempt == created->take_cost.exempt);
	qb_ipcc_disconnect(c);
	(void)pump_settle(TURNS);
	qb_ipcs_destroy(s);
	return exempt;
}

START_TEST(root_and_the_own_user_are_exempt_and_nobody_else)
{
	ck_assert(client_is_exempt(0));
	ck_assert(client_is_exempt(geteuid()));
	ck_assert(!client_is_exempt(STRANGER));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cost");
	TCase *tc = tcase_new(s, "messages");

	tcase_add_test(tc, dear_messages_in_a_row_are_too_much);
	tcase_add_test(tc, cheap_messages_end_the_suspicion);
	tcase_add_test(tc, client_without_limits_is_never_measured);
	tcase_add_test(tc, root_and_the_own_user_are_exempt_and_nobody_else);
	return suite_main(s);
}
