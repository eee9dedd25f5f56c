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
#include "loop/loop.h"

#include <errno.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/util.h"

struct qbi_job {
	struct qbi_item item;
	qb_loop_job_dispatch_fn fn;
};

static struct qbi_job *job_of(struct qbi_item *item)
{
	return qbi_container_of(item, struct qbi_job, item);
}

static void job_dispatch(struct qb_loop *l, struct qbi_item *item)
{
	qb_loop_job_dispatch_fn fn = job_of(item)->fn;
	void *data = item->data;

	free(job_of(item));
	qbi_mutex_unlock(&l->lock);
	fn(data);
	qbi_mutex_lock(&l->lock);
}

const struct qbi_item_kind qbi_job_kind = { .dispatch = job_dispatch };

int qbi_job_add(struct qb_loop *l, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn)
{
	struct qbi_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->item.kind = &qbi_job_kind;
	job->item.level = level;
	job->item.data = data;
	job->fn = fn;

	qbi_mutex_lock(&l->lock);
	qbi_list_push_back(&l->jobs.waiting[level], &job->item.node);
	l->jobs.any = true;
	if (!qbi_job_can_wait && (l->running != &qbi_job_kind || !qbi_loop_is_inside(l)))
		l->jobs.prompt = true;
	qbi_mutex_unlock(&l->lock);
	qbi_loop_wake(l);
	return 0;
}

/* The first job like this in @list, where other kinds may be too. */
static struct qbi_item *job_find(const struct qbi_list *list, void *data,
				 qb_loop_job_dispatch_fn fn)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, list) {
		struct qbi_item *item = qbi_list_entry(pos, struct qbi_item, node);

		if (item->kind == &qbi_job_kind && item->data == data && job_of(item)->fn == fn)
			return item;
	}
	return NULL;
}

int qbi_job_del(struct qb_loop *l, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn)
{
	struct qbi_item *item;

	qbi_mutex_lock(&l->lock);
	item = job_find(&l->levels[level].items, data, fn);
	if (item) {
		qbi_loop_drop_ready(l, item);
	} else {
		item = job_find(&l->jobs.waiting[level], data, fn);
		if (item)
			qbi_list_unlink(&item->node);
	}
	qbi_mutex_unlock(&l->lock);
	if (!item)
		return -ENOENT;
	free(job_of(item));
	return 0;
}

void qbi_jobs_init(struct qb_loop *l)
{
	for (size_t i = 0; i < QBI_LEVELS; i++)
		qbi_list_init(&l->jobs.waiting[i]);
}

int qbi_jobs_timeout(struct qb_loop *l, int timers, bool ready)
{
	struct qbi_jobs *j = &l->jobs;
	uint64_t now = l->timers.now;

	if (!ready)
		j->held = timers > 0;
	if (!j->any)
		return -1;
	if (j->prompt)
		return 0;
	if (timers < 0)
		return QBI_LOOP_PACE_MS;
	if (j->due == 0)
		j->due = now + QBI_LOOP_PACE_MS * QBI_NS_PER_MS;
	if (j->due <= now)
		return 0;
	return (int)((j->due - now + QBI_NS_PER_MS - 1) / QBI_NS_PER_MS);
}

static bool jobs_are_held(const struct qb_loop *l)
{
	const struct qbi_jobs *j = &l->jobs;

	return j->held && !j->prompt && l->timers.count > 0 && l->timers.now < j->due;
}

void qbi_jobs_collect(struct qb_loop *l, bool event)
{
	struct qbi_jobs *j = &l->jobs;
	struct qbi_list *node;
	struct qbi_item *item;

	if (!j->any || (!event && jobs_are_held(l)))
		return;
	j->any = false;
	j->prompt = false;
	j->held = false;
	j->due = 0;
	for (size_t i = 0; i < QBI_LEVELS; i++) {
		while ((node = qbi_list_first(&j->waiting[i]))) {
			item = qbi_list_entry(node, struct qbi_item, node);
			qbi_list_unlink(node);
			qbi_loop_push_ready(l, item);
		}
	}
}

static void jobs_free(struct qb_loop *l, struct qbi_list *list)
{
	struct qbi_list *pos, *tmp;

	qbi_list_for_each_safe(pos, tmp, list) {
		struct qbi_item *item = qbi_list_entry(pos, struct qbi_item, node);

		if (item->kind != &qbi_job_kind)
			continue;
		if (item->ready)
			qbi_loop_drop_ready(l, item);
		else
			qbi_list_unlink(&item->node);
		free(job_of(item));
	}
}

void qbi_jobs_deinit(struct qb_loop *l)
{
	for (size_t i = 0; i < QBI_LEVELS; i++) {
		jobs_free(l, &l->jobs.waiting[i]);
		jobs_free(l, &l->levels[i].items);
	}
}
