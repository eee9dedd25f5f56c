/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The qb_ipcc_ functions: check the arguments, call inwards. */
#include <errno.h>
#include <limits.h>
#include <qb/qbipcc.h>
#include <qbipc/connect.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "client/await.h"
#include "client/calls.h"
#include "client/connect.h"
#include "client/connection.h"

/* The highest flow-control value. Values from 1 up to its limit stop a client. */
#define FLOW_MAX 2

/* @r is -errno, or the value of the server's refusal, which may be any number. */
static void errno_set(int r)
{
	errno = (int)(0u - (unsigned int)r);
}

/* NULL and errno on failure. @deadline limits the wait for a place in the server's queue. */
static qb_ipcc_connection_t *connection_start(const char *name, size_t max_msg_size,
					      uint64_t deadline)
{
	qb_ipcc_connection_t *c;
	int r = qbi_client_start(name, max_msg_size, deadline, &c);

	if (r < 0) {
		errno_set(r);
		return NULL;
	}
	return c;
}

qb_ipcc_connection_t *qb_ipcc_connect_async(const char *name, size_t max_msg_size,
					    int *connect_fd)
{
	qb_ipcc_connection_t *c;

	if (!connect_fd) {
		errno = -qbi_misuse("connect_fd is NULL");
		return NULL;
	}
	c = connection_start(name, max_msg_size, 0);
	if (c)
		*connect_fd = c->stream;
	else if (errno == ETIMEDOUT)
		errno = EAGAIN;
	return c;
}

static int connection_finish(qb_ipcc_connection_t *c, uint64_t deadline)
{
	int r = qbi_client_finish(c, deadline);

	if (r != 0) {
		qbi_client_free(c);
		errno_set(r);
	}
	return r;
}

int qb_ipcc_connect_continue(struct qb_ipcc_connection *c)
{
	if (!c) {
		errno = EINVAL;
		return qbi_misuse("the connection is NULL");
	}
	return connection_finish(c, 0);
}

static qb_ipcc_connection_t *connect_until(const char *name, size_t max_msg_size,
					   uint64_t deadline)
{
	qb_ipcc_connection_t *c = connection_start(name, max_msg_size, deadline);

	if (!c || connection_finish(c, deadline) != 0)
		return NULL;
	return c;
}

qb_ipcc_connection_t *qbipc_connect_timeout(const char *name, size_t max_msg_size,
					    int timeout_ms)
{
	/* Not 0, which means not to wait at all; wait until now. */
	uint64_t deadline = timeout_ms == 0 ? qbi_now_ns() : qbi_deadline_from_ms(timeout_ms);

	return connect_until(name, max_msg_size, deadline);
}

qb_ipcc_connection_t *qb_ipcc_connect(const char *name, size_t max_msg_size)
{
	return connect_until(name, max_msg_size, QBI_UNTIL_SIGNAL);
}

void qb_ipcc_disconnect(qb_ipcc_connection_t *c)
{
	qbi_client_free(c);
}

int32_t qb_ipcc_fd_get(qb_ipcc_connection_t *c, int32_t *fd)
{
	int r;

	if (!c)
		return qbi_misuse("the connection is NULL");
	if (!fd)
		return qbi_misuse("fd is NULL");
	r = qbi_client_event_fd(c);
	if (r < 0)
		return r;
	*fd = r;
	return 0;
}

int32_t qb_ipcc_auth_get(qb_ipcc_connection_t *c, pid_t *pid, uid_t *uid, gid_t *gid)
{
	if (!c)
		return qbi_misuse("the connection is NULL");
	if (pid)
		*pid = c->server.pid;
	if (uid)
		*uid = c->server.uid;
	if (gid)
		*gid = c->server.gid;
	return 0;
}

int32_t qb_ipcc_fc_enable_max_set(qb_ipcc_connection_t *c, uint32_t max)
{
	if (!c)
		return qbi_misuse("the connection is NULL");
	if (max > FLOW_MAX)
		return qbi_misuse("the limit is none of 0, 1 and 2");
	c->flow_max = max;
	return 0;
}

/* Messages can be sent and received. False: the log has the reason. */
static bool is_usable(const qb_ipcc_connection_t *c, const char *doing)
{
	if (!c)
		(void)qbi_misuse_of(doing, "the connection is NULL");
	else if (!c->end)
		(void)qbi_misuse_of(doing, "qb_ipcc_connect_continue() comes first");
	return c && c->end;
}

static ssize_t request_send(qb_ipcc_connection_t *c, const struct iovec *iov, size_t n,
			    uint64_t deadline)
{
	struct qbi_msg msg;
	int r;

	if (!is_usable(c, "sending of a client"))
		return -EINVAL;
	r = qbi_msg_init(&msg, iov, n);
	if (r == 0)
		r = qbi_client_send(c, &msg, deadline);
	return qbi_result(QBI_CALL_SEND, r, msg.size);
}

ssize_t qb_ipcc_sendv(qb_ipcc_connection_t *c, const struct iovec *iov, size_t iov_len)
{
	return request_send(c, iov, iov_len, QBI_FOREVER);
}

ssize_t qb_ipcc_send(qb_ipcc_connection_t *c, const void *msg_ptr, size_t msg_len)
{
	struct iovec iov = { (void *)(uintptr_t)msg_ptr, msg_len };

	return qb_ipcc_sendv(c, &iov, 1);
}

static ssize_t response_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline)
{
	struct qbi_calls *calls = atomic_load(&c->calls);
	size_t got = 0;
	int r = calls ? qbi_await_any(calls, buf, size, deadline, &got) :
			qbi_client_recv(c, buf, size, deadline, &got);

	return qbi_result(QBI_CALL_RECV, r, got);
}

ssize_t qb_ipcc_recv(qb_ipcc_connection_t *c, void *msg_ptr, size_t msg_len, int32_t ms_timeout)
{
	if (!is_usable(c, __func__))
		return -EINVAL;
	if (!msg_ptr)
		return qbi_misuse("msg_ptr is NULL");
	return response_recv(c, msg_ptr, msg_len, qbi_deadline_from_ms(ms_timeout));
}

/* As qb_ipcc_sendv_recv(), on a connection whose responses are matched with requests. */
static ssize_t request_await(struct qbi_calls *calls, const struct iovec *iov, size_t n,
			     void *buf, size_t size, uint64_t deadline)
{
	struct qbi_request *call;
	struct qbi_msg msg;
	size_t got = 0;
	int r = qbi_msg_init(&msg, iov, n);

	if (r == 0)
		r = qbi_await_send(calls, &msg, deadline, &call);
	if (r)
		return qbi_result(QBI_CALL_SEND, r, 0);
	r = qbi_await_response(call, buf, size, deadline, &got);
	return qbi_result(QBI_CALL_RECV, r, got);
}

ssize_t qb_ipcc_sendv_recv(qb_ipcc_connection_t *c, const struct iovec *iov, uint32_t iov_len,
			   void *msg_ptr, size_t msg_len, int32_t ms_timeout)
{
	uint64_t deadline = qbi_deadline_from_ms(ms_timeout);
	struct qbi_calls *calls;
	ssize_t sent;

	if (!msg_ptr)
		return qbi_misuse("msg_ptr is NULL");
	calls = c ? atomic_load(&c->calls) : NULL;
	if (calls)
		return request_await(calls, iov, iov_len, msg_ptr, msg_len, deadline);
	sent = request_send(c, iov, iov_len, deadline);
	if (sent < 0)
		return sent;
	return response_recv(c, msg_ptr, msg_len, deadline);
}

ssize_t qb_ipcc_event_recv(qb_ipcc_connection_t *c, void *msg_ptr, size_t msg_len,
			   int32_t ms_timeout)
{
	size_t got = 0;
	int r;

	if (!is_usable(c, __func__))
		return -EINVAL;
	if (!msg_ptr)
		return qbi_misuse("msg_ptr is NULL");
	r = qbi_client_event_recv(c, msg_ptr, msg_len, qbi_deadline_from_ms(ms_timeout), &got);
	return qbi_result(QBI_CALL_EVENT_RECV, r, got);
}

void qb_ipcc_context_set(qb_ipcc_connection_t *c, void *context)
{
	if (c)
		c->context = context;
}

void *qb_ipcc_context_get(qb_ipcc_connection_t *c)
{
	return c ? c->context : NULL;
}

int32_t qb_ipcc_is_connected(qb_ipcc_connection_t *c)
{
	return c && qbi_client_is_connected(c);
}

int32_t qb_ipcc_get_buffer_size(qb_ipcc_connection_t *c)
{
	return c ? (int32_t)c->max_msg_size : qbi_misuse("the connection is NULL");
}
