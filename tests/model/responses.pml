/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's end of the response ring: native_client_recv() in
 * lib/transport/native-shm-client-responses.c, which sleeps in poll(2) on a socket of its own and
 * may be told to give up at any time. Nobody else sees that socket, so bytes that are
 * left in it after a call are harmless.
 *
 * Properties: no lost wake-up (a caller without a deadline never sleeps for ever while a
 * response waits, which the search reports as an invalid end state); each return from
 * poll takes or receives something, so it cannot go on for ever; junk is received as
 * such only when it is junk; each byte is counted.
 *
 * Variants that are to fail, besides those of ring.pml:
 *
 *   JUNK_LEFT         junk is not received: poll returns at once, for ever
 *   SLEEP_UNCOUNTED   arming receives everything there is
 */
#ifdef SLEEP_UNCOUNTED
#define UNCOUNTED
#endif
#include "ring.pml"

active proctype client()
{
	byte tail;
	bool armed, done;	/* done: took or received since poll returned */
	bool readable;		/* poll said so in this call, nothing received since */
	bool patient;		/* no call has a deadline any more */

call:	calling = true;

look:	tail = mem[TAIL];
	if
	:: position(tail) != taken ->
		take();
		done = true;
		goto out
	:: position(tail) == taken && readable && owed == 0 && !has_rung(tail) ->
#ifndef JUNK_LEFT
		receive_junk(done);
		readable = false;
#endif
	:: else
	fi;
	arm(taken, armed);
	if
	:: !armed -> goto look
	:: armed ->
#ifdef SLEEP_UNCOUNTED
		atomic { stream = 0; owed = 0; done = true };
#else
		if
		:: owed > 0 && stream > 0 -> receive_owed(done); readable = false
		:: else
		fi;
#endif
	fi;
	assert(!readable || done);
	atomic {
		tail = 0; armed = false; done = false;
		if
		:: stream > 0 -> readable = true; goto look
		:: !patient -> goto out
		:: stopped && taken == sent && stream == 0 && !junk_may_come -> goto finished
		fi
	};

out:	atomic {
		tail = 0; armed = false; done = false; readable = false; calling = false;
		if
		:: true
		:: !patient -> patient = true
		fi
	};
	goto call;

finished:
	skip
}
