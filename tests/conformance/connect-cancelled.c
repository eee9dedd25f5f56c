/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that are cancelled, or end, while they connect or ask a service: what they have
 * made by then goes with them. The fixture counts descriptors and shared mappings.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

static char name[108];
static pthread_t thread;
static _Atomic(pid_t) waiter; /* about to wait; 0: not yet */

/* It is inside the call when it sleeps. */
static bool waiter_waits(void)
{
	return waiter && task_sleeps(waiter);
}

static void check_cancel(void *(*fn)(void *), void *arg)
{
	void *result;

	waiter = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	WAIT_FOR(waiter_waits());
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}

static void *connecting(void *arg)
{
	waiter = gettid();
	(void)qb_ipcc_connect(name, 0);
	return arg;
}

static void *connecting_within_a_time(void *arg)
{
	waiter = gettid();
	(void)qbipc_connect_timeout(name, 0, 10 * deadline_ms());
	return arg;
}

static void *probing(void *arg)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };

	waiter = gettid();
	(void)qbipc_probe(name, 0, -1, &info);
	return arg;
}

static void *watching(void *arg)
{
	qbipc_snapshot_t *snapshot;

	waiter = gettid();
	(void)qbipc_snapshot_get(name, -1, &snapshot);
	return arg;
}

static void *asking_for_handlers(void *arg)
{
	qbipc_description_t *description;

	waiter = gettid();
	(void)qbipc_describe(name, -1, &description);
	return arg;
}

static void check_all(void)
{
	check_cancel(connecting, NULL);
	check_cancel(connecting_within_a_time, NULL);
	check_cancel(probing, NULL);
	check_cancel(watching, NULL);
	check_cancel(asking_for_handlers, NULL);
}

START_TEST(waiting_for_an_answer_may_be_cancelled)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;

	strcpy(name, h->name);
	host_freeze(h);
	check_all();
	host_thaw(h);
	c = client_connect(name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- A listener that serves nobody ----------------------------------------------------- */

static int listen_at(struct sockaddr_un *ret_address, int queue)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unique_name(name, sizeof(name));
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(ret_address->sun_path + 1, name);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (void *)ret_address, sizeof(*ret_address)), 0);
	ck_assert_int_eq(listen(fd, queue), 0);
	return fd;
}

START_TEST(waiting_for_a_place_may_be_cancelled)
{
	enum { PLACES = 4 };
	struct sockaddr_un address;
	int listener = listen_at(&address, PLACES - 1);
	int fd[PLACES];

	for (int k = 0; k < PLACES; k++) {
		fd[k] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(fd[k], (void *)&address, sizeof(address)), 0);
	}
	check_all();
	for (int k = 0; k < PLACES; k++)
		close(fd[k]);
	close(listener);
}
END_TEST

/* Not when it waits, which is for 2 s at most, but before: it acts where it would wait. */
static void *continuing(void *c)
{
	pthread_cancel(pthread_self());
	(void)qb_ipcc_connect_continue(c);
	return NULL;
}

/* It is the application's, which has it in its hands and cleans up. */
START_TEST(connection_stays_the_applications_when_continue_is_cancelled)
{
	struct sockaddr_un address;
	int listener = listen_at(&address, 5), accepted, fd;
	qb_ipcc_connection_t *c = qb_ipcc_connect_async(name, 0, &fd);
	void *result;

	ck_assert_ptr_nonnull(c);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_ge(accepted, 0);
	/* The beginning of an answer, whose rest is waited for. */
	ck_assert_int_eq(send(accepted, name, 8, MSG_NOSIGNAL), 8);
	ck_assert_int_eq(pthread_create(&thread, NULL, continuing, c), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	qb_ipcc_disconnect(c);
	close(accepted);
	close(listener);
}
END_TEST

/* -- By siglongjmp ------------------------------------------------------------------------ */

static __thread sigjmp_buf out;
static atomic_bool has_left;

static void jump(int number)
{
	siglongjmp(out, number);
}

/* Goes on after a call that was left: at its end all goes. */
static void *leaving(void *arg)
{
	if (sigsetjmp(out, 1) == 0)
		(void)connecting(NULL);
	waiter = 0;
	has_left = true;
	return connecting(arg);
}

START_TEST(what_a_jump_has_left_goes_with_the_thread)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	void *result;

	strcpy(name, h->name);
	host_freeze(h);
	signal(SIGUSR1, jump);
	waiter = 0;
	has_left = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, leaving, NULL), 0);
	WAIT_FOR(waiter_waits());
	ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
	WAIT_FOR(has_left);
	WAIT_FOR(waiter_waits());
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	host_thaw(h);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connecting, cancelled");
	TCase *tc = tcase_new(s, "connect-cancelled");

	add_transport_test(tc, waiting_for_an_answer_may_be_cancelled);
	tcase_add_test(tc, waiting_for_a_place_may_be_cancelled);
	tcase_add_test(tc, connection_stays_the_applications_when_continue_is_cancelled);
	add_transport_test(tc, what_a_jump_has_left_goes_with_the_thread);
	return suite_main(s);
}
