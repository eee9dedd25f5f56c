/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory between two ends of this library, the server's end: three rings in two
 * sealed memfds (ring/region.h), no file, no name.
 *
 * Wake-ups: a request rings the server on the stream. An event rings the client on the
 * stream, which its application polls. A response rings the client on a separate stream, the
 * bell, so that only events make the first one readable. All follow the protocol of
 * ring/ring.h, so waking an end that is awake needs no system call.
 *
 * The bell: the client makes this stream, and joins it when it has the answer, so that no
 * socket has to be passed. Until then the core takes no request, a byte for a response stays
 * due, and nothing waits for it: the byte is sent when the bell joins. A descriptor is kept for
 * it meanwhile, or a connection could be made that lacks one afterwards.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/body.h"
#include "base/busy-poll.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/region.h"
#include "ring/ring-pieces.h"
#include "ring/ring-places.h"
#include "ring/ring-resume.h"
#include "ring/wakeup.h"
#include "transport/native-shm-server-awake.h"
#include "transport/native-shm-server-end.h"
#include "transport/ring-bodies.h"

static int native_shm_server_open(void *st, const struct qbi_server_spec *spec,
				  struct qbi_reply *reply)
{
	struct qbi_native_shm_server *s = st;
	struct qbi_region_fds memory;
	int r;

	s->opened = true;
	s->bell = -1;
	s->stream = spec->stream;
	s->shared = spec->shared;
	qbi_arrivals_init(&s->requests, QBI_ARRIVALS_OF_REQUESTS);
	s->region.locking = spec->locking;
	s->region.twice = s->in_place = spec->in_place;
	r = qbi_region_create(&s->region, spec->max_msg_size, &memory);
	if (r < 0)
		return r;
	/* The core closes them, also when the rest fails. */
	reply->fds[0] = memory.common;
	reply->fds[1] = memory.sent;
	reply->n_fds = 2;
	qbi_region_ring(&s->region, QBI_REGION_REQUEST, &s->request);
	qbi_region_ring(&s->region, QBI_REGION_RESPONSE, &s->response);
	qbi_region_ring(&s->region, QBI_REGION_EVENT, &s->event);
	s->body.least = spec->max_msg_size;
	s->body.most = spec->body_limit;
	if (spec->body_limit)
		qbi_region_body_set(&s->region, QBI_REGION_SERVER, spec->body_limit);
	s->bell = fcntl(memory.common, F_DUPFD_CLOEXEC, 0);
	return s->bell < 0 ? -errno : 0;
}

static int native_shm_server_request_fd(const void *st)
{
	return -1;
}

/* A piece is the oldest record. */
static int body_take(struct qbi_native_shm_server *s, void **ret, size_t *ret_size)
{
	size_t n = 0;
	int r = qbi_ring_take_piece(&s->request, &s->body, &n);

	*ret_size = n;
	if (r == QBI_BODY) {
		*ret = qbi_body_take(&s->body, ret_size);
		s->noted = n;
	}
	return r;
}

static int native_shm_server_take(void *st, void *buf, size_t size, void **ret_in_place,
				  size_t *ret_size)
{
	struct qbi_native_shm_server *s = st;
	int r = QBI_AGAIN;

	if (s->in_place)
		r = qbi_ring_take_in_place(&s->request, ret_in_place, ret_size);
	if (r == QBI_AGAIN)
		r = qbi_ring_take_request(&s->request, buf, size, ret_size, &s->noted);
	/* Nothing comes between the pieces of a body. */
	if (s->body.done && (r == 0 || r == QBI_TIMED || r == QBI_CANCEL))
		return -EBADMSG;
	if (r == QBI_PARTIAL)
		r = body_take(s, ret_in_place, ret_size);
	if ((r == 0 || r == QBI_TIMED || r == QBI_PARTIAL || r == QBI_BODY) && s->asleep) {
		s->asleep = false;
		qbi_arrivals_woken(&s->requests, s->woken,
				   qbi_region_rang(&s->region, QBI_REGION_CLIENT),
				   qbi_region_shares_cpu(&s->region, QBI_REGION_SERVER));
	}
	return r;
}

static uint64_t native_shm_server_noted(const void *st)
{
	const struct qbi_native_shm_server *s = st;

	return s->noted;
}

static int native_shm_server_done(void *st, bool free)
{
	struct qbi_native_shm_server *s = st;

	if (free)
		qbi_ring_done(&s->request);
	return 0;
}

/* Without a bell they stay due, but nobody needs to try again: it tells when it joins. */
static int responses_ring(struct qbi_native_shm_server *s)
{
	return s->has_bell ? qbi_wakeup_send_due(s->bell, &s->due_responses) : 0;
}

static int events_ring(struct qbi_native_shm_server *s)
{
	return qbi_wakeup_send_due(s->stream, &s->due_events);
}

static int native_shm_server_join(void *st, int fd)
{
	struct qbi_native_shm_server *s = st;

	qbi_close(s->bell);
	s->bell = fd;
	s->has_bell = true;
	return responses_ring(s);
}

/* A message was queued; @ring: the client sleeps. */
static int response_announce(struct qbi_native_shm_server *s, bool ring)
{
	if (ring)
		qbi_region_rings(&s->region, QBI_REGION_SERVER);
	s->due_responses += ring;
	return responses_ring(s);
}

static int event_announce(struct qbi_native_shm_server *s, bool ring)
{
	s->due_events += ring;
	return events_ring(s);
}

static struct qbi_ring *channel_ring(struct qbi_native_shm_server *s, enum qbi_channel channel)
{
	return channel == QBI_EVENTS ? &s->event : &s->response;
}

static int channel_announce(struct qbi_native_shm_server *s, enum qbi_channel channel,
			    bool ring)
{
	return channel == QBI_EVENTS ? event_announce(s, ring) : response_announce(s, ring);
}

/* -- Bodies -------------------------------------------------------------------- */

/* A piece was put. A byte that stays due is seen to when all are. 0, QBI_GONE. */
static int piece_announce(struct qbi_native_shm_server *s, enum qbi_channel channel, bool ring)
{
	int r = channel_announce(s, channel, ring);

	return r == QBI_UNSENT ? 0 : r;
}

/* What there is room for. 0 nothing is left; QBI_FULL; QBI_GONE; -errno. */
static int rest_push(struct qbi_native_shm_server *s, enum qbi_channel channel)
{
	struct qbi_rest *rest = &s->rest[channel];
	bool ring;
	int r = 0;

	while (rest->data && r == 0) {
		r = qbi_body_put_rest(channel_ring(s, channel), rest, &ring);
		if (r == 0)
			r = piece_announce(s, channel, ring);
	}
	return r;
}

/* 0, QBI_UNSENT, QBI_FULL, QBI_GONE, -errno. */
static int body_put(struct qbi_native_shm_server *s, enum qbi_channel channel,
		    const struct qbi_msg *msg)
{
	size_t done = 0;
	bool ring;
	int r = 0;

	while (done < msg->size && r == 0) {
		r = qbi_body_put_part(channel_ring(s, channel), msg, &done, &ring);
		if (r == 0)
			r = piece_announce(s, channel, ring);
	}
	/* The last byte that was due, if not all have been sent. */
	if (r == 0)
		return channel_announce(s, channel, false);
	if (r != QBI_FULL || done == 0)
		return r;
	r = qbi_rest_keep(&s->rest[channel], msg, done);
	return r < 0 ? r : QBI_UNSENT;
}

static uint32_t native_shm_server_body_most(void *st)
{
	struct qbi_native_shm_server *s = st;
	uint32_t taken = s->body.most;

	if (taken)
		taken = qbi_region_body_get(&s->region, QBI_REGION_CLIENT);
	return taken < s->body.most ? taken : s->body.most;
}

static int message_put_on(struct qbi_native_shm_server *s, enum qbi_channel channel,
			  const struct qbi_msg *msg)
{
	bool ring;
	int r;

	/* They keep their order. */
	if (__builtin_expect(s->rest[channel].data != NULL, 0)) {
		r = rest_push(s, channel);
		if (r)
			return r;
	}
	if (msg->size > s->body.least)
		return body_put(s, channel, msg);
	r = qbi_ring_put(channel_ring(s, channel), msg, &ring);
	return r ? r : channel_announce(s, channel, ring);
}

static int native_shm_server_respondv(void *st, const struct qbi_msg *msg)
{
	return message_put_on(st, QBI_RESPONSES, msg);
}

static int native_shm_server_eventv(void *st, const struct qbi_msg *msg)
{
	return message_put_on(st, QBI_EVENTS, msg);
}

static int native_shm_server_reserve(void *st, enum qbi_channel channel, size_t size,
				     void **ret)
{
	struct qbi_native_shm_server *s = st;
	int r = rest_push(s, channel);

	return r ? r : qbi_ring_reserve(channel_ring(s, channel), size, ret);
}

static int native_shm_server_commit(void *st, enum qbi_channel channel, size_t reserved,
				    size_t size, void **ret)
{
	struct qbi_native_shm_server *s = st;
	bool ring = qbi_ring_commit(channel_ring(s, channel), reserved, size, ret);

	return channel_announce(s, channel, ring);
}

static void native_shm_server_abandon(void *st, enum qbi_channel channel)
{
	qbi_ring_abandon(channel_ring(st, channel));
}

static int native_shm_server_flush(void *st, enum qbi_channel channel)
{
	struct qbi_native_shm_server *s = st;
	bool events = channel == QBI_EVENTS;
	const uint64_t *due = events ? &s->due_events : &s->due_responses;
	uint64_t before = *due;
	uint32_t done = s->rest[channel].done;
	int pushed = rest_push(s, channel);
	int r = events ? events_ring(s) : responses_ring(s);
	bool moved = s->rest[channel].done != done;

	if (pushed < 0)
		return pushed;
	if (pushed == QBI_FULL && (r == 0 || r == QBI_UNSENT))
		return moved || *due < before ? QBI_UNSENT : QBI_FULL;
	return r == QBI_UNSENT && *due == before && !moved ? QBI_FULL : r;
}

static int native_shm_server_room(void *st, enum qbi_channel channel, size_t size)
{
	struct qbi_native_shm_server *s = st;

	if (s->rest[channel].data)
		return QBI_FULL;
	/* A body has begun when one piece of it has room. */
	if (size > s->body.least)
		size = qbi_ring_piece_most(channel_ring(s, channel)) + sizeof(struct qbi_piece);
	return qbi_ring_room(channel_ring(s, channel), size);
}

/* A socket reports room for bytes; nothing reports room in a ring. */
static int native_shm_server_wait_fd(void *st, enum qbi_channel channel)
{
	struct qbi_native_shm_server *s = st;

	if (channel == QBI_EVENTS)
		return s->due_events ? s->stream : -1;
	return s->due_responses && s->has_bell ? s->bell : -1;
}

static void native_shm_server_flow_set(void *st, uint32_t value)
{
	struct qbi_native_shm_server *s = st;

	qbi_region_flow_set(&s->region, value);
}

static uint32_t native_shm_server_events_queued(void *st)
{
	struct qbi_native_shm_server *s = st;

	return qbi_ring_queued(&s->event);
}

/* Where in a body the other process has stopped is not known, if it went on. */
static int producer_resume(struct qbi_ring *r, const struct qbi_rest *rest, uint64_t *due)
{
	uint64_t known = r->tail;
	bool ring;
	int err = qbi_ring_resume_producer(r, &ring);

	if (err)
		return err;
	if (rest->data && r->tail != known)
		return -EBADMSG;
	*due += ring;
	return 0;
}

static int native_shm_server_resume(void *st)
{
	struct qbi_native_shm_server *s = st;
	int r = qbi_ring_resume_consumer(&s->request);

	s->asleep = false;
	s->waiting_since = 0;
	if (r == 0)
		r = producer_resume(&s->response, &s->rest[QBI_RESPONSES], &s->due_responses);
	if (r == 0)
		r = producer_resume(&s->event, &s->rest[QBI_EVENTS], &s->due_events);
	if (r < 0)
		return r;
	/* A byte that cannot be sent now is not needed: the client has unread bytes. */
	(void)responses_ring(s);
	(void)events_ring(s);
	return 0;
}

static void native_shm_server_leave(void *st, enum qbi_parting how)
{
	struct qbi_native_shm_server *s = st;

	if (!s->shared)
		return;
	qbi_server_forget(s->shared, s);
	s->shared = NULL;
	/* Shut down for all processes: a child that has the stream would keep the client. */
	if (s->has_bell && how != QBI_PART_COPY)
		(void)shutdown(s->bell, SHUT_RDWR);
	s->has_bell = false;
	s->bell = qbi_close(s->bell);
}

static int native_shm_server_withdraw(void *st, enum qbi_parting how)
{
	struct qbi_native_shm_server *s = st;

	if (how == QBI_PART_KEEPING)
		return qbi_region_punch_taken(&s->region);
	return how == QBI_PART_AT_ONCE ? qbi_region_punch(&s->region) : 0;
}

static void native_shm_server_close(void *st, enum qbi_parting how)
{
	struct qbi_native_shm_server *s = st;

	if (!s->opened)
		return;
	native_shm_server_leave(s, how);
	(void)native_shm_server_withdraw(s, how);
	qbi_body_forget(&s->body);
	qbi_rest_forget(&s->rest[QBI_RESPONSES]);
	qbi_rest_forget(&s->rest[QBI_EVENTS]);
	qbi_ring_close(&s->response);
	qbi_ring_close(&s->event);
	qbi_region_close(&s->region);
}

extern const struct qbi_server_ops qbi_native_shm_server;
const struct qbi_server_ops qbi_native_shm_server = {
	.state_size = sizeof(struct qbi_native_shm_server),
	.open = native_shm_server_open,
	.join = native_shm_server_join,
	.established = qbi_native_shm_server_established,
	.request_fd = native_shm_server_request_fd,
	.begin = qbi_native_shm_server_begin,
	.take = native_shm_server_take,
	.noted = native_shm_server_noted,
	.done = native_shm_server_done,
	.settle = qbi_native_shm_server_settle,
	.respondv = native_shm_server_respondv,
	.eventv = native_shm_server_eventv,
	.body_most = native_shm_server_body_most,
	.reserve = native_shm_server_reserve,
	.commit = native_shm_server_commit,
	.abandon = native_shm_server_abandon,
	.flush = native_shm_server_flush,
	.room = native_shm_server_room,
	.wait_fd = native_shm_server_wait_fd,
	.flow_set = native_shm_server_flow_set,
	.events_queued = native_shm_server_events_queued,
	.resume = native_shm_server_resume,
	.close = native_shm_server_close,
	.leave = native_shm_server_leave,
	.withdraw = native_shm_server_withdraw,
};
