/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One direction of a native connection (lib/ring/ring.h): the ring, its producer, and
 * what all three kinds of consumers do alike. A message is one unit of positions; here
 * they are multiples of 2 instead of 8, and RUNG is bit 0 as there.
 *
 * The producer is qbi_ring_put() and then qbi_wakeup_send(): two steps. It may stop at
 * any time, so each search covers all shorter runs as well.
 *
 *   MESSAGES   to send at most
 *   CAPACITY   messages that fit into the ring
 *   JUNK       bytes that come from nobody, at any time
 *   LATE       a byte may be refused by the socket; all that were go out together later
 *
 * Variants that are to fail:
 *
 *   PUBLISH_BY_STORE     tail is loaded and stored, with fences around, not exchanged
 *   PUBLISH_RELAXED      the exchange does not wait for the payload
 *   DROP_REFUSED         a byte that the socket refuses is forgotten
 *   ARM_BY_STORE         arming loads and stores, with fences around
 *   ARM_BLINDLY          RUNG is cleared whatever the position is
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef JUNK
#define JUNK 0
#endif

#define HEAD 0
#define TAIL 1
#define SLOT 2
#define WORDS (SLOT + CAPACITY)
#include "memory.pml"

#define RUNG 1
#define position(tail) ((tail) / 2)
#define has_rung(tail) ((tail) & RUNG)

/* The socket: bytes that can be received, and bytes that are decided but not sent. */
byte stream, due;

/* Private to one side; global because the properties speak of them. */
byte sent;		/* producer: messages published */
byte taken;		/* consumer: messages taken */
short owed;		/* consumer: bytes sent for it or due, not received */
bool stopped;		/* the producer will send no more */
bool putting, calling;	/* is inside of a call of the library */
byte junk;		/* bytes from nobody that were not received as such */

/* -- Producer ----------------------------------------------------------------- */

inline publish(old)
{
#if defined(PUBLISH_BY_STORE)
	empty(buffer[PRODUCER]);
	old = mem[TAIL];
	atomic {
		sent++;
		due = due + (has_rung(old) -> 0 : 1);
		store(PRODUCER, TAIL, 2 * sent | RUNG)
	};
	empty(buffer[PRODUCER])
#else
	atomic {
#if !defined(PUBLISH_RELAXED)
		empty(buffer[PRODUCER]);
#endif
		old = mem[TAIL];
		sent++;
		due = due + (has_rung(old) -> 0 : 1);
		mem[TAIL] = 2 * sent | RUNG
	}
#endif
}

active proctype producer()
{
	byte old;

	do
	:: atomic {
		sent < MESSAGES && sent - mem[HEAD] < CAPACITY -> putting = true
	   }
	   store(PRODUCER, SLOT + sent % CAPACITY, sent + 1);
	   publish(old);
	   if
	   :: has_rung(old)
	   :: !has_rung(old) -> atomic { stream = stream + due; due = 0 }
#ifdef LATE
	   :: !has_rung(old)
#endif
#ifdef DROP_REFUSED
	   :: !has_rung(old) -> due = 0
#endif
	   fi;
	   old = 0;
	   putting = false
#ifdef LATE
#ifdef LATE_SINGLY
	:: due > 0 -> atomic { stream++; due-- }
#else
	:: due > 0 -> atomic { stream = stream + due; due = 0 }
#endif
#endif
	:: due == 0 -> break
	od;
	stopped = true
}

#if JUNK
byte junk_sent;

active proctype stranger()
{
end:	do
	:: atomic { junk_sent < JUNK -> junk_sent++; junk++; stream++ }
	od
}
#define junk_may_come (junk_sent < JUNK)
#else
#define junk_may_come false
#endif

/* -- Consumer ----------------------------------------------------------------- */

inline take()
{
	assert(mem[SLOT + taken % CAPACITY] == taken + 1);
	taken++;
	store(CONSUMER, HEAD, taken)
}

/* qbi_ring_arm(): if the tail is at @expected. */
inline arm(expected, armed)
{
	tail = mem[TAIL];
	armed = false;
	if
#ifdef ARM_BLINDLY
	:: atomic {
		empty(buffer[CONSUMER]) ->
		armed = true;
		owed = owed + has_rung(mem[TAIL]);
		mem[TAIL] = mem[TAIL] & ~RUNG
	   }
#else
	:: position(tail) != expected
	:: position(tail) == expected && !has_rung(tail) -> armed = true
	:: position(tail) == expected && has_rung(tail) ->
#ifdef ARM_BY_STORE
		empty(buffer[CONSUMER]);
		atomic { armed = true; owed++; store(CONSUMER, TAIL, 2 * (expected)) };
		empty(buffer[CONSUMER])
#else
		atomic {
			empty(buffer[CONSUMER]) ->
			if
			:: mem[TAIL] == tail ->
				mem[TAIL] = 2 * (expected);
				owed++;
				armed = true
			:: else
			fi
		}
#endif
#endif
	fi
}

/* Receive at most what is owed, without waiting. @got: anything. */
inline receive_owed(got)
{
	d_step {
		if
		:: owed > 0 && stream > 0 ->
			got = true;
			if
			:: stream < owed -> owed = owed - stream; stream = 0
			:: else -> stream = stream - owed; owed = 0
			fi
		:: else
		fi
	}
}

/* Receive one byte that nobody can have sent for us. */
inline receive_junk(got)
{
	atomic {
#ifndef UNCOUNTED
		assert(stream > 0 && junk > 0);
#endif
		stream--;
		junk--;
		got = true
	}
}

#ifndef UNCOUNTED
/* Each byte is owed, or will be when the consumer arms, or is junk. */
bool all_bytes_counted = true;

active proctype accountant()
{
end:	atomic {
		stream + due != owed + has_rung(mem[TAIL]) + junk ->
		all_bytes_counted = false;
		assert(all_bytes_counted)
	}
}
#endif
