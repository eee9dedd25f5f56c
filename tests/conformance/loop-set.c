/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A poll loop with a pointer: qbipc_service_loop_set(). */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/variant.h"

/* A loop that remembers its one descriptor. */
struct tiny {
	int fd; /* -1: none */
	void *data;
	qb_ipcs_dispatch_fn_t fn;
	int adds, dels, releases;
};

static int tiny_add(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		    qb_ipcs_dispatch_fn_t fn)
{
	struct tiny *t = loop;

	t->adds++;
	t->fd = fd;
	t->data = data;
	t->fn = fn;
	return 0;
}

static int tiny_del(void *loop, int fd)
{
	struct tiny *t = loop;

	t->dels++;
	t->fd = -1;
	return 0;
}

static void tiny_release(void *loop)
{
	((struct tiny *)loop)->releases++;
}

static const struct qbipc_loop_ops tiny_ops = {
	.size = sizeof(tiny_ops),
	.add = tiny_add,
	.mod = tiny_add,
	.del = tiny_del,
	.release = tiny_release,
};

static qb_ipcs_service_t *service_new(int number)
{
	char name[64];
	qb_ipcs_service_t *s;

	snprintf(name, sizeof(name), "loop-set-%d-%d", (int)getpid(), number);
	s = qb_ipcs_create(name, 0, QB_IPC_SHM, NULL);
	ck_assert_ptr_nonnull(s);
	return s;
}

START_TEST(each_service_calls_its_loop_with_its_pointer)
{
	struct tiny a = { .fd = -1 }, b = { .fd = -1 };
	qb_ipcs_service_t *one = service_new(1), *two = service_new(2);

	ck_assert_int_eq(qbipc_service_loop_set(one, &tiny_ops, &a), 0);
	ck_assert_int_eq(qbipc_service_loop_set(two, &tiny_ops, &b), 0);
	ck_assert_int_eq(qb_ipcs_run(one), 0);
	ck_assert_int_eq(a.adds, 1);
	ck_assert_int_eq(b.adds, 0);
	ck_assert_int_eq(qb_ipcs_run(two), 0);
	ck_assert_int_eq(a.adds, 1);
	ck_assert_int_eq(b.adds, 1);
	ck_assert_int_ne(a.fd, b.fd);
	qb_ipcs_destroy(two);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_int_eq(a.dels, 0);
	qb_ipcs_destroy(one);
	ck_assert_int_eq(a.fd, -1);
}
END_TEST

START_TEST(loop_is_released_once_with_the_service_or_when_it_gets_another)
{
	static struct qb_ipcs_poll_handlers none;
	struct tiny a = { .fd = -1 }, b = { .fd = -1 };
	qb_ipcs_service_t *s = service_new(1);

	ck_assert_int_eq(qbipc_service_loop_set(s, &tiny_ops, &a), 0);
	ck_assert_int_eq(qbipc_service_loop_set(s, &tiny_ops, &b), 0);
	ck_assert_int_eq(a.releases, 1);
	qb_ipcs_ref(s);
	qb_ipcs_destroy(s);
	ck_assert_int_eq(b.releases, 0);
	qb_ipcs_unref(s);
	ck_assert_int_eq(a.releases, 1);
	ck_assert_int_eq(b.releases, 1);
	s = service_new(2);
	ck_assert_int_eq(qbipc_service_loop_set(s, &tiny_ops, &a), 0);
	qb_ipcs_poll_handlers_set(s, &none);
	ck_assert_int_eq(a.releases, 2);
	ck_assert_int_eq(qb_ipcs_run(s), -EINVAL);
}
END_TEST

START_TEST(loops_that_make_no_sense_are_refused)
{
	struct {
		struct qbipc_loop_ops known;
		void *later;
	} newer = { .known = tiny_ops, .later = &newer };
	struct qbipc_loop_ops ops = tiny_ops;
	struct tiny a = { .fd = -1 };
	qb_ipcs_service_t *s = service_new(1);

	newer.known.size = sizeof(newer);
	ck_assert_int_eq(qbipc_service_loop_set(NULL, &ops, &a), -EINVAL);
	ck_assert_int_eq(qbipc_service_loop_set(s, NULL, &a), -EINVAL);
	ops.del = NULL;
	ck_assert_int_eq(qbipc_service_loop_set(s, &ops, &a), -EINVAL);
	ops = tiny_ops;
	ops.size = offsetof(struct qbipc_loop_ops, del);
	ck_assert_int_eq(qbipc_service_loop_set(s, &ops, &a), -EINVAL);
	ck_assert_int_eq(qbipc_service_loop_set(s, &newer.known, &a), -E2BIG);
	/* An older program's ends before release: it is not called. */
	ops.size = offsetof(struct qbipc_loop_ops, job);
	ck_assert_int_eq(qbipc_service_loop_set(s, &ops, &a), 0);
	newer.later = NULL;
	ck_assert_int_eq(qbipc_service_loop_set(s, &newer.known, &a), 0);
	ck_assert_int_eq(a.releases, 0);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	ck_assert_int_eq(qbipc_service_loop_set(s, &tiny_ops, &a), -EBUSY);
	qb_ipcs_destroy(s);
	ck_assert_int_eq(a.releases, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop set");
	TCase *tc = tcase_new(s, "loops");

	tcase_add_test(tc, each_service_calls_its_loop_with_its_pointer);
	tcase_add_test(tc, loop_is_released_once_with_the_service_or_when_it_gets_another);
	tcase_add_test(tc, loops_that_make_no_sense_are_refused);
	return suite_main(s);
}
