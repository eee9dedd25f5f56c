/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets between two ends of this library, the server's end: two SOCK_SEQPACKET pairs that
 * are passed over the stream, one for requests and responses, one for events. They have no
 * names, so no other process can send. Messages larger than a packet are sent in pieces
 * (packets.h). One page of shared words (ring/region.h) has the flow-control value, and the
 * client's count of the events that it has taken. A client can take that page out, and an
 * access waits until it has: so no message touches it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "base/util.h"
#include "ring/region.h"
#include "transport/packets.h"
#include "transport/server-awake.h"
#include "transport/transport.h"

struct native_socket_server {
	bool opened;
	struct qbi_region region;
	struct qbi_packets call;  /* requests in, responses out */
	struct qbi_packets event; /* events out */
	uint32_t events_sent;
	uint64_t unsent[QBI_CHANNELS]; /* bytes left of a message, as published */
	struct qbi_server_awake awake;
	uint32_t body_limit; /* of the service */
	uint64_t noted;	     /* deadline, or number, that was taken last */
};

/* Make a pair with room for whole messages: our end opened, the other one to be passed. */
static int server_make_pair(struct qbi_packets *p, uint32_t max_msg_size, int *ret_other)
{
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	qbi_packets_make_room(pair[0], max_msg_size);
	qbi_packets_make_room(pair[1], max_msg_size);
	r = qbi_packets_open(p, pair[0], max_msg_size);
	if (r < 0) {
		qbi_close(pair[0]);
		qbi_close(pair[1]);
		return r;
	}
	*ret_other = pair[1];
	return 0;
}

static int native_socket_server_open(void *st, const struct qbi_server_spec *spec,
				     struct qbi_reply *reply)
{
	struct native_socket_server *s = st;
	struct qbi_region_fds memory;
	int r;

	s->opened = true;
	qbi_server_awake_init(&s->awake, spec);
	s->call = (struct qbi_packets)QBI_PACKETS_INIT;
	s->event = (struct qbi_packets)QBI_PACKETS_INIT;
	s->region.locking = spec->locking;
	s->body_limit = spec->body_limit;
	r = qbi_region_create(&s->region, QBI_REGION_NO_RINGS, &memory);
	if (r < 0)
		return r;
	/* Before the client has the page. */
	if (spec->body_limit)
		qbi_region_body_set(&s->region, QBI_REGION_SERVER, spec->body_limit);
	reply->fds[0] = memory.common;
	reply->n_fds = 1;
	r = server_make_pair(&s->call, spec->max_msg_size, &reply->fds[1]);
	if (r < 0)
		return r;
	reply->n_fds = 2;
	qbi_packets_take_bodies(&s->call, spec->body_limit);
	r = server_make_pair(&s->event, spec->max_msg_size, &reply->fds[2]);
	if (r < 0)
		return r;
	qbi_send_only(s->event.fd);
	reply->n_fds = 3;
	return 0;
}

static int native_socket_server_request_fd(const void *st)
{
	const struct native_socket_server *s = st;

	return s->call.fd;
}

static void native_socket_server_begin(void *st, bool readable)
{
	struct native_socket_server *s = st;

	qbi_server_awake_begin(&s->awake);
}

static int native_socket_server_take(void *st, void *buf, size_t size, void **ret_in_place,
				     size_t *ret_size)
{
	struct native_socket_server *s = st;
	int r = qbi_packets_take_request(&s->call, buf, size, ret_in_place, ret_size,
					 &s->noted);

	if (r == 0 || r == QBI_TIMED || r == QBI_PARTIAL || r == QBI_BODY)
		qbi_server_awake_took(&s->awake);
	return r;
}

static uint64_t native_socket_server_noted(const void *st)
{
	const struct native_socket_server *s = st;

	return s->noted;
}

static int native_socket_server_settle(void *st, unsigned int taken)
{
	struct native_socket_server *s = st;

	return taken && qbi_server_awake_poll(&s->awake, s, s->call.fd) ? QBI_MORE : 0;
}

static struct qbi_packets *packets_of(struct native_socket_server *s, enum qbi_channel channel)
{
	return channel == QBI_EVENTS ? &s->event : &s->call;
}

static enum qbi_region_ring words_of(enum qbi_channel channel)
{
	return channel == QBI_EVENTS ? QBI_REGION_EVENT : QBI_REGION_RESPONSE;
}

/* Publish the bytes left of a message, for a process that continues here. */
static void unsent_publish(struct native_socket_server *s, enum qbi_channel channel)
{
	const struct qbi_packets *p = packets_of(s, channel);
	uint64_t unsent = p->out.data ? p->out.size - p->out.done : 0;

	if (s->unsent[channel] == unsent)
		return;
	s->unsent[channel] = unsent;
	qbi_region_unsent_set(&s->region, words_of(channel), unsent);
}

/* As the client has told: its word in the page is not read, because that could wait. */
static uint32_t native_socket_server_body_most(void *st)
{
	struct native_socket_server *s = st;
	uint32_t most = s->call.body_most;

	return most < s->body_limit ? most : s->body_limit;
}

static int native_socket_server_respondv(void *st, const struct qbi_msg *msg)
{
	struct native_socket_server *s = st;
	int r = qbi_packets_sendv(&s->call, msg);

	unsent_publish(s, QBI_RESPONSES);
	return r;
}

static int native_socket_server_eventv(void *st, const struct qbi_msg *msg)
{
	struct native_socket_server *s = st;
	int r = qbi_packets_sendv(&s->event, msg);

	if (r == 0 || r == QBI_UNSENT)
		qbi_region_sent_set(&s->region, QBI_REGION_EVENT, ++s->events_sent);
	unsent_publish(s, QBI_EVENTS);
	return r;
}

static int native_socket_server_flush(void *st, enum qbi_channel channel)
{
	struct qbi_packets *p = packets_of(st, channel);
	size_t before = p->out.done;
	int r = qbi_packets_flush(p);

	unsent_publish(st, channel);
	return r == QBI_UNSENT && p->out.done == before ? QBI_FULL : r;
}

static int native_socket_server_room(void *st, enum qbi_channel channel, size_t size)
{
	const struct qbi_packets *p = packets_of(st, channel);

	/* If the socket takes a packet, the message is accepted; the rest is sent later. */
	return p->out.data ? QBI_FULL : qbi_socket_room(p->fd);
}

static int native_socket_server_wait_fd(void *st, enum qbi_channel channel)
{
	return packets_of(st, channel)->fd;
}

static void native_socket_server_flow_set(void *st, uint32_t value)
{
	struct native_socket_server *s = st;

	qbi_region_flow_set(&s->region, value);
}

static uint32_t native_socket_server_events_queued(void *st)
{
	struct native_socket_server *s = st;
	uint32_t queued = 0;

	if (s->events_sent)
		queued = s->events_sent - qbi_region_taken_get(&s->region);
	return queued <= s->events_sent ? queued : 0;
}

/* It is known where in a message the other process has stopped, but not the message. */
static int native_socket_server_resume(void *st)
{
	struct native_socket_server *s = st;
	int channel;

	for (channel = 0; channel < QBI_CHANNELS; channel++)
		if (qbi_region_unsent_get(&s->region, words_of((enum qbi_channel)channel)) !=
		    s->unsent[channel])
			return -EBADMSG;
	s->events_sent = qbi_region_sent_get(&s->region, QBI_REGION_EVENT);
	return 0;
}

static void native_socket_server_leave(void *st, enum qbi_parting how)
{
	struct native_socket_server *s = st;

	if (!qbi_server_awake_leave(&s->awake, s))
		return;
	if (how != QBI_PART_COPY) {
		qbi_packets_end(&s->call);
		qbi_packets_end(&s->event);
	}
}

static int native_socket_server_withdraw(void *st, enum qbi_parting how)
{
	struct native_socket_server *s = st;

	if (!s->opened)
		return 0;
	/* Requests may be left in there. */
	qbi_packets_close(&s->call);
	qbi_packets_close(&s->event);
	if (how != QBI_PART_AT_ONCE && how != QBI_PART_KEEPING)
		return 0;
	return qbi_region_punch(&s->region);
}

static void native_socket_server_close(void *st, enum qbi_parting how)
{
	struct native_socket_server *s = st;

	if (!s->opened)
		return;
	native_socket_server_leave(s, how);
	(void)native_socket_server_withdraw(s, how);
	qbi_region_close(&s->region);
}

extern const struct qbi_server_ops qbi_native_socket_server;
const struct qbi_server_ops qbi_native_socket_server = {
	.state_size = sizeof(struct native_socket_server),
	.open = native_socket_server_open,
	.request_fd = native_socket_server_request_fd,
	.begin = native_socket_server_begin,
	.take = native_socket_server_take,
	.noted = native_socket_server_noted,
	.settle = native_socket_server_settle,
	.respondv = native_socket_server_respondv,
	.eventv = native_socket_server_eventv,
	.body_most = native_socket_server_body_most,
	.flush = native_socket_server_flush,
	.room = native_socket_server_room,
	.wait_fd = native_socket_server_wait_fd,
	.flow_set = native_socket_server_flow_set,
	.events_queued = native_socket_server_events_queued,
	.resume = native_socket_server_resume,
	.close = native_socket_server_close,
	.leave = native_socket_server_leave,
	.withdraw = native_socket_server_withdraw,
};
