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

/* Except what this thread holds already, if it forks in a signal handler. */
static bool lock_within(struct qbi_lock *lock, uint64_t deadline)
{
	enum qbi_lock_outcome r = qbi_lock_take(lock, deadline);

	return r != QBI_LOCK_TIMEOUT && r != QBI_LOCK_REENTERED;
}

static struct qbi_mutex *mutex_of(struct qbi_list *link)
{
	return qbi_list_entry(link, struct qbi_mutex, link);
}

static void before_fork(void)
{
	uint64_t deadline = qbi_now_ns() + FORK_WAIT_NS;
	struct qbi_list *pos;

	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	all_held_for_fork = all_lock_within(deadline);
	if (!all_held_for_fork) {
		pthread_setcancelstate(state, NULL);
		return;
	}
	fork_cancel_state = state;
	atomic_store(&fork_is_near, true);
	qbi_list_for_each(pos, &all)
		mutex_of(pos)->held_for_fork = lock_within(&mutex_of(pos)->lock, deadline);
}

static void after_fork_in_parent(void)
{
	struct qbi_list *pos;
	int state;

	if (all_held_for_fork) {
		qbi_list_for_each(pos, &all) {
			if (!mutex_of(pos)->held_for_fork)
				continue;
			mutex_of(pos)->held_for_fork = false;
			qbi_lock_release(&mutex_of(pos)->lock);
		}
		atomic_store(&fork_is_near, false);
		state = fork_cancel_state;
		pthread_mutex_unlock(&all_lock);
		pthread_setcancelstate(state, NULL);
	}
}

/* The child has one thread: holders in other threads do not exist any more. */
static void after_fork_in_child(void)
{
	struct qbi_list *pos;

	atomic_fetch_add(&generation, 1);
	qbi_list_for_each(pos, &all) {
		mutex_of(pos)->held_for_fork = false;
		mutex_of(pos)->lock = (struct qbi_lock)QBI_LOCK_INIT;
	}
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
