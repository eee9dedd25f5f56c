/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: functions that run once, in the next cycle, in the order they were added.
 *
 * A job added by a job does not cut the wait of the next cycle short: it runs when a
 * descriptor is ready or a signal came, or after QBI_LOOP_PACE_MS. That paces a job that
 * adds itself until it is done, alone or by turns with others; the loop does not spin with
 * it. So is the first call again of connection_closed paced (base/again.h). A timer that
 * ends a wait does not hasten them, however short its period; one that is due already
 * does, since the loop does not wait then. As with libqb, where all other jobs have to wait
 * like this, too, and so have the timers beside them; here those run at once.
 */
#ifndef QBI_LOOP_JOBS_H
#define QBI_LOOP_JOBS_H

#include "loop/core.h"

#define QBI_LOOP_PACE_MS 50 /* between runs of a job that adds itself again */

struct qbi_jobs {
	struct qbi_kind kind;
	struct qbi_list waiting[QBI_LEVELS]; /* for the next cycle */
	bool any;			     /* something waits */
	bool prompt;			     /* something waits that was not added by a job */
	bool held;			     /* a wait that a timer ends is not for them */
	uint64_t due;			     /* by the timers' clock; 0: nobody has asked */
};

void qbi_jobs_init(struct qbi_jobs *j, struct qbi_loop_core *core);

/* Good after init. The lock is not held. */
void qbi_jobs_deinit(struct qbi_jobs *j);

/* 0; -ENOMEM. */
int qbi_job_add(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);

/* 0; -ENOENT. */
int qbi_job_del(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);

/*
 * Milliseconds the loop may wait for their sake, -1 for ever. Called with the lock held.
 *
 * @param timers  the same for the timers' sake
 * @param now     qbi_timers_now()
 * @param ready   the loop will not wait, since there is work
 */
int qbi_jobs_timeout(struct qbi_jobs *j, int timers, uint64_t now, bool ready);

/*
 * Queue those that wait, if they need not wait longer. Called with the lock held.
 *
 * @param event  something else than a timer has happened
 * @param now    qbi_timers_now()
 */
void qbi_jobs_collect(struct qbi_jobs *j, bool event, uint64_t now);

#endif
