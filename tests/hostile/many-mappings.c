/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that maps what it shares with the server many times over: whatever takes a page of
 * it out then visits all of these mappings, and holds locks of the kernel meanwhile. And a
 * false server that does the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

enum {
	MAPPINGS = 50000, /* of each process; the kernel allows 65,530 */
	PROCESSES = 3,
	FILES_MAX = 2,
	ROUNDS = 12,
	PAGE = 4096,
};

/* What the server and the client have in common. */
struct common {
	int fds[FILES_MAX];
	int n;
};

/* Of libqb's wire that file of which most is left at the end. */
static struct common common_of(const struct raw *p)
{
	struct common c = { .n = 0 };

	if (!p->native) {
		c.fds[c.n++] = p->ring[REQUEST].files[0];
		return c;
	}
	c.fds[c.n++] = p->fds[NATIVE_COMMON_FD];
	if (p->type == WIRE_MEMORY)
		c.fds[c.n++] = p->fds[NATIVE_SENT_FD];
	return c;
}

/* @n mappings of the first page of all of them in turn, each with the page in it. */
static void map_many(const struct common *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int fd = c->fds[i % (unsigned int)c->n];
		bool for_reading = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
		volatile unsigned char *page =
			mmap(NULL, PAGE, PROT_READ | (for_reading ? 0 : PROT_WRITE), MAP_SHARED,
			     fd, 0);

		REQUIRE_MSG(page != MAP_FAILED, "mapping %u: %s", i, strerror(errno));
		(void)*page;
	}
}

/* Others that have them mapped, until they are killed. */
static struct {
	struct common common;
	int ready[2];
} others;

static void other_main(void *unused)
{
	map_many(&others.common, MAPPINGS);
	REQUIRE_EQ(write(others.ready[1], "", 1), 1);
	for (;;)
		pause();
}

static void others_start(pid_t *pids)
{
	char bytes[PROCESSES];

	REQUIRE_EQ(pipe2(others.ready, O_CLOEXEC), 0);
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = child_start(0, other_main, NULL);
	for (int i = 0; i < PROCESSES; i++)
		REQUIRE_EQ(read(others.ready[0], bytes, 1), 1);
}

static void others_end(const pid_t *pids)
{
	for (int i = 0; i < PROCESSES; i++) {
		REQUIRE_EQ(kill(pids[i], SIGKILL), 0);
		REQUIRE_EQ(waitpid(pids[i], NULL, 0), pids[i]);
	}
}

/* What one walk of the kernel through them takes here, in us; the longest of several. */
static uint64_t walk_us(const struct common *c)
{
	uint64_t longest = 0;

	for (int i = 0; i < c->n; i++) {
		uint64_t began = stopwatch_now(), took;

		(void)fallocate(c->fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
		took = (stopwatch_now() - began) / 1000;
		longest = took > longest ? took : longest;
	}
	return longest;
}

/* The connection ends, and the server takes out what it has in there. */
static void end_main(void *data)
{
	struct arena *a = data;
	pid_t pids[PROCESSES];
	struct raw p;

	working_connect(a, &p);
	others.common = common_of(&p);
	others_start(pids);
	/* The others have it too. */
	REQUIRE_EQ(shutdown(p.stream, SHUT_RDWR), 0);
	arena_honest_goes_on(a);
	printf("# %s (%s): a walk takes up to %llu us\n", a->name, variants[a->variant].name,
	       (unsigned long long)walk_us(&others.common));
	fflush(stdout);
	others_end(pids);
}

ATTACK(mapped_many_times_at_the_end)
{
	child_end(child_start(0, end_main, a));
	arena_honest_goes_on(a);
}

/* The server works in it at the same time. */
static void used_main(void *data)
{
	struct arena *a = data;
	struct request *r = request_make(MSG_EVENT, 5000, 5000);
	char buf[WIRE_SMALLEST];
	pid_t pids[PROCESSES];
	struct raw p;
	uint64_t walk = 0;

	working_connect(a, &p);
	others.common = common_of(&p);
	others_start(pids);
	for (int i = 0; i < ROUNDS && !raw_is_dropped(&p); i++) {
		uint64_t took;

		(void)raw_send(&p, r, 5000);
		took = walk_us(&others.common);
		walk = took > walk ? took : walk;
		if (!p.native && p.type == WIRE_MEMORY)
			continue;
		while (raw_take(&p, EVENT, buf, sizeof(buf)) > 0)
			;
	}
	printf("# %s (%s): a walk takes up to %llu us\n", a->name, variants[a->variant].name,
	       (unsigned long long)walk);
	fflush(stdout);
	raw_close(&p);
	arena_honest_goes_on(a);
	others_end(pids);
	free(r);
}

/* Who may write to memory may take it out, and who uses it waits until that is done. Nothing is
 * used on native sockets. */
ATTACK(mapped_many_times_and_punched_while_it_is_used,
       .blocking_not_judged = "of memory that two may write, each may take out what is there")
{
	child_end(child_start(0, used_main, a));
	arena_honest_goes_on(a);
}

ATTACK(mapped_many_times_and_punched_while_it_is_not_used)
{
	child_end(child_start(0, used_main, a));
	arena_honest_goes_on(a);
}

/* -- A false server ------------------------------------------------------------------------ */

static atomic_uint *walks; /* so many it has begun */

static void map_many_and_punch(struct truth *t, unsigned int which)
{
	pid_t pids[PROCESSES];
	uint64_t walk = 0;

	others.common = common_of(&t->mine);
	others_start(pids);
	truth_send(t);
	while (!truth_client_left(t)) {
		uint64_t took;

		atomic_fetch_add(walks, 1);
		took = walk_us(&others.common);
		walk = took > walk ? took : walk;
	}
	printf("# map_many_and_punch (%s): a walk takes up to %llu us\n",
	       variants[t->variant].name, (unsigned long long)walk);
	fflush(stdout);
	others_end(pids);
}

/* Nobody can unmap meanwhile. What a disconnect waits for that is printed, and not judged. */
START_TEST(mapped_many_times_and_punched_while_a_client_disconnects)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	struct stopwatch watch;
	struct lap lap;
	uint64_t end;

	walks = mmap(NULL, sizeof(*walks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ck_assert_ptr_ne(walks, MAP_FAILED);
	false_begin(&f, _i, map_many_and_punch, 0);
	c = client_connect(f.name, 0);
	end = now_ms() + (uint64_t)deadline_ms();
	while (atomic_load(walks) < 2) {
		ck_assert_uint_lt(now_ms(), end);
		pause_briefly();
	}
	stopwatch_start(&watch, -1);
	qb_ipcc_disconnect(c);
	lap = stopwatch_read(&watch, -1);
	worst_note("map_many_and_punch", _i, "disconnects", &lap);
	false_end(&f);
	munmap((void *)(uintptr_t)walks, sizeof(*walks));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: many mappings");
	TCase *tc = tcase_new(s, "mappings");

	add_attack(tc, mapped_many_times_at_the_end, ON_ALL);
	add_attack(tc, mapped_many_times_and_punched_while_it_is_used, ON_MEMORY | ON_QB);
	add_attack(tc, mapped_many_times_and_punched_while_it_is_not_used, ON_NATIVE_SOCKETS);
	add_attack(tc, mapped_many_times_and_punched_while_a_client_disconnects, ON_NATIVE);
	return arena_main(s);
}
