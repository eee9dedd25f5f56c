/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

/* System calls go by syscall(2): the functions of libc are cancellation points. */

/* Waiters sleep on the lower half of the state. */
#define STATE_TID 0x3fffffffu
#define STATE_CONTENDED 0x80000000u
#define STATE_GENERATION_SHIFT 32

/* Linux 4.14; the headers may be older than the kernel. */
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* -- Generations -------------------------------------------------------------- */

/*
 * The generation of this process: at least the number of forks between the first process
 * and this one. It lies in memory that the kernel clears in a child, so that no fork is
 * missed: neither fork(3) nor _Fork(3) nor clone(2). It is never unmapped, because threads
 * may still run while the process exits.
 */
static _Atomic(uint32_t) *generation_word;
static _Atomic(uint32_t) generation_last; /* copied to the child; never goes down */

__attribute__((constructor)) static void generation_start(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) < 0)
		(void)munmap(page, size);
	else
		generation_word = page;
}

/* Called first in a new process. The word never has a value that was not counted. */
static uint32_t generation_begin(void)
{
	uint32_t none = 0;
	uint32_t next = atomic_fetch_add(&generation_last, 1) + 1;

	if (atomic_compare_exchange_strong(generation_word, &none, next))
		return next;
	return none;
}

static uint32_t generation_now(void)
{
	uint32_t g;

	if (!generation_word)
		return (uint32_t)getpid();
	g = atomic_load_explicit(generation_word, memory_order_relaxed);
	return g ? g : generation_begin();
}

uint32_t qbi_process_id(void)
{
	static _Atomic(uint64_t) known; /* generation, process */
	uint32_t g = generation_now();
	uint64_t k = atomic_load_explicit(&known, memory_order_relaxed);

	if (!generation_word)
		return g;
	if ((uint32_t)(k >> 32) != g) {
		k = (uint64_t)g << 32 | (uint32_t)getpid();
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return (uint32_t)k;
}

/* -- Threads ------------------------------------------------------------------ */

/* The id of this thread, valid in that generation: in a child it is another one. */
static __thread struct {
	uint32_t generation;
	uint32_t tid;
} self __attribute__((tls_model("initial-exec")));

/* The state of a lock that this thread holds. */
static uint64_t state_mine(const struct qbi_lock *l)
{
	uint32_t g = generation_now();

	if (self.generation != g) {
		self.tid = (uint32_t)syscall(SYS_gettid);
		self.generation = g;
	}
	/* Processes that share a lock differ in generation: only the thread id counts. */
	return (l->shared ? 0 : (uint64_t)g << STATE_GENERATION_SHIFT) | self.tid;
}

/* What /proc/<tid>/stat says: the state, and the threads of the process; 0 unknown. */
struct tid_stat {
	char letter;
	int threads;
};

static struct tid_stat tid_stat_read(pid_t tid)
{
	struct tid_stat stat = { 0, 0 };
	char path[32], text[512];
	const char *bracket;
	long fd, n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stat;
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	(void)syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	/* Behind the name in brackets: field 3, and field 20. */
	bracket = strrchr(text, ')');
	if (bracket)
		(void)sscanf(bracket + 1,
			     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			     "%*s %d",
			     &stat.letter, &stat.threads);
	return stat;
}

/*
 * The id of a process exists until its parent has waited for it, and the id of its first
 * thread exists while other threads run.
 */
static bool letter_is_of_the_dead(char letter)
{
	return letter == 'Z' || letter == 'X';
}

bool qbi_process_is_over(uint32_t process)
{
	struct tid_stat stat;

	if (syscall(SYS_kill, (pid_t)process, 0) < 0 && errno == ESRCH)
		return true;
	stat = tid_stat_read((pid_t)process);
	return letter_is_of_the_dead(stat.letter) && stat.threads <= 1;
}

/* Has the holder ended? */
static bool holder_is_dead(const struct qbi_lock *l, uint64_t state)
{
	pid_t tid = (pid_t)(state & STATE_TID);
	long r;

	if (l->shared)
		r = syscall(SYS_kill, tid, 0);
	else
		r = syscall(SYS_tgkill, getpid(), tid, 0);
	if (r < 0 && errno == ESRCH)
		return true;
	if (!l->shared && tid != getpid())
		return false;
	return letter_is_of_the_dead(tid_stat_read(tid).letter);
}

/* -- Sleeping ----------------------------------------------------------------- */

static uintptr_t state_futex(const struct qbi_lock *l)
{
	/* The half with the thread id: while it stays, the other half does not change. */
	return (uintptr_t)&l->state + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

static int futex_op(const struct qbi_lock *l, int op)
{
	return l->shared ? op : op | FUTEX_PRIVATE_FLAG;
}

/* Sleep while the state is @state, until @until at most. */
static void state_sleep(struct qbi_lock *l, uint64_t state, uint64_t until)
{
	/* The layout of the system call, which does not depend on time_t. */
	struct {
		long s, ns;
	} t = { (long)(until / QBI_NS_PER_S), (long)(until % QBI_NS_PER_S) };

	(void)syscall(SYS_futex, state_futex(l), futex_op(l, FUTEX_WAIT_BITSET),
		      (uint32_t)state, &t, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* -- ThreadSanitizer ---------------------------------------------------------- */

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define QBI_THREADS_ARE_WATCHED
#endif
#elif defined(__SANITIZE_THREAD__)
#define QBI_THREADS_ARE_WATCHED
#endif

/*
 * After a thread was cancelled inside poll(2), or another function that the sanitizer wraps
 * and that sleeps, it overlooks the thread's atomic operations and calls, but not its
 * accesses: it does not notice that the function was left. Such a thread takes locks while
 * it ends (unfinished.h). So tell the sanitizer what the lock orders, no more and no less.
 */
#ifdef QBI_THREADS_ARE_WATCHED
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define WATCHED_TAKE(l) __tsan_acquire(&(l)->state)
#define WATCHED_RELEASE(l) __tsan_release(&(l)->state)
#else
#define WATCHED_TAKE(l) ((void)0)
#define WATCHED_RELEASE(l) ((void)0)
#endif

/* -- Taking and releasing ----------------------------------------------------- */

/*
 * Acquire: pairs with the release in qbi_lock_release(). A holder that left did not
 * release: do not rely on the order of what it wrote.
 */
static bool state_replace(struct qbi_lock *l, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(
		&l->state, &from, to, memory_order_acquire, memory_order_relaxed);
}

/* The lock is held. Try once to take it from a holder that cannot release it. */
static bool state_take_over(struct qbi_lock *l, uint64_t state, uint64_t mine,
			    enum qbi_lock_outcome *ret)
{
	uint64_t to = mine | (state & STATE_CONTENDED);

	if (state >> STATE_GENERATION_SHIFT != mine >> STATE_GENERATION_SHIFT) {
		/* The waiters stayed in the parent process: there are none to wake here. */
		*ret = QBI_LOCK_FORKED;
		return state_replace(l, state, mine);
	}
	if ((state & STATE_TID) == (mine & STATE_TID)) {
		*ret = QBI_LOCK_REENTERED;
		return state_replace(l, state, to);
	}
	return false;
}

static enum qbi_lock_outcome lock_wait(struct qbi_lock *l, uint64_t mine, uint64_t deadline)
{
	uint64_t ask = deadline ? qbi_now_ns() + QBI_LOCK_CHECK_NS : 0;
	uint64_t waited = 0; /* the bit for waiters, once there may be others */
	enum qbi_lock_outcome r;

	for (;;) {
		uint64_t state = atomic_load_explicit(&l->state, memory_order_relaxed);
		uint64_t now = deadline ? qbi_now_ns() : 0;

		if (state == 0) {
			if (state_replace(l, 0, mine | waited))
				return QBI_LOCK_TAKEN;
			continue;
		}
		if (state_take_over(l, state, mine, &r))
			return r;
		if (now >= ask || now >= deadline) {
			if (holder_is_dead(l, state) &&
			    state_replace(l, state, mine | (state & STATE_CONTENDED)))
				return QBI_LOCK_ORPHANED;
			if (now >= deadline)
				return QBI_LOCK_TIMEOUT;
			ask = now + QBI_LOCK_CHECK_NS;
		}
		if (!(state & STATE_CONTENDED) &&
		    !state_replace(l, state, state | STATE_CONTENDED))
			continue;
		waited = STATE_CONTENDED;
		state_sleep(l, state | STATE_CONTENDED, ask < deadline ? ask : deadline);
	}
}

enum qbi_lock_outcome qbi_lock_take(struct qbi_lock *l, uint64_t deadline)
{
	uint64_t mine = state_mine(l);
	enum qbi_lock_outcome r = QBI_LOCK_TAKEN;

	if (!state_replace(l, 0, mine)) {
		int saved = errno;

		r = lock_wait(l, mine, deadline);
		errno = saved;
	}
	if (r != QBI_LOCK_TIMEOUT)
		WATCHED_TAKE(l);
	return r;
}

void qbi_lock_release(struct qbi_lock *l)
{
	uint64_t mine = state_mine(l);
	uint64_t state = mine;
	/* Once the lock is free, its memory may be freed too: pass only its address. */
	int wake = futex_op(l, FUTEX_WAKE);
	uintptr_t place = state_futex(l);
	int saved;

	WATCHED_RELEASE(l);
	/* Release: pairs with the acquire in state_replace(). */
	if (atomic_compare_exchange_strong_explicit(&l->state, &state, 0, memory_order_release,
						    memory_order_relaxed))
		return;
	/* While we hold the lock, others can only set the bit for waiters. */
	if (state != (mine | STATE_CONTENDED))
		return;
	atomic_store_explicit(&l->state, 0, memory_order_release);
	saved = errno;
	(void)syscall(SYS_futex, place, wake, 1);
	errno = saved;
}
