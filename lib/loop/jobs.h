/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: functions that run once, in the next cycle, in the order they were added.
 *
 * A job added by a job does not end the next wait of the loop: it runs when a descriptor is
 * ready or a signal came, or after QBI_LOOP_PACE_MS. This paces jobs that add themselves
 * again, alone or in turn with others, so that the loop does not spin. The repeated call of
 * connection_closed is paced in the same way (base/again.h). If a timer ends the wait, these
 * jobs do not run earlier; if a timer is due before the wait, they do, because the loop does
 * not wait then. libqb does the same, but there all other jobs, and timers beside them, have
 * to wait too; here they run at once.
 */
#ifndef QBI_LOOP_JOBS_H
#define QBI_LOOP_JOBS_H

#include "loop/core.h"

#define QBI_LOOP_PACE_MS 50 /* between runs of a job that adds itself again */

struct qbi_jobs {
	struct qbi_kind kind;
	struct qbi_list waiting[QBI_LEVELS]; /* for the next cycle */
	bool any;			     /* there are jobs */
	bool prompt;			     /* there are jobs that were not added by a job */
	bool held;    /* they do not run after a wait that a timer ended */
	uint64_t due; /* end of the pace, by the timers' clock; 0: not computed yet */
};

void qbi_jobs_init(struct qbi_jobs *j, struct qbi_loop_core *core);

/* After init. The lock is not held. */
void qbi_jobs_deinit(struct qbi_jobs *j);

/* 0; -ENOMEM. */
int qbi_job_add(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);

/* 0; -ENOENT. */
int qbi_job_del(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn);

/*
 * How many milliseconds the loop may wait because of jobs; -1: for ever. Called with the lock
 * held.
 *
 * @param timers  the same because of timers
 * @param now     qbi_timers_now()
 * @param ready   the loop will not wait, since there is work
 */
int qbi_jobs_timeout(struct qbi_jobs *j, int timers, uint64_t now, bool ready);

/*
 * Queue the jobs that need not wait longer. Called with the lock held.
 *
 * @param event  a descriptor was ready or a signal came
 * @param now    qbi_timers_now()
 */
void qbi_jobs_collect(struct qbi_jobs *j, bool event, uint64_t now);

#endif
