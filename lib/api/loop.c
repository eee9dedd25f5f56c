/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The qb_loop_ functions: check the arguments, find the loop, call inwards. */
#include <errno.h>
#include <qb/qbdefs.h>
#include <qb/qbloop.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"

/* NULL stands for the oldest loop, which may be none: NULL. */
static struct qb_loop *loop_or_first(struct qb_loop *l)
{
	return l ? l : qbi_loop_first();
}

static bool level_is_valid(enum qb_loop_priority p)
{
	return p == QB_LOOP_LOW || p == QB_LOOP_MED || p == QB_LOOP_HIGH;
}

/* Check the arguments of @function. False: the log has the reason. */
static bool can_change(const char *function, const struct qb_loop *l, enum qb_loop_priority p,
		       bool has_fn)
{
	const char *why = !l		     ? "there is no loop" :
			  !level_is_valid(p) ? "the priority is none of enum qb_loop_priority" :
			  !has_fn	     ? "dispatch_fn is NULL" :
					       NULL;

	if (why)
		qbi_log(LOG_ERR, "%s: %s", function, why);
	return !why;
}

qb_loop_t *qb_loop_create(void)
{
	struct qb_loop *l;
	int r = qbi_loop_new(&l);

	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return l;
}

/* NULL is ignored here; elsewhere it means the default loop, which another owner may use. */
void qb_loop_destroy(struct qb_loop *l)
{
	if (l)
		qbi_loop_free(l);
}

void qb_loop_stop(qb_loop_t *l)
{
	l = loop_or_first(l);
	if (l)
		qbi_loop_stop(&l->core);
}

void qb_loop_run(qb_loop_t *l)
{
	l = loop_or_first(l);
	if (l)
		qbi_loop_run(l);
}

int32_t qb_loop_job_add(qb_loop_t *l, enum qb_loop_priority p, void *data,
			qb_loop_job_dispatch_fn dispatch_fn)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_job_add(&l->jobs, p, data, dispatch_fn);
}

int32_t qb_loop_job_del(struct qb_loop *l, enum qb_loop_priority p, void *data,
			qb_loop_job_dispatch_fn dispatch_fn)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_job_del(&l->jobs, p, data, dispatch_fn);
}

int32_t qb_loop_timer_add(qb_loop_t *l, enum qb_loop_priority p, uint64_t nsec_duration,
			  void *data, qb_loop_timer_dispatch_fn dispatch_fn,
			  qb_loop_timer_handle *timer_handle_out)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_timer_add(&l->timers, p, nsec_duration, data, dispatch_fn, timer_handle_out);
}

int32_t qb_loop_timer_del(qb_loop_t *l, qb_loop_timer_handle th)
{
	l = loop_or_first(l);
	return l ? qbi_timer_del(&l->timers, th) : qbi_misuse("there is no loop");
}

/* Only QB_TRUE or QB_FALSE: without a loop no timer runs. */
int32_t qb_loop_timer_is_running(qb_loop_t *l, qb_loop_timer_handle th)
{
	l = loop_or_first(l);
	return l && qbi_timer_expiry(&l->timers, th) != 0 ? QB_TRUE : QB_FALSE;
}

uint64_t qb_loop_timer_expire_time_get(struct qb_loop *l, qb_loop_timer_handle th)
{
	l = loop_or_first(l);
	return l ? qbi_timer_expiry(&l->timers, th) : 0;
}

uint64_t qb_loop_timer_expire_time_remaining(struct qb_loop *l, qb_loop_timer_handle th)
{
	uint64_t expiry, now;

	l = loop_or_first(l);
	expiry = l ? qbi_timer_expiry(&l->timers, th) : 0;
	if (expiry == 0)
		return 0;
	now = qbi_now_ns();
	return expiry > now ? expiry - now : 0;
}

int32_t qb_loop_poll_low_fds_event_set(qb_loop_t *l, qb_loop_poll_low_fds_event_fn fn)
{
	l = loop_or_first(l);
	if (!l)
		return qbi_misuse("there is no loop");
	qbi_poll_set_low_fn(&l->polls, fn);
	return 0;
}

int32_t qb_loop_poll_add(qb_loop_t *l, enum qb_loop_priority p, int32_t fd, int32_t events,
			 void *data, qb_loop_poll_dispatch_fn dispatch_fn)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_poll_add(&l->polls, p, fd, events, data, dispatch_fn);
}

int32_t qb_loop_poll_mod(qb_loop_t *l, enum qb_loop_priority p, int32_t fd, int32_t events,
			 void *data, qb_loop_poll_dispatch_fn dispatch_fn)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_poll_mod(&l->polls, p, fd, events, data, dispatch_fn);
}

int32_t qb_loop_poll_del(qb_loop_t *l, int32_t fd)
{
	l = loop_or_first(l);
	return l ? qbi_poll_del(&l->polls, fd) : qbi_misuse("there is no loop");
}

int32_t qb_loop_signal_add(qb_loop_t *l, enum qb_loop_priority p, int32_t sig, void *data,
			   qb_loop_signal_dispatch_fn dispatch_fn,
			   qb_loop_signal_handle *handle)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_signal_add(&l->signals, p, sig, data, dispatch_fn, handle);
}

int32_t qb_loop_signal_mod(qb_loop_t *l, enum qb_loop_priority p, int32_t sig, void *data,
			   qb_loop_signal_dispatch_fn dispatch_fn, qb_loop_signal_handle handle)
{
	l = loop_or_first(l);
	if (!can_change(__func__, l, p, dispatch_fn != NULL))
		return -EINVAL;
	return qbi_signal_mod(&l->signals, p, sig, data, dispatch_fn, handle);
}

int32_t qb_loop_signal_del(qb_loop_t *l, qb_loop_signal_handle handle)
{
	l = loop_or_first(l);
	return l ? qbi_signal_del(&l->signals, handle) : qbi_misuse("there is no loop");
}
