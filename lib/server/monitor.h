/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitors of a service: clients that are told of each message that passes.
 *
 * Idea: a record goes to the socket of each monitor at once, by a send that does not wait. A
 * monitor that does not read loses records, and is told how many with the next one that fits,
 * or, if nothing passes any more, by a timer. While nobody looks, a message costs one look at
 * `looking`.
 *
 * Trust: a monitor may never read, send anything, have any number of processes wait for its
 * socket, or leave. There are few; those of other users than root and our own have fewer
 * places, and take no more than a small part of the service's time: beyond that they lose
 * records.
 * Threads: records come from any thread; everything else is the dispatching thread's. The
 * lock is taken while `send` of a connection is held, never the other way round.
 * After fork(2) only the process that dispatches the service sends records.
 */
#ifndef QBI_SERVER_MONITOR_H
#define QBI_SERVER_MONITOR_H

#include <qb/qbipcs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/msg.h"
#include "base/mutex.h"
#include "server/deadlines.h"
#include "server/settings.h"
#include "wire/monitor.h"

/* Monitors of a service; and those of other users than root and the service's own. */
#define QBI_MONITORS_MAX 4
#define QBI_MONITORS_OF_OTHERS 2

struct qbi_monitors;

struct qbi_monitor {
	struct qbi_monitors *all;
	int fd; /* its stream; -1: the place is free */
	uid_t uid;
	bool trusted;		      /* no limit of time */
	bool gone;		      /* found by a sender: the loop will report a hang-up */
	struct qbi_monitor_wish wish; /* the part that has arrived */
	size_t wish_size;	      /* bytes of it */
	uint64_t lost;		      /* records, of which it has not been told */
	uint64_t full_until;	      /* ns: there was no room, do not try before */
	char *rest;		      /* of a record, whose beginning was sent; NULL: none */
	size_t rest_size;
	size_t rest_at; /* bytes of it that were sent */
};

struct qbi_monitors {
	_Atomic(uint32_t) looking; /* monitors that have said what they want */
	const struct qbi_settings *set;
	struct qbi_deadlines *timer;
	struct qbi_deadline tick;
	qb_ipcs_dispatch_fn_t fn; /* the loop calls it, with a monitor */
	struct qbi_mutex lock;	  /* covers the rest */
	uint32_t mode;		  /* enum qbipc_monitor_mode */
	struct qbi_monitor at[QBI_MONITORS_MAX];
	char *record;		 /* the one that is being sent; NULL: nobody has looked */
	uint64_t window_from;	 /* ns: when the present part of the time began */
	uint64_t window_used_ns; /* of it, by those with a limit */
};

/* What happened; the message may be NULL. */
struct qbi_monitor_note {
	struct qbi_monitor_record record; /* without sizes, time and what was lost */
	const struct qbi_msg *msg;
};

/* Nothing is allowed; @fn is set by the service. */
void qbi_monitors_init(struct qbi_monitors *ms, const struct qbi_settings *set,
		       struct qbi_deadlines *timer);
/* The service has ended: all are closed. */
void qbi_monitors_deinit(struct qbi_monitors *ms);

/* What QBIPC_MONITOR in the environment allows: enum qbipc_monitor_mode. */
uint32_t qbi_monitor_mode_wanted(void);

/* Allow no more than that; if it is nothing, all monitors are closed. */
void qbi_monitors_mode_set(struct qbi_monitors *ms, uint32_t mode);

/* May a client of @uid become one? 0; -EPERM the service does not allow it; -EUSERS. */
int qbi_monitors_admit(struct qbi_monitors *ms, uid_t uid);

/*
 * The client of @uid on the stream @fd, which qbi_monitors_admit() allowed. Owns @fd on
 * success. 0 or -errno.
 */
int qbi_monitors_add(struct qbi_monitors *ms, int fd, uid_t uid);

/* The loop says that there is something on the stream. What to return to the loop. */
int32_t qbi_monitor_dispatch(struct qbi_monitor *m, int32_t revents);

void qbi_monitors_close(struct qbi_monitors *ms);

static inline bool qbi_monitors_look(const struct qbi_monitors *ms)
{
	return __builtin_expect(atomic_load_explicit(&ms->looking, memory_order_relaxed) != 0,
				0);
}

/* Send a record to those who want it. Any thread. Keeps errno. */
void qbi_monitors_note(struct qbi_monitors *ms, const struct qbi_monitor_note *note);

#endif
