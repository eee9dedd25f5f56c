/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that hangs up and does not leave: it has the memory or the sockets of the connection,
 * as a process may that it has passed them to, and sends on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/hostile/tools.h"

enum {
	SERVED = 1 << 16, /* after a hang-up */
	EARLIER = 500,	  /* by dispatches that come before the one which is told of it */
	LARGE = 8 << 20,  /* messages, for a ring with more requests than that */
};

static uint64_t slot(struct arena *a, int which)
{
	return (uint64_t)atomic_load(&a->host->shared->slot[which]);
}

/* As many requests as go in. */
static void requests_queue(struct raw *p, const struct request *r)
{
	while (raw_queue(p, r, sizeof(*r)) == 0)
		;
}

ATTACK(requests_sent_without_end_after_a_hang_up)
{
	struct raw_wish wish = a->wish;
	struct request *r = request_make(MSG_COUNTED, sizeof(*r), sizeof(*r));
	uint64_t end = now_ms() + (uint64_t)deadline_ms(), served;
	struct raw p;

	wish.max_msg_size = LARGE;
	raw_connect(&p, &wish);
	raw_call(&p, 7, 100);
	/* Not in the middle of a dispatch, which would seem to sleep. */
	arena_honest_holds(a);
	watch_rest(a);
	arena_freeze(a);
	requests_queue(&p, r);
	REQUIRE_EQ(shutdown(p.stream, SHUT_RDWR), 0);
	arena_thaw(a);
	while (slot(a, SLOT_COUNTED_ENDED) == 0) {
		REQUIRE_MSG(now_ms() < end, "the connection does not end");
		/* A ring has had enough from the start. */
		if (p.type == WIRE_SOCKETS)
			requests_queue(&p, r);
		pause_briefly();
	}
	served = slot(a, SLOT_COUNTED);
	REQUIRE_MSG(served > 0 && served <= SERVED + EARLIER,
		    "the server has taken %llu requests of a client that hung up",
		    (unsigned long long)served);
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

int main(void)
{
	Suite *s = suite_create("hostile: hang-ups");
	TCase *tc = tcase_new(s, "hang-ups");

	add_attack(tc, requests_sent_without_end_after_a_hang_up, ON_ALL);
	return arena_main(s);
}
