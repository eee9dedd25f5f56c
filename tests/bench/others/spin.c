/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: a queue of message slots per direction in shared memory, and both ends never
 * sleep. It is what the hardware takes to move a message between two CPUs and back.
 */
#include "other.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define SLOTS 64

/* Holds message number @sent of its queue, counted from 1. */
struct slot {
	_Alignas(128) atomic_uint sent;
	struct other_message msg;
};

/* Full when SLOTS more messages were sent than taken. */
struct queue {
	struct slot slot[SLOTS];
	_Alignas(128) atomic_uint taken;
};

static struct queue *queues, *in, *out;
static unsigned int n_sent, n_taken; /* of this end */
static unsigned int taken_by_peer;   /* as last seen: looked at only when it matters */

static void prepare(void)
{
	queues = mmap(NULL, 2 * sizeof(*queues), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (queues == MAP_FAILED)
		bench_die("mmap", errno);
}

static void open_end(int serving)
{
	in = &queues[serving];
	out = &queues[!serving];
}

/* Ends that share a CPU would otherwise look for whole time slices. */
static void look_again(unsigned int *looks)
{
	if (++*looks % 65536 == 0)
		sched_yield();
}

static void send_message(const struct other_message *msg)
{
	struct slot *slot = &out->slot[n_sent % SLOTS];
	unsigned int looks = 0;

	while (n_sent - taken_by_peer == SLOTS) {
		taken_by_peer = atomic_load_explicit(&out->taken, memory_order_acquire);
		look_again(&looks);
	}
	slot->msg = *msg;
	atomic_store_explicit(&slot->sent, ++n_sent, memory_order_release);
}

static void receive_message(struct other_message *msg)
{
	struct slot *slot = &in->slot[n_taken % SLOTS];
	unsigned int looks = 0;

	while (atomic_load_explicit(&slot->sent, memory_order_acquire) != n_taken + 1)
		look_again(&looks);
	*msg = slot->msg;
	atomic_store_explicit(&in->taken, ++n_taken, memory_order_release);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
