/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/hostile/arena.h"

#include <malloc.h>
#include <qb/qbipc_ext.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/witness.h"
#include "tests/lib/census.h"
#include "tests/lib/message.h"

enum {
	WARM_UP = 3,		/* rounds of the honest client before an attack */
	HEAP_SLACK = 128 << 10, /* what malloc and the loop may keep for later */
	WISH_NONE = 0,
	WISH_FREEZE,
	WISH_THAW,
};

/* The slowest of the whole program, over all its tests. */
struct record {
	uint64_t us;
	char during[200];
};

static struct board {
	struct record answer;
	struct record connect;
} * board;

/* -- The server's side ------------------------------------------------------------- */

static void message_count(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_context_set(c, sv);
	atomic_fetch_add(&sv->shared->slot[SLOT_COUNTED], 1);
}

static void arena_destroyed(struct server *sv, qb_ipcs_connection_t *c)
{
	if (qb_ipcs_context_get(c))
		atomic_fetch_add(&sv->shared->slot[SLOT_COUNTED_ENDED], 1);
}

static qb_ipcs_connection_t *placed; /* the one that has a place */
static void *placed_at;

static void message_place(struct server *sv, qb_ipcs_connection_t *c)
{
	struct qb_ipc_response_header out = { .id = MSG_PLACED, .size = PLACED_SIZE };

	if (placed == c) {
		placed = NULL;
		memset(placed_at, 1, PLACED_SIZE);
		memcpy(placed_at, &out, sizeof(out));
		(void)qbipc_response_commit(c, PLACED_SIZE);
	} else if (!placed && qbipc_response_reserve(c, PLACED_SIZE, &placed_at) == 0) {
		placed = c;
	}
	atomic_fetch_add(&sv->shared->slot[SLOT_PLACED], 1);
}

static int32_t arena_closed(struct server *sv, qb_ipcs_connection_t *c)
{
	if (placed == c) {
		placed = NULL;
		/* Whatever the client has done, it is still there. */
		memset(placed_at, 2, PLACED_SIZE);
		SERVER_REQUIRE_EQ(sv, qbipc_response_abandon(c), 0);
	}
	return 0;
}

/* Echo; whoever does not take its answers is no failure of the server. */
static int32_t arena_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;
	struct qb_ipc_response_header out = { .id = hdr->id };
	struct iovec iov[2] = { { &out, sizeof(out) },
				{ (char *)data + sizeof(*hdr), size - sizeof(*hdr) } };

	SERVER_REQUIRE(sv, size >= sizeof(*hdr));
	SERVER_REQUIRE_EQ(sv, hdr->size, (long long)size);
	out.size = (int32_t)(sizeof(out) + size - sizeof(*hdr));
	if (hdr->id == MSG_COUNTED)
		message_count(sv, c);
	if (hdr->id == MSG_PLACED)
		message_place(sv, c);
	if (hdr->id == MSG_SILENT || hdr->id == MSG_PLACED || hdr->id == MSG_COUNTED)
		return 0;
	if (hdr->id == MSG_DISCONNECT_ME)
		qb_ipcs_disconnect(c);
	else if (hdr->id == MSG_EVENT)
		(void)qb_ipcs_event_sendv(c, iov, 2);
	else
		(void)qb_ipcs_response_sendv(c, iov, 2);
	return 0;
}

static int64_t heap_used(void)
{
#ifdef HAVE_MALLINFO2
	return (int64_t)mallinfo2().uordblks;
#else
	/* Before glibc 2.33; goes round at 4 GiB, which the tests do not come near. */
	return (unsigned int)mallinfo().uordblks;
#endif
}

static int64_t remote_account(struct server *sv, const int64_t *args)
{
	struct census census;
	struct account *account = (void *)sv->shared->blob;

	census_take(&census);
	*account = (struct account){
		.fds = census.fds,
		.mappings = census.shared_mappings,
		.threads = census.threads,
		.shm_files = census.shm_files,
		.heap = heap_used(),
	};
	return 0;
}

static void account_take(struct arena *a, struct account *ret)
{
	host_call(a->host, remote_account);
	memcpy(ret, a->host->shared->blob, sizeof(*ret));
}

static int64_t remote_connections(struct server *sv, const int64_t *args)
{
	struct qb_ipcs_stats stats;

	SERVER_REQUIRE(sv, qb_ipcs_stats_get(sv->service, &stats, 0) == 0);
	return (int64_t)stats.active_connections;
}

static bool account_is_back(const struct account *now, const struct account *before,
			    bool heap_may_grow)
{
	return now->fds == before->fds && now->mappings == before->mappings &&
	       now->threads == before->threads && now->shm_files == before->shm_files &&
	       (heap_may_grow || now->heap <= before->heap + HEAP_SLACK);
}

static void account_compare(struct arena *a, const struct account *before, bool heap_may_grow)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct account now;

	do {
		account_take(a, &now);
		if (account_is_back(&now, before, heap_may_grow))
			return;
		pause_briefly();
	} while (now_ms() < end);
	ck_abort_msg("after the attack the server has %+lld descriptors, %+lld shared "
		     "mappings, %+lld threads, %+lld files in /dev/shm, %+lld bytes",
		     (long long)(now.fds - before->fds),
		     (long long)(now.mappings - before->mappings),
		     (long long)(now.threads - before->threads),
		     (long long)(now.shm_files - before->shm_files),
		     (long long)(now.heap - before->heap));
}

/* -- The honest client, from the test's process ------------------------------------ */

static void processes_check(struct arena *a)
{
	int status;

	/* The server first: what the others report may follow from its end. */
	host_check(a->host);
	if (waitpid(a->host->pid, &status, WNOHANG) == a->host->pid) {
		a->host->pid = -1;
		ck_abort_msg("the server ended with status 0x%x", status);
	}
	report_check();
	if (a->honest > 0 && waitpid(a->honest, &status, WNOHANG) == a->honest) {
		a->honest = -1;
		ck_abort_msg("the honest client ended with status 0x%x", status);
	}
}

static void honest_expect(struct arena *a, uint64_t rounds, uint64_t newcomers)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	rounds += atomic_load(&a->shared->rounds);
	newcomers += atomic_load(&a->shared->newcomers);
	while (atomic_load(&a->shared->rounds) < rounds ||
	       atomic_load(&a->shared->newcomers) < newcomers) {
		processes_check(a);
		ck_assert_msg(now_ms() < end, "the honest client does not get on");
		pause_briefly();
	}
}

static void honest_pause(struct arena *a)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	atomic_store(&a->shared->hold, true);
	while (!atomic_load(&a->shared->held)) {
		processes_check(a);
		ck_assert_msg(now_ms() < end, "the honest client hangs");
		pause_briefly();
	}
}

static void honest_resume(struct arena *a)
{
	atomic_store(&a->shared->held, false);
	atomic_store(&a->shared->hold, false);
}

static void honest_end(struct arena *a)
{
	int status;

	atomic_store(&a->shared->stop, true);
	ck_assert_int_eq(waitpid(a->honest, &status, 0), a->honest);
	a->honest = -1;
	report_check();
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the honest client ended with status 0x%x", status);
}

/* -- The attacker's side ------------------------------------------------------------ */

void arena_honest_goes_on(struct arena *a)
{
	uint64_t rounds = atomic_load(&a->shared->rounds) + 2;
	uint64_t newcomers = atomic_load(&a->shared->newcomers) + 1;

	AWAIT(atomic_load(&a->shared->rounds) >= rounds &&
	      atomic_load(&a->shared->newcomers) >= newcomers);
}

bool arena_honest_wants_more(struct arena *a)
{
	static uint64_t rounds, newcomers, end;

	if (!end) {
		end = now_ms() + (uint64_t)deadline_ms();
		rounds = atomic_load(&a->shared->rounds) + 4;
		newcomers = atomic_load(&a->shared->newcomers) + 2;
	}
	REQUIRE_MSG(now_ms() < end, "the honest client does not get on during the attack");
	return atomic_load(&a->shared->rounds) < rounds ||
	       atomic_load(&a->shared->newcomers) < newcomers;
}

void arena_honest_holds(struct arena *a)
{
	atomic_store(&a->shared->hold, true);
	AWAIT(atomic_load(&a->shared->held));
}

void arena_honest_resumes(struct arena *a)
{
	honest_resume(a);
}

static void wish_make(struct arena *a, int wish)
{
	atomic_store(&a->shared->granted, WISH_NONE);
	atomic_store(&a->shared->wish, wish);
	AWAIT(atomic_load(&a->shared->granted) == wish);
}

void arena_freeze(struct arena *a)
{
	wish_make(a, WISH_FREEZE);
}

void arena_thaw(struct arena *a)
{
	wish_make(a, WISH_THAW);
}

/* A server that was stopped on purpose is not slow. */
static void wish_grant(struct arena *a)
{
	int wish = atomic_exchange(&a->shared->wish, WISH_NONE);

	if (wish == WISH_FREEZE) {
		honest_pause(a);
		atomic_fetch_add(&a->host->shared->slot[SLOT_FROZEN], 1);
		host_freeze(a->host);
	} else if (wish == WISH_THAW) {
		host_thaw(a->host);
		honest_resume(a);
	} else {
		return;
	}
	atomic_store(&a->shared->granted, wish);
}

struct attacker {
	struct arena *arena;
	attack_fn attack;
};

static void attacker_main(void *data)
{
	struct attacker *attacker = data;

	attacker->attack(attacker->arena);
}

static void attack_run(struct arena *a, const struct arena_terms *terms, attack_fn attack)
{
	struct attacker attacker = { a, attack };
	uint64_t end = now_ms() + 4 * (uint64_t)deadline_ms();
	uid_t uid = terms->as_root ? 0 : ATTACKER_UID;
	pid_t pid = child_start(uid, attacker_main, &attacker);
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		processes_check(a);
		wish_grant(a);
		if (now_ms() >= end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			ck_abort_msg("the attacker does not end");
		}
		pause_briefly();
	}
	processes_check(a);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the attacker ended with status 0x%x", status);
}

/* -- A whole test -------------------------------------------------------------------- */

static void record_note(struct record *r, struct arena *a, uint64_t us)
{
	if (us <= r->us)
		return;
	r->us = us;
	snprintf(r->during, sizeof(r->during), "%s (%s)", a->name, variants[a->variant].name);
}

static void board_note(struct arena *a)
{
	if (!board)
		return;
	record_note(&board->answer, a, atomic_load(&a->shared->slowest_us));
	record_note(&board->connect, a, atomic_load(&a->shared->slowest_connect_us));
}

static void board_print(const struct record *r, const char *what)
{
	if (r->us)
		printf("# %s: %llu us during %s\n", what, (unsigned long long)r->us, r->during);
}

static void *share(size_t size)
{
	void *memory =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static int64_t server_threads(struct arena *a)
{
	struct account now;

	account_take(a, &now);
	return now.threads;
}

static void arena_open(struct arena *a, const struct arena_terms *terms)
{
	struct server_spec spec = { VARIANT_SPEC(a->variant), .untraced = true,
				    .msg = arena_msg,	      .destroyed = arena_destroyed,
				    .closed = arena_closed,   .prepare = terms->prepare };

	spec.adapter = &adapter_watched;
	a->shared = share(sizeof(*a->shared));
	the_report = &a->shared->report;
	a->host = host_start(&spec);
	a->wish = (struct raw_wish){ a->host->name, !variants[a->variant].libqb_wire,
				     WIRE_SMALLEST };
	a->threads = server_threads(a);
	a->honest = fork();
	ck_assert_int_ge(a->honest, 0);
	if (a->honest == 0)
		honest_main(a);
	honest_expect(a, WARM_UP, 1);
}

static void arena_close(struct arena *a)
{
	honest_end(a);
	host_stop(a->host);
	munmap(a->shared, sizeof(*a->shared));
}

/* Did it block a dispatch for long? What it had the server compute is judged here. */
static bool arena_attempt(int variant, const char *name, const struct arena_terms *terms,
			  attack_fn attack)
{
	struct arena a = { .variant = variant, .name = name };
	struct account before;
	struct lap worst;
	char text[200];
	bool blocked;

	arena_open(&a, terms);
	honest_pause(&a);
	/* The last newcomer may still be on its way out, and what it leaves in a thread. */
	WAIT_FOR(host_call(a.host, remote_connections) == 1);
	WAIT_FOR(server_threads(&a) == a.threads);
	account_take(&a, &before);
	atomic_store(&a.shared->slowest_us, 0);
	atomic_store(&a.shared->slowest_connect_us, 0);
	honest_resume(&a);
	attack_run(&a, terms, attack);
	honest_expect(&a, 2, 1);
	board_note(&a);
	honest_pause(&a);
	worst = watch_worst(a.host);
	worst_note(name, variant, "dispatches", &worst);
	account_compare(&a, &before, terms->heap_may_grow);
	watch_check(a.host, !terms->cpu_not_judged, false);
	blocked = watch_is_blocked(a.host);
	if (blocked) {
		printf("# blocked: %s (%s): %s\n", name, variants[variant].name,
		       lap_text(&worst, text, sizeof(text)));
		fflush(stdout);
	}
	honest_resume(&a);
	arena_close(&a);
	return blocked;
}

int arena_blocked(int variant, const char *name, const struct arena_terms *terms,
		  attack_fn attack)
{
	int times = 0;

	while (arena_attempt(variant, name, terms, attack) && ++times < ATTEMPTS &&
	       !terms->blocking_not_judged)
		;
	return times;
}

void arena_run(int variant, const char *name, const struct arena_terms *terms, attack_fn attack)
{
	int times;

	if (terms->needs && geteuid() != 0) {
		printf("# skip %s: needs %s\n", name, terms->needs);
		return;
	}
	times = arena_blocked(variant, name, terms, attack);
	if (terms->cpu_not_judged)
		printf("# not judged: what %s has the server compute (%s)\n", name,
		       terms->cpu_not_judged);
	if (terms->blocking_not_judged)
		printf("# not judged: how long %s blocks the server (%s)\n", name,
		       terms->blocking_not_judged);
	else
		ck_assert_msg(times < ATTEMPTS, "a dispatch was blocked for long, each time");
}

void add_attack_test(TCase *tc, const TTest *test, unsigned int where)
{
	for (int i = 0; i < transport_count; i++)
		if (where & 1u << i)
			tcase_add_loop_test(tc, test, i, i + 1);
}

int arena_main(Suite *s)
{
	int status;

	board = share(sizeof(*board));
	worst_begin();
	witness_begin();
	chance_begin();
	fflush(stdout); /* or each test prints it again */
	status = suite_main(s);
	board_print(&board->answer, "slowest honest answer");
	board_print(&board->connect, "slowest honest connect");
	worst_print();
	witness_end();
	return status;
}
