/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop/signals.h"

#include <errno.h>
#include <time.h>

#include "base/mutex.h"
#include "base/util.h"

struct qbi_signal {
	struct qbi_list peers; /* in qbi_signals.all */
	struct qbi_item item;
	uintptr_t serial; /* the handle */
	int sig;
	uint64_t seen; /* deliveries seen so far */
	uint64_t due;  /* calls owed */
	qb_loop_signal_dispatch_fn fn;
};

/* Protects users and previous, and changes of the list of watching loops. */
QBI_MUTEX_STATIC(table_lock)

static struct {
	atomic_uint_fast64_t deliveries; /* since the process began */
	unsigned int users;		 /* registrations in all loops */
	struct sigaction previous;	 /* valid while users > 0 */
} table[NSIG];

static atomic_uint_fast64_t any_delivery;
static atomic_uint handlers_inside;
static _Atomic(struct qbi_signals *) watchers;
static atomic_uintptr_t latest_serial;

static void signal_handler(int sig)
{
	struct qbi_signals *s;

	atomic_fetch_add(&handlers_inside, 1);	     /* order S1 (walk) */
	atomic_fetch_add(&table[sig].deliveries, 1); /* order S2 (deliver) */
	atomic_fetch_add(&any_delivery, 1);
	for (s = atomic_load(&watchers); s; s = atomic_load(&s->next_watcher))
		qbi_loop_wake(s->kind.core);
	atomic_fetch_sub(&handlers_inside, 1);
}

/* In a child, threads that were in the handler do not exist. */
static void signals_forget_others(void)
{
	atomic_store(&handlers_inside, 0);
}

__attribute__((constructor)) static void signals_watch_fork(void)
{
	pthread_atfork(NULL, NULL, signals_forget_others);
}

/* -- Handlers of the process ----------------------------------------------------- */

static bool handler_is_ours(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == signal_handler;
}

static int handler_acquire(int sig)
{
	struct sigaction ours = { .sa_handler = signal_handler, .sa_flags = SA_ONSTACK };
	int r = 0;

	if (sig <= 0 || sig >= NSIG)
		return -EINVAL;
	sigemptyset(&ours.sa_mask);
	qbi_mutex_lock(&table_lock);
	if (table[sig].users == 0 && sigaction(sig, &ours, &table[sig].previous) < 0)
		r = -errno;
	else
		table[sig].users++;
	qbi_mutex_unlock(&table_lock);
	return r;
}

static void handler_release(int sig)
{
	struct sigaction current;

	qbi_mutex_lock(&table_lock);
	/* If the application has replaced our handler meanwhile, keep that one. */
	if (--table[sig].users == 0 && sigaction(sig, NULL, &current) == 0 &&
	    handler_is_ours(&current))
		sigaction(sig, &table[sig].previous, NULL);
	qbi_mutex_unlock(&table_lock);
}

/* From now on a delivery wakes the loop of @s. */
static void watchers_add(struct qbi_signals *s)
{
	if (s->watching)
		return;
	s->watching = true;
	qbi_mutex_lock(&table_lock);
	atomic_store(&s->next_watcher, atomic_load(&watchers));
	atomic_store(&watchers, s);
	qbi_mutex_unlock(&table_lock);
}

static void watchers_remove(struct qbi_signals *s)
{
	static const struct timespec pause = { .tv_nsec = 100000 };
	_Atomic(struct qbi_signals *) *link = &watchers;

	if (!s->watching)
		return;
	s->watching = false;
	qbi_mutex_lock(&table_lock);
	while (atomic_load(link) != s)
		link = &atomic_load(link)->next_watcher;
	atomic_store(link, atomic_load(&s->next_watcher));
	qbi_mutex_unlock(&table_lock);
	/*
	 * order S1 (remove). Sleep between checks: the handler may be interrupted in a thread
	 * that cannot run because this one has a higher real-time priority.
	 */
	while (atomic_load(&handlers_inside) != 0)
		nanosleep(&pause, NULL);
}

/* -- Registrations of a loop ----------------------------------------------------- */

static struct qbi_signal *signals_find(const struct qbi_signals *s, uintptr_t serial)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &s->all) {
		struct qbi_signal *reg = qbi_list_entry(pos, struct qbi_signal, peers);

		if (reg->serial == serial)
			return reg;
	}
	return NULL;
}

static void signal_free(struct qbi_signals *s, struct qbi_signal *reg)
{
	handler_release(reg->sig);
	qbi_loop_drop_ready(s->kind.core, &reg->item);
	qbi_list_unlink(&reg->peers);
	free(reg);
}

static void signal_dispatch(struct qbi_kind *kind, struct qbi_item *item)
{
	struct qbi_signals *s = qbi_container_of(kind, struct qbi_signals, kind);
	struct qbi_signal *reg = qbi_container_of(item, struct qbi_signal, item);
	qb_loop_signal_dispatch_fn fn = reg->fn;
	uintptr_t serial = reg->serial;
	void *data = item->data;
	int sig = reg->sig;
	int32_t r;

	if (--reg->due > 0)
		qbi_loop_push_ready(s->kind.core, item);
	qbi_mutex_unlock(&s->kind.core->lock);
	r = fn(sig, data);
	qbi_mutex_lock(&s->kind.core->lock);
	if (r >= 0)
		return;
	reg = signals_find(s, serial);
	if (reg)
		signal_free(s, reg);
}

int qbi_signal_add(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle *ret_handle)
{
	struct qbi_signal *reg = calloc(1, sizeof(*reg));
	int r;

	if (!reg)
		return -ENOMEM;
	qbi_mutex_lock(&s->kind.core->lock);
	watchers_add(s);
	r = handler_acquire(sig);
	if (r < 0) {
		qbi_mutex_unlock(&s->kind.core->lock);
		free(reg);
		return r;
	}
	reg->item.kind = &s->kind;
	reg->item.level = level;
	reg->item.data = data;
	reg->serial = atomic_fetch_add(&latest_serial, 1) + 1;
	reg->sig = sig;
	reg->seen = atomic_load(&table[sig].deliveries);
	reg->fn = fn;
	qbi_list_push_back(&s->all, &reg->peers);
	if (ret_handle)
		*ret_handle = (qb_loop_signal_handle)reg->serial;
	qbi_mutex_unlock(&s->kind.core->lock);
	return 0;
}

static int signal_mod_locked(struct qbi_signals *s, struct qbi_signal *reg,
			     enum qb_loop_priority level, int sig)
{
	bool ready;
	int r;

	if (sig != reg->sig) {
		r = handler_acquire(sig);
		if (r < 0)
			return r;
		handler_release(reg->sig);
		qbi_loop_drop_ready(s->kind.core, &reg->item);
		reg->due = 0;
		reg->sig = sig;
		reg->seen = atomic_load(&table[sig].deliveries);
	}
	ready = reg->item.ready;
	qbi_loop_drop_ready(s->kind.core, &reg->item);
	reg->item.level = level;
	if (ready)
		qbi_loop_push_ready(s->kind.core, &reg->item);
	return 0;
}

int qbi_signal_mod(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle handle)
{
	struct qbi_signal *reg;
	int r = -EINVAL;

	qbi_mutex_lock(&s->kind.core->lock);
	reg = signals_find(s, (uintptr_t)handle);
	if (reg)
		r = signal_mod_locked(s, reg, level, sig);
	if (r == 0) {
		reg->item.data = data;
		reg->fn = fn;
	}
	qbi_mutex_unlock(&s->kind.core->lock);
	return r;
}

int qbi_signal_del(struct qbi_signals *s, qb_loop_signal_handle handle)
{
	struct qbi_signal *reg;

	qbi_mutex_lock(&s->kind.core->lock);
	reg = signals_find(s, (uintptr_t)handle);
	if (reg)
		signal_free(s, reg);
	qbi_mutex_unlock(&s->kind.core->lock);
	return reg ? 0 : -EINVAL;
}

void qbi_signals_init(struct qbi_signals *s, struct qbi_loop_core *core)
{
	s->kind = (struct qbi_kind){ .core = core, .dispatch = signal_dispatch };
	qbi_list_init(&s->all);
}

bool qbi_signals_are_pending(const struct qbi_signals *s)
{
	return s->watching && atomic_load(&any_delivery) != s->seen;
}

void qbi_signals_collect(struct qbi_signals *s)
{
	struct qbi_list *pos;

	if (!qbi_signals_are_pending(s))
		return;
	/* order S2 (collect): a delivery after this is found by the next collect. */
	s->seen = atomic_load(&any_delivery);
	qbi_list_for_each(pos, &s->all) {
		struct qbi_signal *reg = qbi_list_entry(pos, struct qbi_signal, peers);
		uint64_t deliveries = atomic_load(&table[reg->sig].deliveries);

		reg->due += deliveries - reg->seen;
		reg->seen = deliveries;
		if (reg->due > 0 && !reg->item.ready)
			qbi_loop_push_ready(s->kind.core, &reg->item);
	}
}

void qbi_signals_deinit(struct qbi_signals *s)
{
	struct qbi_list *pos, *tmp;

	qbi_list_for_each_safe(pos, tmp, &s->all)
		signal_free(s, qbi_list_entry(pos, struct qbi_signal, peers));
	watchers_remove(s);
}
