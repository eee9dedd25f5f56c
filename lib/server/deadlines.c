/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/deadlines.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/refused.h"
#include "base/util.h"

static struct qbi_deadline *deadline_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_deadline, link);
}

void qbi_deadline_init(struct qbi_deadline *e, qbi_deadline_fn fn)
{
	*e = (struct qbi_deadline){ .fn = fn };
	qbi_list_init(&e->link);
}

void qbi_deadlines_init(struct qbi_deadlines *d)
{
	*d = (struct qbi_deadlines){ .fd = -1 };
	qbi_list_init(&d->waiting);
}

/* The earliest deadline, or NULL. */
static struct qbi_deadline *deadline_next(const struct qbi_deadlines *d)
{
	struct qbi_deadline *next = NULL;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &d->waiting)
		if (!next || deadline_of(pos)->due < next->due)
			next = deadline_of(pos);
	return next;
}

int qbi_deadlines_open(struct qbi_deadlines *d, const struct qbi_settings *set,
		       qb_ipcs_dispatch_fn_t fn, void *data)
{
	static const struct itimerspec never;
	_cleanup_(qbi_closep) int fd = -1;

	d->set = set;
	d->fn = fn;
	d->data = data;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd >= 0 && timerfd_settime(fd, 0, &never, NULL) == 0) {
		d->fd = qbi_take_fd(&fd);
		return 0;
	}
	if (!qbi_is_refused(errno))
		return -errno;
	qbi_log(LOG_NOTICE, "no timers here: %s", strerror(errno));
	d->no_timer = true;
	return 0;
}

static void deadlines_leave(struct qbi_deadlines *d)
{
	static const struct itimerspec never;

	if (!d->in_loop)
		return;
	qbi_app_loop_del(&d->set->loop, d->fd);
	d->in_loop = false;
	if (qbi_settings_are_copied(d->set))
		return;
	(void)timerfd_settime(d->fd, 0, &never, NULL);
}

static int deadlines_join(struct qbi_deadlines *d)
{
	int r;

	if (d->in_loop)
		return 0;
	if (d->fd < 0)
		return -ESHUTDOWN;
	r = qbi_app_loop_add(&d->set->loop, d->set->priority, d->fd, QBI_POLL_EVENTS, d->data,
			     d->fn);
	if (r < 0)
		return r;
	d->in_loop = true;
	d->set_to = QBI_FOREVER;
	return 0;
}

static int deadlines_update(struct qbi_deadlines *d)
{
	const struct qbi_deadline *next = deadline_next(d);
	struct itimerspec when;
	int r;

	if (!d->set)
		return next ? -ESHUTDOWN : 0;
	if (qbi_settings_are_copied(d->set))
		return 0;
	if (!next) {
		deadlines_leave(d);
		return 0;
	}
	r = deadlines_join(d);
	if (r < 0)
		return r;
	/* A timer that expires too early is set again then. */
	if (d->set_to <= next->due)
		return 0;
	when = (struct itimerspec){
		.it_value.tv_sec = (time_t)(next->due / QBI_NS_PER_S),
		.it_value.tv_nsec = (long)(next->due % QBI_NS_PER_S),
	};
	if (timerfd_settime(d->fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return -errno;
	d->set_to = next->due;
	return 0;
}

/* Call what is due. The functions may lead here again, so guard against recursion. */
static void deadlines_expire(struct qbi_deadlines *d, uint64_t now)
{
	struct qbi_deadline *e;

	d->expiring = true;
	while ((e = deadline_next(d)) && e->due <= now) {
		qbi_list_unlink(&e->link);
		e->fn(e);
	}
	d->expiring = false;
}

/* Without a timer, what is due is noticed when the next deadline is set. */
static int without_timer(struct qbi_deadlines *d)
{
	if (!d->expiring)
		deadlines_expire(d, qbi_now_ns());
	return QBI_GONE;
}

int qbi_deadlines_set(struct qbi_deadlines *d, struct qbi_deadline *e, uint64_t due)
{
	int r;

	qbi_list_unlink(&e->link);
	e->due = due;
	if (due != QBI_FOREVER)
		qbi_list_push_back(&d->waiting, &e->link);
	if (d->no_timer)
		return without_timer(d);
	r = deadlines_update(d);
	if (r < 0)
		qbi_list_unlink(&e->link);
	return r;
}

int32_t qbi_deadlines_run(struct qbi_deadlines *d)
{
	uint64_t expirations;

	if (read(d->fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return 0;
	d->set_to = QBI_FOREVER;
	deadlines_expire(d, qbi_now_ns());
	(void)deadlines_update(d);
	return d->in_loop ? 0 : -ESHUTDOWN;
}

void qbi_deadlines_close(struct qbi_deadlines *d)
{
	struct qbi_list *first;

	while ((first = qbi_list_first(&d->waiting)))
		qbi_list_unlink(first);
	deadlines_leave(d);
	d->fd = qbi_close(d->fd);
	d->no_timer = false;
}

int qbi_deadlines_renew(struct qbi_deadlines *d)
{
	int r;

	if (d->fd < 0)
		return 0;
	if (d->in_loop)
		qbi_app_loop_del(&d->set->loop, d->fd);
	d->in_loop = false;
	d->fd = qbi_close(d->fd);
	r = qbi_deadlines_open(d, d->set, d->fn, d->data);
	return r < 0 ? r : deadlines_update(d);
}
