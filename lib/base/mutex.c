/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mutex.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"

/* How long fork(2) waits for holders that do not come to an end. */
#define FORK_WAIT_NS (200 * QBI_NS_PER_MS)

static _Atomic(uint32_t) generation;

/* All of the process, under a lock that is held for a few instructions only. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct qbi_list all = { &all, &all };
static __thread bool all_held_for_fork __attribute__((tls_model("initial-exec")));

/* Somebody wants to fork: who holds no lock yet lets it go first. */
static atomic_bool fork_is_near;
static __thread unsigned int held __attribute__((tls_model("initial-exec")));
static int fork_cancel_state;

uint32_t qbi_generation(void)
{
	return atomic_load_explicit(&generation, memory_order_relaxed);
}

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

void qbi_mutex_init(struct qbi_mutex *m)
{
	int state;

	lock_init(&m->lock);
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
	pthread_mutex_destroy(&m->lock);
}

void qbi_mutex_lock(struct qbi_mutex *m)
{
	int state, r;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	while (held == 0 && atomic_load_explicit(&fork_is_near, memory_order_relaxed))
		sched_yield();
	r = pthread_mutex_lock(&m->lock);
	if (r == EOWNERDEAD)
		pthread_mutex_consistent(&m->lock);
	/* EDEADLK: it was ours already, and whoever had it of us is gone from the stack. */
	if (r == EDEADLK)
		return;
	m->cancel_state = state;
	held++;
}

void qbi_mutex_unlock(struct qbi_mutex *m)
{
	int state = m->cancel_state;

	held--;
	pthread_mutex_unlock(&m->lock);
	pthread_setcancelstate(state, NULL);
}

/* -- fork(2) ------------------------------------------------------------------- */

static bool lock_within(pthread_mutex_t *lock, uint64_t deadline)
{
	int r;

	while ((r = pthread_mutex_trylock(lock)) == EBUSY && qbi_now_ns() < deadline)
		sched_yield();
	if (r == EOWNERDEAD)
		pthread_mutex_consistent(lock);
	return r == 0 || r == EOWNERDEAD;
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
	all_held_for_fork = lock_within(&all_lock, deadline);
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
			pthread_mutex_unlock(&mutex_of(pos)->lock);
		}
		atomic_store(&fork_is_near, false);
		state = fork_cancel_state;
		pthread_mutex_unlock(&all_lock);
		pthread_setcancelstate(state, NULL);
	}
}

/* The only thread: holders that were others are gone. */
static void after_fork_in_child(void)
{
	struct qbi_list *pos;

	atomic_fetch_add(&generation, 1);
	qbi_list_for_each(pos, &all) {
		mutex_of(pos)->held_for_fork = false;
		lock_init(&mutex_of(pos)->lock);
	}
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
