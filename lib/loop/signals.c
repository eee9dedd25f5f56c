/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals: functions that run in the loop, once per delivery.
 *
 * A handler is installed when the first registration of a signal comes, and what was
 * there before is put back when the last one goes, in whichever loop; other signals are
 * never touched. The handler counts and wakes, nothing more: one counter per signal for
 * the whole process, which only goes up. A registration remembers how far it has looked
 * and owes the application the difference, so several loops see every delivery and none
 * is lost however busy they are.
 *
 * Threads: the handler runs in any thread at any time and takes no lock. It walks the
 * loops that watch signals; one that is taken out of that list lives on until no handler
 * is inside:
 *
 *	handler: handlers_inside++; walk the list		S1 (walk)
 *	removal: take out of the list; wait for handlers_inside == 0	S1 (remove)
 *
 * sequentially consistent, so either the walk does not meet the loop or the removal
 * waits for it. And for the counters:
 *
 *	handler: deliveries++; any_delivery++			S2 (deliver)
 *	loop:    look at any_delivery, then at deliveries	S2 (collect)
 */
#include "loop/loop.h"

#include <errno.h>
#include <time.h>

#include "base/mutex.h"
#include "base/util.h"

struct qbi_signal {
	struct qbi_list peers; /* in qbi_signals.all */
	struct qbi_item item;
	uintptr_t serial; /* the handle */
	int sig;
	uint64_t seen; /* deliveries looked at */
	uint64_t due;  /* calls owed */
	qb_loop_signal_dispatch_fn fn;
};

/* Covers users and previous, and changes of the list of watchers. */
QBI_MUTEX_STATIC(table_lock)

static struct {
	atomic_uint_fast64_t deliveries; /* since the process began */
	unsigned int users;		 /* registrations in all loops */
	struct sigaction previous;	 /* valid while users > 0 */
} table[NSIG];

static atomic_uint_fast64_t any_delivery;
static atomic_uint handlers_inside;
static _Atomic(struct qb_loop *) watchers;
static atomic_uintptr_t latest_serial;

static void signal_handler(int sig)
{
	struct qb_loop *l;

	atomic_fetch_add(&handlers_inside, 1);	     /* order S1 (walk) */
	atomic_fetch_add(&table[sig].deliveries, 1); /* order S2 (deliver) */
	atomic_fetch_add(&any_delivery, 1);
	for (l = atomic_load(&watchers); l; l = atomic_load(&l->signals.next_watcher))
		qbi_loop_wake(l);
	atomic_fetch_sub(&handlers_inside, 1);
}

/* Threads that were in the handler are the parent's. */
static void signals_forget_others(void)
{
	atomic_store(&handlers_inside, 0);
}

__attribute__((constructor)) static void signals_watch_fork(void)
{
	pthread_atfork(NULL, NULL, signals_forget_others);
}

/* -- The process's side: handlers ----------------------------------------------- */

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
	/* Whoever replaced our handler in the meantime keeps theirs. */
	if (--table[sig].users == 0 && sigaction(sig, NULL, &current) == 0 &&
	    handler_is_ours(&current))
		sigaction(sig, &table[sig].previous, NULL);
	qbi_mutex_unlock(&table_lock);
}

/* From now on a delivery wakes @l. */
static void watchers_add(struct qb_loop *l)
{
	if (l->signals.watching)
		return;
	l->signals.watching = true;
	qbi_mutex_lock(&table_lock);
	atomic_store(&l->signals.next_watcher, atomic_load(&watchers));
	atomic_store(&watchers, l);
	qbi_mutex_unlock(&table_lock);
}

static void watchers_remove(struct qb_loop *l)
{
	static const struct timespec pause = { .tv_nsec = 100000 };
	_Atomic(struct qb_loop *) *link = &watchers;

	if (!l->signals.watching)
		return;
	l->signals.watching = false;
	qbi_mutex_lock(&table_lock);
	while (atomic_load(link) != l)
		link = &atomic_load(link)->signals.next_watcher;
	atomic_store(link, atomic_load(&l->signals.next_watcher));
	qbi_mutex_unlock(&table_lock);
	/*
	 * order S1 (remove). Sleeps between looks: the handler may have been interrupted
	 * in a thread that this one, of a higher real-time priority, keeps off the CPU.
	 */
	while (atomic_load(&handlers_inside) != 0)
		nanosleep(&pause, NULL);
}

/* -- The loop's side: registrations ---------------------------------------------- */

static struct qbi_signal *signals_find(const struct qb_loop *l, uintptr_t serial)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &l->signals.all) {
		struct qbi_signal *s = qbi_list_entry(pos, struct qbi_signal, peers);

		if (s->serial == serial)
			return s;
	}
	return NULL;
}

static void signal_free(struct qb_loop *l, struct qbi_signal *s)
{
	handler_release(s->sig);
	qbi_loop_drop_ready(l, &s->item);
	qbi_list_unlink(&s->peers);
	free(s);
}

static void signal_dispatch(struct qb_loop *l, struct qbi_item *item)
{
	struct qbi_signal *s = qbi_container_of(item, struct qbi_signal, item);
	qb_loop_signal_dispatch_fn fn = s->fn;
	uintptr_t serial = s->serial;
	void *data = item->data;
	int sig = s->sig;
	int32_t r;

	if (--s->due > 0)
		qbi_loop_push_ready(l, item);
	qbi_mutex_unlock(&l->lock);
	r = fn(sig, data);
	qbi_mutex_lock(&l->lock);
	if (r >= 0)
		return;
	s = signals_find(l, serial);
	if (s)
		signal_free(l, s);
}

static const struct qbi_item_kind signal_kind = { .dispatch = signal_dispatch };

int qbi_signal_add(struct qb_loop *l, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle *ret_handle)
{
	struct qbi_signal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	qbi_mutex_lock(&l->lock);
	watchers_add(l);
	r = handler_acquire(sig);
	if (r < 0) {
		qbi_mutex_unlock(&l->lock);
		free(s);
		return r;
	}
	s->item.kind = &signal_kind;
	s->item.level = level;
	s->item.data = data;
	s->serial = atomic_fetch_add(&latest_serial, 1) + 1;
	s->sig = sig;
	s->seen = atomic_load(&table[sig].deliveries);
	s->fn = fn;
	qbi_list_push_back(&l->signals.all, &s->peers);
	if (ret_handle)
		*ret_handle = (qb_loop_signal_handle)s->serial;
	qbi_mutex_unlock(&l->lock);
	return 0;
}

static int signal_mod_locked(struct qb_loop *l, struct qbi_signal *s,
			     enum qb_loop_priority level, int sig)
{
	bool ready;
	int r;

	if (sig != s->sig) {
		r = handler_acquire(sig);
		if (r < 0)
			return r;
		handler_release(s->sig);
		qbi_loop_drop_ready(l, &s->item);
		s->due = 0;
		s->sig = sig;
		s->seen = atomic_load(&table[sig].deliveries);
	}
	ready = s->item.ready;
	qbi_loop_drop_ready(l, &s->item);
	s->item.level = level;
	if (ready)
		qbi_loop_push_ready(l, &s->item);
	return 0;
}

int qbi_signal_mod(struct qb_loop *l, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle handle)
{
	struct qbi_signal *s;
	int r = -EINVAL;

	qbi_mutex_lock(&l->lock);
	s = signals_find(l, (uintptr_t)handle);
	if (s)
		r = signal_mod_locked(l, s, level, sig);
	if (r == 0) {
		s->item.data = data;
		s->fn = fn;
	}
	qbi_mutex_unlock(&l->lock);
	return r;
}

int qbi_signal_del(struct qb_loop *l, qb_loop_signal_handle handle)
{
	struct qbi_signal *s;

	qbi_mutex_lock(&l->lock);
	s = signals_find(l, (uintptr_t)handle);
	if (s)
		signal_free(l, s);
	qbi_mutex_unlock(&l->lock);
	return s ? 0 : -EINVAL;
}

void qbi_signals_init(struct qb_loop *l)
{
	qbi_list_init(&l->signals.all);
}

bool qbi_signals_are_pending(const struct qb_loop *l)
{
	return l->signals.watching && atomic_load(&any_delivery) != l->signals.seen;
}

void qbi_signals_collect(struct qb_loop *l)
{
	struct qbi_list *pos;

	if (!qbi_signals_are_pending(l))
		return;
	/* order S2 (collect): a delivery that comes after this is looked for again. */
	l->signals.seen = atomic_load(&any_delivery);
	qbi_list_for_each(pos, &l->signals.all) {
		struct qbi_signal *s = qbi_list_entry(pos, struct qbi_signal, peers);
		uint64_t deliveries = atomic_load(&table[s->sig].deliveries);

		s->due += deliveries - s->seen;
		s->seen = deliveries;
		if (s->due > 0 && !s->item.ready)
			qbi_loop_push_ready(l, &s->item);
	}
}

void qbi_signals_deinit(struct qb_loop *l)
{
	struct qbi_list *pos, *tmp;

	qbi_list_for_each_safe(pos, tmp, &l->signals.all)
		signal_free(l, qbi_list_entry(pos, struct qbi_signal, peers));
	watchers_remove(l);
}
