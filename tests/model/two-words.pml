/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol that was not taken: a word of its own for the bell, besides the tail.
 *
 *   producer, after publishing       if bell == 0 and exchange(bell, 1) == 0: send a byte
 *   consumer, to arm                 if exchange(bell, 0) == 1: owed++; look again;
 *                                    nothing there: receive at most `owed` bytes
 *
 * For requests that is right, and the search says so. For events it is not: between
 * publishing and deciding to ring an event can be taken, and the byte that is sent
 * afterwards makes the descriptor readable without an event.
 *
 *   EVENTS            the consumer is an application that polls for events
 *
 * Variants that are to fail:
 *
 *   DRAIN             (requests) after looking again, receive everything
 *   RELEASE_ACQUIRE   tail is published by a plain store
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define CAPACITY 2

#define HEAD 0
#define TAIL 1
#define BELL 2
#define SLOT 3
#define WORDS (SLOT + CAPACITY)
#include "memory.pml"

byte stream;		/* bytes that can be received */
byte sent, taken;	/* messages */
byte owed;		/* bytes sent for the consumer or due, not received */
bool stopped;		/* the producer will send no more */
bool putting, calling;	/* is inside of a call of the library */

active proctype producer()
{
	byte old;

	do
	:: atomic {
		sent < MESSAGES && sent - mem[HEAD] < CAPACITY -> putting = true
	   }
	   store(PRODUCER, SLOT + sent % CAPACITY, sent + 1);
	   atomic {
#ifdef RELEASE_ACQUIRE
		nfull(buffer[PRODUCER]) ->
		sent++;
		store(PRODUCER, TAIL, sent)
#else
		empty(buffer[PRODUCER]) ->
		sent++;
		mem[TAIL] = sent
#endif
	   }
	   if
	   :: mem[BELL] != 0
	   :: mem[BELL] == 0 ->
		exchange(PRODUCER, BELL, 1, old);
		if
		:: old == 0 -> stream++
		:: old == 1
		fi
	   fi;
	   old = 0;
	   putting = false
	:: break
	od;
	stopped = true
}

inline take()
{
	assert(mem[SLOT + taken % CAPACITY] == taken + 1);
	taken++;
	store(CONSUMER, HEAD, taken)
}

inline arm()
{
	exchange(CONSUMER, BELL, 0, old);
	owed = owed + old;
	old = 0;
	tail = mem[TAIL]
}

inline receive_owed()
{
	d_step {
		if
		:: stream < owed -> owed = owed - stream; stream = 0
		:: else -> stream = stream - owed; owed = 0
		fi
	}
}

#ifndef EVENTS

/* Without batches: an easier task than that of requests.pml. */
active proctype server()
{
	byte tail, old;

	do
	:: tail = mem[TAIL];
	   if
	   :: tail != taken -> take()
	   :: tail == taken ->
		arm();
		if
		:: tail != taken
		:: tail == taken ->
#ifdef DRAIN
			stream = 0;
#else
			receive_owed();
#endif
			if
			:: stream > 0
			:: stopped && taken == sent && stream == 0 -> break
			fi
		fi
	   fi
	od
}

#else

/* As in events.pml, by an application that calls only when the stream is readable. */
active proctype client()
{
	byte tail, old;

	do
	:: atomic { stream > 0 -> calling = true };
	   tail = mem[TAIL];
	   if
	   :: tail == taken + 1 -> arm()
	   :: else
	   fi;
	   if
	   :: tail == taken + 1 -> receive_owed()
	   :: else
	   fi;
	   if
	   :: tail == taken + 1 && owed > 0
	   :: tail == taken
	   :: else -> take()
	   fi;
	   tail = 0;
	   calling = false
	:: stopped && taken == sent && stream == 0 -> break
	od
}

bool readable_only_if_queued = true;

active proctype application()
{
end:	atomic {
		!calling && stream > 0 && sent == taken ->
		readable_only_if_queued = false;
		assert(readable_only_if_queued)
	}
}

#endif
