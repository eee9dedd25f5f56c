/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's end of the event ring: event_take() and native_client_event_recv() in
 * lib/transport/native-shm-client-events.c. The descriptor is the application's to poll: it is
 * readable iff an event is queued, and who finds it so gets an event.
 *
 * So the byte that announced the last event goes together with it: the consumer arms
 * for the position behind that event, and takes the event once nothing is owed. If the
 * byte has not arrived, neither has the event. If arming fails there is another event,
 * and the byte stays for that one.
 *
 * Properties: outside of calls of both sides the descriptor is readable iff an event is
 * queued, and never without one outside of the client's calls only; a call made because
 * the descriptor was readable returns an event; no lost wake-up (an invalid end state);
 * each byte is counted. With JUNK readable may mean junk, and a call made because of it
 * takes an event or receives a byte, so it cannot go on for ever. With LATE an event whose
 * byte is due may be queued without the descriptor being readable.
 *
 * Variants that are to fail, besides those of ring.pml:
 *
 *   TAKE_UNOWED   the last event is taken after arming, whether its byte came or not
 *   TAKE_UNARMED  the last event is taken without arming
 *   LOOK_LATE     whether an event is the last is looked at after receiving
 *   LATE_SINGLY   late bytes go out one by one
 */
#ifdef LATE_SINGLY
#define LATE
#endif
#ifdef TAKE_UNOWED
#define UNCOUNTED
#endif
#include "ring.pml"

active proctype client()
{
	byte tail;
	bool last;		/* the oldest event is the only one */
	bool armed;
	bool promised;		/* the application called because of a readable descriptor */
	bool readable;		/* poll said so inside of this call, nothing received since */
	bool forever;		/* the call has no deadline */
	bool got, received;	/* in this call: an event, a byte */
	bool patient;		/* the application calls only when the descriptor is readable */

poll:	atomic {
		tail = 0; last = false; armed = false;
		readable = false; forever = false; got = false; received = false;
		if
		:: stream > 0 -> promised = true
		:: !patient -> promised = false
		:: !patient -> patient = true; goto poll
		:: patient && stopped && taken == sent && stream == 0 && !junk_may_come ->
			goto finished
		fi;
		calling = true;
		if
		:: forever = true
		:: true
		fi
	};

look:	tail = mem[TAIL];
	if
	:: position(tail) == taken ->
		assert(owed == 0 && !has_rung(tail));
		if
		:: !readable -> goto wait
		:: readable ->
			receive_junk(received);
			readable = false;
			if
			:: goto look
			:: !forever -> goto out
			fi
		fi
	:: else
	fi;
	last = position(tail) == taken + 1;
	receive_owed(received);
#ifdef LOOK_LATE
	tail = mem[TAIL];
	last = position(tail) == taken + 1;
#endif
#ifndef TAKE_UNARMED
	if
	:: !last
#ifndef LOOK_LATE
	:: last && owed > 0 -> goto wait
	:: last && owed == 0 ->
#else
	:: last ->
#endif
		arm(taken + 1, armed);
		if
		:: !armed
		:: armed ->
			receive_owed(received);
#ifdef TAKE_UNOWED
			owed = 0
#else
			if
			:: owed > 0 -> goto wait
			:: else
			fi
#endif
		fi
	fi;
#endif
	take();
	got = true;
	goto out;

wait:	atomic {
		if
		:: stream > 0 -> readable = true; goto look
		:: stream == 0 && !forever -> goto out
		:: stopped && taken == sent && stream == 0 && !junk_may_come -> goto finished
		fi
	};

out:	assert(!promised || got || (JUNK && received));
	promised = false;
	calling = false;
	goto poll;

finished:
	skip
}

#if !JUNK
bool readable_iff_queued = true, readable_only_if_queued = true;

active proctype application()
{
end:	if
	:: atomic {
		!putting && !calling && due == 0 && (stream > 0) != (sent > taken) ->
		readable_iff_queued = false;
		assert(readable_iff_queued)
	   }
	:: atomic {
		!calling && stream > 0 && sent == taken ->
		readable_only_if_queued = false;
		assert(readable_only_if_queued)
	   }
	fi
}
#endif
