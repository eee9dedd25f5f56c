/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reclaim.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/mutex.h"
#include "base/thread.h"
#include "base/util.h"

/* Pauses between two attempts: each may cost the CPU time of a long walk in the kernel. */
#define PAUSE_FIRST QBI_NS_PER_MS
#define PAUSE_LONGEST (4096 * QBI_NS_PER_MS)

/* A thread that pauses looks for new work that often. */
#define NAP_LONGEST (10 * QBI_NS_PER_MS)

#define EXIT_WAIT_MS 100

/* The work of one user; a place with n == 0 is free. */
struct user {
	uid_t uid;
	uint32_t n;
	struct qbi_list work; /* what is being done as well */
};

static struct user users[QBI_RECLAIM_USERS];
static struct qbi_list inherited = { &inherited, &inherited }; /* the work of the parent */
static uint32_t users_of; /* the process, by its generation */
QBI_MUTEX_STATIC(reclaiming)

/* In a child: its parent's threads do not exist, and its parent's work is not done here. */
static void users_forget(void)
{
	struct qbi_list *first;
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(users); i++) {
		while (users[i].n && (first = qbi_list_first(&users[i].work))) {
			qbi_list_unlink(first);
			qbi_list_push_back(&inherited, first);
		}
		users[i].n = 0;
	}
}

static void users_lock(void)
{
	qbi_mutex_lock(&reclaiming);
	if (users_of != qbi_generation())
		users_forget();
	users_of = qbi_generation();
}

/* NULL: it has no work. */
static struct user *user_find(uid_t uid)
{
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(users); i++)
		if (users[i].n && users[i].uid == uid)
			return &users[i];
	return NULL;
}

/* NULL: there are too many users. */
static struct user *user_new(uid_t uid)
{
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(users); i++) {
		if (users[i].n)
			continue;
		users[i].uid = uid;
		qbi_list_init(&users[i].work);
		return &users[i];
	}
	return NULL;
}

static void work_push(struct user *u, struct qbi_reclaim *r)
{
	qbi_list_push_back(&u->work, &r->link);
	u->n++;
}

static void work_remove(struct user *u, struct qbi_reclaim *r)
{
	qbi_list_unlink(&r->link);
	u->n--;
}

/* -- The thread --------------------------------------------------------------- */

static void nap(uint64_t until)
{
	uint64_t now = qbi_now_ns();
	uint64_t ns = until > now ? until - now : 0;

	if (ns > NAP_LONGEST)
		ns = NAP_LONGEST;
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

/* What is due first. */
static struct qbi_reclaim *work_next(const struct user *u)
{
	struct qbi_reclaim *next = NULL;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &u->work) {
		struct qbi_reclaim *r = qbi_list_entry(pos, struct qbi_reclaim, link);

		if (!r->due)
			return r;
		if (!next || r->due < next->due)
			next = r;
	}
	return next;
}

/* Call it, unless it is not due yet. True: it is done. */
static bool work_do(struct qbi_reclaim *r)
{
	if (r->due > qbi_now_ns()) {
		nap(r->due);
		return false;
	}
	if (r->run(r) == 0)
		return true;
	r->due = qbi_now_ns() + r->pause;
	if (r->pause < PAUSE_LONGEST)
		r->pause *= 2;
	return false;
}

static void *thread_reclaim(void *data)
{
	struct user *u = data;
	struct qbi_reclaim *r;
	bool more = true;

	/* Fails where the thread has it already, or a sandbox refuses the call. */
	(void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ .sched_priority = 0 });
	while (more) {
		qbi_mutex_lock(&reclaiming);
		r = work_next(u);
		qbi_mutex_unlock(&reclaiming);
		if (!work_do(r))
			continue;
		qbi_mutex_lock(&reclaiming);
		work_remove(u, r);
		more = u->n > 0; /* else the place is free, and maybe another user's */
		qbi_mutex_unlock(&reclaiming);
		free(r);
	}
	return NULL;
}

int qbi_reclaim_add(struct qbi_reclaim *r, qbi_reclaim_fn run, uint64_t memory, uid_t uid)
{
	struct user *u;
	int err = 0;

	r->run = run;
	r->memory = memory;
	r->since = qbi_now_ns();
	r->due = 0;
	r->pause = PAUSE_FIRST;
	users_lock();
	u = user_find(uid);
	if (u) {
		work_push(u, r);
	} else if ((u = user_new(uid))) {
		work_push(u, r);
		/* Under the lock, so that nobody adds to what then has no thread. */
		err = qbi_thread_start(thread_reclaim, u);
		if (err < 0)
			work_remove(u, r);
	} else {
		err = -EUSERS;
	}
	qbi_mutex_unlock(&reclaiming);
	return err;
}

static void work_sum(const struct user *u, struct qbi_reclaim_pending *ret)
{
	uint64_t now = qbi_now_ns();
	struct qbi_list *pos;

	ret->in_all = u->n;
	qbi_list_for_each(pos, &u->work) {
		struct qbi_reclaim *r = qbi_list_entry(pos, struct qbi_reclaim, link);

		if (now - r->since < QBI_RECLAIM_GRACE_NS)
			continue;
		ret->n++;
		ret->memory += r->memory;
	}
}

struct qbi_reclaim_pending qbi_reclaim_pending(uid_t uid)
{
	struct qbi_reclaim_pending pending = { 0, 0, 0 };
	const struct user *u;

	users_lock();
	u = user_find(uid);
	if (u)
		work_sum(u, &pending);
	qbi_mutex_unlock(&reclaiming);
	return pending;
}

/* -- exit(3) ------------------------------------------------------------------ */

static bool is_work_left(void)
{
	bool left = false;
	size_t i;

	users_lock();
	for (i = 0; i < QBI_ARRAY_SIZE(users); i++)
		left |= users[i].n > 0;
	qbi_mutex_unlock(&reclaiming);
	return left;
}

__attribute__((destructor)) static void work_finish(void)
{
	uint64_t end = qbi_now_ns() + EXIT_WAIT_MS * QBI_NS_PER_MS;

	while (is_work_left() && qbi_now_ns() < end)
		nap(qbi_now_ns() + QBI_NS_PER_MS);
}
