/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory between two ends of this library, the client's end. native-shm-server.c
 * says which messages ring which descriptor.
 *
 * The bell is a second stream to the server, which the core makes and joins after open().
 * Until a byte has come from it, nobody knows whether the server has taken it.
 *
 * Death of the server: the kernel closes both streams, and every sleep here is on one of
 * them that the server has.
 */
#include <errno.h>
#include <poll.h>

#include "base/foreign.h"
#include "base/socket.h"
#include "ring/ring-resume.h"
#include "transport/native-shm-client-events.h"
#include "transport/native-shm-client-requests.h"
#include "transport/native-shm-client-responses.h"

static int native_shm_client_open(void *st, const struct qbi_client_spec *spec)
{
	struct qbi_native_shm_client *c = st;
	int r;

	c->opened = true;
	c->bell = -1;
	c->stream = spec->stream;
	c->turns = spec->turns;
	if (spec->n_fds != 2 || spec->welcome->opaque == 0)
		return -EBADMSG;
	r = qbi_region_open(&c->region, spec->welcome->max_msg_size,
			    &(struct qbi_region_fds){ spec->fds[0], spec->fds[1] });
	if (r < 0)
		return r;
	qbi_region_ring(&c->region, QBI_REGION_REQUEST, &c->request);
	qbi_region_ring(&c->region, QBI_REGION_RESPONSE, &c->response);
	qbi_region_ring(&c->region, QBI_REGION_EVENT, &c->event);
	c->response_body.least = c->event_body.least = spec->welcome->max_msg_size;
	qbi_busy_poll_init(&c->busy_poll);
	qbi_arrivals_init(&c->responses, QBI_ARRIVALS_OF_RESPONSES);
	return 0;
}

static void native_shm_client_join(void *st, int fd)
{
	struct qbi_native_shm_client *c = st;

	c->bell = fd;
}

static int native_shm_client_event_fd(void *st)
{
	const struct qbi_native_shm_client *c = st;

	return c->stream;
}

static uint32_t native_shm_client_flow(void *st)
{
	struct qbi_native_shm_client *c = st;

	return qbi_region_flow_get(&c->region);
}

static uint32_t native_shm_client_body_most(void *st)
{
	struct qbi_native_shm_client *c = st;
	uint32_t most = qbi_region_body_get(&c->region, QBI_REGION_SERVER);

	return most < QBI_BODY_MAX ? most : QBI_BODY_MAX;
}

/* What was said once stays right: a body may be on its way. */
static int native_shm_client_body_limit_set(void *st, uint32_t bytes)
{
	struct qbi_native_shm_client *c = st;

	if (bytes > c->body_most)
		c->body_most = bytes;
	qbi_region_body_set(&c->region, QBI_REGION_CLIENT, bytes);
	return 0;
}

static int native_shm_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
				  size_t *ret_size)
{
	const struct qbi_native_shm_target to = { .buf = buf, .size = size };

	return qbi_native_shm_response_take(st, &to, deadline, ret_size);
}

static int native_shm_client_response_fd(void *st, short *ret_events)
{
	const struct qbi_native_shm_client *c = st;

	*ret_events = POLLIN;
	return c->bell;
}

static bool native_shm_client_response_waits(void *st)
{
	struct qbi_native_shm_client *c = st;

	return !qbi_ring_is_empty(&c->response);
}

static int native_shm_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
					size_t *ret_size)
{
	const struct qbi_native_shm_target to = { .buf = buf, .size = size };

	return qbi_native_shm_event_await(st, &to, deadline, ret_size);
}

static int native_shm_client_view(void *st, enum qbi_client_part part, uint64_t deadline,
				  const void **ret, size_t *ret_size)
{
	const struct qbi_native_shm_target to = { .view = ret };

	return part == QBI_PART_EVENT ?
		       qbi_native_shm_event_await(st, &to, deadline, ret_size) :
		       qbi_native_shm_response_take(st, &to, deadline, ret_size);
}

static void native_shm_client_view_done(void *st, enum qbi_client_part part)
{
	struct qbi_native_shm_client *c = st;

	qbi_ring_view_done(part == QBI_PART_EVENT ? &c->event : &c->response);
}

static int native_shm_client_resume(void *st, enum qbi_client_part part)
{
	struct qbi_native_shm_client *c = st;

	if (part == QBI_PART_RECV)
		return qbi_ring_resume_consumer(&c->response);
	c->burst = 0;
	if (part == QBI_PART_EVENT)
		return qbi_ring_resume_consumer(&c->event);
	return qbi_native_shm_client_resume_sending(st);
}

static void native_shm_client_close(void *st, enum qbi_parting how)
{
	struct qbi_native_shm_client *c = st;

	if (!c->opened)
		return;
	qbi_half_give_up(&c->turns);
	c->bell = how == QBI_PART_COPY ? qbi_close(c->bell) : qbi_close_stream(c->bell);
	qbi_rest_forget(&c->rest);
	qbi_body_forget(&c->response_body);
	qbi_body_forget(&c->event_body);
	qbi_ring_close(&c->request);
	qbi_ring_close(&c->response);
	qbi_ring_close(&c->event);
	qbi_region_close(&c->region);
}

extern const struct qbi_client_ops qbi_native_shm_client;
const struct qbi_client_ops qbi_native_shm_client = {
	.state_size = sizeof(struct qbi_native_shm_client),
	.open = native_shm_client_open,
	.join = native_shm_client_join,
	.event_fd = native_shm_client_event_fd,
	.flow = native_shm_client_flow,
	.sendv = qbi_native_shm_client_sendv,
	.reserve = qbi_native_shm_client_reserve,
	.commit = qbi_native_shm_client_commit,
	.abandon = qbi_native_shm_client_abandon,
	.call_sendv = qbi_native_shm_client_call_sendv,
	.cancel = qbi_native_shm_client_cancel,
	.body_most = native_shm_client_body_most,
	.flush = qbi_native_shm_client_flush,
	.body_limit_set = native_shm_client_body_limit_set,
	.recv = native_shm_client_recv,
	.event_recv = native_shm_client_event_recv,
	.view = native_shm_client_view,
	.view_done = native_shm_client_view_done,
	.response_fd = native_shm_client_response_fd,
	.response_waits = native_shm_client_response_waits,
	.resume = native_shm_client_resume,
	.close = native_shm_client_close,
};
