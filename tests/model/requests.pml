/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's end of the request ring: requests_serve() in lib/server/dispatch.c and
 * qbi_native_shm_server_settle() in lib/transport/native-shm-server-awake.c, below an
 * application's loop that polls the stream, level-triggered.
 *
 * A dispatch takes at most BATCH messages; the application may have had enough after
 * any of them. Then it returns to the loop, and whatever is left must wake it again by
 * a byte that it has not received. With nothing left it may stay awake, which is to
 * return with its byte unread, or go to sleep. The loop may also come for other reasons
 * than the stream being readable.
 *
 * Properties: no lost wake-up (the loop never sleeps for ever while a request waits,
 * which the search reports as an invalid end state); a dispatch that the stream caused
 * takes or receives something, unless it stays awake on purpose; junk is received as
 * such only when it is junk; each byte is counted.
 *
 * Variants that are to fail, besides those of ring.pml:
 *
 *   DRAIN_FIRST       receive everything, look again, then arm (nothing counted)
 *   JUNK_UNPOLLED     take a byte for junk without asking whether there was one before
 */
#ifndef BATCH
#define BATCH 2
#endif
#ifdef DRAIN_FIRST
#define UNCOUNTED
#endif
#include "ring.pml"

active proctype server()
{
	byte tail, left;
	bool armed, done;	/* done: took, received, or left a byte on purpose */
	bool readable;		/* the loop said so, and nothing was received since */
	bool patient;		/* the loop comes only when the stream is readable */

poll:	atomic {
		left = BATCH; tail = 0; armed = false; done = false;
		if
		:: stream > 0 -> readable = true
		:: !patient -> readable = false
		:: !patient -> patient = true; goto poll
		:: patient && stopped && taken == sent && stream == 0 && !junk_may_come ->
			goto finished
		fi
	};

next:	tail = mem[TAIL];
	if
	:: position(tail) == taken -> goto settle
	:: position(tail) != taken ->
		take();
		done = true;
		left--;
		if
		:: left > 0 -> goto next
		:: goto settle
		:: goto out
		fi
	fi;

settle:	tail = mem[TAIL];
	if
	:: position(tail) != taken -> goto more
	:: else
	fi;
#ifdef DRAIN_FIRST
	stream = 0;
	arm(taken, armed);
	if
	:: armed -> done = true; goto out
	:: else -> goto more
	fi;
#else
	tail = mem[TAIL];
	if
	:: owed > 0 || has_rung(tail) -> done = true; goto out	/* stay awake */
	:: true
	fi;
	tail = mem[TAIL];
	if
#ifdef JUNK_UNPOLLED
	:: owed == 0 && !has_rung(tail) ->
#else
	:: readable && owed == 0 && !has_rung(tail) ->
#endif
		tail = mem[TAIL];
		if
		:: position(tail) == taken && stream > 0 -> receive_junk(done); goto out
		:: else
		fi
	:: else
	fi;
	arm(taken, armed);
	if
	:: !armed -> goto more
	:: armed -> receive_owed(done); goto out
	fi;
#endif

more:	if
	:: left > 0 -> goto next
	:: left == 0 -> goto out
	fi;

out:	assert(!readable || done);
	goto poll;

finished:
	skip
}
