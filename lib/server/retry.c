/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/retry.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

#define INTERVAL_FIRST (1 * QBI_NS_PER_MS)
#define INTERVAL_MAX (100 * QBI_NS_PER_MS)

void qbi_retry_init(struct qbi_retry *r)
{
	r->fd = -1;
	r->interval = INTERVAL_FIRST;
	qbi_list_init(&r->waiting);
}

static int retry_arm(struct qbi_retry *r)
{
	struct itimerspec when = { .it_value.tv_nsec = (long)r->interval };

	return timerfd_settime(r->fd, 0, &when, NULL) < 0 ? -errno : 0;
}

static void retry_flush_all(struct qbi_retry *r)
{
	struct qbi_list *pos, *tmp;

	qbi_list_for_each_safe (pos, tmp, &r->waiting) {
		qb_ipcs_connection_t *c =
			qbi_list_entry(pos, struct qb_ipcs_connection, retry_link);

		if (qbi_connection_flush(c) != QBI_LATER)
			qbi_list_unlink(pos);
	}
}

static int32_t retry_dispatch(int32_t fd, int32_t revents, void *data)
{
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(data);
	struct qbi_retry *r = &s->retry;
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return 0;
	retry_flush_all(r);
	if (r->fd < 0)
		return -ESHUTDOWN;
	if (!qbi_list_is_empty(&r->waiting)) {
		r->interval = r->interval * 2 > INTERVAL_MAX ? INTERVAL_MAX : r->interval * 2;
		if (retry_arm(r) == 0)
			return 0;
	}
	qbi_retry_close(s);
	return -ESHUTDOWN;
}

static int retry_open(qb_ipcs_service_t *s)
{
	_cleanup_(qbi_closep) int fd = -1;
	int r;

	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = s->poll.dispatch_add(s->priority, fd, QBI_POLL_EVENTS, s, retry_dispatch);
	if (r < 0)
		return r;
	s->retry.fd = qbi_take_fd(&fd);
	return 0;
}

int qbi_retry_add(qb_ipcs_service_t *s, qb_ipcs_connection_t *c)
{
	int r;

	if (!qbi_list_is_empty(&c->retry_link))
		return 0;
	if (s->retry.fd < 0) {
		r = retry_open(s);
		if (r < 0)
			return r;
	}
	s->retry.interval = INTERVAL_FIRST;
	r = retry_arm(&s->retry);
	if (r < 0)
		return r;
	qbi_list_push_back(&s->retry.waiting, &c->retry_link);
	return 0;
}

void qbi_retry_close(qb_ipcs_service_t *s)
{
	struct qbi_list *first;

	while ((first = qbi_list_first(&s->retry.waiting)))
		qbi_list_unlink(first);
	if (s->retry.fd < 0)
		return;
	s->poll.dispatch_del(s->retry.fd);
	s->retry.fd = qbi_close(s->retry.fd);
}
