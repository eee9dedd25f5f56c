/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client's messages cost: measured on suspicion, added up, not of those exempt. */
#include "config.h"

#include <time.h>

#include "base/clock.h"
#include "server/cost.h"
#include "tests/lib/variant.h"

enum { DEAR_MS = 3, CHEAP = 1000, BYTES = 100, MOST = 20 };

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

int main(void)
{
	Suite *s = suite_create("cost");
	TCase *tc = tcase_new(s, "messages");

	tcase_add_test(tc, dear_messages_in_a_row_are_too_much);
	tcase_add_test(tc, cheap_messages_end_the_suspicion);
	tcase_add_test(tc, client_without_limits_is_never_measured);
	return suite_main(s);
}
