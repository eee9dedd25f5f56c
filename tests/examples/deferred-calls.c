/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls a server that defers its answers, examples/deferring-server: deferred-calls NAME.
 * First so many, which are cancelled at once, that their answers find no room while this does not
 * receive; then some whose answers have to be their own, though the server refuses every
 * other one.
 */
#include <errno.h>
#include <error.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <qbipc/call.h>
#include <qbipc/snapshot.h>

#define CANCELLED 9000
#define BATCH 500
#define TRIES 60000 /* of a millisecond */

static int ids[] = { 1, 1000, 1, 1001 };
#define CALLS (sizeof(ids) / sizeof(ids[0]))

static unsigned int n_cancelled, n_answered;

static void moment_wait(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void cancelled(qb_ipcc_connection_t *c, int result, void *response, size_t size,
		      void *data)
{
	n_cancelled += result == -ECANCELED;
}

static void answered(qb_ipcc_connection_t *c, int result, void *response, size_t size,
		     void *data)
{
	const struct qb_ipc_response_header *header = response;
	const int *id = data;

	if (result)
		error(1, -result, "call %d", *id);
	printf("%d: answer to %d: %s\n", *id, header->id, strerror(-header->error));
	n_answered++;
}

static int64_t call_send(qb_ipcc_connection_t *c, int id, qbipc_call_fn fn, void *data)
{
	struct qb_ipc_request_header request = { .id = id, .size = sizeof(request) };
	struct iovec iov = { &request, sizeof(request) };
	int64_t r = -EAGAIN;
	int tries;

	for (tries = 0; tries < TRIES && r == -EAGAIN; tries++) {
		r = qbipc_call_send(c, &iov, 1, -1, fn, data);
		if (r == -EAGAIN)
			moment_wait();
	}
	if (r < 0)
		error(1, (int)-r, "cannot send");
	return r;
}

/* How many sends of the service found no room. */
static uint64_t refused_count(const char *name)
{
	struct qbipc_snapshot_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *snapshot;
	int r = qbipc_snapshot_get(name, 1000, &snapshot);

	if (r < 0)
		error(1, -r, "no snapshot");
	r = qbipc_snapshot_info_get(snapshot, &info);
	qbipc_snapshot_free(snapshot);
	if (r < 0)
		error(1, -r, "no information");
	return info.send_retries;
}

/* Until an answer finds no room. */
static void room_use_up(qb_ipcc_connection_t *c, const char *name)
{
	int64_t calls[BATCH];
	int n, i;

	/* Cancels that found no room go before the next request. */
	for (n = 0; n < CANCELLED; n += BATCH) {
		for (i = 0; i < BATCH; i++)
			calls[i] = call_send(c, 1, cancelled, NULL);
		for (i = 0; i < BATCH; i++)
			qbipc_call_cancel(c, calls[i]);
	}
	call_send(c, 1, NULL, NULL);
	for (i = 0; i < TRIES && refused_count(name) == 0; i++)
		moment_wait();
	printf("%u calls are cancelled, %s\n", n_cancelled,
	       i < TRIES ? "an answer found no room" : "all answers found room");
}

int main(int argc, char **argv)
{
	qb_ipcc_connection_t *c = argc > 1 ? qb_ipcc_connect(argv[1], 0) : NULL;
	struct pollfd p = { .events = POLLIN };
	size_t i;

	if (!c)
		error(1, errno, "cannot connect");
	room_use_up(c, argv[1]);
	for (i = 0; i < CALLS; i++)
		call_send(c, ids[i], answered, &ids[i]);
	for (p.fd = qbipc_calls_fd(c); n_answered < CALLS && poll(&p, 1, 60000) > 0;)
		qbipc_calls_dispatch(c);
	qb_ipcc_disconnect(c);
	return n_answered < CALLS;
}
