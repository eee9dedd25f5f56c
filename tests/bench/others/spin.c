/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: one message slot per direction in shared memory, and both ends never sleep.
 * Nothing that moves a message between two CPUs can be faster than its round trip.
 */
#include "other.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* Full while @sent and @taken differ. */
struct slot {
	_Alignas(128) atomic_uint sent;
	struct other_message msg;
	_Alignas(128) atomic_uint taken;
};

static struct slot *slots, *in, *out;

static void prepare(void)
{
	slots = mmap(NULL, 2 * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		bench_die("mmap", errno);
}

static void open_end(int serving)
{
	in = &slots[serving];
	out = &slots[!serving];
}

/* Ends that share a CPU would otherwise look for whole time slices. */
static void look_again(unsigned int *looks)
{
	if (++*looks % 65536 == 0)
		sched_yield();
}

static void send_message(const struct other_message *msg)
{
	unsigned int n = atomic_load_explicit(&out->sent, memory_order_relaxed),
		     looks = 0;

	while (atomic_load_explicit(&out->taken, memory_order_acquire) != n)
		look_again(&looks);
	out->msg = *msg;
	atomic_store_explicit(&out->sent, n + 1, memory_order_release);
}

static void receive_message(struct other_message *msg)
{
	unsigned int n = atomic_load_explicit(&in->taken, memory_order_relaxed),
		     looks = 0;

	while (atomic_load_explicit(&in->sent, memory_order_acquire) == n)
		look_again(&looks);
	*msg = in->msg;
	atomic_store_explicit(&in->taken, n + 1, memory_order_release);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
