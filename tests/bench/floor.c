/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: what the machine takes to bring a message from one CPU to another. Two processes
 * that never sleep, each on a CPU of its own.
 *
 *   floor [--time MS] line             one word, there and back: two transfers of a cache line
 *   floor [--time MS] roundtrip-SIZE   through two rings, copied in and out on both sides
 *   floor [--time MS] oneway-SIZE      through one ring; SIZE is 64 or 4K
 *   floor --list
 *
 * The rings are the plainest: slots of one size, and each end keeps what it has seen last of the
 * other's.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "figures.h"
#include "place.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS_BYTES (128u * 1024)
/* Slots have numbers, too, which take up to as much as the smallest messages. */
#define RING_BYTES (3 * SLOTS_BYTES)
#define LARGEST 4096
#define LIMIT_S 120
#define WARM_UP_PART 8
/* Ends that share a CPU would otherwise look for whole time slices. */
#define LOOKS_PER_YIELD 65536

/* Positions count messages, and wrap around as integers do. */
struct ring {
	_Alignas(128) atomic_uint sent;
	_Alignas(128) atomic_uint taken;
	_Alignas(128) unsigned char bytes[RING_BYTES];
};

static struct shared {
	struct ring there, back;
	_Alignas(128) atomic_uint line;
	_Alignas(128) atomic_int quit;
} * shared;

static size_t size; /* of a message */
static unsigned int slots;

/* One end of a ring, private to the process. */
struct end {
	struct ring *ring;
	unsigned int own;
	unsigned int other; /* as seen last */
};

/* Returns 0 when the other end has quit. */
static int look_again(unsigned int *looks)
{
	if (++*looks % LOOKS_PER_YIELD == 0) {
		sched_yield();
		return !atomic_load_explicit(&shared->quit, memory_order_relaxed);
	}
	return 1;
}

/* One way: the positions say what is there, and how much room there is. */
static void message_post(struct end *e, const void *message)
{
	unsigned int looks = 0;

	while (e->own - e->other == slots) {
		e->other = atomic_load_explicit(&e->ring->taken, memory_order_acquire);
		if (e->own - e->other == slots)
			look_again(&looks);
	}
	memcpy(e->ring->bytes + e->own % slots * size, message, size);
	atomic_store_explicit(&e->ring->sent, ++e->own, memory_order_release);
}

static int message_get(struct end *e, void *message)
{
	unsigned int looks = 0;

	while (e->own == e->other) {
		e->other = atomic_load_explicit(&e->ring->sent, memory_order_acquire);
		if (e->own == e->other && !look_again(&looks))
			return 0;
	}
	memcpy(message, e->ring->bytes + e->own % slots * size, size);
	atomic_store_explicit(&e->ring->taken, ++e->own, memory_order_release);
	return 1;
}

/*
 * There and back: a number in front of the message says that it is there, so that one
 * transfer brings both. The answer says that there is room.
 */
struct slot {
	_Alignas(128) atomic_uint number;
	unsigned char bytes[];
};

static struct slot *slot_of(struct end *e)
{
	size_t stride = (offsetof(struct slot, bytes) + size + 127) / 128 * 128;

	return (struct slot *)(e->ring->bytes + e->own % slots * stride);
}

static void message_send(struct end *e, const void *message)
{
	struct slot *slot = slot_of(e);

	memcpy(slot->bytes, message, size);
	atomic_store_explicit(&slot->number, ++e->own, memory_order_release);
}

static int message_take(struct end *e, void *message)
{
	struct slot *slot = slot_of(e);
	unsigned int looks = 0;

	while (atomic_load_explicit(&slot->number, memory_order_acquire) != e->own + 1)
		if (!look_again(&looks))
			return 0;
	memcpy(message, slot->bytes, size);
	e->own++;
	return 1;
}

static int line_wait(unsigned int value)
{
	unsigned int looks = 0;

	while (atomic_load_explicit(&shared->line, memory_order_acquire) != value)
		if (!look_again(&looks))
			return 0;
	return 1;
}

/* -- The three rows: what the child does until told to quit, and one step of the parent -- */

static void line_serve(void)
{
	for (unsigned int n = 1; line_wait(n); n += 2)
		atomic_store_explicit(&shared->line, n + 1, memory_order_release);
}

static void line_call(void)
{
	static unsigned int n;

	atomic_store_explicit(&shared->line, n + 1, memory_order_release);
	n += 2;
	line_wait(n);
}

static void ring_serve(void)
{
	struct end in = { .ring = &shared->there }, out = { .ring = &shared->back };
	char message[LARGEST];

	while (message_take(&in, message))
		message_send(&out, message);
}

static void ring_call(void)
{
	static struct end out, in;
	static char message[LARGEST];

	out.ring = &shared->there;
	in.ring = &shared->back;
	message_send(&out, message);
	message_take(&in, message);
}

static void oneway_serve(void)
{
	struct end in = { .ring = &shared->there };
	char message[LARGEST];

	while (message_get(&in, message))
		;
}

/* Returns when the other end has taken all of them. */
static uint64_t oneway_for(struct end *out, uint64_t ns)
{
	uint64_t begin = bench_now_ns(), n = 0;
	static char message[LARGEST];
	unsigned int looks = 0;

	do {
		for (int i = 0; i < 64; i++, n++)
			message_post(out, message);
	} while (bench_now_ns() - begin < ns);
	while (atomic_load_explicit(&shared->there.taken, memory_order_acquire) != out->own)
		look_again(&looks);
	return n;
}

/* -- Measuring --------------------------------------------------------------------------- */

static void call_for(void (*call)(void), uint64_t ns, struct histogram *h)
{
	uint64_t begin = bench_now_ns(), before = begin, now = begin;

	while (now - begin < ns) {
		call();
		now = bench_now_ns();
		histogram_add(h, now - before);
		before = now;
	}
}

static uint64_t calls_measure(void (*call)(void), uint64_t ns)
{
	static struct histogram warm, h;

	call_for(call, ns / WARM_UP_PART, &warm);
	call_for(call, ns, &h);
	bench_print("p50", histogram_us(&h, 0.50), "us");
	bench_print("p99", histogram_us(&h, 0.99), "us");
	return warm.count + h.count;
}

static uint64_t oneway_measure(uint64_t ns)
{
	struct end out = { .ring = &shared->there };
	uint64_t warm = oneway_for(&out, ns / WARM_UP_PART), begin = bench_now_ns();
	uint64_t n = oneway_for(&out, ns);

	bench_print("rate", (double)n * 1e9 / (double)(bench_now_ns() - begin), "/s");
	return warm + n;
}

/* CPU time of both processes; the child has been waited for. */
static double cpu_us(void)
{
	struct rusage child;

	getrusage(RUSAGE_CHILDREN, &child);
	return (double)bench_cpu_ns() / 1000 +
	       (double)(child.ru_utime.tv_sec + child.ru_stime.tv_sec) * 1e6 +
	       (double)(child.ru_utime.tv_usec + child.ru_stime.tv_usec);
}

static const struct row {
	const char *name;
	size_t size;
	void (*serve)(void);
	void (*call)(void); /* NULL: one way */
} rows[] = {
	{ "line", 64, line_serve, line_call },
	{ "roundtrip-64", 64, ring_serve, ring_call },
	{ "roundtrip-4K", 4096, ring_serve, ring_call },
	{ "oneway-64", 64, oneway_serve, NULL },
	{ "oneway-4K", 4096, oneway_serve, NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_find(const char *name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static void row_measure(const struct row *row, uint64_t ns)
{
	int status;
	uint64_t n;
	pid_t child;

	size = row->size;
	slots = SLOTS_BYTES / (unsigned int)size;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED)
		bench_die("mmap", errno);
	child = fork();
	if (child < 0)
		bench_die("fork", errno);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_pin(BENCH_SERVER_CPU);
		row->serve();
		_exit(0);
	}
	bench_pin(BENCH_CLIENT_CPU);
	n = row->call ? calls_measure(row->call, ns) : oneway_measure(ns);
	atomic_store_explicit(&shared->quit, 1, memory_order_relaxed);
	if (waitpid(child, &status, 0) != child || status != 0)
		bench_die("the other end failed", ECHILD);
	bench_print("cpu", cpu_us() / (double)n, "us");
}

int main(int argc, char **argv)
{
	uint64_t ns = 300000000;
	const struct row *row;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < N_ROWS; i++)
			puts(rows[i].name);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--time"))
		ns = strtoull(argv[2], NULL, 10) * 1000000;
	else if (argc != 2)
		return 2;
	row = row_find(argv[argc - 1]);
	if (!row)
		return 2;
	alarm(LIMIT_S);
	row_measure(row, ns);
	return 0;
}
