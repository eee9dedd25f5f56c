/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of a native transport in one process, made and closed the way the core does
 * it. The loop variable of a test is the index of the transport in the registry.
 */
#ifndef TEST_NATIVE_ENDS_H
#define TEST_NATIVE_ENDS_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "base/util.h"
#include "tests/lib/pattern.h"
#include "transport/registry.h"
#include "transport/transport.h"

enum { NATIVE_TRANSPORTS = 2, ENDS_MAX = 12328 };

struct native_ends {
	const struct qbi_transport *transport;
	const struct qbi_server_ops *sops;
	const struct qbi_client_ops *cops;
	struct qbi_server_shared shared;
	void *server, *client;
	int stream[2];		    /* the server's, the client's */
	int fds[QBI_REPLY_FDS_MAX]; /* what the server passed, kept by the test */
	unsigned int n_fds;
};

static inline void ends_open_server(struct native_ends *e, int index)
{
	struct qbi_server_spec spec = { .service = "test", .max_msg_size = ENDS_MAX };
	static struct qbi_welcome welcome;
	struct qbi_reply reply = { .welcome = &welcome };

	memset(e, 0, sizeof(*e));
	e->transport = qbi_transport_nth((size_t)index);
	ck_assert_uint_gt(e->transport->version, 0);
	e->sops = e->transport->server;
	e->cops = e->transport->client;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->stream), 0);
	qbi_busy_poll_init(&e->shared.busy_poll);
	spec.stream = e->stream[0];
	spec.shared = &e->shared;
	e->server = calloc(1, e->sops->state_size);
	e->client = calloc(1, e->cops->state_size);
	ck_assert_int_eq(e->sops->open(e->server, &spec, &reply), 0);
	e->n_fds = reply.n_fds;
	memcpy(e->fds, reply.fds, sizeof(e->fds));
}

/* The client's end, given @fds; they stay the caller's. */
static inline int ends_open_client(struct native_ends *e, const int *fds, unsigned int n)
{
	static struct qbi_welcome welcome;
	int given[QBI_REPLY_FDS_MAX];
	struct qbi_client_spec spec = { .stream = e->stream[1],
					.welcome = &welcome,
					.fds = given,
					.n_fds = n };
	int r;

	welcome.max_msg_size = ENDS_MAX;
	welcome.opaque = 1;
	for (unsigned int i = 0; i < n; i++)
		given[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	r = e->cops->open(e->client, &spec);
	for (unsigned int i = 0; i < n; i++)
		qbi_close(given[i]);
	return r;
}

/* The second stream of a connection that has one: its server's end, its client's end. */
static inline void ends_bell(struct native_ends *e, int bell[2])
{
	bell[0] = bell[1] = -1;
	if (e->cops->join)
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bell), 0);
}

/* The test keeps the memory and lets go of the sockets: they are the client's. */
static inline void ends_open(struct native_ends *e, int index)
{
	int bell[2];

	ends_open_server(e, index);
	ck_assert_int_eq(ends_open_client(e, e->fds, e->n_fds), 0);
	ends_bell(e, bell);
	if (e->cops->join) {
		e->cops->join(e->client, bell[1]);
		ck_assert_int_eq(e->sops->join(e->server, bell[0]), 0);
	}
	while (e->n_fds > 1)
		close(e->fds[--e->n_fds]);
}

/* What the core does at the end of a connection. */
static inline void ends_close_server(struct native_ends *e, bool keep_queued)
{
	if (e->stream[0] < 0)
		return;
	e->sops->close(e->server, keep_queued);
	shutdown(e->stream[0], SHUT_RDWR);
	e->stream[0] = qbi_close(e->stream[0]);
}

static inline void ends_close(struct native_ends *e)
{
	ends_close_server(e, false);
	e->cops->close(e->client, false);
	e->cops->close(e->client, false);
	while (e->n_fds > 0)
		close(e->fds[--e->n_fds]);
	close(e->stream[1]);
	free(e->server);
	free(e->client);
}

typedef int (*native_send_fn)(void *st, const struct qbi_msg *msg);
typedef int (*native_recv_fn)(void *st, void *buf, size_t size, uint64_t deadline,
			      size_t *ret_size);

static inline int ends_send(native_send_fn fn, void *st, size_t size, uint32_t seed)
{
	static _Thread_local uint8_t buf[ENDS_MAX];
	struct iovec iov = { buf, size };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = size };

	pattern_fill(buf, size, seed);
	return fn(st, &msg);
}

/* The same for a request. */
static inline int ends_request(struct native_ends *e, size_t size, uint32_t seed)
{
	static _Thread_local uint8_t buf[ENDS_MAX];
	struct iovec iov = { buf, size };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = size };

	pattern_fill(buf, size, seed);
	return e->cops->sendv(e->client, &msg, QBI_FOREVER);
}

/* Receive one that must be @size bytes made from @seed. 0, or what was returned. */
static inline int ends_recv(native_recv_fn fn, void *st, size_t size, uint32_t seed,
			    uint64_t deadline)
{
	static _Thread_local uint8_t buf[ENDS_MAX];
	size_t got = SIZE_MAX;
	int r = fn(st, buf, sizeof(buf), deadline, &got);

	if (r == 0 && (got != size || !pattern_matches(buf, size, seed)))
		return -EILSEQ;
	return r;
}

static inline uint64_t ends_soon(int ms)
{
	return qbi_deadline_from_ms(ms);
}

#endif
