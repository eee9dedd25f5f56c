/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies beside the same bytes in messages of the agreed size, which an application divides
 * and joins itself: bodies [MiB [AGREED [ROUNDS]]]. The rounds of both alternate; a line per
 * direction and transport has the medians of both and their ratio.
 */
#include <errno.h>
#include <error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include <qb/qbloop.h>
#include <qbipc/bodies.h>
#include <qbipc/events.h>
#include <qbipc/poll-qb.h>

enum { PUT = 1, GET = 2, PUT_PIECE = 3, GET_PIECES = 4, ROUNDS_MAX = 1000 };

struct message {
	struct qb_ipc_response_header header;
	uint32_t offset;
	uint32_t last;
	char bytes[];
};

static size_t total = 64u << 20, agreed = 1u << 20;
static unsigned int rounds = 9;
static struct message *whole; /* of either end */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* -- The service ------------------------------------------------------------------------- */

static struct qbipc_poll_qb loop;
static size_t got, to_send; /* bytes joined, or still to be sent, by hand */

static int32_t answer(qb_ipcs_connection_t *c)
{
	struct qb_ipc_response_header done = { .id = PUT, .size = sizeof(done) };

	return qb_ipcs_response_send(c, &done, sizeof(done)) < 0 ? -1 : 0;
}

static void pieces_send(qb_ipcs_connection_t *c, void *data)
{
	size_t most = agreed - sizeof(struct message);

	while (to_send) {
		size_t n = to_send < most ? to_send : most;
		struct message head = { .offset = (uint32_t)(total - to_send) };
		struct iovec iov[2] = { { &head, sizeof(head) },
					{ whole->bytes + head.offset, n } };

		head.header.size = (int32_t)(sizeof(head) + n);
		if (qb_ipcs_response_sendv(c, iov, 2) < 0)
			return;
		to_send -= n;
	}
}

static int32_t msg_process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct message *m = data;

	switch (m->header.id) {
	case PUT: return answer(c);
	case GET: return qb_ipcs_response_send(c, whole, total) < 0 ? -1 : 0;
	case PUT_PIECE:
		memcpy(whole->bytes + m->offset, m->bytes, size - sizeof(*m));
		got += size - sizeof(*m);
		return m->last ? answer(c) : 0;
	default:
		to_send = total;
		pieces_send(c, NULL);
		return 0;
	}
}

static int32_t client_left(qb_ipcs_connection_t *c)
{
	qb_loop_stop(loop.loop);
	return 0;
}

static void serve(const char *name, enum qb_ipc_type type, int ready)
{
	struct qb_ipcs_service_handlers on = { .msg_process = msg_process,
					       .connection_closed = client_left };
	qb_ipcs_service_t *s = qb_ipcs_create(name, 0, type, &on);

	if (qbipc_poll_qb_init(&loop, qb_loop_create()) || qbipc_poll_qb_attach(&loop, s) ||
	    qbipc_service_body_limit_set(s, total) ||
	    qbipc_service_writable_set(s, pieces_send, NULL) || qb_ipcs_run(s) < 0)
		error(1, 0, "cannot serve");
	close(ready);
	qb_loop_run(loop.loop);
	qb_ipcs_destroy(s);
	exit(0);
}

/* -- The client -------------------------------------------------------------------------- */

static void require(bool good, const char *what)
{
	if (!good)
		error(1, 0, "failed: %s", what);
}

static void ask(qb_ipcc_connection_t *c, int32_t id)
{
	struct message m = { .header = { .id = id, .size = sizeof(m) } };

	require(qb_ipcc_send(c, &m, sizeof(m)) == sizeof(m), "ask");
}

static void answer_await(qb_ipcc_connection_t *c)
{
	struct message m;

	require(qb_ipcc_recv(c, &m, sizeof(m), -1) > 0, "answer");
}

static void put_body(qb_ipcc_connection_t *c)
{
	whole->header.id = PUT;
	whole->header.size = (int32_t)total;
	require(qb_ipcc_send(c, whole, total) == (ssize_t)total, "send of a body");
	answer_await(c);
}

static void put_by_hand(qb_ipcc_connection_t *c)
{
	size_t most = agreed - sizeof(struct message), at = 0;

	while (at < total - sizeof(*whole)) {
		size_t left = total - sizeof(*whole) - at;
		struct message head = { .header.id = PUT_PIECE, .offset = (uint32_t)at };
		struct iovec iov[2] = { { &head, sizeof(head) }, { whole->bytes + at, most } };
		ssize_t n;

		if (left <= most) {
			iov[1].iov_len = left;
			head.last = 1;
		}
		head.header.size = (int32_t)(sizeof(head) + iov[1].iov_len);
		n = qb_ipcc_sendv(c, iov, 2);
		if (n == -EAGAIN) {
			/* As those do who have no descriptor for it. */
			usleep(50);
			continue;
		}
		require(n > 0, "send of a piece");
		at += iov[1].iov_len;
	}
	answer_await(c);
}

static void get_body(qb_ipcc_connection_t *c)
{
	ask(c, GET);
	require(qb_ipcc_recv(c, whole, total, -1) == (ssize_t)total, "receive of a body");
}

static void get_by_hand(qb_ipcc_connection_t *c)
{
	static struct message *m;
	size_t at = 0;

	if (!m)
		m = malloc(agreed);
	ask(c, GET_PIECES);
	while (at < total) {
		ssize_t n = qb_ipcc_recv(c, m, agreed, -1);

		require(n > (ssize_t)sizeof(*m), "receive of a piece");
		memcpy(whole->bytes + m->offset, m->bytes, (size_t)n - sizeof(*m));
		at += (size_t)n - sizeof(*m);
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void row(const char *what, qb_ipcc_connection_t *c, void (*body)(qb_ipcc_connection_t *),
		void (*by_hand)(qb_ipcc_connection_t *))
{
	static double ms[2][ROUNDS_MAX];
	unsigned int i;

	body(c);
	by_hand(c);
	for (i = 0; i < rounds; i++) {
		double begin = now_ms(), middle;

		body(c);
		middle = now_ms();
		by_hand(c);
		ms[0][i] = middle - begin;
		ms[1][i] = now_ms() - middle;
	}
	qsort(ms[0], rounds, sizeof(ms[0][0]), compare);
	qsort(ms[1], rounds, sizeof(ms[1][0]), compare);
	printf("%-24s body %8.3f ms   by hand %8.3f ms   ratio %.2f\n", what, ms[0][rounds / 2],
	       ms[1][rounds / 2], ms[0][rounds / 2] / ms[1][rounds / 2]);
	fflush(stdout);
}

static void compare_on(enum qb_ipc_type type, const char *put, const char *get)
{
	qb_ipcc_connection_t *c;
	char name[32], byte;
	int ready[2];

	snprintf(name, sizeof(name), "bodies-%d-%d", (int)getpid(), (int)type);
	if (pipe(ready) < 0)
		error(1, errno, "pipe");
	if (fork() == 0) {
		close(ready[0]);
		serve(name, type, ready[1]);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
	c = qb_ipcc_connect(name, agreed);
	require(c && qbipc_body_limit_set(c, total) == 0, "connect");
	row(put, c, put_body, put_by_hand);
	row(get, c, get_body, get_by_hand);
	qb_ipcc_disconnect(c);
	(void)wait(NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		total = (size_t)atol(argv[1]) << 20;
	if (argc > 2)
		agreed = (size_t)atol(argv[2]);
	if (argc > 3)
		rounds = (unsigned int)atol(argv[3]);
	whole = calloc(1, total + sizeof(*whole));
	require(whole && rounds && rounds <= ROUNDS_MAX, "arguments");
	memset(whole, 1, total);
	compare_on(QB_IPC_SHM, "to the server, shm", "to the client, shm");
	compare_on(QB_IPC_SOCKET, "to the server, sockets", "to the client, sockets");
	return 0;
}
