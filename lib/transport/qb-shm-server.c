/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory on libqb's wire, the server's end: a ring for requests, responses and
 * events each, in files that the server makes and the client opens by name.
 *
 * Wake-ups: requests and events are followed by one byte on the stream per message
 * (ring/wakeup.h); a response only raises the semaphore in its ring.
 *
 * Trust: see ring/qbring.h. Each end keeps its counts of bytes privately.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbring.h"
#include "ring/shm-dir.h"
#include "ring/shm-sweep.h"
#include "ring/wakeup.h"
#include "transport/server-awake.h"
#include "transport/transport.h"
#include "wire/names.h"

struct shm_server {
	bool opened;
	bool in_place; /* large requests are */
	int stream;
	struct qbi_shm_dir dir;
	struct qbi_qbring request;
	struct qbi_qbring response;
	struct qbi_qbring event;
	int64_t owed;	      /* requests taken whose byte was not read yet */
	uint64_t unannounced; /* events whose byte could not be sent yet */
	bool withdrawn;	      /* the client was told of the end */
	struct qbi_server_awake awake;
};

static int server_create_ring(struct shm_server *s, struct qbi_qbring *ring,
			      const char *channel, const struct qbi_server_spec *spec,
			      char *ret_name)
{
	unsigned int flags = 0;
	int r;

	if (ring == &s->request)
		flags = QBI_QBRING_USER_DATA | (spec->in_place ? QBI_QBRING_IN_PLACE : 0);
	r = qbi_qbring_create(ring, &s->dir, channel, spec->service, spec->max_msg_size, flags,
			      &spec->owner, spec->locking);
	if (r < 0)
		return r;
	/* The buffer is zeroed, and a prefix is much shorter. */
	strncpy(ret_name, qbi_qbring_prefix(ring), QBI_WIRE_NAME_SIZE - 1);
	return 0;
}

static int shm_server_open(void *st, const struct qbi_server_spec *spec,
			   struct qbi_reply *reply)
{
	struct shm_server *s = st;
	struct qbi_welcome *w = reply->welcome;
	int r;

	s->opened = true;
	s->stream = spec->stream;
	qbi_server_awake_init(&s->awake, spec);
	s->in_place = spec->in_place;
	s->dir = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	s->request = (struct qbi_qbring)QBI_QBRING_INIT;
	s->response = (struct qbi_qbring)QBI_QBRING_INIT;
	s->event = (struct qbi_qbring)QBI_QBRING_INIT;
	r = qbi_shm_dir_create(&s->dir, spec->peer.pid, spec->stream);
	if (r == 0)
		r = server_create_ring(s, &s->request, "request", spec, w->request);
	if (r == 0)
		r = server_create_ring(s, &s->response, "response", spec, w->response);
	if (r == 0)
		r = server_create_ring(s, &s->event, "event", spec, w->event);
	if (r < 0)
		return r;
	qbi_qbring_refs_set(&s->request, 1);
	return qbi_shm_dir_hand_over(&s->dir, &spec->owner);
}

static void shm_server_sweep(const char *service)
{
	static const char *const channels[] = { "request", "response", "event" };
	char text[QBI_SHM_DIR_FILES][QBI_SERVICE_NAME_MAX + 32];
	const char *names[QBI_SHM_DIR_FILES];
	size_t i;

	for (i = 0; i < QBI_SHM_DIR_FILES; i++) {
		snprintf(text[i], sizeof(text[i]), "qb-%s-%s-%s", channels[i / 2], service,
			 i % 2 ? "data" : "header");
		names[i] = text[i];
	}
	qbi_shm_sweep(names, QBI_SHM_DIR_FILES);
}

static int shm_server_request_fd(const void *st)
{
	return -1;
}

static void shm_server_begin(void *st, bool readable)
{
	struct shm_server *s = st;

	qbi_server_awake_begin(&s->awake);
	qbi_fault_guard_check(true);
}

static int shm_server_take(void *st, void *buf, size_t size, void **ret_in_place,
			   size_t *ret_size)
{
	struct shm_server *s = st;
	int r = QBI_AGAIN;

	if (s->in_place)
		r = qbi_qbring_take_in_place(&s->request, ret_in_place, ret_size);
	if (r == QBI_AGAIN)
		r = qbi_qbring_take(&s->request, buf, size, ret_size);
	if (r == 0)
		qbi_server_awake_took(&s->awake);
	return r;
}

static int shm_server_done(void *st, bool free)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_done(&s->request, free);
}

static int shm_server_settle(void *st, unsigned int taken)
{
	struct shm_server *s = st;
	bool idle;
	ssize_t n;

	s->owed += taken;
	/*
	 * A wake-up, although there was no request and no byte is owed: it is junk, or a
	 * request came just now. Read one byte and check again: if the byte belongs to a
	 * request, this is visible by now.
	 */
	idle = taken == 0 && s->owed == 0;
	if (s->owed <= 0 && !idle)
		return 0;
	n = qbi_wakeup_receive_from_client(s->stream, idle ? 1 : (size_t)s->owed);
	if (n < 0)
		return n == -EAGAIN ? 0 : QBI_GONE;
	if (!idle) {
		s->owed -= n;
		return s->owed == 0 && qbi_server_awake_poll(&s->awake, s, s->stream) ?
			       QBI_MORE :
			       0;
	}
	if (qbi_qbring_count(&s->request) == 0)
		return QBI_EMPTY;
	s->owed = -1;
	return QBI_MORE;
}

static int shm_server_respondv(void *st, const struct qbi_msg *msg)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_put(&s->response, msg->iov, msg->n, msg->size);
}

static int shm_server_eventv(void *st, const struct qbi_msg *msg)
{
	struct shm_server *s = st;
	int r;

	qbi_fault_guard_check(false);
	r = qbi_qbring_put(&s->event, msg->iov, msg->n, msg->size);
	if (r)
		return r;
	s->unannounced++;
	return qbi_wakeup_send_due(s->stream, &s->unannounced);
}

static int shm_server_room(void *st, enum qbi_channel channel, size_t size)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_room(channel == QBI_EVENTS ? &s->event : &s->response, size);
}

/* Not in place: the client could truncate the file under the application. */
static int shm_server_reserve(void *st, enum qbi_channel channel, size_t size, void **ret)
{
	int r = shm_server_room(st, channel, size);

	return r ? r : QBI_AGAIN;
}

/* A response is announced in its ring, so there is never a rest to send. */
static int shm_server_flush(void *st, enum qbi_channel channel)
{
	struct shm_server *s = st;
	uint64_t before = s->unannounced;
	int r = channel == QBI_EVENTS ? qbi_wakeup_send_due(s->stream, &s->unannounced) : 0;

	return r == QBI_UNSENT && s->unannounced == before ? QBI_FULL : r;
}

/* The stream reports room for bytes; nothing reports room in a ring. */
static int shm_server_wait_fd(void *st, enum qbi_channel channel)
{
	struct shm_server *s = st;

	return channel == QBI_EVENTS && s->unannounced ? s->stream : -1;
}

static void shm_server_flow_set(void *st, uint32_t value)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	qbi_qbring_user_set(&s->request, (int32_t)value);
}

static uint32_t shm_server_events_queued(void *st)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_count(&s->event);
}

/* Bytes of taken requests cannot be matched, because their number is not known. */
static int shm_server_resume(void *st)
{
	struct shm_server *s = st;
	int r;

	qbi_fault_guard_check(false);
	s->owed = 0;
	r = qbi_qbring_resume(&s->request);
	if (r == 0)
		r = qbi_qbring_resume(&s->response);
	return r ? r : qbi_qbring_resume(&s->event);
}

/* 0, or QBI_AGAIN if it took long. */
static int rings_punch(struct shm_server *s, bool keep_queued)
{
	int request = qbi_qbring_punch(&s->request);
	int response = keep_queued ? qbi_qbring_punch_taken(&s->response) :
				     qbi_qbring_punch(&s->response);
	int event =
		keep_queued ? qbi_qbring_punch_taken(&s->event) : qbi_qbring_punch(&s->event);

	return request || response || event ? QBI_AGAIN : 0;
}

static int shm_server_withdraw(void *st, enum qbi_parting how)
{
	struct shm_server *s = st;
	int r = 0;

	if (!s->opened || how == QBI_PART_COPY)
		return 0;
	qbi_fault_guard_check(true);
	/* Let the client see the end. */
	if (s->request.head && !s->withdrawn)
		qbi_qbring_refs_add(&s->request, -1);
	s->withdrawn = true;
	if (how != QBI_PART_UNPUNCHED)
		r = rings_punch(s, how == QBI_PART_KEEPING);
	return qbi_shm_dir_remove(&s->dir) ? QBI_AGAIN : r;
}

static void shm_server_leave(void *st, enum qbi_parting how)
{
	struct shm_server *s = st;

	(void)qbi_server_awake_leave(&s->awake, s);
}

static void shm_server_close(void *st, enum qbi_parting how)
{
	struct shm_server *s = st;

	if (!s->opened)
		return;
	shm_server_leave(s, how);
	(void)shm_server_withdraw(s, how);
	qbi_qbring_close(&s->request);
	qbi_qbring_close(&s->response);
	qbi_qbring_close(&s->event);
	qbi_shm_dir_forget(&s->dir);
}

extern const struct qbi_server_ops qbi_qb_shm_server;
const struct qbi_server_ops qbi_qb_shm_server = {
	.state_size = sizeof(struct shm_server),
	.settles_each = true,
	.sweep = shm_server_sweep,
	.open = shm_server_open,
	.request_fd = shm_server_request_fd,
	.begin = shm_server_begin,
	.take = shm_server_take,
	.done = shm_server_done,
	.settle = shm_server_settle,
	.respondv = shm_server_respondv,
	.eventv = shm_server_eventv,
	.reserve = shm_server_reserve,
	.flush = shm_server_flush,
	.room = shm_server_room,
	.wait_fd = shm_server_wait_fd,
	.flow_set = shm_server_flow_set,
	.events_queued = shm_server_events_queued,
	.resume = shm_server_resume,
	.close = shm_server_close,
	.leave = shm_server_leave,
	.withdraw = shm_server_withdraw,
};
