/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in poll loop.
 *
 * Idea: four kinds of things (jobs, timers, descriptors, signals) are all dispatched the
 * same way. Each is an item; when its turn has come it is queued as ready at its level,
 * and loop.c, which does not know the kinds, takes ready items HIGH, MED, LOW. A cycle is
 *
 *	wait in epoll_wait(), at most until the next timer
 *	collect: queue jobs, expired timers, delivered signals, ready descriptors
 *	dispatch what is ready
 *
 * and costs one system call when nothing else is to be done: no clock is read without
 * timers, nothing is written without a sleeper. A function that says it has more to do
 * (base/again.h) is called again without asking the kernel, for a few cycles.
 *
 * Levels: one cycle in three serves all levels, one HIGH and MED, one HIGH only; a level
 * is passed over only when a higher one had work. So with every level busy HIGH gets
 * three turns where MED gets two and LOW one, and no level ever waits for longer than
 * two cycles. An item that becomes ready during a cycle waits for the next one.
 *
 * Owner: the loop owns all items. A dispatch function of a kind copies what it needs out
 * of the item before it calls the application, which may remove anything meanwhile; what
 * is to be done to the item after the call, it looks up again by a name that is never
 * used twice (generation, serial), not by the pointer.
 *
 * Threads: every function may be called from any thread; qb_loop.lock covers everything
 * but the atomics and is not held while the application is called. Callbacks run in the
 * thread that runs the loop. Removing from another thread does not wait for a callback
 * that is running. qbi_loop_stop() and qbi_loop_wake() take no lock and may be called
 * from a signal handler.
 *
 * Processes: after fork(2) the child's loop is a copy, whose epoll and eventfd are still
 * the parent's. It is left alone until the child runs it; then it gets its own. A child
 * that only removes from it or destroys it changes its memory and nothing else.
 *
 * Waking: the loop says that it is about to sleep, then looks once more; others change
 * something, then look whether it sleeps, and write to its eventfd only if so:
 *
 *	loop:   sleeping = true;    look at stop, signals      W1 (sleep)
 *	others: change; if sleeping was true: write eventfd    W1 (wake)
 *
 * All four are sequentially consistent, so one side sees the other. What the lock covers
 * (timers, jobs) needs no second look: the loop sets sleeping before it lets go of it.
 */
#ifndef QBI_LOOP_LOOP_H
#define QBI_LOOP_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <qb/qbloop.h>

#include "base/list.h"
#include "base/mutex.h"

#define QBI_LEVELS 3
#define QBI_LOOP_BATCH 64   /* descriptors reported by one epoll_wait() */
#define QBI_LOOP_BLIND 8    /* cycles in a row without asking the kernel */
#define QBI_LOOP_PACE_MS 50 /* between runs of a job that adds itself again */

struct qbi_item;

struct qbi_item_kind {
	/*
	 * The item's turn: it is in no list any more. Called with the lock held, which
	 * it gives up around the application's function.
	 */
	void (*dispatch)(struct qb_loop *l, struct qbi_item *item);
};

struct qbi_item {
	struct qbi_list node; /* in its level when ready, else as its kind likes */
	const struct qbi_item_kind *kind;
	enum qb_loop_priority level;
	bool ready;
	void *data; /* the application's */
};

struct qbi_level {
	struct qbi_list items; /* ready, oldest first */
	unsigned int count;
};

struct qbi_jobs {
	struct qbi_list waiting[QBI_LEVELS]; /* for the next cycle */
	bool any;			     /* something waits */
	bool prompt;			     /* something waits that was not added by a job */
	bool held;			     /* a wait that a timer ends is not for them */
	uint64_t due;			     /* by timers.now; 0 when nobody has asked yet */
};

struct qbi_timers {
	struct qbi_timer **heap; /* earliest first; not expired */
	size_t count;
	size_t heap_size;
	struct qbi_timer **buckets; /* by serial; all that can be deleted */
	size_t n_buckets;	    /* a power of two, or 0 */
	size_t n_known;		    /* in the buckets */
	uint64_t now;		    /* as read last, if there are any */
};

struct qbi_polls {
	struct qbi_poll **by_fd;
	size_t size;
	size_t count;	     /* registrations */
	uint32_t generation; /* of the latest one; 0 is the eventfd's */
	qb_loop_poll_low_fds_event_fn low_fn;
	size_t low_checked; /* count when last compared with the limit */
	bool low;	    /* what the application was told last */
};

struct qbi_signals {
	struct qbi_list all; /* registrations, linked by qbi_signal.peers */
	uint64_t seen;	     /* deliveries to the process looked at so far */
	_Atomic(struct qb_loop *) next_watcher;
	bool watching; /* the handler wakes this loop */
};

struct qb_loop {
	struct qbi_mutex lock;
	int epoll_fd;
	int wake_fd;
	atomic_bool stop;
	atomic_bool sleeping;
	pthread_t runner;	      /* valid while depth > 0 */
	unsigned int depth;	      /* calls of run that have not returned */
	_Atomic(uint32_t) generation; /* whose epoll_fd and wake_fd are: base/mutex.h */
	bool doomed;		      /* destroyed while running: goes when run returns */
	unsigned int turn;	      /* lowest level served by the next cycle */
	bool again;		      /* a descriptor's function asked for another call */
	unsigned int blind;	      /* cycles since the kernel was asked last */
	const struct qbi_item_kind *running; /* what is being dispatched */
	struct qbi_level levels[QBI_LEVELS];
	struct qbi_jobs jobs;
	struct qbi_timers timers;
	struct qbi_polls polls;
	struct qbi_signals signals;
	struct qb_loop *next; /* in the order of creation */
};

/* loop.c: life, waiting, dispatch */

int qbi_loop_new(struct qb_loop **ret_loop);
/* A running loop is stopped and goes when its run returns. */
void qbi_loop_free(struct qb_loop *l);
/* The oldest loop, or NULL. */
struct qb_loop *qbi_loop_first(void);
void qbi_loop_run(struct qb_loop *l);
void qbi_loop_stop(struct qb_loop *l);
/* End the wait in which the loop is, or which it is about to enter. */
void qbi_loop_wake(struct qb_loop *l);

/* For the kinds, with the lock held. */
/* What the kernel keeps for the loop becomes that of this process. 0 or -errno. */
int qbi_loop_own(struct qb_loop *l);
void qbi_loop_push_ready(struct qb_loop *l, struct qbi_item *item);
void qbi_loop_drop_ready(struct qb_loop *l, struct qbi_item *item);
/* Is the caller a callback of this loop? */
bool qbi_loop_is_inside(const struct qb_loop *l);

/*
 * The kinds. Arguments have been checked. The functions below the blank line of each are
 * for loop.c, with the lock held: init, collect and, good after init, deinit.
 */

/* jobs.c */
int qbi_job_add(struct qb_loop *l, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);
int qbi_job_del(struct qb_loop *l, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);

void qbi_jobs_init(struct qb_loop *l);
/* @event: something else than a timer has happened. */
void qbi_jobs_collect(struct qb_loop *l, bool event);
/*
 * Milliseconds the loop may wait for their sake, -1 for ever. @timers: the same for the
 * timers'; @ready: it will not wait, since there is work.
 */
int qbi_jobs_timeout(struct qb_loop *l, int timers, bool ready);
void qbi_jobs_deinit(struct qb_loop *l);
extern const struct qbi_item_kind qbi_job_kind;

/* timers.c */
int qbi_timer_add(struct qb_loop *l, enum qb_loop_priority level, uint64_t ns, void *data,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret_handle);
int qbi_timer_del(struct qb_loop *l, qb_loop_timer_handle handle);
/* When it expires on the monotonic clock; 0 when it has, or is not known. */
uint64_t qbi_timer_expiry(struct qb_loop *l, qb_loop_timer_handle handle);

/* Time has passed since qbi_timers_timeout(). */
void qbi_timers_advance(struct qb_loop *l);
void qbi_timers_collect(struct qb_loop *l);
int qbi_timers_timeout(struct qb_loop *l);
void qbi_timers_deinit(struct qb_loop *l);

/* poll.c */
int qbi_poll_add(struct qb_loop *l, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);
int qbi_poll_mod(struct qb_loop *l, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);
int qbi_poll_del(struct qb_loop *l, int fd);
void qbi_poll_set_low_fn(struct qb_loop *l, qb_loop_poll_low_fds_event_fn fn);

/* Makes epoll_fd; wake_fd exists. */
int qbi_polls_init(struct qb_loop *l);
int qbi_polls_collect(struct qb_loop *l, const struct epoll_event *events, int n);
/* Start over with a new epoll_fd. 0 or -errno. */
int qbi_polls_renew(struct qb_loop *l);
/* Tell the application when descriptors run out or are back. */
void qbi_polls_check_low(struct qb_loop *l);
void qbi_polls_deinit(struct qb_loop *l);

/* signals.c */
int qbi_signal_add(struct qb_loop *l, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle *ret_handle);
int qbi_signal_mod(struct qb_loop *l, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle handle);
int qbi_signal_del(struct qb_loop *l, qb_loop_signal_handle handle);

void qbi_signals_init(struct qb_loop *l);
bool qbi_signals_are_pending(const struct qb_loop *l);
void qbi_signals_collect(struct qb_loop *l);
void qbi_signals_deinit(struct qb_loop *l);

#endif
