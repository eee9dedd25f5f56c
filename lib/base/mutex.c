/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mutex.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"

/* How long fork(2) waits for holders that do not unlock. */
#define FORK_WAIT_NS (200 * QBI_NS_PER_MS)

static _Atomic(uint32_t) generation;

/* All mutexes of the process; the lock is held for a few instructions only. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct qbi_list all = { &all, &all };
static __thread bool all_held_for_fork __attribute__((tls_model("initial-exec")));

/* A thread wants to fork: threads that hold no lock yet wait for it. */
static atomic_bool fork_is_near;
static __thread unsigned int held __attribute__((tls_model("initial-exec")));
static int fork_cancel_state;

uint32_t qbi_generation(void)
{
	return atomic_load_explicit(&generation, memory_order_relaxed);
}

void qbi_mutex_init(struct qbi_mutex *m)
{
	int state;

	m->lock = (struct qbi_lock)QBI_LOCK_INIT;
	m->held_for_fork = false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&all_lock);
	qbi_list_push_back(&all, &m->link);
	pthread_mutex_unlock(&all_lock);
	pthread_setcancelstate(state, NULL);
}

void qbi_mutex_destroy(struct qbi_mutex *m)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&all_lock);
	qbi_list_unlink(&m->link);
	pthread_mutex_unlock(&all_lock);
	pthread_setcancelstate(state, NULL);
}

void qbi_mutex_lock(struct qbi_mutex *m)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	while (held == 0 && atomic_load_explicit(&fork_is_near, memory_order_relaxed))
		sched_yield();
	/* This thread held it already: the function that locked it was left by siglongjmp. */
	if (qbi_lock_take(&m->lock, QBI_FOREVER) == QBI_LOCK_REENTERED)
		return;
	m->cancel_state = state;
	held++;
}

void qbi_mutex_unlock(struct qbi_mutex *m)
{
	int state = m->cancel_state;

	held--;
	qbi_lock_release(&m->lock);
	pthread_setcancelstate(state, NULL);
}

/* -- fork(2) ------------------------------------------------------------------- */

static bool all_lock_within(uint64_t deadline)
{
	while (pthread_mutex_trylock(&all_lock) != 0) {
		if (qbi_now_ns() >= deadline)
			return false;
		sched_yield();
	}
	return true;
}

static struct qbi_mutex *mutex_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_mutex, link);
}

static void locks_release(void)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &all) {
		if (!mutex_of(pos)->held_for_fork)
			continue;
		mutex_of(pos)->held_for_fork = false;
		qbi_lock_release(&mutex_of(pos)->lock);
	}
}

/*
 * Take the locks that are free; return one that is not, or NULL. What this thread holds
 * already, if it forks in a signal handler, stays as it is.
 */
static struct qbi_mutex *locks_take(void)
{
	struct qbi_mutex *busy = NULL;
	struct qbi_list *pos;

	qbi_list_for_each(pos, &all) {
		struct qbi_mutex *m = mutex_of(pos);
		enum qbi_lock_outcome r = qbi_lock_take(&m->lock, 0);

		m->held_for_fork = r != QBI_LOCK_TIMEOUT && r != QBI_LOCK_REENTERED;
		if (r == QBI_LOCK_TIMEOUT)
			busy = m;
	}
	return busy;
}

/* A holder may need another lock before it unlocks, so keep none while waiting for one. */
static void locks_take_within(uint64_t deadline)
{
	struct qbi_mutex *busy;

	while ((busy = locks_take()) && qbi_now_ns() < deadline) {
		locks_release();
		if (qbi_lock_take(&busy->lock, deadline) != QBI_LOCK_TIMEOUT)
			qbi_lock_release(&busy->lock);
	}
}

static void before_fork(void)
{
	uint64_t deadline = qbi_now_ns() + FORK_WAIT_NS;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	all_held_for_fork = all_lock_within(deadline);
	if (!all_held_for_fork) {
		pthread_setcancelstate(state, NULL);
		return;
	}
	fork_cancel_state = state;
	atomic_store(&fork_is_near, true);
	locks_take_within(deadline);
}

static void after_fork_in_parent(void)
{
	int state;

	if (all_held_for_fork) {
		locks_release();
		atomic_store(&fork_is_near, false);
		state = fork_cancel_state;
		pthread_mutex_unlock(&all_lock);
		pthread_setcancelstate(state, NULL);
	}
}

/* A copy of a held lock is free (base/lock.h), so nothing is to be done with the locks. */
static void after_fork_in_child(void)
{
	atomic_fetch_add(&generation, 1);
	/* The thread that forked goes on here; no other thread can hold the mutex. */
	if (all_held_for_fork)
		pthread_mutex_unlock(&all_lock);
	else
		pthread_mutex_init(&all_lock, NULL);
	atomic_store(&fork_is_near, false);
	held = 0;
	if (all_held_for_fork)
		pthread_setcancelstate(fork_cancel_state, NULL);
}

__attribute__((constructor(201))) static void fork_watch(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
