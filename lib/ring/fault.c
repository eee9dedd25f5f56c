/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SIGBUS handler, and how it cooperates with handlers of the application.
 *
 * Idea: each time our handler replaces an action of the application, we install a different
 * function, called a level, which remembers the action that it replaced. If the application
 * then installs its own handler above ours, and later calls or restores the handler that it
 * found, it reaches the action before ours, and not itself. A level is never released,
 * because the application may have kept its address. An action that was replaced before
 * gets its old level again, so the number of levels limits the number of different actions,
 * not of installations.
 *
 * Our handler is installed with the mask and flags of the action below. So the kernel runs
 * it on the same stack and with the same signals blocked.
 *
 * Threads: the lock covers installation and the list of levels. The handler takes no lock;
 * the fields of a level that it reads are written before the level is first installed.
 */
#include "ring/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mutex.h"
#include "base/refused.h"

#define FAULT_LEVELS 8

/* Most application threads that may change the action at the same moment. */
#define FAULT_INSTALL_TRIES 4

struct fault_level {
	struct sigaction below;	   /* fixed once the level is in use */
	_Atomic(bool) below_reset; /* SA_RESETHAND below has been delivered once */
};

__thread struct qbi_fault_thread qbi_fault_thread __attribute__((tls_model("initial-exec")));

static struct fault_level levels[FAULT_LEVELS];
static size_t level_count;
static size_t guard_count;
QBI_MUTEX_STATIC(fault_lock)
static _Atomic(bool) fault_wanted; /* guard_count > 0, to be read without the lock */

/* -- Handling one signal; everything down to the levels is async-signal-safe -- */

/* A fault by an instruction of this thread; not a signal that was sent, and not the report
 * of a broken page that was not accessed (BUS_MCEERR_AO). */
static bool fault_is_synchronous(const siginfo_t *info)
{
	return info->si_code == BUS_ADRALN || info->si_code == BUS_ADRERR ||
	       info->si_code == BUS_OBJERR || info->si_code == BUS_MCEERR_AR;
}

static bool fault_map_zeros(uintptr_t start, size_t size)
{
	/* The kernel gives the address as a number. */
	return mmap((void *)start, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		    0) != MAP_FAILED;
}

static bool guard_covers(const struct qbi_fault_guard *g, uintptr_t address)
{
	uintptr_t start = (uintptr_t)g->base;

	return address >= start && address - start < g->size;
}

/* The guard that this thread is in, by itself or by what it has lent; NULL: none. */
static struct qbi_fault_guard *guard_at(uintptr_t address)
{
	struct qbi_fault_guard *g = qbi_fault_thread.current;

	if (g && guard_covers(g, address))
		return g;
	for (g = qbi_fault_thread.lent; g; g = g->outer)
		if (guard_covers(g, address))
			break;
	return g;
}

/* True: the fault was in the guarded mapping, and cannot occur there again. */
static bool fault_take(const siginfo_t *info)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	struct qbi_fault_guard *g = fault_is_synchronous(info) ? guard_at(address) : NULL;
	uintptr_t start, page;

	if (!g)
		return false;
	start = (uintptr_t)g->base;
	atomic_store_explicit(&g->faulted, true, memory_order_relaxed);
	if (fault_map_zeros(start, g->size))
		return true;
	/* There is not enough memory for all of it: replace only this page. */
	page = (uintptr_t)sysconf(_SC_PAGESIZE);
	return fault_map_zeros(address & ~(page - 1), page);
}

/* Do what the default action would have done, in our handler. */
static void fault_default(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sigaction(sig, &dfl, NULL);
	/* A fault occurs again by itself. A signal that was sent is sent again, and is
	 * delivered when the handler returns. */
	if (!fault_is_synchronous(info))
		syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), sig);
}

static void fault_pass_on(struct fault_level *level, int sig, siginfo_t *info, void *context)
{
	const struct sigaction *below = &level->below;

	if (below->sa_flags & SA_SIGINFO) {
		;
	} else if (below->sa_handler == SIG_IGN) {
		/* A fault cannot be ignored: the kernel does not allow it. */
		if (fault_is_synchronous(info))
			fault_default(sig, info);
		return;
	} else if (below->sa_handler == SIG_DFL) {
		fault_default(sig, info);
		return;
	}
	if ((below->sa_flags & SA_RESETHAND) &&
	    atomic_exchange_explicit(&level->below_reset, true, memory_order_relaxed)) {
		fault_default(sig, info);
		return;
	}
	if (below->sa_flags & SA_SIGINFO)
		below->sa_sigaction(sig, info, context);
	else
		below->sa_handler(sig);
}

static void fault_deliver(struct fault_level *level, int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	bool taken = fault_take(info);

	errno = saved;
	if (!taken)
		fault_pass_on(level, sig, info, context);
}

/* -- Levels ----------------------------------------------------------------- */

#define FAULT_ENTRY(n)                                                                         \
	static void fault_entry_##n(int sig, siginfo_t *info, void *context)                   \
	{                                                                                      \
		fault_deliver(&levels[n], sig, info, context);                                 \
	}

FAULT_ENTRY(0)
FAULT_ENTRY(1)
FAULT_ENTRY(2)
FAULT_ENTRY(3)
FAULT_ENTRY(4)
FAULT_ENTRY(5)
FAULT_ENTRY(6)
FAULT_ENTRY(7)

static void (*const fault_entries[FAULT_LEVELS])(int, siginfo_t *, void *) = {
	fault_entry_0, fault_entry_1, fault_entry_2, fault_entry_3,
	fault_entry_4, fault_entry_5, fault_entry_6, fault_entry_7,
};

/* The level whose function @action is; NULL: it is none of ours. */
static struct fault_level *level_of(const struct sigaction *action)
{
	size_t i;

	if (!(action->sa_flags & SA_SIGINFO))
		return NULL;
	for (i = 0; i < FAULT_LEVELS; i++)
		if (action->sa_sigaction == fault_entries[i])
			return &levels[i];
	return NULL;
}

static bool action_is_same(const struct sigaction *a, const struct sigaction *b)
{
	int sig;

	if (a->sa_flags != b->sa_flags)
		return false;
	if (a->sa_flags & SA_SIGINFO ? a->sa_sigaction != b->sa_sigaction :
				       a->sa_handler != b->sa_handler)
		return false;
	for (sig = 1; sig < NSIG; sig++)
		if (sigismember(&a->sa_mask, sig) != sigismember(&b->sa_mask, sig))
			return false;
	return true;
}

/* The level that replaces @below, new or used before; NULL: there are no more. */
static struct fault_level *level_over(const struct sigaction *below)
{
	size_t i;

	for (i = 0; i < level_count; i++)
		if (action_is_same(&levels[i].below, below))
			break;
	if (i == level_count) {
		if (level_count == FAULT_LEVELS)
			return NULL;
		levels[i].below = *below;
		level_count++;
	}
	atomic_store_explicit(&levels[i].below_reset, false, memory_order_relaxed);
	return &levels[i];
}

static bool action_is_function(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static struct sigaction level_action(const struct fault_level *level)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	if (action_is_function(&level->below)) {
		action.sa_mask = level->below.sa_mask;
		action.sa_flags = SA_SIGINFO | (level->below.sa_flags &
						(SA_ONSTACK | SA_RESTART | SA_NODEFER));
	}
	action.sa_sigaction = fault_entries[level - levels];
	return action;
}

/* -- Installing ------------------------------------------------------------- */

/*
 * In a sandbox that refuses signal handlers, the service runs without this protection:
 * @error is 0 then.
 */
static int install_refusal(int error)
{
	if (!qbi_is_refused(error))
		return -error;
	qbi_log_rarely(LOG_WARNING,
		       "signals may not be handled (%s): a peer that truncates a file that is "
		       "mapped here would end this process",
		       strerror(error));
	return 0;
}

static int fault_install(void)
{
	struct sigaction found, replaced, ours;
	struct fault_level *level;
	int tries;

	if (sigaction(SIGBUS, NULL, &found) < 0)
		return install_refusal(errno);
	for (tries = 0; tries < FAULT_INSTALL_TRIES; tries++) {
		if (level_of(&found))
			return 0;
		level = level_over(&found);
		if (!level) {
			qbi_log(LOG_ERR, "too many different SIGBUS handlers in this process");
			return -ENOSPC;
		}
		ours = level_action(level);
		if (sigaction(SIGBUS, &ours, &replaced) < 0)
			return install_refusal(errno);
		if (action_is_same(&replaced, &found))
			return 0;
		/* The application has changed the action meanwhile: replace that one. */
		found = replaced;
	}
	return 0;
}

static void fault_uninstall(void)
{
	struct sigaction found;
	struct fault_level *level;

	if (sigaction(SIGBUS, NULL, &found) < 0)
		return;
	level = level_of(&found);
	if (!level)
		return;
	if (atomic_load_explicit(&level->below_reset, memory_order_relaxed))
		sigaction(SIGBUS, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	else
		sigaction(SIGBUS, &level->below, NULL);
}

static uint64_t coarse_tick(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* -- Guards ----------------------------------------------------------------- */

int qbi_fault_guard_add(struct qbi_fault_guard *g, void *base, size_t size)
{
	int r;

	qbi_mutex_lock(&fault_lock);
	r = fault_install();
	if (r == 0) {
		guard_count++;
		atomic_store_explicit(&fault_wanted, true, memory_order_relaxed);
		g->size = size;
		atomic_store_explicit(&g->faulted, false, memory_order_relaxed);
		g->base = base;
	}
	qbi_mutex_unlock(&fault_lock);
	return r;
}

void qbi_fault_guard_remove(struct qbi_fault_guard *g)
{
	qbi_mutex_lock(&fault_lock);
	if (g->base) {
		g->base = NULL;
		g->size = 0;
		if (--guard_count == 0) {
			atomic_store_explicit(&fault_wanted, false, memory_order_relaxed);
			fault_uninstall();
		}
	}
	qbi_mutex_unlock(&fault_lock);
}

void qbi_fault_mask(bool block)
{
	sigset_t bus;

	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &bus, NULL);
}

static bool thread_blocks_bus(void)
{
	sigset_t mask;

	return pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGBUS) == 1;
}

void qbi_fault_guard_check(bool now)
{
	struct sigaction found;
	uint64_t tick;

	if (!atomic_load_explicit(&fault_wanted, memory_order_relaxed))
		return;
	tick = coarse_tick();
	if (!now && qbi_fault_thread.checked == tick)
		return;
	qbi_fault_thread.checked = tick;
	qbi_fault_thread.blocks = thread_blocks_bus();
	if (sigaction(SIGBUS, NULL, &found) < 0 || level_of(&found))
		return;
	qbi_mutex_lock(&fault_lock);
	if (guard_count > 0)
		fault_install();
	qbi_mutex_unlock(&fault_lock);
}
