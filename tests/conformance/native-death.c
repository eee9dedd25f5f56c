/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that waits for a server which is killed learns of it at once. What was
 * measured is printed; the bound that fails a test is a hundred times as much, because
 * other programs may have the CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/variant.h"

enum { RUNS = 9, AT_MOST_MS = 1000, NATIVE_COUNT = 2 };

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct waiter {
	qb_ipcc_connection_t *c;
	ssize_t (*wait)(qb_ipcc_connection_t *c);
	_Atomic(pid_t) tid;
	ssize_t result;
	uint64_t woken; /* us */
};

static ssize_t wait_recv(qb_ipcc_connection_t *c)
{
	char buf[200];

	return qb_ipcc_recv(c, buf, sizeof(buf), -1);
}

static ssize_t wait_sendv_recv(qb_ipcc_connection_t *c)
{
	/* Static: its padding is sent, too. */
	static struct qb_ipc_request_header hdr = { .id = MSG_SILENT, .size = sizeof(hdr) };
	struct iovec iov = { &hdr, sizeof(hdr) };
	char buf[200];

	return qb_ipcc_sendv_recv(c, &iov, 1, buf, sizeof(buf), -1);
}

static ssize_t wait_event_recv(qb_ipcc_connection_t *c)
{
	char buf[200];

	return qb_ipcc_event_recv(c, buf, sizeof(buf), -1);
}

static ssize_t wait_recv_long(qb_ipcc_connection_t *c)
{
	char buf[200];

	return qb_ipcc_recv(c, buf, sizeof(buf), 600 * 1000);
}

static ssize_t wait_event_recv_long(qb_ipcc_connection_t *c)
{
	char buf[200];

	return qb_ipcc_event_recv(c, buf, sizeof(buf), 600 * 1000);
}

static const struct {
	const char *name;
	ssize_t (*wait)(qb_ipcc_connection_t *c);
} waits[] = {
	{ "recv for ever", wait_recv },
	{ "sendv_recv for ever", wait_sendv_recv },
	{ "event_recv for ever", wait_event_recv },
	{ "recv for ten minutes", wait_recv_long },
	{ "event_recv for ten minutes", wait_event_recv_long },
};
enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

static void *thread_wait(void *data)
{
	struct waiter *w = data;

	atomic_store(&w->tid, (pid_t)syscall(SYS_gettid));
	w->result = w->wait(w->c);
	w->woken = now_us();
	return NULL;
}

/* Does this thread of ours sleep in the kernel? */
static bool thread_sleeps(pid_t tid)
{
	char path[64], text[256];
	const char *state;
	ssize_t n;
	int fd;

	if (tid == 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

/* How long it took to notice, in microseconds. */
static uint64_t notice_us(int variant, ssize_t (*wait)(qb_ipcc_connection_t *c))
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(variant) });
	struct waiter w = { .c = client_connect(h->name, 0), .wait = wait };
	pthread_t thread;
	uint64_t killed;

	host_await_trace(h, "created:1");
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_wait, &w), 0);
	WAIT_FOR(thread_sleeps(atomic_load(&w.tid)));
	if (wait == wait_sendv_recv)
		host_await_trace(h, "msg:1");
	killed = now_us();
	host_kill(h);
	pthread_join(thread, NULL);
	ck_assert_int_eq(w.result, -ENOTCONN);
	qb_ipcc_disconnect(w.c);
	host_stop(h);
	return w.woken - killed;
}

static int us_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(killed_server_is_noticed_by_one_that_sleeps)
{
	int variant = _i / WAITS, wait = _i % WAITS;
	uint64_t us[RUNS];

	for (int i = 0; i < RUNS; i++) {
		us[i] = notice_us(variant, waits[wait].wait);
		ck_assert_uint_le(us[i] / 1000, AT_MOST_MS * test_slowdown());
	}
	qsort(us, RUNS, sizeof(*us), us_compare);
	printf("# %s, %s: noticed after %llu us (median), %llu us (longest)\n",
	       variants[variant].name, waits[wait].name, (unsigned long long)us[RUNS / 2],
	       (unsigned long long)us[RUNS - 1]);
	fflush(stdout);
}
END_TEST

START_TEST(killed_server_is_noticed_by_one_that_sends)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	uint64_t killed;

	client_echo(c, 100);
	killed = now_ms();
	host_kill(h);
	WAIT_FOR(client_send(c, MSG_SILENT, 40) == -ENOTCONN);
	ck_assert_uint_le(now_ms() - killed, AT_MOST_MS * test_slowdown());
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("death of the server");
	TCase *tc = tcase_new(s, "waiting");

	/* The native transports are the first variants. */
	tcase_add_loop_test(tc, killed_server_is_noticed_by_one_that_sleeps, 0,
			    NATIVE_COUNT * WAITS);
	tcase_add_loop_test(tc, killed_server_is_noticed_by_one_that_sends, 0, NATIVE_COUNT);
	return suite_main(s);
}
