/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/retry.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/refused.h"
#include "base/util.h"

#define INTERVAL_FIRST (1 * QBI_NS_PER_MS)
#define INTERVAL_MAX (100 * QBI_NS_PER_MS)

/* A client copies a ring of the smallest size in a tenth of it. */
#define INTERVAL_SOON (QBI_NS_PER_MS / 10)

_Static_assert(INTERVAL_FIRST << (QBI_RETRY_STEPS - 1) >= INTERVAL_MAX &&
		       INTERVAL_FIRST << (QBI_RETRY_STEPS - 2) < INTERVAL_MAX,
	       "as many steps as there are intervals");

/* Most connections resumed in one dispatch, so that other descriptors get their turn. */
#define RESUMED_AT_ONCE 64

void qbi_retry_init(struct qbi_retry *r)
{
	size_t i;

	r->epoll = -1;
	r->timer = -1;
	qbi_mutex_init(&r->lock);
	for (i = 0; i < QBI_RETRY_LISTS; i++)
		qbi_list_init(&r->later[i]);
	qbi_list_init(&r->ready);
}

void qbi_retry_deinit(struct qbi_retry *r)
{
	qbi_mutex_destroy(&r->lock);
}

void qbi_retry_entry_init(struct qbi_retry_entry *e)
{
	size_t i;

	*e = (struct qbi_retry_entry){ .step = 0 };
	qbi_list_init(&e->link);
	for (i = 0; i < QBI_CHANNELS; i++)
		e->fd[i] = -1;
}

static uint64_t interval_of(unsigned int step)
{
	uint64_t ns = INTERVAL_FIRST << step;

	if (step == QBI_RETRY_SOON)
		return INTERVAL_SOON;
	return ns < INTERVAL_MAX ? ns : INTERVAL_MAX;
}

static struct qbi_retry_entry *retry_entry_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_retry_entry, link);
}

/* Under the lock. @when: a time of the monotonic clock; 0 stops the timer. */
static void alarm_set(struct qbi_retry *r, uint64_t when)
{
	struct itimerspec at = {
		.it_value.tv_sec = (time_t)(when / QBI_NS_PER_S),
		.it_value.tv_nsec = (long)(when % QBI_NS_PER_S),
	};

	if (r->timer >= 0)
		(void)timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &at, NULL);
	r->alarm = when;
}

/* -- What the loop calls ------------------------------------------------------ */

/* @due 0: due now. */
static void entry_move(struct qbi_list *to, struct qbi_retry_entry *e, uint64_t due)
{
	e->due = due;
	qbi_list_unlink(&e->link);
	qbi_list_push_back(to, &e->link);
}

/* Entries whose socket takes bytes; the epoll reports each of them once. */
static void ready_by_socket(struct qbi_retry *r)
{
	struct epoll_event event[RESUMED_AT_ONCE];
	int n = epoll_wait(r->epoll, event, QBI_ARRAY_SIZE(event), 0);
	int i;

	for (i = 0; i < n; i++) {
		uint64_t expirations;

		if (event[i].data.ptr)
			entry_move(&r->ready, event[i].data.ptr, 0);
		else if (read(r->timer, &expirations, sizeof(expirations)) > 0)
			r->alarm = 0;
	}
}

static void ready_by_time(struct qbi_retry *r)
{
	uint64_t now = qbi_now_ns();
	size_t i;

	for (i = 0; i < QBI_RETRY_LISTS; i++) {
		struct qbi_list *first;

		while ((first = qbi_list_first(&r->later[i])) &&
		       retry_entry_of(first)->due <= now)
			entry_move(&r->ready, retry_entry_of(first), 0);
	}
}

/*
 * Take the next entry that is due off the list; or NULL. It stays valid without the lock,
 * because only this thread removes entries.
 */
static struct qbi_retry_entry *ready_pop(struct qbi_retry *r)
{
	struct qbi_list *first;

	qbi_mutex_lock(&r->lock);
	first = qbi_list_first(&r->ready);
	if (first)
		qbi_list_unlink(first);
	qbi_mutex_unlock(&r->lock);
	return first ? retry_entry_of(first) : NULL;
}

/* Set the timer for the entry that is due first. */
static void alarm_update(struct qbi_retry *r)
{
	uint64_t when = qbi_list_is_empty(&r->ready) ? UINT64_MAX : 1;
	size_t i;

	for (i = 0; i < QBI_RETRY_LISTS; i++) {
		struct qbi_list *first = qbi_list_first(&r->later[i]);

		if (first && retry_entry_of(first)->due < when)
			when = retry_entry_of(first)->due;
	}
	if (when == UINT64_MAX)
		when = 0;
	if (when != r->alarm)
		alarm_set(r, when);
}

int32_t qbi_retry_run(struct qbi_retry *r)
{
	unsigned int left = RESUMED_AT_ONCE;
	struct qbi_retry_entry *e;

	qbi_mutex_lock(&r->lock);
	ready_by_socket(r);
	ready_by_time(r);
	qbi_mutex_unlock(&r->lock);
	while (left-- > 0 && (e = ready_pop(r)))
		e->fn(e);
	qbi_mutex_lock(&r->lock);
	alarm_update(r);
	qbi_mutex_unlock(&r->lock);
	return r->epoll >= 0 ? 0 : -ESHUTDOWN;
}

/* -- Joining and leaving the loop ---------------------------------------------- */

void qbi_retry_place(struct qbi_retry *r, const struct qbi_settings *set,
		     qb_ipcs_dispatch_fn_t fn, void *data)
{
	r->set = set;
	r->fn = fn;
	r->data = data;
}

static int retry_open(struct qbi_retry *r)
{
	struct epoll_event event = { .events = EPOLLIN };
	_cleanup_(qbi_closep) int epoll = -1;
	_cleanup_(qbi_closep) int timer = -1;
	int error;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return -errno;
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	/* Without timers, the rest is sent when the connection is dispatched for another
	 * reason. */
	if (timer < 0 && !qbi_is_refused(errno))
		return -errno;
	if (timer >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0)
		return -errno;
	error = qbi_app_loop_add(&r->set->loop, r->set->priority, epoll, QBI_POLL_EVENTS,
				 r->data, r->fn);
	if (error < 0)
		return error;
	r->epoll = qbi_take_fd(&epoll);
	r->timer = qbi_take_fd(&timer);
	r->alarm = 0;
	return 0;
}

static void retry_close(struct qbi_retry *r)
{
	int epoll, timer;

	qbi_mutex_lock(&r->lock);
	epoll = qbi_take_fd(&r->epoll);
	timer = qbi_take_fd(&r->timer);
	qbi_mutex_unlock(&r->lock);
	qbi_app_loop_del(&r->set->loop, epoll);
	qbi_close(epoll);
	qbi_close(timer);
}

int qbi_retry_hold(struct qbi_retry *r)
{
	int error = r->epoll < 0 ? retry_open(r) : 0;

	if (error == 0)
		r->holders++;
	return error;
}

void qbi_retry_release(struct qbi_retry *r)
{
	if (--r->holders == 0)
		retry_close(r);
}

int qbi_retry_renew(struct qbi_retry *r)
{
	int error;

	if (r->epoll < 0)
		return 0;
	retry_close(r);
	error = retry_open(r);
	if (error < 0)
		return error;
	qbi_mutex_lock(&r->lock);
	alarm_update(r);
	qbi_mutex_unlock(&r->lock);
	return 0;
}

void qbi_retry_watch_again(struct qbi_retry *r, struct qbi_retry_entry *e)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.ptr = e };
	size_t i;

	qbi_mutex_lock(&r->lock);
	for (i = 0; i < QBI_CHANNELS; i++)
		if (e->fd[i] >= 0)
			(void)epoll_ctl(r->epoll, EPOLL_CTL_ADD, e->fd[i], &event);
	qbi_mutex_unlock(&r->lock);
}

/* -- Waiting ------------------------------------------------------------------- */

int qbi_retry_watch(struct qbi_retry *r, struct qbi_retry_entry *e, enum qbi_channel channel,
		    int fd)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.ptr = e };
	int op = e->fd[channel] < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	int error = 0;

	if (qbi_settings_are_copied(r->set))
		return -ECHILD;
	qbi_mutex_lock(&r->lock);
	if (epoll_ctl(r->epoll, op, fd, &event) < 0)
		error = -errno;
	else
		e->fd[channel] = fd;
	qbi_mutex_unlock(&r->lock);
	return error;
}

void qbi_retry_after(struct qbi_retry *r, struct qbi_retry_entry *e, unsigned int step)
{
	uint64_t due;

	if (qbi_settings_are_copied(r->set))
		return;
	qbi_mutex_lock(&r->lock);
	due = qbi_now_ns() + interval_of(step);
	if (qbi_list_is_empty(&e->link) || due < e->due) {
		entry_move(&r->later[step], e, due);
		if (!r->alarm || due < r->alarm)
			alarm_set(r, due);
	}
	qbi_mutex_unlock(&r->lock);
}

void qbi_retry_remove(struct qbi_retry *r, struct qbi_retry_entry *e)
{
	size_t i;

	qbi_mutex_lock(&r->lock);
	qbi_list_unlink(&e->link);
	for (i = 0; i < QBI_CHANNELS; i++)
		if (e->fd[i] >= 0) {
			if (!qbi_settings_are_copied(r->set))
				(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, e->fd[i], NULL);
			e->fd[i] = -1;
		}
	qbi_mutex_unlock(&r->lock);
}
