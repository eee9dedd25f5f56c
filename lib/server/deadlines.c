/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/deadlines.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

static uint64_t handshake_deadline(const qb_ipcs_connection_t *c)
{
	uint64_t ms = c->service->limits.at.handshake_ms;

	if (ms > (QBI_FOREVER - c->since_ns) / QBI_NS_PER_MS)
		return QBI_FOREVER;
	return c->since_ns + ms * QBI_NS_PER_MS;
}

/* When something is due next; QBI_FOREVER: nothing waits. */
static uint64_t deadlines_next(qb_ipcs_service_t *s)
{
	qb_ipcs_connection_t *oldest = qbi_connection_first_handshake(s);
	uint64_t next = s->listener.rests_until ? s->listener.rests_until : QBI_FOREVER;

	if (oldest && handshake_deadline(oldest) < next)
		next = handshake_deadline(oldest);
	return next;
}

static void handshakes_expire(qb_ipcs_service_t *s, uint64_t now)
{
	qb_ipcs_connection_t *c;

	while ((c = qbi_connection_first_handshake(s)) && handshake_deadline(c) <= now) {
		qbi_refusals_note(&s->refusals, QBI_REFUSED_OVERDUE, &c->peer,
				  "no handshake for %llu ms",
				  (unsigned long long)s->limits.at.handshake_ms);
		qbi_connection_abandon(c);
	}
}

static int32_t deadlines_dispatch(int32_t fd, int32_t revents, void *data)
{
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(data);
	struct qbi_deadlines *d = &s->deadlines;
	uint64_t expirations, now;

	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return 0;
	now = qbi_now_ns();
	d->set_to = QBI_FOREVER;
	handshakes_expire(s, now);
	if (s->listener.rests_until && s->listener.rests_until <= now)
		qbi_listener_resume(s);
	(void)qbi_deadlines_update(s);
	return d->in_loop ? 0 : -ESHUTDOWN;
}

int qbi_deadlines_open(qb_ipcs_service_t *s)
{
	s->deadlines.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return s->deadlines.fd < 0 ? -errno : 0;
}

static void deadlines_leave(qb_ipcs_service_t *s)
{
	static const struct itimerspec never;

	if (!s->deadlines.in_loop)
		return;
	s->poll.dispatch_del(s->deadlines.fd);
	s->deadlines.in_loop = false;
	(void)timerfd_settime(s->deadlines.fd, 0, &never, NULL);
}

static int deadlines_join(qb_ipcs_service_t *s)
{
	struct qbi_deadlines *d = &s->deadlines;
	int r;

	if (d->in_loop)
		return 0;
	if (d->fd < 0)
		return -ESHUTDOWN;
	r = s->poll.dispatch_add(s->priority, d->fd, QBI_POLL_EVENTS, s, deadlines_dispatch);
	if (r < 0)
		return r;
	d->in_loop = true;
	d->set_to = QBI_FOREVER;
	return 0;
}

int qbi_deadlines_update(qb_ipcs_service_t *s)
{
	uint64_t next = deadlines_next(s);
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(next / QBI_NS_PER_S),
						 .tv_nsec = (long)(next % QBI_NS_PER_S) } };
	int r;

	if (next == QBI_FOREVER) {
		deadlines_leave(s);
		return 0;
	}
	r = deadlines_join(s);
	if (r < 0)
		return r;
	/* One that goes off too early is set again then. */
	if (s->deadlines.set_to <= next)
		return 0;
	if (timerfd_settime(s->deadlines.fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return -errno;
	s->deadlines.set_to = next;
	return 0;
}

void qbi_deadlines_close(qb_ipcs_service_t *s)
{
	deadlines_leave(s);
	s->deadlines.fd = qbi_close(s->deadlines.fd);
}
