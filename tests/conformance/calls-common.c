/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/conformance/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <qbipc/call.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

struct called called[CALLS_MAX];
int n_called, n_done;
qb_ipcc_connection_t *client;
struct host *host;

int32_t answer_or_not(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	return hdr->id == MSG_SILENT ? 0 : server_answer(sv, c, data, size);
}

void calls_start_sized(int variant, size_t max_msg_size)
{
	memset(called, 0, sizeof(called));
	n_called = n_done = 0;
	host = host_start(&(struct server_spec){ VARIANT_SPEC(variant), .quiet = true,
						 .msg = answer_or_not });
	client = client_connect(host->name, max_msg_size);
	host_await_trace(host, "created:1");
}

void calls_start(int variant)
{
	calls_start_sized(variant, 0);
}

void calls_stop(void)
{
	session_stop(host, client);
}

struct called *called_next(int32_t id, size_t size)
{
	struct called *call = &called[n_called];

	ck_assert_int_lt(n_called, CALLS_MAX);
	*call = (struct called){ .id = id, .size = size, .act = call->act };
	n_called++;
	return call;
}

void called_done(qb_ipcc_connection_t *c, int error, void *response, size_t size, void *data)
{
	struct called *call = data;

	ck_assert_ptr_eq(c, client);
	call->times++;
	call->error = error;
	call->order = n_done++;
	if (error == 0)
		response_check(response, (ssize_t)size, call->id, call->size);
	else
		ck_assert(!response && !size);
	if (call->act)
		call->act(call);
}

int64_t call_try(int32_t id, size_t size, int timeout_ms)
{
	struct called *call = called_next(id, size);
	struct request *r = request_new(id, size);
	struct iovec iov[2] = { { r, sizeof(r->hdr) }, { r->body, size - sizeof(r->hdr) } };

	call->handle = qbipc_call_send(client, iov, 2, timeout_ms, called_done, call);
	free(r);
	if (call->handle < 0)
		n_called--;
	return call->handle < 0 ? call->handle : call - called;
}

struct called *call_must(int32_t id, size_t size, int timeout_ms)
{
	int64_t at;

	/* A queue of datagrams is short, and the server may not have had its turn. */
	WAIT_FOR((at = call_try(id, size, timeout_ms)) != -EAGAIN);
	ck_assert_int_ge(at, 0);
	return &called[at];
}

void calls_run(int until)
{
	int fd = qbipc_calls_fd(client);

	ck_assert_int_ge(fd, 0);
	while (n_done < until) {
		ck_assert(fd_readable_within(fd, deadline_ms()));
		ck_assert_int_ge(qbipc_calls_dispatch(client), 0);
	}
}

void calls_settle(void)
{
	int fd = qbipc_calls_fd(client);

	for (int turns = 0; fd_readable_within(fd, 0); turns++) {
		ck_assert_int_lt(turns, 1000);
		ck_assert_int_ge(qbipc_calls_dispatch(client), 0);
	}
}

void calls_check(int n, int error)
{
	ck_assert_int_ge(n_done, n);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(called[i].times, 1);
		ck_assert_int_eq(called[i].error, error);
		ck_assert_int_eq(called[i].order, i);
	}
}
