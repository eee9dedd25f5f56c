/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an attack takes place: a server, a client of the library that works throughout
 * (calls, bursts of requests, events, new connections, all checked), and the attacker,
 * a process of its own that has no privileges.
 *
 * Survived means: the server is alive, none of its dispatches was blocked or computed for
 * long, the honest client got every answer in order, a new one got in during the attack
 * and after it, and the server holds what it held before: descriptors, mappings,
 * threads, memory, files in /dev/shm. Then it stops cleanly. arena_run() checks it all.
 *
 * Nothing here asserts a time that other programs on the machine could spoil. How long a
 * dispatch was blocked is told from the scheduler's account, which knows what was only
 * waiting for a CPU (stopwatch.h); that the honest client goes on is waited for while the
 * attacker holds still. The worst dispatch of each case and the slowest answer to the honest
 * client are printed.
 */
#ifndef HOSTILE_ARENA_H
#define HOSTILE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/hostile/raw.h"
#include "tests/hostile/report.h"
#include "tests/hostile/stopwatch.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"

/* Who they are when the test is run by root; else all are the user who runs it. */
enum { ATTACKER_UID = 54321, ACCOMPLICE_UID = 54322, HONEST_UID = 54323 };

/* As bits: where an attack makes sense. */
enum {
	ON_NATIVE_MEMORY = 1,
	ON_NATIVE_SOCKETS = 2,
	ON_QB_MEMORY = 4,
	ON_QB_SOCKETS = 8,
	ON_MEMORY = ON_NATIVE_MEMORY | ON_QB_MEMORY,
	ON_SOCKETS = ON_NATIVE_SOCKETS | ON_QB_SOCKETS,
	ON_NATIVE = ON_NATIVE_MEMORY | ON_NATIVE_SOCKETS,
	ON_QB = ON_QB_MEMORY | ON_QB_SOCKETS,
	ON_ALL = ON_MEMORY | ON_SOCKETS,
};

/* What the server tells of itself. */
struct account {
	int64_t fds;
	int64_t mappings;
	int64_t threads;
	int64_t shm_files;
	int64_t heap; /* bytes; 0 where malloc does not tell */
};

struct arena_shared {
	struct report report;
	/* The honest client. */
	atomic_bool hold; /* it is to pause */
	atomic_bool held;
	atomic_bool stop;
	_Atomic uint64_t rounds;     /* done, each with calls, a burst, and an event */
	_Atomic uint64_t newcomers;  /* connections made besides its own */
	_Atomic uint64_t slowest_us; /* from a request, or a burst, to its answer */
	_Atomic uint64_t slowest_connect_us;
	/* What the attacker asks of the test's process, which may signal the server. */
	atomic_int wish;
	atomic_int granted;
	_Atomic pid_t accepted_uid; /* of the last connection that was not honest */
};

struct arena {
	struct host *host;
	int variant;
	const char *name; /* of the attack */
	struct arena_shared *shared;
	struct raw_wish wish; /* for raw_connect() */
	pid_t honest;
	int64_t threads; /* of the server, without clients */
};

typedef void (*attack_fn)(struct arena *a);

/* Optional differences. */
struct arena_terms {
	bool as_root;	   /* the attacker keeps its privileges */
	const char *needs; /* a privilege; else skipped, when not root */
	void (*prepare)(struct server *sv);
	/* Server's side: what it may be left with is less exact. */
	bool heap_may_grow;
	/* A reason why what a dispatch computes is printed and not judged: the kernel leaves no
	 * way to bound it. */
	const char *cpu_not_judged;
	const char *blocking_not_judged; /* the same of how long one was blocked */
};

/*
 * What holds up the server does so each time. A thread of the server that has lost its CPU while
 * it has a lock of the process does so now and then, on a busy machine, and no account tells
 * that apart. So an attack that seems to have blocked a dispatch has to do it again, and again.
 */
enum { ATTEMPTS = 3 };

void arena_run(int variant, const char *name, const struct arena_terms *terms,
	       attack_fn attack);

/* How often in a row the attack blocked a dispatch for long, of at most ATTEMPTS times. */
int arena_blocked(int variant, const char *name, const struct arena_terms *terms,
		  attack_fn attack);

/*
 * ATTACK(name, .as_root = true) { ... }: a test of that name, whose body runs in the
 * attacker's process. add_attack() puts it on the transports where it makes sense.
 */
#define ATTACK(test, ...)                                                                      \
	static void test##_attack(struct arena *a);                                            \
	START_TEST(test)                                                                       \
	{                                                                                      \
		static const struct arena_terms terms = { __VA_ARGS__ };                       \
		arena_run(_i, #test, &terms, test##_attack);                                   \
	}                                                                                      \
	END_TEST                                                                               \
	static void test##_attack(struct arena *a)

void add_attack_test(TCase *tc, const TTest *test, unsigned int where);
#define add_attack(tc, test, where) add_attack_test(tc, test, where)

/* For attackers: the honest client comes further, and somebody new gets in, while the
 * attack is in force and the attacker holds still. */
void arena_honest_goes_on(struct arena *a);
/* For attackers that do not hold still: has it, since the start of the attack? Asked
 * in the condition of a loop, bounded by the deadline. */
bool arena_honest_wants_more(struct arena *a);
/* For attackers that want to be alone for a moment: it pauses, and goes on. */
void arena_honest_holds(struct arena *a);
void arena_honest_resumes(struct arena *a);
/* For attackers: the server is stopped (SIGSTOP), and goes on. */
void arena_freeze(struct arena *a);
void arena_thaw(struct arena *a);

/* @n of a heavy loop; QBIPC_HOSTILE_EFFORT is in percent. */
unsigned int effort(unsigned int n);
/* Numbers that look random, from a seed that is printed when a test fails. */
uint64_t chance(void);
void chance_begin(void);

/* main() of each program: runs the suite and tells the slowest answer. */
int arena_main(Suite *s);

/* In a process of the test's own: become that user, if it may. */
void become(uid_t uid);
/* Fork @fn, as @uid; it ends with 0, which child_end() waits for. */
pid_t child_start(uid_t uid, void (*fn)(void *), void *data);
void child_end(pid_t pid);

/* The client that works: in honest.c. */
void honest_main(struct arena *a) __attribute__((noreturn));

/* The server's loop with a stop-watch: in watch.c. What it measured, in the slots of
 * struct server_shared. */
extern const struct adapter adapter_watched;
enum {
	SLOT_BLOCKED_NS = 8, /* the longest */
	SLOT_RAN_NS,
	SLOT_WAITED_NS,
	SLOT_WALL_NS,
	SLOT_BLOCKED_COUNT, /* violations */
	SLOT_RAN_COUNT,
	SLOT_DISPATCHES,
	SLOT_FROZEN, /* raised before the server is stopped: that dispatch is not judged */
	SLOT_COUNTED,
	SLOT_COUNTED_ENDED,
	SLOT_PLACED, /* requests for a place that were served */
};
/* The server counts requests of that id, and the ends of connections that had one. At every
 * other request of the second id it builds a response in place, and commits that at the next. */
enum { MSG_COUNTED = 900, MSG_PLACED, PLACED_SIZE = 4000 };
struct lap watch_worst(struct host *h);
/* Was a dispatch blocked for long? */
bool watch_is_blocked(struct host *h);

/* As far as that is judged, no dispatch was blocked or computed for long. */
void watch_check(struct host *h, bool cpu_judged, bool blocking_judged);
/* For attackers, while the honest client holds: the server has nothing to do. */
void watch_rest(struct arena *a);

#endif
