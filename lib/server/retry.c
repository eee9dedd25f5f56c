/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/retry.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

#define INTERVAL_FIRST (1 * QBI_NS_PER_MS)
#define INTERVAL_MAX (100 * QBI_NS_PER_MS)
#define AT_ONCE 1	/* ns; 0 would stop the timer */

void qbi_retry_init(struct qbi_retry *r)
{
	r->fd = -1;
	r->interval = INTERVAL_FIRST;
	pthread_mutex_init(&r->lock, NULL);
	qbi_list_init(&r->waiting);
}

void qbi_retry_deinit(struct qbi_retry *r)
{
	pthread_mutex_destroy(&r->lock);
}

static void retry_set(struct qbi_retry *r, uint64_t ns)
{
	struct itimerspec when = { .it_value.tv_nsec = (long)ns };

	if (r->fd >= 0)
		(void)timerfd_settime(r->fd, 0, &when, NULL);
}

/* The connection that waits longest, taken off the list, with a reference; or NULL. */
static qb_ipcs_connection_t *retry_pop(struct qbi_retry *r)
{
	qb_ipcs_connection_t *c = NULL;
	struct qbi_list *first;

	pthread_mutex_lock(&r->lock);
	first = qbi_list_first(&r->waiting);
	if (first) {
		qbi_list_unlink(first);
		c = qbi_connection_ref(
			qbi_list_entry(first, struct qb_ipcs_connection, retry_link));
	}
	pthread_mutex_unlock(&r->lock);
	return c;
}

static unsigned int retry_count(struct qbi_retry *r)
{
	struct qbi_list *pos;
	unsigned int n = 0;

	pthread_mutex_lock(&r->lock);
	qbi_list_for_each (pos, &r->waiting)
		n++;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* It still has something left: wait for the stream, or for the timer once more. */
static void retry_put_off(qb_ipcs_service_t *s, qb_ipcs_connection_t *c)
{
	struct qbi_retry *r = &s->retry;

	if (c->transport->server->flush_when == QBI_FLUSH_ON_POLLOUT) {
		if (qbi_connection_watch_update(c) < 0)
			qbi_connection_disconnect(c);
		return;
	}
	pthread_mutex_lock(&r->lock);
	if (c->end && qbi_list_is_empty(&c->retry_link))
		qbi_list_push_back(&r->waiting, &c->retry_link);
	retry_set(r, r->interval);
	pthread_mutex_unlock(&r->lock);
}

static int32_t retry_dispatch(int32_t fd, int32_t revents, void *data)
{
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(data);
	struct qbi_retry *r = &s->retry;
	unsigned int left = retry_count(r);
	qb_ipcs_connection_t *c;
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return 0;
	r->interval = r->interval * 2 > INTERVAL_MAX ? INTERVAL_MAX : r->interval * 2;
	while (left-- > 0 && (c = retry_pop(r))) {
		if (qbi_connection_flush(c) == QBI_LATER)
			retry_put_off(s, c);
		qbi_connection_unref(c);
	}
	return r->fd >= 0 ? 0 : -ESHUTDOWN;
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

static void retry_close(qb_ipcs_service_t *s)
{
	struct qbi_retry *r = &s->retry;
	int fd;

	pthread_mutex_lock(&r->lock);
	fd = qbi_take_fd(&r->fd);
	pthread_mutex_unlock(&r->lock);
	s->poll.dispatch_del(fd);
	qbi_close(fd);
}

int qbi_retry_hold(qb_ipcs_service_t *s)
{
	int r = s->retry.fd < 0 ? retry_open(s) : 0;

	if (r == 0)
		s->retry.holders++;
	return r;
}

void qbi_retry_release(qb_ipcs_service_t *s)
{
	if (--s->retry.holders == 0)
		retry_close(s);
}

void qbi_retry_add(qb_ipcs_service_t *s, qb_ipcs_connection_t *c)
{
	struct qbi_retry *r = &s->retry;

	pthread_mutex_lock(&r->lock);
	if (qbi_list_is_empty(&c->retry_link)) {
		qbi_list_push_back(&r->waiting, &c->retry_link);
		r->interval = INTERVAL_FIRST;
		retry_set(r, AT_ONCE);
	}
	pthread_mutex_unlock(&r->lock);
}

void qbi_retry_remove(qb_ipcs_service_t *s, qb_ipcs_connection_t *c)
{
	pthread_mutex_lock(&s->retry.lock);
	qbi_list_unlink(&c->retry_link);
	pthread_mutex_unlock(&s->retry.lock);
}
