/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop/jobs.h"

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

static void job_dispatch(struct qbi_kind *kind, struct qbi_item *item)
{
	struct qbi_loop_core *core = kind->core;
	qb_loop_job_dispatch_fn fn = job_of(item)->fn;
	void *data = item->data;

	free(job_of(item));
	qbi_mutex_unlock(&core->lock);
	fn(data);
	qbi_mutex_lock(&core->lock);
}

int qbi_job_add(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn)
{
	struct qbi_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->item.kind = &j->kind;
	job->item.level = level;
	job->item.data = data;
	job->fn = fn;

	qbi_mutex_lock(&j->kind.core->lock);
	qbi_list_push_back(&j->waiting[level], &job->item.node);
	j->any = true;
	if (!qbi_job_can_wait &&
	    (j->kind.core->running != &j->kind || !qbi_loop_is_inside(j->kind.core)))
		j->prompt = true;
	qbi_mutex_unlock(&j->kind.core->lock);
	qbi_loop_wake(j->kind.core);
	return 0;
}

/* The first matching job in @list, which may have items of other kinds. */
static struct qbi_item *job_find(const struct qbi_jobs *j, const struct qbi_list *list,
				 void *data, qb_loop_job_dispatch_fn fn)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, list) {
		struct qbi_item *item = qbi_list_entry(pos, struct qbi_item, node);

		if (item->kind == &j->kind && item->data == data && job_of(item)->fn == fn)
			return item;
	}
	return NULL;
}

int qbi_job_del(struct qbi_jobs *j, enum qb_loop_priority level, void *data,
		qb_loop_job_dispatch_fn fn)
{
	struct qbi_item *item;

	qbi_mutex_lock(&j->kind.core->lock);
	item = job_find(j, &j->kind.core->levels[level].items, data, fn);
	if (item) {
		qbi_loop_drop_ready(j->kind.core, item);
	} else {
		item = job_find(j, &j->waiting[level], data, fn);
		if (item)
			qbi_list_unlink(&item->node);
	}
	qbi_mutex_unlock(&j->kind.core->lock);
	if (!item)
		return -ENOENT;
	free(job_of(item));
	return 0;
}

void qbi_jobs_init(struct qbi_jobs *j, struct qbi_loop_core *core)
{
	j->kind = (struct qbi_kind){ .core = core, .dispatch = job_dispatch };
	for (size_t i = 0; i < QBI_LEVELS; i++)
		qbi_list_init(&j->waiting[i]);
}

int qbi_jobs_timeout(struct qbi_jobs *j, int timers, uint64_t now, bool ready)
{
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

void qbi_jobs_collect(struct qbi_jobs *j, bool event, uint64_t now)
{
	bool held = j->held && !j->prompt && now < j->due;
	struct qbi_list *node;
	struct qbi_item *item;

	if (!j->any || (held && !event))
		return;
	j->any = false;
	j->prompt = false;
	j->held = false;
	j->due = 0;
	for (size_t i = 0; i < QBI_LEVELS; i++) {
		while ((node = qbi_list_first(&j->waiting[i]))) {
			item = qbi_list_entry(node, struct qbi_item, node);
			qbi_list_unlink(node);
			qbi_loop_push_ready(j->kind.core, item);
		}
	}
}

static void jobs_free(struct qbi_jobs *j, struct qbi_list *list)
{
	struct qbi_list *pos, *tmp;

	qbi_list_for_each_safe(pos, tmp, list) {
		struct qbi_item *item = qbi_list_entry(pos, struct qbi_item, node);

		if (item->kind != &j->kind)
			continue;
		if (item->ready)
			qbi_loop_drop_ready(j->kind.core, item);
		else
			qbi_list_unlink(&item->node);
		free(job_of(item));
	}
}

void qbi_jobs_deinit(struct qbi_jobs *j)
{
	for (size_t i = 0; i < QBI_LEVELS; i++) {
		jobs_free(j, &j->waiting[i]);
		jobs_free(j, &j->kind.core->levels[i].items);
	}
}
